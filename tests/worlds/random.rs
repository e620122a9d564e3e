//! Random small worlds and random selections over them, for proptest.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::select;
use quanke::base::{Day, Moment, Name, Share, Timestamp, Type, Unit, Value, Window, Zone};
use quanke::select::ast::*;

use super::world::{Row, User, Values, World};

const CITIES: &[&str] = &["上海", "北京", "杭州", "广州"];
const LIKES: &[&str] = &["美食", "旅行", "美妆"];
pub const EVENTS: &[&str] = &["view", "share", "pay"];
const PLATFORMS: &[&str] = &["ios", "android"];
pub const TABLES: &[(&str, bool)] = &[("orders", true), ("relations", false)];
pub const CROWDS: &[&str] = &["高价值", "黑名单"];
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 3_600_000;
pub const DAY_MS: i64 = 86_400_000;

/// The instant of evaluation: noon in New York on the day after its clocks changed, midnight in Shanghai.
pub fn as_of() -> Timestamp {
    Timestamp(1_773_072_000_000)
}

/// Between 1 and 12 users with a few rows each; ties, exact window edges and the future included.
pub fn worlds() -> impl Strategy<Value = World> {
    let zone = select(vec!["Asia/Shanghai", "America/New_York"]).prop_map(|name| Zone::named(name).unwrap());
    let users = prop::collection::vec(attributes(), 1..12);
    let events = prop::collection::vec(
        (0usize..12, select(EVENTS), times(), properties(), prop::option::of(0u8..4)),
        0..40,
    );
    let details =
        prop::collection::vec((0usize..12, select(TABLES), prop::option::of(times()), properties()), 0..25);
    let crowds = prop::collection::vec(prop::collection::btree_set(0usize..12, 0..8), CROWDS.len());
    (zone, users, events, details, crowds).prop_map(|(zone, users, events, details, crowds)| {
        let mut world = World::new(zone, as_of());
        world.users =
            users.into_iter().enumerate().map(|(n, values)| User { id: format!("u{n}"), values }).collect();
        let count = world.users.len();
        for (user, event, at, values, id) in events {
            let id = id.map(|id| format!("e{id}"));
            let row =
                Row { user: user % count, name: event.to_string(), at: Some(at), is_timed: true, id, values };
            let is_seen = |other: &Row| {
                row.id.is_some() && (other.user, other.at, &other.id) == (row.user, row.at, &row.id)
            };
            if !world.events.iter().any(is_seen) {
                world.events.push(row);
            }
        }
        for (n, (user, (table, is_timed), at, values)) in details.into_iter().enumerate() {
            let at = at.filter(|_| is_timed);
            world.details.push(Row {
                user: user % count,
                name: table.into(),
                at,
                is_timed,
                id: Some(format!("k{n}")),
                values,
            });
        }
        // One row of each kind, so that every name that a selection may use is known.
        let everything = everything();
        world.events.extend(EVENTS.iter().map(|event| Row {
            name: event.to_string(),
            at: Some(as_of().plus(-900 * DAY_MS)),
            is_timed: true,
            values: everything.clone(),
            ..Row::default()
        }));
        world.details.extend(TABLES.iter().map(|(table, is_timed)| Row {
            name: table.to_string(),
            at: is_timed.then(|| as_of().plus(DAY_MS)),
            is_timed: *is_timed,
            id: Some("k".into()),
            values: everything.clone(),
            ..Row::default()
        }));
        world.users[0].values = full_user();
        world.tables = TABLES.iter().map(|(table, is_timed)| (table.to_string(), *is_timed)).collect();
        let ids =
            |places: &BTreeSet<usize>| places.iter().map(|place| format!("u{}", place % count)).collect();
        world.crowds =
            CROWDS.iter().zip(&crowds).map(|(name, places)| (name.to_string(), ids(places))).collect();
        world.types = types();
        world
    })
}

pub fn everything() -> Values {
    Values::from([
        ("amount".into(), Value::Float(1.25)),
        ("platform".into(), Value::Text("h5".into())),
        ("items".into(), Value::Integer(1)),
        ("paid_at".into(), Value::Instant(as_of())),
    ])
}

