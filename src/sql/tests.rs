//! Questions over an empty home: functions, mistakes, what may be asked. Tables with rows are asked
//! through the command line, in `cli::tests`, and on random worlds, in `tests/worlds`.

use datafusion::prelude::SessionContext;
use proptest::prelude::*;
use roaring::RoaringBitmap;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::audience::Audiences;
use crate::base::{Problem, Problems, Timestamp};
use crate::store::Home;

/// 2026-03-01T12:00+08:00.
const NOW: Timestamp = Timestamp(1_772_337_600_000);

struct Bench {
    _folder: TempDir,
    source: Source,
    context: SessionContext,
    runtime: Runtime,
}

fn bench() -> Bench {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(folder.path(), "default").unwrap();
    let source = Source::new(home.snapshot().unwrap(), Audiences::open(&home).unwrap(), NOW).unwrap();
    let context = session(&source, 2, 64 << 20).unwrap();
    let runtime =
        Builder::new_multi_thread().worker_threads(1).thread_stack_size(64 << 20).enable_all().build();
    Bench { _folder: folder, source, context, runtime: runtime.unwrap() }
}

impl Bench {
    /// All rows as lines of JSON.
    fn rows(&self, sql: &str) -> Result<Vec<String>, Problems> {
        let (context, sql, zone) = (self.context.clone(), sql.to_string(), self.source.zone());
        let asked = self.runtime.spawn(async move {
            let mut answer = ask(&context, &sql).await?;
            let mut rows = Vec::new();
            while let Some(batch) = answer.next().await {
                let batch = batch?;
                rows.extend((0..batch.num_rows()).map(|row| json_row(&batch, row, zone).to_string()));
            }
            Ok(rows)
        });
        self.runtime.block_on(asked).unwrap()
    }

    fn one(&self, sql: &str) -> String {
        self.rows(sql).unwrap_or_else(|problems| panic!("{sql}\n{problems}")).join("\n")
    }

    fn problem(&self, sql: &str) -> Problem {
        self.rows(sql).unwrap_err().0.remove(0)
    }
}

