//! `sql` over a small home.

use serde_json::{Value, json};

use super::Shell;

fn rows(shell: &Shell, sql: &str) -> Vec<Value> {
    let said = shell.ask(&["sql", sql]).fine();
    said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn shell() -> Shell {
    let shell = Shell::with_users();
    shell.file(
        "orders.csv",
        "user_id,order_id,paid_at,amount\nu3,a1,2026-02-10 09:00,10\nu3,a2,2026-03-05 09:00,20\nu4,a3,,5\n",
    );
    shell.say(&["ingest", "detail", "orders", &shell.path("orders.csv"), "--time", "paid_at"]).fine();
    shell.file("ids.csv", "user_id\n00001\nu3\n");
    shell.say(&["crowd", "import", "高价值", &shell.path("ids.csv")]).fine();
    shell.say(&["crowd", "create", "女", "gender = '女'", "--as-of", "2026-02-01"]).fine();
    shell.say(&["crowd", "refresh", "女", "--as-of", "2026-02-20"]).fine();
    shell
}

// proves: S2.23
#[test]
fn every_table_is_there_with_its_rows() {
    let shell = shell();
    let users = rows(
        &shell,
        "select user_id, city, age, balance from users where user_id in ('00001', 'u3') order by user_no",
    );
    let first = json!({"user_id": "00001", "city": "上海", "age": 20, "balance": 100.5});
    assert_eq!(users, [first, json!({"user_id": "u3", "city": "北京", "age": 40, "balance": null})]);
    let events = rows(
        &shell,
        "select user_id, event, time, amount from events where time >= '2026-02-21' order by time",
    );
    assert_eq!(events.len(), 3);
    let first =
        json!({"user_id": "00001", "event": "pay", "time": "2026-02-21T10:00:00.000+08:00", "amount": 150});
    assert_eq!(events[0], first);
    let crowds = rows(
        &shell,
        "select crowd, version, count(*) as n from crowds group by crowd, version order by crowd",
    );
    let wanted =
        [json!({"crowd": "女", "version": 2, "n": 3}), json!({"crowd": "高价值", "version": 1, "n": 2})];
    assert_eq!(crowds, wanted);
    let versions = rows(
        &shell,
        "select distinct version, is_current from crowd_versions where crowd = '女' order by version",
    );
    assert_eq!(
        versions,
        [json!({"version": 1, "is_current": false}), json!({"version": 2, "is_current": true})]
    );
}

#[test]
fn rows_later_than_the_instant_do_not_count() {
    let shell = shell();
    let keys = |as_of: &str| {
        let said =
            shell.ask(&["sql", "select order_id from orders order by order_id", "--as-of", as_of]).fine();
        said.out.lines().map(|line| line[13..15].to_string()).collect::<Vec<_>>()
    };
    assert_eq!(keys("2026-03-01"), ["a1", "a3"]);
    assert_eq!(keys("2026-03-05 09:00"), ["a1", "a2", "a3"]);
    assert_eq!(keys("2026-02-01"), ["a3"]);
    let events =
        shell.ask(&["sql", "select count(*) as n from events", "--as-of", "2026-02-21T09:59:59.999"]).fine();
    assert_eq!(events.json()["n"], 1);
    let crowd = shell.ask(&[
        "sql",
        "select distinct version from crowds where crowd = '女'",
        "--as-of",
        "2026-02-19",
    ]);
    assert_eq!(crowd.fine().json()["version"], 1);
}

#[test]
fn deleted_users_have_no_rows() {
    let shell = shell();
    shell.file("gone.csv", "user_id\nu4\n");
    shell.say(&["ingest", "users", &shell.path("gone.csv"), "--delete"]).fine();
    for table in ["users", "events", "orders"] {
        assert_eq!(
            rows(&shell, &format!("select 1 from {table} where user_id = 'u4'")),
            [] as [Value; 0],
            "{table}"
        );
    }
}

#[test]
fn a_selection_is_asked_by_number_by_id_and_for_short() {
    let shell = shell();
    let selection = "did pay count >= 2 and crowd ''高价值''";
    for user in ["user_no, ", "user_id, ", ""] {
        let found =
            rows(&shell, &format!("select user_id from users where in_selection({user}'{selection}')"));
        assert_eq!(found, [json!({"user_id": "00001"})], "{user}");
    }
    let count = rows(
        &shell,
        "select count(*) as n from events e join users u on e.user_no = u.user_no where in_selection(u.user_no, 'age > 25')",
    );
    assert_eq!(count[0]["n"], 1);
    let said = shell.say(&["sql", "select count(*) from users where in_selection('city = ''火星''')"]).fine();
    assert!(said.talk.contains("warning"), "{said:?}");
}

#[test]
fn filters_leave_parts_out() {
    let shell = shell();
    let plan = |sql: &str| {
        let said = shell.say(&["sql", &format!("explain {sql}"), "--csv"]).fine();
        said.out.lines().find(|line| line.contains(" Scan:")).unwrap_or(&said.out).to_string()
    };
    assert!(
        plan("select count(*) from events").contains("4 of 4 event days"),
        "{}",
        plan("select count(*) from events")
    );
    for (filter, parts) in [
        ("event = 'pay'", 3),
        ("event in ('visit', 'x')", 1),
        ("time >= '2026-02-21' and time < '2026-02-22'", 1),
        ("time > now() - interval '48 hours'", 2),
        ("user_id = 'u4'", 1),
        ("user_id = '00001'", 2),
        ("user_id = 'nobody'", 0),
        ("event = 'pay' or user_id = 'u9'", 4),
        ("amount > 100", 4),
    ] {
        let line = plan(&format!("select count(amount) from events where {filter}"));
        let wanted = format!("{parts} of 4 event days");
        // A scan of nothing may be planned away altogether.
        assert!(line.contains(&wanted) || (parts == 0 && !line.contains(" Scan:")), "{filter}: {line}");
    }
}

#[test]
fn rows_are_written_in_every_form() {
    let shell = shell();
    let sql = "select user_id, city, age from users where city = '北京' order by age";
    let table = shell.say(&["sql", sql]).fine();
    assert_eq!(table.out, "user_id  city  age\nu3       北京   40\nu4       北京   50\n");
    assert!(table.talk.starts_with("2 rows"), "{table:?}");
    assert_eq!(shell.say(&["sql", sql, "--csv"]).fine().out, "user_id,city,age\nu3,北京,40\nu4,北京,50\n");
    shell.say(&["sql", sql, "--out", &shell.path("a.csv")]).fine();
    assert_eq!(shell.read("a.csv"), "user_id,city,age\nu3,北京,40\nu4,北京,50\n");
    let said = shell.ask(&["sql", sql, "--out", &shell.path("a.ndjson")]).fine();
    assert_eq!(said.json()["rows"], 2);
    assert_eq!(shell.read("a.ndjson").lines().count(), 2);
    shell.say(&["sql", sql, "--out", &shell.path("a.parquet")]).fine();
    let file = std::fs::File::open(shell.folder.path().join("a.parquet")).unwrap();
    let batches = parquet::arrow::arrow_reader::ParquetRecordBatchReader::try_new(file, 10).unwrap();
    assert_eq!(batches.map(|batch| batch.unwrap().num_rows()).sum::<usize>(), 2);
}

#[test]
fn missing_values_lists_and_other_types_are_shown() {
    let shell = shell();
    let told = "select null as a, ['x', 'y'] as b, 1.5 as c, true as d, date '2026-03-01' as e, interval '1 hour' as f, x'01ff' as g";
    let row = &rows(&shell, told)[0];
    let wanted = json!({"a": null, "b": ["x", "y"], "c": 1.5, "d": true, "e": "2026-03-01", "f": row["f"], "g": "01ff"});
    assert_eq!(row, &wanted);
    let said = shell.say(&["sql", "select null as a, 'x\ny' as b"]).fine();
    assert_eq!(said.out, "a  b\n-  x y\n");
    let twice = rows(
        &shell,
        "select a.user_no, b.user_no from users a join users b on a.user_no = b.user_no limit 1",
    );
    assert!(twice[0].get("user_no_2").is_some() || twice[0].as_object().unwrap().len() == 2, "{twice:?}");
}

#[test]
fn a_question_comes_from_a_file_and_its_mistakes_name_it() {
    let shell = shell();
    shell.file("q.sql", "-- 人数\nselect count(*) as n\nfrom userss\n");
    let said = shell.ask(&["sql", "-f", &shell.path("q.sql")]);
    assert_eq!((said.code, said.codes()), (1, vec!["SQL-002".to_string()]));
    let at = said.json()["problems"][0]["where"].as_str().unwrap().to_string();
    assert!(at.contains("q.sql:3:6") && !at.starts_with("sql:"), "{at}");
    let said = shell.say_with(&["sql", "-f", "-"], "select 1 as n");
    assert_eq!(said.fine().out, "n\n1\n");
    assert_eq!(shell.ask(&["sql", "select 1", "--out", "x.roaring"]).code, 2);
    assert_eq!(shell.ask(&["sql", "-f", &shell.path("absent.sql")]).codes(), ["CLI-002"]);
}
