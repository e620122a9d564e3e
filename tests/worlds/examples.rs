//! Evidence of the forms that order rows or users, on one small world: what an operator is told.

use std::collections::BTreeMap;

use quanke::base::{Timestamp, Type, Value, Zone};
use quanke::select::ast::Selection;
use quanke::select::evidence::{Asked, Break, End, Evidence, Facts, Row as Shown, evidence};

use super::world::{Row, Stored, World, folder};

const NOON: &str = "2026-03-01 12:00";

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text, &Zone::default()).unwrap()
}

/// u1 viewed and bought the same item; u2 another item, and a refund between; u3 viewed only; u4 has
/// two events at one instant.
fn world() -> World {
    let mut world = World::new(Zone::default(), at(NOON));
    let rows = [
        ("u1", "view", "2026-02-20 10:00:00", "a", "e1"),
        ("u1", "view", "2026-02-20 11:00:00", "b", "e2"),
        ("u1", "buy", "2026-02-21 10:00:00", "a", "e3"),
        ("u2", "view", "2026-02-20 10:00:00", "a", "e4"),
        ("u2", "refund", "2026-02-20 11:00:00", "a", "e5"),
        ("u2", "buy", "2026-02-20 12:00:00", "b", "e6"),
        ("u3", "view", "2026-03-01 11:50:00", "a", "e7"),
        ("u4", "view", "2026-02-01 10:00:00", "a", "e8"),
        ("u4", "buy", "2026-02-01 10:00:00", "a", "e9"),
        ("u4", "view", "2026-02-01 10:00:00", "a", "e90"),
    ];
    for (user, event, time, item, id) in rows {
        let user = world.user(user);
        world.events.push(Row {
            user,
            name: event.into(),
            at: Some(at(time)),
            is_timed: true,
            id: Some(id.into()),
            values: BTreeMap::from([("item".to_string(), Value::Text(item.into()))]),
        });
    }
    world.types.insert("balance".into(), Type::Float);
    for (user, balance) in [("u1", 10.0), ("u2", 30.0), ("u3", 10.0)] {
        let user = world.user(user);
        world.users[user].values.insert("balance".into(), Value::Float(balance));
    }
    world
}

struct Told {
    world: World,
    stored: Stored,
    _folder: tempfile::TempDir,
}

impl Told {
    fn new() -> Told {
        let (world, folder) = (world(), folder());
        Told { stored: world.store(folder.path()), world, _folder: folder }
    }

    fn of(&self, selection: &str, user: &str) -> Evidence {
        let selection: Selection = selection.parse().unwrap();
        let (snapshot, crowds) = (&self.stored.snapshot, BTreeMap::new());
        let asked = Asked { snapshot, crowds: &crowds, as_of: self.world.as_of, rows_max: 5 };
        evidence(&selection, snapshot.find(user).unwrap(), &asked).unwrap()
    }

    /// Is it so, the chain shown, and why it broke.
    fn chain(&self, selection: &str, user: &str) -> (bool, Vec<String>, Option<Break>) {
        let told = self.of(selection, user);
        let Facts::Sequence(facts) = told.facts else { panic!("{told:?}") };
        let (chain, broke) = facts.attempt.map_or((vec![], None), |one| (one.chain, one.broke));
        (told.holds, ids(&chain), broke)
    }

    /// Is it so, and how each instance ended.
    fn ends(&self, selection: &str, user: &str) -> (bool, Vec<(Vec<String>, End)>) {
        let told = self.of(selection, user);
        let Facts::Absence(facts) = told.facts else { panic!("{told:?}") };
        (told.holds, facts.instances.into_iter().map(|one| (ids(&one.chain), one.end)).collect())
    }
}

fn ids(rows: &[Shown]) -> Vec<String> {
    rows.iter().map(|row| row.id.clone().unwrap()).collect()
}

