//! Timelines of schedules that an operator can read: left what people and machines did, right what the clock
//! brought since the line before.
//!
//! ```text
//! zone Asia/Shanghai
//! now 2026-03-01 09:00                      # when the tasks are made and approved
//! task 日报: times = ["10:00", "20:00"]; overlap = "skip"
//! 2026-03-02
//!   10:00                                   -> 日报 ran
//!   20:00  日报 pause                        -> 日报 ran
//! runs 日报                                  -> 03-02T10:00 done 5, 03-02T20:00 done 5
//! ```
//! After `task NAME:` stand keys of a task file, of `[trigger]` or of its top. A line's time is the clock: what falls
//! due up to and at it happens, then what stands in the line is done: a move of a task; `edit NAME: keys`; `down`
//! (nothing happens until `up`, which finds what is overdue); `dies before "STEP"` (at this time a run breaks off there); `refresh breaks` and
//! `refresh mends`. What happened at another time than the line's has its time. `runs NAME` lists planned local
//! time, state, users, and the version if it is not the first. `UPDATE=1` writes what follows `->` anew.
//!
//! `tests/limits` has timelines of gates. Keys of `[limits]` and `[dispatch]` stand after `task NAME:` too.
//! `crowd NAME: u1 u2`, `company: keys of [limits]` and `quota: { … }` (of the one sender) stand at the margin. In a
//! line with a time: `NAME fires u1 u2` (a trigger releases touches), `suspend u1 until 2026-03-03`,
//! `receiver refuses` (the next batch). `book NAME` shows the book, `reached NAME` the users who had touches.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::facts::released;
use super::world::{Receiver, Reply, World, senders};
use crate::base::{Outcome as Found, Problem, Timestamp, Zone};
use crate::dispatch::{Faults, NoFaults, Summary, Suspension, TouchId, cancel, edit, stop};
use crate::task::{Move, TaskFile, company_limits, read};

const USERS: u32 = 5;

#[test]
fn every_schedule_is_as_it_is_written() {
    let files_of = |folder: &str| -> Vec<PathBuf> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect()
    };
    let mut files = [files_of("tests/schedules"), files_of("tests/limits")].concat();
    files.sort();
    assert!(files.len() >= 24, "{} timelines", files.len());
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

/// Dies before one step, once.
struct DiesBefore(String);

impl Faults for DiesBefore {
    fn step(&self, step: &str) -> Found<()> {
        if step == self.0 { Err(Problem::bug(format!("killed before `{step}`"))) } else { Ok(()) }
    }
}

fn user_of(word: &str) -> Result<u32, String> {
    let number = word.strip_prefix('u').and_then(|number| number.parse().ok());
    number.ok_or_else(|| format!("`{word}` is no user such as u1"))
}

fn users_of(words: &str) -> Result<RoaringBitmap, String> {
    words.split_whitespace().map(user_of).collect()
}

struct Player {
    world: World,
    receiver: Arc<Receiver>,
    zone: Zone,
    day: String,
    now: Timestamp,
    /// Names and ids of the tasks.
    tasks: Vec<(String, String)>,
    is_down: bool,
    happened: Vec<Summary>,
    /// Decisions of triggers so far.
    fires: usize,
}

impl Player {
    fn new() -> Player {
        Player {
            world: World::of(USERS),
            receiver: Receiver::new(true, &[]),
            zone: Zone::default(),
            day: String::new(),
            now: Timestamp(0),
            tasks: Vec::new(),
            is_down: false,
            happened: Vec::new(),
            fires: 0,
        }
    }

    fn play(&mut self, text: &str) -> Result<String, String> {
        let mut out = String::new();
        for (no, line) in text.lines().enumerate() {
            let shown = self.line(line).map_err(|e| format!("line {}: {e}", no + 1))?;
            out.push_str(shown.trim_end());
            out.push('\n');
        }
        match self.receiver.doubles() {
            0 => Ok(out),
            doubles => Err(format!("{doubles} touches came twice")),
        }
    }

