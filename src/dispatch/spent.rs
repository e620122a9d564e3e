//! What was let out, of whom, when? The counts that caps and quotas are asked for.
//!
//! A touch that passes all gates is reserved in the commit that writes its row, and given back in the commit
//! in which it ends without having gone out, or refused. `spent_users` has the users of one slice of a
//! calendar's run as a bitmap, `spent_fires` a row for each touch of a trigger, `spent_sent` how many each
//! sender was given at an instant. Every function here is part of the caller's commit.

use std::collections::{BTreeMap, HashMap};

use roaring::RoaringBitmap;
use rusqlite::{Connection, OptionalExtension, params};

use crate::base::{Outcome, Timestamp, UserNo};
use crate::task::{Cap, disk_trouble};

use super::caps::{Way, counts_refused};
use super::ledger::{Ledger, Seat, bitmap_of, bytes_of, count_at, whole};
use super::state::TouchState;

/// The tables.
pub(super) const SPENT: &str = "
    create table ways (
        no integer primary key, task text not null, label text not null, channel text not null,
        sender text not null, staff text not null, unique (task, label, channel, sender, staff));
    create table spent_users (
        no integer primary key, run integer not null, way integer not null references ways(no), at integer not null,
        first integer not null, last integer not null, users blob not null, refused blob);
    create index spent_users_at on spent_users (at);
    create index spent_users_run on spent_users (run);
    create table spent_fires (
        run integer not null, seat integer not null, user integer not null, at integer not null,
        way integer not null references ways(no), is_refused integer not null default 0,
        primary key (run, seat)) without rowid;
    create index spent_fires_user on spent_fires (user, at);
    create index spent_fires_at on spent_fires (at);
    create table spent_sent (
        sender text not null, at integer not null, count integer not null, primary key (sender, at)) without rowid;";

/// How a touch counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    /// Not at all.
    Gone,
    /// For caps on attempts only.
    Refused,
    Live,
}

impl Standing {
    /// How a touch in this state counts.
    pub fn of(state: TouchState) -> Standing {
        match state {
            TouchState::Withheld | TouchState::Suppressed | TouchState::Held => Standing::Gone,
            TouchState::Refused => Standing::Refused,
            TouchState::Due | TouchState::Handed | TouchState::Delivered | TouchState::Unknown => {
                Standing::Live
            }
        }
    }
}

/// Reserves touches of a calendar's run, where a seat is a user.
pub(super) fn reserve_users(
    db: &Connection,
    run: i64,
    way: &Way,
    users: &RoaringBitmap,
    now: Timestamp,
) -> Outcome<()> {
    let (Some(first), Some(last)) = (users.min(), users.max()) else { return Ok(()) };
    let sql = "insert into spent_users (run, way, at, first, last, users) values (?1, ?2, ?3, ?4, ?5, ?6)";
    let values = params![run, way_no(db, way)?, now.0, first, last, bytes_of(users)?];
    db.execute(sql, values).map_err(disk_trouble)?;
    sent(db, &way.sender, now, whole(users.len()))
}

/// Reserves touches of a trigger's run.
pub(super) fn reserve_fires(
    db: &Connection,
    run: i64,
    way: &Way,
    fires: &[(Seat, UserNo)],
    now: Timestamp,
) -> Outcome<()> {
    if fires.is_empty() {
        return Ok(());
    }
    let no = way_no(db, way)?;
    let sql = "insert into spent_fires (run, seat, user, at, way) values (?1, ?2, ?3, ?4, ?5)";
    let mut insert = db.prepare_cached(sql).map_err(disk_trouble)?;
    for (seat, user) in fires {
        insert.execute(params![run, seat, user, now.0, no]).map_err(disk_trouble)?;
    }
    sent(db, &way.sender, now, whole(fires.len()))
}

/// Touches of a run count otherwise than before. What begins to count is reserved by the two above.
pub(super) fn moved(
    db: &Connection,
    run: i64,
    seats: &RoaringBitmap,
    from: Standing,
    to: Standing,
) -> Outcome<()> {
    if from == Standing::Gone {
        return Ok(());
    }
    let left = moved_users(db, run, seats, from, to)?;
    moved_fires(db, run, &left, to)
}

/// Gives the seats that no bitmap of the run has.
fn moved_users(
    db: &Connection,
    run: i64,
    seats: &RoaringBitmap,
    from: Standing,
    to: Standing,
) -> Outcome<RoaringBitmap> {
    let mut left = seats.clone();
    for mut slice in slices(db, run, seats)? {
        let was = if from == Standing::Live { &mut slice.users } else { &mut slice.refused };
        let found = &*was & &left;
        if found.is_empty() {
            continue;
        }
        *was -= &found;
        left -= &found;
        match to {
            Standing::Live => slice.users |= &found,
            Standing::Refused => slice.refused |= &found,
            Standing::Gone => {}
        }
        let sql = "update spent_users set users = ?2, refused = ?3 where no = ?1";
        let refused = (!slice.refused.is_empty()).then(|| bytes_of(&slice.refused)).transpose()?;
        db.execute(sql, params![slice.no, bytes_of(&slice.users)?, refused]).map_err(disk_trouble)?;
        sent(db, &slice.sender, slice.at, change(from, to) * whole(found.len()))?;
    }
    Ok(left)
}

