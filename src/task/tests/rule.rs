//! Trigger rules in task files: every key, every mistake at its place, every warning.

use super::*;
use crate::task::rule::*;

/// A task with this `[trigger]`, whose first line is line 6.
fn task(trigger: &str) -> String {
    format!(
        "name = 'x'\nstart = '2026-03-01'\nend = '2026-04-01'\ndispatch = {{ sender = 'file' }}\n[trigger]\n{trigger}\n"
    )
}

fn rule(trigger: &str) -> Rule {
    match checked(&task(trigger)).unwrap().file.trigger {
        Trigger::Rule(rule) => *rule,
        other => panic!("{other:?}"),
    }
}

/// Codes and places of the warnings.
fn warned(trigger: &str) -> Vec<String> {
    let place = |at: &str| at.split("  ").next().unwrap_or("").trim_start_matches("活动.toml:").to_string();
    let warnings = checked(&task(trigger)).unwrap().warnings;
    warnings.iter().map(|warning| format!("{} {}", warning.code, place(&warning.at))).collect()
}

fn found(trigger: &str) -> Vec<String> {
    mistakes(&task(trigger))
}

const ABSENCE: &str = "kind = 'absence'\ndid = 'a'\nnot_done = 'b'\nwithin = '20m'\n";
const EVENT: &str = "kind = 'event'\ndid = 'a'\n";

// proves: S2.31, S2.38, S2.47
#[test]
fn what_is_left_out_has_its_default() {
    let event = rule(EVENT);
    let expected = Rule {
        did: "a".into(),
        absence: None,
        from: None,
        to: None,
        count: Count::Every(1),
        count_history: false,
        reach: Reach::Delay(0),
        fires_max: None,
        gap_min_ms: 0,
        audience_at: AudienceAt::Fire,
        recheck: None,
        on_end: OnEnd::Drop,
    };
    assert_eq!(event, expected);
    let b = Absence {
        not_done: "b".into(),
        gap_ms: 1_200_000,
        again: Again::First,
        same: None,
        late_b: LateB::Cancel,
    };
    assert_eq!(rule(ABSENCE), Rule { absence: Some(b), ..expected });
    let file = checked(&task(EVENT)).unwrap().file;
    assert_eq!((file.trigger.word(), file.grace_ms, file.on_pause), ("event", 1_800_000, OnPause::Drop));
}

// proves: S2.39, S2.40, S2.48, S2.50
#[test]
fn every_key_is_read() {
    let rule = rule(
        "kind = 'absence'\ndid = 'view where page = \"/home\"'\nnot_done = '分享'\nwithin = '3d'\n\
         count = { total = 3, per = 'week' }\nagain = 'restart'\nsame = 'order_id'\nlate_b = 'send'\n\
         from = '2026-03-02'\nto = 2026-03-05T10:00:00\nfires_max = 2\ngap_min = '1d'\n\
         audience_at = 'a'\nrecheck = false\non_end = 'finish'\ngrace = '1h'\non_pause = 'hold'\n\
         reach = { at = '20:00:30', plus_days = 1 }",
    );
    let absence = Absence {
        not_done: "分享".into(),
        gap_ms: 3 * 86_400_000,
        again: Again::Restart,
        same: Some("order_id".into()),
        late_b: LateB::Send,
    };
    let expected = Rule {
        did: "view where page = \"/home\"".into(),
        absence: Some(absence),
        from: Some(at("2026-03-02")),
        to: Some(at("2026-03-05T10:00")),
        count: Count::Total { n: 3, per: Per::Week },
        count_history: false,
        reach: Reach::At { second_of_day: 72_030, plus_days: 1 },
        fires_max: Some(2),
        gap_min_ms: 86_400_000,
        audience_at: AudienceAt::A,
        recheck: Some(false),
        on_end: OnEnd::Finish,
    };
    assert_eq!(rule, expected);
    assert!(!rule.is_rechecked());
}

// proves: S2.41, S2.42, S2.43, S2.44
#[test]
fn counts_and_reaches_have_their_forms() {
    let count = |words: &str| rule(&format!("{EVENT}count = {words}")).count;
    assert_eq!(count("{ every = 3 }"), Count::Every(3));
    assert_eq!(count("{ total = 3 }"), Count::Total { n: 3, per: Per::Whole });
    assert_eq!(count("{ total = 1, per = 'month' }"), Count::Total { n: 1, per: Per::Month });
    let reach = |words: &str| rule(&format!("{EVENT}reach = {words}")).reach;
    assert_eq!(reach("{ delay = '0s' }"), Reach::Delay(0));
    assert_eq!(reach("{ delay = '2h' }"), Reach::Delay(7_200_000));
    assert_eq!(reach("{ at = 20:00:00 }"), Reach::At { second_of_day: 72_000, plus_days: 0 });
    let on = at("2026-03-08T10:00");
    assert_eq!(reach("{ on = '2026-03-08 10:00' }"), Reach::On { instant: on, when_past: WhenPast::Skip });
    let now = "{ on = 2026-03-08T10:00:00, when_past = 'now' }";
    assert_eq!(reach(now), Reach::On { instant: on, when_past: WhenPast::Now });
}

