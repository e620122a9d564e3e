//! Runs `tests/selections/*.sel`: a world in a few lines, selections over it, who is expected.
//!
//! A record begins at the margin, its indented lines belong to it, `#` is a comment, `-` is no
//! value. `UPDATE=1 cargo test` rewrites what follows `expect`.
//!
//! ```text
//! now 2025-03-31 12:00 Asia/Shanghai
//! users                        columns may carry a type: born:date, likes:list (a+b), joined:instant
//!   id  city  vip:integer
//!   u1  上海   3
//! behaviour                    user, event, time, then properties; `id=e1` is the event id
//!   u1  pay  03-30 21:40  amount=12.5
//! detail orders                key, user, time or -, then columns
//!   o1  u1  03-30 21:40  amount=12.5
//! closed city 上海 北京          the only values that the tag may have
//! crowd 高价值
//!   u1 u2
//! select
//!   city = '上海'
//! expect u1                    who, in order of id; `expect nobody`; `expect plan`; `expect problems`;
//!                              `expect warnings` or `expect no warnings`
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use quanke::base::{Day, Moment, Problems, Timestamp, Type, Value, Zone};
use quanke::select::Scope;
use quanke::select::ast::Selection;
use quanke::select::lint;
use quanke::select::text::locate;

use super::world::{Row, Stored, Values, World, folder};

#[test]
fn selections_as_a_person_reads_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/selections");
    let mut files: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files.retain(|path| path.extension().is_some_and(|ext| ext == "sel"));
    assert!(!files.is_empty());
    let wrong: Vec<String> = files.iter().filter_map(|path| check(path).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}

/// One record: its first line and the lines indented under it.
#[derive(Debug)]
struct Record {
    head: String,
    lines: Vec<String>,
    /// Where it stands: its first line, and the line after its last that is not blank.
    place: std::ops::Range<usize>,
}

fn records(text: &str) -> Vec<Record> {
    let mut records: Vec<Record> = vec![];
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with('#')) {
        let is_blank = line.trim().is_empty();
        match records.last_mut() {
            Some(record) if is_blank || line.starts_with(' ') => {
                record.lines.push(line.to_string());
                record.place.end = if is_blank { record.place.end } else { number + 1 };
            }
            _ if is_blank || line.starts_with(' ') => {}
            _ => records.push(Record {
                head: uncommented(line).to_string(),
                lines: vec![],
                place: number..number + 1,
            }),
        }
    }
    records
}

fn uncommented(line: &str) -> &str {
    line.split(" #").next().unwrap_or(line).trim()
}

fn check(path: &Path) -> Result<(), String> {
    let text = fs::read_to_string(path).unwrap();
    let name = path.file_name().unwrap().to_string_lossy().to_string();
    let mut file = File {
        name: name.clone(),
        world: World::new(Zone::default(), Timestamp(0)),
        stored: None,
        asked: String::new(),
        folder: folder(),
    };
    let mut found: Vec<(std::ops::Range<usize>, String, String)> = vec![];
    for record in records(&text) {
        if let Some(expected) = record.head.strip_prefix("expect") {
            let wanted = format!("expect{expected}\n{}", record.lines.join("\n")).trim_end().to_string();
            found.push((record.place.clone(), wanted, file.answer(expected.trim())));
        } else {
            file.take(&record);
        }
    }
    if std::env::var_os("UPDATE").is_some() {
        let mut lines: Vec<String> = text.lines().map(String::from).collect();
        for (place, _, got) in found.into_iter().rev() {
            lines.splice(place, got.lines().map(String::from));
        }
        fs::write(path, lines.join("\n") + "\n").unwrap();
        return Ok(());
    }
    let wrong: Vec<String> = found
        .iter()
        .filter(|(_, wanted, got)| wanted != got)
        .map(|(_, wanted, got)| format!("{name}: wanted\n{wanted}\nfound\n{got}"))
        .collect();
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n")) }
}

