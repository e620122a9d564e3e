//! What time is it, for a question? Its as-of: SQL's own clock would give other rows every time.

use arrow::datatypes::DataType;
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};

use super::content::{instant, instant_type};
use super::source::Source;

/// Functions of DataFusion that tell the clock or chance, under all their names; ours take the places
/// of the first four.
pub const TAKEN_OUT: [&str; 8] =
    ["now", "current_timestamp", "current_date", "today", "current_time", "random", "rand", "uuid"];

/// `now()` and `current_timestamp`: the as-of; `current_date` and `today()`: its local day.
pub fn functions(source: &Source) -> [ScalarUDF; 2] {
    let (as_of, zone) = (source.as_of(), source.zone());
    let now = Constant::new("now", "current_timestamp", instant(as_of, zone), instant_type(zone));
    let today = ScalarValue::Date32(Some(zone.day_of(as_of).0));
    let today = Constant::new("current_date", "today", today, DataType::Date32);
    [now, today].map(ScalarUDF::from)
}

/// A function without arguments that always gives the same.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Constant {
    name: &'static str,
    aliases: Vec<String>,
    value: ScalarValue,
    data_type: DataType,
    signature: Signature,
}

impl Constant {
    fn new(name: &'static str, alias: &str, value: ScalarValue, data_type: DataType) -> Constant {
        let signature = Signature::nullary(Volatility::Immutable);
        Constant { name, aliases: vec![alias.to_string()], value, data_type, signature }
    }
}

impl ScalarUDFImpl for Constant {
    fn name(&self) -> &str {
        self.name
    }

    fn aliases(&self) -> &[String] {
        &self.aliases
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.data_type.clone())
    }

    fn invoke_with_args(&self, _: ScalarFunctionArgs) -> Result<ColumnarValue> {
        Ok(ColumnarValue::Scalar(self.value.clone()))
    }
}
