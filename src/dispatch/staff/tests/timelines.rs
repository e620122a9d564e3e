//! Timelines of staff that an operator can read: left what people and customers did, right what it brought.
//!
//! ```text
//! zone Asia/Shanghai
//! now 2026-03-01 09:00                      # when staff is imported and tasks are made and approved
//! staff 张三 joined 2020-01-01 friends 0     # a member, whose id is the name
//! task 加客: staff = ["张三", "李四"]; times = ["10:00"]; limits = { when_full = "wait" }
//! 2026-03-01
//!   users 7                                 -> nothing
//!   10:00                                   -> 加客 张三 4, 李四 3
//!   10:05  张三 leaves                       -> 加客 4 users, 4 to-dos handed on
//! shares 加客                                -> 李四 7
//! words 加客 u3                              -> 03-01 10:00 张三 run, 03-01 10:05 李四 left
//! ```
//! After `task NAME:` stand keys of a task file: of its top, of `[trigger]`, or `limits`, which is `[limits]
//! staff`. Touches go to a desk with to-dos. A line's time is the clock: what falls due up to and at it happens;
//! then what stands in the line is done: `users N` or `users A..B` (who is in the audience from now on), `NAME
//! leaves`, `returns`, `resumes`, `has N friends`, `does N` or `loses N` (that many of the oldest to-dos are done,
//! or refused), `remind`, `pause TASK`, `resume TASK`. Right stands, for each task, who got how many since the
//! line before, and how many wait, were suppressed or expired in all when that changed. `todos NAME` counts a
//! member's to-dos by state; one open for a day is overdue. `UPDATE=1` writes what follows `->` anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::{Value, json};

use crate::base::{Day, Problem, Timestamp, Zone};
use crate::dispatch::staff::{Asked, TodoState, resume, shares, words_on};
use crate::dispatch::tests::world::World;
use crate::dispatch::{Batch, NoFaults, Outcome, Receipt, ReceiptState, Sender, Senders, Touch};
use crate::task::{By, MemberRow, Move, TaskFile, read};

const USERS: u32 = 400;
const OVERDUE_MS: i64 = 24 * 3_600_000;