pub fn full_user() -> Values {
    Values::from([
        ("city".into(), Value::Text("上海".into())),
        ("age".into(), Value::Integer(30)),
        ("balance".into(), Value::Float(10.0)),
        ("vip".into(), Value::Bool(true)),
        ("born".into(), Value::Date(Day::parse("2000-02-29").unwrap())),
        ("joined".into(), Value::Instant(as_of())),
        ("likes".into(), Value::List(vec!["美食".into()])),
    ])
}

pub fn types() -> std::collections::BTreeMap<String, Type> {
    [
        ("city", Type::Text),
        ("age", Type::Integer),
        ("balance", Type::Float),
        ("vip", Type::Bool),
        ("born", Type::Date),
        ("joined", Type::Instant),
        ("likes", Type::List),
        ("amount", Type::Float),
        ("platform", Type::Text),
        ("items", Type::Integer),
        ("paid_at", Type::Instant),
    ]
    .map(|(name, type_of)| (name.to_string(), type_of))
    .into()
}

fn maybe(value: impl Strategy<Value = Value> + 'static) -> BoxedStrategy<Option<Value>> {
    prop::option::weighted(0.7, value).boxed()
}

fn named(values: Vec<(&'static str, Option<Value>)>) -> Values {
    values.into_iter().filter_map(|(name, value)| Some((name.to_string(), value?))).collect()
}

pub fn attributes() -> impl Strategy<Value = Values> {
    let likes = prop::collection::btree_set(select(LIKES), 0..3)
        .prop_map(|set| Value::List(set.into_iter().map(String::from).collect()));
    (
        maybe(select(CITIES).prop_map(|city| Value::Text(city.into()))),
        maybe((15i64..40).prop_map(Value::Integer)),
        maybe(quarters().prop_map(Value::Float)),
        maybe(any::<bool>().prop_map(Value::Bool)),
        maybe(days().prop_map(Value::Date)),
        maybe(times().prop_map(Value::Instant)),
        maybe(likes),
    )
        .prop_map(|(city, age, balance, vip, born, joined, likes)| {
            named(vec![
                ("city", city),
                ("age", age),
                ("balance", balance),
                ("vip", vip),
                ("born", born),
                ("joined", joined),
                ("likes", likes),
            ])
        })
}

pub fn properties() -> impl Strategy<Value = Values> {
    (
        maybe(quarters().prop_map(Value::Float)),
        maybe(select(PLATFORMS).prop_map(|platform| Value::Text(platform.into()))),
        maybe((0i64..4).prop_map(Value::Integer)),
        maybe(times().prop_map(Value::Instant)),
    )
        .prop_map(|(amount, platform, items, paid_at)| {
            named(vec![("amount", amount), ("platform", platform), ("items", items), ("paid_at", paid_at)])
        })
}

/// Quarters, which floats hold exactly; tenths, which they do not; eighths, which are no hundredths.
fn quarters() -> impl Strategy<Value = f64> {
    let of = |parts: f64| (-8i32..40).prop_map(move |n| n as f64 / parts);
    prop_oneof![3 => of(4.0), 2 => of(10.0), 1 => of(8.0)]
}

fn days() -> impl Strategy<Value = Day> {
    prop_oneof![
        Just("2000-02-29"),
        Just("1999-03-09"),
        Just("2001-03-15"),
        Just("1990-02-28"),
        Just("2026-03-09"),
        Just("2026-03-01")
    ]
    .prop_map(|text| Day::parse(text).unwrap())
}

/// Often exactly on the edge of some window.
pub fn times() -> impl Strategy<Value = Timestamp> {
    let whole = (-9i64..3, select(vec![-1i64, 0, 1])).prop_map(|(days, ms)| as_of().plus(days * DAY_MS + ms));
    let hours = (-240i64..30).prop_map(|hours| as_of().plus(hours * 3_600_000));
    prop_oneof![3 => whole, 3 => hours, 2 => (-40 * DAY_MS..DAY_MS).prop_map(|ms| as_of().plus(ms)), 8 => close()]
}

/// Close to each other: at the same time, or exactly a gap apart, or a millisecond off.
fn close() -> impl Strategy<Value = Timestamp> {
    let base = select(vec![0, -2 * HOUR_MS, -DAY_MS, -30 * DAY_MS]);
    let gap = select(vec![0, MINUTE_MS, HOUR_MS, 2 * HOUR_MS, DAY_MS]);
    (base, gap, select(vec![-1i64, 0, 0, 0, 1])).prop_map(|(base, gap, ms)| as_of().plus(base - gap + ms))
}

/// Selections of every form of the language.
pub fn selections() -> impl Strategy<Value = Selection> {
    let leaf = leaves().prop_map(Selection::Leaf);
    let tree = leaf.clone().prop_recursive(3, 12, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Selection::All),
            prop::collection::vec(inner.clone(), 0..4).prop_map(Selection::Any),
            inner.prop_map(|part| Selection::Not(Box::new(part))),
        ]
    });
    prop_oneof![2 => leaf, 1 => tree]
}

