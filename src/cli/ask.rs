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
use crate::select::{Budgeted, LeafCache, Sample};
use crate::store::Snapshot;

/// Rows shown as proof of one condition, unless asked otherwise.
const ROWS_MAX: usize = 5;

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

fn unreadable(name: &str, file: &str, why: &str) -> Problem {
    Problem::author("CLI-002", format!("the {name} cannot be read: {why}"))
        .at(file)
        .cure(format!("name a UTF-8 text file that holds one {name}"))
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
    let (found, runs) = repeated(&question, args, session)?;
    match found.sample {
        None => question.advise(&found.tree, door)?,
        Some(_) => question.warn(door),
    }
    let asked = Asking {
        universe: question.snapshot.universe().len(),
        as_of: question.snapshot.zone().text(question.as_of),
        seconds: runs.last().copied().unwrap_or_default(),
    };
    let mut document = document(&found, &asked);
    if args.repeat.is_some() {
        document.insert("runs_ms".to_string(), runs_ms(&runs));
    }
    door.answer(Value::Object(document), || text(&found, &asked))
}

/// What a bitmap of a million users takes, a few thousand times.
const CACHE_BYTES: u64 = 256 << 20;

/// Evaluates several times; with `--no-cache` no run knows what another found.
fn repeated(
    question: &Question,
    args: &Estimate,
    session: &Session,
) -> Result<(Budgeted, Vec<f64>), Failure> {
    let (cache, mut runs) = (LeafCache::new(CACHE_BYTES), Vec::new());
    let (prepared, snapshot) = (&question.prepared, &question.snapshot);
    let clock = || session.pace.seconds();
    loop {
        let began = clock();
        let exact = |tree| Budgeted { tree, sample: None };
        let found = match args.budget {
            Some(seconds) => prepared.count_within(seconds, &clock, snapshot)?,
            None if args.no_cache || args.repeat.is_none() => exact(prepared.count(snapshot)?),
            None => exact(prepared.count_with(snapshot, &cache)?),
        };
        runs.push(clock() - began);
        if runs.len() >= args.repeat.unwrap_or(1) as usize {
            return Ok((found, runs));
        }
    }
}

/// Each run in milliseconds.
fn runs_ms(runs: &[f64]) -> Value {
    runs.iter().map(|seconds| json!(millis(*seconds))).collect()
}

/// What was asked, of how many, and how long it took.
struct Asking {
    universe: u64,
    as_of: String,
    seconds: f64,
}

fn document(found: &Budgeted, asked: &Asking) -> Map<String, Value> {
    let mut document = Map::from_iter([
        ("count".to_string(), json!(found.tree.count)),
        ("universe".to_string(), json!(asked.universe)),
        ("as_of".to_string(), json!(asked.as_of)),
        ("exact".to_string(), json!(found.sample.is_none())),
    ]);
    if let Some(Sample { users, low, high }) = found.sample {
        let interval = [("low", low), ("high", high), ("sample", users)];
        document.extend(interval.map(|(name, value)| (name.to_string(), json!(value))));
    }
    document.insert("elapsed_ms".to_string(), json!(millis(asked.seconds)));
    document.insert("tree".to_string(), json!(found.tree));
    document
}

/// Seconds as milliseconds with three digits after the point.
pub fn millis(seconds: f64) -> f64 {
    (seconds * 1e6).round() / 1e3
}

fn text(found: &Budgeted, asked: &Asking) -> String {
    let (count, universe) = (found.tree.count, asked.universe);
    let (share, everyone) = (percent(count, universe), grouped(universe));
    let (as_of, time) = (&asked.as_of, took(asked.seconds));
    let head = match found.sample {
        None => format!("{} of {everyone} users ({share})  as of {as_of}  in {time}", grouped(count)),
        Some(Sample { users, low, high }) => format!(
            "about {} of {everyone} users ({share}), between {} and {} with a probability of 95%, \
             from a sample of {} users  as of {as_of}  in {time}",
            grouped(count),
            grouped(low),
            grouped(high),
            grouped(users)
        ),
    };
    format!("{head}\n\n{}", tree(&node(&found.tree)))
}

fn node(counted: &Counted) -> Node<'_> {
    Node { text: &counted.label, count: counted.count, children: counted.children.iter().map(node).collect() }
}

/// `quanke select`: the users themselves.
pub fn select(args: &Select, session: &mut Session, door: &mut Door) -> Done {
    let writing = Writing::new(&args.output)?;
    let question = Question::new(&args.asked, args.as_of.as_deref(), session)?;
    writing.check(&question.snapshot)?;
    let mut runs = Vec::new();
    let users = loop {
        let began = session.pace.seconds();
        let users = question.prepared.users(&question.snapshot)?;
        runs.push(session.pace.seconds() - began);
        if runs.len() >= args.repeat.unwrap_or(1) as usize {
            break users;
        }
    };
    question.warn(door);
    if args.repeat.is_some() {
        let document = json!({ "count": users.len(), "runs_ms": runs_ms(&runs) });
        return door.answer(document, || {
            format!("{} users in {}", grouped(users.len()), took(runs[runs.len() - 1]))
        });
    }
    writing.write(&users, &question.snapshot, session, door)
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
