//! Whom does nobody reach until an instant? Timed suppression, by external id.

use rusqlite::{Row, params};

use crate::base::{Outcome, Timestamp};
use crate::task::disk_trouble;

use super::ledger::Ledger;

/// The table.
pub(super) const SUSPENDED: &str = "
    create table suspended (
        user text primary key, until integer not null, reason text, who text not null,
        at integer not null) without rowid;";

/// A user whom no task of the app reaches before `until`.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspension {
    /// The external id; the user need not be known yet.
    pub user_id: String,
    pub until: Timestamp,
    pub reason: Option<String>,
    /// Who said so, and when.
    pub who: String,
    pub at: Timestamp,
}

impl Ledger {
    /// Writes suspensions in one commit; a user's new one takes the place of the old. Errors: OUT-030.
    pub fn suspend(&self, all: &[Suspension]) -> Outcome<()> {
        let tx = self.begin()?;
        let sql =
            "insert or replace into suspended (user, until, reason, who, at) values (?1, ?2, ?3, ?4, ?5)";
        {
            let mut insert = tx.prepare_cached(sql).map_err(disk_trouble)?;
            for Suspension { user_id, until, reason, who, at } in all {
                insert.execute(params![user_id, until.0, reason, who, at.0]).map_err(disk_trouble)?;
            }
        }
        tx.commit().map_err(disk_trouble)
    }

    /// Ends suspensions; gives how many there were. Errors: OUT-030.
    pub fn resume_users(&self, user_ids: &[String]) -> Outcome<usize> {
        let tx = self.begin()?;
        let mut ended = 0;
        for user_id in user_ids {
            ended += tx
                .prepare_cached("delete from suspended where user = ?1")
                .and_then(|mut delete| delete.execute([user_id]))
                .map_err(disk_trouble)?;
        }
        tx.commit().map_err(disk_trouble)?;
        Ok(ended)
    }

    /// The suspensions that hold at `now`, by user. Errors: OUT-030.
    pub fn suspensions(&self, now: Timestamp) -> Outcome<Vec<Suspension>> {
        let sql = "select user, until, reason, who, at from suspended where until > ?1 order by user";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let read = |row: &Row| {
            Ok(Suspension {
                user_id: row.get(0)?,
                until: Timestamp(row.get(1)?),
                reason: row.get(2)?,
                who: row.get(3)?,
                at: Timestamp(row.get(4)?),
            })
        };
        let rows = query.query_map([now.0], read).map_err(disk_trouble)?;
        rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)
    }
}
