//! Loading bit by bit is loading at once: after any ingests, patches, replacements and deletions every
//! selection finds the users that a home finds which was given the final rows in one go; and a data
//! version that is still held answers as it did on its day.

use std::collections::BTreeSet;
use std::path::Path;

use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::ValueTree;
use quanke::base::{Timestamp, Zone};
use quanke::select::ast::Selection;
use quanke::store::{Home, Mode};
use rayon::prelude::*;
use roaring::RoaringBitmap;

use super::laws::{number, planned, runner};
use super::oracle::holds_for;
use super::random::{
    CROWDS, DAY_MS, EVENTS, TABLES, as_of, attributes, everything, full_user, properties, selections, times,
    types,
};
use super::world::{
    Row, Stored, User, Values, World, detail_shape, environment, events_shape, folder, line, users_shape,
};

/// Histories of one run; `PROPTEST_CASES` makes it so many, as for the laws.
const HISTORIES: u64 = 40;
const ASKED: usize = 40;
/// Asked after every load, and once more at the end.
const ASKED_THEN: usize = 4;
const PEOPLE: usize = 6;

/// One load.
#[derive(Debug, Clone)]
enum Load {
    /// People with their new values, each once.
    Users(Mode, Vec<(usize, Values)>),
    Events(Vec<Row>),
    /// Rows of one table; a row may be marked as deleted.
    Detail(usize, Vec<(Row, bool)>),
}

/// proves: S2.20, S2.21, S2.22
#[test]
fn loading_bit_by_bit_is_loading_at_once() {
    let first = number("PROPTEST_RNG_SEED", 0);
    let cases = first..first + number("PROPTEST_CASES", HISTORIES);
    cases.into_par_iter().for_each(check_history);
}

fn check_history(case: u64) {
    let mut runner = runner(case);
    let loads = proptest::collection::vec(load(), 1..7).new_tree(&mut runner).unwrap().current();
    let mut selections = (0..).map(|_| selections().new_tree(&mut runner).unwrap().current());
    let folder = folder();
    let mut truth = Truth::new();
    let mut before: Vec<(Stored, Vec<(Selection, RoaringBitmap)>)> = vec![];
    for (n, load) in Truth::beginning().into_iter().chain(loads.clone()).enumerate() {
        let stored = truth.take(load, &folder.path().join("bits"), n);
        if n + 1 >= Truth::beginning().len() {
            let asked = selections.by_ref().take(ASKED_THEN);
            let answers = asked.map(|one| (one.clone(), found(&stored, &one, as_of()))).collect();
            before.push((stored, answers));
        }
    }
    let world = truth.world();
    let at_once = world.store(&folder.path().join("at_once"));
    let Some((bits, _)) = before.last() else { return };
    for selection in selections.by_ref().take(ASKED) {
        let by_hand: BTreeSet<String> = (0..world.users.len())
            .filter(|user| holds_for(&world, *user, &selection))
            .map(|user| world.users[user].id.clone())
            .collect();
        let shown = |stored: &Stored| ids(stored, &found(stored, &selection, as_of()));
        assert_eq!(shown(&at_once), by_hand, "case {case}, at once: {selection}\n{loads:#?}");
        assert_eq!(shown(bits), by_hand, "case {case}, bit by bit: {selection}\n{loads:#?}");
    }
    for (stored, answers) in &before {
        for (selection, then) in answers {
            assert_eq!(&found(stored, selection, as_of()), then, "case {case}, held since then: {selection}");
        }
    }
}

fn found(stored: &Stored, selection: &Selection, as_of: Timestamp) -> RoaringBitmap {
    planned(stored, selection, as_of).users(&stored.snapshot).unwrap()
}

fn ids(stored: &Stored, users: &RoaringBitmap) -> BTreeSet<String> {
    users.iter().map(|user| stored.snapshot.ids().text(user).to_string()).collect()
}

/// What the loads so far mean, kept as plain rows.
struct Truth {
    /// All people, known or not; rows name them by their place here.
    world: World,
    has_row: BTreeSet<usize>,
    /// Named by an event or a detail row since they were last deleted.
    named: BTreeSet<usize>,
}

