//! Checked rows made by hand, for tests of the rooms to the right.

use arrow::array::{BooleanArray, Int64Array, RecordBatch, StringArray};

use super::Checked;

impl Checked {
    /// Users and columns, the other parts to be set.
    pub(crate) fn of_parts(users: StringArray, columns: RecordBatch) -> Checked {
        Checked {
            users,
            times: None,
            arrivals: None,
            events: None,
            ids: None,
            keys: None,
            deleted: None,
            columns,
        }
    }

    pub(crate) fn with_times(mut self, times: Int64Array) -> Checked {
        self.times = Some(times);
        self
    }

    pub(crate) fn with_events(mut self, events: StringArray) -> Checked {
        self.events = Some(events);
        self
    }

    pub(crate) fn with_ids(mut self, ids: StringArray) -> Checked {
        self.ids = Some(ids);
        self
    }

    pub(crate) fn with_keys(mut self, keys: StringArray) -> Checked {
        self.keys = Some(keys);
        self
    }

    pub(crate) fn with_deleted(mut self, deleted: BooleanArray) -> Checked {
        self.deleted = Some(deleted);
        self
    }
}
