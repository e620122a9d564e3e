//! `quanke demo`: a lively home from nothing, and the main job on it, told as the commands that a
//! person would type. Every step is a real command line run in this process.

mod week;
mod world;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::args::{Common, Demo};
use super::door::{Done, Door, Failure};
use super::session::{Outside, World, usage};
use crate::base::{Timestamp, Zone};

/// Where the demo's home is made when `--home` does not say.
const HOME: &str = "./quanke-demo";
/// The demo's clock, a Monday morning; `--now` moves it.
const NOW: &str = "2026-03-30T09:00:00+08:00";
/// A file that tells a demo's home from anybody else's folder.
const MARK: &str = "demo.json";

const SELECTIONS: &[(&str, &str)] = &[
    ("demo_east_women.sel", include_str!("../../../queries/demo_east_women.sel")),
    ("demo_browsed_not_paid.sel", include_str!("../../../queries/demo_browsed_not_paid.sel")),
    ("demo_repeat_buyers.sel", include_str!("../../../queries/demo_repeat_buyers.sel")),
];

/// Runs the story and gives its exit code: that of the first step that fails.
pub fn run(demo: &Demo, common: &Common, world: World) -> u8 {
    let World { outside, seconds, out, talk, .. } = world;
    let mut door = Door::new(common.json, out, talk);
    let home = common.home.clone().or(outside.home.clone()).unwrap_or_else(|| PathBuf::from(HOME));
    let mut story = Story { home, common, seed: demo.seed, outside: &outside, seconds, steps: vec![] };
    let done = story.tell(&mut door);
    door.close(done)
}

struct Story<'a> {
    home: PathBuf,
    common: &'a Common,
    seed: u64,
    outside: &'a Outside<'a>,
    seconds: &'a (dyn Fn() -> f64 + Sync),
    /// With `--json`: the commands and what they answered.
    steps: Vec<Value>,
}

