//! `quanke profile`: counts per value, with shares, beside everyone's.

use serde_json::{Map, Value, json};

use super::super::args::Profile as Args;
use super::super::ask::{Question, millis};
use super::super::chart::{Bar, Bars, Panel, Picture};
use super::super::door::{Done, Door, Failure};
use super::super::session::Session;
use super::super::table::{Cell as TableCell, aligned};
use super::super::words::{grouped as number, percent, took};
use super::{Report, share_cell};
use crate::base::{Value as Known, Zone};
use crate::select::profile::{Breakdown, Cell, Dimension, Group, Grouped, Profile};

/// Groups of an unordered dimension that a table shows when nobody says how many.
const SHOWN: usize = 20;

/// Counts the users who fit by their attributes.
pub fn profile(args: &Args, session: &mut Session, door: &mut Door) -> Done {
    args.telling.check()?;
    let question = Question::new(&args.asked, args.as_of.as_deref(), session)?;
    let dimensions: Vec<Dimension> = args.by.iter().flat_map(|by| by.0.clone()).collect();
    let breakdown = Breakdown::new(&dimensions, &question.snapshot)?;
    let (profile, runs) = repeated(&question, &breakdown, args.repeat.unwrap_or(1), session)?;
    question.warn(door);
    let told = Told { profile, zone: question.snapshot.zone(), top: args.top.map(|top| top as usize) };
    let as_of = told.zone.text(question.as_of);
    let seconds = runs.last().copied().unwrap_or_default();
    let mut document = told.document(&as_of, seconds);
    if args.repeat.is_some() {
        document.insert("runs_ms".to_string(), runs.iter().map(|s| millis(*s)).collect());
    }
    let report = Report {
        document: Value::Object(document),
        text: &|| told.text(&as_of, seconds),
        rows: &|| told.rows(),
        picture: &|| told.picture(&as_of),
    };
    args.telling.tell(report, door)
}

/// Evaluates and counts several times, each from the loaded data.
fn repeated(
    question: &Question,
    breakdown: &Breakdown,
    times: u32,
    session: &Session,
) -> Result<(Profile, Vec<f64>), Failure> {
    let mut runs = Vec::new();
    loop {
        let began = session.pace.seconds();
        let users = question.prepared.users(&question.snapshot)?;
        let found = breakdown.run(&users, &question.snapshot)?;
        runs.push(session.pace.seconds() - began);
        if runs.len() >= times as usize {
            return Ok((found, runs));
        }
    }
}

/// A profile on its way out.
struct Told {
    profile: Profile,
    zone: Zone,
    top: Option<usize>,
}

/// The groups of a dimension that are shown, and the sum of the others.
struct Kept<'a> {
    groups: Vec<&'a Group>,
    rest: Option<Rest>,
}

/// Groups that are not shown one by one.
struct Rest {
    values: usize,
    count: u64,
    universe: u64,
}

impl Told {
    fn document(&self, as_of: &str, seconds: f64) -> Map<String, Value> {
        let mut all = Map::new();
        all.insert("count".to_string(), json!(self.profile.count));
        all.insert("universe".to_string(), json!(self.profile.universe));
        all.insert("as_of".to_string(), json!(as_of));
        all.insert("exact".to_string(), json!(true));
        all.insert("elapsed_ms".to_string(), json!(millis(seconds)));
        all.insert("by".to_string(), self.profile.by.iter().map(|by| self.dimension(by)).collect());
        all
    }

    fn dimension(&self, by: &Grouped) -> Value {
        let kept = kept(by, self.top);
        let values: Vec<Value> = kept.groups.iter().map(|group| self.group(group)).collect();
        let mut document = json!({
            "dimension": by.dimension,
            "columns": by.columns,
            "is_multiple": by.is_multiple,
            "values": values,
        });
        if let Some(rest) = kept.rest {
            document["rest"] =
                json!({ "values": rest.values, "count": rest.count, "universe": rest.universe });
        }
        document
    }

