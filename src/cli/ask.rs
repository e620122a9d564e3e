//! Asking: how many fit, who they are, how they are found.

use std::io::Read;

use serde_json::{Map, Value, json};

use super::args::{Asked, Estimate, Explain, Select};
use super::door::{Done, Door, Failure};
use super::output::Writing;
use super::plan::Shown;
use super::session::Session;
use super::table::{Node, tree};
use super::why::Why;
use super::words::{grouped, percent, took};
use crate::audience::Prepared;
use crate::base::{Outcome, Problem, Problems, Timestamp};
use crate::select::Selection;
use crate::select::evidence::user_of;
use crate::select::run::Counted;
use crate::select::text::{locate, locate_all};
use crate::store::Snapshot;

/// Rows shown as proof of one condition, unless asked otherwise.
const ROWS_MAX: usize = 5;

/// A selection's text and the name of where it stands.
pub struct Text {
    pub text: String,
    file: String,
}

impl Text {
    /// The text given on the command line, or of the file (`-`: stdin).
    /// Errors: CLI-002 when the file is no readable UTF-8 text.
    pub fn of(asked: &Asked, session: &mut Session) -> Outcome<Text> {
        match (&asked.selection, asked.file.as_deref()) {
            (Some(text), _) => Ok(Text { text: text.clone(), file: "selection".to_string() }),
            (None, Some(file)) => {
                let bytes = bytes_of(file, session).map_err(|e| unreadable(file, &e.to_string()))?;
                let text = String::from_utf8(bytes).map_err(|_| unreadable(file, "it is not UTF-8 text"))?;
                Ok(Text { text, file: if file == "-" { "stdin".to_string() } else { file.to_string() } })
            }
            (None, None) => Err(Problem::bug("a command without a selection passed the arguments")),
        }
    }

    /// The problems at their lines and columns in this text.
    pub fn placed(&self, problems: Problems) -> Problems {
        locate_all(&self.text, &self.file, problems)
    }

    /// Tells warnings at their lines and columns in this text.
    pub fn warn(&self, warnings: &[Problem], door: &mut Door) {
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

fn unreadable(file: &str, why: &str) -> Problem {
    Problem::author("CLI-002", format!("the selection cannot be read: {why}"))
        .at(file)
        .cure("name a UTF-8 text file that holds one selection")
}

/// A question ready to be asked: its text, its data, its names looked up.
pub struct Question {
    text: Text,
    pub snapshot: Snapshot,
    selection: Selection,
    pub prepared: Prepared,
    pub as_of: Timestamp,
}

impl Question {
    /// Reads the text and looks its names up.
    /// Errors: CLI-001, CLI-002, every mistake of the selection.
    pub fn new(asked: &Asked, as_of: Option<&str>, session: &mut Session) -> Result<Question, Failure> {
        let snapshot = session.snapshot()?;
        let text = Text::of(asked, session)?;
        let as_of = session.as_of(as_of)?;
        let prepared = session.audiences()?.prepare_text(&text.text, as_of, &snapshot);
        let (selection, prepared) = prepared.map_err(|problems| text.placed(problems))?;
        Ok(Question { text, snapshot, selection, prepared, as_of })
    }

    /// Tells what the author should know.
    pub fn warn(&self, door: &mut Door) {
        self.text.warn(self.prepared.warnings(), door);
    }

    /// Warnings, those that need the counts of the selection as asked among them.
    fn advise(&self, tree: &Counted, door: &mut Door) -> Done {
        let advice = self.prepared.advice(&self.selection, tree, &self.snapshot)?;
        self.warn(door);
        self.text.warn(&advice, door);
        Ok(())
    }
}

/// `quanke estimate`: the count, and the count at every node.
pub fn estimate(args: &Estimate, session: &mut Session, door: &mut Door) -> Done {
    let question = Question::new(&args.asked, args.as_of.as_deref(), session)?;
    let (found, runs) = repeated(&question, args.repeat.unwrap_or(1), session)?;
    question.advise(&found, door)?;
    let seconds = runs.last().copied().unwrap_or_default();
    let universe = question.snapshot.universe().len();
    let zone = question.snapshot.zone();
    let mut document = document(&found, universe, seconds, zone.text(question.as_of));
    if args.repeat.is_some() {
        let runs: Vec<f64> = runs.iter().map(|s| millis(*s)).collect();
        document.insert("runs_ms".to_string(), json!(runs));
    }
    door.answer(Value::Object(document), || text(&found, universe, seconds, &zone.text(question.as_of)))
}

/// Evaluates several times; each run starts from the loaded data, no run from another's result.
fn repeated(question: &Question, times: u32, session: &Session) -> Result<(Counted, Vec<f64>), Failure> {
    let mut runs = Vec::new();
    loop {
        let began = session.pace.seconds();
        let found = question.prepared.count(&question.snapshot)?;
        runs.push(session.pace.seconds() - began);
        if runs.len() >= times as usize {
            return Ok((found, runs));
        }
    }
}

fn document(found: &Counted, universe: u64, seconds: f64, as_of: String) -> Map<String, Value> {
    let document = json!({
        "count": found.count,
        "universe": universe,
        "as_of": as_of,
        "exact": true,
        "elapsed_ms": millis(seconds),
        "tree": found,
    });
    match document {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// Seconds as milliseconds with three digits after the point.
pub fn millis(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

fn text(found: &Counted, universe: u64, seconds: f64, as_of: &str) -> String {
    let count = found.count;
    let (count_text, share) = (grouped(count), percent(count, universe));
    let head = format!(
        "{count_text} of {} users ({share})  as of {as_of}  in {}",
        grouped(universe),
        took(seconds)
    );
    format!("{head}\n\n{}", tree(&node(found)))
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
    writing.write(&found.answer.users, &question.snapshot, session, door)
}

/// `quanke explain --user`: why one user is in or out.
fn explain_user(id: &str, rows_max: usize, question: &Question, door: &mut Door) -> Done {
    let snapshot = &question.snapshot;
    let user = user_of(id, snapshot)?;
    let evidence = question.prepared.evidence(&question.selection, user, rows_max, snapshot)?;
    question.warn(door);
    let (as_of, zone, selection) = (question.as_of, snapshot.zone(), question.selection.to_string());
    Why { id, as_of, zone, selection, evidence }.tell(door)
}

/// `quanke explain`: the plan with what was guessed and what came out, or the evidence for one user.
pub fn explain(args: &Explain, session: &mut Session, door: &mut Door) -> Done {
    let question = Question::new(&args.asked, args.as_of.as_deref(), session)?;
    if let Some(id) = &args.user {
        return explain_user(id, args.rows.unwrap_or(ROWS_MAX), &question, door);
    }
    let (asked, plan) = (question.prepared.plan(), question.prepared.plan().rewritten());
    let traced = plan.traced(&question.snapshot, &|| session.pace.seconds())?;
    question.advise(&question.prepared.count(&question.snapshot)?, door)?;
    let shown = Shown { asked, plan: &plan, traced: &traced, is_verbose: args.verbose };
    let mut document = Map::from_iter([
        ("count".to_string(), json!(traced.answer.users.len())),
        ("as_of".to_string(), json!(question.snapshot.zone().text(question.as_of))),
        ("selection".to_string(), json!(question.selection.to_string())),
        ("json".to_string(), question.selection.to_json()),
    ]);
    document.extend(shown.document());
    door.answer(Value::Object(document), || shown.text())
}
