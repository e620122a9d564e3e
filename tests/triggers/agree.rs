//! Three ways to the same fires: live events through `quanke run --events`, the same events as history through
//! `quanke backtest`, and the definition.

use std::collections::BTreeSet;

use proptest::prelude::*;
use quanke::base::{Timestamp, Zone};
use quanke::task::rule::*;
use quanke::trigger::{Command, End, EventId, Predicate, Version, period};
use serde_json::{Value, json};

use crate::model::{Event, Input, Model};
use crate::random::MINUTE;
use crate::shell::Shell;
use crate::stream::{A_NOT_B, one_rule};

const CASES: u32 = 8;
const HOUR: i64 = 60 * MINUTE;
/// 2026-03-02T00:00 in Shanghai, a Monday: the start of the task.
const START: i64 = 1_772_380_800_000;
const FROM: &str = "2026-03-02T00:00:00+08:00";
const TO: &str = "2026-03-04T00:00:00+08:00";
const LATER: &str = "2026-03-20T00:00:00+08:00";

/// A rule in words, and as the definition takes it.
#[derive(Debug, Clone)]
struct Asked {
    /// `None` is a completed A.
    absence: Option<(Again, i64, LateB, bool)>,
    count: Count,
    count_history: bool,
    reach: Reach,
    fires_max: Option<u32>,
    is_home: bool,
    on_end: OnEnd,
}

/// What a user did, at so many half minutes around the start.
#[derive(Debug, Clone)]
struct Done {
    user: u32,
    is_b: bool,
    is_home: bool,
    order: u32,
    at: i64,
    id: usize,
}

