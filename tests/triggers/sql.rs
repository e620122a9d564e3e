//! A second model of the plain rules, in SQL: what a rule says, asked of the whole stream at once, with no
//! word of the engine or of the first model.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, Int64Array, RecordBatch};
use arrow::datatypes::Int64Type;
use datafusion::prelude::{SessionConfig, SessionContext};
use proptest::prelude::*;
use quanke::base::{Timestamp, Zone};
use quanke::task::rule::*;
use quanke::trigger::{Decision, End, EventId, Occurrence, Predicate, State, Version};
use tokio::runtime::{Builder, Runtime};

use crate::model::{Event, Input};
use crate::random::{MINUTE, START};
use crate::run::play_on;
use crate::stream::{A_NOT_B, Stream};

const CASES: u32 = 60;

/// Questions over tables in memory; times are in milliseconds.
struct Asker {
    runtime: Runtime,
    context: SessionContext,
}

impl Asker {
    fn new() -> Asker {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let config = SessionConfig::new().with_target_partitions(1);
        Asker { runtime, context: SessionContext::new_with_config(config) }
    }

    fn table(&self, name: &str, columns: Vec<(&str, ArrayRef)>) {
        let batch = RecordBatch::try_from_iter(columns).unwrap();
        self.context.register_batch(name, batch).unwrap();
    }

    /// The rows of a question whose columns are whole numbers.
    fn rows(&self, sql: &str) -> Vec<Vec<i64>> {
        let batches = self.runtime.block_on(async {
            let frame = self.context.sql(sql).await.unwrap_or_else(|e| panic!("{sql}\n{e}"));
            frame.collect().await.unwrap_or_else(|e| panic!("{sql}\n{e}"))
        });
        let cell = |column: &ArrayRef, row: usize| {
            let column = arrow::compute::cast(column, &arrow::datatypes::DataType::Int64).unwrap();
            column.as_primitive::<Int64Type>().value(row)
        };
        let rows = |batch: &RecordBatch| -> Vec<Vec<i64>> {
            (0..batch.num_rows()).map(|row| batch.columns().iter().map(|c| cell(c, row)).collect()).collect()
        };
        batches.iter().flat_map(rows).collect()
    }
}

/// What fires of "A, then no B within the gap", each A its own window, with the ends of the window closed or
/// open.
fn each_sql(left: &str, right: &str) -> String {
    format!(
        "select count(*) from a where not exists (select 1 from b where b.user_no = a.user_no \
         and b.at {left} a.at and b.at {right} a.at + {gap})",
        gap = A_NOT_B.2 * MINUTE
    )
}

/// The four conventions differ on a stream whose times lie on whole minutes, so that each shows which of
/// them an engine follows; ours is closed at both ends.
// proves: S2.47 S2.49
#[test]
fn sql_gives_the_known_answer_of_every_convention() {
    let stream = Stream::of(1_000_000, 100_000, 60_000);
    let asker = Asker::new();
    let of_kind = |kind: u16| {
        let kinds = &stream.kinds;
        let rows = || (0..kinds.len()).filter(move |row| kinds[*row] == kind);
        let users: ArrayRef =
            Arc::new(Int64Array::from_iter_values(rows().map(|r| i64::from(stream.users[r]))));
        let times: ArrayRef = Arc::new(Int64Array::from_iter_values(rows().map(|r| stream.times[r])));
        vec![("user_no", users), ("at", times)]
    };
    asker.table("a", of_kind(A_NOT_B.0));
    asker.table("b", of_kind(A_NOT_B.1));
    let fires = |left, right| asker.rows(&each_sql(left, right))[0][0];
    assert_eq!(fires(">=", "<="), 59_910, "closed at both ends: ours");
    assert_eq!(fires(">=", "<"), 61_166, "closed at A");
    assert_eq!(fires(">", "<="), 60_793, "closed at the deadline");
    assert_eq!(fires(">", "<"), 62_072, "open at both ends");
}