impl Story<'_> {
    fn tell(&mut self, door: &mut Door) -> Done {
        let begin = (self.seconds)();
        let export = self.prepare()?;
        self.title(door, "A CDP export of 5,000 customers goes in  数据接入")?;
        self.ingest(&export, door)?;
        self.title(door, "Who fits? Counted at every condition, before anything is saved  预估")?;
        for (name, _) in SELECTIONS {
            self.step(&["estimate", "-f", &path(&export.join(name))], door)?;
        }
        self.title(door, "One of them is kept as a crowd  人群包")?;
        let (file, _) = SELECTIONS[1];
        self.step(
            &["crowd", "create", "看过未买", "-f", &path(&export.join(file)), "--update", "on_demand"],
            door,
        )?;
        self.title(door, "A task sends to them once, at 10:00  任务")?;
        let task = self.task(&export, door)?;
        self.title(door, "The clock is moved past 10:00; the book balances  下发与回执")?;
        self.step(&["run", "--until", &later(&self.now(), 65)], door)?;
        self.step(&["task", "report", &task], door)?;
        self.week(&export, &task, door)?;
        self.end(door, &task, (self.seconds)() - begin)
    }

    fn now(&self) -> String {
        self.common.now.clone().unwrap_or_else(|| NOW.into())
    }

    /// A fresh home and the files of the export. Errors: CLI-001 if the folder is not a demo's.
    fn prepare(&self) -> Result<PathBuf, Failure> {
        if self.home.exists() && !self.home.join(MARK).exists() {
            let cure = "name another folder with --home; a demo only ever clears a home it made itself";
            return Err(usage(path(&self.home), "this folder is there already and no demo made it", cure));
        }
        if self.home.exists() {
            fs::remove_dir_all(&self.home)?;
        }
        let export = self.home.join("export");
        fs::create_dir_all(&export)?;
        fs::write(self.home.join(MARK), json!({ "seed": self.seed }).to_string())?;
        let zone = Zone::default();
        let now = Timestamp::parse(&self.now(), &zone)
            .ok_or_else(|| usage(self.now(), "this is no instant", "write 2026-03-30T09:00:00+08:00"))?;
        world::write(&export, self.seed, now, &zone)?;
        fs::rename(export.join("catalog.toml"), self.home.join("catalog.toml"))?;
        for (name, text) in SELECTIONS {
            fs::write(export.join(name), text)?;
        }
        fs::write(export.join("task.toml"), task_file(&self.now()))?;
        Ok(export)
    }

    fn ingest(&mut self, export: &Path, door: &mut Door) -> Done {
        let file = |name: &str| path(&export.join(name));
        self.step(&["ingest", "users", &file("users.ndjson")], door)?;
        self.step(&["ingest", "events", &file("events.ndjson")], door)?;
        self.step(
            &[
                "ingest",
                "detail",
                "relations",
                &file("relations.csv"),
                "--key",
                "relation_id",
                "--time",
                "added_at",
            ],
            door,
        )?;
        self.step(
            &["ingest", "detail", "orders", &file("orders.csv"), "--key", "order_id", "--time", "ts"],
            door,
        )?;
        self.step(&["crowd", "import", "高价值", &file("crowds/高价值.csv")], door)?;
        self.step(&["crowd", "import", "黑名单", &file("crowds/黑名单.csv")], door)
    }

    fn task(&mut self, export: &Path, door: &mut Door) -> Result<String, Failure> {
        self.approved(&export.join("task.toml"), door)
    }

    /// A task from a file, looked at, made, submitted and approved; gives its id.
    fn approved(&mut self, file: &Path, door: &mut Door) -> Result<String, Failure> {
        let file = path(file);
        self.step(&["task", "check", &file], door)?;
        let created = self.run(&["task", "create", &file, "--json"], door)?;
        let document: Value = serde_json::from_str(&created).unwrap_or_default();
        let task = document["id"].as_str().unwrap_or("t1").to_string();
        self.step(&["task", "submit", &task], door)?;
        self.step(&["task", "approve", &task], door)?;
        Ok(task)
    }

    fn title(&self, door: &mut Door, text: &str) -> Done {
        if door.is_json { Ok(()) } else { door.data(&format!("\n── {text}")) }
    }

    fn step(&mut self, words: &[&str], door: &mut Door) -> Done {
        self.run(words, door).map(drop)
    }

    /// Runs one command and shows it with what it said; gives what it wrote to stdout.
    fn run(&mut self, words: &[&str], door: &mut Door) -> Result<String, Failure> {
        let json = if door.is_json && !words.contains(&"--json") { &["--json"][..] } else { &[] };
        let (code, out, talk) = self.said(&[words, json].concat());
        if door.is_json {
            let answer: Value = serde_json::from_str(&out).unwrap_or(Value::Null);
            self.steps.push(json!({ "command": words.join(" "), "answer": answer }));
        } else {
            door.data(&format!("\n$ quanke {}", shown(words)))?;
            [talk.trim_end(), out.trim_end()]
                .iter()
                .filter(|text| !text.is_empty())
                .try_for_each(|text| door.data(text))?;
        }
        match code {
            0 => Ok(out),
            _ => Err(usage(
                words.join(" "),
                "a step of the demo failed",
                "please report this with what it said above",
            )),
        }
    }

    /// Runs one command; gives its exit code, its stdout and its stderr.
    fn said(&self, words: &[&str]) -> (u8, String, String) {
        let (now, home) = (self.now(), path(&self.home));
        let mut line: Vec<&str> = words.to_vec();
        line.extend(["--home", &home, "--now", &now]);
        let (mut out, mut talk) = (vec![], vec![]);
        let outside =
            Outside { home: None, input: None, faults: self.outside.faults.clone(), ..*self.outside };
        let world =
            World { outside, seconds: self.seconds, is_terminal: false, out: &mut out, talk: &mut talk };
        let arguments = ["quanke"].iter().chain(&line).map(OsString::from);
        let code = super::run(arguments, world);
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).to_string();
        (code, text(&out), text(&talk))
    }

    fn end(&mut self, door: &mut Door, task: &str, elapsed: f64) -> Done {
        let home = path(&self.home);
        if door.is_json {
            let steps = std::mem::take(&mut self.steps);
            return door.json(&json!({ "home": home, "task": task, "steps": steps }));
        }
        let place = format!("--home {home} --now {}", self.now());
        door.data(&format!(
            "\n── Done in {elapsed:.1} s. Everything lies in {home}: outbox/{task}.ndjson has one line per touch.\n\n\
             Try next:\n  \
             quanke estimate \"性别 = '男' 且 做过 pay sum(amount) >= 500 in last 30 days\" {place}\n  \
             quanke select \"人群包 '看过未买'\" --columns name,city {place}\n  \
             quanke explain -f {home}/export/demo_repeat_buyers.sel {place}\n  \
             quanke crowd list {place}"
        ))
    }
}

fn path(path: &Path) -> String {
    path.display().to_string()
}

/// The words as a person would type them.
fn shown(words: &[&str]) -> String {
    let quoted = |word: &&str| if word.contains(' ') { format!("'{word}'") } else { word.to_string() };
    words.iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn later(now: &str, minutes: i64) -> String {
    let zone = Zone::default();
    Timestamp::parse(now, &zone).map_or_else(|| now.into(), |at| zone.text(at.plus(minutes * 60_000)))
}

fn task_file(now: &str) -> String {
    format!(
        r#"name     = "春季新品提醒"
crowd    = "看过未买"
start    = "{now}"
end      = "{end}"

[trigger]
kind           = "once"
at             = "{at}"
refresh_before = true

[dispatch]
sender  = "file"
batch   = 50
content = {{ template = "{{{{name}}}} 您好，春季新品已到店，点击 {{{{link}}}}", link = "https://example.com/spring" }}

[limits]
holdout   = "5%"
blacklist = "黑名单"
"#,
        at = later(now, 60),
        end = later(now, 7 * 24 * 60),
    )
}
