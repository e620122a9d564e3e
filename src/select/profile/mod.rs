//! What are the users of an audience like? Counts per value of their attributes, beside everyone's.
//!
//! ```text
//! --by text ──read──▶ Dimension ──bind──▶ Breakdown ──run──▶ Profile
//!  gender,city*vip    names, bins asked   names, types       counts per value or bin
//! ```
//!
//! Each chunk of 65,536 users is looked at alone and once (`tally`): a column that has a container
//! per value is counted by intersections, every other by the codes of its rows (`code`). Numbers and
//! times with many values fall into bins with round edges (`bins`, `survey`).

mod bins;
mod code;
mod dimension;
mod survey;
mod tally;

use roaring::RoaringBitmap;

pub use dimension::{Dimension, dimensions};

use self::bins::Bins;
use self::tally::Totals;
use super::bind::unknown_tag;
use crate::base::{Outcome, Problem, Problems, Type, Value};
use crate::store::{Column, Snapshot};

/// Columns that one dimension may cross.
pub const CROSSED_MAX: usize = 3;

/// What a group of users has in common, one for each column of its dimension.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    Value(Value),
    /// A bin `[from, to)`; an end that is left out is open.
    Range {
        label: String,
        from: Option<Value>,
        to: Option<Value>,
    },
    Missing,
}

/// Users with the same values.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// One for each column of the dimension.
    pub cells: Vec<Cell>,
    /// Users of the audience; one with several values counts under each.
    pub count: u64,
    /// Users of the whole universe.
    pub universe: u64,
}

/// The groups of one dimension, all that the universe has. Numbers, days and flags ascend; texts
/// come with the largest group first; who has no value comes last.
#[derive(Debug, Clone, PartialEq)]
pub struct Grouped {
    /// The dimension as it was written.
    pub dimension: String,
    pub columns: Vec<String>,
    /// May a user count in more than one group?
    pub is_multiple: bool,
    /// Do the groups have an order of their own, and not just that of their sizes?
    pub is_ordered: bool,
    pub groups: Vec<Group>,
}

/// An audience by its attributes.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    /// Users of the audience.
    pub count: u64,
    /// Users of the universe.
    pub universe: u64,
    /// One for each dimension, in the order asked.
    pub by: Vec<Grouped>,
}

impl Group {
    /// How much likelier a user of the audience belongs to this group than anybody does: 100 is as
    /// everyone (TGI); nothing when the audience is empty or the group has nobody.
    pub fn index(&self, profile: &Profile) -> Option<f64> {
        let share = self.count as f64 / profile.count as f64;
        let everywhere = self.universe as f64 / profile.universe as f64;
        Some(100.0 * share / everywhere).filter(|index| index.is_finite())
    }

    /// The share of the audience, 0 to 1; nothing when the audience is empty.
    pub fn share(&self, profile: &Profile) -> Option<f64> {
        Some(self.count as f64 / profile.count as f64).filter(|share| share.is_finite())
    }
}

/// Dimensions whose names are looked up.
#[derive(Debug, Clone)]
pub struct Breakdown {
    dimensions: Vec<(String, Vec<Asked>)>,
}

/// A column to count by.
#[derive(Debug, Clone)]
struct Asked {
    column: Column,
    bins: Option<u32>,
}

/// A column to count by, and how: by its values, or by bins.
struct Axis {
    column: Column,
    bins: Option<Bins>,
}

impl Breakdown {
    /// Looks the names up in the catalog, aliases included.
    /// Errors: all at once: SEL-101 for each unknown attribute, SEL-130 for bins of what has none.
    pub fn new(dimensions: &[Dimension], snapshot: &Snapshot) -> Result<Breakdown, Problems> {
        let mut problems = Problems::default();
        let mut bound = vec![];
        for dimension in dimensions {
            let mut columns = vec![];
            for axis in &dimension.axes {
                match asked(&axis.name, axis.bins, snapshot) {
                    Ok(column) => columns.push(column),
                    Err(problem) => problems.push(problem.at(format!("--by {}", dimension.text))),
                }
            }
            bound.push((dimension.text.clone(), columns));
        }
        problems.or(Breakdown { dimensions: bound })
    }

