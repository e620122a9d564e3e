//! Who carries tasks out? The register of an app's staff in `meta.db`, with an audit trail.
//!
//! A [`Member`] is imported, leaves and comes back; nobody is ever deleted, since the book speaks of
//! everyone who was dealt to. Which members a task has is said by [`super::team`].

use std::collections::BTreeMap;

use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use serde::Serialize;

use crate::base::{Day, Outcome, Problem, Timestamp};

use super::tasks::{Tasks, disk_trouble};

/// Tables of the register, made when they are absent.
pub(super) const TABLES: &str = "
    create table if not exists staff (
        id text primary key, name text not null, department text, joined integer not null,
        friends integer not null, friends_on integer not null, is_active integer not null) without rowid;
    create table if not exists staff_moves (
        no integer primary key, staff text not null references staff(id), at integer not null,
        who text not null, move text not null, note text);
    create index if not exists moves_of_staff on staff_moves (staff);";

const MEMBER: &str = "select id, name, department, joined, friends, friends_on, is_active from staff";

/// One member of the staff.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    pub id: String,
    pub name: String,
    /// `华东/上海` lies in `华东`.
    pub department: Option<String>,
    /// Since when the account is in use.
    pub joined: Day,
    /// Friends of the account, as imported on `friends_on`.
    pub friends: u64,
    pub friends_on: Day,
    /// False when the member has left.
    pub is_active: bool,
}

/// What an import says of one member. What it does not say stays as it was; of a new member the name is
/// the id, the account is in use since today, and nobody is its friend.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MemberRow {
    pub id: String,
    pub name: Option<String>,
    pub department: Option<String>,
    pub joined: Option<Day>,
    pub friends: Option<u64>,
    pub is_active: Option<bool>,
}

/// What an import did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Imported {
    pub new: u64,
    pub changed: u64,
    pub same: u64,
}

/// One line of a member's audit trail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberMove {
    pub at: Timestamp,
    pub who: String,
    /// `imported`, `changed`, `left`, `returned`, `resumed`.
    pub step: String,
    pub note: Option<String>,
}

/// Who does something to a member, when and why.
#[derive(Debug, Clone, Copy)]
pub struct By<'a> {
    pub who: &'a str,
    pub note: Option<&'a str>,
    pub now: Timestamp,
}

/// The register of one app.
pub struct Register<'a> {
    db: &'a Connection,
}

impl Tasks {
    /// The staff of the app.
    pub fn staff(&self) -> Register<'_> {
        Register { db: &self.db }
    }
}

impl Register<'_> {
    /// Everyone who was ever imported, by id. Errors: OUT-030.
    pub fn list(&self) -> Outcome<Vec<Member>> {
        let mut query = self.db.prepare_cached(&format!("{MEMBER} order by id")).map_err(disk_trouble)?;
        let rows = query.query_map([], member).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }

    /// One member by id, or by a name that only one has. Errors: STF-002, OUT-030.
    pub fn member(&self, called: &str) -> Outcome<Member> {
        let all = self.list()?;
        let found = find(&all, called).map_err(|what| {
            Problem::author("STF-002", what).cure("see `quanke staff list`; ids are never ambiguous")
        })?;
        Ok(found.clone())
    }

    /// Takes rows in, in one commit; `today` is the local day of the import. Of two rows with one id the
    /// later is the last word. Errors: OUT-030.
    pub fn import(&self, rows: &[MemberRow], today: Day, by: By) -> Outcome<Imported> {
        let tx = self.begin()?;
        let mut known: BTreeMap<String, Member> =
            self.list()?.into_iter().map(|member| (member.id.clone(), member)).collect();
        let mut imported = Imported::default();
        for row in rows {
            let before = known.get(&row.id);
            let after = row.over(before, today);
            let (step, note) = match before {
                None => ("imported", None),
                Some(before) => match difference(before, &after) {
                    None => {
                        imported.same += 1;
                        continue;
                    }
                    Some(what) => ("changed", Some(what)),
                },
            };
            *if before.is_none() { &mut imported.new } else { &mut imported.changed } += 1;
            put(&tx, &after)?;
            add_move(&tx, &row.id, step, By { note: note.as_deref(), ..by })?;
            known.insert(row.id.clone(), after);
        }
        tx.commit().map_err(disk_trouble)?;
        Ok(imported)
    }

    /// The member leaves: nobody is dealt to them any more. Errors: STF-002, STF-003 left before.
    pub fn leave(&self, called: &str, by: By) -> Outcome<Member> {
        self.turn(called, false, by)
    }

    /// The member is back. Errors: STF-002, STF-003 never left.
    pub fn come_back(&self, called: &str, by: By) -> Outcome<Member> {
        self.turn(called, true, by)
    }

    /// Notes something that was done about a member. Errors: OUT-030.
    pub fn note(&self, id: &str, step: &str, by: By) -> Outcome<()> {
        let tx = self.begin()?;
        add_move(&tx, id, step, by)?;
        tx.commit().map_err(disk_trouble)
    }

    /// The audit trail of a member, the oldest first. Errors: OUT-030.
    pub fn moves(&self, id: &str) -> Outcome<Vec<MemberMove>> {
        let sql = "select at, who, move, note from staff_moves where staff = ?1 order by no";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let read = |row: &Row| {
            let at = Timestamp(row.get(0)?);
            Ok(MemberMove { at, who: row.get(1)?, step: row.get(2)?, note: row.get(3)? })
        };
        let rows = query.query_map([id], read).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }

    fn turn(&self, called: &str, is_active: bool, by: By) -> Outcome<Member> {
        let tx = self.begin()?;
        let member = self.member(called)?;
        let (step, word) =
            if is_active { ("returned", "has not left") } else { ("left", "has left already") };
        if member.is_active == is_active {
            return Err(Problem::author("STF-003", format!("{} {word}", member.shown()))
                .cure(format!("see `quanke staff show {}`", member.id)));
        }
        let member = Member { is_active, ..member };
        put(&tx, &member)?;
        add_move(&tx, &member.id, step, by)?;
        tx.commit().map_err(disk_trouble)?;
        Ok(member)
    }

    fn begin(&self) -> Outcome<Transaction<'_>> {
        Transaction::new_unchecked(self.db, TransactionBehavior::Immediate).map_err(disk_trouble)
    }
}

