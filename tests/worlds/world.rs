//! A made-up world as plain lists, and the way it takes into a real home: written as NDJSON, read
//! by the sync jobs, stored, published.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use quanke::base::{Environment, Outcome, Quiet, Timestamp, Type, Value, Zone};
use quanke::ingest::{self, Request, Settled, Shape};
use quanke::store::{Home, Limits, Mode, Snapshot, Writer};
use roaring::RoaringBitmap;
use serde_json::{Map, json};

pub type Values = BTreeMap<String, Value>;

/// Everything that the selections of a test can ask about.
#[derive(Debug, Clone)]
pub struct World {
    pub zone: Zone,
    pub as_of: Timestamp,
    pub users: Vec<User>,
    pub events: Vec<Row>,
    pub details: Vec<Row>,
    /// Per table: has it a time column (called `time`)?
    pub tables: BTreeMap<String, bool>,
    pub crowds: BTreeMap<String, BTreeSet<String>>,
    /// Types of attributes, properties and columns; what is not here is text.
    pub types: BTreeMap<String, Type>,
    /// Tags closed to a list of values by `catalog.toml`.
    pub closed: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Default)]
pub struct User {
    pub id: String,
    pub values: Values,
}

/// An event (`name` is the event) or a detail row (`name` is the table).
#[derive(Debug, Clone, Default)]
pub struct Row {
    pub user: usize,
    pub name: String,
    pub at: Option<Timestamp>,
    /// Does its kind of row have a time at all?
    pub is_timed: bool,
    /// Event id or detail key.
    pub id: Option<String>,
    pub values: Values,
}

/// A world in a home, ready to be asked.
pub struct Stored {
    pub snapshot: Snapshot,
    pub crowds: BTreeMap<String, Arc<RoaringBitmap>>,
}

impl World {
    pub fn new(zone: Zone, as_of: Timestamp) -> World {
        World {
            zone,
            as_of,
            users: vec![],
            events: vec![],
            details: vec![],
            tables: BTreeMap::new(),
            crowds: BTreeMap::new(),
            types: BTreeMap::new(),
            closed: BTreeMap::new(),
        }
    }

    /// The place of a user, who is made if new.
    pub fn user(&mut self, id: &str) -> usize {
        if let Some(place) = self.users.iter().position(|user| user.id == id) {
            return place;
        }
        self.users.push(User { id: id.to_string(), values: Values::new() });
        self.users.len() - 1
    }

    /// Loads the world into a fresh home below `folder`.
    pub fn store(&self, folder: &Path) -> Stored {
        let home = Home::at(&folder.join("home"), "default").unwrap();
        if !self.closed.is_empty() {
            fs::create_dir_all(home.dir()).unwrap();
            fs::write(home.dir().join("catalog.toml"), self.catalog()).unwrap();
        }
        let mut writer = home.writer(&environment(), self.zone).unwrap();
        let lines: Vec<String> =
            self.users.iter().map(|user| line(&user.values, &[("user_id", &user.id)])).collect();
        self.load(&mut writer, folder, "users", &lines, (users_shape(), Mode::Upsert));
        let lines: Vec<String> =
            self.events.iter().map(|row| self.row_line(row, "event", "event_id")).collect();
        self.load(&mut writer, folder, "events", &lines, (events_shape(), Mode::Upsert));
        for (table, is_timed) in &self.tables {
            let lines: Vec<String> = self
                .details
                .iter()
                .filter(|row| row.name == *table)
                .map(|row| self.row_line(row, "table", "key"))
                .collect();
            self.load(&mut writer, folder, table, &lines, (detail_shape(*is_timed), Mode::Upsert));
        }
        self.stored(writer.publish().unwrap())
    }

    /// A snapshot with the crowds of this world.
    pub fn stored(&self, snapshot: Snapshot) -> Stored {
        let number = |id: &String| snapshot.ids().find(id).unwrap();
        let crowd = |ids: &BTreeSet<String>| Arc::new(ids.iter().map(number).collect::<RoaringBitmap>());
        let crowds = self.crowds.iter().map(|(name, ids)| (name.clone(), crowd(ids))).collect();
        Stored { snapshot, crowds }
    }