fn leaves() -> BoxedStrategy<Leaf> {
    let crowd = select(CROWDS).prop_map(|name| Leaf::Crowd(Name::new(name)));
    prop_oneof![
        3 => tags().prop_map(Leaf::Tag),
        4 => behaviours(),
        3 => details(),
        1 => crowd,
        3 => edges(),
        6 => sequences(),
        1 => samples(),
        1 => tops(),
    ]
    .boxed()
}

fn text(words: &'static [&'static str]) -> impl Strategy<Value = Literal> + Clone {
    select(words).prop_map(|word| literal(Written::Text(word.into())))
}

fn literal(value: Written) -> Literal {
    Literal { value, span: Default::default() }
}

fn number() -> impl Strategy<Value = Literal> + Clone {
    let whole = (-3i64..40).prop_map(Written::Integer);
    let quarter = (-8i32..40).prop_map(|n| Written::Float(n as f64 / 4.0 + 0.25));
    let tenth = (-8i32..60).prop_map(|n| Written::Float(n as f64 / 10.0));
    prop_oneof![whole, quarter, tenth].prop_map(literal)
}

fn moment() -> impl Strategy<Value = Literal> {
    moments().prop_map(|moment| literal(Written::Moment(moment)))
}

fn moments() -> impl Strategy<Value = Moment> {
    prop_oneof![
        Just("2026-03-09"),
        Just("2026-03-08"),
        Just("2026-03-01"),
        Just("2000-02-29"),
        Just("2026-03-08T10:00:00"),
        Just("2026-03-09T00:00:00+08:00")
    ]
    .prop_map(|text| Moment::parse(text).unwrap())
}

fn ops() -> impl Strategy<Value = Op> {
    select(vec![Op::Equal, Op::NotEqual, Op::Less, Op::LessEqual, Op::Greater, Op::GreaterEqual])
}

fn equalities() -> impl Strategy<Value = Op> {
    select(vec![Op::Equal, Op::NotEqual])
}

fn ordered(value: impl Strategy<Value = Literal> + Clone + 'static) -> BoxedStrategy<Test> {
    let several = prop::collection::vec(value.clone(), 1..3);
    prop_oneof![
        (ops(), value.clone()).prop_map(|(op, value)| Test::Compare(op, value)),
        (value.clone(), value).prop_map(|(low, high)| Test::Between(low, high)),
        several.clone().prop_map(Test::In),
        several.prop_map(Test::NotIn),
    ]
    .boxed()
}

fn worded(words: &'static [&'static str]) -> BoxedStrategy<Test> {
    let part = text(&["上", "海", "州", "i", "os", ""]);
    prop_oneof![
        (equalities(), text(words)).prop_map(|(op, value)| Test::Compare(op, value)),
        prop::collection::vec(text(words), 1..3).prop_map(Test::In),
        prop::collection::vec(text(words), 1..3).prop_map(Test::NotIn),
        part.clone().prop_map(Test::Contains),
        part.clone().prop_map(Test::StartsWith),
        part.prop_map(Test::EndsWith),
        text(&["^上", "州$", "i|京"]).prop_map(Test::Matches),
    ]
    .boxed()
}

