//! Made-up selections for property tests, over any names or over those of a made-up world.
//!
//! Everything the parser can make comes up: all leaves, tests, windows, metrics, joins of nothing
//! and of one part, names that need quotes, values with quotes and line ends.

use chrono::{FixedOffset, NaiveTime};
use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::select;

use crate::base::{Day, Moment, Name, Share, Unit, Window};
use crate::select::ast::*;

/// Where names and values come from; give the strategies of a world to get selections that bind.
#[derive(Clone)]
pub(crate) struct Words {
    pub tags: BoxedStrategy<String>,
    pub events: BoxedStrategy<String>,
    pub properties: BoxedStrategy<String>,
    pub tables: BoxedStrategy<String>,
    pub crowds: BoxedStrategy<String>,
    pub values: BoxedStrategy<Written>,
}

impl Words {
    /// Any names and values at all: keywords, spaces, quotes, signs, Chinese.
    pub(crate) fn any() -> Words {
        let name = || prop_oneof![tricky_name(), "[a-z_$性别年龄][a-z0-9_.$]{0,6}", any_text(1)].boxed();
        Words {
            tags: name(),
            events: name(),
            properties: name(),
            tables: name(),
            crowds: name(),
            values: value(),
        }
    }
}

/// Selections over any names.
pub(crate) fn selections() -> BoxedStrategy<Selection> {
    selections_over(&Words::any())
}

/// Selections over the words of a world.
pub(crate) fn selections_over(words: &Words) -> BoxedStrategy<Selection> {
    let leaf = leaf(words).prop_map(Selection::Leaf);
    let tree = leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            4 => vec(inner.clone(), 0..4).prop_map(Selection::All),
            4 => vec(inner.clone(), 0..4).prop_map(Selection::Any),
            2 => inner.prop_map(|inner| Selection::Not(Box::new(inner))),
        ]
    });
    tree.boxed()
}

/// One leaf.
pub(crate) fn leaf(words: &Words) -> BoxedStrategy<Leaf> {
    let share = (0u32..=1_000_000).prop_map(Share);
    prop_oneof![
        4 => comparison(words, &words.tags).prop_map(Leaf::Tag),
        4 => behaviour(words).prop_map(Leaf::Behaviour),
        1 => edge(words).prop_map(Leaf::Edge),
        2 => sequence(words).prop_map(Leaf::Sequence),
        2 => detail(words).prop_map(Leaf::Detail),
        1 => name(&words.crowds).prop_map(Leaf::Crowd),
        1 => (share, any_text(0)).prop_map(|(share, salt)| Leaf::Sample { share, salt }),
        1 => (1..=i64::MAX as u64, name(&words.tags)).prop_map(|(count, by)| Leaf::Top { count, by }),
    ]
    .boxed()
}

/// A filter over the properties of the words.
pub(crate) fn filter(words: &Words) -> BoxedStrategy<Filter> {
    let test = comparison(words, &words.properties).prop_map(Filter::Test);
    let tree = test.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            4 => vec(inner.clone(), 0..4).prop_map(Filter::All),
            4 => vec(inner.clone(), 0..4).prop_map(Filter::Any),
            2 => inner.prop_map(|inner| Filter::Not(Box::new(inner))),
        ]
    });
    tree.boxed()
}

/// `EVENT [where FILTER]`
pub(crate) fn step(words: &Words) -> BoxedStrategy<Step> {
    (of(name(&words.events)), of(filter(words))).prop_map(|(event, filter)| Step { event, filter }).boxed()
}

/// Any window.
pub(crate) fn window(words: &Words) -> BoxedStrategy<Window> {
    let calendar = select(vec![Unit::Day, Unit::Week, Unit::Month, Unit::Year]);
    let words_only = vec![
        Window::Today,
        Window::Yesterday,
        Window::ThisWeek,
        Window::LastWeek,
        Window::ThisMonth,
        Window::LastMonth,
    ];
    prop_oneof![
        (count(), unit()).prop_map(|(count, unit)| Window::Last { count, unit }),
        (count(), calendar, any::<bool>()).prop_map(|(count, unit, including_today)| Window::LastCalendar {
            count,
            unit,
            including_today
        }),
        select(words_only),
        (moment(), moment()).prop_map(|(from, to)| Window::Between { from, to }),
        moment().prop_map(Window::Before),
        moment().prop_map(Window::After),
        (count(), unit(), name(&words.tags)).prop_map(|(count, unit, of)| Window::Within { count, unit, of }),
    ]
    .boxed()
}

fn name(text: &BoxedStrategy<String>) -> BoxedStrategy<Name> {
    text.clone().prop_map(Name::new).boxed()
}

/// Names that a careless printer or lexer gets wrong.
fn tricky_name() -> BoxedStrategy<String> {
    let names = [
        "count",
        "AND",
        "any",
        "任意",
        "非会员",
        "非",
        "week",
        "days",
        "手机 品牌",
        "a\"b",
        "a'b",
        "1st",
        "a-b",
        "$url",
        "a.b",
        "True",
        "#x",
        "（x）",
        "x\ny",
        "last",
        "2026-01-01",
    ];
    select(names.map(String::from).to_vec()).boxed()
}

/// Any text of at least `min` characters, full of quotes.
fn any_text(min: usize) -> BoxedStrategy<String> {
    let part = prop_oneof![3 => any::<char>().prop_map(String::from), 2 => select(vec!["'", "\"", "''", " ", "\n", "女", "#"]).prop_map(String::from)];
    vec(part, min..6).prop_map(|parts| parts.concat()).boxed()
}

