//! What does a task say of the limits of each member of its staff? `[limits] staff = { … }`.

use super::reader::{Field, Reader, Section};

/// What each member of a task's staff may do in this task.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StaffLimits {
    /// The family of dated limits, such as `staff.add`; `none` for none; left out: the channel's own.
    pub quota: Option<String>,
    /// Touches of one member on one local day, by this task.
    pub per_day: Option<u64>,
    pub when_full: WhenFull,
}

/// What happens to a user whose member has no room left today.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenFull {
    /// Waits for the same member, until the next local day.
    #[default]
    Wait,
    /// Is suppressed, with the reason `quota`.
    Suppress,
    /// Who has no member yet gets the next one who has room; who has one waits.
    Next,
}

/// The family that means no limits.
pub const NO_QUOTA: &str = "none";

const KEYS: &[&str] = &["quota", "per_day", "when_full"];
const WHEN_FULL: &[(&str, WhenFull)] =
    &[("wait", WhenFull::Wait), ("suppress", WhenFull::Suppress), ("next", WhenFull::Next)];
/// More than any account can do on a day.
const PER_DAY_MAX: i64 = 1_000_000;

/// What could be read, with its place.
#[derive(Default)]
pub struct StaffLimitsPart {
    pub quota: Option<Field<String>>,
    per_day: Option<u64>,
    when_full: Option<WhenFull>,
}

impl StaffLimitsPart {
    /// The table `staff` in `[limits]`.
    pub fn read(reader: &mut Reader, limits: &Section) -> StaffLimitsPart {
        let section = limits.inner("staff", reader);
        reader.keys(&section, KEYS, &|_| None);
        StaffLimitsPart {
            quota: reader.text(&section, "quota"),
            per_day: reader.number(&section, "per_day", 0, PER_DAY_MAX).map(i64::unsigned_abs),
            when_full: reader.word(&section, "when_full", WHEN_FULL),
        }
    }

    /// Without the place.
    pub fn whole(self) -> StaffLimits {
        StaffLimits {
            quota: self.quota.map(|field| field.value),
            per_day: self.per_day,
            when_full: self.when_full.unwrap_or_default(),
        }
    }
}