// proves: S2.49
#[test]
fn a_gap_is_one_minute_to_thirty_days() {
    let gap = |words: &str| task(&ABSENCE.replace("20m", words));
    for (words, ms) in [("1m", 60_000), ("60s", 60_000), ("2h", 7_200_000), ("30d", 30 * 86_400_000)] {
        let Trigger::Rule(rule) = checked(&gap(words)).unwrap().file.trigger else { panic!() };
        assert_eq!(rule.absence.unwrap().gap_ms, ms);
    }
    for words in ["59s", "0m", "721h", "31d"] {
        assert_eq!(mistakes(&gap(words)), ["TSK-016 9:10"], "{words}");
    }
    let told = checked(&gap("31d")).unwrap_err().to_string();
    assert!(
        told.contains("`within` is 31d; the gap from A to the deadline is 1 minute to 30 days"),
        "{told}"
    );
    assert_eq!(mistakes(&gap("soon")), ["TSK-004 9:10"]);
}

#[test]
fn keys_of_another_kind_are_named_as_such() {
    assert_eq!(found(&format!("{EVENT}within = '20m'\nat = '2026-03-02'")), ["TSK-015 8:1", "TSK-015 9:1"]);
    let told = checked(&task(&format!("{EVENT}within = '20m'"))).unwrap_err().to_string();
    assert!(told.contains("it belongs to kind = \"absence\""), "{told}");
    assert_eq!(found(&format!("{ABSENCE}times = ['10:00']\nwithn = '1h'")), ["TSK-015 10:1", "TSK-002 11:1"]);
    let told = checked(&task("kind = 'once'\nat = '2026-03-02'\ndid = 'a'")).unwrap_err().to_string();
    assert!(told.contains("it belongs to kind = \"event\" and \"absence\""), "{told}");
}

// proves: S0.8
#[test]
fn all_mistakes_of_a_rule_are_told_at_once() {
    let bad = "kind = 'absence'\ndid = '坏'\nwithin = '40d'\ncount = { every = 0, total = 2, per = 'year' }\n\
               again = 'always'\nsame = 'tags'\nreach = { at = '25:00', delay = '1h', when_past = 'now' }\n\
               fires_max = -1\ngap_min = 3\naudience_at = 'b'\nrecheck = 'yes'\non_end = 1\nlate_b = 'keep'\n\
               from = 'soon'";
    let expected = [
        "TSK-003 5:1", // not_done
        "SEL-014 7:8",
        "TSK-016 8:10",
        "TSK-004 9:19",
        "TSK-006 9:22",
        "TSK-004 9:39",
        "TSK-004 10:9",
        "SEL-113 11:8",
        "TSK-004 12:16",
        "TSK-006 12:11",
        "TSK-015 12:39",
        "TSK-004 13:13",
        "TSK-004 14:11",
        "TSK-004 15:15",
        "TSK-004 16:11",
        "TSK-004 17:10",
        "TSK-004 18:10",
        "TSK-004 19:8",
    ];
    let mut expected = expected.map(String::from).to_vec();
    let mut given = found(bad);
    expected.sort();
    given.sort();
    assert_eq!(given, expected);
    assert_eq!(found("kind = 'absence'"), ["TSK-003 5:1", "TSK-003 5:1", "TSK-003 5:1"]);
    assert_eq!(found(&format!("{EVENT}count = {{}}\nreach = {{}}")), ["TSK-003 8:1", "TSK-003 9:1"]);
    assert_eq!(found(&format!("{EVENT}count = {{ every = 2, per = 'day' }}")), ["TSK-015 8:22"]);
    assert_eq!(found(&format!("{EVENT}reach = {{ delay = '1h', plus_days = 2 }}")), ["TSK-015 8:25"]);
}

