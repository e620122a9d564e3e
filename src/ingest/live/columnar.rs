//! How is a Parquet or Arrow file of live events read? Its columns are known before its rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Planned;
use crate::base::{Outcome, Problems};
use crate::ingest::Request;
use crate::ingest::content::Input;
use crate::ingest::convert::Bad;
use crate::ingest::plan::Plan;
use crate::ingest::read::Reader;
use crate::ingest::survey::{check_names, columnar_survey};

/// One file.
pub struct Feed {
    name: String,
    plan: Arc<Plan>,
    reader: Reader,
}

impl Feed {
    /// Opens a file whose columns `map` renames.
    /// Errors: ING-004 a column is missing, ING-005 one comes twice, ING-006.
    pub fn open(input: Input, request: &Request, map: &BTreeMap<String, String>) -> Result<Feed, Problems> {
        let mut survey = columnar_survey(&input)?;
        for column in &mut survey.columns {
            if let Some(ours) = map.get(&column.path).or_else(|| map.get(&column.name)) {
                column.name.clone_from(ours);
            }
        }
        let names = survey.columns.iter().map(|column| column.name.as_str());
        check_names(names).map_err(|problem| problem.at(input.name.as_str()))?;
        let plan = Plan::new(request, std::slice::from_ref(&input), std::slice::from_ref(&survey))?;
        let (name, plan) = (input.name.clone(), Arc::new(plan));
        let reader = Reader::open(Arc::new(input), &survey, plan.clone())?;
        Ok(Feed { name, plan, reader })
    }

    /// The file's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The number of the last row that was read.
    pub fn end(&self) -> u64 {
        self.reader.row_count()
    }

    /// The next rows. Errors: ING-006 where the file breaks off.
    pub fn next(&mut self) -> Outcome<Option<Planned>> {
        let frame = self.reader.next()?;
        Ok(frame.map(|frame| Planned { frame, plan: Plan::clone(&self.plan), bad: Bad::default() }))
    }
}