    fn line(&mut self, line: &str) -> Result<String, String> {
        let (left, _) = line.split_once("->").unwrap_or((line, ""));
        let words = left.split(" #").next().unwrap_or_default().trim_end();
        if words.trim().is_empty() || words.starts_with('#') {
            return Ok(line.to_string());
        }
        let said = match words.split_once(' ') {
            Some(("", moment)) => self.moment(moment.trim())?,
            Some(("runs", name)) => self.runs(name.trim())?,
            Some(("book", name)) => self.book(name.trim())?,
            Some(("reached", name)) => self.reached(name.trim())?,
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
            "task" => {
                let (name, file) = self.file(rest)?;
                let tasks = self.world.tasks();
                let made = tasks.create(&file, &self.zone, "小王", self.now).map_err(|p| p.to_string())?;
                for step in [Move::Submit, Move::Approve] {
                    tasks.make_move(&made.id, step, "老李", None, self.now).map_err(|p| p.to_string())?;
                }
                self.tasks.push((name, made.id));
            }
            "crowd" => {
                let (name, users) = rest.split_once(':').ok_or("write `crowd NAME: users`")?;
                self.world.crowds.borrow_mut().insert(name.trim().into(), users_of(users)?);
            }
            "company:" => {
                let text = format!("[limits]\n{}", rest.replace(';', "\n"));
                let limits = company_limits(&text, "timeline").map_err(|problems| problems.to_string())?;
                *self.world.limits.borrow_mut() = limits;
            }
            "quota:" => {
                let table = format!("[receiver]\nquota = {rest}").parse().map_err(|e| format!("{e}"))?;
                let found = crate::sender::quotas(&table).map_err(|problems| problems.to_string())?;
                *self.world.quotas.borrow_mut() = found;
            }
            _ => return Err(format!("no line begins with `{word}`")),
        }
        Ok(())
    }

    /// `NAME: key = value; key = value` as a task file.
    fn file(&self, rule: &str) -> Result<(String, TaskFile), String> {
        let (name, keys) = rule.split_once(':').ok_or("write `NAME: keys`")?;
        let (mut top, mut trigger) = (format!("name = \"{}\"\n", name.trim()), String::new());
        let (mut limits, mut dispatch) = (String::new(), String::new());
        for key in keys.split(';').map(str::trim) {
            let part = match key.split([' ', '=']).next().unwrap_or_default() {
                "start" | "end" | "group" => &mut top,
                "caps" | "quiet" | "holdout" | "blacklist" | "whitelist" => &mut limits,
                "channel" | "variants" | "missing" | "content" => &mut dispatch,
                _ => &mut trigger,
            };
            part.push_str(&format!("{key}\n"));
        }
        for (key, default) in [("start", "2000-01-01"), ("end", "2040-01-01")] {
            if !top.contains(&format!("\n{key}")) {
                top.push_str(&format!("{key} = \"{default}\"\n"));
            }
        }
        let kind = match () {
            () if trigger.starts_with("at ") => "once",
            () if trigger.starts_with("did ") => "event",
            () => "repeat",
        };
        let text = format!(
            "{top}[trigger]\nkind = \"{kind}\"\n{trigger}[dispatch]\nsender = \"receiver\"\nbatch = 2\n\
             {dispatch}[limits]\n{limits}"
        );
        let file = read(&text, "timeline", &self.zone).map_err(|problems| problems.to_string())?;
        Ok((name.trim().to_string(), file))
    }

