//! Which value has each user of a chunk, as a small number? A column's rows become codes, and the
//! codes have labels.

use std::hash::Hash;

use arrow::array::{Array, ArrayRef, AsArray, ListArray};
use arrow::datatypes::{
    ArrowDictionaryKeyType, DataType, Date32Type, Float64Type, Int64Type, TimestampMillisecondType,
    UInt8Type, UInt16Type, UInt32Type,
};
use hashbrown::{Equivalent, HashMap};

use super::bins::Bins;
use crate::store::Register;

/// What users with the same code have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label<T> {
    Text(T),
    Integer(i64),
    Bool(bool),
    /// Which bin of the column's.
    Bin(u32),
    /// Sorts last.
    Missing,
}

/// A label that does not depend on a chunk's columns.
pub type Owned = Label<Box<str>>;

impl Label<&str> {
    /// The same label, kept.
    pub fn owned(&self) -> Owned {
        match self {
            Label::Text(text) => Label::Text(Box::from(*text)),
            Label::Integer(number) => Label::Integer(*number),
            Label::Bool(flag) => Label::Bool(*flag),
            Label::Bin(bin) => Label::Bin(*bin),
            Label::Missing => Label::Missing,
        }
    }
}

impl Owned {
    /// The same label, borrowed.
    pub fn borrowed(&self) -> Label<&str> {
        match self {
            Label::Text(text) => Label::Text(text),
            Label::Integer(number) => Label::Integer(*number),
            Label::Bool(flag) => Label::Bool(*flag),
            Label::Bin(bin) => Label::Bin(*bin),
            Label::Missing => Label::Missing,
        }
    }
}

impl Equivalent<Owned> for Label<&str> {
    fn equivalent(&self, key: &Owned) -> bool {
        *self == key.borrowed()
    }
}

/// The code of users without a value.
pub const MISSING: u32 = 0;

/// The codes of some users of a chunk.
#[derive(Debug)]
pub struct Coded<'a> {
    /// In the order of the users; several for one user where `starts` says so.
    pub codes: Vec<u32>,
    /// Where each user's codes begin, and at last where they end; `None`: each user has just one.
    pub starts: Option<Vec<u32>>,
    /// Label of each code; that of code 0 is `Missing`.
    pub labels: Vec<Label<&'a str>>,
}

impl Coded<'_> {
    /// The codes of the n-th user.
    pub fn of(&self, n: usize) -> &[u32] {
        let range = match &self.starts {
            None => n..n + 1,
            Some(starts) => {
                let at = |n: usize| starts.get(n).map_or(self.codes.len(), |at| *at as usize);
                at(n)..at(n + 1)
            }
        };
        self.codes.get(range).unwrap_or(&[])
    }
}

/// Codes of the users in `rows`, ascending; a user beyond the column, or without one, has no value.
pub fn coded<'a>(column: Option<&'a ArrayRef>, bins: Option<&Bins>, rows: &Register) -> Coded<'a> {
    let Some(column) = column else { return nobody(rows) };
    match (column.data_type(), bins) {
        (DataType::Float64, Some(bins)) => {
            let values = column.as_primitive::<Float64Type>().values();
            // NaN is no number that a bin could hold.
            binned(column, bins, rows, |row| {
                Some(values[row]).filter(|v| !v.is_nan()).map(|v| bins.of_real(v))
            })
        }
        (DataType::Int64, Some(bins)) => {
            let values = column.as_primitive::<Int64Type>().values();
            binned(column, bins, rows, |row| Some(bins.of_whole(values[row])))
        }
        (DataType::Date32, Some(bins)) => {
            let values = column.as_primitive::<Date32Type>().values();
            binned(column, bins, rows, |row| Some(bins.of_whole(values[row] as i64)))
        }
        (DataType::Timestamp(..), Some(bins)) => {
            let values = column.as_primitive::<TimestampMillisecondType>().values();
            binned(column, bins, rows, |row| Some(bins.of_whole(values[row])))
        }
        _ => by_value(column, rows),
    }
}

fn by_value<'a>(column: &'a ArrayRef, rows: &Register) -> Coded<'a> {
    match column.data_type() {
        DataType::Dictionary(key, _) if **key == DataType::UInt8 => dictionary::<UInt8Type>(column, rows),
        DataType::Dictionary(key, _) if **key == DataType::UInt16 => dictionary::<UInt16Type>(column, rows),
        DataType::Dictionary(key, _) if **key == DataType::UInt32 => dictionary::<UInt32Type>(column, rows),
        DataType::Utf8 => {
            let texts = column.as_string::<i32>();
            learned(column, rows, |row| Label::Text(texts.value(row)))
        }
        DataType::Int64 => {
            let values = column.as_primitive::<Int64Type>().values();
            learned(column, rows, |row| Label::Integer(values[row]))
        }
        DataType::Boolean => {
            let values = column.as_boolean();
            learned(column, rows, |row| Label::Bool(values.value(row)))
        }
        DataType::List(_) => lists(column.as_list(), rows),
        _ => nobody(rows),
    }
}