#[test]
fn sql_gives_the_known_answer_of_a_finer_stream() {
    let stream = Stream::of(1_000_000, 100_000, 1);
    let asker = Asker::new();
    let kinds: ArrayRef = Arc::new(Int64Array::from_iter_values(stream.kinds.iter().map(|k| i64::from(*k))));
    let users: ArrayRef = Arc::new(Int64Array::from_iter_values(stream.users.iter().map(|u| i64::from(*u))));
    let times: ArrayRef = Arc::new(Int64Array::from(stream.times.clone()));
    asker.table("events", vec![("kind", kinds), ("user_no", users), ("at", times)]);
    let sql = each_sql(">=", "<").replace("from a ", "from (select * from events where kind = 0) a ");
    let sql = sql.replace("from b ", "from (select * from events where kind = 1) b ");
    assert_eq!(asker.rows(&sql)[0][0], 60_620);
}

/// A plain rule.
#[derive(Debug, Clone)]
struct Plain {
    /// `None` is a completed A.
    again: Option<Again>,
    count: Count,
    gap: i64,
    is_same: bool,
    /// The task's validity, in minutes from the start.
    valid: (i64, i64),
}

/// A is event 0, B is event 1; bit 0 of the mask is the filter of both.
fn version(plain: &Plain) -> Version {
    let absence = plain.again.map(|again| Absence {
        not_done: String::new(),
        gap_ms: plain.gap,
        again,
        same: None,
        late_b: LateB::Cancel,
    });
    let one = crate::stream::one_rule(A_NOT_B);
    Version {
        rule: Rule { absence, count: plain.count, on_end: OnEnd::Drop, ..one.rule },
        did: Predicate { event: 0, bit: 0 },
        not_done: plain.again.map(|_| Predicate { event: 1, bit: 0 }),
        same: plain.is_same.then_some((0, 1)),
        start: Timestamp(START + plain.valid.0 * MINUTE),
        end: Timestamp(START + plain.valid.1 * MINUTE),
        zone: Zone::default(),
        ..one
    }
}

/// What fires by the engine: user, and the A's id, or the number of the A.
fn engine(plain: &Plain, events: &[Event]) -> BTreeSet<(i64, i64)> {
    let mut log = vec![Input::Tick(START - MINUTE), Input::Install(1, Box::new(version(plain)))];
    log.push(Input::Audience(1, None));
    log.extend(events.iter().cloned().map(Input::Event));
    log.push(Input::Watermark(START + 100_000 * MINUTE));
    let fired = |decision: &Decision| matches!(decision.end, End::Fired { .. });
    let name = |decision: Decision| match decision.occurrence {
        Occurrence::A { id: EventId::Number(id), .. } => (i64::from(decision.user), id as i64),
        Occurrence::Nth { nth, .. } => (i64::from(decision.user), i64::from(nth)),
        other => panic!("{other:?}"),
    };
    play_on(&mut State::new(1), &log, 64).into_iter().filter(fired).map(name).collect()
}

/// What fires by SQL.
fn sql(plain: &Plain, events: &[Event]) -> BTreeSet<(i64, i64)> {
    let asker = Asker::new();
    let number = |of: &dyn Fn(&Event) -> i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values(events.iter().map(of)))
    };
    let same = |side: usize| -> ArrayRef {
        Arc::new(events.iter().map(|e| Some(e.same[side] as i64).filter(|v| *v != 0)).collect::<Int64Array>())
    };
    let fits: ArrayRef = Arc::new(BooleanArray::from_iter(events.iter().map(|e| Some(e.mask & 1 == 1))));
    let id = |e: &Event| match e.id {
        EventId::Number(id) => id as i64,
        _ => -1,
    };
    asker.table(
        "events",
        vec![
            ("kind", number(&|e| i64::from(e.event))),
            ("user_no", number(&|e| i64::from(e.user))),
            ("at", number(&|e| e.time)),
            ("id", number(&id)),
            ("fits", fits),
            ("same_a", same(0)),
            ("same_b", same(1)),
        ],
    );
    let rows = asker.rows(&question(plain));
    rows.into_iter().map(|row| (row[0], row[1])).collect()
}

