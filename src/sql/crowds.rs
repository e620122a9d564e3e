//! `crowds`: one row a user of the version that each crowd shows as of the instant; `crowd_versions`:
//! the same for every complete version that is not later. A part is a version.

use std::sync::Arc;

use arrow::array::UInt32Array;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::ScalarValue;
use roaring::RoaringBitmap;

use super::content::{Content, Pieces, instant, instant_type, user_fields};
use super::piece::{Piece, Values};
use super::source::{Source, is_seen};
use super::users::users_of;
use crate::audience::{CrowdVersion, Overview, resolve};
use crate::base::{CHUNK_USERS, Outcome, UserNo};

const CROWD: &str = "crowd";
const VERSION: &str = "version";
const AS_OF: &str = "as_of";
const IS_CURRENT: &str = "is_current";

/// The table `crowds` or `crowd_versions`.
pub struct Crowds {
    source: Source,
    schema: SchemaRef,
    are_all: bool,
}

/// A version, by its crowd's name.
#[derive(Debug, Clone)]
pub struct Listed {
    crowd: String,
    version: CrowdVersion,
    is_current: bool,
}

impl Crowds {
    /// Columns: `user_id`, `user_no`, `crowd`, `version`, `as_of`; with all versions also `is_current`.
    pub fn new(source: Source, are_all: bool) -> Crowds {
        let mut fields = Vec::from(user_fields());
        fields.push(Field::new(CROWD, DataType::Utf8, false));
        fields.push(Field::new(VERSION, DataType::Int64, false));
        fields.push(Field::new(AS_OF, instant_type(source.zone()), false));
        if are_all {
            fields.push(Field::new(IS_CURRENT, DataType::Boolean, false));
        }
        Crowds { schema: Arc::new(Schema::new(fields)), are_all, source }
    }

    fn versions(&self, overview: &Overview) -> Vec<Listed> {
        let as_of = self.source.as_of();
        let current = resolve(&overview.versions, as_of).map(|(version, _)| version.no);
        let is_listed = |v: &&CrowdVersion| current == Some(v.no) || (self.are_all && is_seen(v, as_of));
        let listed = |version: &CrowdVersion| Listed {
            crowd: overview.crowd.name.clone(),
            is_current: current == Some(version.no),
            version: version.clone(),
        };
        overview.versions.iter().filter(is_listed).map(listed).collect()
    }

    fn value(&self, part: &Listed, column: &str) -> Option<ScalarValue> {
        match column {
            CROWD => Some(ScalarValue::from(part.crowd.as_str())),
            VERSION => Some(ScalarValue::from(i64::from(part.version.no))),
            AS_OF => Some(instant(part.version.as_of, self.source.zone())),
            IS_CURRENT => Some(ScalarValue::from(part.is_current)),
            _ => None,
        }
    }
}

impl Content for Crowds {
    type Part = Listed;

    fn source(&self) -> &Source {
        &self.source
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn unit(&self) -> &'static str {
        "versions"
    }

    fn parts(&self) -> Vec<Listed> {
        self.source.crowds().iter().flat_map(|overview| self.versions(overview)).collect()
    }

    fn rows(&self, part: &Listed) -> u64 {
        part.version.size
    }

    fn bounds(&self, part: &Listed, column: &str) -> Option<(ScalarValue, ScalarValue)> {
        self.value(part, column).map(|value| (value.clone(), value))
    }

    fn may_have(&self, _: &Listed, _: UserNo) -> bool {
        true
    }

    fn read(&self, part: &Listed, columns: &[usize]) -> Outcome<Pieces> {
        let users = self.source.members(&part.crowd, &part.version)?;
        let fields = self.schema.fields();
        let names: Vec<String> =
            columns.iter().filter_map(|at| fields.get(*at)).map(|f| f.name().clone()).collect();
        let of_name = |name: &String, value: Option<ScalarValue>| match (name.as_str(), value) {
            (_, Some(value)) => Column::Same(value),
            (super::content::USER_NO, None) => Column::Number,
            (_, None) => Column::Id,
        };
        let columns = names.iter().map(|name| of_name(name, self.value(part, name))).collect();
        Ok(Box::new(Chunks { users, columns, next: Some(0) }))
    }
}

/// What a column is made of.
enum Column {
    Id,
    Number,
    Same(ScalarValue),
}

/// The users of a version, a chunk at a time.
struct Chunks {
    users: RoaringBitmap,
    columns: Vec<Column>,
    /// The number from which the next chunk is looked for.
    next: Option<UserNo>,
}

impl Iterator for Chunks {
    type Item = Outcome<Piece>;

    fn next(&mut self) -> Option<Outcome<Piece>> {
        let first = self.users.range(self.next?..).next()?;
        let (start, last) = users_of(first / CHUNK_USERS);
        self.next = last.checked_add(1);
        let users: UInt32Array = self.users.range(start..=last).collect::<Vec<u32>>().into();
        let values = |column: &Column| match column {
            Column::Id => Values::Ids,
            Column::Number => Values::Numbers,
            Column::Same(value) => Values::Same(value.clone()),
        };
        Some(Ok(Piece { users, kept: None, columns: self.columns.iter().map(values).collect() }))
    }
}