    fn group(&self, group: &Group) -> Value {
        let value = match group.cells.as_slice() {
            [cell] => self.cell(cell),
            cells => cells.iter().map(|cell| self.cell(cell)).collect(),
        };
        let mut document = json!({ "value": value });
        if let [Cell::Range { from, to, .. }] = group.cells.as_slice() {
            document["from"] = self.end(from);
            document["to"] = self.end(to);
        }
        document["count"] = json!(group.count);
        document["share"] = json!(group.share(&self.profile));
        document["universe"] = json!(group.universe);
        document["index"] = json!(group.index(&self.profile).map(|index| (index * 100.0).round() / 100.0));
        document
    }

    fn cell(&self, cell: &Cell) -> Value {
        match cell {
            Cell::Value(value) => self.known(value),
            Cell::Range { label, .. } => json!(label),
            Cell::Missing => Value::Null,
        }
    }

    fn end(&self, end: &Option<Known>) -> Value {
        end.as_ref().map_or(Value::Null, |value| self.known(value))
    }

    fn known(&self, value: &Known) -> Value {
        match value {
            Known::Text(text) => json!(text),
            Known::Integer(number) => json!(number),
            Known::Float(number) => json!(number),
            Known::Bool(flag) => json!(flag),
            Known::Date(day) => json!(day.to_string()),
            Known::Instant(at) => json!(self.zone.text(*at)),
            Known::List(list) => json!(list),
        }
    }