    fn catalog(&self) -> String {
        let closed = |(name, values): (&String, &Vec<String>)| {
            format!("[attributes.{name}]\nvalues = {values:?}\nclosed = true\n")
        };
        self.closed.iter().map(closed).collect()
    }

    /// A row as one JSON object; `name` is the column of its event or table, `id` that of its id.
    pub fn row_line(&self, row: &Row, name: &str, id: &str) -> String {
        let time = row.at.map(|at| self.zone.text(at));
        let mut parts = vec![("user_id", self.users[row.user].id.as_str()), (name, &row.name)];
        parts.extend(time.as_deref().map(|time| ("time", time)));
        parts.extend(row.id.as_deref().map(|key| (id, key)));
        line(&row.values, &parts)
    }

    /// Loads lines as the sync job of this shape would; `name` is that of the file and the table.
    pub fn load(
        &self,
        writer: &mut Writer,
        folder: &Path,
        name: &str,
        lines: &[String],
        (shape, mode): (Shape, Mode),
    ) {
        if lines.is_empty() {
            return;
        }
        let path = folder.join(format!("{name}.ndjson"));
        fs::write(&path, lines.join("\n")).unwrap();
        let settled = |type_of: &Type| Settled { type_of: *type_of, is_fixed: true };
        let request = Request {
            paths: vec![path.display().to_string()],
            format: None,
            shape: shape.clone(),
            zone: self.zone,
            types: self.types.iter().map(|(name, type_of)| (name.clone(), settled(type_of))).collect(),
            rejects: folder.join("rejects.ndjson"),
            is_id_asked: false,
        };
        let mut source = ingest::open(&request, None, &Quiet).unwrap();
        let columns = source.columns().to_vec();
        let loaded: Outcome<_> = match shape {
            Shape::Users { .. } => writer.users(&mut source, mode, &columns, &Limits::default(), &Quiet),
            Shape::Events { .. } => writer.events(&mut source, &columns, &Limits::default(), &Quiet),
            _ => writer.detail(
                name,
                "key",
                self.tables[name].then_some("time"),
                &mut source,
                &columns,
                &Limits::default(),
                &Quiet,
            ),
        };
        loaded.unwrap();
        assert_eq!(
            source.counts().rejected,
            0,
            "{}",
            fs::read_to_string(folder.join("rejects.ndjson")).unwrap_or_default()
        );
    }
}

/// A folder for one world, in memory where the machine has such a place: these tests ask nothing of
/// the disk.
pub fn folder() -> tempfile::TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempfile::tempdir().unwrap() }
}

pub fn users_shape() -> Shape {
    Shape::Users { key: "user_id".into() }
}

pub fn events_shape() -> Shape {
    Shape::Events {
        user: "user_id".into(),
        event: "event".into(),
        time: "time".into(),
        id: Some("event_id".into()),
    }
}

pub fn detail_shape(is_timed: bool) -> Shape {
    Shape::Detail { user: "user_id".into(), key: "key".into(), time: is_timed.then(|| "time".into()) }
}

pub fn environment() -> Environment {
    Environment { now: Timestamp(0), seed: 7, process: "a test".into() }
}

/// A row as one JSON object.
pub fn line(values: &Values, parts: &[(&str, &str)]) -> String {
    let mut object: Map<String, serde_json::Value> = Map::new();
    parts.iter().for_each(|(name, text)| drop(object.insert(name.to_string(), json!(text))));
    for (name, value) in values {
        let value = match value {
            Value::Text(text) => json!(text),
            Value::Integer(number) => json!(number),
            Value::Float(number) => json!(number),
            Value::Bool(flag) => json!(flag),
            Value::Date(day) => json!(day.to_string()),
            Value::Instant(at) => json!(Zone::default().text(*at)),
            Value::List(list) => json!(list),
        };
        object.insert(name.clone(), value);
    }
    serde_json::Value::Object(object).to_string()
}
