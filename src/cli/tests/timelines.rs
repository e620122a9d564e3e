//! Timelines of crowds and goals that an operator can read, played on a home through the command line: left what
//! people and data did, right what the clock brought since the line before.
//!
//! ```text
//! now 2026-03-01 09:00
//! users u1 上海, u2 北京
//! crowd 上海: city = '上海' --update daily
//! 2026-03-02
//!   02:00                                   -> refreshed 上海 v2 1
//!   09:00  did pay: u1                      -> nothing
//! crowds                                    -> 上海 v2 1
//! ```
//! After a time stands what is done then: `users …` (upserted), `did EVENT: users` (history), `live EVENT: users` (given
//! to the triggers with the next line), `upload CROWD: users`,
//! `damage CROWD` (the file of its newest version), or any command of quanke; a refusal is told by its codes.
//! `task NAME: keys` makes and approves a task: keys of a task file, of `[trigger]` or of `[limits]`. At the
//! margin `crowds` lists versions, sizes and what needs a look, `runs NAME` the runs of a task with the version that
//! each used, `goal NAME` how the goal came about. `UPDATE=1` writes what follows `->` anew.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{Said, Shell};

const TOP: [&str; 7] = ["audience", "crowd", "update", "sync", "goal", "start", "end"];

#[test]
fn every_timeline_of_crowds_is_as_it_is_written() {
    play_all("tests/crowds", 6);
}

#[test]
fn every_timeline_of_goals_is_as_it_is_written() {
    play_all("tests/goals", 4);
}