    /// A value as people read it; `-` is who has none.
    fn label(&self, cell: &Cell) -> String {
        match self.cell(cell) {
            Value::Null => "-".to_string(),
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    fn labels(&self, group: &Group) -> Vec<String> {
        group.cells.iter().map(|cell| self.label(cell)).collect()
    }

    fn text(&self, as_of: &str, seconds: f64) -> String {
        let (count, universe) = (self.profile.count, self.profile.universe);
        let share = percent(count, universe);
        let (count, universe, took) = (number(count), number(universe), took(seconds));
        let head = format!("{count} of {universe} users ({share})  as of {as_of}  in {took}\n");
        let tables = self.profile.by.iter().map(|by| format!("\n{}", aligned(&self.table(by))));
        head + &tables.collect::<String>()
    }

    /// Groups that a person is shown; an ordered dimension with gaps in it could not be read.
    fn shown(&self, by: &Grouped) -> Option<usize> {
        self.top.or((!by.is_ordered).then_some(SHOWN))
    }

    fn table(&self, by: &Grouped) -> Vec<Vec<TableCell>> {
        let kept = kept(by, self.shown(by));
        let titles = by.columns.iter().map(|name| TableCell::text(name.as_str()));
        let numbers = ["users", "share", "everyone", "share", "index"];
        let numbers = numbers.into_iter().map(|title| TableCell::Number(title.to_string()));
        let mut rows = vec![titles.chain(numbers).collect()];
        rows.extend(kept.groups.iter().map(|group| {
            let mut row: Vec<TableCell> = self.labels(group).into_iter().map(TableCell::Text).collect();
            row.extend(self.numbers(group));
            row
        }));
        if let Some(rest) = kept.rest {
            let mut row = vec![TableCell::text(format!("… {} more", number(rest.values as u64)))];
            row.resize(by.columns.len(), TableCell::text(""));
            let group = Group { cells: vec![], count: rest.count, universe: rest.universe };
            row.extend(self.numbers(&group));
            rows.push(row);
        }
        rows
    }

    fn numbers(&self, group: &Group) -> [TableCell; 5] {
        let index = group.index(&self.profile).map_or("-".to_string(), |index| format!("{index:.0}"));
        [
            TableCell::count(group.count),
            TableCell::Number(percent(group.count, self.profile.count)),
            TableCell::count(group.universe),
            TableCell::Number(percent(group.universe, self.profile.universe)),
            TableCell::Number(index),
        ]
    }

    fn rows(&self) -> Vec<Vec<String>> {
        let width = self.profile.by.iter().map(|by| by.columns.len()).max().unwrap_or(1);
        let values = (2..=width).map(|n| format!("value_{n}"));
        let numbers = ["count", "share", "universe", "index"].map(String::from);
        let titles = ["dimension", "value"].map(String::from).into_iter().chain(values).chain(numbers);
        let mut rows = vec![titles.collect()];
        for by in &self.profile.by {
            rows.extend(kept(by, self.top).groups.iter().map(|group| self.row(by, group, width)));
        }
        rows
    }

    fn row(&self, by: &Grouped, group: &Group, width: usize) -> Vec<String> {
        // A missing value is an empty cell, as everywhere in our CSV.
        let value = |cell: &Cell| if *cell == Cell::Missing { String::new() } else { self.label(cell) };
        let mut row = vec![by.dimension.clone()];
        row.extend(group.cells.iter().map(value));
        row.resize(1 + width, String::new());
        row.push(group.count.to_string());
        row.push(share_cell(group.share(&self.profile)));
        row.push(group.universe.to_string());
        row.push(group.index(&self.profile).map_or(String::new(), |index| format!("{index:.2}")));
        row
    }

    fn picture(&self, as_of: &str) -> Picture {
        let (count, universe) = (self.profile.count, self.profile.universe);
        let share = percent(count, universe);
        Picture::Bars(Bars {
            title: format!("{} of {} users ({share})", number(count), number(universe)),
            note: format!("as of {as_of}; grey: everyone; index 100: as everyone"),
            panels: self.profile.by.iter().map(|by| self.panel(by)).collect(),
        })
    }

    fn panel(&self, by: &Grouped) -> Panel {
        let kept = kept(by, self.shown(by));
        // What is left over may be more than any group shown, so it has words but no bar.
        let rest = kept.rest.map(|rest| {
            let group = Group { cells: vec![], count: rest.count, universe: rest.universe };
            let bar = self.bar(format!("… {} more", number(rest.values as u64)), &group);
            Bar { share: 0.0, everyone: 0.0, ..bar }
        });
        let bars = kept.groups.iter().map(|group| self.bar(self.labels(group).join(" × "), group));
        Panel { title: by.columns.join(" × "), bars: bars.chain(rest).collect() }
    }

    fn bar(&self, label: String, group: &Group) -> Bar {
        let index = group.index(&self.profile).map_or(String::new(), |index| format!(" · index {index:.0}"));
        let (count, share) = (number(group.count), percent(group.count, self.profile.count));
        Bar {
            label,
            share: group.share(&self.profile).unwrap_or(0.0),
            everyone: group.universe as f64 / self.profile.universe.max(1) as f64,
            note: format!("{count} · {share}{index}"),
        }
    }
}

/// The `top` largest groups in their order, and those without any value; the rest as one.
fn kept(by: &Grouped, top: Option<usize>) -> Kept<'_> {
    let is_missing = |group: &Group| group.cells.iter().all(|cell| *cell == Cell::Missing);
    let mut sizes: Vec<(u64, u64, usize)> = by
        .groups
        .iter()
        .enumerate()
        .filter(|(_, group)| !is_missing(group))
        .map(|(at, group)| (group.count, group.universe, usize::MAX - at))
        .collect();
    sizes.sort_unstable_by(|a, b| b.cmp(a));
    let Some(least) = top.and_then(|top| sizes.get(top.saturating_sub(1))).copied() else {
        return Kept { groups: by.groups.iter().collect(), rest: None };
    };
    let is_kept = |(at, group): &(usize, &Group)| {
        is_missing(group) || (group.count, group.universe, usize::MAX - at) >= least
    };
    let (kept, others): (Vec<_>, Vec<_>) = by.groups.iter().enumerate().partition(is_kept);
    let sum = |of: fn(&Group) -> u64| others.iter().map(|(_, group)| of(group)).sum();
    let rest = Rest { values: others.len(), count: sum(|g| g.count), universe: sum(|g| g.universe) };
    Kept {
        groups: kept.into_iter().map(|(_, group)| group).collect(),
        rest: (rest.values > 0).then_some(rest),
    }
}