    /// Counts `users` and the whole universe by every dimension.
    /// Errors: SEL-131 when a dimension has too many values; a file that cannot be read.
    pub fn run(&self, users: &RoaringBitmap, snapshot: &Snapshot) -> Outcome<Profile> {
        let settle = |(_, columns): &(String, Vec<Asked>)| {
            columns.iter().map(|asked| asked.settle(snapshot)).collect::<Outcome<Vec<Axis>>>()
        };
        let axes: Vec<Vec<Axis>> = self.dimensions.iter().map(settle).collect::<Outcome<_>>()?;
        let totals = tally::count(&axes, users, snapshot)?;
        let by = self.dimensions.iter().zip(&axes).zip(totals);
        let by = by.map(|(((text, _), axes), totals)| grouped(text, axes, &totals, snapshot)).collect();
        Ok(Profile { count: users.len(), universe: snapshot.universe().len(), by })
    }
}

impl Asked {
    fn settle(&self, snapshot: &Snapshot) -> Outcome<Axis> {
        let bins = survey::bins_of(&self.column, self.bins, snapshot)?;
        Ok(Axis { column: self.column.clone(), bins })
    }
}

impl Axis {
    fn is_ordered(&self) -> bool {
        self.bins.is_some() || matches!(self.column.type_of, Type::Integer | Type::Bool)
    }
}

fn asked(name: &str, bins: Option<u32>, snapshot: &Snapshot) -> Outcome<Asked> {
    let catalog = snapshot.catalog();
    let column = [name, catalog.resolve(name)]
        .into_iter()
        .find_map(|name| catalog.attributes.iter().find(|column| column.name == name));
    let Some(column) = column else { return Err(unknown_tag(name, &catalog.attributes)) };
    if bins.is_some() && matches!(column.type_of, Type::Text | Type::List | Type::Bool) {
        let what = format!("`{}` is {}; it has values, not bins", column.name, column.type_of);
        let cure = format!("write `{}` without a number of bins", column.name);
        return Err(Problem::author("SEL-130", what).cure(cure));
    }
    Ok(Asked { column: column.clone(), bins })
}

fn grouped(text: &str, axes: &[Axis], totals: &Totals, snapshot: &Snapshot) -> Grouped {
    let mut found = totals.sorted();
    let is_ordered = axes.iter().all(Axis::is_ordered);
    if !is_ordered {
        // A stable sort: equal counts stay in the order of their values.
        found.sort_by_key(|(values, counts)| {
            (is_unknown(values), std::cmp::Reverse((counts.users, counts.universe)))
        });
    }
    let groups = found.into_iter().map(|(values, counts)| Group {
        cells: values.iter().zip(axes).map(|(value, axis)| cell(value, axis, snapshot)).collect(),
        count: counts.users,
        universe: counts.universe,
    });
    Grouped {
        dimension: text.to_string(),
        columns: axes.iter().map(|axis| axis.column.name.clone()).collect(),
        is_multiple: axes.iter().any(|axis| axis.column.type_of == Type::List),
        is_ordered,
        groups: groups.collect(),
    }
}

/// Has nobody in the group any value?
fn is_unknown(values: &[&code::Owned]) -> bool {
    values.iter().all(|value| **value == code::Label::Missing)
}

fn cell(value: &code::Owned, axis: &Axis, snapshot: &Snapshot) -> Cell {
    match (value, &axis.bins) {
        (code::Label::Bin(bin), Some(bins)) => bins.cell(*bin, &snapshot.zone()),
        (code::Label::Text(text), _) => Cell::Value(Value::Text(text.to_string())),
        (code::Label::Integer(number), _) => Cell::Value(Value::Integer(*number)),
        (code::Label::Bool(flag), _) => Cell::Value(Value::Bool(*flag)),
        _ => Cell::Missing,
    }
}
