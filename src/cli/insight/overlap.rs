//! `quanke crowd overlap`: what crowds have in common. What tasks have in common is told in the same words.

use serde_json::{Value, json};

use super::super::args::Overlap as Args;
use super::super::chart::{Grid, Picture};
use super::super::door::{Done, Door};
use super::super::session::Session;
use super::super::table::{Cell, aligned};
use super::super::words::{grouped, percent};
use super::{Report, share_cell};
use crate::audience::Overlap;
use crate::base::Zone;

/// More crowds than this make a matrix too wide for a terminal; the pairs are told all the same.
const MATRIX_MAX: usize = 12;
/// Pairs that a table shows when nobody says how many.
pub const SHOWN: usize = 20;

/// Every pair of crowds, and how many crowds each user is in.
pub fn overlap(args: &Args, session: &mut Session, door: &mut Door) -> Done {
    args.telling.check()?;
    let snapshot = session.snapshot()?;
    let names = (!args.all).then_some(args.names.as_slice());
    let found = session.audiences()?.overlap(names, &snapshot)?;
    let zone = session.settings.zone;
    let report = Report {
        document: document(&found, &zone),
        text: &|| text(&found, args.top.map_or(SHOWN, |top| top as usize), "crowd"),
        rows: &|| rows(&found, args.top.map_or(usize::MAX, |top| top as usize), "crowd"),
        picture: &|| picture(&found, "crowd"),
    };
    args.telling.tell(report, door)
}

fn document(found: &Overlap, zone: &Zone) -> Value {
    let crowds: Vec<Value> = found
        .crowds
        .iter()
        .map(|crowd| {
            let size = crowd.users.len();
            let (no, as_of) = crowd.version.as_ref().map(|v| (v.no, zone.text(v.as_of))).unzip();
            json!({ "name": crowd.name, "version": no, "as_of": as_of, "size": size })
        })
        .collect();
    let mut document = json!({ "crowds": crowds });
    numbers(found, &mut document);
    document
}

/// What the members have in common, into a document that names them.
pub fn numbers(found: &Overlap, document: &mut Value) {
    let places = 0..found.crowds.len();
    let matrix = |of: &dyn Fn(usize, usize) -> Value| -> Vec<Vec<Value>> {
        places.clone().map(|a| places.clone().map(|b| of(a, b)).collect()).collect()
    };
    document["both"] = json!(matrix(&|a, b| json!(found.both(a, b))));
    document["jaccard"] = json!(matrix(&|a, b| json!(found.likeness(a, b))));
    document["users"] = json!(found.users());
    document["in_exactly"] = json!(found.depth);
}

/// Pairs of places, the most alike first.
fn pairs(found: &Overlap) -> Vec<(usize, usize)> {
    let count = found.crowds.len();
    let mut pairs: Vec<_> = (0..count).flat_map(|a| (a + 1..count).map(move |b| (a, b))).collect();
    let likeness = |(a, b): (usize, usize)| found.likeness(a, b).unwrap_or(0.0);
    pairs.sort_by(|x, y| likeness(*y).total_cmp(&likeness(*x)));
    pairs
}

/// For a terminal; `noun` says what the members are.
pub fn text(found: &Overlap, top: usize, noun: &str) -> String {
    let matrix = if found.crowds.len() <= MATRIX_MAX { aligned(&matrix(found)) } else { String::new() };
    [matrix, aligned(&pair_table(found, top, noun)), depth_text(found, noun)].join("\n")
}

/// Users in both, crowd by crowd; a crowd with itself is its size.
fn matrix(found: &Overlap) -> Vec<Vec<Cell>> {
    let count = found.crowds.len();
    let numbers = (1..=count).map(|n| Cell::Number(n.to_string()));
    let mut rows = vec![[Cell::text(""), Cell::text("users in both")].into_iter().chain(numbers).collect()];
    for (a, crowd) in found.crowds.iter().enumerate() {
        let head = [Cell::Number((a + 1).to_string()), Cell::text(crowd.name.as_str())];
        rows.push(head.into_iter().chain((0..count).map(|b| Cell::count(found.both(a, b)))).collect());
    }
    rows
}

fn pair_table(found: &Overlap, top: usize, noun: &str) -> Vec<Vec<Cell>> {
    let titles = ["both", "of a", "of b", "either", "jaccard"].map(|title| Cell::Number(title.to_string()));
    let names = ["a", "b"].map(|one| Cell::text(format!("{noun} {one}")));
    let mut rows = vec![names.into_iter().chain(titles).collect()];
    let pairs = pairs(found);
    rows.extend(pairs.iter().take(top).map(|(a, b)| {
        let both = found.both(*a, *b);
        vec![
            Cell::text(found.crowds[*a].name.as_str()),
            Cell::text(found.crowds[*b].name.as_str()),
            Cell::count(both),
            Cell::Number(percent(both, found.both(*a, *a))),
            Cell::Number(percent(both, found.both(*b, *b))),
            Cell::count(found.either(*a, *b)),
            Cell::Number(found.likeness(*a, *b).map_or("-".to_string(), |share| format!("{share:.4}"))),
        ]
    }));
    if let Some(more) = pairs.len().checked_sub(top).filter(|more| *more > 0) {
        rows.push(vec![Cell::text(format!("… {} more", grouped(more as u64)))]);
    }
    rows
}

fn depth_text(found: &Overlap, noun: &str) -> String {
    let mut rows = vec![vec![Cell::text("in exactly"), Cell::Number("users".to_string())]];
    let filled = found.depth.iter().enumerate().filter(|(_, users)| **users > 0);
    rows.extend(filled.map(|(n, users)| {
        let ending = if n == 0 { "" } else { "s" };
        vec![Cell::text(format!("{} {noun}{ending}", n + 1)), Cell::count(*users)]
    }));
    rows.push(vec![Cell::text("any"), Cell::count(found.users())]);
    aligned(&rows)
}

/// The pairs as rows, with titles.
pub fn rows(found: &Overlap, top: usize, noun: &str) -> Vec<Vec<String>> {
    let names = ["a", "b"].map(|one| format!("{noun}_{one}"));
    let titles = ["size_a", "size_b", "both", "either", "jaccard"].map(String::from);
    let mut rows = vec![names.into_iter().chain(titles).collect::<Vec<_>>()];
    rows.extend(pairs(found).into_iter().take(top).map(|(a, b)| {
        let names = [a, b].map(|at| found.crowds[at].name.clone());
        let counts = [found.both(a, a), found.both(b, b), found.both(a, b), found.either(a, b)];
        let cells = names.into_iter().chain(counts.map(|count| count.to_string()));
        cells.chain([share_cell(found.likeness(a, b))]).collect()
    }));
    rows
}

/// How alike the members are.
pub fn picture(found: &Overlap, noun: &str) -> Picture {
    let count = found.crowds.len();
    let row = |a: usize| (0..count).map(|b| found.likeness(a, b).unwrap_or(0.0)).collect();
    Picture::Grid(Grid {
        title: format!("overlap of {count} {noun}s, {} users in all", grouped(found.users())),
        note: "users in both as a share of users in either (Jaccard)".to_string(),
        names: found.crowds.iter().map(|c| (c.name.clone(), grouped(c.users.len()))).collect(),
        values: (0..count).map(row).collect(),
    })
}