fn nobody<'a>(rows: &Register) -> Coded<'a> {
    Coded { codes: vec![MISSING; rows.count() as usize], starts: None, labels: vec![Label::Missing] }
}

/// One code per user of `rows`: what `code` gives where the column has a value.
fn each(column: &ArrayRef, rows: &Register, mut code: impl FnMut(usize) -> u32) -> Vec<u32> {
    let (len, nulls) = (column.len(), column.nulls());
    let one = |row: usize| match row < len && nulls.is_none_or(|nulls| nulls.is_valid(row)) {
        true => code(row),
        false => MISSING,
    };
    let mut codes = Vec::with_capacity(rows.count() as usize);
    codes.extend(rows.iter().map(|at| at as usize).map(one));
    codes
}

fn binned<'a>(
    column: &ArrayRef,
    bins: &Bins,
    rows: &Register,
    bin: impl Fn(usize) -> Option<u32>,
) -> Coded<'a> {
    let codes = each(column, rows, |row| bin(row).map_or(MISSING, |bin| bin + 1));
    let labels = [Label::Missing].into_iter().chain((0..bins.len() as u32).map(Label::Bin));
    Coded { codes, starts: None, labels: labels.collect() }
}

/// The keys of a dictionary are codes already.
fn dictionary<'a, K: ArrowDictionaryKeyType>(column: &'a ArrayRef, rows: &Register) -> Coded<'a>
where
    K::Native: Into<u64>,
{
    let dictionary = column.as_dictionary::<K>();
    let Some(words) = dictionary.values().as_string_opt::<i32>() else { return nobody(rows) };
    let keys = dictionary.keys().values();
    let codes = each(column, rows, |row| {
        let key: u64 = keys[row].into();
        if (key as usize) < words.len() { key as u32 + 1 } else { MISSING }
    });
    let words = (0..words.len()).map(|at| Label::Text(words.value(at)));
    Coded { codes, starts: None, labels: [Label::Missing].into_iter().chain(words).collect() }
}

/// Codes given as values are met.
struct Codes<'a> {
    known: HashMap<Label<&'a str>, u32>,
    labels: Vec<Label<&'a str>>,
}

impl<'a> Codes<'a> {
    fn new() -> Codes<'a> {
        Codes { known: HashMap::new(), labels: vec![Label::Missing] }
    }

    fn of(&mut self, label: Label<&'a str>) -> u32 {
        *self.known.entry(label).or_insert_with(|| {
            self.labels.push(label);
            self.labels.len() as u32 - 1
        })
    }
}

fn learned<'a>(column: &'a ArrayRef, rows: &Register, label: impl Fn(usize) -> Label<&'a str>) -> Coded<'a> {
    let mut known = Codes::new();
    let codes = each(column, rows, |row| known.of(label(row)));
    Coded { codes, starts: None, labels: known.labels }
}

fn lists<'a>(lists: &'a ListArray, rows: &Register) -> Coded<'a> {
    let Some(words) = lists.values().as_string_opt::<i32>() else { return nobody(rows) };
    let offsets = lists.value_offsets();
    let mut known = Codes::new();
    let (mut codes, mut starts) = (vec![], vec![0]);
    for row in rows.iter().map(|at| at as usize) {
        let from = codes.len();
        if row < lists.len() && lists.is_valid(row) {
            let items = (offsets[row] as usize..offsets[row + 1] as usize).filter(|at| words.is_valid(*at));
            codes.extend(items.map(|at| known.of(Label::Text(words.value(at)))));
        }
        settle(&mut codes, from);
        starts.push(codes.len() as u32);
    }
    Coded { codes, starts: Some(starts), labels: known.labels }
}

/// A list may name a value twice, and an empty one is none.
fn settle(codes: &mut Vec<u32>, from: usize) {
    match codes.len() - from {
        0 => codes.push(MISSING),
        1 => {}
        _ => {
            codes[from..].sort_unstable();
            let mut kept = from + 1;
            for at in from + 1..codes.len() {
                if codes[at] != codes[kept - 1] {
                    codes[kept] = codes[at];
                    kept += 1;
                }
            }
            codes.truncate(kept);
        }
    }
}
