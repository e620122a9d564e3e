//! What went wrong, where, and what to do about it: one form for terminal, JSON and page.

use std::fmt;

use serde::Serialize;

/// Who can mend a problem; decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The selection or the task says something wrong (exit 1).
    Author,
    /// A row or a file is not what it should be (exit 1).
    Data,
    /// Disk, network, another process (exit 3).
    Outside,
    /// Ours (exit 3).
    Bug,
}

/// One problem: a code with a page in `docs/errors/`, the place, the finding, the cure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Problem {
    /// As in `docs/errors/SEL-014.md`.
    pub code: &'static str,
    pub kind: Kind,
    /// The place: `file:line:column  the words there`, a path, a task.
    #[serde(rename = "where")]
    pub at: String,
    /// What is the case, and what is known there.
    pub what: String,
    /// What to do; may be empty when nothing sensible can be said.
    #[serde(rename = "do")]
    pub cure: String,
    /// Bytes in the text read, when the problem stands in one: `at` is made from it at the door.
    #[serde(skip)]
    pub span: Option<(usize, usize)>,
}

impl Problem {
    /// A problem of `kind` without a place or a cure yet.
    pub fn new(code: &'static str, kind: Kind, what: impl Into<String>) -> Problem {
        Problem { code, kind, at: String::new(), what: what.into(), cure: String::new(), span: None }
    }

    /// A mistake in a selection or a task.
    pub fn author(code: &'static str, what: impl Into<String>) -> Problem {
        Problem::new(code, Kind::Author, what)
    }

    /// A bad row or file.
    pub fn data(code: &'static str, what: impl Into<String>) -> Problem {
        Problem::new(code, Kind::Data, what)
    }

    /// Something beyond the program: disk, network, another process.
    pub fn outside(code: &'static str, what: impl Into<String>) -> Problem {
        Problem::new(code, Kind::Outside, what)
    }

    /// Something that we should have made impossible.
    pub fn bug(what: impl Into<String>) -> Problem {
        Problem::new("BUG-001", Kind::Bug, what).cure("please report this with the command that led to it")
    }

    /// The same problem at a place.
    pub fn at(mut self, at: impl Into<String>) -> Problem {
        self.at = at.into();
        self
    }

    /// The same problem with what to do.
    pub fn cure(mut self, cure: impl Into<String>) -> Problem {
        self.cure = cure.into();
        self
    }

    /// The same problem at a range of bytes of the text that was read.
    pub fn span(mut self, span: super::Span) -> Problem {
        self.span = Some((span.from, span.to));
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "error {}", self.code)?;
        if !self.at.is_empty() {
            write!(f, "\n  where  {}", self.at)?;
        }
        write!(f, "\n  what   {}", self.what)?;
        if !self.cure.is_empty() {
            write!(f, "\n  do     {}", self.cure)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problem {}

/// All problems of one reading, never empty when it is an error.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// `Ok` when nothing was found.
    pub fn or<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }

    /// One more problem.
    pub fn push(&mut self, problem: Problem) {
        self.0.push(problem);
    }

    /// These and others, in the order of the text they stand in.
    pub fn and(mut self, others: Problems) -> Problems {
        self.0.extend(others.0);
        self.0.sort_by_key(|problem| problem.span);
        self
    }

    /// 1 when an author or the data can mend it, 3 when something outside failed.
    pub fn exit_code(&self) -> u8 {
        let outside = |p: &Problem| matches!(p.kind, Kind::Outside | Kind::Bug);
        if self.0.iter().any(outside) { 3 } else { 1 }
    }
}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems(vec![problem])
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let texts: Vec<String> = self.0.iter().map(Problem::to_string).collect();
        f.write_str(&texts.join("\n"))
    }
}

impl std::error::Error for Problems {}

/// What most of our functions give: a value or one problem.
pub type Outcome<T> = Result<T, Problem>;

/// What to do where the system lets us read at most.
pub const MAKE_WRITABLE: &str =
    "give this user the right to read and write there, or copy the home to a place that can be written";

impl From<std::io::Error> for Problem {
    fn from(error: std::io::Error) -> Problem {
        use std::io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem, StorageFull};
        let cure = match error.kind() {
            StorageFull => "free some disk space and run the command again",
            PermissionDenied | ReadOnlyFilesystem => MAKE_WRITABLE,
            _ => "",
        };
        Problem::outside("OUT-001", error.to_string()).cure(cure)
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Error, ErrorKind};

    use super::*;

    #[test]
    fn the_cure_follows_what_the_system_refused() {
        let cure = |kind: ErrorKind| Problem::from(Error::from(kind)).cure;
        assert!(cure(ErrorKind::StorageFull).contains("disk space"));
        assert_eq!(cure(ErrorKind::ReadOnlyFilesystem), MAKE_WRITABLE);
        assert_eq!(cure(ErrorKind::PermissionDenied), MAKE_WRITABLE);
        assert_eq!(cure(ErrorKind::Interrupted), "");
    }
}
