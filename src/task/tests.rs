//! Task files, contents and lives, as an operator meets them.

mod life;
mod limits;
mod random_life;
mod repeat;
mod rule;
mod slots;

use proptest::prelude::*;
use rusqlite::Connection;
use serde_json::{Value, json};

use super::*;
use crate::base::{Problem, Problems, Span, Timestamp, Zone};

const GOOD: &str = r#"
name     = "春季活动"
audience = "性别 = '女' 且 非 人群包 '黑名单'"
update   = "on_demand"
start    = "2026-03-01T00:00:00+08:00"
end      = 2026-04-01

[trigger]
kind     = "once"
at       = "2026-03-02 20:00"
refresh_before = true
on_refresh_failure = "latest"

[dispatch]
sender   = "file"
batch    = 500
content  = { template = "{{name}} 您好，点击 {{link}}", link = "https://a.cn/?u={{user_id}}", images = ["{{头像}}"], n = 3 }

[limits]
holdout  = "5%"
blacklist = "投诉"
"#;

struct Home;

impl Known for Home {
    fn selection(&self, text: &str) -> Result<Vec<Problem>, Problems> {
        match text.find("坏") {
            None => Ok(vec![Problem::author("SEL-000", "看一眼").span(Span { from: 0, to: 6 })]),
            Some(from) => Err(Problem::author("SEL-014", "不认识").span(Span { from, to: from + 3 }).into()),
        }
    }

    fn event(&self, text: &str) -> Result<Vec<Problem>, Problems> {
        let unseen = |from| Problem::author("SEL-160", "没见过").span(Span { from, to: from + 3 });
        self.selection(text).map(|_| text.find("新").map(unseen).into_iter().collect())
    }

    fn same(&self, property: &str) -> Result<Vec<Problem>, Problems> {
        match property {
            "tags" => Err(Problem::author("SEL-113", "一个列表").into()),
            _ => Ok(vec![]),
        }
    }

    /// The real one compares filters; words suffice here.
    fn contains(&self, outer: &str, inner: &str) -> bool {
        inner.starts_with(outer)
    }

    fn rows_per_day(&self, event: &str) -> f64 {
        if event.starts_with("hot") { 1_500_000.0 } else { 10.0 }
    }

    fn crowds(&self) -> Vec<String> {
        vec!["黑名单".into(), "投诉".into()]
    }

    fn attributes(&self) -> Vec<String> {
        vec!["name".into(), "头像".into()]
    }

    fn senders(&self) -> Vec<String> {
        vec!["blackhole".into(), "file".into()]
    }

    fn has(&self, feature: Feature) -> bool {
        feature == Feature::Activities
    }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text, &Zone::default()).unwrap()
}

fn checked(text: &str) -> Result<Checked, Problems> {
    check(text, "活动.toml", &Zone::default(), at("2026-03-01"), &Home)
}

/// The codes and places of all mistakes in a text, in its order.
fn mistakes(text: &str) -> Vec<String> {
    let problems = checked(text).map(|_| ()).unwrap_err();
    let place = |at: &str| at.split("  ").next().unwrap_or("").trim_start_matches("活动.toml:").to_string();
    problems.0.iter().map(|problem| format!("{} {}", problem.code, place(&problem.at))).collect()
}

// proves: S0.4, S2.12, S2.16
#[test]
fn a_task_file_is_read() {
    let Checked { file, warnings } = checked(GOOD).unwrap();
    assert_eq!(
        (file.name.as_str(), file.dispatch.batch, file.dispatch.channel.as_str()),
        ("春季活动", 500, "file")
    );
    assert_eq!((file.update, file.grace_ms, file.on_pause), (Update::OnDemand, 1_800_000, OnPause::Drop));
    assert_eq!((file.start, file.end), (at("2026-03-01"), at("2026-04-01")));
    let Trigger::Once(once) = &file.trigger else { panic!("{file:?}") };
    let slot = file.slot_from(file.start, &Zone::default()).unwrap();
    assert_eq!((once.at, slot.as_of()), (at("2026-03-02T20:00"), at("2026-03-02T19:45")));
    assert_eq!(slot.on_refresh_failure(), OnRefreshFailure::Latest);
    assert_eq!(slot.occurrence(), "2026-03-02T20:00:00");
    assert_eq!(file.limits.blacklist.as_deref(), Some("投诉"));
    assert_eq!(warnings.len(), 1);
    assert!(warnings[0].at.starts_with("活动.toml:3:13  性别 = '女'"), "{}", warnings[0].at);
    let least = "name='x'\nstart='2026-03-01'\nend='2026-03-03'\n[trigger]\nkind='once'\nat='2026-03-02'\n[dispatch]\nsender='file'";
    let file = checked(least).unwrap().file;
    assert_eq!((file.audience, file.update, file.dispatch.batch), (Audience::Everyone, Update::Once, 200));
}