impl Member {
    /// `张三 (s1)`, or the id alone where it is the name.
    pub fn shown(&self) -> String {
        if self.name == self.id { self.id.clone() } else { format!("{} ({})", self.name, self.id) }
    }

    /// Does the member work in this department, or in one below it?
    pub fn works_in(&self, department: &str) -> bool {
        let own = self.department.as_deref().and_then(|own| own.strip_prefix(department));
        own.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl MemberRow {
    fn over(&self, before: Option<&Member>, today: Day) -> Member {
        let name = self.name.clone().or_else(|| before.map(|known| known.name.clone()));
        let kept = |day: fn(&Member) -> Day| before.map_or(today, day);
        Member {
            id: self.id.clone(),
            name: name.unwrap_or_else(|| self.id.clone()),
            department: self.department.clone().or_else(|| before.and_then(|known| known.department.clone())),
            joined: self.joined.unwrap_or_else(|| kept(|known| known.joined)),
            friends: self.friends.or_else(|| before.map(|known| known.friends)).unwrap_or(0),
            friends_on: if self.friends.is_some() { today } else { kept(|known| known.friends_on) },
            is_active: self.is_active.or_else(|| before.map(|known| known.is_active)).unwrap_or(true),
        }
    }
}

/// The member with this id, or the only one with this name; else what is wrong with it.
pub(super) fn find<'m>(members: &'m [Member], called: &str) -> Result<&'m Member, String> {
    if let Some(member) = members.iter().find(|member| member.id == called) {
        return Ok(member);
    }
    let named: Vec<&Member> = members.iter().filter(|member| member.name == called).collect();
    match named.as_slice() {
        [one] => Ok(one),
        [] => Err(format!("nobody of the staff has the id or the name `{called}`")),
        several => {
            let ids: Vec<&str> = several.iter().map(|member| member.id.as_str()).collect();
            Err(format!("`{called}` is the name of {}: {}", ids.len(), ids.join(", ")))
        }
    }
}

/// What an import changed, for the audit trail.
fn difference(before: &Member, after: &Member) -> Option<String> {
    let text = |department: &Option<String>| department.clone().unwrap_or_else(|| "-".into());
    let parts = [
        ("name", before.name.clone(), after.name.clone()),
        ("department", text(&before.department), text(&after.department)),
        ("joined", before.joined.to_string(), after.joined.to_string()),
        ("friends", before.friends.to_string(), after.friends.to_string()),
        ("friends_on", before.friends_on.to_string(), after.friends_on.to_string()),
        ("active", before.is_active.to_string(), after.is_active.to_string()),
    ];
    let changed = parts.iter().filter(|(_, before, after)| before != after);
    let told: Vec<String> =
        changed.map(|(what, before, after)| format!("{what} {before} → {after}")).collect();
    (!told.is_empty()).then(|| told.join(", "))
}

fn member(row: &Row) -> rusqlite::Result<Member> {
    Ok(Member {
        id: row.get(0)?,
        name: row.get(1)?,
        department: row.get(2)?,
        joined: Day(row.get(3)?),
        friends: row.get::<_, i64>(4)?.unsigned_abs(),
        friends_on: Day(row.get(5)?),
        is_active: row.get(6)?,
    })
}

fn put(tx: &Transaction, member: &Member) -> Outcome<()> {
    let sql = "insert into staff (id, name, department, joined, friends, friends_on, is_active)
               values (?1, ?2, ?3, ?4, ?5, ?6, ?7) on conflict (id) do update set
               name = excluded.name, department = excluded.department, joined = excluded.joined,
               friends = excluded.friends, friends_on = excluded.friends_on, is_active = excluded.is_active";
    let friends = i64::try_from(member.friends).unwrap_or(i64::MAX);
    let m = member;
    let values = params![m.id, m.name, m.department, m.joined.0, friends, m.friends_on.0, m.is_active];
    tx.prepare_cached(sql).and_then(|mut put| put.execute(values)).map(|_| ()).map_err(disk_trouble)
}

fn add_move(tx: &Transaction, id: &str, step: &str, by: By) -> Outcome<()> {
    let sql = "insert into staff_moves (staff, at, who, move, note) values (?1, ?2, ?3, ?4, ?5)";
    let values = params![id, by.now.0, by.who, step, by.note];
    tx.prepare_cached(sql).and_then(|mut add| add.execute(values)).map(|_| ()).map_err(disk_trouble)
}

#[cfg(test)]
mod tests;
