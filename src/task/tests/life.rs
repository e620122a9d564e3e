//! Edits, deletions, one-act creation, searches: what people do to tasks.

use rusqlite::Connection;

use super::*;

fn file(text: &str) -> TaskFile {
    checked(text).unwrap().file
}

fn tasks() -> Tasks {
    Tasks::open(Connection::open_in_memory().unwrap()).unwrap()
}

const ONCE: &str = "name='春季'\ngroup='会员日'\nstaff=['张三','李四']\nstart='2026-03-01'\nend='2026-04-01'\n\
    [trigger]\nkind='once'\nat='2026-03-20'\n[dispatch]\nsender='file'\n";

/// A task that has come as far as `moves` say, made by 小王.
fn moved(tasks: &Tasks, text: &str, moves: &[Move]) -> Task {
    let made = tasks.create(&file(text), &Zone::default(), "小王", at("2026-03-01")).unwrap();
    for step in moves {
        tasks.make_move(&made.id, *step, "老李", Some("因为"), at("2026-03-02")).unwrap();
    }
    tasks.task(&made.id).unwrap()
}

const TO_RUNNING: [Move; 3] = [Move::Submit, Move::Approve, Move::Start];

// proves: S0.10, S1.25, S2.3
#[test]
fn an_edit_of_a_running_task_is_a_new_version_and_each_holds_in_its_time() {
    let tasks = tasks();
    let daily = ONCE.replace("kind='once'\nat='2026-03-20'", "kind='repeat'\ntimes=['10:00']");
    let task = moved(&tasks, &daily, &TO_RUNNING);
    let text = daily.replace("10:00", "09:00").replace("春季", "夏季");
    let edited =
        tasks.edit(&task.id, &file(&text), &Zone::default(), "小张", at("2026-03-05T12:00")).unwrap();
    assert_eq!((edited.state, edited.version, edited.file.name.as_str()), (State::Running, 2, "夏季"));
    let holds: Vec<_> = tasks.in_force(&edited).unwrap().iter().map(|f| (f.version, f.from, f.to)).collect();
    let (approved, now) = (at("2026-03-02"), at("2026-03-05T12:00"));
    assert_eq!(holds, [(1, approved, Some(now)), (2, now, None)]);
    let next = |after: &str| {
        let found = tasks.run_after(&edited, Some(at(after))).unwrap().unwrap();
        (found.task.version, found.slot.occurrence(), found.task.file.name)
    };
    assert_eq!(next("2026-03-04T10:00"), (1, "2026-03-05T10:00:00".into(), "春季".into()));
    assert_eq!(next("2026-03-05T10:00"), (2, "2026-03-06T09:00:00".into(), "夏季".into()));
    assert_eq!(tasks.task_at(&edited, 3).unwrap_err().code, "TSK-011");
    let last = tasks.moves(&task.id).unwrap().pop().unwrap();
    assert_eq!((last.who.as_str(), last.step.as_str(), last.to.as_str()), ("小张", "edit", "running"));
}

#[test]
fn what_names_a_touch_cannot_be_edited_once_a_task_has_begun() {
    let tasks = tasks();
    let task = moved(&tasks, ONCE, &TO_RUNNING);
    let other =
        ONCE.replace("kind='once'\nat='2026-03-20'", "kind='repeat'\ntimes=['10:00']") + "channel='短信'\n";
    let zone = Zone::named("Europe/Paris").unwrap();
    let refused = tasks.edit(&task.id, &file(&other), &zone, "小张", at("2026-03-05")).unwrap_err();
    assert_eq!(refused.code, "TSK-043");
    for word in ["trigger.kind", "once to repeat", "file to 短信", "Asia/Shanghai to Europe/Paris"] {
        assert!(refused.what.contains(word), "{refused}");
    }
    assert_eq!(tasks.task(&task.id).unwrap().version, 1);
    // Before it has begun anything may change.
    let waiting = moved(&tasks, ONCE, &TO_RUNNING[..2]);
    assert!(tasks.edit(&waiting.id, &file(&other), &zone, "小张", at("2026-03-05")).is_ok());
}