    /// A line with a time: the clock comes to it, then something is done.
    fn moment(&mut self, words: &str) -> Result<String, String> {
        let (time, act) = words.split_once(' ').unwrap_or((words, ""));
        let at = Timestamp::parse(&format!("{} {time}", self.day), &self.zone).ok_or("no such instant")?;
        let act = act.trim();
        self.is_down &= act != "up";
        if let Some(step) = act.strip_prefix("dies before") {
            let died = self.run(at, &DiesBefore(step.trim().trim_matches('"').to_string()));
            self.now = at;
            return Ok(died.err().unwrap_or_else(|| "nothing broke off".into()));
        }
        if act == "up" {
            self.now = at;
        }
        if !self.is_down {
            self.run(at, &NoFaults)?;
        }
        self.now = at;
        let refused = self.act(act, at)?;
        let brought: Vec<String> = self.brought(at).into_iter().chain(refused).collect();
        Ok(if brought.is_empty() { "nothing".into() } else { brought.join("; ") })
    }

    fn run(&mut self, at: Timestamp, faults: &dyn Faults) -> Result<(), String> {
        let (from, senders) = (self.now, senders(&self.receiver));
        let summary = self.world.with_engine(&senders, faults, |engine| engine.run_until(from, at, None));
        self.happened.push(summary.map_err(|problem| problem.what)?);
        Ok(())
    }

    /// Does what a line says; gives the code and words of a refusal.
    fn act(&mut self, act: &str, at: Timestamp) -> Result<Option<String>, String> {
        match act {
            "" | "up" => return Ok(None),
            "down" => self.is_down = true,
            "refresh breaks" => self.world.is_refresh_broken.set(true),
            "refresh mends" => self.world.is_refresh_broken.set(false),
            "receiver refuses" => self.receiver.then(Reply::Refuse),
            _ if act.starts_with("suspend ") => self.suspend(act, at)?,
            _ if act.contains(" fires ") => self.fire(act, at)?,
            _ => return self.steer(act, at),
        }
        Ok(None)
    }

    /// `suspend u1 u2 until 2026-03-03`
    fn suspend(&self, act: &str, at: Timestamp) -> Result<(), String> {
        let words = act.strip_prefix("suspend ").and_then(|words| words.split_once(" until "));
        let (users, until) = words.ok_or("write `suspend u1 until 2026-03-03`")?;
        let until = Timestamp::parse(until, &self.zone).ok_or("no such instant")?;
        let one = |user_id: &str| Suspension {
            user_id: user_id.into(),
            until,
            reason: None,
            who: "小王".into(),
            at,
        };
        let all: Vec<Suspension> = users.split_whitespace().map(one).collect();
        self.world.ledger().suspend(&all).map_err(|problem| problem.what)
    }

    /// `NAME fires u1 u2`
    fn fire(&mut self, act: &str, at: Timestamp) -> Result<(), String> {
        let (name, users) = act.split_once(" fires ").ok_or("write `NAME fires u1`")?;
        let id = self.id(name)?.to_string();
        let decisions: Vec<_> = (self.fires as u32 + 1..)
            .zip(users.split_whitespace())
            .map(|(n, user)| Ok(released(user_of(user)?, n, at)))
            .collect::<Result<_, String>>()?;
        let senders = senders(&self.receiver);
        let fired = self.world.fire(&senders, &NoFaults, &id, (self.fires, &decisions), at);
        self.fires += decisions.len();
        let happened = fired.map_err(|problem| problem.what)?.into_iter().collect();
        self.happened.push(Summary { from: String::new(), to: String::new(), happened });
        Ok(())
    }

    fn steer(&mut self, act: &str, at: Timestamp) -> Result<Option<String>, String> {
        let (tasks, ledger) = (self.world.tasks(), self.world.ledger());
        let done = if let Some(rule) = act.strip_prefix("edit ") {
            let (name, file) = self.file(rule)?;
            edit(&tasks, &ledger, self.id(&name)?, &file, &self.zone, "小王", at)
        } else {
            let (name, word) = act.split_once(' ').ok_or("write `NAME move`")?;
            let id = self.id(name)?;
            match Move::ALL.into_iter().find(|step| step.word() == word.trim()).ok_or("no such move")? {
                Move::Cancel => cancel(&tasks, &ledger, id, "小王", None, at),
                Move::Stop => stop(&tasks, &ledger, id, "小王", None, at),
                step => tasks.make_move(id, step, "小王", None, at),
            }
        };
        Ok(done.err().map(|problem| format!("{}: {}", problem.code, problem.what)))
    }