fn timed() -> BoxedStrategy<Test> {
    prop_oneof![
        (ops(), moment()).prop_map(|(op, value)| Test::Compare(op, value)),
        (moment(), moment()).prop_map(|(low, high)| Test::Between(low, high)),
        windows().prop_map(Test::Inside),
        select(vec![0u32, 1, 7]).prop_map(|days_ahead| Test::Anniversary { days_ahead }),
    ]
    .boxed()
}

fn listed() -> BoxedStrategy<Test> {
    let some = prop::collection::vec(text(LIKES), 1..3);
    prop_oneof![
        some.clone().prop_map(Test::HasAny),
        some.clone().prop_map(Test::HasAll),
        some.prop_map(Test::HasNone)
    ]
    .boxed()
}

fn of(name: &'static str, test: BoxedStrategy<Test>) -> BoxedStrategy<Comparison> {
    prop_oneof![8 => test, 1 => Just(Test::Missing), 1 => Just(Test::Known)]
        .prop_map(move |test| Comparison { name: Name::new(name), test })
        .boxed()
}

fn tags() -> impl Strategy<Value = Comparison> {
    let flag = any::<bool>().prop_map(|flag| Test::Compare(Op::Equal, literal(Written::Bool(flag)))).boxed();
    prop_oneof![
        of("city", worded(CITIES)),
        of("age", ordered(number())),
        of("balance", ordered(number())),
        of("vip", flag),
        of("born", timed()),
        of("joined", timed()),
        of("likes", listed())
    ]
}

fn filters() -> impl Strategy<Value = Filter> {
    let timed = prop_oneof![
        (ops(), moment()).prop_map(|(op, value)| Test::Compare(op, value)),
        windows().prop_map(Test::Inside),
        (
            1u32..9,
            select(vec![Unit::Hour, Unit::Day, Unit::Month]),
            select(vec!["joined", "born", "paid_at"])
        )
            .prop_map(|(count, unit, of)| Test::Inside(Window::Within {
                count,
                unit,
                of: Name::new(of)
            })),
    ]
    .boxed();
    let test = prop_oneof![
        of("amount", ordered(number())),
        of("platform", worded(PLATFORMS)),
        of("items", ordered(number())),
        of("paid_at", timed)
    ];
    test.prop_map(Filter::Test).prop_recursive(2, 5, 2, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 2..3).prop_map(Filter::All),
            prop::collection::vec(inner.clone(), 2..3).prop_map(Filter::Any),
            inner.prop_map(|part| Filter::Not(Box::new(part))),
        ]
    })
}

fn measures() -> impl Strategy<Value = Measure> {
    let name = |name: &'static str| Just(Name::new(name));
    let numeric = || prop_oneof![name("amount"), name("items")];
    let metric = prop_oneof![
        2 => Just(Metric::Count),
        2 => Just(Metric::Days),
        1 => numeric().prop_map(Metric::Sum),
        1 => numeric().prop_map(Metric::Avg),
        1 => numeric().prop_map(Metric::Min),
        1 => numeric().prop_map(Metric::Max),
        2 => prop_oneof![numeric(), name("platform"), name("paid_at")].prop_map(Metric::Distinct),
    ];
    let small = (0i64..4).prop_map(|n| literal(Written::Integer(n)));
    let value = prop_oneof![small, number()];
    let test = prop_oneof![
        4 => (ops(), value.clone()).prop_map(|(op, value)| Test::Compare(op, value)),
        1 => (value.clone(), value).prop_map(|(low, high)| Test::Between(low, high)),
    ];
    (metric, test).prop_map(|(metric, test)| Measure { metric, test })
}