fn count() -> BoxedStrategy<u32> {
    prop_oneof![Just(1), 2u32..60, 1u32..].boxed()
}

fn unit() -> BoxedStrategy<Unit> {
    let units = [Unit::Second, Unit::Minute, Unit::Hour, Unit::Day, Unit::Week, Unit::Month, Unit::Year];
    select(units.to_vec()).boxed()
}

fn moment() -> BoxedStrategy<Moment> {
    let clock = (0u32..86_400, select(vec![0u32, 1, 250, 999]))
        .prop_map(|(second, ms)| NaiveTime::from_num_seconds_from_midnight_opt(second, ms * 1_000_000));
    let offset = select(vec![
        None,
        FixedOffset::east_opt(0),
        FixedOffset::east_opt(28_800),
        FixedOffset::west_opt(12_600),
    ]);
    let day = (0i32..60_000).prop_map(Day);
    (day, of(clock), offset)
        .prop_map(|(day, time, offset)| {
            let time = time.flatten();
            Moment { day, time, offset: offset.filter(|_| time.is_some()) }
        })
        .boxed()
}

fn value() -> BoxedStrategy<Written> {
    let finite = any::<f64>().prop_filter("finite", |number| number.is_finite());
    prop_oneof![
        any_text(0).prop_map(Written::Text),
        any::<i64>().prop_map(Written::Integer),
        (-1000i64..1000).prop_map(Written::Integer),
        finite.prop_map(Written::Float),
        any::<bool>().prop_map(Written::Bool),
        moment().prop_map(Written::Moment),
    ]
    .boxed()
}

fn literal(words: &Words) -> BoxedStrategy<Literal> {
    words.values.clone().prop_map(|value| Literal { value, span: Default::default() }).boxed()
}

fn op() -> BoxedStrategy<Op> {
    let ops = [Op::Equal, Op::NotEqual, Op::Less, Op::LessEqual, Op::Greater, Op::GreaterEqual];
    select(ops.to_vec()).boxed()
}

/// A test as it may follow a metric.
fn number_test(words: &Words) -> BoxedStrategy<Test> {
    prop_oneof![
        3 => (op(), literal(words)).prop_map(|(op, value)| Test::Compare(op, value)),
        1 => (literal(words), literal(words)).prop_map(|(low, high)| Test::Between(low, high)),
    ]
    .boxed()
}

fn comparison(words: &Words, names: &BoxedStrategy<String>) -> BoxedStrategy<Comparison> {
    (name(names), test(words)).prop_map(|(name, test)| Comparison { name, test }).boxed()
}

fn test(words: &Words) -> BoxedStrategy<Test> {
    let list = || vec(literal(words), 1..4);
    prop_oneof![
        6 => number_test(words),
        1 => list().prop_map(Test::In),
        1 => list().prop_map(Test::NotIn),
        1 => list().prop_map(Test::HasAny),
        1 => list().prop_map(Test::HasAll),
        1 => list().prop_map(Test::HasNone),
        1 => select(vec![Test::Missing, Test::Known]),
        2 => literal(words).prop_flat_map(|value| select(vec![
            Test::Contains(value.clone()),
            Test::StartsWith(value.clone()),
            Test::EndsWith(value.clone()),
            Test::Matches(value),
        ])),
        2 => window(words).prop_map(Test::Inside),
        1 => prop_oneof![Just(0), any::<u32>()].prop_map(|days_ahead| Test::Anniversary { days_ahead }),
    ]
    .boxed()
}

fn measure(words: &Words) -> BoxedStrategy<Measure> {
    let metric = name(&words.properties).prop_flat_map(|property| {
        select(vec![
            Metric::Count,
            Metric::Days,
            Metric::Sum(property.clone()),
            Metric::Avg(property.clone()),
            Metric::Min(property.clone()),
            Metric::Max(property.clone()),
            Metric::Distinct(property),
        ])
    });
    (metric, number_test(words)).prop_map(|(metric, test)| Measure { metric, test }).boxed()
}

fn behaviour(words: &Words) -> BoxedStrategy<Behaviour> {
    (step(words), of(measure(words)), of(window(words)))
        .prop_map(|(step, measure, window)| Behaviour { step, measure, window })
        .boxed()
}

fn edge(words: &Words) -> BoxedStrategy<Edge> {
    (any::<bool>(), step(words), window(words))
        .prop_map(|(is_first, step, window)| Edge { is_first, step, window })
        .boxed()
}

fn sequence(words: &Words) -> BoxedStrategy<Sequence> {
    let steps = (vec(step(words), 2..4), any::<bool>());
    let tail = (vec(name(&words.properties), 0..3), of(step(words)), of(window(words)));
    (steps, count(), unit(), tail)
        .prop_map(|((steps, is_last_absent), count, unit, (same, without, window))| Sequence {
            steps,
            is_last_absent,
            gap: (count, unit),
            same,
            without,
            window,
        })
        .boxed()
}

fn detail(words: &Words) -> BoxedStrategy<Detail> {
    (
        name(&words.tables),
        of(filter(words)),
        of(measure(words)),
        of(name(&words.properties)),
        of(window(words)),
    )
        .prop_map(|(table, filter, measure, on, window)| {
            let on = on.filter(|_| window.is_some());
            Detail { table, filter, measure, on, window }
        })
        .boxed()
}