#[test]
fn an_empty_home_has_its_tables() {
    let bench = bench();
    for table in ["users", "events", "crowds", "crowd_versions"] {
        assert_eq!(bench.one(&format!("select count(*) as n from {table}")), r#"{"n":0}"#);
    }
    assert_eq!(bench.one("select count(*) n from users where in_selection('all ()')"), r#"{"n":0}"#);
}

#[test]
fn bitmaps_are_counted_joined_and_asked() {
    let bench = bench();
    let numbers = |list: &str| format!("(select bitmap_agg(x) from unnest({list}) as t(x))");
    let (a, b) = (numbers("[1, 2, 3, 70000]"), numbers("[2, 3, 4]"));
    let count = |sql: &str| bench.one(&format!("select bitmap_count({sql}) as n"));
    assert_eq!(count(&a), r#"{"n":4}"#);
    assert_eq!(count(&format!("bitmap_and({a}, {b})")), r#"{"n":2}"#);
    assert_eq!(count(&format!("bitmap_or({a}, {b})")), r#"{"n":5}"#);
    assert_eq!(count(&format!("bitmap_andnot({a}, {b})")), r#"{"n":2}"#);
    let asked = bench
        .one(&format!("select x, bitmap_contains({a}, x) as h from unnest([70000, 5, -1, null]) as t(x)"));
    let lines = [
        r#"{"x":70000,"h":true}"#,
        r#"{"x":5,"h":false}"#,
        r#"{"x":-1,"h":false}"#,
        r#"{"x":null,"h":null}"#,
    ];
    assert_eq!(asked, lines.join("\n"));
}

#[test]
fn nothing_makes_an_empty_bitmap_and_a_missing_bitmap_stays_missing() {
    let bench = bench();
    assert_eq!(bench.one("select bitmap_count(bitmap_agg(user_no)) as n from users"), r#"{"n":0}"#);
    assert_eq!(
        bench.one("select bitmap_count(null) as n, bitmap_and(null, null) as b"),
        r#"{"n":null,"b":null}"#
    );
    assert_eq!(bench.problem("select bitmap_count(x'0102')").code, "SQL-005");
    assert_eq!(bench.problem("select bitmap_agg(-1)").code, "SQL-005");
    assert_eq!(bench.problem("select bitmap_agg('u1')").code, "SQL-003");
    assert_eq!(bench.problem("select bitmap_contains(1, 1)").code, "SQL-003");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    /// The twin: Roaring itself. Groups and partial states meet on the way.
    #[test]
    fn gathering_agrees_with_roaring(numbers in prop::collection::vec(0u32..200_000, 1..60)) {
        let bench = bench();
        let list: Vec<String> = numbers.iter().map(u32::to_string).collect();
        let from = format!("unnest([{}]) as t(x)", list.join(", "));
        let whole: RoaringBitmap = numbers.iter().copied().collect();
        let mut bytes = Vec::new();
        whole.serialize_into(&mut bytes).unwrap();
        let digits: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        prop_assert_eq!(bench.one(&format!("select bitmap_agg(x) as b from {from}")), format!(r#"{{"b":"{digits}"}}"#));
        let groups = format!("select sum(n) as n from (select x % 3, bitmap_count(bitmap_agg(x)) as n from {from} group by x % 3)");
        prop_assert_eq!(bench.one(&groups), format!(r#"{{"n":{}}}"#, whole.len()));
    }
}

#[test]
fn the_clock_is_the_as_of_and_there_is_no_chance() {
    let bench = bench();
    let told = r#"{"a":"2026-03-01T12:00:00.000+08:00","b":"2026-03-01T12:00:00.000+08:00","c":"2026-03-01","d":"2026-03-01"}"#;
    assert_eq!(bench.one("select now() as a, current_timestamp as b, current_date as c, today() as d"), told);
    for sql in ["select random()", "select uuid()", "select current_time"] {
        assert_eq!(bench.problem(sql).code, "SQL-002", "{sql}");
    }
}

#[test]
fn mistakes_have_a_place_and_near_names() {
    let bench = bench();
    let told = |sql: &str| {
        let problem = bench.problem(sql);
        (problem.code, problem.at, problem.what)
    };
    // An alias is no mistake of spelling.
    assert_eq!(bench.one("select count(*) as n\nfrom users wher"), r#"{"n":0}"#);
    let (code, at, what) = told("select 1\n from users group user_id");
    assert_eq!(code, "SQL-001", "{at} {what}");
    assert!(at.starts_with("sql:2:"), "{at} {what}");
    let (code, at, what) = told("select count(*) from 用户 where true");
    assert_eq!((code, at.as_str()), ("SQL-002", "sql:1:22  用户 where true"));
    assert!(what.contains("no table `用户`") && what.contains("`users`"), "{what}");
    let (code, at, what) = told("select usr_id\nfrom users");
    assert_eq!((code, at.as_str()), ("SQL-002", "sql:1:8  usr_id"));
    assert!(what.contains("no column `usr_id`; there is `user_id`"), "{what}");
    assert_eq!(told("select cont(*) from users").0, "SQL-002");
    assert_eq!(told("").0, "SQL-001");
    assert_eq!(told("select 1; select 2").0, "SQL-003");
    assert_eq!(told("select 1 / 0").0, "SQL-005");
    assert_eq!(told(&" ".repeat(TEXT_BYTES_MAX + 1)).0, "SQL-001");
}

#[test]
fn what_would_change_something_is_refused() {
    let bench = bench();
    let changing = [
        "create table t as select 1",
        "create external table t stored as csv location 'a.csv'",
        "drop table users",
        "insert into users select * from users",
        "copy users to 'a.csv'",
        "set datafusion.execution.batch_size = 1",
        "explain analyze insert into users select * from users",
    ];
    for sql in changing {
        let problem = bench.problem(sql);
        assert!(["SQL-004", "SQL-003"].contains(&problem.code), "{sql}: {problem}");
    }
    assert_eq!(bench.problem("drop table users").code, "SQL-004");
    assert!(bench.one("show tables").contains("crowd_versions"));
    assert!(bench.one("describe users").contains("user_no"));
}

#[test]
fn mistakes_of_a_selection_are_ours_and_come_before_any_row() {
    let bench = bench();
    let problems =
        bench.rows("select * from users where in_selection('citty = ''上海'' and did payy')").unwrap_err();
    assert!(problems.0.len() >= 2 && problems.0.iter().all(|p| p.code.starts_with("SEL-")), "{problems}");
    assert!(problems.0[0].at.starts_with("in_selection:1:1"), "{problems}");
    assert_eq!(bench.problem("select in_selection(user_no, user_id) from users").code, "SQL-003");
    assert_eq!(bench.problem("select in_selection('all ()')").code, "SQL-003");
    let both =
        "select count(*) from users a join users b on a.user_no = b.user_no where in_selection('all ()')";
    assert!(bench.problem(both).what.contains("a.user_no"), "{}", bench.problem(both));
}

#[test]
fn deep_and_long_questions_end_well() {
    let bench = bench();
    let many = vec!["user_no = 1"; 1_000].join(" or ");
    assert_eq!(bench.one(&format!("select count(*) as n from users where {many}")), r#"{"n":0}"#);
    let sum = vec!["1"; 20_000].join("+");
    assert_eq!(bench.problem(&format!("select {sum}")).code, "SQL-001");
    let deep = format!("select {}1{}", "(".repeat(5_000), ")".repeat(5_000));
    assert_eq!(bench.problem(&deep).code, "SQL-001");
    let list: Vec<String> = (0..2_000).map(|n| n.to_string()).collect();
    let listed = format!("select count(*) as n from users where user_no in ({})", list.join(","));
    assert_eq!(bench.one(&listed), r#"{"n":0}"#);
}

#[test]
fn memory_that_is_out_is_told() {
    let bench = bench();
    let context = session(&bench.source, 2, 100_000).unwrap();
    let tight = Bench { context, ..bench };
    let big =
        "select count(*) from (select distinct a.value * 1000 + b.value from range(1000) a, range(1000) b)";
    assert_eq!(tight.problem(big).code, "SQL-006");
}