struct File {
    name: String,
    world: World,
    stored: Option<Stored>,
    asked: String,
    folder: tempfile::TempDir,
}

impl File {
    fn take(&mut self, record: &Record) {
        let words: Vec<&str> = record.head.split_whitespace().collect();
        let lines: Vec<Vec<&str>> = record
            .lines
            .iter()
            .map(|line| uncommented(line).split_whitespace().collect())
            .filter(|words: &Vec<&str>| !words.is_empty())
            .collect();
        match words.as_slice() {
            ["now", date, time, zone] => {
                self.world.zone = Zone::named(zone).unwrap();
                self.world.as_of =
                    Moment::parse(&format!("{date} {time}")).unwrap().instant(&self.world.zone);
            }
            ["users"] => self.users(&lines),
            ["behaviour"] => lines.iter().for_each(|words| self.event(words)),
            ["detail", table] => lines.iter().for_each(|words| self.detail(table, words)),
            ["crowd", name] => {
                let ids = lines.concat().into_iter().map(String::from).collect();
                self.world.crowds.insert(name.to_string(), ids);
            }
            ["closed", name, values @ ..] => {
                self.world
                    .closed
                    .insert(name.to_string(), values.iter().map(|value| value.to_string()).collect());
            }
            ["select", ..] => self.asked = record.lines.join("\n"),
            other => panic!("{}: what is {other:?}?", self.name),
        }
    }

    fn users(&mut self, lines: &[Vec<&str>]) {
        let header: Vec<(&str, Option<Type>)> = lines[0][1..].iter().map(|column| typed(column)).collect();
        for words in &lines[1..] {
            let place = self.world.user(words[0]);
            for ((name, type_of), word) in header.iter().zip(&words[1..]) {
                self.put_type(name, *type_of, word);
                if let Some(value) = self.value(name, word) {
                    self.world.users[place].values.insert(name.to_string(), value);
                }
            }
        }
    }

    /// The type of a column: as its header says, else as its first value looks.
    fn put_type(&mut self, name: &str, said: Option<Type>, word: &str) {
        let seen = || match word {
            "-" => None,
            "true" | "false" => Some(Type::Bool),
            word if word.parse::<i64>().is_ok() => Some(Type::Integer),
            word if word.parse::<f64>().is_ok() => Some(Type::Float),
            _ => Some(Type::Text),
        };
        if let Some(type_of) = said.or_else(seen) {
            let known = self.world.types.entry(name.to_string()).or_insert(type_of);
            if said.is_none() && (*known, type_of) == (Type::Integer, Type::Float) {
                *known = Type::Float;
            }
        }
    }

    fn value(&self, name: &str, word: &str) -> Option<Value> {
        if word == "-" {
            return None;
        }
        Some(match self.world.types[name] {
            Type::Text => Value::Text(word.into()),
            Type::Integer => Value::Integer(word.parse().unwrap()),
            Type::Float => Value::Float(word.parse().unwrap()),
            Type::Bool => Value::Bool(word == "true"),
            Type::Date => Value::Date(Day::parse(word).unwrap()),
            Type::Instant => Value::Instant(self.instant(&word.replace('_', " "))),
            Type::List => Value::List(word.split('+').map(String::from).collect()),
        })
    }

    /// `03-30 21:15` is in the year of `now`.
    fn instant(&self, text: &str) -> Timestamp {
        let year = self.world.zone.local(self.world.as_of).format("%Y-").to_string();
        let moment = Moment::parse(text).or_else(|| Moment::parse(&format!("{year}{text}")));
        moment.unwrap_or_else(|| panic!("{}: no time: {text}", self.name)).instant(&self.world.zone)
    }

    fn event(&mut self, words: &[&str]) {
        let at = self.instant(&format!("{} {}", words[2], words[3]));
        let user = self.world.user(words[0]);
        let (id, values) = self.properties(&words[4..]);
        self.world.events.push(Row { user, name: words[1].into(), at: Some(at), is_timed: true, id, values });
    }

