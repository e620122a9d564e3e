//! `sample` and `top`: the user's place, and the limit.

use std::cmp::Reverse;

use super::person::Person;
use super::{Facts, value};
use crate::base::{CHUNK_USERS, Name, Outcome, Problem, Share, Type, UserNo, Value, place_of};
use crate::select::check::described;

/// Truth and place of `sample 10% salt 's'`.
pub fn sample(share: Share, salt: &str, person: &Person) -> (bool, Facts) {
    let place = place_of(salt, person.id());
    (place < share.0, Facts::Sample { place, below: share.0 })
}

/// Truth and place of `top N by ATTRIBUTE`: the highest values of the whole universe, ties by
/// external id.
/// Errors: SEL-113 for an attribute without an order, a chunk file that cannot be read.
pub fn top(count: u64, by: &Name, person: &Person) -> Outcome<(bool, Facts)> {
    let column = person.tag(by)?;
    if !(column.type_of.is_number() || matches!(column.type_of, Type::Date | Type::Instant)) {
        let what = format!("`{}` is {}; it has no highest value", column.name, described(column.type_of));
        return Err(Problem::author("SEL-113", what)
            .cure("rank by a number, a date or an instant")
            .span(by.span));
    }
    let mut places = places(&column.name, person)?;
    let own = person.attribute(&column.name)?;
    let rank = own.as_ref().and_then(key).map(|own| rank(own, &places, person));
    let cut =
        cut(count, &mut places).map(|user| attribute(&column.name, user, person)).transpose()?.flatten();
    let facts = Facts::Top { by: column.name.clone(), value: own, rank, count, cut };
    Ok((rank.is_some_and(|rank| rank <= count), facts))
}

/// Every user with a value, and the value as a number of the same order.
fn places(column: &str, person: &Person) -> Outcome<Vec<(i64, UserNo)>> {
    let snapshot = person.asked.snapshot;
    let mut places = vec![];
    for chunk in 0..snapshot.chunk_count() {
        let Some(attributes) = snapshot.attributes(chunk)? else { continue };
        let Some(values) = attributes.column(column)? else { continue };
        let first = chunk * CHUNK_USERS;
        let one = |row: usize| Some((key(&value::value(values, row)?)?, first + row as u32));
        let known = (0..values.len()).filter_map(one);
        places.extend(known.filter(|(_, user)| snapshot.universe().contains(*user)));
    }
    Ok(places)
}

fn rank(own: i64, places: &[(i64, UserNo)], person: &Person) -> u64 {
    let ids = person.asked.snapshot.ids();
    let is_before =
        |(key, user): &&(i64, UserNo)| *key > own || (*key == own && ids.text(*user) < person.id());
    1 + places.iter().filter(is_before).count() as u64
}

/// A user with the value of the last place that is in.
fn cut(count: u64, places: &mut [(i64, UserNo)]) -> Option<UserNo> {
    let at = usize::try_from(count).ok()?.checked_sub(1).filter(|at| *at < places.len())?;
    let (_, (_, user), _) = places.select_nth_unstable_by_key(at, |(key, _)| Reverse(*key));
    Some(*user)
}

fn attribute(column: &str, user: UserNo, person: &Person) -> Outcome<Option<Value>> {
    Person::new(user, person.asked)?.attribute(column)
}

/// A whole number in the order of the values; nothing for what has no order.
fn key(value: &Value) -> Option<i64> {
    match value {
        Value::Integer(number) => Some(*number),
        Value::Date(day) => Some(day.0 as i64),
        Value::Instant(at) => Some(at.0),
        // 0 and -0 are the same place; the bits of negative floats run backwards.
        Value::Float(number) if !number.is_nan() => {
            let bits = (number + 0.0).to_bits() as i64;
            Some(bits ^ (((bits >> 63) as u64) >> 1) as i64)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_have_the_order_of_floats(a in any::<f64>(), b in any::<f64>()) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            let key = |n: f64| key(&Value::Float(n)).unwrap();
            prop_assert_eq!(a.partial_cmp(&b), Some(key(a).cmp(&key(b))));
        }
    }
}