fn moved_fires(db: &Connection, run: i64, seats: &RoaringBitmap, to: Standing) -> Outcome<()> {
    let find = "select w.sender, f.at, f.is_refused from spent_fires f join ways w on w.no = f.way
                where f.run = ?1 and f.seat = ?2";
    let mut find = db.prepare_cached(find).map_err(disk_trouble)?;
    let mut drop =
        db.prepare_cached("delete from spent_fires where run = ?1 and seat = ?2").map_err(disk_trouble)?;
    let mark = "update spent_fires set is_refused = ?3 where run = ?1 and seat = ?2";
    let mut mark = db.prepare_cached(mark).map_err(disk_trouble)?;
    let mut changes: BTreeMap<(String, i64), i64> = BTreeMap::new();
    for seat in seats {
        let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get(1)?, row.get::<_, bool>(2)?));
        let found: Option<(String, i64, bool)> =
            find.query_row(params![run, seat], read).optional().map_err(disk_trouble)?;
        let Some((sender, at, is_refused)) = found else { continue };
        let from = if is_refused { Standing::Refused } else { Standing::Live };
        match to {
            Standing::Gone => drop.execute(params![run, seat]),
            to => mark.execute(params![run, seat, to == Standing::Refused]),
        }
        .map_err(disk_trouble)?;
        *changes.entry((sender, at)).or_insert(0) += change(from, to);
    }
    changes.into_iter().try_for_each(|((sender, at), by)| sent(db, &sender, Timestamp(at), by))
}

/// What a move does to the number that a sender was given.
fn change(from: Standing, to: Standing) -> i64 {
    i64::from(to == Standing::Live) - i64::from(from == Standing::Live)
}

fn sent(db: &Connection, sender: &str, at: Timestamp, by: i64) -> Outcome<()> {
    let sql = "insert into spent_sent (sender, at, count) values (?1, ?2, ?3)
               on conflict (sender, at) do update set count = count + excluded.count";
    if by == 0 {
        return Ok(());
    }
    let mut insert = db.prepare_cached(sql).map_err(disk_trouble)?;
    insert.execute(params![sender, at.0, by]).map(|_| ()).map_err(disk_trouble)
}

/// One row of `spent_users`.
struct Slice {
    no: i64,
    at: Timestamp,
    sender: String,
    users: RoaringBitmap,
    refused: RoaringBitmap,
}

/// The rows of a run that may have some of these users.
fn slices(db: &Connection, run: i64, users: &RoaringBitmap) -> Outcome<Vec<Slice>> {
    let (Some(first), Some(last)) = (users.min(), users.max()) else { return Ok(Vec::new()) };
    let sql = "select s.no, s.at, w.sender, s.users, s.refused from spent_users s join ways w on w.no = s.way
               where s.run = ?1 and s.first <= ?3 and s.last >= ?2 order by s.no";
    let mut query = db.prepare_cached(sql).map_err(disk_trouble)?;
    let mut rows = query.query(params![run, first, last]).map_err(disk_trouble)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(disk_trouble)? {
        found.push(Slice {
            no: row.get(0).map_err(disk_trouble)?,
            at: Timestamp(row.get(1).map_err(disk_trouble)?),
            sender: row.get(2).map_err(disk_trouble)?,
            users: bitmap_of(row.get(3).map_err(disk_trouble)?)?,
            refused: bitmap_of(row.get(4).map_err(disk_trouble)?)?,
        });
    }
    Ok(found)
}

fn way_no(db: &Connection, way: &Way) -> Outcome<i64> {
    let none = |text: &Option<String>| text.clone().unwrap_or_default();
    let values = params![way.task, none(&way.label), way.channel, way.sender, none(&way.staff)];
    let add = "insert or ignore into ways (task, label, channel, sender, staff) values (?1, ?2, ?3, ?4, ?5)";
    db.prepare_cached(add).and_then(|mut add| add.execute(values)).map_err(disk_trouble)?;
    let find =
        "select no from ways where task = ?1 and label = ?2 and channel = ?3 and sender = ?4 and staff = ?5";
    let values = params![way.task, none(&way.label), way.channel, way.sender, none(&way.staff)];
    db.prepare_cached(find)
        .and_then(|mut find| find.query_row(values, |row| row.get(0)))
        .map_err(disk_trouble)
}

