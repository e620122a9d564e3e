//! Asking: how many fit, who they are, how they are found.

use std::io::Read;

use serde_json::{Map, Value, json};

use super::args::{Asked, Estimate, Explain, Select};
use super::door::{Done, Door, Failure};
use super::output::Writing;
use super::session::Session;
use super::table::{Node, tree};
use super::words::{grouped, percent, took};
use crate::audience::{Evaluated, Prepared};
use crate::base::{Outcome, Problem, Problems, Timestamp, Zone};
use crate::select::Selection;
use crate::select::run::Counted;
use crate::select::text::{locate, locate_all};
use crate::store::Snapshot;

/// A selection's text and the name of where it stands.
pub struct Text {
    pub text: String,
    pub file: String,
}

impl Text {
    /// The text given on the command line, or of the file (`-`: stdin).
    /// Errors: CLI-002 when the file is no readable UTF-8 text.
    pub fn of(asked: &Asked, session: &mut Session) -> Outcome<Text> {
        Text::written("selection", asked.selection.as_deref(), asked.file.as_deref(), session)
    }

    /// The same for any text; `name` is what it is called without a file.
    /// Errors: CLI-002 when the file is no readable UTF-8 text.
    pub fn written(
        name: &str,
        text: Option<&str>,
        file: Option<&str>,
        session: &mut Session,
    ) -> Outcome<Text> {
        match (text, file) {
            (Some(text), _) => Ok(Text { text: text.to_string(), file: name.to_string() }),
            (None, Some(file)) => {
                let bytes = bytes_of(file, session).map_err(|e| unreadable(name, file, &e.to_string()))?;
                let text =
                    String::from_utf8(bytes).map_err(|_| unreadable(name, file, "it is not UTF-8 text"))?;
                Ok(Text { text, file: if file == "-" { "stdin".to_string() } else { file.to_string() } })
            }
            (None, None) => Err(Problem::bug("a command without a text passed the arguments")),
        }
    }

    /// The problems at their lines and columns in this text.
    pub fn placed(&self, problems: Problems) -> Problems {
        locate_all(&self.text, &self.file, problems)
    }

    fn warn(&self, warnings: &[Problem], door: &mut Door) {
        let placed: Vec<Problem> =
            warnings.iter().map(|w| locate(&self.text, &self.file, w.clone())).collect();
        door.warn(&placed);
    }
}

fn bytes_of(file: &str, session: &mut Session) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match (file, session.input.take()) {
        ("-", Some(mut input)) => input.read_to_end(&mut bytes)?,
        ("-", None) => 0,
        (path, _) => std::fs::File::open(path)?.read_to_end(&mut bytes)?,
    };
    Ok(bytes)
}

fn unreadable(name: &str, file: &str, why: &str) -> Problem {
    Problem::author("CLI-002", format!("the {name} cannot be read: {why}"))
        .at(file)
        .cure(format!("name a UTF-8 text file that holds one {name}"))
}

/// A question ready to be asked: its text, its data, its names looked up.
struct Question {
    text: Text,
    snapshot: Snapshot,
    selection: Selection,
    prepared: Prepared,
    as_of: Timestamp,
}

impl Question {
    fn new(asked: &Asked, as_of: Option<&str>, session: &mut Session) -> Result<Question, Failure> {
        let snapshot = session.snapshot()?;
        let text = Text::of(asked, session)?;
        let as_of = session.as_of(as_of)?;
        let prepared = session.audiences()?.prepare_text(&text.text, as_of, &snapshot);
        let (selection, prepared) = prepared.map_err(|problems| text.placed(problems))?;
        Ok(Question { text, snapshot, selection, prepared, as_of })
    }

    fn warn(&self, door: &mut Door) {
        self.text.warn(self.prepared.warnings(), door);
    }
}

/// `quanke estimate`: the count, and the count at every node.
pub fn estimate(args: &Estimate, session: &mut Session, door: &mut Door) -> Done {
    let question = Question::new(&args.asked, args.as_of.as_deref(), session)?;
    let (found, runs) = repeated(&question, args.repeat.unwrap_or(1), session)?;
    question.warn(door);
    let seconds = runs.last().copied().unwrap_or_default();
    let universe = question.snapshot.universe().len();
    let zone = question.snapshot.zone();
    let mut document = document(&found, universe, seconds, zone);
    if args.repeat.is_some() {
        let runs: Vec<f64> = runs.iter().map(|s| millis(*s)).collect();
        document.insert("runs_ms".to_string(), json!(runs));
    }
    door.answer(Value::Object(document), || text(&found, universe, seconds, zone))
}

/// Evaluates several times; each run starts from the loaded data, no run from another's result.
fn repeated(question: &Question, times: u32, session: &Session) -> Result<(Evaluated, Vec<f64>), Failure> {
    let mut runs = Vec::new();
    loop {
        let began = session.pace.seconds();
        let found = question.prepared.counted(&question.snapshot)?;
        runs.push(session.pace.seconds() - began);
        if runs.len() >= times as usize {
            return Ok((found, runs));
        }
    }
}

fn document(found: &Evaluated, universe: u64, seconds: f64, zone: Zone) -> Map<String, Value> {
    let document = json!({
        "count": found.answer.users.len(),
        "universe": universe,
        "as_of": zone.text(found.as_of),
        "exact": true,
        "elapsed_ms": millis(seconds),
        "tree": found.answer.tree,
    });
    match document {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Seconds as milliseconds with three digits after the point.
fn millis(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

fn text(found: &Evaluated, universe: u64, seconds: f64, zone: Zone) -> String {
    let count = found.answer.users.len();
    let (count_text, share) = (grouped(count), percent(count, universe));
    let head = format!(
        "{count_text} of {} users ({share})  as of {}  in {}",
        grouped(universe),
        zone.text(found.as_of),
        took(seconds)
    );
    format!("{head}\n\n{}", tree(&node(&found.answer.tree)))
}

fn node(counted: &Counted) -> Node<'_> {
    Node { text: &counted.label, count: counted.count, children: counted.children.iter().map(node).collect() }
}

/// `quanke select`: the users themselves.
pub fn select(args: &Select, session: &mut Session, door: &mut Door) -> Done {
    let writing = Writing::new(&args.output)?;
    let question = Question::new(&args.asked, args.as_of.as_deref(), session)?;
    writing.check(&question.snapshot)?;
    let found = question.prepared.quick(&question.snapshot)?;
    question.warn(door);
    writing.write(&found.answer.users, &question.snapshot, door)
}

/// `quanke explain`: the plan with what was guessed and what came out.
pub fn explain(args: &Explain, session: &mut Session, door: &mut Door) -> Done {
    let question = Question::new(&args.asked, args.as_of.as_deref(), session)?;
    let plan = question.prepared.plan().rewritten();
    let answer = plan.run(&question.snapshot)?;
    question.warn(door);
    let lines: Vec<Value> = plan
        .lines(&answer.tree)
        .iter()
        .map(|line| {
            json!({
                "depth": line.depth,
                "node": line.label,
                "count": line.count,
                "guess": { "low": line.guess.low, "likely": line.guess.likely, "high": line.guess.high },
            })
        })
        .collect();
    let as_of = question.snapshot.zone().text(question.as_of);
    let selection = question.selection.to_string();
    let twin = question.selection.to_json();
    let document = json!({
        "count": answer.users.len(), "as_of": as_of, "selection": selection, "json": twin, "plan": lines
    });
    door.answer(document, || plan.tree(&answer.tree))
}