    fn detail(&mut self, table: &str, words: &[&str]) {
        let has_time = words[2] != "-";
        let at = has_time.then(|| self.instant(&format!("{} {}", words[2], words[3])));
        let user = self.world.user(words[1]);
        let (_, values) = self.properties(&words[if has_time { 4 } else { 3 }..]);
        let is_timed = self.world.tables.entry(table.to_string()).or_insert(false);
        *is_timed |= has_time;
        self.world.details.push(Row {
            user,
            name: table.into(),
            at,
            is_timed: true,
            id: Some(words[0].into()),
            values,
        });
    }

    fn properties(&mut self, words: &[&str]) -> (Option<String>, Values) {
        let mut values = Values::new();
        let mut id = None;
        for (name, word) in words.iter().map(|word| word.split_once('=').unwrap()) {
            if name == "id" {
                id = Some(word.to_string());
                continue;
            }
            let (name, said) = typed(name);
            self.put_type(name, said, word);
            values.insert(name.to_string(), self.value(name, word).unwrap());
        }
        (id, values)
    }

    fn answer(&mut self, what: &str) -> String {
        let stored = self.stored.get_or_insert_with(|| self.world.store(self.folder.path()));
        let crowds: Vec<String> = stored.crowds.keys().cloned().collect();
        let scope = Scope { snapshot: &stored.snapshot, crowds: &crowds };
        let bound = self.asked.parse::<Selection>().and_then(|selection| selection.bind(&scope));
        let bound = match bound {
            Ok(bound) => bound,
            Err(problems) => return self.shown(&problems),
        };
        let plan = bound.plan(&stored.snapshot, &stored.crowds, self.world.as_of).unwrap();
        let (snapshot, as_of) = (&stored.snapshot, self.world.as_of);
        if what == "plan" {
            let plan = plan.rewritten();
            let answer = plan.run(&stored.snapshot).unwrap();
            return format!("expect plan\n{}", indented(&plan.tree(&answer.tree)));
        }
        if what.ends_with("warnings") {
            let selection: Selection = self.asked.parse().unwrap();
            let mut warnings: Vec<_> = bound.warnings().iter().chain(plan.warnings()).cloned().collect();
            warnings.extend(lint::before(&selection, snapshot, as_of));
            let tree = plan.run(snapshot).unwrap().tree;
            warnings.extend(lint::after(&selection, &tree, snapshot, as_of).unwrap());
            return match warnings.is_empty() {
                true => "expect no warnings".into(),
                false => self.shown(&Problems(warnings)).replace("expect problems", "expect warnings"),
            };
        }
        let users = plan.run(&stored.snapshot).unwrap().users;
        let mut ids: Vec<&str> = users.iter().map(|user| stored.snapshot.ids().text(user)).collect();
        ids.sort();
        if ids.is_empty() { "expect nobody".into() } else { format!("expect {}", ids.join(" ")) }
    }

    /// A line a problem: code, line:column, what.
    fn shown(&self, problems: &Problems) -> String {
        let line = |problem: &quanke::base::Problem| {
            let problem = locate(&self.asked, &self.name, problem.clone());
            format!("{}  {}\n  {}", problem.code, problem.at.trim_start_matches(&self.name), problem.what)
        };
        let lines: Vec<String> = problems.0.iter().map(line).collect();
        format!("expect problems\n{}", indented(&lines.join("\n")))
    }
}

fn indented(text: &str) -> String {
    text.lines().map(|line| format!("  {line}")).collect::<Vec<_>>().join("\n")
}

/// `born:date` → a name and its type.
fn typed(column: &str) -> (&str, Option<Type>) {
    let types: BTreeMap<&str, Type> =
        [Type::Text, Type::Integer, Type::Float, Type::Bool, Type::Date, Type::Instant, Type::List]
            .map(|t| (t.word(), t))
            .into();
    match column.split_once(':') {
        Some((name, type_of)) => (name, Some(types[type_of])),
        None => (column, None),
    }
}
