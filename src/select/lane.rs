//! One check on one column, made ready so that any range of rows can be asked at once.
//!
//! Checks on numbers and codes become ranges of the column's own narrow type and are compared 64
//! values at a time; everything else is looked at once for all rows.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{BooleanBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowNativeType, ArrowPrimitiveType, DataType, Date32Type, Decimal32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, TimestampMillisecondType, UInt8Type, UInt16Type,
};

use super::bits::{Fold, and_bits};
use super::check::Check;
use super::column;
use super::hundredths;
use super::ranges::{Wide, in_range};
use crate::base::Zone;

/// More ranges than this are looked up once instead of being compared each time.
const RANGES_MAX: usize = 8;

/// A check on a column, ready; the column may be narrow.
pub struct Lane {
    values: Box<dyn Fill>,
    /// Rows that have a value, where some have none and the check fails on those.
    known: Option<BooleanBuffer>,
}

/// Sets one bit per row of `range`, the first one lowest; `out` has a word per 64 rows.
trait Fill: Send + Sync {
    fn fill(&self, range: Range<usize>, out: &mut [u64]);
}

impl Lane {
    /// `check` on `column` of `len` rows; `None`: a column that is not there, all values missing.
    pub fn new(check: &Check, column: Option<&ArrayRef>, len: usize, zone: &Zone) -> Lane {
        let Some(column) = column else { return Lane::bits(absent(check, len)) };
        match ranged(check, column) {
            Some(values) => {
                let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
                Lane { values, known: nulls.map(|nulls| nulls.inner().clone()) }
            }
            None => Lane::bits(column::test(check, column, zone)),
        }
    }

    /// Rows whose bit is set.
    pub fn bits(bits: BooleanBuffer) -> Lane {
        Lane { values: Box::new(bits), known: None }
    }

    /// One bit per row of `range`; `out` has a word per 64 rows, bits beyond the range are clear.
    pub fn fill(&self, range: Range<usize>, out: &mut [u64]) {
        self.values.fill(range.clone(), out);
        if let Some(known) = &self.known {
            and_bits(out, &known.slice(range.start, range.len()));
        }
    }
}

impl Fill for BooleanBuffer {
    fn fill(&self, range: Range<usize>, out: &mut [u64]) {
        let bits = self.slice(range.start, range.len());
        out.iter_mut().zip(bits.bit_chunks().iter_padded()).for_each(|(word, bits)| *word = bits);
    }
}

/// Values inside one of the closed ranges, or outside all of them.
struct Ranges<T: ArrowNativeType> {
    values: ScalarBuffer<T>,
    ranges: Vec<(T, T)>,
    negated: bool,
}

impl<T: ArrowNativeType + Wide + Send + Sync> Fill for Ranges<T> {
    fn fill(&self, range: Range<usize>, out: &mut [u64]) {
        let values = &self.values[range];
        let (first, rest) = match self.ranges.split_first() {
            Some((first, rest)) => (Some(*first), rest),
            None => (None, &[][..]),
        };
        match first {
            Some((low, high)) => in_range(values, low, high, self.negated, Fold::Set, out),
            None => fill_all(self.negated, values.len(), out),
        }
        // Outside all of them is outside the first, and outside the second, …
        let fold = if self.negated { Fold::And } else { Fold::Or };
        rest.iter().for_each(|(low, high)| in_range(values, *low, *high, self.negated, fold, out));
    }
}

fn fill_all(bit: bool, len: usize, out: &mut [u64]) {
    out.fill(if bit { u64::MAX } else { 0 });
    if let (Some(last), true) = (out.last_mut(), !len.is_multiple_of(64)) {
        *last &= (1 << (len % 64)) - 1;
    }
}

/// A column that a file does not have: every value is missing.
fn absent(check: &Check, len: usize) -> BooleanBuffer {
    match check {
        Check::Missing | Check::NoneOf(_) => BooleanBuffer::new_set(len),
        _ => BooleanBuffer::new_unset(len),
    }
}

/// The check as ranges of the column's own type; `None` where it is of another kind.
fn ranged(check: &Check, column: &ArrayRef) -> Option<Box<dyn Fill>> {
    match (check, column.data_type()) {
        (Check::Whole { ranges, negated }, as_type) => match as_type {
            DataType::Int8 => Some(whole::<Int8Type>(column, ranges, *negated)),
            DataType::Int16 => Some(whole::<Int16Type>(column, ranges, *negated)),
            DataType::Int32 => Some(whole::<Int32Type>(column, ranges, *negated)),
            DataType::Int64 => Some(whole::<Int64Type>(column, ranges, *negated)),
            DataType::Date32 => Some(whole::<Date32Type>(column, ranges, *negated)),
            DataType::Timestamp(..) => Some(whole::<TimestampMillisecondType>(column, ranges, *negated)),
            _ => None,
        },
        (Check::Real { ranges, negated }, DataType::Float64) => {
            Some(of_ranges::<Float64Type>(column, ranges.clone(), *negated))
        }
        (Check::Real { ranges, negated }, DataType::Decimal32(..)) => {
            let whole = ranges.iter().map(|(low, high)| hundredths::range(*low, *high)).collect::<Vec<_>>();
            Some(of_ranges::<Decimal32Type>(column, cut(&whole), *negated))
        }
        (Check::Text { .. } | Check::Pattern(_), DataType::Dictionary(key, _)) => match **key {
            DataType::UInt8 => coded::<UInt8Type>(check, column),
            DataType::UInt16 => coded::<UInt16Type>(check, column),
            _ => None,
        },
        _ => None,
    }
}

