//! The two roads out: data to stdout, talk to stderr; and how a command ends.

use std::io::{ErrorKind, Write};

use serde_json::{Value, json};

use super::table;
use crate::base::{Problem, Problems};

/// Why a command did not do what was asked.
#[derive(Debug)]
pub enum Failure {
    /// The command itself is wrong (exit 2).
    Usage(Problem),
    /// Problems of the author, the data or the outside (exit 1 or 3).
    Found(Problems),
    /// Such problems after the data was written: talk only, so that there is one document.
    Told(Problems),
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Failure {
        Failure::Found(problem.into())
    }
}

impl From<Problems> for Failure {
    fn from(problems: Problems) -> Failure {
        Failure::Found(problems)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Problem::from(error).into()
    }
}

/// What commands give: nothing, or why not.
pub type Done = Result<(), Failure>;

/// The two roads out.
pub struct Door<'a> {
    pub is_json: bool,
    out: Watched<'a>,
    talk: &'a mut dyn Write,
}

/// Stdout, and whether its reader has gone.
struct Watched<'a> {
    out: &'a mut dyn Write,
    is_closed: bool,
}

impl Watched<'_> {
    fn watch<T>(&mut self, result: std::io::Result<T>) -> std::io::Result<T> {
        self.is_closed |= result.as_ref().is_err_and(|e| e.kind() == ErrorKind::BrokenPipe);
        result
    }
}

impl Write for Watched<'_> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.out.write(bytes);
        self.watch(written)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        let flushed = self.out.flush();
        self.watch(flushed)
    }
}

impl<'a> Door<'a> {
    /// A door over stdout and stderr.
    pub fn new(is_json: bool, out: &'a mut dyn Write, talk: &'a mut dyn Write) -> Door<'a> {
        Door { is_json, out: Watched { out, is_closed: false }, talk }
    }

    /// Data: lines of text to stdout.
    pub fn data(&mut self, text: &str) -> Done {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Data: one JSON document to stdout.
    pub fn json(&mut self, document: &Value) -> Done {
        self.data(&format!("{document:#}"))
    }

    /// Data: the document with `--json`, the text without.
    pub fn answer(&mut self, document: Value, text: impl FnOnce() -> String) -> Done {
        if self.is_json { self.json(&document) } else { self.data(text().trim_end_matches('\n')) }
    }

    /// Data: the document with `--json`, an aligned table without.
    pub fn rows(&mut self, document: Value, rows: &[Vec<table::Cell>]) -> Done {
        self.answer(document, || table::aligned(rows))
    }

    /// The road for data itself, for streams of rows.
    pub fn stream(&mut self) -> &mut dyn Write {
        &mut self.out
    }

    /// Talk: a line to stderr. Talk that nobody can hear is no failure.
    pub fn say(&mut self, text: &str) {
        let _ = writeln!(self.talk, "{text}");
    }

    /// Warnings, in the form of problems, to stderr.
    pub fn warn(&mut self, warnings: &[Problem]) {
        for warning in warnings {
            let text = warning.to_string().replacen("error ", "warning ", 1);
            self.say(&text);
        }
    }

    /// Tells how the command ended and gives the exit code. When whoever read our data has gone,
    /// there is nothing to say and nobody to say it to.
    pub fn close(mut self, done: Done) -> u8 {
        let flushed = self.out.flush().map_err(Failure::from);
        match done.and(flushed) {
            _ if self.out.is_closed => 0,
            Ok(()) => 0,
            Err(Failure::Usage(problem)) => self.tell(&problem.into(), 2),
            Err(Failure::Told(problems)) => {
                self.say(&problems.to_string());
                problems.exit_code()
            }
            Err(Failure::Found(problems)) => {
                let code = problems.exit_code();
                self.tell(&problems, code)
            }
        }
    }

    /// Problems are talk; with `--json` they are the document.
    fn tell(&mut self, problems: &Problems, code: u8) -> u8 {
        match self.is_json {
            true => {
                let _ = self.json(&json!({ "problems": problems.0 }));
                let _ = self.out.flush();
            }
            false => self.say(&problems.to_string()),
        }
        code
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn closed(is_json: bool, done: Done) -> (u8, String, String) {
        let (mut out, mut talk) = (Vec::new(), Vec::new());
        let code = Door::new(is_json, &mut out, &mut talk).close(done);
        (code, String::from_utf8(out).unwrap(), String::from_utf8(talk).unwrap())
    }

    fn found(problem: Problem) -> Done {
        Err(problem.at("here").cure("mend it").into())
    }

    #[test]
    fn the_exit_code_tells_who_can_mend_it() {
        assert_eq!(closed(false, Ok(())).0, 0);
        assert_eq!(closed(false, found(Problem::author("X-1", "a"))).0, 1);
        assert_eq!(closed(false, found(Problem::data("X-1", "a"))).0, 1);
        assert_eq!(closed(false, Err(Failure::Usage(Problem::author("X-1", "a")))).0, 2);
        assert_eq!(closed(false, found(Problem::outside("X-1", "a"))).0, 3);
        assert_eq!(closed(false, found(Problem::bug("a"))).0, 3);
    }

    #[test]
    fn problems_are_talk_in_three_lines_or_a_document() {
        let (_, out, talk) = closed(false, found(Problem::author("X-1", "女 is not known")));
        assert_eq!(out, "");
        assert_eq!(talk, "error X-1\n  where  here\n  what   女 is not known\n  do     mend it\n");
        let (code, out, talk) = closed(true, found(Problem::author("X-1", "女 is not known")));
        assert_eq!((code, talk.as_str()), (1, ""));
        let document: Value = serde_json::from_str(&out).unwrap();
        let problem = json!({"code": "X-1", "kind": "author", "where": "here", "what": "女 is not known", "do": "mend it"});
        assert_eq!(document, json!({ "problems": [problem] }));
    }

    struct Gone;

    impl Write for Gone {
        fn write(&mut self, _: &[u8]) -> std::io::Result<usize> {
            Err(ErrorKind::BrokenPipe.into())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_reader_who_has_gone_ends_it_quietly() {
        let (mut out, mut talk) = (Gone, Vec::new());
        let mut door = Door::new(false, &mut out, &mut talk);
        let done = door.data("line");
        assert!(done.is_err());
        assert_eq!(door.close(done), 0);
        assert!(talk.is_empty());
    }
}