#[test]
fn a_sequence_shows_its_chain_or_where_it_broke() {
    let told = Told::new();
    let words = |ids: &[&str]| ids.iter().map(|id| id.to_string()).collect::<Vec<_>>();
    let chain = |selection, user| told.chain(selection, user);
    assert_eq!(chain("did view then buy within 24 hours", "u1"), (true, words(&["e2", "e3"]), None));
    let same = "did view then buy within 24 hours same item";
    assert_eq!(chain(same, "u1"), (true, words(&["e1", "e3"]), None), "24 hours exactly are inside");
    let late = chain("did view then buy within 23 hours same item", "u1");
    assert_eq!(late, (false, words(&["e1", "e3"]), Some(Break::Late)));
    assert_eq!(chain(same, "u2"), (false, words(&["e4"]), Some(Break::Short)), "another item");
    let between = chain("did view then buy within 1 day without refund between", "u2");
    assert!(
        matches!(&between.2, Some(Break::Between(row)) if row.id.as_deref() == Some("e5")),
        "{between:?}"
    );
    let third = chain("did view then buy then refund within 30 days", "u1");
    assert_eq!(third, (false, words(&["e2", "e3"]), Some(Break::Short)));
    let tied = chain("did view then buy within 1 hour", "u4");
    assert_eq!((tied.0, tied.2), (false, Some(Break::Short)), "equal times do not follow each other");
    assert_eq!(chain("did view then buy within 1 day in last 3 days", "u1"), (false, vec![], None));
}

#[test]
fn the_step_that_is_missing_has_its_near_misses() {
    let told = Told::new();
    let of = told.of("did view then buy where item = 'c' within 1 day", "u1");
    let Facts::Sequence(facts) = of.facts else { panic!() };
    assert_eq!(facts.counts, [2, 0]);
    let failed = facts.near.unwrap().failed_latest.unwrap();
    assert_eq!((failed.row.id.as_deref(), failed.tests[0].test.as_str()), (Some("e3"), "item = 'c'"));
}

#[test]
fn an_absence_shows_what_became_of_each_a() {
    let told = Told::new();
    let (holds, ends) = told.ends("did view then not buy within 20 minutes", "u3");
    assert!(!holds && ends == [(vec!["e7".to_string()], End::Undecided)], "not over yet: {ends:?}");
    let (holds, ends) = told.ends("did view then not buy within 10 minutes", "u3");
    assert!(holds && ends[0].1 == End::Alone, "over at as-of exactly: {ends:?}");
    let (holds, ends) = told.ends("did view then not buy within 24 hours", "u1");
    assert!(!holds && ends.iter().all(|(_, end)| matches!(end, End::Followed(_))), "{ends:?}");
    let (holds, _) = told.ends("did view then not buy within 24 hours same item", "u1");
    assert!(holds, "the other item was not bought");
    let (holds, _) = told.ends("did view then not buy within 1 hour", "u4");
    assert!(!holds, "both ends are inside: a buy at the same instant follows");
    let (_, ends) = told.ends("did view then not view within 1 hour", "u4");
    let firsts: Vec<bool> = ends.iter().map(|(_, end)| *end == End::Alone).collect();
    assert_eq!(firsts, [true, false], "of two at one instant the second follows the first: {ends:?}");
}

#[test]
fn first_and_last_show_the_row_that_decides() {
    let told = Told::new();
    let row = |selection, user| {
        let of = told.of(selection, user);
        let Facts::Edge(facts) = of.facts else { panic!() };
        (of.holds, facts.row.and_then(|row| row.id))
    };
    assert_eq!(row("first view in last 30 days", "u1"), (true, Some("e1".into())));
    assert_eq!(row("first view after 2026-02-20T10:30:00", "u1"), (false, Some("e1".into())));
    assert_eq!(row("last view after 2026-02-20T10:30:00", "u1"), (true, Some("e2".into())));
    assert_eq!(row("last view where item = 'a' before 2026-02-20", "u1"), (false, Some("e1".into())));
    assert_eq!(row("first buy in last 30 days", "u3"), (false, None));
}

#[test]
fn shares_show_the_place_and_the_limit() {
    let told = Told::new();
    let place = |user| {
        let of = told.of("sample 10% salt 's'", user);
        let Facts::Sample { place, below } = of.facts else { panic!() };
        assert_eq!((of.holds, below), (place < 100_000, 100_000));
        place
    };
    assert_ne!(place("u1"), place("u2"));
    let rank = |count: u32, user| {
        let of = told.of(&format!("top {count} by balance"), user);
        let Facts::Top { rank, cut, .. } = of.facts else { panic!() };
        (of.holds, rank, cut)
    };
    let ten = Some(Value::Float(10.0));
    assert_eq!(rank(2, "u2"), (true, Some(1), ten.clone()));
    assert_eq!(rank(2, "u1"), (true, Some(2), ten.clone()), "of equal values the first id is in");
    assert_eq!(rank(2, "u3"), (false, Some(3), ten));
    assert_eq!(rank(9, "u4"), (false, None, None), "without a value there is no rank");
}