fn of_ranges<T: ArrowPrimitiveType>(
    column: &ArrayRef,
    ranges: Vec<(T::Native, T::Native)>,
    negated: bool,
) -> Box<dyn Fill>
where
    T::Native: Wide,
{
    Box::new(Ranges { values: column.as_primitive::<T>().values().clone(), ranges, negated })
}

fn whole<T: ArrowPrimitiveType>(column: &ArrayRef, ranges: &[(i64, i64)], negated: bool) -> Box<dyn Fill>
where
    T::Native: TryFrom<i64> + Bound + Wide,
{
    of_ranges::<T>(column, cut(ranges), negated)
}

/// The least and the greatest value of a narrow type.
trait Bound: Sized {
    const LEAST: Self;
    const MOST: Self;
}

macro_rules! bound {
    ($($name:ty),*) => { $(impl Bound for $name {
        const LEAST: $name = <$name>::MIN;
        const MOST: $name = <$name>::MAX;
    })* };
}
bound!(i8, i16, i32, i64);

/// The parts of ranges that a narrower type can hold; ranges beyond it hold nothing.
fn cut<T: TryFrom<i64> + Bound + Copy>(ranges: &[(i64, i64)]) -> Vec<(T, T)> {
    let cut = |(low, high): &(i64, i64)| {
        let from = T::try_from(*low).ok().or((*low < 0).then_some(T::LEAST))?;
        let to = T::try_from(*high).ok().or((*high > 0).then_some(T::MOST))?;
        (low <= high).then_some((from, to))
    };
    ranges.iter().filter_map(cut).collect()
}

/// Each distinct text is looked at once; the codes that pass become ranges, if those are few.
fn coded<K: ArrowDictionaryKeyType>(check: &Check, column: &ArrayRef) -> Option<Box<dyn Fill>>
where
    K::Native: TryFrom<usize> + Wide,
{
    let all = column.as_dictionary::<K>();
    let words = all.values().as_string_opt::<i32>()?;
    let passing: Vec<usize> = (0..words.len()).filter(|at| column::fits(check, words.value(*at))).collect();
    let runs = passing.chunk_by(|a, b| a + 1 == *b);
    let code = |code: usize| K::Native::try_from(code).ok();
    let ranges: Option<Vec<_>> = runs.map(|run| Some((code(*run.first()?)?, code(*run.last()?)?))).collect();
    let ranges = ranges.filter(|ranges| ranges.len() <= RANGES_MAX)?;
    Some(Box::new(Ranges { values: all.keys().values().clone(), ranges, negated: false }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Float64Array, Int64Array, StringArray};
    use arrow::compute::cast;
    use proptest::prelude::*;

    use super::*;

    /// A lane over any range says what the check says of each row of the plain column.
    fn agrees(check: &Check, plain: ArrayRef, forms: &[DataType], from: usize) -> Result<(), TestCaseError> {
        let zone = Zone::default();
        let asked = column::test(check, &plain, &zone);
        let from = from.min(plain.len());
        for form in forms {
            let Ok(column) = cast(&plain, form) else { continue };
            if column.null_count() != plain.null_count() {
                continue;
            }
            let lane = Lane::new(check, Some(&column), plain.len(), &zone);
            let mut words = vec![u64::MAX; (plain.len() - from).div_ceil(64)];
            lane.fill(from..plain.len(), &mut words);
            let found: Vec<bool> =
                (0..words.len() * 64).map(|at| words[at / 64] >> (at % 64) & 1 == 1).collect();
            let expected: Vec<bool> = (from..plain.len()).map(|row| asked.value(row)).collect();
            prop_assert_eq!(&found[..expected.len()], &expected[..], "{:?}", form);
            prop_assert!(found[expected.len()..].iter().all(|bit| !bit), "bits beyond the range");
        }
        Ok(())
    }

    fn dictionary(key: DataType) -> DataType {
        DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8))
    }

    proptest! {
        #[test]
        fn lanes_agree_with_asking_each_value(
            values in prop::collection::vec(prop::option::of(-200i64..200), 0..200),
            ranges in prop::collection::vec((-300i64..300, -300i64..300), 0..4),
            ends in any::<bool>(), negated in any::<bool>(), from in 0usize..200,
        ) {
            let mut ranges = ranges;
            if ends {
                ranges.extend([(i64::MIN, -150), (150, i64::MAX)]);
            }
            let whole = Check::Whole { ranges: ranges.clone(), negated };
            let plain: ArrayRef = Arc::new(Int64Array::from_iter(values.iter().copied()));
            agrees(&whole, plain, &[DataType::Int8, DataType::Int16, DataType::Int32, DataType::Int64], from)?;

            let real = Check::Real { ranges: ranges.iter().map(|(a, b)| (*a as f64 / 100.0, *b as f64 / 100.0)).collect(), negated };
            let plain: ArrayRef = Arc::new(Float64Array::from_iter(values.iter().map(|v| v.map(|v| v as f64 / 100.0))));
            agrees(&real, plain, &[DataType::Float64, DataType::Decimal32(9, 2)], from)?;
        }

        #[test]
        fn lanes_of_codes_agree_with_asking_each_text(
            words in prop::collection::vec(prop::option::of("[a-d]{0,2}"), 0..150),
            mut values in prop::collection::vec("[a-d]{0,2}", 0..12), negated in any::<bool>(), from in 0usize..150,
        ) {
            values.sort();
            values.dedup();
            let plain: ArrayRef = Arc::new(words.into_iter().collect::<StringArray>());
            let forms = [dictionary(DataType::UInt8), dictionary(DataType::UInt16), DataType::Utf8];
            agrees(&Check::Text { values, negated }, plain.clone(), &forms, from)?;
            agrees(&Check::Missing, plain, &forms, from)?;
        }
    }
}
