//! Types and names of columns in the store's own files.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};

use crate::base::{Outcome, Problem, Type};
use crate::ingest::{Checked, Column};

/// Columns of event and detail files that the store itself gives.
pub(super) const USER: &str = "user_no";
pub(super) const TIME: &str = "time";
pub(super) const EVENT: &str = "event";
pub(super) const EVENT_ID: &str = "event_id";
pub(super) const KEY: &str = "key";
/// Put before a property whose own name is taken, or begins like this.
const APART: &str = "properties.";

/// The Arrow type in which values of a type are stored and handed out.
pub fn arrow_type(type_of: Type) -> DataType {
    match type_of {
        Type::Text => DataType::Utf8,
        Type::Integer => DataType::Int64,
        Type::Float => DataType::Float64,
        Type::Bool => DataType::Boolean,
        Type::Date => DataType::Date32,
        Type::Instant => instant_type(),
        Type::List => DataType::List(Arc::new(Field::new_list_field(DataType::Utf8, true))),
    }
}

/// Milliseconds UTC.
pub(super) fn instant_type() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into()))
}

/// The name of a property or detail column in the store's files: its own, unless that is taken.
pub(super) fn stored_name(name: &str) -> Cow<'_, str> {
    let is_taken = [USER, TIME, EVENT, EVENT_ID, KEY].contains(&name) || name.starts_with(APART);
    if is_taken { format!("{APART}{name}").into() } else { name.into() }
}

/// The folder of a detail table: its name with all but letters, digits, `-` and `_` spelled out byte
/// by byte, so that two names never share a folder.
pub(super) fn folder_of(table: &str) -> String {
    let bytes = |c: char| c.to_string().bytes().map(|byte| format!("%{byte:02x}")).collect::<String>();
    let spell = |c: char| {
        if c.is_alphanumeric() || c == '-' || c == '_' { c.to_string() } else { bytes(c) }
    };
    format!("details/{}", table.chars().map(spell).collect::<String>())
}

/// Fields of columns as they are stored, under names made by `name`.
pub(super) fn fields(columns: &[Column]) -> Vec<Field> {
    let field = |column: &Column| Field::new(stored_name(&column.name), arrow_type(column.type_of), true);
    columns.iter().map(field).collect()
}

/// A schema of plain fields.
pub(super) fn schema_of(fields: Vec<Field>) -> Arc<Schema> {
    Arc::new(Schema::new(fields))
}

/// The columns of a checked batch in the order and types of `columns`; missing ones are null.
pub(super) fn aligned(batch: &Checked, columns: &[Column]) -> Outcome<Vec<ArrayRef>> {
    let rows = batch.len();
    let one = |column: &Column| match batch.columns().column_by_name(&column.name) {
        Some(array) => as_type(array, column),
        None => Ok(new_null_array(&arrow_type(column.type_of), rows)),
    };
    columns.iter().map(one).collect()
}

fn as_type(array: &ArrayRef, column: &Column) -> Outcome<ArrayRef> {
    let wanted = arrow_type(column.type_of);
    if *array.data_type() == wanted {
        return Ok(array.clone());
    }
    cast(array, &wanted).map_err(|error| Problem::bug(format!("column `{}`: {error}", column.name)))
}

/// Adds the columns of a load to those known; an integer may widen to a float.
/// Errors: STO-004 when a type changes otherwise.
pub(super) fn joined(known: &[Column], load: &[Column], what: &str) -> Outcome<Vec<Column>> {
    let mut all = known.to_vec();
    for column in load {
        match all.iter_mut().find(|old| old.name == column.name) {
            None => all.push(column.clone()),
            Some(old) => old.type_of = wider(old, column, what)?,
        }
    }
    Ok(all)
}

fn wider(old: &Column, new: &Column, what: &str) -> Outcome<Type> {
    let (a, b) = (old.type_of, new.type_of);
    match a == b {
        true => Ok(a),
        false if a.is_number() && b.is_number() => Ok(Type::Float),
        false => {
            let found = format!("{what} `{}` is {a} in the home, and {b} in what is loaded", new.name);
            let cure =
                format!("convert the column to {a}, fix its type in catalog.toml, or give it another name");
            Err(Problem::data("STO-004", found).at(new.name.clone()).cure(cure))
        }
    }
}

/// The columns of a load with the types that the store now has for them.
pub(super) fn settled(load: &[Column], known: &[Column]) -> Vec<Column> {
    let one = |column: &Column| known.iter().find(|k| k.name == column.name).unwrap_or(column).clone();
    load.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn column(name: &str, type_of: Type) -> Column {
        Column { name: name.into(), type_of }
    }

    #[test]
    fn a_type_widens_or_is_a_problem() {
        let known = [column("n", Type::Integer), column("t", Type::Text)];
        let all = joined(&known, &[column("n", Type::Float), column("x", Type::Bool)], "property").unwrap();
        assert_eq!(all, [column("n", Type::Float), column("t", Type::Text), column("x", Type::Bool)]);
        let problem = joined(&known, &[column("t", Type::Integer)], "property").unwrap_err();
        assert_eq!(problem.code, "STO-004");
        assert!(problem.what.contains("property `t` is text"));
    }

    #[test]
    fn odd_names_of_tables_make_one_folder_each() {
        assert_eq!(folder_of("订单/明细 2"), "details/订单%2f明细%202");
        let names = [
            "订单/明细 2",
            "订单/明细2",
            "订单明细 2",
            "订单%2f明细 2",
            "订单%2f明细%202",
            "订单\\明细 2",
            "..",
            ".",
            "a 00b",
            "a\u{2000}b",
            "a%2000b",
        ];
        let folders: std::collections::BTreeSet<String> = names.iter().map(|name| folder_of(name)).collect();
        assert_eq!(folders.len(), names.len(), "{folders:?}");
        for folder in folders {
            let name = folder.strip_prefix("details/").unwrap();
            assert!(!name.contains(['/', '\\', '.', ' ']), "{folder}");
        }
    }

    proptest::proptest! {
        #[test]
        fn two_tables_never_share_a_folder(a in "[a0-9 %/.\u{2000}单]{1,6}", b in "[a0-9 %/.\u{2000}单]{1,6}") {
            proptest::prop_assert_eq!(folder_of(&a) == folder_of(&b), a == b);
        }
    }

    #[test]
    fn names_that_are_taken_are_set_apart() {
        assert_eq!(stored_name("time"), "properties.time");
        assert_eq!(stored_name("properties.time"), "properties.properties.time");
        assert_eq!(stored_name("金额"), "金额");
    }
}
