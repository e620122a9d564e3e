//! Insight at the door: what an audience is like, how it changes, what crowds have in common.
//!
//! Every command makes one [`Report`]: the same facts as a document, a text, rows and a picture, told
//! in the form that was asked for.

mod changes;
pub mod overlap;
mod profile;
mod sizes;

pub use changes::{crowd_diff, diff};
pub use profile::profile;
pub use sizes::{history, trend};

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use super::args::Telling;
use super::chart::Picture;
use super::door::{Done, Door, Failure};
use super::session::usage;
use crate::audience::write_atomically;
use crate::base::Problem;

/// What was found, in every form.
pub struct Report<'a> {
    pub document: Value,
    pub text: &'a dyn Fn() -> String,
    /// The first row holds the titles.
    pub rows: &'a dyn Fn() -> Vec<Vec<String>>,
    pub picture: &'a dyn Fn() -> Picture,
}

impl Telling {
    /// Checks the picture's extension, before anything is evaluated.
    /// Errors: CLI-001.
    pub fn check(&self) -> Result<(), Failure> {
        let is_svg = |path: &Path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("svg"));
        match self.svg.as_deref() {
            Some(path) if !is_svg(path) => {
                let at = format!("--svg {}", path.display());
                Err(usage(at, "pictures are written as SVG", "name a .svg file"))
            }
            _ => Ok(()),
        }
    }

    /// Draws the picture, if one is wanted, and tells the report.
    /// Errors: OUT-001.
    pub fn tell(&self, mut report: Report, door: &mut Door) -> Done {
        if let Some(path) = self.svg.as_deref() {
            let svg = (report.picture)().svg();
            write_atomically(path, |file| Ok(file.write_all(svg.as_bytes())?))?;
            let file = path.display().to_string();
            door.say(&format!("picture written to {file}"));
            if let Value::Object(document) = &mut report.document {
                document.insert("svg".to_string(), json!(file));
            }
        }
        if self.csv {
            return csv(&(report.rows)(), door);
        }
        door.answer(report.document, report.text)
    }
}

fn csv(rows: &[Vec<String>], door: &mut Door) -> Done {
    let failed = |e: csv::Error| Failure::from(Problem::from(std::io::Error::from(e)));
    let mut writer = csv::Writer::from_writer(door.stream());
    rows.iter().try_for_each(|row| writer.write_record(row)).map_err(failed)?;
    Ok(writer.flush()?)
}

/// A share as a CSV cell: six digits; empty for none.
fn share_cell(share: Option<f64>) -> String {
    share.map_or(String::new(), |share| format!("{share:.6}"))
}
