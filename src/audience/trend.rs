//! How large was a selection's audience over time? The same data, asked as of one instant after the
//! other.

use roaring::RoaringBitmap;

use super::crowds::Audiences;
use crate::base::{Outcome, Pace, Problem, Problems, Timestamp, Unit, Zone};
use crate::store::Snapshot;

/// Instants in one trend: a year by the hour.
const INSTANTS_MAX: usize = 10_000;

/// A step of time. Days, weeks, months and years keep the local clock time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Every {
    /// At least 1.
    pub count: u32,
    pub unit: Unit,
}

/// The sizes of an audience.
#[derive(Debug, Clone)]
pub struct Trend {
    /// As-of and users, ascending by as-of.
    pub sizes: Vec<(Timestamp, u64)>,
    /// Each warning once, though it may hold for many instants.
    pub warnings: Vec<Problem>,
}

impl Every {
    /// `from`, and every step after it up to `to`.
    /// Errors: CRD-014 when there are too many, or none.
    pub fn instants(&self, from: Timestamp, to: Timestamp, zone: &Zone) -> Outcome<Vec<Timestamp>> {
        let steps = (0..=INSTANTS_MAX as i64).map(|n| self.after(from, n, zone));
        let instants: Vec<Timestamp> = steps.take_while(|at| *at <= to).collect();
        let refused = |what: String, cure: &str| Err(Problem::author("CRD-014", what).at("trend").cure(cure));
        match instants.len() {
            0 => refused("`--to` is before `--from`".to_string(), "give the earlier instant to --from"),
            n if n > INSTANTS_MAX => {
                let what = format!("from --from to --to there are more than {INSTANTS_MAX} steps");
                refused(what, "take a longer step with --every, or a shorter time")
            }
            _ => Ok(instants),
        }
    }

    /// The instant `n` steps after `from`.
    fn after(&self, from: Timestamp, n: i64, zone: &Zone) -> Timestamp {
        let steps = n.saturating_mul(self.count as i64);
        let days = match self.unit {
            Unit::Day => steps,
            Unit::Week => steps.saturating_mul(7),
            unit => return crate::base::ahead(from, u32::try_from(steps).unwrap_or(u32::MAX), unit, zone),
        };
        let local = zone.local(from);
        let day = zone.day_of(from).plus(days.clamp(0, i32::MAX as i64 / 2) as i32);
        zone.instant(day.date().and_time(local.time()))
    }
}

impl Audiences {
    /// The exact size of a selection's audience as of each instant, over one data version; `pace`
    /// is told of each. Errors: as [`Audiences::prepare_text`].
    pub fn trend(
        &self,
        text: &str,
        instants: &[Timestamp],
        snapshot: &Snapshot,
        pace: &dyn Pace,
    ) -> Result<Trend, Problems> {
        let mut trend = Trend { sizes: vec![], warnings: vec![] };
        pace.begin("evaluating", Some(instants.len() as u64), "instants");
        let done = instants.iter().try_for_each(|at| {
            let (_, prepared) = self.prepare_text(text, *at, snapshot)?;
            trend.sizes.push((*at, prepared.users(snapshot)?.len()));
            prepared.warnings().iter().for_each(|warning| trend.warn(warning));
            pace.more(1);
            Ok(())
        });
        pace.end();
        done.map(|()| trend)
    }

    /// The audiences of a selection as of several instants, over one data version, and what the
    /// author should know. Errors: as [`Audiences::prepare_text`].
    pub fn trend_users<const N: usize>(
        &self,
        text: &str,
        instants: [Timestamp; N],
        snapshot: &Snapshot,
    ) -> Result<([RoaringBitmap; N], Vec<Problem>), Problems> {
        let mut trend = Trend { sizes: vec![], warnings: vec![] };
        let mut found = std::array::from_fn::<RoaringBitmap, N, _>(|_| RoaringBitmap::new());
        for (slot, at) in found.iter_mut().zip(instants) {
            let (_, prepared) = self.prepare_text(text, at, snapshot)?;
            *slot = prepared.users(snapshot)?;
            prepared.warnings().iter().for_each(|warning| trend.warn(warning));
        }
        Ok((found, trend.warnings))
    }
}

impl Trend {
    /// The same warning at the same place differs only in the instants that it names.
    fn warn(&mut self, warning: &Problem) {
        let is_same = |known: &Problem| known.code == warning.code && known.span == warning.span;
        if !self.warnings.iter().any(is_same) {
            self.warnings.push(warning.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn instants(from: &str, to: &str, count: u32, unit: Unit, zone: &str) -> Outcome<Vec<String>> {
        let zone = Zone::named(zone).unwrap();
        let at = |text| Timestamp::parse(text, &zone).unwrap();
        let found = Every { count, unit }.instants(at(from), at(to), &zone)?;
        Ok(found.into_iter().map(|at| zone.local(at).format("%m-%d %H:%M").to_string()).collect())
    }

    #[test]
    fn steps_end_at_the_last_one_that_is_not_too_late() {
        let days = instants("2026-02-27", "2026-03-01", 1, Unit::Day, "Asia/Shanghai").unwrap();
        assert_eq!(days, ["02-27 00:00", "02-28 00:00", "03-01 00:00"]);
        let hours = instants("2026-02-27 10:30", "2026-02-27 23:00", 6, Unit::Hour, "Asia/Shanghai").unwrap();
        assert_eq!(hours, ["02-27 10:30", "02-27 16:30", "02-27 22:30"]);
        let months = instants("2026-01-31", "2026-04-01", 1, Unit::Month, "Asia/Shanghai").unwrap();
        assert_eq!(months, ["01-31 00:00", "02-28 00:00", "03-31 00:00"]);
    }

    #[test]
    fn days_keep_the_clock_time_where_clocks_change() {
        let days =
            instants("2026-03-07 12:00", "2026-03-09 12:00", 1, Unit::Day, "America/New_York").unwrap();
        assert_eq!(days, ["03-07 12:00", "03-08 12:00", "03-09 12:00"]);
        let weeks = instants("2026-03-01", "2026-03-15", 1, Unit::Week, "America/New_York").unwrap();
        assert_eq!(weeks.len(), 3);
    }

    #[test]
    fn too_many_steps_or_none_are_refused() {
        for (from, to) in [("2026-03-02", "2026-03-01"), ("2026-01-01", "2026-03-01")] {
            let problem = instants(from, to, 1, Unit::Second, "Asia/Shanghai").unwrap_err();
            assert_eq!(problem.code, "CRD-014");
        }
    }
}
