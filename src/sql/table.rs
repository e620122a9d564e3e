//! A table for DataFusion: planning a scan of the parts that may fit.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{Result, Statistics, stats::Precision};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;

use super::content::Content;
use super::prune::{fitting, is_of_use};
use super::scan::{Scan, Share};

/// A table over some content, under the name that plans show.
pub struct Table<C: Content> {
    name: String,
    content: Arc<C>,
}

impl<C: Content> Table<C> {
    pub fn new(name: &str, content: C) -> Table<C> {
        Table { name: name.to_string(), content: Arc::new(content) }
    }

    /// The parts dealt to `count` shares of about as many rows each.
    fn shares(&self, parts: Vec<C::Part>, count: usize) -> Vec<Share<C>> {
        let mut shares: Vec<Share<C>> = (0..count.max(1)).map(|_| Share::default()).collect();
        for part in parts {
            let rows = self.content.rows(&part);
            if let Some(least) = shares.iter_mut().min_by_key(|share| share.rows) {
                least.rows += rows;
                least.parts.push(part);
            }
        }
        shares
    }
}

#[async_trait]
impl<C: Content> TableProvider for Table<C> {
    fn schema(&self) -> SchemaRef {
        self.content.schema().clone()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        session: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let parts = fitting(&*self.content, filters, session)?;
        let shares = self.shares(parts, session.config().target_partitions());
        let all = || (0..self.content.schema().fields().len()).collect();
        let columns = projection.cloned().unwrap_or_else(all);
        Ok(Arc::new(Scan::new(&self.name, self.content.clone(), shares, columns)?))
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        let one = |filter: &&Expr| match is_of_use(&*self.content, filter) {
            true => TableProviderFilterPushDown::Inexact,
            false => TableProviderFilterPushDown::Unsupported,
        };
        Ok(filters.iter().map(one).collect())
    }

    fn statistics(&self) -> Option<Statistics> {
        let rows: u64 = self.content.parts().iter().map(|part| self.content.rows(part)).sum();
        let unknown = Statistics::new_unknown(self.content.schema());
        Some(Statistics { num_rows: Precision::Inexact(rows as usize), ..unknown })
    }
}

impl<C: Content> fmt::Debug for Table<C> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "Table({})", self.name)
    }
}
