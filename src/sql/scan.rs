//! Reading a table: each share of its parts is a stream that holds one piece at a time.

use std::fmt;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use datafusion::common::stats::Precision;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::common::{DataFusionError, Result, Statistics};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::EquivalenceProperties;
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PhysicalExpr, PlanProperties,
};

use super::content::{Content, Pieces, USER_ID};
use super::piece::Piece;
use crate::base::{Outcome, Problems};

/// Parts that one stream reads, one after the other.
pub struct Share<C: Content> {
    pub parts: Vec<C::Part>,
    pub rows: u64,
}

impl<C: Content> Default for Share<C> {
    fn default() -> Share<C> {
        Share { parts: Vec::new(), rows: 0 }
    }
}

/// The plan that reads some columns of some parts.
pub struct Scan<C: Content> {
    name: String,
    content: Arc<C>,
    shares: Vec<Share<C>>,
    columns: Vec<usize>,
    properties: Arc<PlanProperties>,
}

impl<C: Content> Scan<C> {
    /// `columns` are places in the content's schema.
    pub fn new(name: &str, content: Arc<C>, shares: Vec<Share<C>>, columns: Vec<usize>) -> Result<Scan<C>> {
        let schema: SchemaRef = Arc::new(content.schema().project(&columns)?);
        let properties = PlanProperties::new(
            EquivalenceProperties::new(schema),
            Partitioning::UnknownPartitioning(shares.len()),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Scan { name: name.to_string(), content, shares, columns, properties: Arc::new(properties) })
    }
}

impl<C: Content> ExecutionPlan for Scan<C> {
    fn name(&self) -> &str {
        "Scan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn with_new_children(self: Arc<Self>, _: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, share: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let parts = self.shares.get(share).map(|share| share.parts.clone()).unwrap_or_default();
        let schema = self.schema();
        let reader = Reader {
            content: self.content.clone(),
            parts: parts.into_iter(),
            columns: self.columns.clone(),
            has_ids: schema.fields().iter().any(|field| field.name() == USER_ID),
            schema: schema.clone(),
            pieces: Box::new(std::iter::empty()),
            piece: None,
            rows: context.session_config().batch_size(),
        };
        let batches = reader.map(|batch| batch.map_err(failed));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, futures::stream::iter(batches))))
    }

    fn partition_statistics(&self, share: Option<usize>) -> Result<Arc<Statistics>> {
        let rows: u64 = match share {
            Some(share) => self.shares.get(share).map_or(0, |share| share.rows),
            None => self.shares.iter().map(|share| share.rows).sum(),
        };
        let unknown = Statistics::new_unknown(&self.schema());
        Ok(Arc::new(Statistics { num_rows: Precision::Inexact(rows as usize), ..unknown }))
    }
}

impl<C: Content> DisplayAs for Scan<C> {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter) -> fmt::Result {
        let parts: usize = self.shares.iter().map(|share| share.parts.len()).sum();
        let schema = self.schema();
        let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
        let (all, unit) = (self.content.parts().len(), self.content.unit());
        write!(f, "Scan: {}, {parts} of {all} {unit}, columns=[{}]", self.name, names.join(", "))
    }
}

impl<C: Content> fmt::Debug for Scan<C> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.fmt_as(DisplayFormatType::Default, f)
    }
}

/// The batches of a share.
struct Reader<C: Content> {
    content: Arc<C>,
    parts: std::vec::IntoIter<C::Part>,
    columns: Vec<usize>,
    has_ids: bool,
    schema: SchemaRef,
    /// What is left of the part that is being read.
    pieces: Pieces,
    /// The piece that batches are cut from, and where the next begins.
    piece: Option<(Piece, usize)>,
    /// Rows of a batch.
    rows: usize,
}

impl<C: Content> Reader<C> {
    /// The next batch of the piece in hand.
    fn cut(&mut self) -> Option<Outcome<RecordBatch>> {
        let (piece, from) = self.piece.as_mut()?;
        let len = self.rows.max(1).min(piece.len().saturating_sub(*from));
        if len == 0 {
            self.piece = None;
            return None;
        }
        let ids = self.has_ids.then(|| self.content.source().ids()).transpose();
        let batch = ids.and_then(|ids| piece.batch(*from, len, &self.schema, ids));
        *from += len;
        Some(batch)
    }

    /// Takes the next piece in hand; nothing when there is none.
    fn advance(&mut self) -> Option<Outcome<()>> {
        loop {
            if let Some(piece) = self.pieces.next() {
                return Some(piece.map(|piece| self.piece = Some((piece, 0))));
            }
            let part = self.parts.next()?;
            match self.content.read(&part, &self.columns) {
                Ok(pieces) => self.pieces = pieces,
                Err(problem) => return Some(Err(problem)),
            }
        }
    }
}

impl<C: Content> Iterator for Reader<C> {
    type Item = Outcome<RecordBatch>;

    fn next(&mut self) -> Option<Outcome<RecordBatch>> {
        loop {
            match self.cut() {
                Some(Ok(batch)) if batch.num_rows() == 0 => {}
                Some(batch) => return Some(batch),
                None => match self.advance()? {
                    Ok(()) => {}
                    Err(problem) => return Some(Err(problem)),
                },
            }
        }
    }
}

/// A problem on its way through DataFusion; `mistakes` takes it out again.
pub fn failed(problem: impl Into<Problems>) -> DataFusionError {
    DataFusionError::External(Box::new(problem.into()))
}
