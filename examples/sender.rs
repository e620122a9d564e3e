//! A channel of your own: one trait, and one line that adds it.
//!
//! ```text
//! cargo run --example sender
//! ```
//!
//! Makes a home of three users in a temporary folder, sends a task through a carrier pigeon, and prints
//! the report. With the wiring of `src/main.rs` instead of the fixed clock this is a program of your own that
//! has every command of quanke.

use std::error::Error;
use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use quanke::base::{Problem, Problems, Timestamp, Zone};
use quanke::cli::{self, Outside};
use quanke::dispatch::{Batch, NoFaults, Outcome, Receipt, Sender};
use quanke::sender::{World, add_kind, mistake};
use toml::Table;

/// A bird that carries letters; it does not fly to everybody.
struct Pigeon {
    name: String,
    afraid_of: String,
}

impl Pigeon {
    /// Reads `[senders.NAME]` of quanke.toml.
    fn read(name: &str, table: &Table, _: &World) -> Result<Arc<dyn Sender>, Problems> {
        let afraid_of = table.get("afraid_of").and_then(|value| value.as_str());
        let missing = || mistake(name, "a pigeon needs `afraid_of`", "write afraid_of = \"cats\"");
        let afraid_of = afraid_of.ok_or_else(missing)?.to_string();
        Ok(Arc::new(Pigeon { name: name.to_string(), afraid_of }))
    }
}

#[async_trait]
impl Sender for Pigeon {
    fn name(&self) -> &str {
        &self.name
    }

    fn check(&self) -> Result<(), Problem> {
        Ok(())
    }

    /// A second letter would be a second letter.
    fn is_idempotent(&self) -> bool {
        false
    }

    async fn send(&self, batch: &Batch) -> Outcome {
        let fly = |touch: &quanke::dispatch::Touch| match touch.user_id == self.afraid_of {
            true => Receipt::refused(touch.touch_id, "there is a cat"),
            false => Receipt::delivered(touch.touch_id),
        };
        Outcome::Answered(batch.touches.iter().map(fly).collect())
    }
}

const USERS: &str = "user_id,name\nu1,小王\nu2,李姐\nu3,猫\n";
const SETTINGS: &str = "[senders.bird]\nkind = \"pigeon\"\nafraid_of = \"u3\"\nrate = \"1000/s\"\n";
const TASK: &str = "
name  = \"问候\"
start = \"2026-03-01T00:00:00+08:00\"
end   = \"2026-04-01T00:00:00+08:00\"
[trigger]
kind  = \"once\"
at    = \"2026-03-02T10:00:00+08:00\"
[dispatch]
sender  = \"bird\"
content = { text = \"{{name}} 您好\" }
";

fn main() -> Result<(), Box<dyn Error>> {
    // This is the line.
    add_kind("pigeon", Pigeon::read);

    let folder = tempfile::tempdir()?;
    let file = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(folder.path().join("home"))?;
    for (name, text) in [("users.csv", USERS), ("task.toml", TASK), ("home/quanke.toml", SETTINGS)] {
        std::fs::write(file(name), text)?;
    }
    let say = |arguments: &[&str]| quanke(&folder.path().join("home"), arguments);
    say(&["ingest", "users", &file("users.csv")])?;
    say(&["task", "create", &file("task.toml")])?;
    say(&["task", "submit", "t1"])?;
    say(&["task", "approve", "t1"])?;
    say(&["run", "--until", "2026-03-02T10:05:00+08:00"])?;
    let report = say(&["task", "report", "t1", "--json"])?;
    let book: serde_json::Value = serde_json::from_str(&report)?;
    println!("{}", book["total"]);
    assert_eq!((&book["total"]["delivered"], &book["total"]["refused"]), (&2.into(), &1.into()));
    Ok(())
}

/// Runs one command line, and gives what it printed.
fn quanke(home: &Path, arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let now = Timestamp::parse("2026-03-01 12:00", &Zone::default()).ok_or("no instant")?;
    let outside = Outside {
        now,
        seed: 7,
        process_no: std::process::id(),
        home: Some(home.to_path_buf()),
        input: None,
        clock: || Timestamp(0),
        faults: Arc::new(NoFaults),
        variable: &|_| None,
    };
    let (mut out, mut talk) = (Vec::new(), Vec::new());
    let world = cli::World { outside, seconds: &|| 0.0, is_terminal: false, out: &mut out, talk: &mut talk };
    let all = ["quanke"].iter().chain(arguments).map(OsString::from);
    match cli::run(all, world) {
        0 => Ok(String::from_utf8(out)?),
        code => Err(format!("exit {code}: {}{}", String::from_utf8(talk)?, String::from_utf8(out)?).into()),
    }
}

#[cfg(test)]
mod tests {
    /// The example does what it says.
    #[test]
    fn a_pigeon_carries_a_task() {
        super::main().unwrap();
    }
}
