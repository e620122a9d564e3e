//! What became of an audience between two looks at it? Who entered, who left, how many stayed.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{RecordBatch, StringArray};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use roaring::RoaringBitmap;

use super::export::{Target, broken, write_batches};
use crate::base::Outcome;
use crate::store::Snapshot;

/// The difference of two audiences.
#[derive(Debug, Clone, PartialEq)]
pub struct Moved {
    /// In the later one only.
    pub entered: RoaringBitmap,
    /// In the earlier one only.
    pub left: RoaringBitmap,
    /// In both.
    pub stayed: u64,
}

impl Moved {
    /// From `before` to `after`.
    pub fn between(before: &RoaringBitmap, after: &RoaringBitmap) -> Moved {
        Moved { entered: after - before, left: before - after, stayed: before.intersection_len(after) }
    }

    /// Writes `user_id,change` (entered or left) as a file, whole or not at all; users deleted since
    /// have no id any more and are left out.
    /// Errors: OUT-001.
    pub fn write_file(&self, path: &Path, target: Target, snapshot: &Snapshot) -> Outcome<()> {
        snapshot.ids().ready()?;
        let fields = ["user_id", "change"].map(|name| Field::new(name, DataType::Utf8, false));
        let schema: SchemaRef = Arc::new(Schema::new(fields.to_vec()));
        let batches = [(&self.entered, "entered"), (&self.left, "left")]
            .map(|(users, word)| changes(schema.clone(), users, word, snapshot));
        write_batches(path, target, &schema, batches.into_iter(), snapshot.zone())
    }
}

fn changes(
    schema: SchemaRef,
    users: &RoaringBitmap,
    word: &str,
    snapshot: &Snapshot,
) -> Outcome<RecordBatch> {
    let known = users & snapshot.universe();
    let ids: StringArray = known.iter().map(|user| Some(snapshot.ids().text(user))).collect();
    let words: StringArray = known.iter().map(|_| Some(word)).collect();
    RecordBatch::try_new(schema, vec![Arc::new(ids), Arc::new(words)]).map_err(broken)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_entered_left_or_stayed() {
        let (before, after) = (RoaringBitmap::from([1, 2, 3, 70_000]), RoaringBitmap::from([2, 3, 9]));
        let moved = Moved::between(&before, &after);
        assert_eq!(moved.entered, RoaringBitmap::from([9]));
        assert_eq!(moved.left, RoaringBitmap::from([1, 70_000]));
        assert_eq!(moved.stayed, 2);
    }
}
