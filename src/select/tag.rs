//! A tag test on one chunk of users: from the bitmaps per value where the column has them, else by
//! comparing its column.

use arrow::array::{Array, ArrayRef};

use super::bound::Tested;
use super::check::Check;
use super::lane::Lane;
use super::source;
use crate::base::{CHUNK_USERS, Interval, Outcome, Timestamp, Type, Zone, ahead};
use crate::store::{Attributes, Register};

/// Writes the users of the chunk whose attribute satisfies the check; `attributes` are missing where
/// the chunk has no rows of users.
/// Errors: a chunk file that cannot be read.
pub fn users_of(
    tested: &Tested,
    attributes: Option<&Attributes>,
    as_of: Timestamp,
    zone: &Zone,
    out: &mut Register,
) -> Outcome<()> {
    out.clear();
    let Some(attributes) = attributes else {
        without_values(&tested.check, 0, out);
        return Ok(());
    };
    if indexed(tested, attributes, out)? {
        return Ok(());
    }
    if let Check::WithinOf { of, count, unit } = &tested.check {
        let window =
            |from: Timestamp| Interval { from, to: ahead(from, *count, *unit, zone).min(as_of.plus(1)) };
        if let (Some(column), Some(begin)) = (attributes.column(&tested.column)?, attributes.column(of)?) {
            within(column, begin, window, zone, out);
        }
        return Ok(());
    }
    let Some(column) = attributes.narrow(&tested.column)? else {
        without_values(&tested.check, 0, out);
        return Ok(());
    };
    let len = column.len().min(CHUNK_USERS as usize);
    Lane::new(&tested.check, Some(column), len, zone).fill(0..len, &mut out.words_mut()[..len.div_ceil(64)]);
    without_values(&tested.check, len, out);
    Ok(())
}

/// Users whose instant lies in a window of their own.
fn within(
    column: &ArrayRef,
    begin: &ArrayRef,
    window: impl Fn(Timestamp) -> Interval,
    zone: &Zone,
    out: &mut Register,
) {
    let fits = |row: usize| {
        let from = source::instant(begin, row, zone)?;
        Some(window(from).holds(source::instant(column, row, zone)?))
    };
    (0..column.len()).filter(|row| fits(*row) == Some(true)).for_each(|row| out.set(row as u16));
}

/// Adds the users from position `from` on, whose rows no file holds, if missing values pass.
fn without_values(check: &Check, from: usize, out: &mut Register) {
    if matches!(check, Check::Missing | Check::NoneOf(_)) && from < CHUNK_USERS as usize {
        out.set_range(from as u16, u16::MAX);
    }
}

/// From the bitmaps per value; false where the column has none or the check needs the values.
fn indexed(tested: &Tested, attributes: &Attributes, out: &mut Register) -> Outcome<bool> {
    if !attributes.is_indexed(&tested.column) {
        return Ok(false);
    }
    match &tested.check {
        Check::Text { values, negated: false } | Check::AnyOf(values) => {
            add(values, tested, attributes, out)?
        }
        Check::NoneOf(values) => {
            add(values, tested, attributes, out)?;
            out.complement();
        }
        Check::AllOf(values) => all_of(values, tested, attributes, out)?,
        Check::Whole { ranges, negated } if tested.type_of == Type::Integer => {
            let Some(values) = few_integers(tested, attributes, ranges, *negated)? else { return Ok(false) };
            add(&values, tested, attributes, out)?;
        }
        Check::Flag(value) => add(&[value.to_string()], tested, attributes, out)?,
        _ => return Ok(false),
    }
    Ok(true)
}

fn all_of(values: &[String], tested: &Tested, attributes: &Attributes, out: &mut Register) -> Outcome<()> {
    let Some((first, rest)) = values.split_first() else {
        *out = Register::full();
        return Ok(());
    };
    add(std::slice::from_ref(first), tested, attributes, out)?;
    for value in rest {
        match attributes.container(&tested.column, value)? {
            Some(container) => out.keep(container),
            None => out.clear(),
        }
    }
    Ok(())
}

/// More values than this are found faster by comparing the column.
const INTEGERS_MAX: usize = 4;

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
