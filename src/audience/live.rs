//! What may a trigger ask of live events? The filters of selections, and what they need to know.

use std::collections::BTreeMap;

use arrow::array::StringArray;

use crate::base::{CHUNK_USERS, Outcome, Timestamp, UserNo};
use crate::select::instant;
use crate::store::Snapshot;

pub use crate::select::alike;
pub use crate::select::live::{AsOf, LiveRows, Predicate, TagOf, same_property};

/// Days of an event that its rate is taken from: the newest ones, as hot events grow.
const RATE_DAYS: usize = 7;

/// Rows of an event (`None`: any) on a day, over the newest days that have events at all.
pub fn rows_per_day(event: Option<&str>, snapshot: &Snapshot) -> f64 {
    let days: Vec<_> = snapshot.days().iter().rev().take(RATE_DAYS).collect();
    let rows = |day| match event {
        Some(event) => snapshot.rows_on(day, event),
        None => snapshot.events_on(day).map(|event| snapshot.rows_on(day, event)).sum(),
    };
    let total: u64 = days.iter().map(|day| rows(**day)).sum();
    total as f64 / days.len().max(1) as f64
}

/// The instants in tags of the users of a batch, for filters such as `paid_at within 7 days of joined`.
#[derive(Debug, Default)]
pub struct UserTags(BTreeMap<String, Vec<Option<Timestamp>>>);

impl UserTags {
    /// The tags that `predicates` read of `users`; nothing is read where none does.
    /// Errors: STO-002 when a file of attributes is damaged.
    pub fn read(predicates: &[Predicate], users: &StringArray, snapshot: &Snapshot) -> Outcome<UserTags> {
        let mut tags = UserTags::default();
        for tag in predicates.iter().flat_map(Predicate::tags) {
            if !tags.0.contains_key(tag) {
                let values = users.iter().map(|user| of_user(tag, user?, snapshot).transpose());
                let values: Outcome<Vec<_>> = values.map(Option::transpose).collect();
                tags.0.insert(tag.clone(), values?);
            }
        }
        Ok(tags)
    }

    /// The same for users by their numbers.
    /// Errors: STO-002 when a file of attributes is damaged.
    pub fn of_users(predicates: &[Predicate], users: &[UserNo], snapshot: &Snapshot) -> Outcome<UserTags> {
        let mut tags = UserTags::default();
        for tag in predicates.iter().flat_map(Predicate::tags) {
            if !tags.0.contains_key(tag) {
                let values = users.iter().map(|user| of_number(tag, *user, snapshot));
                tags.0.insert(tag.clone(), values.collect::<Outcome<_>>()?);
            }
        }
        Ok(tags)
    }

    /// The instant in `tag` of the user of a row.
    pub fn of(&self, tag: &str, row: usize) -> Option<Timestamp> {
        *self.0.get(tag)?.get(row)?
    }
}

fn of_user(tag: &str, user: &str, snapshot: &Snapshot) -> Outcome<Option<Timestamp>> {
    snapshot.find(user).map_or(Ok(None), |user| of_number(tag, user, snapshot))
}

fn of_number(tag: &str, user: UserNo, snapshot: &Snapshot) -> Outcome<Option<Timestamp>> {
    let Some(attributes) = snapshot.attributes(user / CHUNK_USERS)? else { return Ok(None) };
    let column = attributes.column(tag)?;
    Ok(column.and_then(|column| instant(column, (user % CHUNK_USERS) as usize, &snapshot.zone())))
}
