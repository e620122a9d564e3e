//! The same values in fewer bytes, so that scanning them reads less memory.
//!
//! Integers take the narrowest type that holds them; decimals of two digits, which money nearly
//! always is, become whole hundredths; texts become codes. Every form can be told from its Arrow
//! type, and [`wide`] gives the plain values back, bit for bit.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal32Array, PrimitiveArray};
use arrow::compute::{cast, max, min};
use arrow::datatypes::{
    DataType, Decimal32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type,
};

/// Digits in all and after the point of decimals kept as whole hundredths.
const DECIMAL: DataType = DataType::Decimal32(DIGITS, SCALE);
const DIGITS: u8 = 9;
const SCALE: i8 = 2;
/// Hundredths in one.
pub const HUNDREDTHS: f64 = 100.0;
const HUNDREDTHS_MAX: f64 = 999_999_999.0;

/// The narrowest form of a column: integers of 1, 2, 4 or 8 bytes, `Decimal32(9, 2)` for floats
/// that are whole hundredths, dictionaries with keys of 1 or 2 bytes for texts where those are
/// enough; anything else as it is.
pub(super) fn narrow(column: ArrayRef) -> ArrayRef {
    match column.data_type() {
        DataType::Int64 => integers(&column),
        DataType::Float64 => hundredths(&column).unwrap_or(column),
        DataType::Utf8 => texts(&column),
        DataType::Dictionary(key, _) if **key == DataType::UInt16 => fewer_keys(&column).unwrap_or(column),
        _ => column,
    }
}

/// The plain form of a column of type `type_of`, which may be narrow; texts may stay codes.
/// Errors: those of Arrow, for types that do not fit.
pub(super) fn wide(column: &ArrayRef, type_of: &DataType) -> Result<ArrayRef, arrow::error::ArrowError> {
    match (column.data_type(), type_of) {
        (DataType::Dictionary(..), DataType::Utf8) => Ok(column.clone()),
        (stored, wanted) if stored == wanted => Ok(column.clone()),
        (&DECIMAL, DataType::Float64) => {
            let plain = column.as_primitive::<Decimal32Type>();
            Ok(Arc::new(plain.unary::<_, Float64Type>(|value| value as f64 / HUNDREDTHS)))
        }
        (_, wanted) => cast(column, wanted),
    }
}

fn integers(column: &ArrayRef) -> ArrayRef {
    let values = column.as_primitive::<Int64Type>();
    let (low, high) = (min(values).unwrap_or(0), max(values).unwrap_or(0));
    let fits = |least: i64, most: i64| least <= low && high <= most;
    match () {
        () if fits(i8::MIN as i64, i8::MAX as i64) => as_narrow::<Int8Type>(values, |v| v as i8),
        () if fits(i16::MIN as i64, i16::MAX as i64) => as_narrow::<Int16Type>(values, |v| v as i16),
        () if fits(i32::MIN as i64, i32::MAX as i64) => as_narrow::<Int32Type>(values, |v| v as i32),
        () => column.clone(),
    }
}

/// Values under a null are cut to size too; nobody reads them.
fn as_narrow<T: ArrowPrimitiveType>(
    values: &PrimitiveArray<Int64Type>,
    cut: impl Fn(i64) -> T::Native,
) -> ArrayRef {
    Arc::new(values.unary::<_, T>(cut))
}

/// Whole hundredths, if every value is exactly the float nearest to one.
fn hundredths(column: &ArrayRef) -> Option<ArrayRef> {
    let values = column.as_primitive::<Float64Type>();
    let all_fit = values.iter().flatten().all(|value| as_hundredths(value).is_some());
    let cut = |value: f64| as_hundredths(value).unwrap_or(0);
    let array: Decimal32Array = values.unary(cut);
    array.with_precision_and_scale(DIGITS, SCALE).ok().filter(|_| all_fit).map(|array| Arc::new(array) as _)
}

/// The whole hundredths that `value` is, if it is exactly the float nearest to them.
pub fn as_hundredths(value: f64) -> Option<i32> {
    let whole = (value * HUNDREDTHS).round();
    let cut = whole as i32;
    // Compared by bits, because minus zero is another float than zero.
    let is_same = (cut as f64 / HUNDREDTHS).to_bits() == value.to_bits();
    (is_same && whole.abs() <= HUNDREDTHS_MAX).then_some(cut)
}

/// Keys of one byte, else of two, else the texts themselves.
fn texts(column: &ArrayRef) -> ArrayRef {
    let coded =
        |key: DataType| cast(column, &DataType::Dictionary(Box::new(key), Box::new(DataType::Utf8))).ok();
    coded(DataType::UInt16).map_or(column.clone(), |coded| fewer_keys(&coded).unwrap_or(coded))
}

fn fewer_keys(column: &ArrayRef) -> Option<ArrayRef> {
    let all = column.as_any_dictionary();
    if all.values().len() > u8::MAX as usize + 1 {
        return None;
    }
    let keys = cast(all.keys(), &DataType::UInt8).ok()?;
    let keys = keys.as_primitive::<UInt8Type>().clone();
    arrow::array::DictionaryArray::try_new(keys, all.values().clone()).ok().map(|array| Arc::new(array) as _)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, Int64Array, StringArray};
    use proptest::prelude::*;

    use super::*;

    fn same(column: ArrayRef) -> Result<DataType, TestCaseError> {
        let form = narrow(column.clone());
        let back = wide(&form, column.data_type()).unwrap();
        prop_assert_eq!(&cast(&back, column.data_type()).unwrap(), &column);
        Ok(form.data_type().clone())
    }

    proptest! {
        #[test]
        fn narrow_columns_give_back_every_value(
            integers in proptest::collection::vec(proptest::option::of(-300i64..300), 0..40),
            large in any::<Option<i64>>(),
            floats in proptest::collection::vec(proptest::option::of(-100_000i32..100_000), 0..40),
            odd in any::<Option<f64>>().prop_filter("a number", |v| v.is_none_or(f64::is_finite)),
            words in proptest::collection::vec(proptest::option::of("[a-c甲]{0,3}"), 0..40),
        ) {
            same(Arc::new(Int64Array::from_iter(integers.iter().copied())))?;
            same(Arc::new(Int64Array::from_iter(integers.iter().copied().chain([large]))))?;
            let money = floats.iter().map(|v| v.map(|v| v as f64 / HUNDREDTHS));
            prop_assert_eq!(same(Arc::new(Float64Array::from_iter(money.clone())))?, DECIMAL);
            same(Arc::new(Float64Array::from_iter(money.chain([odd]))))?;
            same(Arc::new(words.into_iter().collect::<StringArray>()))?;
        }
    }

    #[test]
    fn many_texts_take_wider_keys_and_too_many_stay_texts() {
        let texts = |n: usize| -> ArrayRef {
            Arc::new(StringArray::from_iter_values((0..n).map(|k| format!("值{k}"))))
        };
        let keys = |n: usize| match narrow(texts(n)).data_type() {
            DataType::Dictionary(key, _) => Some(key.as_ref().clone()),
            _ => None,
        };
        assert_eq!(
            [keys(256), keys(257), keys(70_000)],
            [Some(DataType::UInt8), Some(DataType::UInt16), None]
        );
    }

    #[test]
    fn minus_zero_is_no_hundredth() {
        assert_eq!(as_hundredths(-0.0), None);
        assert_eq!(as_hundredths(0.07), Some(7));
        assert_eq!(as_hundredths(0.1 + 0.2), None);
    }
}
