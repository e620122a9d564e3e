//! Which columns are read, what part does each play, and what type has it? One answer for all
//! files of a request, or every problem at once.

use std::collections::BTreeMap;

use super::content::Input;
use super::infer::Evidence;
use super::survey::{Known, Survey};
use super::{Column, Request, Settled, Shape, live};
use crate::base::{Problem, Problems, Type};

/// The column that marks deleted rows.
const DELETED: &str = "_deleted";

/// Partition folders that only repeat what the time of the rows says.
const DATE_PARTITIONS: [&str; 4] = ["date", "dt", "day", "hour"];

/// Columns shown in a problem, at most.
const NAMES_SHOWN: usize = 12;

/// A part that a column can play.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    User,
    Event,
    Time,
    Id,
    Key,
    Arrival,
}

/// A column named by the request, and how it was named.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    pub role: Role,
    pub name: &'a str,
    option: &'static str,
    is_required: bool,
}

impl Shape {
    /// The columns that play a part.
    pub(super) fn parts(&self) -> Vec<Part<'_>> {
        let part = |role, name, option, is_required| Part { role, name, option, is_required };
        match self {
            Shape::Users { key } => vec![part(Role::User, key.as_str(), "--key", true)],
            Shape::Members { user } => vec![part(Role::User, user.as_str(), "user", true)],
            Shape::Events { user, event, time, id } => {
                let id = id.iter().map(|id| part(Role::Id, id.as_str(), "--id", false));
                let user = part(Role::User, user.as_str(), "--user", true);
                let event = part(Role::Event, event.as_str(), "--event", true);
                [user, event, part(Role::Time, time.as_str(), "--time", true)].into_iter().chain(id).collect()
            }
            Shape::Live => vec![
                part(Role::User, live::USER, "--map", true),
                part(Role::Event, live::EVENT, "--map", true),
                part(Role::Time, live::TIME, "--map", true),
                part(Role::Id, live::ID, "--map", false),
                part(Role::Arrival, live::ARRIVAL, "--map", false),
            ],
            Shape::Detail { user, key, time } => {
                let time = time.iter().map(|time| part(Role::Time, time.as_str(), "--time", true));
                let user = part(Role::User, user.as_str(), "--user", true);
                [user, part(Role::Key, key.as_str(), "--key", true)].into_iter().chain(time).collect()
            }
        }
    }
}

/// What to make of each file.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// The columns to read, each once. The numbers below count in it.
    pub names: Vec<String>,
    pub user: usize,
    pub event: Option<usize>,
    pub time: Option<usize>,
    /// A detail row may lack its time; an event may not.
    pub is_time_required: bool,
    pub id: Option<usize>,
    pub key: Option<usize>,
    /// When a live event came in.
    pub arrival: Option<usize>,
    pub deleted: Option<usize>,
    /// The other columns with their types, in the order of `columns`.
    pub values: Vec<usize>,
    pub columns: Vec<Column>,
}

impl Plan {
    /// The plan for all files. Errors: ING-004 for every part whose column is missing.
    pub fn new(request: &Request, inputs: &[Input], surveys: &[Survey]) -> Result<Plan, Problems> {
        let files: Vec<File> = inputs.iter().zip(surveys).map(File::new).collect();
        let mut problems = Problems::default();
        let mut plan = Plan::default();
        for part in request.shape.parts() {
            plan.place(part, request, &files, &mut problems);
        }
        plan.is_time_required = matches!(request.shape, Shape::Events { .. } | Shape::Live);
        if !matches!(request.shape, Shape::Members { .. }) {
            plan.place_values(request, &files);
        }
        problems.or(plan)
    }

    fn place(&mut self, part: Part, request: &Request, files: &[File], problems: &mut Problems) {
        let lacking: Vec<&File> = files.iter().filter(|file| file.lacks(part.name)).collect();
        let is_nowhere = !files.iter().any(|file| file.has(part.name));
        let is_asked = part.role == Role::Id && request.is_id_asked;
        let is_lacking = if part.is_required {
            !lacking.is_empty()
        } else {
            is_asked && is_nowhere && !lacking.is_empty()
        };
        if let ([first, more @ ..], true) = (lacking.as_slice(), is_lacking) {
            problems.push(missing(part, first, more.len()));
        }
        if matches!(part.role, Role::Id | Role::Arrival) && is_nowhere {
            return;
        }
        let number = self.number(part.name);
        match part.role {
            Role::User => self.user = number,
            Role::Event => self.event = Some(number),
            Role::Time => self.time = Some(number),
            Role::Id => self.id = Some(number),
            Role::Key => self.key = Some(number),
            Role::Arrival => self.arrival = Some(number),
        }
    }

    fn place_values(&mut self, request: &Request, files: &[File]) {
        for (name, found) in found_in(files) {
            let is_part = self.names.iter().any(|part| part == name);
            if name == DELETED {
                self.deleted = Some(self.number(name));
            } else if let (false, Some(type_of)) = (is_part, settle(&found, request.types.get(name))) {
                let number = self.number(name);
                self.values.push(number);
                self.columns.push(Column { name: name.to_string(), type_of });
            }
        }
    }

    fn number(&mut self, name: &str) -> usize {
        let known = self.names.iter().position(|known| known == name);
        known.unwrap_or_else(|| {
            self.names.push(name.to_string());
            self.names.len() - 1
        })
    }
}

/// A file's columns, those from its folders included.
struct File<'a> {
    name: &'a str,
    survey: &'a Survey,
    partitions: Vec<&'a str>,
}

