//! How many touches are in which state, over all tasks?

use crate::base::Outcome;
use crate::task::disk_trouble;

use super::ledger::Ledger;
use super::state::TouchState;

impl Ledger {
    /// Touches of all runs by the word of their state, in the order of the states. Errors: OUT-030.
    pub fn by_state(&self) -> Outcome<Vec<(&'static str, i64)>> {
        let sql = "select state, sum(count) from counts group by state order by state";
        let mut query = self.db.prepare_cached(sql).map_err(disk_trouble)?;
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).map_err(disk_trouble)?;
        let rows: Vec<(i64, i64)> = rows.collect::<rusqlite::Result<_>>().map_err(disk_trouble)?;
        let named = |(state, count)| Some((TouchState::of(state)?.word(), count));
        Ok(rows.into_iter().filter_map(named).collect())
    }
}
