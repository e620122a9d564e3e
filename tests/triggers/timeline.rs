//! Timelines that an operator can read: left what the world did, right what was decided.
//!
//! ```text
//! zone Asia/Shanghai
//! task 提醒: view where page = '/home', then no share within 20m; again first; reach 1h
//! 2026-03-01
//!   21:00  u1 view page=/home id=7        -> nothing
//!   21:20                                 -> u1 fired from 21:00, due 22:20
//!   21:30  u1 share @ 21:10               -> u1 withdrawn
//!   21:40  提醒 pause                      -> nothing
//! ```
//! `task` and `edit` lines say a rule; one below a day takes force at that place. An option follows each `;`:
//! `again first|restart|each`, `every N`, `total N [per day|week|month]`, `reach 2h`, `reach at 20:00 [+1d]`,
//! `reach on DATE TIME [or now]`, `from` `to` `start` `end` with DATE TIME, `fires max N`, `gap 1h`, `grace 30m`,
//! `same PROPERTY`, `late b send`, `hold in pause`, `finish at end`, `audience at a`, `recheck`.
//! A line's time is the clock and the arrival; `@` gives another event time, of the same day unless a date stands
//! before it. Lateness is 0: once all lines of one time are read, that time has passed. `TASK crowd u1 u2` puts a
//! crowd version in force (`TASK crowd everyone`), `TASK history u1 2` counts A's of a user from before the task (a
//! rule with `count history`), `TASK pause|resume|start|end|stop` is a command. What is decided between two lines stands at the
//! second. A decision that is not listed fails; `UPDATE=1` writes what follows `->` anew.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use quanke::base::{Moment, Timestamp, Zone};
use quanke::trigger::{Command, Decision, End, EventId, Occurrence, Record, State, period};

use crate::model::Event;
use crate::rule_text::{Words, date_time};
use crate::run::Batch;

/// One file: what it should say after every line.
pub fn check(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let found = Player::new().play(&text)?;
    if found == text {
        return Ok(());
    }
    if std::env::var("UPDATE").is_ok() {
        return std::fs::write(path, found).map_err(|e| e.to_string());
    }
    let differs = text.lines().zip(found.lines()).find(|(a, b)| a != b);
    let (listed, decided) = differs.unwrap_or(("", "the number of lines"));
    Err(format!("{}\n  listed  {listed}\n  decided {decided}", path.display()))
}

/// All timelines, by name.
pub fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/timelines");
    let all = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut found: Vec<PathBuf> =
        all.filter(|path| path.extension().is_some_and(|e| e == "timeline")).collect();
    found.sort();
    found
}

struct Player {
    state: State,
    words: Words,
    day: String,
    /// The clock.
    at: i64,
    unnamed: u64,
    decided: Vec<Decision>,
}

impl Player {
    fn new() -> Player {
        let mut state = State::new(2);
        state.say_quiet_ends();
        let words = Words::default();
        Player { state, words, day: String::new(), at: i64::MIN, unnamed: 0, decided: Vec::new() }
    }

    /// The text with what was decided.
    fn play(&mut self, text: &str) -> Result<String, String> {
        let lines: Vec<&str> = text.lines().collect();
        let mut out = String::new();
        for (place, line) in lines.iter().enumerate() {
            let next = lines[place + 1..].iter().find(|next| next.starts_with("  "));
            let shown = self.line(line, next.copied()).map_err(|e| format!("line {}: {e}", place + 1))?;
            out.push_str(shown.trim_end());
            out.push('\n');
        }
        Ok(out)
    }

    fn line(&mut self, line: &str, next: Option<&str>) -> Result<String, String> {
        let words = line.split('#').next().unwrap_or_default();
        if words.trim().is_empty() {
            return Ok(line.to_string());
        }
        match words.split_once(' ') {
            Some(("zone", zone)) => {
                self.words.zone = Zone::named(zone.trim()).ok_or("no such zone")?;
            }
            Some(("task" | "edit", rule)) => {
                let (task, version) = self.words.rule(rule)?;
                let is_new = version.version == 1;
                self.step(Record::Install { task, version: Box::new(version) });
                if is_new {
                    self.step(Record::Audience { task, users: None });
                }
            }
            Some(("", _)) => return self.moment(line, next),
            _ => self.day = words.trim().to_string(),
        }
        Ok(line.to_string())
    }

    /// A line with a time.
    fn moment(&mut self, line: &str, next: Option<&str>) -> Result<String, String> {
        let said = line.split_once("->").map_or(line, |(said, _)| said);
        let (time, what) = said.trim().split_once(' ').unwrap_or((said.trim(), ""));
        let at = date_time(&format!("{} {time}", self.day), &self.words.zone)?;
        if what.trim() == "away" {
            self.at = i64::MIN;
        }
        self.move_to(at);
        self.act(what.trim(), at)?;
        let is_last = next.is_none_or(|next| next.split_whitespace().next() != Some(time));
        if is_last {
            self.step(Record::Watermark { source: 0, to: Timestamp(at + 1) });
        }
        let decided = std::mem::take(&mut self.decided);
        let texts: Vec<String> = decided.iter().map(|decision| self.text(decision)).collect();
        let texts = if texts.is_empty() { "nothing".to_string() } else { texts.join("; ") };
        Ok(format!("{}-> {texts}", pad(said, 44)))
    }