/// All ways by number.
pub(super) fn ways(db: &Connection) -> Outcome<HashMap<i64, Way>> {
    let sql = "select no, task, label, channel, sender, staff from ways";
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let read = |row: &rusqlite::Row| {
        let way = Way {
            task: row.get(1)?,
            label: some(row.get(2)?),
            channel: row.get(3)?,
            sender: row.get(4)?,
            staff: some(row.get(5)?),
        };
        Ok((row.get(0)?, way))
    };
    let mut query = db.prepare_cached(sql).map_err(disk_trouble)?;
    let rows = query.query_map([], read).map_err(disk_trouble)?;
    rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
}

impl Ledger {
    /// How many touches a sender was given since an instant. Errors: OUT-030.
    pub fn sent_since(&self, sender: &str, since: Timestamp) -> Outcome<u64> {
        let sql = "select coalesce(sum(count), 0) from spent_sent where sender = ?1 and at >= ?2";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        query.query_row(params![sender, since.0], |row| count_at(row, 0)).map_err(disk_trouble)
    }

    /// Sets of users who had touches that count for the cap, in `[since, now]`: each user is in as many as
    /// there were touches.
    pub(super) fn let_out_since(
        &self,
        way: &Way,
        cap: &Cap,
        since: Timestamp,
        now: Timestamp,
    ) -> Outcome<Vec<RoaringBitmap>> {
        let ways = ways(&self.db)?;
        let is_counted = |no: i64| ways.get(&no).is_some_and(|other| way.counts(cap, other));
        let sql = "select way, users, refused from spent_users where at between ?1 and ?2";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let mut rows = query.query(params![since.0, now.0]).map_err(disk_trouble)?;
        let mut sets = Vec::new();
        while let Some(row) = rows.next().map_err(disk_trouble)? {
            if is_counted(row.get(0).map_err(disk_trouble)?) {
                let mut users = bitmap_of(row.get(1).map_err(disk_trouble)?)?;
                if counts_refused(cap) {
                    users |= bitmap_of(row.get(2).map_err(disk_trouble)?)?;
                }
                sets.push(users);
            }
        }
        sets.extend(self.fired_since(cap, &is_counted, since, now)?);
        Ok(sets)
    }

    /// The same of triggers: those with at least 1, 2 … touches.
    fn fired_since(
        &self,
        cap: &Cap,
        is_counted: &dyn Fn(i64) -> bool,
        since: Timestamp,
        now: Timestamp,
    ) -> Outcome<Vec<RoaringBitmap>> {
        let sql = "select user, way from spent_fires where at between ?1 and ?2 and is_refused <= ?3";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let mut rows = query.query(params![since.0, now.0, counts_refused(cap)]).map_err(disk_trouble)?;
        let mut counts: HashMap<UserNo, usize> = HashMap::new();
        let mut sets: Vec<RoaringBitmap> = Vec::new();
        while let Some(row) = rows.next().map_err(disk_trouble)? {
            if !is_counted(row.get(1).map_err(disk_trouble)?) {
                continue;
            }
            let user: UserNo = row.get(0).map_err(disk_trouble)?;
            let count = counts.entry(user).or_insert(0);
            if sets.len() == *count {
                sets.push(RoaringBitmap::new());
            }
            sets.get_mut(*count).map(|set| set.insert(user));
            *count += 1;
        }
        Ok(sets)
    }

    /// How many touches of one user count for the cap, in `[since, now]`. Errors: OUT-030.
    pub(super) fn let_out_to(
        &self,
        user: UserNo,
        cap: &Cap,
        is_counted: &dyn Fn(i64) -> bool,
        (since, now): (Timestamp, Timestamp),
    ) -> Outcome<u64> {
        let refused = counts_refused(cap);
        let sql = "select way from spent_fires where user = ?1 and at between ?2 and ?3 and is_refused <= ?4";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let mut rows = query.query(params![user, since.0, now.0, refused]).map_err(disk_trouble)?;
        let mut count = 0;
        while let Some(row) = rows.next().map_err(disk_trouble)? {
            count += u64::from(is_counted(row.get(0).map_err(disk_trouble)?));
        }
        let sql = "select way, users, refused from spent_users where at between ?2 and ?3 and ?1 between first and last";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let mut rows = query.query(params![user, since.0, now.0]).map_err(disk_trouble)?;
        while let Some(row) = rows.next().map_err(disk_trouble)? {
            if !is_counted(row.get(0).map_err(disk_trouble)?) {
                continue;
            }
            let is_live = bitmap_of(row.get(1).map_err(disk_trouble)?)?.contains(user);
            let is_refused = || {
                Ok::<_, crate::base::Problem>(bitmap_of(row.get(2).map_err(disk_trouble)?)?.contains(user))
            };
            count += u64::from(is_live || (refused && is_refused()?));
        }
        Ok(count)
    }
}