impl Truth {
    fn new() -> Truth {
        let mut world = World::new(Zone::default(), as_of());
        world.users = (0..PEOPLE).map(|n| User { id: format!("u{n}"), values: Values::new() }).collect();
        world.tables = TABLES.iter().map(|(table, is_timed)| (table.to_string(), *is_timed)).collect();
        world.types = types();
        Truth { world, has_row: BTreeSet::new(), named: BTreeSet::new() }
    }

    /// Rows of every kind, so that every name that a selection may use is known.
    fn beginning() -> Vec<Load> {
        let event = |name: &&str| Row {
            name: name.to_string(),
            at: Some(as_of().plus(-900 * DAY_MS)),
            is_timed: true,
            values: everything(),
            ..Row::default()
        };
        let detail = |(n, (table, is_timed)): (usize, &(&str, bool))| {
            let at = is_timed.then(|| as_of().plus(DAY_MS));
            let (name, id) = (table.to_string(), Some("k".into()));
            let row = Row { name, at, is_timed: *is_timed, id, values: everything(), ..Row::default() };
            Load::Detail(n, vec![(row, false)])
        };
        let mut loads = vec![
            Load::Users(Mode::Upsert, vec![(0, full_user())]),
            Load::Events(EVENTS.iter().map(event).collect()),
        ];
        loads.extend(TABLES.iter().enumerate().map(detail));
        loads
    }

    /// Loads into the home, and into the truth.
    fn take(&mut self, load: Load, folder: &Path, n: usize) -> Stored {
        std::fs::create_dir_all(folder).unwrap();
        let home = Home::at(&folder.join("home"), "default").unwrap();
        let mut writer = home.writer(&environment(), self.world.zone).unwrap();
        let file = format!("load{n}");
        match &load {
            Load::Users(mode, rows) => {
                let users = rows.iter().map(|(user, values)| (&self.world.users[*user].id, values));
                let lines: Vec<String> = users.map(|(id, values)| line(values, &[("user_id", id)])).collect();
                self.world.load(&mut writer, folder, &file, &lines, (users_shape(), *mode));
            }
            Load::Events(rows) => {
                let lines: Vec<String> =
                    rows.iter().map(|row| self.world.row_line(row, "event", "event_id")).collect();
                self.world.load(&mut writer, folder, &file, &lines, (events_shape(), Mode::Upsert));
            }
            Load::Detail(table, rows) => {
                let (name, is_timed) = TABLES[*table];
                let lines: Vec<String> =
                    rows.iter().map(|(row, is_deleted)| self.detail_line(row, *is_deleted)).collect();
                self.world.load(&mut writer, folder, name, &lines, (detail_shape(is_timed), Mode::Upsert));
            }
        }
        let snapshot = writer.publish().unwrap();
        match load {
            Load::Users(mode, rows) => self.users(mode, rows),
            Load::Events(rows) => rows.into_iter().for_each(|row| self.event(row)),
            Load::Detail(_, rows) => {
                rows.into_iter().for_each(|(row, is_deleted)| self.detail(row, is_deleted))
            }
        }
        self.world().stored(snapshot)
    }

    /// The time stands there even if it is missing: the column of a table does not come and go.
    fn detail_line(&self, row: &Row, is_deleted: bool) -> String {
        let line = self.world.row_line(row, "table", "key");
        let time = if self.world.tables[&row.name] && row.at.is_none() { ",\"time\":null" } else { "" };
        format!("{}{time},\"_deleted\":{is_deleted}}}", line.strip_suffix('}').unwrap())
    }

    fn users(&mut self, mode: Mode, rows: Vec<(usize, Values)>) {
        // A column that any row of the file has is a column of the file.
        let columns: BTreeSet<String> = rows.iter().flat_map(|(_, values)| values.keys().cloned()).collect();
        if mode == Mode::Replace {
            self.world.users.iter_mut().for_each(|user| user.values.clear());
            self.has_row.clear();
        }
        for (user, values) in rows {
            let kept = &mut self.world.users[user].values;
            match mode {
                Mode::Patch => kept.retain(|name, _| !columns.contains(name)),
                _ => kept.clear(),
            }
            kept.extend(values);
            if mode == Mode::Delete {
                self.forget(user);
            } else {
                self.has_row.insert(user);
            }
        }
    }

