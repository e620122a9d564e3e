//! What channels say later, at the door: `quanke receipts` books it, `quanke task reconcile` asks for it.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead, BufReader, Read};

use serde_json::{Map, Value, json};

use super::args::{ReceiptShape, Receipts};
use super::door::{Done, Door, Failure};
use super::load::aside;
use super::session::Session;
use super::task::Clock;
use crate::base::{Problem, Problems, Timestamp};
use crate::dispatch::{Fate, Ledger, ReceiptWord};
use crate::ingest::{Reject, Rejects};
use crate::sender::receipts::{Bad, Shape, read};
use crate::sender::sms;

/// Receipts that are booked in one commit.
const COMMIT: usize = 10_000;

/// Books receipts; those that cannot be used go to `rejects/` with their reason.
pub fn run(args: &Receipts, session: &mut Session, door: &mut Door) -> Done {
    session.must_exist()?;
    let _writer = session.home.writer(&session.environment, session.settings.zone)?;
    let mut book = Book {
        ledger: session.ledger()?,
        rejects: Rejects::new(aside(session, "receipts", "ndjson")),
        now: session.environment.now,
        shape: shape_of(args.shape),
        waiting: Vec::new(),
        fates: BTreeMap::new(),
        bad: 0,
    };
    for path in &args.paths {
        book.take_file(path, session)?;
    }
    book.flush("")?;
    book.rejects.flush()?;
    let document = book.document();
    door.answer(document.clone(), || text(&document))
}

/// Asks the channel of a task what became of the touches that nobody knows about.
pub fn reconcile(id: &str, session: &Session, door: &mut Door) -> Done {
    session.must_exist()?;
    let writer = session.home.writer(&session.environment, session.settings.zone)?;
    let snapshot = writer.snapshot();
    let now = session.environment.now;
    let found = Clock::new(session, &snapshot)?.engine(|engine| engine.reconcile(id, now))?;
    let document =
        json!({ "task": id, "before": found.before, "unknown": found.unknown, "can_ask": found.can_ask });
    door.answer(document, || {
        let settled = found.before - found.unknown;
        let hint = match (found.unknown, found.can_ask) {
            (0, _) => "",
            (_, true) => "; the channel does not know the others either",
            (_, false) => "; this sender cannot be asked: `quanke receipts` settles them by hand",
        };
        format!("task {id}: {} unknown, {settled} settled now, {} left{hint}", found.before, found.unknown)
    })
}

/// A receipt on its way into the ledger.
struct Waiting {
    row: u64,
    word: ReceiptWord,
    data: Value,
}

struct Book {
    ledger: Ledger,
    rejects: Rejects,
    now: Timestamp,
    shape: Shape,
    waiting: Vec<Waiting>,
    fates: BTreeMap<Fate, u64>,
    bad: u64,
}

impl Book {
    fn take_file(&mut self, path: &str, session: &mut Session) -> Result<(), Problems> {
        let input: Box<dyn Read> = match path {
            "-" => session.input.take().map_or(Box::new(std::io::empty()), |input| input as Box<dyn Read>),
            path => Box::new(File::open(path).map_err(|error| unreadable(path, &error))?),
        };
        match self.shape {
            Shape::Quanke => self.take_lines(path, BufReader::new(input))?,
            Shape::Sms(_) => self.take_values(path, BufReader::new(input))?,
        }
        Ok(self.flush(path)?)
    }

    /// One JSON value a line: a line that is none spoils only itself.
    fn take_lines(&mut self, path: &str, mut input: impl BufRead) -> Result<(), Problem> {
        let (mut line, mut row) = (Vec::new(), 0);
        loop {
            line.clear();
            if input.read_until(b'\n', &mut line)? == 0 {
                return Ok(());
            }
            row += 1;
            if !line.trim_ascii().is_empty() {
                self.take(path, row, &line)?;
            }
        }
    }

    /// JSON values one after the other, over as many lines as they like; behind one that is none, nothing
    /// can be read.
    fn take_values(&mut self, path: &str, input: impl BufRead) -> Result<(), Problem> {
        let values = serde_json::Deserializer::from_reader(input).into_iter::<Value>();
        for (value, row) in values.zip(1..) {
            match value {
                Ok(value) => self.take(path, row, value.to_string().as_bytes())?,
                Err(error) => {
                    let reason = format!("nothing can be read from here on: {error}");
                    return self.reject(path, row, Bad { reason, data: Value::Null }, "SND-010");
                }
            }
        }
        Ok(())
    }

