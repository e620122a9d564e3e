//! `quanke task touches`: what became of every touch, row by row, into a file or a stream.

use std::io::{BufWriter, Write};

use serde_json::json;

use super::super::args::Touches;
use super::super::door::{Done, Door, Failure};
use super::super::output::target_of;
use super::super::session::{Session, usage};
use super::super::words::grouped;
use crate::audience::{Target, write_batches, write_rows};
use crate::dispatch::{Outcomes, Wanted};
use crate::select::evidence::user_of;

/// Writes the touches that were asked for.
/// Errors: TSK-011, DSP-070 unknown run, CLI-001, CLI-006 unknown user, OUT-001.
pub fn run(args: &Touches, session: &Session, door: &mut Door) -> Done {
    let target = args.out.as_deref().map(target_of).transpose()?;
    if let Some(Target::Bitmap(_)) = target {
        return Err(usage("--out", "touches are no bitmap", "write .csv, .ndjson, .parquet or .xlsx"));
    }
    let snapshot = session.snapshot()?;
    snapshot.ids().ready()?;
    let (task, ledger) = (session.tasks()?.task(&args.id)?, session.ledger()?);
    let runs = match &args.run {
        Some(name) => vec![ledger.run_named(&task, name)?],
        None => ledger.runs_of(&task.id)?,
    };
    let user = args.user.as_deref().map(|user| user_of(user, &snapshot)).transpose()?;
    let wanted = Wanted { states: args.state.clone(), reasons: args.reason.clone(), user };
    let id_of = |user| snapshot.ids().text(user).to_string();
    let mut rows = Outcomes::new((&session.app, &task), &ledger, &id_of, runs, wanted, session.pace);
    let schema = rows.schema();
    match (&args.out, target) {
        (Some(path), Some(target)) => {
            write_batches(path, target, &schema, &mut rows, task.zone)?;
            let file = path.display().to_string();
            match door.is_json {
                true => door.json(&json!({ "count": rows.count, "file": file })),
                false => {
                    door.say(&format!("{} touches written to {file}", grouped(rows.count)));
                    Ok(())
                }
            }
        }
        _ => {
            let is_json = door.is_json;
            let mut out = BufWriter::new(door.stream());
            write_rows(&mut out, &schema, &mut rows, is_json, task.zone)?;
            out.flush().map_err(Failure::from)
        }
    }
}
