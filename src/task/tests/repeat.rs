//! Repeating tasks as files: what is read, what is refused, what is odd.

use super::*;

fn text(trigger: &str) -> String {
    format!(
        "name='x'\naudience='a'\nupdate='daily'\nstart='2026-03-01'\nend='2026-06-01'\n\
         [trigger]\nkind='repeat'\n{trigger}\n[dispatch]\nsender='file'\n"
    )
}

fn repeat(trigger: &str) -> Repeat {
    match checked(&text(trigger)).unwrap().file.trigger {
        Trigger::Repeat(repeat) => repeat,
        other => panic!("{other:?}"),
    }
}

/// The first planned local times from the start on.
fn planned(trigger: &str, count: usize) -> Vec<String> {
    let file = checked(&text(trigger)).unwrap().file;
    let slots = std::iter::successors(file.slot_from(file.start, &Zone::default()), |slot| {
        file.slot_from(slot.at.plus(1), &Zone::default())
    });
    slots.take(count).map(|slot| slot.local.format("%m-%d %H:%M").to_string()).collect()
}

// proves: S2.31, S2.34, S2.36, S2.37
#[test]
fn times_days_and_weekdays_are_read() {
    let found = repeat("times=['20:00', 10:00:00]\nrefresh_before=true");
    assert_eq!(found.cycle.words(), "every day at 10:00, 20:00");
    assert_eq!((found.refresh.is_before, found.refresh.on_failure), (true, OnRefreshFailure::Latest));
    assert_eq!(found.overlap, Overlap::Queue);
    assert_eq!(repeat("times='10:00'\non_refresh_failure='skip'").refresh.on_failure, OnRefreshFailure::Skip);
    assert_eq!(planned("times=['10:00','20:00']", 3), ["03-01 10:00", "03-01 20:00", "03-02 10:00"]);
    // 2026-03-01 is a Sunday.
    assert_eq!(
        planned("times=['10:00']\nweekdays=['mon','周四',7]", 3),
        ["03-01 10:00", "03-02 10:00", "03-05 10:00"]
    );
    assert_eq!(
        planned("times=['10:00']\ndays=[1, 31, 'last']", 4),
        ["03-01 10:00", "03-31 10:00", "04-01 10:00", "04-30 10:00"]
    );
    assert_eq!(planned("times=['10:00']\ndays=31", 3), ["03-31 10:00", "05-31 10:00"]);
    assert_eq!(
        repeat("times=['10:00']\nweekdays=['MON']\noverlap='skip'").cycle.words(),
        "every Mon at 10:00"
    );
}

#[test]
fn cron_of_five_and_six_fields_is_read() {
    assert_eq!(planned("cron='0 10 * * MON'", 2), ["03-02 10:00", "03-09 10:00"]);
    assert_eq!(planned("cron='0 30 9 1,15 * *'", 3), ["03-01 09:30", "03-15 09:30", "04-01 09:30"]);
    assert_eq!(planned("cron='0 0 L * *'", 2), ["03-31 00:00", "04-30 00:00"]);
    assert_eq!(repeat("cron='@daily'").cycle.words(), "cron \"@daily\"");
}

// proves: S1.4, S1.5
#[test]
fn up_to_five_pushes_are_read() {
    let one = |n: usize| format!("{{ name = '第{n}波', at = '2026-03-1{n} 10:00' }}");
    let many = |n: usize| format!("pushes = [{}]", (0..n).map(one).collect::<Vec<_>>().join(", "));
    assert_eq!(planned(&many(5), 9).len(), 5);
    let file = checked(&text(&many(2))).unwrap().file;
    let slot = file.slot_from(file.start, &Zone::default()).unwrap();
    assert_eq!(slot.name.as_deref(), Some("第0波"));
    for wrong in [
        many(6),
        "pushes = []".into(),
        many(1).replace("第0波", &"字".repeat(31)),
        many(1).replace("name", "nam"),
        "pushes = [{ name = 'a', at = '2026-03-02' }, { name = 'b', at = '2026-03-02' }]".into(),
    ] {
        assert_eq!(mistakes(&text(&wrong)).first().map(|m| &m[..7]), Some("TSK-004"), "{wrong}");
    }
}

// proves: S1.6
#[test]
fn a_push_that_is_past_cannot_be_approved_but_a_rule_with_runs_left_can() {
    let zone = Zone::default();
    let pushes =
        checked(&text("pushes = [{ name = 'a', at = '2026-03-02' }, { name = 'b', at = '2026-03-09' }]"));
    let pushes = pushes.unwrap().file;
    assert!(!pushes.is_past(at("2026-03-02"), &zone) && pushes.is_past(at("2026-03-02T00:01"), &zone));
    let daily = checked(&text("times=['10:00']")).unwrap().file;
    assert!(!daily.is_past(at("2026-05-31T10:00"), &zone) && daily.is_past(at("2026-05-31T10:01"), &zone));
}