/// Windows of every family; not empty ranges only.
pub fn windows() -> impl Strategy<Value = Window> {
    let unit = || select(vec![Unit::Hour, Unit::Day, Unit::Week, Unit::Month]);
    let calendar = || select(vec![Unit::Day, Unit::Week, Unit::Month, Unit::Year]);
    prop_oneof![
        (1u32..10, unit()).prop_map(|(count, unit)| Window::Last { count, unit }),
        (1u32..10, calendar(), any::<bool>())
            .prop_map(|(count, unit, including_today)| Window::LastCalendar { count, unit, including_today }),
        select(vec![
            Window::Today,
            Window::Yesterday,
            Window::ThisWeek,
            Window::LastWeek,
            Window::ThisMonth,
            Window::LastMonth
        ]),
        (moments(), moments()).prop_map(|(from, to)| Window::Between { from, to }),
        moments().prop_map(Window::Before),
        moments().prop_map(Window::After),
        (1u32..9, unit(), select(vec!["joined", "born"])).prop_map(|(count, unit, of)| Window::Within {
            count,
            unit,
            of: Name::new(of)
        }),
    ]
}

fn behaviours() -> impl Strategy<Value = Leaf> {
    let event = prop::option::weighted(0.85, select(EVENTS).prop_map(Name::new));
    (event, prop::option::of(filters()), prop::option::of(measures()), prop::option::of(windows())).prop_map(
        |(event, filter, measure, window)| {
            Leaf::Behaviour(Behaviour { step: Step { event, filter }, measure, window })
        },
    )
}

fn details() -> impl Strategy<Value = Leaf> {
    let on = prop::option::weighted(0.3, Just(Name::new("paid_at")));
    (
        select(TABLES),
        prop::option::of(filters()),
        prop::option::of(measures()),
        on,
        prop::option::of(windows()),
    )
        .prop_map(|((table, is_timed), filter, measure, on, window)| {
            let window = window.filter(|_| is_timed || on.is_some());
            let on = on.filter(|_| window.is_some());
            let measure =
                measure.filter(|measure| is_timed || on.is_some() || measure.metric != Metric::Days);
            Leaf::Detail(Detail { table: Name::new(table), filter, measure, on, window })
        })
}

fn steps() -> impl Strategy<Value = Step> {
    let event = prop::option::weighted(0.85, select(EVENTS).prop_map(Name::new));
    (event, prop::option::weighted(0.25, filters())).prop_map(|(event, filter)| Step { event, filter })
}

/// Steps with a filter.
pub fn filtered_steps() -> impl Strategy<Value = Step> {
    (steps(), filters()).prop_map(|(step, filter)| Step { filter: Some(filter), ..step })
}

fn edges() -> impl Strategy<Value = Leaf> {
    (any::<bool>(), steps(), windows())
        .prop_map(|(is_first, step, window)| Leaf::Edge(Edge { is_first, step, window }))
}

/// Two to four steps, most of them near each other.
fn sequences() -> impl Strategy<Value = Leaf> {
    let several = prop_oneof![
        5 => prop::collection::vec(steps(), 2..3),
        2 => prop::collection::vec(steps(), 3..4),
        1 => prop::collection::vec(steps(), 4..5),
    ];
    let gap = select(vec![
        (1, Unit::Minute),
        (60, Unit::Minute),
        (1, Unit::Hour),
        (2, Unit::Hour),
        (7_200, Unit::Second),
        (1, Unit::Day),
        (3, Unit::Day),
        (1, Unit::Week),
        (1, Unit::Month),
    ]);
    let same = prop_oneof![
        4 => Just(vec![]),
        3 => select(vec!["platform", "amount", "items", "paid_at"]).prop_map(|name| vec![Name::new(name)]),
        1 => Just(vec![Name::new("items"), Name::new("platform")]),
    ];
    let tail = (same, prop::option::weighted(0.3, steps()), prop::option::weighted(0.5, windows()));
    (several, any::<bool>(), gap, tail).prop_map(|(steps, is_last_absent, gap, (same, without, window))| {
        Leaf::Sequence(Sequence { steps, is_last_absent, gap, same, without, window })
    })
}

fn samples() -> impl Strategy<Value = Leaf> {
    let share = prop_oneof![Just(0u32), Just(1_000_000), 0u32..=1_000_000].prop_map(Share);
    (share, select(vec!["春季", "b"])).prop_map(|(share, salt)| Leaf::Sample { share, salt: salt.into() })
}

fn tops() -> impl Strategy<Value = Leaf> {
    (1u64..14, select(vec!["age", "balance", "born", "joined"]))
        .prop_map(|(count, by)| Leaf::Top { count, by: Name::new(by) })
}
