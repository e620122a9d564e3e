//! A second, independent model of selections: the same question in SQL, over the tables of `quanke sql`,
//! must find the same users as our engine, on random worlds.

use proptest::prelude::*;
use proptest::sample::select;
use quanke::audience::Audiences;
use quanke::base::Timestamp;
use quanke::sql::{Source, ask, session, text};
use quanke::store::Home;
use roaring::RoaringBitmap;
use tokio::runtime::{Builder, Runtime};

use super::random::worlds;
use super::world::folder;

/// A selection, and a `select user_no …` that means the same.
#[derive(Debug, Clone)]
struct Pair {
    selection: String,
    sql: String,
}

fn pair(selection: String, sql: String) -> Pair {
    Pair { selection, sql }
}

/// Users of whom something is true.
fn users(selection: String, condition: String) -> Pair {
    pair(selection, format!("select user_no from users where {condition}"))
}

/// Users whose rows of a table, grouped, fit; the rows' condition first.
fn grouped(selection: String, table: &str, rows: &str, having: &str) -> Pair {
    pair(selection, format!("select user_no from {table} where {rows} group by user_no having {having}"))
}

/// The users beside those: nobody's rows are asked.
fn beside(selection: String, rows: &str) -> Pair {
    pair(selection, format!("select user_no from users except {rows}"))
}

const CITIES: &[&str] = &["上海", "北京", "杭州", "广州", "成都"];
const EVENTS: &[&str] = &["view", "share", "pay"];
const OPS: &[&str] = &["=", "<", "<=", ">", ">="];
const LIKES: &[&str] = &["美食", "旅行", "美妆"];

fn last(days: i64) -> String {
    format!("time > now() - interval '{} hours'", days * 24)
}

fn tags() -> BoxedStrategy<Pair> {
    let city = || select(CITIES);
    prop_oneof![
        city().prop_map(|c| users(format!("city = '{c}'"), format!("city = '{c}'"))),
        city().prop_map(|c| users(format!("city != '{c}'"), format!("city <> '{c}'"))),
        city().prop_map(|c| users(format!("not city = '{c}'"), format!("city is distinct from '{c}'"))),
        (14i64..41, 0i64..9).prop_map(|(a, n)| {
            users(format!("age between {a} and {}", a + n), format!("age between {a} and {}", a + n))
        }),
        (select(OPS), -8i64..40).prop_map(|(op, n)| {
            let n = n as f64 / 4.0;
            users(format!("balance {op} {n:?}"), format!("balance {op} {n:?}"))
        }),
        select(LIKES).prop_map(|x| {
            users(
                format!("likes has any of ('{x}', '美食')"),
                format!("array_has_any(likes, ['{x}', '美食'])"),
            )
        }),
        select(LIKES).prop_map(|x| {
            users(
                format!("likes has none of ('{x}')"),
                format!("coalesce(not array_has(likes, '{x}'), true)"),
            )
        }),
        Just(users(
            "joined >= 2026-03-08 and city is known".into(),
            "joined >= '2026-03-08' and city is not null".into()
        )),
        Just(users("born is missing or vip = true".into(), "born is null or vip".into())),
    ]
    .boxed()
}