// proves: S0.8
#[test]
fn wrong_schedules_are_refused_at_their_places() {
    for (wrong, code) in [
        ("", "TSK-003 6:1"),
        ("times=[]", "TSK-004 8:7"),
        ("times=['25:00']", "TSK-004 8:8"),
        ("times=['10:00']\ndays=[32]", "TSK-004 9:7"),
        ("times=['10:00']\ndays=[1]\nweekdays=[1]", "TSK-006 10:1"),
        ("times=['10:00']\nweekdays=['someday']", "TSK-004 9:11"),
        ("times=['10:00']\nweekdays=[0]", "TSK-004 9:11"),
        ("times=['10:00']\ncron='0 0 * * *'", "TSK-006 9:1"),
        ("cron='0 0 * * *'\ndays=[1]", "TSK-006 9:1"),
        ("cron='61 0 * * *'", "TSK-004 8:6"),
        ("cron='* * * *'", "TSK-004 8:6"),
        ("cron='0 0 * * * * 2026'", "TSK-004 8:6"),
        ("cron='*/10 * * * * *'", "TSK-040 8:6"),
        ("cron='0 0 30 2 *'", "TSK-005 8:6"),
        ("times=['10:00']\ndays=[1]\noverlap='maybe'", "TSK-004 10:9"),
        ("times=['10:00']\nat='2026-03-02'", "TSK-015 9:1"),
    ] {
        assert_eq!(mistakes(&text(wrong)), [code], "{wrong}");
    }
    let short = text("times=['10:00']").replace("end='2026-06-01'", "end='2026-03-01T10:00'");
    assert_eq!(mistakes(&short), ["TSK-005 8:7"]);
}

#[test]
fn odd_schedules_are_warned_of() {
    let warned = |text: &str| checked(text).unwrap().warnings.iter().map(|w| w.code).collect::<Vec<_>>();
    assert_eq!(warned(&text("times=['10:00']\ndays=[30]")), ["SEL-000", "TSK-041"]);
    assert_eq!(warned(&text("times=['10:00']\ndays=[30,'last']")), ["SEL-000"]);
    let left_out = text("times=['10:00']").replace("update='daily'\n", "");
    assert_eq!(warned(&left_out), ["SEL-000", "TSK-042"]);
    assert_eq!(warned(&left_out.replace("[dispatch]", "refresh_before=true\n[dispatch]")), ["SEL-000"]);
}

#[test]
fn a_plan_tells_every_run_and_why() {
    let file =
        checked(&text("times=['02:30','03:00','10:00']\ndays=[8, 31]\nrefresh_before=true")).unwrap().file;
    let zone = Zone::named("America/New_York").unwrap();
    let day = |text: &str| Timestamp::parse(text, &zone).unwrap();
    let found = plan(&file, &zone, day("2026-03-08"), day("2026-03-09"));
    let runs: Vec<&str> = found.runs.iter().map(|run| run.at.as_str()).collect();
    assert_eq!(runs, ["2026-03-08T03:00:00.000-04:00", "2026-03-08T10:00:00.000-04:00"]);
    assert_eq!(found.runs[0].planned, "2026-03-08T02:30:00");
    assert_eq!(found.runs[0].refresh_at.as_deref(), Some("2026-03-08T01:45:00.000-05:00"));
    let notes = found.runs[0].notes.join("\n");
    assert!(
        notes.contains("jumps over 02:30") && notes.contains("03:00 falls on the same instant"),
        "{notes}"
    );
    let whole = plan(&file, &zone, day("2026-03-31"), day("2026-07-01"));
    let left: Vec<String> = whole.left_out.iter().map(|l| format!("{} {}", l.planned, l.why)).collect();
    assert!(left.contains(&"2026-04-31 the month has no day 31".to_string()), "{left:?}");
    assert!(left.iter().any(|l| l.starts_with("2026-06-08T02:30:00 at or after the task's end")), "{left:?}");
    let soon = checked(&text("cron='*/10 * * * *'\noverlap='skip'")).unwrap().file;
    let many = plan(&soon, &Zone::default(), at("2026-03-01"), at("2026-03-20"));
    assert!(many.is_cut && many.runs.len() == RUNS_MAX);
    assert!(many.runs[1].notes[0].contains("skipped"), "{:?}", many.runs[1]);
    let twice = plan(&soon, &zone, day("2026-11-01T00:50"), day("2026-11-01T02:00"));
    assert!(twice.runs.is_empty() && twice.left_out.len() == 7, "{twice:?}");
}
