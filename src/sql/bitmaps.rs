//! Users as bitmaps in SQL: portable 32-bit Roaring in a binary column, as crowds are exported.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Int64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, UInt32Type};
use datafusion::common::{Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl,
    Signature, Volatility,
};
use roaring::RoaringBitmap;

/// `bitmap_agg(user_no)`: all numbers of a group; of no rows the empty bitmap.
pub fn aggregate() -> AggregateUDF {
    AggregateUDF::new_from_impl(Gather { signature: Signature::user_defined(Volatility::Immutable) })
}

/// `bitmap_count`, `bitmap_and`, `bitmap_or`, `bitmap_andnot`, `bitmap_contains`.
pub fn scalars() -> Vec<ScalarUDF> {
    [What::Count, What::And, What::Or, What::AndNot, What::Contains]
        .map(Function::new)
        .map(ScalarUDF::from)
        .into()
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Gather {
    signature: Signature,
}

impl AggregateUDFImpl for Gather {
    fn name(&self) -> &str {
        "bitmap_agg"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Binary)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [number] if is_number(number) => Ok(vec![DataType::UInt32]),
            _ => plan_err!("bitmap_agg takes user numbers, such as bitmap_agg(user_no)"),
        }
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Gathered::default()))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        Ok(vec![Arc::new(Field::new(args.name, DataType::Binary, true))])
    }

    fn default_value(&self, _: &DataType) -> Result<ScalarValue> {
        written(&RoaringBitmap::new())
    }
}

/// The numbers of one group so far.
#[derive(Debug, Default)]
struct Gathered(RoaringBitmap);

impl Accumulator for Gathered {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let [numbers] = values else { return exec_err!("bitmap_agg takes one column") };
        let numbers = cast(numbers, &DataType::UInt32)?;
        self.0.extend(numbers.as_primitive::<UInt32Type>().iter().flatten());
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        written(&self.0)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.0.serialized_size()
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![written(&self.0)?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        for bytes in states.iter().filter_map(|state| state.as_binary_opt::<i32>()).flatten().flatten() {
            self.0 |= read(bytes)?;
        }
        Ok(())
    }
}

/// What a function does with bitmaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum What {
    Count,
    And,
    Or,
    AndNot,
    Contains,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Function {
    what: What,
    signature: Signature,
}

impl Function {
    fn new(what: What) -> Function {
        Function { what, signature: Signature::user_defined(Volatility::Immutable) }
    }

    fn takes(&self) -> &'static str {
        match self.what {
            What::Count => "takes one bitmap, such as bitmap_count(bitmap_agg(user_no))",
            What::Contains => "takes a bitmap and a user number, such as bitmap_contains(b, user_no)",
            _ => "takes two bitmaps, such as bitmap_agg(user_no) gives",
        }
    }
}

impl ScalarUDFImpl for Function {
    fn name(&self) -> &str {
        match self.what {
            What::Count => "bitmap_count",
            What::And => "bitmap_and",
            What::Or => "bitmap_or",
            What::AndNot => "bitmap_andnot",
            What::Contains => "bitmap_contains",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(match self.what {
            What::Count => DataType::Int64,
            What::Contains => DataType::Boolean,
            What::And | What::Or | What::AndNot => DataType::Binary,
        })
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        let binary = || Some(DataType::Binary);
        let wanted = match (self.what, types) {
            (What::Count, [a]) if is_bitmap(a) => vec![binary()],
            (What::Contains, [a, b]) if is_bitmap(a) && is_number(b) => vec![binary(), Some(DataType::Int64)],
            (What::And | What::Or | What::AndNot, [a, b]) if is_bitmap(a) && is_bitmap(b) => {
                vec![binary(), binary()]
            }
            _ => return plan_err!("{} {}", self.name(), self.takes()),
        };
        Ok(wanted.into_iter().flatten().collect())
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let rows = args.number_rows;
        let result: ArrayRef = match (self.what, args.args.as_slice()) {
            (What::Count, [a]) => Arc::new(counts(a, rows)?),
            (What::Contains, [a, b]) => Arc::new(contains(a, b, rows)?),
            (What::And, [a, b]) => Arc::new(joined(a, b, rows, |a, b| a & b)?),
            (What::Or, [a, b]) => Arc::new(joined(a, b, rows, |a, b| a | b)?),
            (What::AndNot, [a, b]) => Arc::new(joined(a, b, rows, |a, b| a - b)?),
            _ => return exec_err!("{} {}", self.name(), self.takes()),
        };
        let is_constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        match is_constant && result.len() == 1 {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?)),
            false => Ok(ColumnarValue::Array(result)),
        }
    }
}