    fn take(&mut self, path: &str, row: u64, body: &[u8]) -> Result<(), Problem> {
        let found = match read(self.shape, body) {
            Ok(found) => found,
            Err(problem) => {
                let data = String::from_utf8_lossy(body).trim().to_string().into();
                return self.reject(path, row, Bad { reason: problem.what, data }, "SND-010");
            }
        };
        for found in found {
            match found {
                Ok(word) => {
                    let data = String::from_utf8_lossy(body).trim().to_string().into();
                    self.waiting.push(Waiting { row, word, data });
                }
                Err(bad) => self.reject(path, row, bad, "SND-010")?,
            }
            if self.waiting.len() >= COMMIT {
                self.flush(path)?;
            }
        }
        Ok(())
    }

    fn flush(&mut self, path: &str) -> Result<(), Problem> {
        let waiting = std::mem::take(&mut self.waiting);
        let words: Vec<ReceiptWord> = waiting.iter().map(|waiting| waiting.word.clone()).collect();
        let fates = if words.is_empty() { Vec::new() } else { self.ledger.settle(&words, self.now)? };
        for (Waiting { row, data, .. }, fate) in waiting.into_iter().zip(fates) {
            *self.fates.entry(fate).or_insert(0) += 1;
            let (code, reason) = match fate {
                Fate::Stranger => ("DSP-020", "no touch that awaits a receipt has this name"),
                Fate::Early => ("DSP-021", "its touch was not handed over"),
                _ => continue,
            };
            self.set_aside(path, row, Bad { reason: reason.into(), data }, code)?;
        }
        Ok(())
    }

    fn reject(&mut self, path: &str, row: u64, bad: Bad, code: &'static str) -> Result<(), Problem> {
        self.bad += 1;
        self.set_aside(path, row, bad, code)
    }

    fn set_aside(&mut self, path: &str, row: u64, bad: Bad, code: &'static str) -> Result<(), Problem> {
        let data = match bad.data {
            Value::Object(map) => map,
            other => Map::from_iter([("raw".to_string(), other)]),
        };
        self.rejects.write(path, Reject { row, line: None, code, reason: bad.reason, data })
    }

    fn document(&self) -> Value {
        let of = |fate| self.fates.get(&fate).copied().unwrap_or(0);
        json!({
            "read": self.fates.values().sum::<u64>() + self.bad,
            "settled": of(Fate::Settled),
            "repeated": of(Fate::Repeated),
            "contradictory": of(Fate::Contradictory),
            "early": of(Fate::Early),
            "strangers": of(Fate::Stranger),
            "bad": self.bad,
            "rejects": self.rejects.path().map(|path| path.display().to_string()),
        })
    }
}

fn text(document: &Value) -> String {
    let count = |key: &str| document[key].as_u64().unwrap_or(0);
    let keys = ["settled", "repeated", "contradictory", "early", "strangers", "bad"];
    let told: Vec<String> = keys.iter().map(|key| format!("{} {key}", count(key))).collect();
    let aside = document["rejects"].as_str().map(|path| format!("; set aside in {path}")).unwrap_or_default();
    format!("{} receipts: {}{aside}", count("read"), told.join(", "))
}

fn shape_of(shape: ReceiptShape) -> Shape {
    match shape {
        ReceiptShape::Quanke => Shape::Quanke,
        ReceiptShape::Aliyun => Shape::Sms(sms::Shape::Aliyun),
        ReceiptShape::Tencent => Shape::Sms(sms::Shape::Tencent),
        ReceiptShape::Volcengine => Shape::Sms(sms::Shape::Volcengine),
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> Problem {
    let cure = "name a file of receipts, or - for stdin";
    Problem::author("CLI-002", format!("the receipts cannot be read: {error}")).at(path).cure(cure)
}

impl Session<'_> {
    /// What channels allow: as shipped, and over it the home's own files in `limits`.
    /// Errors: TSK-055 for what is no limit.
    pub fn policies(&self) -> Result<crate::task::Policies, Problems> {
        let mut policies = crate::task::Policies::shipped()?;
        let Ok(folder) = std::fs::read_dir(self.home.root().join("limits")) else { return Ok(policies) };
        let mut paths: Vec<_> = folder.filter_map(|entry| Some(entry.ok()?.path())).collect();
        paths.retain(|path| path.extension().is_some_and(|end| end == "toml"));
        paths.sort();
        for path in paths {
            let text = std::fs::read_to_string(&path).map_err(Problem::from)?;
            policies = policies.and(&text, &path.display().to_string())?;
        }
        Ok(policies)
    }

    /// The links that quanke.toml sets up. Errors: TSK-050, TSK-055.
    pub fn links(&self) -> Result<crate::task::Links, Failure> {
        Ok(crate::task::Links::read(&self.settings.links, &self.policies()?)?)
    }
}
