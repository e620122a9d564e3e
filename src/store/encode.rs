//! In which form is a column of attributes stored, and who has which value?
//!
//! Text with few values becomes a dictionary; text, lists, bools and integers with few values
//! also get one set of users per value.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, StringArray, UInt16Array};
use arrow::datatypes::{Int64Type, UInt16Type};
use hashbrown::HashMap;
use roaring::RoaringBitmap;

use crate::base::{Outcome, Type, UserNo};

use super::container::portable;
use super::mapped::bug;
use super::narrow::narrow;

/// Distinct texts in a chunk up to which there is a dictionary, and one set per value.
const TEXTS_MAX: usize = 4_096;
/// Distinct integers in a chunk up to which there is one set per value: codes, not amounts.
const INTEGERS_MAX: usize = 256;

/// A column as it is stored.
pub(super) struct Encoded {
    pub array: ArrayRef,
    /// Portable Roaring bytes per value, sorted by value; `None` when the values are too many.
    pub sets: Option<Vec<(String, Vec<u8>)>>,
}

/// The stored form of a plain column whose first row is user `base`.
pub(super) fn encode(array: ArrayRef, type_of: Type, base: UserNo) -> Outcome<Encoded> {
    match type_of {
        Type::Text => encode_text(array, base),
        Type::List => Ok(Encoded { sets: list_sets(&array, base), array }),
        Type::Bool => Ok(Encoded { sets: bool_sets(&array, base), array }),
        Type::Integer => Ok(Encoded { sets: integer_sets(&array, base), array: narrow(array) }),
        _ => Ok(Encoded { array: narrow(array), sets: None }),
    }
}

fn encode_text(array: ArrayRef, base: UserNo) -> Outcome<Encoded> {
    let texts = array.as_string::<i32>();
    let Some(codes) = codes_of(texts) else { return Ok(Encoded { array, sets: None }) };
    let mut values: Vec<(&str, u16)> = codes.into_iter().collect();
    values.sort_unstable();
    let ranks: HashMap<&str, u16> =
        values.iter().enumerate().map(|(rank, (value, _))| (*value, rank as u16)).collect();
    let keys: UInt16Array = texts.iter().map(|text| text.and_then(|text| ranks.get(text).copied())).collect();
    let mut users: Vec<Vec<UserNo>> = vec![Vec::new(); values.len()];
    for (user, key) in (base..).zip(keys.iter()) {
        if let Some(key) = key {
            users[key as usize].push(user);
        }
    }
    let sets =
        values.iter().zip(users).map(|((value, _), users)| (value.to_string(), set_bytes(users))).collect();
    let dictionary = StringArray::from_iter_values(values.iter().map(|(value, _)| *value));
    let array = DictionaryArray::<UInt16Type>::try_new(keys, Arc::new(dictionary)).map_err(bug)?;
    Ok(Encoded { array: narrow(Arc::new(array)), sets: Some(sets) })
}

/// The distinct texts, or `None` when they are many.
fn codes_of(texts: &StringArray) -> Option<HashMap<&str, u16>> {
    let mut codes = HashMap::new();
    for text in texts.iter().flatten() {
        let next = codes.len() as u16;
        codes.entry(text).or_insert(next);
        if codes.len() > TEXTS_MAX {
            return None;
        }
    }
    Some(codes)
}

fn list_sets(array: &ArrayRef, base: UserNo) -> Option<Vec<(String, Vec<u8>)>> {
    let lists = array.as_list::<i32>();
    let texts = lists.values().as_string::<i32>();
    let offsets = lists.value_offsets();
    let mut users: BTreeMap<&str, Vec<UserNo>> = BTreeMap::new();
    for (at, user) in (0..lists.len()).zip(base..).filter(|(at, _)| lists.is_valid(*at)) {
        for item in
            (offsets[at]..offsets[at + 1]).map(|item| item as usize).filter(|item| texts.is_valid(*item))
        {
            add(&mut users, texts.value(item), user);
        }
        if users.len() > TEXTS_MAX {
            return None;
        }
    }
    Some(users.into_iter().map(|(value, users)| (value.to_string(), set_bytes(users))).collect())
}

fn add<'a>(users: &mut BTreeMap<&'a str, Vec<UserNo>>, value: &'a str, user: UserNo) {
    let list = users.entry(value).or_default();
    // A list may name a value twice.
    if list.last() != Some(&user) {
        list.push(user);
    }
}

fn bool_sets(array: &ArrayRef, base: UserNo) -> Option<Vec<(String, Vec<u8>)>> {
    let values = array.as_boolean();
    let of = |wanted: bool| {
        let users = values.iter().zip(base..).filter(|(value, _)| *value == Some(wanted));
        users.map(|(_, user)| user).collect::<Vec<UserNo>>()
    };
    let both = [("false", of(false)), ("true", of(true))].into_iter().filter(|(_, users)| !users.is_empty());
    Some(both.map(|(value, users)| (value.to_string(), set_bytes(users))).collect())
}

fn integer_sets(array: &ArrayRef, base: UserNo) -> Option<Vec<(String, Vec<u8>)>> {
    let mut users: HashMap<i64, Vec<UserNo>> = HashMap::new();
    for (value, user) in array.as_primitive::<Int64Type>().iter().zip(base..) {
        if let Some(value) = value {
            users.entry(value).or_default().push(user);
        }
        if users.len() > INTEGERS_MAX {
            return None;
        }
    }
    let mut sets: Vec<(String, Vec<u8>)> =
        users.into_iter().map(|(value, users)| (value.to_string(), set_bytes(users))).collect();
    sets.sort_unstable();
    Some(sets)
}

/// Ascending users as portable bytes.
fn set_bytes(users: Vec<UserNo>) -> Vec<u8> {
    let mut set: RoaringBitmap = users.into_iter().collect();
    set.optimize();
    portable(&set)
}

#[cfg(test)]
mod tests {
    use super::super::container::count_of;
    use super::*;

    #[test]
    fn many_texts_stay_plain_and_few_become_a_sorted_dictionary() {
        let many: ArrayRef = Arc::new((0..5_000).map(|n| Some(n.to_string())).collect::<StringArray>());
        assert!(encode(many, Type::Text, 0).unwrap().sets.is_none());
        let few: ArrayRef = Arc::new(StringArray::from(vec![Some("b"), None, Some("a"), Some("b")]));
        let found = encode(few, Type::Text, 65_536).unwrap();
        let dictionary = found.array.as_dictionary::<arrow::datatypes::UInt8Type>();
        assert_eq!(dictionary.values().as_string::<i32>().value(0), "a");
        let sets = found.sets.unwrap();
        assert_eq!(
            sets.iter().map(|(v, b)| (v.as_str(), count_of(b))).collect::<Vec<_>>(),
            [("a", 1), ("b", 2)]
        );
    }

    #[test]
    fn integers_have_sets_only_when_few() {
        let array = |n: i64| -> ArrayRef { Arc::new((0..n).map(Some).collect::<arrow::array::Int64Array>()) };
        assert_eq!(encode(array(256), Type::Integer, 0).unwrap().sets.unwrap().len(), 256);
        assert!(encode(array(257), Type::Integer, 0).unwrap().sets.is_none());
    }
}
