//! Names as they were written, with the place where they stood.

use std::fmt;

/// A range of bytes in the text it was read from; `0..0` for what was not read from text.
#[derive(Debug, Clone, Copy, Default)]
pub struct Span {
    pub from: usize,
    pub to: usize,
}

/// A name from the data: a tag, an event, a property, a table, a crowd.
///
/// Two names are equal when their text is; where they stood does not matter.
#[derive(Debug, Clone, Default)]
pub struct Name {
    pub text: String,
    pub span: Span,
}

impl Name {
    /// A name that was not read from text.
    pub fn new(text: impl Into<String>) -> Name {
        Name { text: text.into(), span: Span::default() }
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Name) -> bool {
        self.text == other.text
    }
}

impl Eq for Name {}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.text)
    }
}