fn question(plain: &Plain) -> String {
    let (start, end) = (START + plain.valid.0 * MINUTE, START + plain.valid.1 * MINUTE);
    let a = format!(
        "a as (select user_no, at, id, same_a, row_number() over (partition by user_no order by at, id) as nth \
         from events where kind = 0 and fits and at >= {start} and at < {end})"
    );
    let b = "b as (select user_no, at, same_b from events where kind = 1 and fits)";
    let alike = if plain.is_same { "and b.same_b = a.same_a" } else { "" };
    let gap = plain.gap;
    let answered =
        format!("from b where b.user_no = a.user_no {alike} and b.at >= a.at and b.at <= a.at + {gap}");
    let counted = match plain.count {
        Count::Every(n) => format!("nth % {n} = 0"),
        Count::Total { n, .. } => format!("nth = {n}"),
    };
    match plain.again {
        None => format!("with {a} select user_no, nth from a where {counted}"),
        Some(Again::First) => format!(
            "with recursive {a}, {b},
             ends as (select a.user_no, a.nth, a.id, a.at, min(b.at) as answer from a left join b
                 on b.user_no = a.user_no and b.at >= a.at and b.at <= a.at + {gap}
                 group by a.user_no, a.nth, a.id, a.at),
             nexts as (select e.user_no, e.nth, min(a.nth) as next from ends e join a on a.user_no = e.user_no
                 and a.nth > e.nth and (a.at > e.at + {gap} or (e.answer is not null and a.at >= e.answer))
                 group by e.user_no, e.nth),
             opened as (select user_no, nth from a where nth = 1
                 union all select n.user_no, n.next from opened o join nexts n
                 on n.user_no = o.user_no and n.nth = o.nth)
             select e.user_no, e.id from ends e join opened o on o.user_no = e.user_no and o.nth = e.nth
             where e.answer is null and e.at + {gap} < {end}"
        ),
        Some(_) => format!(
            "with {a}, {b} select user_no, id from a where {counted} and at + {gap} < {end}
             and not exists (select 1 {answered})"
        ),
    }
}

fn plains() -> BoxedStrategy<Plain> {
    let valid =
        (prop_oneof![2 => Just(0i64), 1 => 0..15i64], prop_oneof![2 => Just(90_000i64), 1 => 20..60i64]);
    let counts = prop_oneof![
        2 => Just(Count::Every(1)),
        1 => (2..4u32).prop_map(Count::Every),
        1 => (1..4u32).prop_map(|n| Count::Total { n, per: Per::Whole }),
    ];
    let kinds = prop_oneof![
        2 => (Just(None), counts.clone(), Just(false)),
        3 => (Just(Some(Again::Each)), counts, any::<bool>()),
        // Which window an A belongs to when its B may answer another order is for timelines to say.
        3 => Just((Some(Again::First), Count::Every(1), false)),
    ];
    (kinds, 1..8i64, valid)
        .prop_map(|((again, count, is_same), gap, valid)| Plain {
            again,
            count,
            gap: gap * MINUTE,
            is_same,
            valid,
        })
        .boxed()
}

/// Events in the order of time, on a grid of half minutes, so that equal times and exact ends are common.
fn streams() -> BoxedStrategy<Vec<Event>> {
    let event = (0..3i64, 0..3u32, 0..2u16, 0..2u64, [0..3u128, 0..3u128]);
    prop::collection::vec(event, 1..80)
        .prop_map(|all| {
            let mut time = START;
            let events = all.into_iter().zip(1_000_000u64..);
            let event = |((on, user, event, mask, same), id): ((i64, u32, u16, u64, [u128; 2]), u64)| {
                time += on * MINUTE / 2;
                Event { user, time, arrival: time, event, mask, id: EventId::Number(id), same }
            };
            events.map(event).collect()
        })
        .boxed()
}

/// proves: S2.31
#[test]
fn the_engine_fires_what_sql_finds() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse::<u32>().ok());
    let cases = cases.map_or(CASES, |cases| (cases / 200).max(1));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&(plains(), streams()), |(plain, events)| {
            prop_assert_eq!(engine(&plain, &events), sql(&plain, &events), "{:?}", plain);
            Ok(())
        })
        .unwrap();
}
