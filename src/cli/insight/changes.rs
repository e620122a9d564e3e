//! `quanke diff` and `quanke crowd diff`: who entered, who left, how many stayed.

use std::path::Path;

use serde_json::{Value, json};

use super::super::args::Diff as Args;
use super::super::ask::Text;
use super::super::door::{Done, Door, Failure};
use super::super::output::target_of;
use super::super::session::{Session, usage};
use super::super::words::{grouped, which};
use crate::audience::{Moved, Target, Which};
use crate::base::Zone;

/// A selection at two instants, over the same data.
pub fn diff(args: &Args, session: &mut Session, door: &mut Door) -> Done {
    let target = args.out.as_deref().map(target).transpose()?;
    let snapshot = session.snapshot()?;
    let text = Text::of(&args.asked, session)?;
    let (from, to) = (session.as_of(Some(&args.from))?, session.as_of(args.to.as_deref())?);
    let found = session.audiences()?.trend_users(&text.text, [from, to], &snapshot);
    let ([before, after], warnings) = found.map_err(|problems| text.placed(problems))?;
    text.warn(&warnings, door);
    let moved = Moved::between(&before, &after);
    if let (Some(path), Some(target)) = (args.out.as_deref(), target) {
        moved.write_file(path, target, &snapshot)?;
    }
    let zone = snapshot.zone();
    let (from, to) = (zone.text(from), zone.text(to));
    let mut document = document(&moved, args.out.as_deref());
    document["from"] = json!({ "as_of": from, "count": before.len() });
    document["to"] = json!({ "as_of": to, "count": after.len() });
    document["universe"] = json!(snapshot.universe().len());
    door.answer(document, || format!("{from} → {to}: {}", sentence(&moved, before.len(), after.len())))
}

/// Two versions of a crowd.
pub fn crowd_diff(
    name: &str,
    from: Option<&str>,
    to: Option<&str>,
    out: Option<&Path>,
    session: &mut Session,
    door: &mut Door,
) -> Done {
    let target = out.map(target).transpose()?;
    let snapshot = session.snapshot()?;
    let zone = session.settings.zone;
    let (from, to) = (version(from, &zone)?, version(to, &zone)?);
    let found = session.audiences()?.diff(name, from, to, &zone)?;
    if let (Some(path), Some(target)) = (out, target) {
        found.moved.write_file(path, target, &snapshot)?;
    }
    let mut document = document(&found.moved, out);
    document["crowd"] = json!(name);
    document["from"] = json!(found.from.no);
    document["to"] = json!(found.to.no);
    document["from_as_of"] = json!(zone.text(found.from.as_of));
    document["to_as_of"] = json!(zone.text(found.to.as_of));
    let sentence = sentence(&found.moved, found.from.size, found.to.size);
    door.answer(document, || {
        format!("crowd '{name}', version {} → {}: {sentence}", found.from.no, found.to.no)
    })
}

fn document(moved: &Moved, out: Option<&Path>) -> Value {
    json!({
        "entered": moved.entered.len(),
        "left": moved.left.len(),
        "stayed": moved.stayed,
        "file": out.map(|path| path.display().to_string()),
    })
}

fn sentence(moved: &Moved, before: u64, after: u64) -> String {
    format!(
        "{} entered, {} left, {} stayed ({} → {} users)",
        grouped(moved.entered.len()),
        grouped(moved.left.len()),
        grouped(moved.stayed),
        grouped(before),
        grouped(after)
    )
}

fn version(text: Option<&str>, zone: &Zone) -> Result<Option<Which>, Failure> {
    let Some(text) = text else { return Ok(None) };
    let cure = "write the number of a version, or 2026-03-01T12:00:00+08:00";
    which(text, zone).map(Some).ok_or_else(|| usage(text, "this names no version", cure))
}

fn target(path: &Path) -> Result<Target, Failure> {
    match target_of(path)? {
        Target::Bitmap(_) => {
            let at = format!("--out {}", path.display());
            let cure = "write a .csv, .ndjson or .parquet file";
            Err(usage(at, "entered and left do not fit in one bitmap", cure))
        }
        target => Ok(target),
    }
}
