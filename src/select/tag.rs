//! A tag test on one chunk of users: from the bitmaps per value where the column has them, else by
//! comparing its column.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::BooleanBuffer;

use super::bound::Tested;
use super::check::Check;
use super::{column, source};
use crate::base::{CHUNK_USERS, Interval, Outcome, Timestamp, Type, Zone, ahead};
use crate::store::{Attributes, Register};

/// Users of the chunk whose attribute satisfies the check; `None`: the chunk has no rows of users.
/// Errors: a chunk file that cannot be read.
pub fn users_of(
    tested: &Tested,
    attributes: Option<&Attributes>,
    as_of: Timestamp,
    zone: &Zone,
) -> Outcome<Register> {
    let Some(attributes) = attributes else { return Ok(without_values(&tested.check)) };
    if let Some(users) = indexed(tested, attributes)? {
        return Ok(users);
    }
    let Some(column) = attributes.column(&tested.column)? else { return Ok(without_values(&tested.check)) };
    if let Check::WithinOf { of, count, unit } = &tested.check {
        let window =
            |from: Timestamp| Interval { from, to: ahead(from, *count, *unit, zone).min(as_of.plus(1)) };
        return Ok(match attributes.column(of)? {
            Some(begin) => within(column, begin, window, zone),
            None => Register::new(),
        });
    }
    let bits = column::test(&tested.check, column, zone);
    let mut users = of_bits(&bits);
    if matches!(tested.check, Check::Missing | Check::NoneOf(_)) {
        (bits.len()..CHUNK_USERS as usize).for_each(|place| users.set(place as u16));
    }
    Ok(users)
}

/// Users whose instant lies in a window of their own.
fn within(
    column: &ArrayRef,
    begin: &ArrayRef,
    window: impl Fn(Timestamp) -> Interval,
    zone: &Zone,
) -> Register {
    let fits = |row: usize| {
        let from = source::instant(begin, row, zone)?;
        Some(window(from).holds(source::instant(column, row, zone)?))
    };
    let mut users = Register::new();
    (0..column.len()).filter(|row| fits(*row) == Some(true)).for_each(|row| users.set(row as u16));
    users
}

/// Users whose rows no file holds: every value is missing.
fn without_values(check: &Check) -> Register {
    match check {
        Check::Missing | Check::NoneOf(_) => Register::full(),
        _ => Register::new(),
    }
}

/// One user per row.
fn of_bits(bits: &BooleanBuffer) -> Register {
    let mut users = Register::new();
    let words = users.words_mut().iter_mut();
    words.zip(bits.bit_chunks().iter_padded()).for_each(|(word, bits)| *word = bits);
    users
}

/// From the bitmaps per value; `None` where the column has none or the check needs the values.
fn indexed(tested: &Tested, attributes: &Attributes) -> Outcome<Option<Register>> {
    if !attributes.is_indexed(&tested.column) {
        return Ok(None);
    }
    let mut users = Register::new();
    match &tested.check {
        Check::Text { values, negated: false } | Check::AnyOf(values) => {
            add(values, tested, attributes, &mut users)?;
        }
        Check::NoneOf(values) => {
            let mut some = Register::new();
            add(values, tested, attributes, &mut some)?;
            users = Register::full();
            users.and_not(&some);
        }
        Check::AllOf(values) => {
            users = Register::full();
            for value in values {
                let mut one = Register::new();
                add(std::slice::from_ref(value), tested, attributes, &mut one)?;
                users.and(&one);
            }
        }
        Check::Whole { ranges, negated } if tested.type_of == Type::Integer => {
            let Some(values) = few_integers(tested, attributes, ranges, *negated)? else { return Ok(None) };
            add(&values, tested, attributes, &mut users)?;
        }
        Check::Flag(value) => add(&[value.to_string()], tested, attributes, &mut users)?,
        _ => return Ok(None),
    }
    Ok(Some(users))
}

/// More values than this are found faster by comparing the column.
const INTEGERS_MAX: usize = 12;

/// The indexed integers that fit, if they are few.
fn few_integers(
    tested: &Tested,
    attributes: &Attributes,
    ranges: &[(i64, i64)],
    negated: bool,
) -> Outcome<Option<Vec<String>>> {
    let Some(values) = attributes.values_of(&tested.column)? else { return Ok(None) };
    let fits = |value: i64| ranges.iter().any(|(low, high)| *low <= value && value <= *high) != negated;
    let fitting = values.iter().filter(|(value, _)| value.parse().is_ok_and(fits));
    let fitting: Vec<String> = fitting.map(|(value, _)| value.to_string()).collect();
    Ok((fitting.len() <= INTEGERS_MAX).then_some(fitting))
}

fn add(values: &[String], tested: &Tested, attributes: &Attributes, users: &mut Register) -> Outcome<()> {
    for value in values {
        if let Some(container) = attributes.container(&tested.column, value)? {
            users.fill(container);
        }
    }
    Ok(())
}
