//! `in_selection(user, 'selection')`: is the user one of those whom our own engine finds?
//!
//! The selection is prepared when the question is planned, so its mistakes are told before anything is
//! read; it is run once, when the first row asks. `in_selection('…')` stands for
//! `in_selection(user_no, '…')` where one table at hand has `user_no`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{Column, DFSchema, Result, ScalarValue, exec_err, plan_err};
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use roaring::RoaringBitmap;

use super::bitmaps::has;
use super::content::USER_NO;
use super::scan::failed;
use super::source::Source;

const NAME: &str = "in_selection";
const TAKES: &str =
    "in_selection takes a user and a selection: in_selection(user_no, '…'), or in_selection('…') for short";

/// The function over one source.
pub fn function(source: &Source) -> ScalarUDF {
    let signature = Signature::user_defined(Volatility::Immutable);
    ScalarUDF::from(InSelection { source: source.clone(), signature })
}

/// Puts the user number where it was left out.
pub fn rewrite() -> Arc<dyn FunctionRewrite + Send + Sync> {
    Arc::new(UserGiven)
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct InSelection {
    source: Source,
    signature: Signature,
}

impl ScalarUDFImpl for InSelection {
    fn name(&self) -> &str {
        NAME
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types {
            [text] if is_text(text) => Ok(vec![DataType::Utf8]),
            [user, text] if is_text(user) && is_text(text) => Ok(vec![DataType::Utf8, DataType::Utf8]),
            [user, text] if user.is_integer() && is_text(text) => Ok(vec![DataType::Int64, DataType::Utf8]),
            _ => plan_err!("{TAKES}"),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        match args.scalar_arguments.last().copied().flatten().and_then(text_of) {
            Some(text) => self.source.prepare(text).map_err(failed)?,
            None => return plan_err!("the selection of in_selection is written out, as a text in '…'"),
        }
        Ok(Arc::new(Field::new(NAME, DataType::Boolean, true)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [user, ColumnarValue::Scalar(text)] = args.args.as_slice() else { return exec_err!("{TAKES}") };
        let Some(text) = text_of(text) else { return exec_err!("{TAKES}") };
        let users = self.source.users(text).map_err(failed)?;
        let is_constant = matches!(user, ColumnarValue::Scalar(_));
        let are_in = self.are_in(&user.to_array(if is_constant { 1 } else { args.number_rows })?, &users)?;
        match is_constant {
            true => Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&are_in, 0)?)),
            false => Ok(ColumnarValue::Array(Arc::new(are_in))),
        }
    }
}

impl InSelection {
    /// Users by number or by external id; one that is not known is in no selection.
    fn are_in(&self, users: &ArrayRef, found: &RoaringBitmap) -> Result<BooleanArray> {
        if !is_text(users.data_type()) {
            let numbers = cast(users, &DataType::Int64)?;
            let one = |number: Option<i64>| number.map(|number| has(found, number));
            return Ok(numbers.as_primitive::<Int64Type>().iter().map(one).collect());
        }
        let texts = cast(users, &DataType::Utf8)?;
        let ids = self.source.ids().map_err(failed)?;
        let one = |id: Option<&str>| id.map(|id| ids.find(id).is_some_and(|user| found.contains(user)));
        Ok(texts.as_string::<i32>().iter().map(one).collect())
    }
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn text_of(value: &ScalarValue) -> Option<&str> {
    value.try_as_str().flatten()
}

#[derive(Debug)]
struct UserGiven;

impl FunctionRewrite for UserGiven {
    fn name(&self) -> &str {
        NAME
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _: &ConfigOptions) -> Result<Transformed<Expr>> {
        match expr {
            Expr::ScalarFunction(call) if call.name() == NAME && call.args.len() == 1 => {
                let user = Expr::Column(user_no(schema)?);
                let args = std::iter::once(user).chain(call.args).collect();
                Ok(Transformed::yes(Expr::ScalarFunction(ScalarFunction::new_udf(call.func, args))))
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

/// The one column `user_no` at hand.
fn user_no(schema: &DFSchema) -> Result<Column> {
    match schema.columns_with_unqualified_name(USER_NO).as_slice() {
        [column] => Ok(column.clone()),
        [] => plan_err!("no table here has `user_no`; name the user: in_selection(user, '…')"),
        many => {
            let names: Vec<String> = many.iter().map(Column::flat_name).collect();
            plan_err!(
                "whose `user_no` is meant by in_selection('…')? write one of {} before the selection",
                names.join(", ")
            )
        }
    }
}