// proves: S1.26, S1.19
#[test]
fn a_task_on_which_nothing_runs_is_deleted_and_its_trail_stays() {
    let tasks = tasks();
    let running = moved(&tasks, ONCE, &TO_RUNNING);
    assert_eq!(tasks.delete(&running.id, "小王", None, at("2026-03-03")).unwrap_err().code, "TSK-010");
    let draft = moved(&tasks, ONCE, &[]);
    let gone = tasks.delete(&draft.id, "小王", Some("写错了"), at("2026-03-03")).unwrap();
    assert_eq!((gone.state, gone.deleted_at), (State::Draft, Some(at("2026-03-03"))));
    assert_eq!(tasks.list().unwrap().len(), 1);
    let again = |step| tasks.make_move(&draft.id, step, "小王", None, at("2026-03-04")).unwrap_err().code;
    assert_eq!([again(Move::Submit), again(Move::Cancel)], ["TSK-044", "TSK-044"]);
    assert_eq!(tasks.delete(&draft.id, "小王", None, at("2026-03-04")).unwrap_err().code, "TSK-044");
    let last = tasks.moves(&draft.id).unwrap().pop().unwrap();
    assert_eq!((last.step.as_str(), last.note.as_deref()), ("delete", Some("写错了")));
    assert_eq!(tasks.copy(&draft.id, "小王", at("2026-03-04")).unwrap().state, State::Draft);
}

// proves: S0.18
#[test]
fn one_act_makes_and_starts_a_task_or_does_nothing() {
    let tasks = tasks();
    let (zone, good) = (Zone::default(), file(ONCE));
    let made = tasks.create_started(&good, &zone, "小王", at("2026-03-02")).unwrap();
    assert_eq!(made.state, State::Running);
    let steps: Vec<String> = tasks.moves(&made.id).unwrap().into_iter().map(|row| row.step).collect();
    assert_eq!(steps, ["create", "submit", "approve", "start"]);
    assert_eq!(tasks.create_started(&good, &zone, "小王", at("2026-03-21")).unwrap_err().code, "TSK-009");
    assert_eq!(tasks.list().unwrap().len(), 1);
}

// proves: S0.11, S0.20, S1.27, S2.13
#[test]
fn tasks_are_found_by_name_creator_staff_and_group() {
    let tasks = tasks();
    moved(&tasks, ONCE, &TO_RUNNING);
    moved(&tasks, &ONCE.replace("春季", "VIP 回访").replace("['张三','李四']", "['王五']"), &[]);
    let found = |search: Search| {
        let found = tasks.search(&search).unwrap();
        (found.tasks.iter().map(|task| task.id.clone()).collect::<Vec<_>>(), found.total)
    };
    let by = |words: &str| found(Search { keyword: Some(words.into()), ..Search::default() }).0;
    assert_eq!(by("春季"), ["t1"]);
    assert_eq!(by("vip"), ["t2"]);
    assert_eq!(by("小王"), ["t1", "t2"]);
    assert_eq!(by("小王 李四"), ["t1"]);
    assert_eq!(by("会员日 王五"), ["t2"]);
    assert!(by("老李").is_empty());
    let running = Search { states: vec![State::Running], ..Search::default() };
    assert_eq!(found(running), (vec!["t1".to_string()], 1));
    let group = Search { group: Some("双11".into()), ..Search::default() };
    assert_eq!(found(group).1, 0);
    let page = Search { offset: 1, limit: Some(1), ..Search::default() };
    assert_eq!(found(page), (vec!["t2".to_string()], 2));
}

// proves: S2.14, S2.15
#[test]
fn parts_that_are_switched_off_are_refused_with_all_other_mistakes() {
    let text =
        format!("resource_group='华东'\nactivity='春节'\n{}", ONCE.replace("'张三','李四'", "'张三','张三'"));
    assert_eq!(mistakes(&text), ["TSK-045 1:16", "TSK-004 5:7"]);
    let text = format!("activity='春节'\n{ONCE}");
    assert_eq!(file(&text).about.activity.as_deref(), Some("春节"));
}

#[test]
fn a_difference_names_keys_and_not_spellings() {
    let after =
        ONCE.replace("at='2026-03-20'", "at = \"2026-03-21\" # later").replace("group='会员日'\n", "");
    let found = difference(ONCE, &after);
    let told: Vec<_> =
        found.iter().map(|one| (one.key.as_str(), one.before.as_deref(), one.after.as_deref())).collect();
    assert_eq!(
        told,
        [("group", Some("会员日"), None), ("trigger.at", Some("2026-03-20"), Some("2026-03-21"))]
    );
    assert!(difference(ONCE, &ONCE.replace('\'', "\"")).is_empty());
    assert_eq!(difference("= broken", "a = 1").len(), 1);
}