fn play_all(folder: &str, least: usize) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= least, "{} timelines", files.len());
    let wrong: Vec<String> = files.iter().filter_map(|file| check(file).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(path: &Path) -> Result<(), String> {
    let text = std::fs::read_to_string(path).map_err(|e| e.to_string())?;
    let mut player = Player::new();
    let mut found = String::new();
    for (no, line) in text.lines().enumerate() {
        let shown = player.line(line).map_err(|e| format!("{}:{}: {e}", path.display(), no + 1))?;
        found.push_str(shown.trim_end());
        found.push('\n');
    }
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

struct Player {
    shell: Shell,
    now: String,
    day: String,
    /// Names and ids of the tasks.
    tasks: Vec<(String, String)>,
    /// Live events that the next run gets.
    live: String,
}

impl Player {
    fn new() -> Player {
        Player {
            shell: Shell::new(),
            now: String::new(),
            day: String::new(),
            tasks: Vec::new(),
            live: String::new(),
        }
    }

    fn line(&mut self, line: &str) -> Result<String, String> {
        let (left, _) = line.split_once("->").unwrap_or((line, ""));
        let words = left.split(" #").next().unwrap_or_default().trim_end();
        if words.trim().is_empty() || words.starts_with('#') {
            return Ok(line.to_string());
        }
        let (head, rest) = words.split_once(' ').unwrap_or((words, ""));
        let said = match (head, rest.trim()) {
            ("", moment) => self.moment(moment)?,
            ("crowds", _) => self.crowds(),
            ("runs", name) => self.runs(name)?,
            ("goal", name) => self.goal(name)?,
            ("now", at) => return self.set_now(at).map(|()| line.to_string()),
            ("users" | "crowd" | "task", _) => return self.act(words).map(|_| line.to_string()),
            _ => {
                self.day = words.to_string();
                return Ok(line.to_string());
            }
        };
        Ok(format!("{left}-> {said}"))
    }

    fn set_now(&mut self, at: &str) -> Result<(), String> {
        self.now = at.replace(' ', "T");
        self.day = at.split(' ').next().unwrap_or_default().to_string();
        Ok(())
    }

    /// The clock comes to a time, then something is done.
    fn moment(&mut self, words: &str) -> Result<String, String> {
        let (time, act) = words.split_once(' ').unwrap_or((words, ""));
        let from = std::mem::replace(&mut self.now, format!("{}T{time}", self.day));
        let mut words = vec!["run", "--now", &from, "--until", &self.now, "--json"];
        let events = self.shell.file("live.ndjson", &std::mem::take(&mut self.live));
        if std::fs::metadata(&events).is_ok_and(|file| file.len() > 0) {
            words.extend(["--events", &events]);
        }
        let run = self.shell.say(&words);
        let mut brought = self.brought(&run)?;
        if !act.trim().is_empty() {
            brought.extend(self.act(act.trim())?);
        }
        Ok(if brought.is_empty() { "nothing".into() } else { brought.join("; ") })
    }

    /// What happened since the line before; starts go without saying.
    fn brought(&self, run: &Said) -> Result<Vec<String>, String> {
        let document: Value = serde_json::from_str(&run.out).map_err(|e| format!("{e}: {run:?}"))?;
        let all = document["happened"].as_array().ok_or(format!("{run:?}"))?;
        let text = |one: &Value, key: &str| one[key].as_str().unwrap_or_default().to_string();
        let shown = all.iter().filter(|one| one["what"] != "started").map(|one| {
            let (at, task, what) = (text(one, "at"), text(one, "task"), text(one, "what"));
            let is_now = at.starts_with(&self.now);
            let time = if is_now { String::new() } else { format!(" at {}", &at[5..16].replace('T', " ")) };
            match self.tasks.iter().find(|(_, id)| *id == task) {
                Some((name, _)) => format!("{name} {what}{time}"),
                None => format!("{what} {}{time}", short(&text(one, "note"))),
            }
        });
        Ok(shown.collect())
    }

    /// Does what a line says; gives the codes of a refusal.
    fn act(&mut self, act: &str) -> Result<Option<String>, String> {
        let (word, rest) = act.split_once(' ').unwrap_or((act, ""));
        let (name, list) = rest.split_once(':').unwrap_or((rest, ""));
        let (name, list) = (name.trim(), list.trim());
        let said = match word {
            "users" => self.users(rest),
            "did" => self.did(name, list),
            "live" => return self.live(name, list).map(|()| None),
            "upload" => self.upload(name, list),
            "damage" => return self.damage(name).map(|()| None),
            "crowd" if !list.is_empty() => self.crowd(name, list),
            "task" if !list.is_empty() => return self.task(name, list).map(|()| None),
            _ => self.say(&act.split_whitespace().collect::<Vec<_>>()),
        };
        Ok((said.code != 0).then(|| said.codes().join(", ")))
    }

    fn say(&self, words: &[&str]) -> Said {
        self.shell.say(&[words, &["--now", &self.now, "--json"]].concat())
    }

    fn users(&self, list: &str) -> Said {
        let row = |one: &str| one.trim().replace(' ', ",");
        let rows: Vec<String> = list.split(',').map(row).collect();
        let path = self.shell.file("users.csv", &format!("user_id,city\n{}\n", rows.join("\n")));
        self.say(&["ingest", "users", &path])
    }

    fn did(&self, event: &str, list: &str) -> Said {
        let rows: Vec<String> =
            list.split(',').map(|user| format!("{},{event},{}", user.trim(), self.now)).collect();
        let path = self.shell.file("events.csv", &format!("user_id,event,ts\n{}\n", rows.join("\n")));
        self.say(&["ingest", "events", &path])
    }

    fn live(&mut self, event: &str, list: &str) -> Result<(), String> {
        for user in list.split(',').map(str::trim) {
            let at = &self.now;
            self.live += &format!(
                "{{\"user_id\":\"{user}\",\"event\":\"{event}\",\"time\":\"{at}\",\"event_id\":\"{user}{at}\"}}\n"
            );
        }
        Ok(())
    }

    fn upload(&self, name: &str, list: &str) -> Said {
        let rows: Vec<&str> = list.split(',').map(str::trim).collect();
        let path = self.shell.file("list.csv", &format!("user_id\n{}\n", rows.join("\n")));
        self.say(&["crowd", "import", name, &path])
    }

    /// `SELECTION --options`
    fn crowd(&self, name: &str, rule: &str) -> Said {
        let (selection, options) =
            rule.split_once(" --").map_or((rule, String::new()), |(s, o)| (s, format!("--{o}")));
        let options: Vec<&str> = options.split_whitespace().collect();
        self.say(&[&["crowd", "create", name, selection.trim()], options.as_slice()].concat())
    }

    fn damage(&self, name: &str) -> Result<(), String> {
        let shown = self.say(&["crowd", "show", name]).fine().json();
        let file = shown["newest"]["file"].as_str().ok_or("no version")?.to_string();
        std::fs::write(Path::new(&self.shell.home()).join(file), b"torn").map_err(|e| e.to_string())
    }

    fn task(&mut self, name: &str, keys: &str) -> Result<(), String> {
        let (mut top, mut trigger, mut limits) =
            (format!("name = \"{name}\"\n"), String::new(), String::new());
        for key in keys.split(';').map(str::trim) {
            let word = key.split(' ').next().unwrap_or_default();
            let part = match word {
                "holdout" => &mut limits,
                word if TOP.contains(&word) => &mut top,
                _ => &mut trigger,
            };
            part.push_str(&format!("{key}\n"));
        }
        for (key, default) in [("start", "2000-01-01"), ("end", "2040-01-01")] {
            if !top.contains(&format!("\n{key}")) {
                top.push_str(&format!("{key} = \"{default}\"\n"));
            }
        }
        if !trigger.contains("kind") {
            let kind = if trigger.starts_with("at ") { "once" } else { "repeat" };
            trigger.push_str(&format!("kind = \"{kind}\"\n"));
        }
        let text = format!("{top}[trigger]\n{trigger}[dispatch]\nsender = \"file\"\n[limits]\n{limits}");
        let path = self.shell.file("task.toml", &text);
        let made = self.say(&["task", "create", &path]);
        let id = made.json()["id"].as_str().ok_or(format!("{made:?}"))?.to_string();
        for step in ["submit", "approve"] {
            let said = self.say(&["task", step, &id]);
            if said.code != 0 {
                return Err(format!("{said:?}"));
            }
        }
        self.tasks.push((name.to_string(), id));
        Ok(())
    }

    fn crowds(&self) -> String {
        let found = self.say(&["crowd", "list"]).fine().json();
        let shown = found["crowds"].as_array().into_iter().flatten().map(|crowd| {
            let newest = &crowd["newest"];
            let mark = match (crowd["held"].is_null(), crowd["is_stale"] == true) {
                (false, _) => format!(" held v{}", crowd["held"]["version"]),
                (true, true) => " stale".to_string(),
                (true, false) => String::new(),
            };
            format!(
                "{} v{} {}{mark}",
                crowd["name"].as_str().unwrap_or("?"),
                newest["version"],
                newest["size"]
            )
        });
        shown.collect::<Vec<_>>().join(", ")
    }

    fn report(&self, name: &str) -> Result<Value, String> {
        let found = self.tasks.iter().find(|(known, _)| known == name).ok_or("no such task")?;
        Ok(self.say(&["task", "report", &found.1]).fine().json())
    }

    fn runs(&self, name: &str) -> Result<String, String> {
        let report = self.report(name)?;
        let shown = report["runs"].as_array().into_iter().flatten().map(|run| {
            let text = |key: &str| run[key].as_str().unwrap_or("-").to_string();
            let at = text("planned_at")[5..16].replace('T', " ");
            format!("{at} {} {} by {}", text("state"), run["handed"], text("crowd_version"))
        });
        Ok(shown.collect::<Vec<_>>().join(", "))
    }

    fn goal(&self, name: &str) -> Result<String, String> {
        let goal = &self.report(name)?["goal"];
        let arm = |name: &str| {
            let arm = &goal[name];
            let open = if arm["open"] == 0 { String::new() } else { format!(" and {} open", arm["open"]) };
            format!("{name} {} of {}{open}", arm["converted"], arm["users"])
        };
        Ok(format!("{}, {}: {}", arm("handed"), arm("withheld"), goal["verdict"].as_str().unwrap_or("?")))
    }
}

/// `crowd '上海' version 2, 3 users` as `上海 v2 3`; other words stay.
fn short(note: &str) -> String {
    note.replace("crowd '", "")
        .replacen("' version ", " v", 1)
        .replacen("' ", " ", 1)
        .replacen(", ", " ", 1)
        .replace(" users", "")
}