fn word<T: PartialEq>(words: &[(T, &'static str)], one: &T) -> &'static str {
    words.iter().find(|(known, _)| known == one).unwrap().1
}

impl Asked {
    fn text(&self) -> String {
        let filter = if self.is_home { " where page = '/home'" } else { "" };
        let kind = if self.absence.is_some() { "absence" } else { "event" };
        let mut lines = vec![format!("kind = \"{kind}\""), format!("did = \"view{filter}\"")];
        if let Some((again, gap, late_b, is_same)) = &self.absence {
            let again =
                word(&[(Again::First, "first"), (Again::Restart, "restart"), (Again::Each, "each")], again);
            let late_b = word(&[(LateB::Cancel, "cancel"), (LateB::Send, "send")], late_b);
            lines.push(format!(
                "not_done = \"share\"\nwithin = \"{gap}m\"\nagain = \"{again}\"\nlate_b = \"{late_b}\""
            ));
            lines.extend(is_same.then(|| "same = \"order\"".to_string()));
        }
        lines.push(match self.count {
            Count::Every(n) => format!("count = {{ every = {n} }}"),
            Count::Total { n, per: Per::Day } => format!("count = {{ total = {n}, per = \"day\" }}"),
            Count::Total { n, .. } => format!("count = {{ total = {n} }}"),
        });
        lines.push(match self.reach {
            Reach::Delay(ms) => format!("reach = {{ delay = \"{}m\" }}", ms / MINUTE),
            _ => "reach = { at = \"20:00\" }".to_string(),
        });
        lines.push(format!("count_history = {}", self.count_history));
        lines.push(format!(
            "on_end = \"{}\"",
            word(&[(OnEnd::Drop, "drop"), (OnEnd::Finish, "finish")], &self.on_end)
        ));
        lines.extend(self.fires_max.map(|n| format!("fires_max = {n}")));
        format!(
            "name = \"一致\"\nstart = \"{FROM}\"\nend = \"{TO}\"\n[trigger]\n{}\n[dispatch]\nsender = \"file\"\n",
            lines.join("\n")
        )
    }

    fn version(&self) -> Version {
        let one = one_rule(A_NOT_B);
        let absence = self.absence.as_ref().map(|(again, gap, late_b, _)| Absence {
            not_done: String::new(),
            gap_ms: gap * MINUTE,
            again: *again,
            same: None,
            late_b: *late_b,
        });
        let is_same = self.absence.as_ref().is_some_and(|(.., is_same)| *is_same);
        Version {
            not_done: absence.is_some().then_some(Predicate { event: 1, bit: 0 }),
            rule: Rule {
                absence,
                count: self.count,
                reach: self.reach,
                fires_max: self.fires_max,
                on_end: self.on_end,
                ..one.rule
            },
            did: Predicate { event: 0, bit: if self.is_home { 1 } else { 0 } },
            same: is_same.then_some((0, 0)),
            start: Timestamp(START),
            end: Timestamp(START + 48 * HOUR),
            zone: Zone::default(),
            ..one
        }
    }
}

impl Done {
    fn event(&self) -> Event {
        let mask = if self.is_home { 3 } else { 1 };
        let same = [u128::from(self.order); 2];
        let (id, event) = (EventId::of(&format!("e{}", self.id)), u16::from(self.is_b));
        Event { user: self.user, time: self.at, arrival: self.at, event, mask, id, same }
    }

    fn line(&self, is_live: bool) -> String {
        let mut properties = json!({ "page": if self.is_home { "/home" } else { "/x" } });
        if self.order > 0 {
            properties["order"] = format!("o{}", self.order).into();
        }
        let mut event = json!({ "event_id": format!("e{}", self.id), "user_id": format!("u{}", self.user),
            "event": if self.is_b { "share" } else { "view" }, "time": self.at });
        match is_live {
            true => event["properties"] = properties,
            false => properties.as_object().into_iter().flatten().for_each(|(k, v)| event[k] = v.clone()),
        }
        format!("{event}\n")
    }
}

/// User and occurrence of what was released.
fn defined(asked: &Asked, all: &[Done]) -> BTreeSet<(String, String)> {
    let mut model = Model::new();
    let version = asked.version();
    let mut out = Vec::new();
    for input in [Input::Tick(START), Input::Install(1, Box::new(version.clone())), Input::Audience(1, None)]
    {
        out.extend(model.step(&input));
    }
    if asked.count_history {
        let is_a = |one: &&Done| !one.is_b && (one.is_home || !asked.is_home) && one.at < START;
        let of = |one: &Done| (one.user, period(asked.count, Timestamp(one.at), &version.zone), 1);
        let counts = all.iter().filter(is_a).map(of).collect();
        out.extend(model.step(&Input::History(1, counts)));
    }
    let mut rest = all.iter().filter(|one| one.at >= START).peekable();
    for half in 0..60 * 2 * 100 {
        let now = START + half * MINUTE / 2;
        out.extend(model.step(&Input::Watermark(now)));
        out.extend(model.step(&Input::Tick(now)));
        while let Some(one) = rest.next_if(|one| one.at == now) {
            out.extend(model.step(&Input::Event(one.event())));
        }
    }
    out.extend(model.step(&Input::Command(1, Command::Stop)));
    let released = out.into_iter().filter(|d| matches!(d.end, End::Released { .. }));
    released.map(|d| (format!("u{}", d.user), d.occurrence.text())).collect()
}

/// The fires that a backtest says would go out.
fn tried(shell: &Shell, task: &str) -> Vec<Value> {
    let out = shell.path("fires.ndjson");
    let said = shell.ask(LATER, &["backtest", task, "--from", FROM, "--to", TO, "--out", &out]);
    let rows = shell.lines("fires.ndjson");
    assert_eq!(said["fires"].as_u64().unwrap() as usize, rows.len());
    assert_eq!((&said["pending"], &said["waiting"]), (&0.into(), &0.into()), "all is known: {said}");
    rows.into_iter().filter(|row| row["end"] == "handed").collect()
}

fn text(row: &Value, key: &str) -> String {
    row[key].as_str().unwrap().to_string()
}

fn named(rows: &[Value]) -> BTreeSet<(String, String)> {
    rows.iter().map(|row| (text(row, "user_id"), text(row, "occurrence"))).collect()
}

fn touches(rows: &[Value]) -> BTreeSet<String> {
    rows.iter().map(|row| text(row, "touch_id")).collect()
}

impl Done {
    /// What makes names and properties known before anything counts, and shows that history goes on behind it.
    fn mark(at: i64, id: usize) -> Done {
        Done { user: 9, is_b: true, is_home: true, order: 1, at, id }
    }

    fn first() -> Done {
        Done::mark(START - 90 * HOUR, 999_998)
    }

    fn last() -> Done {
        Done::mark(START + 130 * HOUR, 999_999)
    }
}

/// A home where what came before the start is history, and the rest comes live.
fn live(asked: &Asked, all: &[Done]) -> (Vec<Value>, Vec<Value>) {
    let shell = Shell::new();
    let before: String = all.iter().filter(|one| one.at < START).map(|one| one.line(false)).collect();
    let before = shell.file("before.ndjson", &(Done::first().line(false) + &before));
    shell.ask("2026-03-01", &["ingest", "events", &before, "--time", "time"]);
    let task = shell.file("task.toml", &asked.text());
    let id = text(&shell.ask("2026-03-01", &["task", "create", &task]), "id");
    shell.ask("2026-03-01", &["task", "submit", &id]);
    shell.ask("2026-03-01", &["task", "approve", &id]);
    let events: String = all.iter().filter(|one| one.at >= START).map(|one| one.line(true)).collect();
    let events = shell.file("events.ndjson", &(events + &Done::last().line(true)));
    shell.ask("2026-03-01", &["run", "--until", "2026-03-09T00:00:00+08:00", "--events", &events]);
    let handed = shell.lines(&format!("home/outbox/{id}.ndjson"));
    let tried = tried(&shell, &id);
    assert_eq!(shell.lines(&format!("home/outbox/{id}.ndjson")), handed, "nothing was sent");
    (handed, tried)
}

/// A home where all of it is history.
fn history(asked: &Asked, all: &[Done]) -> Vec<Value> {
    let shell = Shell::new();
    let marked = [Done::first(), Done::last()];
    let events: String = marked.iter().chain(all).map(|one| one.line(false)).collect();
    let events = shell.file("events.ndjson", &events);
    shell.ask("2026-03-10", &["ingest", "events", &events, "--time", "time"]);
    tried(&shell, &shell.file("task.toml", &asked.text()))
}

fn asked() -> BoxedStrategy<Asked> {
    let again = prop_oneof![Just(Again::First), Just(Again::Restart), Just(Again::Each)];
    let late_b = prop_oneof![3 => Just(LateB::Cancel), 1 => Just(LateB::Send)];
    let absence = (again, 1..180i64, late_b, any::<bool>());
    let count = prop_oneof![
        3 => Just(Count::Every(1)),
        1 => (2..4u32).prop_map(Count::Every),
        1 => (1..4u32).prop_map(|n| Count::Total { n, per: Per::Whole }),
        1 => (1..4u32).prop_map(|n| Count::Total { n, per: Per::Day }),
    ];
    let at = Reach::At { second_of_day: 20 * 3_600, plus_days: 0 };
    let reach = prop_oneof![2 => Just(Reach::Delay(0)), 2 => (1..300i64).prop_map(|m| Reach::Delay(m * MINUTE)), 1 => Just(at)];
    let on_end = prop_oneof![Just(OnEnd::Drop), Just(OnEnd::Finish)];
    let max = prop_oneof![3 => Just(None), 1 => (1..3u32).prop_map(Some)];
    (proptest::option::weighted(0.7, absence), count, any::<bool>(), reach, max, any::<bool>(), on_end)
        .prop_map(|(absence, count, count_history, reach, fires_max, is_home, on_end)| Asked {
            absence,
            count,
            count_history,
            reach,
            fires_max,
            is_home,
            on_end,
        })
        .boxed()
}

/// What users did over two and a half days from before the start, in the order of time; often near one another.
fn streams() -> BoxedStrategy<Vec<Done>> {
    let step = prop_oneof![5 => 0..60i64, 2 => 60..600i64];
    let one = (step, 0..3u32, any::<bool>(), any::<bool>(), 0..3u32);
    proptest::collection::vec(one, 1..60)
        .prop_map(|all| {
            let mut at = START - 8 * HOUR;
            let one = |(id, (on, user, is_b, is_home, order)): (usize, (i64, u32, bool, bool, u32))| {
                at += on * MINUTE / 2;
                Done { user, is_b, is_home, order, at, id }
            };
            all.into_iter().enumerate().map(one).collect()
        })
        .boxed()
}

// proves: S2.31 S2.38
#[test]
fn live_history_and_the_definition_agree() {
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse::<u32>().ok());
    let cases = cases.map_or(CASES, |cases| (cases / 800).max(1));
    let config = ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() };
    let mut runner = proptest::test_runner::TestRunner::new(config);
    runner
        .run(&(asked(), streams()), |(asked, all)| {
            let expected = defined(&asked, &all);
            let (handed, again) = live(&asked, &all);
            prop_assert_eq!(touches(&handed), touches(&again), "live and its own history");
            prop_assert_eq!(named(&again), expected.clone(), "the definition");
            prop_assert_eq!(named(&history(&asked, &all)), expected, "history alone");
            Ok(())
        })
        .unwrap();
}