fn is_number(data_type: &DataType) -> bool {
    data_type.is_integer() || data_type.is_null()
}

fn is_bitmap(data_type: &DataType) -> bool {
    use DataType::{Binary, BinaryView, LargeBinary, Null};
    matches!(data_type, Binary | BinaryView | LargeBinary | Null)
}

fn counts(bitmaps: &ColumnarValue, rows: usize) -> Result<Int64Array> {
    let bitmaps = bitmaps.to_array(rows)?;
    let count = |bytes: Option<&[u8]>| bytes.map(|bytes| Ok(read(bytes)?.len() as i64)).transpose();
    binary(&bitmaps)?.iter().map(count).collect()
}

/// A bitmap that is the same in every row is read once.
fn contains(bitmaps: &ColumnarValue, numbers: &ColumnarValue, rows: usize) -> Result<BooleanArray> {
    let numbers = cast(&numbers.to_array(rows)?, &DataType::Int64)?;
    let numbers: &Int64Array = numbers.as_primitive();
    if let ColumnarValue::Scalar(ScalarValue::Binary(bytes)) = bitmaps {
        let bitmap = bytes.as_deref().map(read).transpose()?;
        let has = |number: Option<i64>| Some(has(bitmap.as_ref()?, number?));
        return Ok(numbers.iter().map(has).collect());
    }
    let bitmaps = bitmaps.to_array(rows)?;
    let one = |(bytes, number): (Option<&[u8]>, Option<i64>)| {
        bytes.zip(number).map(|(bytes, number)| Ok(has(&read(bytes)?, number))).transpose()
    };
    binary(&bitmaps)?.iter().zip(numbers).map(one).collect()
}

/// A number that no user can have is in no bitmap.
pub fn has(bitmap: &RoaringBitmap, number: i64) -> bool {
    u32::try_from(number).is_ok_and(|number| bitmap.contains(number))
}

fn joined(
    a: &ColumnarValue,
    b: &ColumnarValue,
    rows: usize,
    join: fn(RoaringBitmap, RoaringBitmap) -> RoaringBitmap,
) -> Result<BinaryArray> {
    let (a, b) = (a.to_array(rows)?, b.to_array(rows)?);
    let pairs = binary(&a)?.iter().zip(binary(&b)?.iter());
    let one = |(a, b): (Option<&[u8]>, Option<&[u8]>)| {
        a.zip(b).map(|(a, b)| bytes_of(&join(read(a)?, read(b)?))).transpose()
    };
    pairs.map(one).collect()
}

fn binary(array: &ArrayRef) -> Result<&BinaryArray> {
    match array.as_binary_opt::<i32>() {
        Some(array) => Ok(array),
        None => exec_err!("bitmaps are binary, not {}", array.data_type()),
    }
}

fn read(bytes: &[u8]) -> Result<RoaringBitmap> {
    match RoaringBitmap::deserialize_from(bytes) {
        Ok(bitmap) => Ok(bitmap),
        Err(error) => exec_err!("this is no portable Roaring bitmap: {error}"),
    }
}

fn written(bitmap: &RoaringBitmap) -> Result<ScalarValue> {
    Ok(ScalarValue::Binary(Some(bytes_of(bitmap)?)))
}

fn bytes_of(bitmap: &RoaringBitmap) -> Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(bitmap.serialized_size());
    bitmap.serialize_into(&mut bytes)?;
    Ok(bytes)
}
