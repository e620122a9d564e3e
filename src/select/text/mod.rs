//! What does this text ask? The selection language, read and printed.
//!
//! `lexer` makes tokens; `parser` with `parse_leaf`, `parse_filter` and `parse_window` makes the
//! tree of [`ast`](super::ast), with all mistakes at once; `print` gives the text back, in either
//! spelling, so that `parse(print(x)) == x`. The grammar is in `docs/selection-language.md`.
//!
//! ```
//! use quanke::select::ast::Selection;
//! let asked: Selection = "性别 = '女' 且 非 做过 pay in last 30 days".parse().unwrap();
//! assert_eq!(asked.to_string(), "性别 = '女' and not did pay in last 30 days");
//! assert_eq!(asked.chinese(), "性别 = '女' 且 非 做过 pay in last 30 days");
//! ```

#[cfg(test)]
pub(crate) mod arbitrary;
mod depth;
mod lexer;
#[cfg(test)]
mod mistakes;
mod parse_filter;
mod parse_leaf;
mod parse_window;
mod parser;
mod print;
mod problems;
#[cfg(test)]
mod tests;
mod words;

use std::str::FromStr;

use super::ast::{Filter, Selection, Step};
use crate::base::{Problem, Problems, Span, Unit};
pub(super) use depth::Depth;
pub(super) use lexer::moment_in_text;
pub(super) use parse_leaf::read_share;
use parser::Parser;
pub use parser::{DEPTH_MAX, LENGTH_MAX};
pub use print::Spell;
pub(super) use print::duration;
pub(crate) use problems::near;
pub use problems::{locate, locate_all};
pub use words::Spelling;

/// The selection that `text` asks, in either spelling.
/// Errors: `SEL-001` to `SEL-013`, all of them at once, each with its bytes in `span`.
pub fn read(text: &str) -> Result<Selection, Problems> {
    read_whole(text, ("a selection", "gender = '女' and did pay in last 30 days"), Parser::whole_selection)
}

/// As much of the selection as could be read, and what could not: a condition with a mistake is
/// left out, so that the names of the others can be looked up and all mistakes told together.
pub fn read_partly(text: &str) -> (Selection, Problems) {
    match text.parse() {
        Ok(selection) => (selection, Problems::default()),
        Err(problems) => {
            let mut parser = Parser::new(text);
            let selection = parser.whole_selection();
            let is_sound = text.len() <= LENGTH_MAX && selection.depth() <= DEPTH_MAX;
            (if is_sound { selection } else { Selection::All(vec![]) }, problems)
        }
    }
}

/// Errors: SEL-052 for what is no JSON, and those of [`Selection::from_json`].
fn from_json_text(text: &str) -> Result<Selection, Problems> {
    match serde_json::from_str(text) {
        Ok(value) => Selection::from_json(&value),
        Err(error) => {
            let at = format!("line {}, column {}", error.line(), error.column());
            let cure = "mend the JSON, or write the selection as text";
            Err(Problem::author("SEL-052", format!("this is no JSON: {error}")).at(at).cure(cure).into())
        }
    }
}

/// A filter alone: `amount > 100 and platform = 'ios'`.
/// Errors: as [`read`].
pub fn read_filter(text: &str) -> Result<Filter, Problems> {
    read_whole(text, ("a filter", "amount > 100 and platform = 'ios'"), Parser::whole_filter)
}

/// A step alone, without the word `did`: `miniprogram_view where page = '/home'`.
/// Errors: as [`read`].
pub fn read_step(text: &str) -> Result<Step, Problems> {
    read_whole(text, ("an event", "miniprogram_view where page = '/home'"), Parser::whole_step)
}

/// A duration alone: `30 days`, `20m`.
pub(super) fn read_duration(text: &str) -> Option<(u32, Unit)> {
    let mut parser = Parser::new(text);
    let found = parser.duration().ok().filter(|_| parser.is_end())?;
    parser.finish(found).ok()
}

impl FromStr for Selection {
    type Err = Problems;

    /// Reads either spelling, or the JSON twin when the text begins with `{`.
    fn from_str(text: &str) -> Result<Selection, Problems> {
        if text.trim_start().starts_with('{') { from_json_text(text) } else { read(text) }
    }
}

/// Reads the whole of `text` as one part; `noun` is its name with an example.
fn read_whole<'a, T: Depth>(
    text: &'a str,
    noun: (&str, &str),
    part: fn(&mut Parser<'a>) -> T,
) -> Result<T, Problems> {
    let mut parser = Parser::new(text);
    if text.len() <= LENGTH_MAX && parser.is_end() {
        return Err(problems::empty(noun.0, noun.1).into());
    }
    let value = part(&mut parser);
    if value.depth() > DEPTH_MAX {
        parser.note(problems::too_much(
            Span { from: 0, to: text.len() },
            format!("conditions nest more than {DEPTH_MAX} deep"),
        ));
    }
    parser.finish(value)
}
