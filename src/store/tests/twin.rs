//! The same loads, told in the simplest way: users in a map, rows in lists.

use std::collections::{BTreeMap, BTreeSet};

use crate::base::{Day, Timestamp, Zone};
use crate::store::Mode;

use super::made::{DetailRow, EventRow, Step, UserRow, city, event, event_id, id, key, tag, time};

/// Everything known of everyone.
#[derive(Debug, Clone, Default)]
pub struct Twin {
    users: BTreeMap<u8, User>,
    details: BTreeMap<u8, DetailRow>,
}

#[derive(Debug, Clone, Default)]
struct User {
    row: Option<BTreeMap<&'static str, String>>,
    is_named: bool,
    events: Vec<EventRow>,
    seen: BTreeSet<(i64, u8)>,
}

impl Twin {
    pub fn run(&mut self, step: &Step) {
        match step {
            Step::Users { mode, rows, with_age, .. } => self.users(*mode, rows, *with_age),
            Step::Events { rows, .. } => rows.iter().for_each(|row| self.event(row)),
            Step::Detail { rows } => rows.iter().for_each(|row| self.detail(row)),
            Step::Members { users, create } => {
                let users = users.iter().filter(|_| *create);
                users.for_each(|user| self.users.entry(*user).or_default().is_named = true);
            }
            Step::Publish => {}
        }
    }

    fn users(&mut self, mode: Mode, rows: &[UserRow], with_age: bool) {
        if mode == Mode::Replace {
            self.users.values_mut().for_each(|user| user.row = None);
        }
        for row in rows {
            if row.is_deleted || mode == Mode::Delete {
                self.users.remove(&row.user);
                self.details.retain(|_, detail| detail.user != row.user);
                continue;
            }
            let user = self.users.entry(row.user).or_default();
            let mut values = user.row.take().filter(|_| mode == Mode::Patch).unwrap_or_default();
            set(&mut values, "city", row.city.map(city));
            set(
                &mut values,
                "tags",
                row.tags.as_ref().map(|tags| tags.iter().map(|t| tag(*t)).collect::<Vec<_>>().join(",")),
            );
            if with_age {
                set(&mut values, "age", row.age.map(|age| format!("{:?}", age as f64)));
            }
            user.row = Some(values);
        }
    }

    fn event(&mut self, row: &EventRow) {
        let user = self.users.entry(row.user).or_default();
        user.is_named = true;
        if row.id.is_none_or(|id| user.seen.insert((row.hour, id))) {
            user.events.push(row.clone());
        }
    }

    fn detail(&mut self, row: &DetailRow) {
        if row.is_deleted {
            self.details.remove(&row.key);
            return;
        }
        self.users.entry(row.user).or_default().is_named = true;
        self.details.insert(row.key, row.clone());
    }

    /// The same lines that `dump` makes of a snapshot.
    pub fn lines(&self, zone: &Zone) -> Vec<String> {
        let known = self.users.iter().filter(|(_, user)| user.row.is_some() || user.is_named);
        let mut lines = Vec::new();
        for (number, user) in known {
            let name = id(*number);
            lines.push(format!("user {name}"));
            let values = user.row.iter().flatten();
            lines.extend(values.map(|(column, value)| format!("value {name} {column} {value}")));
            lines.extend(user.event_lines(&name, zone));
            lines.extend(self.detail_lines(*number, &name));
        }
        lines.sort();
        lines
    }

    fn detail_lines(&self, number: u8, name: &str) -> Vec<String> {
        let mut rows: Vec<&DetailRow> = self.details.values().filter(|row| row.user == number).collect();
        rows.sort_by_key(|row| (row.hour, key(row.key)));
        let line = |(at, row): (usize, &&DetailRow)| {
            format!("detail {name} #{at} {} {:?} {:?}", key(row.key), row.hour.map(time), row.amount)
        };
        rows.iter().enumerate().map(line).collect()
    }
}

impl User {
    fn event_lines(&self, name: &str, zone: &Zone) -> Vec<String> {
        let mut groups: BTreeMap<(Day, String), Vec<&EventRow>> = BTreeMap::new();
        for row in &self.events {
            groups.entry((zone.day_of(Timestamp(time(row.hour))), event(row.event))).or_default().push(row);
        }
        let mut lines = Vec::new();
        for ((day, event), mut rows) in groups {
            rows.sort_by_key(|row| (row.hour, row.id.map(event_id)));
            lines.push(format!("count {day} {event} {name} {}", rows.len()));
            lines.extend(rows.iter().enumerate().map(|(at, row)| {
                let amount = row.amount.map(|amount| amount as f64);
                format!(
                    "event {day} {event} {name} #{at} {} {:?} {amount:?}",
                    time(row.hour),
                    row.id.map(event_id)
                )
            }));
        }
        lines
    }
}

fn set(values: &mut BTreeMap<&'static str, String>, column: &'static str, value: Option<String>) {
    match value {
        Some(value) => drop(values.insert(column, value)),
        None => drop(values.remove(column)),
    }
}
