//! `sample 10% salt 's'` and `top 10000 by balance`: users picked by chance or by rank.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int64Type, TimestampMillisecondType};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::source::first_of;
use crate::base::{Outcome, Share, UserNo, share_of};
use crate::store::{Register, Snapshot};

/// The users of a chunk that fall in a share by a stable hash of their external ids: the same
/// users on every machine, for ever, and the same as a holdout of that salt (semantics 1.6).
/// `asked` are the users worth a look; nobody else is in the answer.
pub fn sampled(share: Share, salt: &str, snapshot: &Snapshot, chunk: u32, asked: &Register) -> Register {
    let ids = snapshot.ids();
    let mut users = Register::new();
    asked
        .iter()
        .filter(|place| share_of(share, salt, ids.text(first_of(chunk) + *place as UserNo)))
        .for_each(|place| users.set(place));
    users
}

/// The `count` users of the whole universe with the greatest value of the tag `by`; among equals
/// those whose external id comes first. Who has no value never ranks.
/// Errors: a file of attributes or ids that cannot be read.
pub fn top(count: u64, by: &str, snapshot: &Snapshot) -> Outcome<RoaringBitmap> {
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let ranked: Vec<Vec<(i64, UserNo)>> = (0..snapshot.chunk_count())
        .into_par_iter()
        .map(|chunk| ranks(by, snapshot, chunk))
        .collect::<Outcome<_>>()?;
    let mut ranks: Vec<i64> = ranked.iter().flatten().map(|(rank, _)| *rank).collect();
    if count == 0 || ranks.len() <= count {
        return Ok(if count == 0 {
            RoaringBitmap::new()
        } else {
            ranked.iter().flatten().map(|r| r.1).collect()
        });
    }
    let (_, least, _) = ranks.select_nth_unstable_by(count - 1, |a, b| b.cmp(a));
    let least = *least;
    let mut users: RoaringBitmap = ranked.iter().flatten().filter(|r| r.0 > least).map(|r| r.1).collect();
    let equals = ranked.iter().flatten().filter(|r| r.0 == least).map(|r| r.1).collect();
    users.extend(first_by_id(equals, count - users.len() as usize, snapshot)?);
    Ok(users)
}

/// The `count` users whose ids come first, in the order of their bytes.
fn first_by_id(mut users: Vec<UserNo>, count: usize, snapshot: &Snapshot) -> Outcome<Vec<UserNo>> {
    if count < users.len() {
        let ids = snapshot.ids();
        ids.ready()?;
        users.select_nth_unstable_by(count, |a, b| ids.text(*a).cmp(ids.text(*b)));
        users.truncate(count);
    }
    Ok(users)
}

/// The users of a chunk who have a value, with a number that is greater where the value is.
fn ranks(by: &str, snapshot: &Snapshot, chunk: u32) -> Outcome<Vec<(i64, UserNo)>> {
    let Some(attributes) = snapshot.attributes(chunk)? else { return Ok(vec![]) };
    let Some(column) = attributes.column(by)? else { return Ok(vec![]) };
    let universe = snapshot.universe_bitmap().container(chunk).map(Register::of).unwrap_or_default();
    let there = universe.iter().filter(|place| (*place as usize) < column.len());
    let known = there.filter(|place| column.is_valid(*place as usize));
    let first = first_of(chunk);
    Ok(known.filter_map(|place| Some((rank(column, place as usize)?, first + place as UserNo))).collect())
}

fn rank(column: &ArrayRef, row: usize) -> Option<i64> {
    Some(match column.data_type() {
        DataType::Int64 => column.as_primitive::<Int64Type>().value(row),
        DataType::Date32 => column.as_primitive::<Date32Type>().value(row) as i64,
        DataType::Timestamp(..) => column.as_primitive::<TimestampMillisecondType>().value(row),
        DataType::Float64 => float_rank(column.as_primitive::<Float64Type>().value(row))?,
        _ => return None,
    })
}

/// Floats in their order as whole numbers; the two zeros are one, and what is no number has no rank.
fn float_rank(value: f64) -> Option<i64> {
    let bits = (value + 0.0).to_bits() as i64;
    // Greater negative floats have smaller bits: all but the sign is turned round.
    (!value.is_nan()).then_some(if bits < 0 { bits ^ i64::MAX } else { bits })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranks_of_floats_are_in_their_order(a in any::<f64>(), b in any::<f64>()) {
            prop_assert_eq!(float_rank(a).zip(float_rank(b)).map(|(a, b)| a.cmp(&b)), a.partial_cmp(&b));
        }
    }

    #[test]
    fn the_two_zeros_are_one() {
        assert_eq!(float_rank(-0.0), float_rank(0.0));
        assert_eq!(float_rank(f64::NAN), None);
    }
}