#[test]
fn staff_is_dealt_to_as_it_is_written() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/staff");
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 9, "{} timelines", files.len());
    let wrong: Vec<String> = files.iter().filter_map(|file| check(file).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let found = Player::new().play(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    if found == text {
        return Ok(());
    }
    if std::env::var("UPDATE").is_ok() {
        return std::fs::write(path, found).map_err(|e| e.to_string());
    }
    let differs = text.lines().zip(found.lines()).find(|(a, b)| a != b);
    let (listed, happened) = differs.unwrap_or(("", "the number of lines"));
    Err(format!("{}\n  listed   {listed}\n  happened {happened}", path.display()))
}

/// A channel on which people act: each touch becomes a to-do.
#[derive(Default)]
pub struct Desk(Mutex<Vec<Batch>>);

impl Desk {
    /// Every touch, each once: a retry brings the same.
    pub fn got(&self) -> Vec<Touch> {
        let batches = self.0.lock().unwrap();
        let mut seen = BTreeMap::new();
        for touch in batches.iter().flat_map(|batch| &batch.touches) {
            let before = seen.insert(touch.touch_id, touch.clone());
            assert!(before.is_none_or(|before| before == *touch), "a retry carries the same");
        }
        seen.into_values().collect()
    }

    /// Whose the touches of each batch are.
    pub fn batches(&self) -> Vec<Vec<Option<String>>> {
        let own = |batch: &Batch| batch.touches.iter().map(|touch| touch.staff.clone()).collect();
        self.0.lock().unwrap().iter().map(own).collect()
    }
}

#[async_trait]
impl Sender for Desk {
    fn name(&self) -> &str {
        "desk"
    }

    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    fn is_idempotent(&self) -> bool {
        true
    }

    fn has_receipts(&self) -> bool {
        true
    }

    fn is_by_staff(&self) -> bool {
        true
    }

    fn family(&self) -> &str {
        "staff.add"
    }

    fn todo(&self, _: &Batch, touch: &Touch) -> Option<Value> {
        Some(json!({ "staff": touch.staff }))
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        self.0.lock().unwrap().push(batch.clone());
        let awaiting = |touch: &Touch| Receipt::of(touch.touch_id, ReceiptState::Awaiting);
        Outcome::Answered(batch.touches.iter().map(awaiting).collect())
    }
}

struct Player {
    world: World,
    desk: Arc<Desk>,
    zone: Zone,
    day: String,
    now: Timestamp,
    /// Names and ids of the tasks, and what the last line said of what waits and was suppressed.
    tasks: Vec<(String, String, String)>,
}

impl Player {
    fn new() -> Player {
        Player {
            world: World::of(USERS),
            desk: Arc::default(),
            zone: Zone::default(),
            day: String::new(),
            now: Timestamp(0),
            tasks: Vec::new(),
        }
    }

    fn play(&mut self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        for (no, line) in text.lines().enumerate() {
            let shown = self.line(line).map_err(|e| format!("line {}: {e}", no + 1))?;
            out.push_str(shown.trim_end());
            out.push('\n');
        }
        Ok(out)
    }

    fn line(&mut self, line: &str) -> Result<String, String> {
        let (left, _) = line.split_once("->").unwrap_or((line, ""));
        let words = left.split(" #").next().unwrap_or_default().trim_end();
        if words.trim().is_empty() || words.starts_with('#') {
            return Ok(line.to_string());
        }
        let said = match words.split_once(' ') {
            Some(("", moment)) => self.moment(moment.trim())?,
            Some(("shares", name)) => self.shares(name.trim())?,
            Some(("words", of)) => self.words(of.trim())?,
            Some(("todos", name)) => self.todos(name.trim())?,
            Some((word, rest)) => return self.head(word, rest.trim()).map(|()| line.to_string()),
            None => {
                self.day = words.to_string();
                return Ok(line.to_string());
            }
        };
        Ok(format!("{left}-> {said}"))
    }

    fn head(&mut self, word: &str, rest: &str) -> Result<(), String> {
        match word {
            "zone" => self.zone = Zone::named(rest).ok_or("no such zone")?,
            "now" => self.now = Timestamp::parse(rest, &self.zone).ok_or("no such instant")?,
            "staff" => self.import(rest)?,
            "task" => {
                let (name, file) = self.file(rest)?;
                let tasks = self.world.tasks();
                let made = tasks.create(&file, &self.zone, "小王", self.now).map_err(|p| p.to_string())?;
                for step in [Move::Submit, Move::Approve] {
                    tasks.make_move(&made.id, step, "老李", None, self.now).map_err(|p| p.to_string())?;
                }
                self.tasks.push((name, made.id, String::new()));
            }
            _ => return Err(format!("no line begins with `{word}`")),
        }
        Ok(())
    }

    /// `NAME joined DAY friends N`.
    fn import(&mut self, rest: &str) -> Result<(), String> {
        let words: Vec<&str> = rest.split_whitespace().collect();
        let after = |key: &str| words.iter().skip_while(|word| **word != key).nth(1).copied();
        let row = MemberRow {
            id: words.first().ok_or("name a member")?.to_string(),
            joined: after("joined").and_then(Day::parse),
            friends: after("friends").and_then(|count| count.parse().ok()),
            department: after("of").map(String::from),
            ..MemberRow::default()
        };
        let today = self.zone.day_of(self.now);
        let by = By { who: "人事", note: None, now: self.now };
        self.world.tasks().staff().import(&[row], today, by).map(drop).map_err(|p| p.to_string())
    }

    fn file(&self, rule: &str) -> Result<(String, TaskFile), String> {
        let (name, keys) = rule.split_once(':').ok_or("write `NAME: keys`")?;
        let (mut top, mut trigger, mut limits) =
            (format!("name = \"{}\"\n", name.trim()), String::new(), String::new());
        for key in keys.split(';').map(str::trim) {
            let is_top =
                ["start", "end", "staff", "departments", "grace"].iter().any(|word| key.starts_with(word));
            match key.strip_prefix("limits") {
                Some(rest) => limits = format!("[limits]\nstaff{rest}\n"),
                None if is_top => top.push_str(&format!("{key}\n")),
                None => trigger.push_str(&format!("{key}\n")),
            }
        }
        for (key, default) in [("start", "2000-01-01"), ("end", "2040-01-01")] {
            if !top.contains(&format!("\n{key} ")) {
                top.push_str(&format!("{key} = \"{default}\"\n"));
            }
        }
        let kind = if trigger.starts_with("at ") { "once" } else { "repeat" };
        let text = format!(
            "{top}[trigger]\nkind = \"{kind}\"\n{trigger}[dispatch]\nsender = \"desk\"\nbatch = 7\n{limits}"
        );
        let file = read(&text, "timeline", &self.zone).map_err(|problems| problems.to_string())?;
        Ok((name.trim().to_string(), file))
    }

    fn moment(&mut self, words: &str) -> Result<String, String> {
        let (time, act) = words.split_once(' ').unwrap_or((words, ""));
        let at = Timestamp::parse(&format!("{} {time}", self.day), &self.zone).ok_or("no such instant")?;
        let (from, senders) = (self.now, self.senders());
        let ran = self.world.with_engine(&senders, &NoFaults, |engine| engine.run_until(from, at, None));
        let failed = ran.map_err(|problem| problem.to_string())?.happened.into_iter();
        let failed: Vec<String> =
            failed.filter(|h| h.what == "failed").map(|h| format!("failed: {}", h.note)).collect();
        self.now = at;
        let mut said = self.brought();
        said.extend(failed);
        said.extend(self.act(act.trim())?);
        Ok(if said.is_empty() { "nothing".into() } else { said.join("; ") })
    }

    fn senders(&self) -> Senders {
        [("desk".to_string(), self.desk.clone() as Arc<dyn Sender>)].into_iter().collect()
    }

    /// What each task did since the line before.
    fn brought(&mut self) -> Vec<String> {
        let got = std::mem::take(&mut *self.desk.0.lock().unwrap());
        let mut said = Vec::new();
        for (name, id, before) in &mut self.tasks {
            let mut own: BTreeMap<&str, usize> = BTreeMap::new();
            for touch in got.iter().filter(|batch| batch.task == *id).flat_map(|batch| &batch.touches) {
                *own.entry(touch.staff.as_deref().unwrap_or("nobody")).or_insert(0) += 1;
            }
            let mut parts: Vec<String> =
                own.iter().map(|(staff, count)| format!("{staff} {count}")).collect();
            let total = self.world.report(id).total;
            assert!(total.balanced);
            let counts = [("waits", total.held), ("suppressed", total.suppressed)];
            let rest: Vec<String> =
                counts.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{word} {n}")).collect();
            let rest = rest.join(", ");
            if rest != *before {
                parts.push(if rest.is_empty() { "nothing waits".into() } else { rest.clone() });
                *before = rest;
            }
            if !parts.is_empty() {
                said.push(format!("{name} {}", parts.join(", ")));
            }
        }
        said
    }

    fn act(&mut self, act: &str) -> Result<Vec<String>, String> {
        let words: Vec<&str> = act.split_whitespace().collect();
        let tasks = self.world.tasks();
        let by = By { who: "小王", note: None, now: self.now };
        match words.as_slice() {
            [] => {}
            ["users", range] => {
                let (from, to) = range.split_once("..").unwrap_or(("0", range));
                let number = |text: &str| text.parse::<u32>().map_err(|e| e.to_string());
                *self.world.users.borrow_mut() = (number(from)?..number(to)?).collect();
            }
            ["remind"] => return self.remind(),
            ["pause", task] => self.steer(task, Move::Pause)?,
            ["resume", task] => self.steer(task, Move::Resume)?,
            [name, "leaves"] => {
                tasks.staff().leave(name, by).map_err(|p| p.to_string())?;
                return self.hand_on(name);
            }
            [name, "returns"] => drop(tasks.staff().come_back(name, by).map_err(|p| p.to_string())?),
            [name, "resumes"] => resume(&self.world.ledger(), name, self.now).map_err(|p| p.to_string())?,
            [name, "has", friends, "friends"] => self.import(&format!("{name} friends {friends}"))?,
            [name, "does", count] => return self.finish(name, count, ReceiptState::Delivered),
            [name, "loses", count] => return self.finish(name, count, ReceiptState::Refused),
            _ => return Err(format!("nobody knows how to `{act}`")),
        }
        Ok(Vec::new())
    }

    fn steer(&self, name: &str, step: Move) -> Result<(), String> {
        self.world
            .tasks()
            .make_move(self.id(name)?, step, "小王", None, self.now)
            .map(drop)
            .map_err(|p| p.to_string())
    }

    fn hand_on(&self, name: &str) -> Result<Vec<String>, String> {
        let handed =
            self.world.with_engine(&self.senders(), &NoFaults, |engine| engine.hand_on(name, self.now));
        let handed = handed.map_err(|p| p.to_string())?;
        let told = |one: &crate::dispatch::staff::HandedOn| {
            let name = self.tasks.iter().find(|(_, id, _)| *id == one.task).map_or("?", |(name, ..)| name);
            format!("{name} {} users, {} to-dos handed on", one.users, one.todos)
        };
        Ok(handed.iter().map(told).collect())
    }

    fn finish(&self, name: &str, count: &str, state: ReceiptState) -> Result<Vec<String>, String> {
        let ledger = self.world.ledger();
        let asked = Asked { staff: Some(name.into()), state: Some(TodoState::Open), ..Asked::default() };
        let open = ledger.todos(&asked).map_err(|p| p.to_string())?;
        let count: usize = count.parse().map_err(|_| "how many?")?;
        for todo in open.iter().take(count) {
            ledger.finish_todo(todo.no, state, (name, None), None, self.now).map_err(|p| p.to_string())?;
        }
        Ok(if open.len() < count { vec![format!("only {} were open", open.len())] } else { Vec::new() })
    }

    fn remind(&self) -> Result<Vec<String>, String> {
        let today = self.zone.start_of(self.zone.day_of(self.now));
        let found = self.world.ledger().remind(self.now.plus(-OVERDUE_MS), today, self.now);
        let mut own: BTreeMap<String, usize> = BTreeMap::new();
        for todo in found.map_err(|p| p.to_string())? {
            *own.entry(todo.staff.unwrap_or_default()).or_insert(0) += 1;
        }
        let told: Vec<String> = own.iter().map(|(staff, count)| format!("{staff} {count}")).collect();
        Ok(vec![format!("reminded {}", if told.is_empty() { "nobody".into() } else { told.join(", ") })])
    }

    fn id(&self, name: &str) -> Result<&str, String> {
        let found = self.tasks.iter().find(|(known, ..)| known == name);
        found.map(|(_, id, _)| id.as_str()).ok_or_else(|| format!("no task is called `{name}`"))
    }

    fn shares(&self, name: &str) -> Result<String, String> {
        let shares = shares(&self.world.ledger(), self.id(name)?).map_err(|p| p.to_string())?;
        Ok(shares.iter().map(|(staff, users)| format!("{staff} {users}")).collect::<Vec<_>>().join(", "))
    }

    fn words(&self, of: &str) -> Result<String, String> {
        let (name, user) = of.split_once(' ').ok_or("write `words TASK uN`")?;
        let user = user.trim_start_matches('u').parse().map_err(|_| "no such user")?;
        let words = words_on(&self.world.ledger(), self.id(name)?, user).map_err(|p| p.to_string())?;
        let told = |word: &crate::dispatch::staff::UserWord| {
            let at = self.zone.local(word.at).format("%m-%d %H:%M");
            format!("{at} {} {}", word.staff, word.why)
        };
        Ok(words.iter().map(told).collect::<Vec<_>>().join(", "))
    }

    fn todos(&self, name: &str) -> Result<String, String> {
        let asked = Asked { staff: Some(name.into()), ..Asked::default() };
        let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
        for todo in self.world.ledger().todos(&asked).map_err(|p| p.to_string())? {
            let is_overdue = todo.state == TodoState::Open && todo.opened_at <= self.now.plus(-OVERDUE_MS);
            *counts.entry(if is_overdue { "overdue" } else { todo.state.word() }).or_insert(0) += 1;
        }
        Ok(counts.iter().map(|(state, count)| format!("{state} {count}")).collect::<Vec<_>>().join(", "))
    }
}