// proves: S0.8
#[test]
fn every_mistake_is_shown_at_once_at_its_place() {
    let bad = "nam = \"x\"\naudience = \"城市 = '坏'\"\ncrowd = \"没有\"\nupdate = \"weekly\"\nstart = \"soon\"\nat = 3\n\
               [trigger]\nkind = \"once\"\nwithin = \"20m\"\nrefresh_before = \"yes\"\n\
               [dispatch]\nsender = \"fil\"\nbatch = 0\ncontent = { template = 3 }\n\
               [limits]\nholdout = \"5\"\nquiet = { from = \"21:00\" }\ncaps = []\n";
    assert_eq!(
        mistakes(bad),
        [
            "TSK-002 1:1",
            "TSK-003 1:1",
            "TSK-003 1:1",
            "SEL-014 2:19",
            "TSK-006 3:9",
            "TSK-007 3:9",
            "TSK-004 4:10",
            "TSK-004 5:9",
            "TSK-002 6:1",
            "TSK-003 7:1",
            "TSK-015 9:1",
            "TSK-004 10:18",
            "TSK-007 12:10",
            "TSK-004 13:9",
            "TSK-004 14:24",
            "TSK-004 16:11",
            "TSK-003 17:9"
        ]
    );
    let problems = checked(bad).map(|_| ()).unwrap_err().to_string();
    assert!(problems.contains("write `name`"), "{problems}");
    assert!(problems.contains("move `at` to [trigger]"), "{problems}");
    assert!(problems.contains("write \"file\""), "{problems}");
}

#[test]
fn syntax_instants_names_and_the_kinds_to_come() {
    assert_eq!(mistakes("name = \n[trigger"), ["TSK-001 1:8", "TSK-001 2:9"]);
    assert_eq!(mistakes(&GOOD.replace("2026-04-01", "2026-02-01")), ["TSK-005 6:1"]);
    assert_eq!(mistakes(&GOOD.replace("2026-03-02 20:00", "2026-04-01")), ["TSK-005 10:12"]);
    assert_eq!(mistakes(&GOOD.replace("春季活动", &"字".repeat(101))), ["TSK-014 2:12"]);
    assert!(checked(&GOOD.replace("春季活动", &"字".repeat(100))).is_ok());
    assert_eq!(mistakes(&GOOD.replace("\"once\"", "\"repeat\"")), ["TSK-003 8:1", "TSK-015 10:1"]);
    assert_eq!(mistakes(&GOOD.replace("\"once\"", "\"onse\"")), ["TSK-004 9:12"]);
}

// proves: S1.6
#[test]
fn a_time_that_is_past_is_a_warning_then_a_mistake() {
    let zone = Zone::default();
    let late = check(GOOD, "x", &zone, at("2026-03-03"), &Home).unwrap();
    assert!(late.warnings.iter().any(|warning| warning.code == "TSK-009"));
    let tasks = Tasks::open(Connection::open_in_memory().unwrap()).unwrap();
    let id = tasks.create(&late.file, &zone, "小王", at("2026-03-01")).unwrap().id;
    assert_eq!(
        tasks.make_move(&id, Move::Submit, "小王", None, at("2026-03-03")).unwrap_err().code,
        "TSK-009"
    );
    tasks.make_move(&id, Move::Submit, "小王", None, at("2026-03-01")).unwrap();
    assert_eq!(
        tasks.make_move(&id, Move::Approve, "老李", None, at("2026-03-03")).unwrap_err().code,
        "TSK-009"
    );
}

#[test]
fn placeholders_that_nobody_fills_are_warned_of() {
    let odd = checked(&GOOD.replace("{{name}}", "{{nam}} {{ name }} {{}} {{x")).unwrap();
    let codes: Vec<&str> = odd.warnings.iter().map(|warning| warning.code).collect();
    assert_eq!(codes, ["SEL-000", "TSK-008"]);
    assert!(odd.warnings[1].cure.contains("{{name}}"));
}

#[test]
fn contents_are_filled() {
    let content = checked(GOOD).unwrap().file.dispatch.content;
    let form = content.form(&|name| matches!(name, "name" | "头像"));
    assert_eq!(form.fields(), ["name", "头像"]);
    let (filled, fields) = form.fill("u1", &[0; 16], &[Some("张三".into()), None]).unwrap();
    let expected = json!({"template": "张三 您好，点击 https://a.cn/?u=u1", "link": "https://a.cn/?u=u1", "images": [""], "n": 3});
    assert_eq!((filled, Value::Object(fields)), (expected, json!({"name": "张三", "头像": ""})));
    let round = Content([("a".into(), json!("{{b}}")), ("b".into(), json!("{{a}}"))].into_iter().collect());
    assert_eq!(
        round.form(&|_| false).fill("u", &[0; 16], &[]).unwrap().0,
        json!({"a": "{{a}}", "b": "{{b}}"})
    );
}