    /// The clock goes there, and stops where something may fall due.
    fn move_to(&mut self, at: i64) {
        const MINUTE: i64 = 60_000;
        while self.at != i64::MIN && self.at + MINUTE < at {
            let Some(due) = self.state.next_due().filter(|due| due.0 < at) else { break };
            self.at = due.0.max(self.at + MINUTE).min(at);
            self.step(Record::Watermark { source: 0, to: Timestamp(self.at) });
            self.step(Record::Tick { now: Timestamp(self.at) });
        }
        self.at = at;
        self.step(Record::Watermark { source: 0, to: Timestamp(at) });
        self.step(Record::Tick { now: Timestamp(at) });
    }

    fn act(&mut self, what: &str, at: i64) -> Result<(), String> {
        let mut words = what.split_whitespace();
        let (Some(who), Some(verb)) = (words.next(), words.next()) else { return Ok(()) };
        let Some(task) = self.words.tasks.iter().position(|name| name == who) else {
            let event = self.event(who, verb, what, at)?;
            let mut batch = Batch::default();
            batch.add(&event);
            batch.step(&mut self.state, &mut self.decided);
            return Ok(());
        };
        let task = task as u32;
        let command = match verb {
            "crowd" => {
                let users: Vec<&str> = words.collect();
                let users = (users != ["everyone"])
                    .then(|| std::sync::Arc::new(users.iter().map(|user| self.words.user(user)).collect()));
                self.step(Record::Audience { task, users });
                return Ok(());
            }
            "history" => return self.history(task, words.next(), words.next(), at),
            "pause" => Command::Pause,
            "resume" => Command::Resume,
            "start" => Command::Start,
            "end" => Command::End,
            "stop" => Command::Stop,
            other => return Err(format!("no command `{other}`")),
        };
        self.step(Record::Command { task, command });
        Ok(())
    }

    fn history(&mut self, task: u32, user: Option<&str>, count: Option<&str>, at: i64) -> Result<(), String> {
        let (user, count) = user.zip(count).ok_or("history is of a user, and a number")?;
        let period = period(self.words.count_of(task), Timestamp(at), &self.words.zone);
        let counts = [(self.words.user(user), period, count.parse().map_err(|_| "no number")?)];
        self.step(Record::History { task, counts: &counts });
        Ok(())
    }

    fn event(&mut self, user: &str, name: &str, what: &str, arrival: i64) -> Result<Event, String> {
        let (said, time) =
            what.split_once('@').map_or((what, None), |(said, time)| (said, Some(time.trim())));
        let time = match time {
            Some(time) if time.contains(' ') => date_time(time, &self.words.zone)?,
            Some(time) => date_time(&format!("{} {time}", self.day), &self.words.zone)?,
            None => arrival,
        };
        let properties: Vec<(&str, &str)> =
            said.split_whitespace().filter_map(|w| w.split_once('=')).collect();
        let id = properties.iter().find(|(name, _)| *name == "id").map(|(_, id)| EventId::of(id));
        self.unnamed += 1;
        let (event, mask) = self.words.mask(name, &properties);
        Ok(Event {
            user: self.words.user(user),
            time,
            arrival,
            event,
            mask,
            id: id.unwrap_or(EventId::Unnamed(self.unnamed)),
            same: [self.words.same(&properties); 2],
        })
    }

    fn text(&self, decision: &Decision) -> String {
        let mut text = String::new();
        if self.words.tasks.len() > 1 {
            let _ = write!(text, "{} ", self.words.tasks[decision.task as usize]);
        }
        let _ = write!(text, "{} {}", self.words.users[decision.user as usize], word(decision.end));
        match &decision.occurrence {
            Occurrence::A { at, .. } => text.push_str(&format!(" from {}", self.clock(*at))),
            Occurrence::Nth { nth, .. } => text.push_str(&format!(" at #{nth}")),
        }
        if let End::Fired { reach } = decision.end {
            let _ = write!(text, ", due {}", self.clock(reach));
        }
        text
    }

    /// The local time, with the date on another day.
    fn clock(&self, at: Timestamp) -> String {
        let text = self.words.zone.text(at);
        let (day, time) = text.split_once('T').unwrap_or_default();
        let time = time.get(..12).unwrap_or_default();
        let time = time.strip_suffix(".000").unwrap_or(time);
        let time = time.strip_suffix(":00").unwrap_or(time);
        if day == self.day {
            time.to_string()
        } else {
            format!("{} {time}", day.get(5..).unwrap_or_default())
        }
    }

    fn step(&mut self, record: Record) {
        self.state.step(record, &mut self.decided);
    }
}

fn word(end: End) -> String {
    match end {
        End::Suppressed(reason) => format!("suppressed ({})", reason.word()),
        end => end.word().to_string(),
    }
}

/// Fills up to a column; wide letters count twice.
fn pad(text: &str, column: usize) -> String {
    let text = text.trim_end();
    let wide: usize = text.chars().map(|c| if c > '\u{2e80}' { 2 } else { 1 }).sum();
    format!("{text}{}", " ".repeat(column.saturating_sub(wide).max(1)))
}

/// A readable instant in a rule or a line.
pub fn instant(text: &str, zone: &Zone) -> Option<i64> {
    Moment::parse(text).map(|moment| moment.instant(zone).0)
}