fn behaviours() -> BoxedStrategy<Pair> {
    let event = || select(EVENTS);
    prop_oneof![
        (event(), 1i64..4, 1i64..10).prop_map(|(e, k, d)| {
            let rows = format!("event = '{e}' and {}", last(d));
            grouped(format!("did {e} count >= {k} in last {d} days"), "events", &rows, &format!("count(*) >= {k}"))
        }),
        (event(), -4i64..16).prop_map(|(e, n)| {
            // A user without such a row has the sum 0.
            let sum = n as f64 / 2.0;
            let sql = format!(
                "select u.user_no from users u left join (select * from events where event = '{e}' and items > 0) e \
                 on u.user_no = e.user_no group by u.user_no having coalesce(sum(e.amount), 0) > {sum:?}"
            );
            pair(format!("did {e} where items > 0 sum(amount) > {sum:?}"), sql)
        }),
        (event(), 1i64..10).prop_map(|(e, d)| {
            let rows = format!("select user_no from events where event = '{e}' and {}", last(d));
            beside(format!("not did {e} in last {d} days"), &rows)
        }),
        (event(), 1i64..4).prop_map(|(e, k)| {
            let rows = format!(
                "select user_no from events where event = '{e}' group by user_no having count(*) >= {k}"
            );
            beside(format!("did {e} count < {k}"), &rows)
        }),
        (1i64..4).prop_map(|k| {
            grouped(
                format!("did any days >= {k}"),
                "events",
                "true",
                &format!("count(distinct cast(time as date)) >= {k}"),
            )
        }),
        (event(), select(OPS), 0i64..12).prop_map(|(e, op, n)| {
            let n = n as f64 / 4.0;
            let having = format!("avg(amount) {op} {n:?}");
            grouped(format!("did {e} avg(amount) {op} {n:?}"), "events", &format!("event = '{e}'"), &having)
        }),
        event().prop_map(|e| {
            let rows = format!("event = '{e}' and platform is not null");
            let having = "count(distinct platform) = 2";
            grouped(format!("did {e} distinct(platform) = 2"), "events", &rows, having)
        }),
        event().prop_map(|e| {
            let rows = format!("event = '{e}' and time >= '2026-03-01' and time < '2026-03-09'");
            grouped(format!("did {e} from 2026-03-01 to 2026-03-08"), "events", &rows, "true")
        }),
        (event(), 1i64..9).prop_map(|(e, d)| {
            let sql = format!(
                "select distinct u.user_no from users u join events e on u.user_no = e.user_no where e.event = '{e}' \
                 and e.time >= u.joined and e.time < u.joined + interval '{} hours'",
                d * 24
            );
            pair(format!("did {e} within {d} days of joined"), sql)
        }),
    ]
    .boxed()
}

fn details() -> BoxedStrategy<Pair> {
    prop_oneof![
        (1i64..4, -4i64..20).prop_map(|(k, n)| {
            let n = n as f64 / 4.0;
            let (rows, having) = (format!("amount >= {n:?}"), format!("count(*) >= {k}"));
            grouped(format!("has orders where amount >= {n:?} count >= {k}"), "orders", &rows, &having)
        }),
        (1i64..10).prop_map(|d| {
            grouped(
                format!("has orders max(items) >= 2 in last {d} days"),
                "orders",
                &last(d),
                "max(items) >= 2",
            )
        }),
        Just(grouped(
            "has relations where platform = 'ios' or items = 1".into(),
            "details.relations",
            "platform = 'ios' or items = 1",
            "true"
        )),
    ]
    .boxed()
}

struct Asker {
    runtime: Runtime,
    context: datafusion::prelude::SessionContext,
}

impl Asker {
    fn new(folder: &std::path::Path, as_of: Timestamp) -> Asker {
        let home = Home::at(&folder.join("home"), "default").unwrap();
        let source = Source::new(home.snapshot().unwrap(), Audiences::open(&home).unwrap(), as_of).unwrap();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Asker { runtime, context: session(&source, 2, 1 << 28).unwrap() }
    }

    /// The only value of a question.
    fn one(&self, sql: &str) -> String {
        self.runtime.block_on(async {
            let mut answer = ask(&self.context, sql).await.unwrap_or_else(|p| panic!("{sql}\n{p}"));
            let batch = answer.next().await.unwrap().unwrap();
            text(batch.column(0), 0, Default::default()).unwrap()
        })
    }

    /// The users of a `select user_no …`, as the bitmap that SQL makes of them.
    fn users(&self, sql: &str) -> RoaringBitmap {
        let digits = self.one(&format!("select bitmap_agg(user_no) from ({sql}) t"));
        let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
        let bytes: Vec<u8> = (0..digits.len()).step_by(2).map(byte).collect();
        RoaringBitmap::deserialize_from(bytes.as_slice()).unwrap()
    }
}

/// proves: S2.23
#[test]
fn sql_finds_the_users_that_a_selection_finds() {
    let config = ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() };
    let pairs = (
        prop::collection::vec(tags(), 5),
        prop::collection::vec(behaviours(), 5),
        prop::collection::vec(details(), 2),
    );
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&(worlds(), pairs), |(world, (tags, behaviours, details))| {
            let folder = folder();
            world.store(folder.path());
            let asker = Asker::new(folder.path(), world.as_of);
            for pair in tags.iter().chain(&behaviours).chain(&details) {
                let quoted = pair.selection.replace('\'', "''");
                let ours = format!("select user_no from users where in_selection('{quoted}')");
                prop_assert_eq!(asker.users(&ours), asker.users(&pair.sql), "{:?}", pair);
            }
            Ok(())
        })
        .unwrap();
}
