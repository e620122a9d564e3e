//! Profiles on random worlds, beside asking for each of their values as a selection.

use proptest::prelude::*;
use quanke::base::{Moment, Name, Value, Zone};
use quanke::select::Selection;
use quanke::select::ast::{Comparison, Leaf, Literal, Op, Test, Written};
use quanke::select::profile::{Breakdown, Cell, Grouped, Profile, dimensions};
use roaring::RoaringBitmap;

use super::laws::{number, users};
use super::random::{selections, worlds};
use super::world::{Stored, World, folder};

const BY: &str =
    "city,age,age:3,balance,balance:40,vip,born,born:4,joined:30,likes,city*vip,likes*age:2,likes*born*city";

/// Worlds of one run of `make test`; storing them is what takes time.
const CASES: u64 = 30;

#[test]
fn profiles_agree_with_asking_for_each_value() {
    let cases = number("PROPTEST_CASES", CASES) as u32;
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&(worlds(), prop::collection::vec(selections(), 3)), |(world, selections)| {
            let folder = folder();
            let stored = world.store(folder.path());
            let everyone = Selection::All(vec![]);
            selections.iter().chain([&everyone]).try_for_each(|selection| agrees(&world, &stored, selection))
        })
        .unwrap();
}

fn agrees(world: &World, stored: &Stored, selection: &Selection) -> Result<(), TestCaseError> {
    let found = users(stored, selection, world);
    let breakdown = Breakdown::new(&dimensions(BY).unwrap(), &stored.snapshot).unwrap();
    let profile = breakdown.run(&found, &stored.snapshot).unwrap();
    prop_assert_eq!((profile.count, profile.universe), (found.len(), stored.snapshot.universe().len()));
    profile.by.iter().try_for_each(|by| dimension_agrees(world, stored, &found, &profile, by))
}

fn dimension_agrees(
    world: &World,
    stored: &Stored,
    found: &RoaringBitmap,
    profile: &Profile,
    by: &Grouped,
) -> Result<(), TestCaseError> {
    let mut reached = RoaringBitmap::new();
    for group in &by.groups {
        let cells = by.columns.iter().zip(&group.cells);
        let conditions = cells.flat_map(|(column, cell)| conditions(column, cell, &world.zone)).collect();
        let asked = users(stored, &Selection::All(conditions), world);
        prop_assert_eq!(group.universe, asked.len(), "{} {:?}", by.dimension, group);
        prop_assert_eq!(group.count, asked.intersection_len(found), "{} {:?}", by.dimension, group);
        reached |= asked;
    }
    prop_assert_eq!(&reached, stored.snapshot.universe(), "{}: nobody is left out", by.dimension);
    let sum: u64 = by.groups.iter().map(|group| group.count).sum();
    prop_assert!(by.is_multiple || sum == profile.count, "{}: each counts once", by.dimension);
    Ok(())
}

/// What a user of the group satisfies on this column.
fn conditions(column: &str, cell: &Cell, zone: &Zone) -> Vec<Selection> {
    let tests = match cell {
        Cell::Missing => vec![Test::Missing],
        Cell::Value(value @ Value::Text(_)) if column == "likes" => {
            vec![Test::HasAny(vec![literal(value, zone)])]
        }
        Cell::Value(value) => vec![Test::Compare(Op::Equal, literal(value, zone))],
        Cell::Range { from, to, .. } => {
            let compare =
                |op, end: &Option<Value>| end.as_ref().map(|end| Test::Compare(op, literal(end, zone)));
            let ends = [compare(Op::GreaterEqual, from), compare(Op::Less, to)];
            ends.into_iter().flatten().chain([Test::Known]).collect()
        }
    };
    let leaf = |test| Selection::Leaf(Leaf::Tag(Comparison { name: Name::new(column), test }));
    tests.into_iter().map(leaf).collect()
}

fn literal(value: &Value, zone: &Zone) -> Literal {
    let value = match value {
        Value::Text(text) => Written::Text(text.clone()),
        Value::Integer(number) => Written::Integer(*number),
        Value::Float(number) => Written::Float(*number),
        Value::Bool(flag) => Written::Bool(*flag),
        Value::Date(day) => Written::Moment(Moment { day: *day, time: None, offset: None }),
        Value::Instant(at) => Written::Moment(Moment::parse(&zone.text(*at)).unwrap()),
        Value::List(_) => panic!("a group has one value of a list"),
    };
    Literal { value, span: Default::default() }
}
