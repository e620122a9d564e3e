//! How many of a member's touches were accepted? The last settled ones of each account, for the breaker.
//!
//! A receipt, or the channel's answer, adds one. The breaker looks at those since the local midnight and since
//! a person last resumed the account; so a stop is over at the day's end, and earlier refusals do not stop an
//! account that was resumed.

use std::collections::{BTreeMap, HashMap};

use rusqlite::{Connection, OptionalExtension, Transaction, params};

use crate::base::{Outcome, Timestamp, UserNo};
use crate::dispatch::ledger::Seat;
use crate::dispatch::state::TouchState;
use crate::task::disk_trouble;

use super::book::{family_of, staff_of};

/// Settled touches that are kept of an account in a family; a breaker cannot look at more.
const KEPT_MAX: usize = 1_000;
/// One settled touch: its instant in milliseconds, twice, and one more if it was refused.
const ENTRY_BYTES: usize = 8;

/// Notes for their members what became of touches of a run; what settles nothing is passed over.
/// `of_todo` is whose the touches with a to-do are; of the others it is whose the user is now. Errors: OUT-030.
pub fn hear(
    tx: &Transaction,
    run: i64,
    words: &[(Seat, TouchState)],
    of_todo: &HashMap<Seat, String>,
    now: Timestamp,
) -> Outcome<()> {
    let sql = "select task from runs where no = ?1";
    let task: String = tx.query_row(sql, [run], |row| row.get(0)).map_err(disk_trouble)?;
    let Some(family) = family_of(tx, &task)?.filter(|family| !family.is_empty()) else { return Ok(()) };
    let settled: Vec<(Seat, bool)> =
        words.iter().filter_map(|(seat, state)| Some((*seat, refused(*state)?))).collect();
    let users = users_of(tx, run, &settled)?;
    let staff = staff_of(tx, &task, users.values().copied())?;
    let mut heard: BTreeMap<&str, Vec<bool>> = BTreeMap::new();
    for (seat, is_refused) in settled {
        let own = users.get(&seat).and_then(|user| staff.get(user));
        if let Some(member) = of_todo.get(&seat).or(own) {
            heard.entry(member).or_default().push(is_refused);
        }
    }
    heard.into_iter().try_for_each(|(member, words)| add(tx, member, &family, &words, now))
}

/// The settled touches of an account since an instant and since it was resumed, the oldest first; true for
/// refused. Errors: OUT-030.
pub fn settled_on(db: &Connection, staff: &str, family: &str, since: Timestamp) -> Outcome<Vec<bool>> {
    let (settled, resumed_at) = kept(db, staff, family)?;
    let counts = |at: Timestamp| at >= since && resumed_at.is_none_or(|resumed| at > resumed);
    let own = entries(&settled).filter(|(at, _)| counts(*at));
    Ok(own.map(|(_, is_refused)| is_refused).collect())
}

/// A person closes the breaker of an account, in every family. Errors: OUT-030.
pub fn resume(db: &Connection, staff: &str, now: Timestamp) -> Outcome<()> {
    let sql = "update staff_passes set resumed_at = ?2 where staff = ?1";
    db.execute(sql, params![staff, now.0]).map(|_| ()).map_err(disk_trouble)
}

fn refused(state: TouchState) -> Option<bool> {
    match state {
        TouchState::Delivered => Some(false),
        TouchState::Refused => Some(true),
        _ => None,
    }
}

/// In a run of the calendar a seat is the user's number; in a trigger's run the fire says whose it is.
fn users_of(tx: &Transaction, run: i64, settled: &[(Seat, bool)]) -> Outcome<HashMap<Seat, UserNo>> {
    let mut query =
        tx.prepare_cached("select user from fires where run = ?1 and seat = ?2").map_err(disk_trouble)?;
    let mut user = |seat: Seat| {
        let found = query.query_row(params![run, seat], |row| row.get(0)).optional().map_err(disk_trouble)?;
        Ok((seat, found.unwrap_or(seat)))
    };
    settled.iter().map(|(seat, _)| user(*seat)).collect()
}

fn add(tx: &Transaction, staff: &str, family: &str, words: &[bool], now: Timestamp) -> Outcome<()> {
    let (mut settled, _) = kept(tx, staff, family)?;
    for is_refused in words {
        settled.extend((now.0 * 2 + i64::from(*is_refused)).to_le_bytes());
    }
    let settled = &settled[settled.len().saturating_sub(KEPT_MAX * ENTRY_BYTES)..];
    let sql = "insert into staff_passes (staff, family, settled) values (?1, ?2, ?3)
               on conflict (staff, family) do update set settled = excluded.settled";
    tx.execute(sql, params![staff, family, settled]).map(|_| ()).map_err(disk_trouble)
}

fn kept(db: &Connection, staff: &str, family: &str) -> Outcome<(Vec<u8>, Option<Timestamp>)> {
    let sql = "select settled, resumed_at from staff_passes where staff = ?1 and family = ?2";
    let read = |row: &rusqlite::Row| Ok((row.get(0)?, row.get::<_, Option<i64>>(1)?.map(Timestamp)));
    let found = db.query_row(sql, params![staff, family], read).optional().map_err(disk_trouble)?;
    Ok(found.unwrap_or_default())
}

fn entries(settled: &[u8]) -> impl Iterator<Item = (Timestamp, bool)> {
    let number = |bytes: &[u8]| i64::from_le_bytes(bytes.try_into().unwrap_or_default());
    settled.chunks_exact(ENTRY_BYTES).map(number).map(|n| (Timestamp(n.div_euclid(2)), n.rem_euclid(2) == 1))
}
