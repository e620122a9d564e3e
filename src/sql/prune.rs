//! Which parts of a table may hold rows that fit? DataFusion proves the filters false from the bounds
//! of a part; a filter on one user is answered by the part's own index.

use std::collections::HashSet;

use arrow::array::{ArrayRef, BooleanArray};
use datafusion::catalog::Session;
use datafusion::common::pruning::PruningStatistics;
use datafusion::common::{Column, DFSchema, Result, ScalarValue};
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::utils::conjunction;
use datafusion::physical_optimizer::pruning::PruningPredicateBuilder;

use super::content::{Content, USER_ID, USER_NO};
use crate::base::UserNo;

/// The parts in which the filters may be true.
pub fn fitting<C: Content>(content: &C, filters: &[Expr], session: &dyn Session) -> Result<Vec<C::Part>> {
    let parts = content.parts();
    let Some(filter) = conjunction(filters.iter().cloned()) else { return Ok(parts) };
    let schema = DFSchema::try_from(content.schema().clone())?;
    let filter = session.create_physical_expr(filter, &schema)?;
    let predicate =
        PruningPredicateBuilder::new().with_file_schema(content.schema().clone()).try_build(filter)?;
    let may_fit = predicate.prune(&Bounds { content, parts: &parts })?;
    Ok(parts.into_iter().zip(may_fit).filter(|(_, may)| *may).map(|(part, _)| part).collect())
}

/// Can a filter leave out parts? Only if all that it names has bounds or an index.
pub fn is_of_use<C: Content>(content: &C, filter: &Expr) -> bool {
    let first = content.parts().into_iter().next();
    let has_bounds = |name: &str| first.as_ref().is_some_and(|part| content.bounds(part, name).is_some());
    let names = filter.column_refs();
    !names.is_empty()
        && !filter.is_volatile()
        && names.iter().all(|column| [USER_ID, USER_NO].contains(&column.name()) || has_bounds(column.name()))
}

/// What is known of the parts without reading them.
struct Bounds<'a, C: Content> {
    content: &'a C,
    parts: &'a [C::Part],
}

impl<C: Content> Bounds<'_, C> {
    fn values(&self, column: &Column, of: fn((ScalarValue, ScalarValue)) -> ScalarValue) -> Option<ArrayRef> {
        let bounds = self.parts.iter().map(|part| self.content.bounds(part, column.name()).map(of));
        ScalarValue::iter_to_array(bounds.collect::<Option<Vec<ScalarValue>>>()?).ok()
    }

    /// The users meant by values of `user_id` or `user_no`; one that is not known has no rows.
    fn users(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<Vec<UserNo>> {
        let snapshot = self.content.source().snapshot();
        let number = |value: &ScalarValue| match value {
            ScalarValue::UInt32(number) => Some(*number),
            _ => None,
        };
        match column.name() {
            USER_ID => Some(values.iter().filter_map(|id| snapshot.find(id.try_as_str()??)).collect()),
            USER_NO => {
                let numbers = values.iter().map(number).collect::<Option<Vec<_>>>()?;
                Some(numbers.into_iter().flatten().collect())
            }
            _ => None,
        }
    }
}

impl<C: Content> PruningStatistics for Bounds<'_, C> {
    fn min_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |(least, _)| least)
    }

    fn max_values(&self, column: &Column) -> Option<ArrayRef> {
        self.values(column, |(_, greatest)| greatest)
    }

    fn num_containers(&self) -> usize {
        self.parts.len()
    }

    fn null_counts(&self, _: &Column) -> Option<ArrayRef> {
        None
    }

    fn row_counts(&self) -> Option<ArrayRef> {
        None
    }

    /// False: no row of the part has one of the values; never true, since a part has many users.
    fn contained(&self, column: &Column, values: &HashSet<ScalarValue>) -> Option<BooleanArray> {
        let users = self.users(column, values)?;
        let may_have = |part: &C::Part| users.iter().any(|user| self.content.may_have(part, *user));
        Some(self.parts.iter().map(|part| if may_have(part) { None } else { Some(false) }).collect())
    }
}
