//! Random commands on random tasks: only what the table allows happens, and the audit trail replays to the state.

use proptest::prelude::*;
use rusqlite::Connection;

use super::*;

/// Which moves lead where, written down a second time in the words of the product's states.
const TABLE: &str = "
    draft: edit=draft submit=pending_approval cancel=cancelled delete=draft
    pending_approval: approve=approved reject=rejected cancel=cancelled delete=pending_approval
    rejected: edit=draft submit=pending_approval cancel=cancelled delete=rejected
    approved: edit=approved start=running cancel=cancelled fail=failed end=ended
    running: edit=running pause=paused cancel=cancelled stop=ended fail=failed end=ended
    paused: edit=paused resume=running cancel=cancelled stop=ended fail=failed end=ended
    failed: edit=failed start=running cancel=cancelled stop=ended end=ended
    ended: delete=ended
    cancelled: delete=cancelled";

/// Where a move leads by the table.
fn leads(from: &str, step: &str) -> Option<String> {
    let line = TABLE.lines().find_map(|line| line.trim().strip_prefix(&format!("{from}:")))?;
    line.split_whitespace().find_map(|word| word.strip_prefix(&format!("{step}=")).map(String::from))
}

#[derive(Debug, Clone)]
struct Command {
    task: usize,
    step: Move,
    note: Option<&'static str>,
    minutes: i64,
}

fn command() -> impl Strategy<Value = Command> {
    let step = prop::sample::select(Move::ALL.to_vec());
    let note = prop::sample::select(vec![None, Some(" "), Some("因为")]);
    (0..3usize, step, note, 0..2_000i64).prop_map(|(task, step, note, minutes)| Command {
        task,
        step,
        note,
        minutes,
    })
}

/// What the model keeps of a task.
#[derive(Clone)]
struct Kept {
    state: String,
    version: u32,
    is_deleted: bool,
}

impl Kept {
    /// What a command does by the table: the code of the refusal, or nothing.
    fn command(&mut self, command: &Command, is_past: bool) -> Option<&'static str> {
        let word = command.step.word();
        if self.is_deleted {
            return Some("TSK-044");
        }
        let Some(to) = leads(&self.state, word) else { return Some("TSK-010") };
        if matches!(word, "submit" | "approve") && is_past {
            return Some("TSK-009");
        }
        if word == "reject" && command.note.is_none_or(|note| note.trim().is_empty()) {
            return Some("TSK-013");
        }
        self.state = to;
        self.version += u32::from(word == "edit");
        self.is_deleted = word == "delete";
        None
    }
}

fn perform(
    tasks: &Tasks,
    id: &str,
    file: &TaskFile,
    command: &Command,
    now: Timestamp,
) -> Option<&'static str> {
    let done = match command.step {
        Move::Edit => tasks.edit(id, file, &Zone::default(), "小王", now),
        Move::Delete => tasks.delete(id, "小王", command.note, now),
        step => tasks.make_move(id, step, "小王", command.note, now),
    };
    done.err().map(|problem| problem.code)
}

/// State, version and deletion as the audit trail alone tells them.
fn replayed(tasks: &Tasks, id: &str) -> (String, u32, bool) {
    let rows = tasks.moves(id).unwrap();
    assert!(rows.windows(2).all(|two| two[1].from.as_ref() == Some(&two[0].to) && two[0].at <= two[1].at));
    let edits = rows.iter().filter(|row| row.step == "edit").count() as u32;
    let is_deleted = rows.iter().any(|row| row.step == "delete");
    (rows.last().unwrap().to.clone(), 1 + edits, is_deleted)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn only_allowed_moves_happen_and_the_trail_replays(commands in prop::collection::vec(command(), 0..60)) {
        let tasks = Tasks::open(Connection::open_in_memory().unwrap()).unwrap();
        let file = checked(GOOD).unwrap().file;
        let mut now = at("2026-03-01");
        let mut model = Vec::new();
        for no in 1..=3 {
            tasks.create(&file, &Zone::default(), "小王", now).unwrap();
            model.push((format!("t{no}"), Kept { state: "draft".into(), version: 1, is_deleted: false }));
        }
        for command in &commands {
            now = now.plus(command.minutes * 60_000 / 8);
            let (id, kept) = &mut model[command.task];
            let expected = kept.command(command, file.is_past(now, &Zone::default()));
            prop_assert_eq!(perform(&tasks, id, &file, command, now), expected);
        }
        for (id, kept) in &model {
            let task = tasks.task(id).unwrap();
            let found = (task.state.word().to_string(), task.version, task.deleted_at.is_some());
            prop_assert_eq!(&found, &(kept.state.clone(), kept.version, kept.is_deleted));
            prop_assert_eq!(&replayed(&tasks, id), &found);
            prop_assert_eq!(tasks.versions(id).unwrap().len(), task.version as usize);
        }
        let listed = tasks.list().unwrap().len();
        prop_assert_eq!(listed, model.iter().filter(|(_, kept)| !kept.is_deleted).count());
    }
}