impl<'a> File<'a> {
    fn new((input, survey): (&'a Input, &'a Survey)) -> File<'a> {
        let partitions = input.partitions.iter().map(|(name, _)| name.as_str()).collect();
        File { name: &input.name, survey, partitions }
    }

    fn has(&self, name: &str) -> bool {
        self.names().any(|known| known == name)
    }

    fn lacks(&self, name: &str) -> bool {
        !self.survey.is_empty && !self.has(name)
    }

    fn names(&self) -> impl Iterator<Item = &str> {
        self.survey.columns.iter().map(|column| column.name.as_str()).chain(self.partitions.iter().copied())
    }
}

/// What all files know of one column.
#[derive(Default)]
struct FoundType {
    typed: Option<Type>,
    evidence: Evidence,
}

/// Every column of any file, in the order of first appearance.
fn found_in<'a>(files: &[File<'a>]) -> Vec<(&'a str, FoundType)> {
    let mut order: Vec<(&str, FoundType)> = Vec::new();
    let mut index: BTreeMap<&str, usize> = BTreeMap::new();
    let mut add = |name: &'a str, known: &Known| {
        let number = *index.entry(name).or_insert_with(|| {
            order.push((name, FoundType::default()));
            order.len() - 1
        });
        let found = &mut order[number].1;
        match known {
            Known::Typed(type_of) => found.typed = join(found.typed, *type_of),
            Known::Looked(evidence) => found.evidence.merge(evidence),
        }
    };
    for file in files {
        file.survey.columns.iter().for_each(|column| add(&column.name, &column.known));
        let partitions = file.partitions.iter().filter(|name| !DATE_PARTITIONS.contains(*name));
        let partitions =
            partitions.filter(|name| !file.survey.columns.iter().any(|column| column.name == **name));
        partitions.for_each(|name| add(name, &Known::Typed(Some(Type::Text))));
    }
    order
}

/// One type for values of both.
fn join(a: Option<Type>, b: Option<Type>) -> Option<Type> {
    match (a, b) {
        (None, other) | (other, None) => other,
        (Some(a), Some(b)) if a == b => Some(a),
        (Some(a), Some(b)) if a.is_number() && b.is_number() => Some(Type::Float),
        (Some(Type::Date | Type::Instant), Some(Type::Date | Type::Instant)) => Some(Type::Instant),
        _ => Some(Type::Text),
    }
}

fn settle(found: &FoundType, settled: Option<&Settled>) -> Option<Type> {
    settled_type(join(found.typed, found.evidence.decide()), settled)
}

/// What was settled before holds, but an integer of earlier data widens. `None`: nothing is known.
pub fn settled_type(seen: Option<Type>, settled: Option<&Settled>) -> Option<Type> {
    match settled {
        Some(Settled { type_of: Type::Integer, is_fixed: false }) if seen == Some(Type::Float) => seen,
        Some(settled) => Some(settled.type_of),
        None => seen,
    }
}

fn missing(part: Part, file: &File, more: usize) -> Problem {
    let names: Vec<&str> = file.names().collect();
    let near = nearest(part.name, &names);
    let shown: Vec<String> = near.iter().take(NAMES_SHOWN).map(|name| format!("`{name}`")).collect();
    let others = if near.len() > shown.len() {
        format!(" and {} more", near.len() - shown.len())
    } else {
        String::new()
    };
    let files = if more > 0 { format!(" (and {more} more files)") } else { String::new() };
    let has = if shown.is_empty() {
        "the file has no columns".into()
    } else {
        format!("the file has {}", shown.join(", "))
    };
    let what = format!("`{} {}`: there is no such column; {has}{others}", part.option, part.name);
    let cure = match near.first() {
        Some(first) if part.option == "--map" => format!("name the column: `--map {first}={}`", part.name),
        Some(first) if part.option.starts_with("--") => format!("name the column: `{} {first}`", part.option),
        _ => format!("give the column of user ids the header `{}`", part.name),
    };
    Problem::data("ING-004", what).at(format!("{}{files}", file.name)).cure(cure)
}

/// The names, those that look like `name` first.
fn nearest<'a>(name: &str, names: &[&'a str]) -> Vec<&'a str> {
    let likeness = |other: &str| {
        let (a, b) = (name.to_lowercase(), other.to_lowercase());
        let is_part = !b.is_empty() && (a.contains(&b) || b.contains(&a));
        (strsim::jaro_winkler(&a, &b) * 1000.0) as i64 + if is_part { 500 } else { 0 }
    };
    let mut sorted = names.to_vec();
    sorted.sort_by_key(|other| -likeness(other));
    sorted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_of_files_are_joined() {
        let join = |a, b| join(Some(a), Some(b)).unwrap();
        assert_eq!(join(Type::Integer, Type::Float), Type::Float);
        assert_eq!(join(Type::Date, Type::Instant), Type::Instant);
        assert_eq!(join(Type::Bool, Type::Integer), Type::Text);
    }

    #[test]
    fn settled_types_hold_and_integers_widen() {
        let found = |typed| FoundType { typed: Some(typed), evidence: Evidence::default() };
        let earlier = |type_of| Settled { type_of, is_fixed: false };
        let fixed = Settled { type_of: Type::Integer, is_fixed: true };
        assert_eq!(settle(&found(Type::Float), Some(&earlier(Type::Integer))), Some(Type::Float));
        assert_eq!(settle(&found(Type::Float), Some(&fixed)), Some(Type::Integer));
        assert_eq!(settle(&found(Type::Integer), Some(&earlier(Type::Text))), Some(Type::Text));
        assert_eq!(settle(&FoundType::default(), None), None);
    }

    #[test]
    fn near_names_come_first() {
        assert_eq!(nearest("user_id", &["city", "uid", "userid"])[0], "userid");
        assert_eq!(nearest("user_id", &["city", "uid", "age"])[0], "uid");
    }
}
