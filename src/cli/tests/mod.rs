//! The command line as a whole: arguments in, texts and exit code out, over small homes.

mod arguments;
mod asking;
mod backtest;
mod compact;
mod comparing;
mod crowds;
mod edits;
mod explaining;
mod insight;
mod life;
mod limits;
mod live;
mod loading;
mod packages;
mod receipts;
#[cfg(feature = "sql")]
mod sql;
mod staff;
mod tasks;
mod timelines;
mod touches;

use std::io::Cursor;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;

use super::{Outside, World, run};
use crate::base::{Timestamp, Zone};

/// What a command said and how it ended.
#[derive(Debug)]
pub struct Said {
    pub code: u8,
    pub out: String,
    pub talk: String,
}

impl Said {
    /// The JSON document on stdout.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|e| panic!("{e}: {self:?}"))
    }

    /// The same, having ended well.
    pub fn fine(self) -> Said {
        assert_eq!(self.code, 0, "{self:?}");
        self
    }

    /// The codes of the problems in the JSON document.
    pub fn codes(&self) -> Vec<String> {
        let problems = self.json()["problems"].as_array().cloned().unwrap_or_default();
        problems.iter().filter_map(|p| p["code"].as_str().map(String::from)).collect()
    }
}

/// A folder to work in, and the clock: noon of 2026-03-01 in Shanghai.
pub struct Shell {
    pub folder: TempDir,
}

impl Shell {
    pub fn new() -> Shell {
        Shell { folder: tempfile::tempdir().unwrap() }
    }

    /// A shell whose home holds six users (two in Shanghai, one without a city) and some payments.
    pub fn with_users() -> Shell {
        let shell = Shell::new();
        shell.file(
            "users.csv",
            "user_id,gender,city,age,balance\n00001,女,上海,20,100.5\n00002,男,上海,30,20000\n\
             u3,女,北京,40,\nu4,男,北京,50,15000\nu5,女,,60,7\nu6,,杭州,,12000\n",
        );
        shell.file(
            "events.csv",
            "user_id,event,ts,amount\n00001,pay,2026-02-20 10:00,50\n00001,pay,2026-02-21 10:00,150\n\
             u4,pay,2026-02-27 10:00,300\nu9,visit,2026-02-28 10:00,\n",
        );
        shell.say(&["ingest", "users", &shell.path("users.csv")]).fine();
        shell.say(&["ingest", "events", &shell.path("events.csv")]).fine();
        shell
    }

    pub fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    pub fn file(&self, name: &str, text: &str) -> String {
        std::fs::write(self.folder.path().join(name), text).unwrap();
        self.path(name)
    }

    pub fn home(&self) -> String {
        self.path("home")
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(name)).unwrap()
    }

    /// Runs `quanke ARGUMENTS` on this shell's home.
    pub fn say(&self, arguments: &[&str]) -> Said {
        self.say_with(arguments, "")
    }

    /// The same with `--json`.
    pub fn ask(&self, arguments: &[&str]) -> Said {
        self.say(&[arguments, &["--json"]].concat())
    }

    /// The same with something on stdin.
    pub fn say_with(&self, arguments: &[&str], input: &str) -> Said {
        let (mut out, mut talk) = (Vec::new(), Vec::new());
        let outside = Outside {
            now: Timestamp::parse("2026-03-01 12:00", &Zone::default()).unwrap(),
            seed: 7,
            process_no: 4711,
            home: Some(Path::new(&self.home()).to_path_buf()),
            input: Some(Box::new(Cursor::new(input.as_bytes().to_vec()))),
            clock: || Timestamp(0),
            faults: std::sync::Arc::new(crate::dispatch::NoFaults),
            variable: &|_| None,
        };
        let world = World { outside, seconds: &|| 0.0, is_terminal: false, out: &mut out, talk: &mut talk };
        let all = ["quanke"].iter().chain(arguments).map(|a| (*a).into());
        let code = run(all.collect::<Vec<std::ffi::OsString>>(), world);
        Said { code, out: String::from_utf8(out).unwrap(), talk: String::from_utf8(talk).unwrap() }
    }
}