    fn forget(&mut self, user: usize) {
        self.world.users[user].values.clear();
        self.world.events.retain(|row| row.user != user);
        self.world.details.retain(|row| row.user != user);
        self.has_row.remove(&user);
        self.named.remove(&user);
    }

    fn event(&mut self, row: Row) {
        self.named.insert(row.user);
        let is_same = |other: &Row| (other.user, other.at, &other.id) == (row.user, row.at, &row.id);
        if row.id.is_none() || !self.world.events.iter().any(is_same) {
            self.world.events.push(row);
        }
    }

    fn detail(&mut self, row: Row, is_deleted: bool) {
        self.world.details.retain(|other| (&other.name, &other.id) != (&row.name, &row.id));
        if !is_deleted {
            self.named.insert(row.user);
            self.world.details.push(row);
        }
    }

    /// The people known, with the rows that are left.
    fn world(&self) -> World {
        let mut world = self.world.clone();
        let known: Vec<usize> =
            (0..PEOPLE).filter(|user| self.has_row.contains(user) || self.named.contains(user)).collect();
        let place = |user: usize| known.binary_search(&user).expect("rows name people who are known");
        world.events.iter_mut().chain(&mut world.details).for_each(|row| row.user = place(row.user));
        world.users = known.iter().map(|user| self.world.users[*user].clone()).collect();
        let ids: BTreeSet<String> = world.users.iter().map(|user| user.id.clone()).collect();
        world.crowds = CROWDS.iter().map(|name| (name.to_string(), ids.clone())).collect();
        world
    }
}

fn load() -> BoxedStrategy<Load> {
    let modes = select(vec![Mode::Upsert, Mode::Patch, Mode::Replace]);
    let people = proptest::collection::btree_map(0..PEOPLE, attributes(), 1..4);
    let users = (modes, people).prop_map(|(mode, people)| {
        let mut people: Vec<(usize, Values)> = people.into_iter().collect();
        if mode == Mode::Replace {
            // Every tag stays known.
            people.retain(|(user, _)| *user != 0);
            people.push((0, full_user()));
        }
        Load::Users(mode, people)
    });
    let gone = proptest::collection::btree_set(1..PEOPLE, 1..3).prop_map(|people| {
        Load::Users(Mode::Delete, people.into_iter().map(|user| (user, Values::new())).collect())
    });
    prop_oneof![3 => users, 1 => gone, 4 => events(), 3 => details()].boxed()
}

fn events() -> impl Strategy<Value = Load> {
    let event = (0..PEOPLE, select(EVENTS), times(), properties(), proptest::option::of(0u8..4));
    let row = event.prop_map(|(user, name, at, values, id)| {
        let id = id.map(|id| format!("e{id}"));
        Row { user, name: name.into(), at: Some(at), is_timed: true, id, values }
    });
    proptest::collection::vec(row, 1..20).prop_map(Load::Events)
}

/// Few keys, so that rows meet older versions of themselves.
fn details() -> impl Strategy<Value = Load> {
    let row = (0..PEOPLE, 0u8..5, proptest::option::of(times()), properties(), proptest::bool::weighted(0.2));
    (0..TABLES.len(), proptest::collection::vec(row, 1..6)).prop_map(|(table, rows)| {
        let (name, is_timed) = TABLES[table];
        let mut keys = BTreeSet::new();
        let once = rows.into_iter().filter(|(_, key, ..)| keys.insert(*key));
        let rows = once.map(|(user, key, at, values, is_deleted)| {
            let at = at.filter(|_| is_timed);
            let id = Some(format!("k{key}"));
            (Row { user, name: name.into(), at, is_timed, id, values }, is_deleted)
        });
        Load::Detail(table, rows.collect())
    })
}