// proves: S2.39
#[test]
fn periods_in_which_nothing_can_happen_are_mistakes() {
    let none = |more: &str| found(&format!("{EVENT}{more}"));
    assert_eq!(none("from = '2026-03-05'\nto = '2026-03-05'"), ["TSK-005 9:6"]);
    assert_eq!(none("from = '2026-04-01'"), ["TSK-005 8:8"]);
    assert_eq!(none("to = '2026-03-01'"), ["TSK-005 8:6"]);
    assert_eq!(none("reach = { on = '2026-02-01' }"), ["TSK-005 8:9"]);
    assert!(none_is_wrong("reach = { on = '2026-02-01', when_past = 'now' }"));
    assert_eq!(none("reach = { on = '2026-04-01' }"), ["TSK-005 8:9"]);
    assert!(none_is_wrong("reach = { on = '2026-04-01' }\non_end = 'finish'"));
    // A's own period may begin before the task and end after it.
    assert!(none_is_wrong("from = '2026-02-01'\nto = '2026-05-01'"));
}

fn none_is_wrong(more: &str) -> bool {
    checked(&task(&format!("{EVENT}{more}"))).is_ok()
}

#[test]
fn names_not_seen_yet_are_warnings_at_their_place() {
    assert_eq!(warned("kind = 'event'\ndid = '新事件'"), ["SEL-160 7:8"]);
    assert_eq!(found("kind = 'event'\ndid = 'a where 坏 = 1'"), ["SEL-014 7:16"]);
    let b = ABSENCE.replace("'b'", "'b where 坏 = 1'");
    assert_eq!(found(&b), ["SEL-014 8:21"]);
}

#[test]
fn a_b_that_is_every_a_is_warned_of() {
    let with = |not_done: &str| {
        warned(&format!(
            "kind = 'absence'\ndid = 'a where x = 1'\nwithin = '20m'\non_end = 'finish'\nnot_done = '{not_done}'"
        ))
    };
    assert_eq!(with("a"), ["TSK-017 10:12"]);
    assert_eq!(with("a where x = 1"), ["TSK-017 10:12"]);
    assert!(with("b").is_empty());
}

#[test]
fn what_would_still_wait_at_the_end_is_warned_of() {
    assert_eq!(warned(ABSENCE), ["TSK-018 9:10"]);
    assert!(warned(&format!("{ABSENCE}on_end = 'finish'")).is_empty());
    assert!(warned(&format!("{ABSENCE}to = '2026-03-31T23:40:00'")).is_empty());
    assert_eq!(warned(&format!("{ABSENCE}to = '2026-03-31T23:40:01'")), ["TSK-018 10:6"]);
    assert!(warned(EVENT).is_empty());
    assert_eq!(warned(&format!("{EVENT}reach = {{ delay = '1h' }}")), ["TSK-018 8:9"]);
}

#[test]
fn windows_without_bound_are_warned_of_with_their_number() {
    let hot = |more: &str| {
        format!("kind = 'absence'\ndid = 'hot'\nnot_done = 'b'\non_end = 'finish'\nwithin = '30d'\n{more}")
    };
    assert_eq!(warned(&hot("again = 'each'")), ["TSK-019 11:9"]);
    let told = checked(&task(&hot("again = 'each'"))).unwrap().warnings.remove(0).what;
    assert!(told.contains("up to 45 million windows") && told.contains("1.1 GB"), "{told}");
    for fine in [
        "",
        "again = 'restart'",
        "again = 'each'\ncount = { every = 5 }",
        "again = 'each'\ncount = { total = 1 }",
    ] {
        assert!(warned(&hot(fine)).is_empty(), "{fine}");
    }
    assert!(warned(&hot("again = 'each'").replace("30d", "6d")).is_empty());
    assert!(warned(&hot("again = 'each'").replace("hot", "cold")).is_empty());
}

// proves: S1.6
#[test]
fn a_rule_lives_as_other_tasks_do_until_its_period_is_past() {
    let zone = Zone::default();
    let file = checked(&task(&format!("{EVENT}to = '2026-03-10'"))).unwrap().file;
    let tasks = Tasks::open(Connection::open_in_memory().unwrap()).unwrap();
    let made = tasks.create(&file, &zone, "小王", at("2026-03-01")).unwrap();
    assert!(!made.is_scheduled() && made.rule().is_some());
    let go = |step, now: &str| tasks.make_move("t1", step, "小王", None, at(now));
    assert_eq!(go(Move::Submit, "2026-03-10").unwrap_err().code, "TSK-009");
    for step in [Move::Submit, Move::Approve, Move::Start, Move::Pause, Move::Resume, Move::Stop] {
        go(step, "2026-03-09").unwrap();
    }
    assert_eq!(tasks.task("t1").unwrap().state, State::Ended);
    let late = check(&task(EVENT), "x", &zone, at("2026-04-01"), &Home).unwrap();
    assert_eq!(late.warnings.iter().map(|w| w.code).collect::<Vec<_>>(), ["TSK-009"]);
}