    fn id(&self, name: &str) -> Result<&str, String> {
        let found = self.tasks.iter().find(|(known, _)| known == name);
        found.map(|(_, id)| id.as_str()).ok_or_else(|| format!("no task is called `{name}`"))
    }

    /// What happened since the line before; starts go without saying.
    fn brought(&mut self, line_at: Timestamp) -> Vec<String> {
        let all = std::mem::take(&mut self.happened).into_iter().flat_map(|summary| summary.happened);
        all.filter(|happened| happened.what != "started")
            .map(|happened| {
                let at = Timestamp::parse(&happened.at, &self.zone).unwrap_or(line_at);
                let name =
                    self.tasks.iter().find(|(_, id)| *id == happened.task).map_or("?", |(name, _)| name);
                let form =
                    if self.zone.day_of(at) == self.zone.day_of(line_at) { "%H:%M" } else { "%m-%d %H:%M" };
                let time = self.zone.local(at).format(form).to_string();
                let shown = if at == line_at { String::new() } else { format!(" {time}") };
                format!("{name} {}{shown}", happened.what)
            })
            .collect()
    }

    /// Those terms of the book that are not 0.
    fn book(&self, name: &str) -> Result<String, String> {
        let book = self.world.report(self.id(name)?).total;
        let by = book.suppressed_by.iter().filter(|(_, n)| n.as_i64() != Some(0));
        let by: Vec<String> = by.map(|(reason, n)| format!("{reason} {n}")).collect();
        let terms = [
            (book.withheld, "withheld".to_string()),
            (book.suppressed, "suppressed".to_string()),
            (book.held, "held".to_string()),
            (book.handed, "handed".to_string()),
        ];
        let terms = terms.iter().filter(|(count, _)| *count > 0).map(|(count, word)| match word.as_str() {
            "suppressed" => format!("suppressed {count} ({})", by.join(", ")),
            word => format!("{word} {count}"),
        });
        Ok(format!("due {} = {}", book.due, terms.collect::<Vec<_>>().join(" + ")))
    }

    fn reached(&self, name: &str) -> Result<String, String> {
        let id = self.id(name)?;
        let seen = self.receiver.seen.lock().unwrap();
        let tasks = self.receiver.tasks.lock().unwrap();
        let of = |(touch, (bytes, _)): (&TouchId, &(String, usize))| {
            let touched: serde_json::Value = serde_json::from_str(bytes).ok()?;
            (tasks.get(touch)? == id).then(|| touched["user_id"].as_str().unwrap_or("?").to_string())
        };
        let mut users: Vec<String> = seen.iter().filter_map(of).collect();
        users.sort();
        Ok(if users.is_empty() { "nobody".into() } else { users.join(" ") })
    }

    fn runs(&self, name: &str) -> Result<String, String> {
        let runs = self.world.report(self.id(name)?).runs;
        let shown = runs.iter().map(|run| {
            let local = run.run.split_once('@').map_or("", |(_, local)| local);
            let local = local.get(5..).unwrap_or(local);
            let local = local.strip_suffix(":00").unwrap_or(local);
            let handed = if run.book.handed > 0 { format!(" {}", run.book.handed) } else { String::new() };
            let lost = if run.book.suppressed > 0 {
                format!(" suppressed {}", run.book.suppressed)
            } else {
                String::new()
            };
            let version =
                if run.task_version > 1 { format!(" v{}", run.task_version) } else { String::new() };
            let held = if run.book.held > 0 { format!(" held {}", run.book.held) } else { String::new() };
            format!("{local} {}{handed}{lost}{held}{version}", run.state)
        });
        Ok(shown.collect::<Vec<_>>().join(", "))
    }
}