proptest! {
    /// The slow twin of filling: replace each `{{name}}` in the text by hand.
    #[test]
    fn filling_agrees_with_replacing(text in "[a-c{}王 ]{0,40}") {
        let content = Content([("template".to_string(), json!(text))].into_iter().collect());
        let form = content.form(&|name| name == "a");
        let filled = form.fill("u1", &[0; 16], &vec![Some("值".into()); form.fields().len()]).unwrap().0;
        let slow = regex::Regex::new(r"\{\{[ ]*a[ ]*\}\}").unwrap().replace_all(&text, "值").to_string();
        prop_assert_eq!(filled["template"].as_str().unwrap(), slow);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[\\[\\]=\"'a-z0-9\n.{}王 ]{0,120}") {
        let _ = checked(&text);
        let _ = checked(&format!("{GOOD}{text}"));
    }
}

#[test]
fn lengths_of_time() {
    let read = ["90s", "20m", "2h", "7d", "0s"].map(|text| duration_ms(text).unwrap());
    assert_eq!(read, [90_000, 1_200_000, 7_200_000, 604_800_000, 0]);
    assert!(
        ["", "s", "2", "-1s", "1.5h", "2 weeks", "99999999999999999d", "二m", "2分"]
            .iter()
            .all(|bad| duration_ms(bad).is_none())
    );
}

// proves: S2.3, S2.4, S2.5, S2.6, S2.9, S2.10
#[test]
fn a_task_moves_as_its_life_says_and_everything_is_written_down() {
    let zone = Zone::default();
    let now = at("2026-03-01");
    let tasks = Tasks::open(Connection::open_in_memory().unwrap()).unwrap();
    let file = checked(GOOD).unwrap().file;
    let task = tasks.create(&file, &zone, "小王", now).unwrap();
    assert_eq!((task.id.as_str(), task.state.word(), task.version), ("t1", "draft", 1));
    let go = |step, note| tasks.make_move("t1", step, "老李", note, now);
    assert_eq!(go(Move::Submit, None).unwrap().state.chinese(), "待审批");
    assert_eq!(go(Move::Reject, Some(" ")).unwrap_err().code, "TSK-013");
    let rejected = go(Move::Reject, Some("文案不对")).unwrap();
    assert_eq!((rejected.state.chinese(), rejected.cause.as_deref()), ("审批驳回", Some("文案不对")));
    let edited = tasks
        .edit(
            "t1",
            &TaskFile { name: "x".into(), text: GOOD.replace("春季", "夏季"), ..file },
            &zone,
            "小王",
            now,
        )
        .unwrap();
    assert_eq!((edited.state.word(), edited.version, edited.file.name.as_str()), ("draft", 2, "夏季活动"));
    let forbidden = go(Move::Pause, None).unwrap_err();
    assert_eq!(forbidden.code, "TSK-010");
    assert!(forbidden.what.contains("edit, submit, cancel, delete, copy"), "{forbidden}");
    go(Move::Submit, None).unwrap();
    assert_eq!(go(Move::Approve, None).unwrap().state.chinese(), "待开始");
    assert_eq!(go(Move::Edit, None).unwrap_err().kind, crate::base::Kind::Bug);
    let copy = tasks.copy("t1", "小王", now).unwrap();
    assert_eq!((copy.id.as_str(), copy.state.word(), copy.file.name.as_str()), ("t2", "draft", "夏季活动"));
    assert_eq!(tasks.list().unwrap().len(), 2);
    let trail: Vec<String> = tasks
        .moves("t1")
        .unwrap()
        .into_iter()
        .map(|row| format!("{} {} {}", row.who, row.step, row.to))
        .collect();
    assert_eq!(trail[..3], ["小王 create draft", "老李 submit pending_approval", "老李 reject rejected"]);
    assert_eq!(tasks.moves("t1").unwrap()[2].note.as_deref(), Some("文案不对"));
    for id in ["t9", "x", ""] {
        assert_eq!(tasks.task(id).unwrap_err().code, "TSK-011");
    }
}

#[test]
fn a_home_that_cannot_be_used_says_so() {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch("create table tasks (wrong text)").unwrap();
    let problem = Tasks::open(db).unwrap().list().unwrap_err();
    assert_eq!((problem.code, problem.kind), ("OUT-030", crate::base::Kind::Outside));
}

#[test]
fn every_state_has_a_word_and_ended_tasks_stay_ended() {
    for state in State::ALL {
        assert_eq!(State::of(state.word()), Some(state));
        assert!(!state.chinese().is_empty());
    }
    for over in [State::Ended, State::Cancelled] {
        assert_eq!(over.moves(), [(Move::Delete, over)]);
    }
}
