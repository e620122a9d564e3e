//! What is said to a user: texts with `{{name}}` in them, filled from the user's attributes.
//!
//! `{{name}}` is looked up among the other keys of the content first (`link = "https://…"`), then
//! among the user's attributes (a missing value gives the empty text), then it is `{{user_id}}`.
//! What is none of these stays as written, for the channel to fill.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

/// The `content` table of a task file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Content(pub Map<String, Value>);

/// A content made ready for many users: each text cut into pieces once.
pub struct Form {
    root: Node,
    fields: Vec<String>,
}

enum Node {
    Text(Vec<Piece>),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
    Other(Value),
}

#[derive(Clone)]
enum Piece {
    Plain(String),
    /// The value of `fields[n]`.
    Field(usize),
    UserId,
}

impl Content {
    /// Every name between `{{` and `}}`, in all texts.
    pub fn placeholders(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.0.values().for_each(|value| collect(value, &mut names));
        names
    }

    /// The placeholders that nothing of ours fills: no attribute, no other key.
    pub fn left_to_the_channel(&self, is_attribute: &dyn Fn(&str) -> bool) -> Vec<String> {
        let is_filled = |name: &str| self.text_of(name).is_some() || is_attribute(name) || name == "user_id";
        self.placeholders().into_iter().filter(|name| !is_filled(name)).collect()
    }

    /// Makes the content ready. `is_attribute` tells what the users' data has.
    pub fn form(&self, is_attribute: &dyn Fn(&str) -> bool) -> Form {
        let mut maker = Maker { content: self, is_attribute, fields: Vec::new() };
        let table = |(key, value): (&String, &Value)| (key.clone(), maker.node(key, value));
        let root = Node::Table(self.0.iter().map(table).collect());
        Form { root, fields: maker.fields }
    }

    fn text_of(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }
}

impl Form {
    /// The attributes that are needed, in the order in which [`Form::fill`] wants their values.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// The content for one user, and the values that went into it by name.
    /// `values` has one entry per name of [`Form::fields`]; a missing one gives the empty text.
    pub fn fill(&self, user_id: &str, values: &[Option<String>]) -> (Value, Map<String, Value>) {
        let value = |n: usize| values.get(n).and_then(|v| v.as_deref()).unwrap_or("");
        let named = |(n, name): (usize, &String)| (name.clone(), Value::from(value(n)));
        let fields = self.fields.iter().enumerate().map(named).collect();
        (write(&self.root, user_id, &value), fields)
    }
}

struct Maker<'a> {
    content: &'a Content,
    is_attribute: &'a dyn Fn(&str) -> bool,
    fields: Vec<String>,
}

impl Maker<'_> {
    fn node(&mut self, key: &str, value: &Value) -> Node {
        match value {
            Value::String(text) => Node::Text(self.pieces(text, Some(key))),
            Value::Array(items) => Node::List(items.iter().map(|item| self.node(key, item)).collect()),
            Value::Object(map) => {
                Node::Table(map.iter().map(|(k, v)| (k.clone(), self.node(key, v))).collect())
            }
            other => Node::Other(other.clone()),
        }
    }

    /// Cuts a text; other keys are put in only one level deep (`key` is the one being cut), so
    /// that two keys that name each other come to an end.
    fn pieces(&mut self, text: &str, key: Option<&str>) -> Vec<Piece> {
        let mut pieces = Vec::new();
        for part in parts(text) {
            match part {
                Part::Plain(plain) => pieces.push(Piece::Plain(plain.to_string())),
                Part::Name { name, written } => pieces.extend(self.lookup(name, written, key)),
            }
        }
        pieces
    }

    fn lookup(&mut self, name: &str, written: &str, key: Option<&str>) -> Vec<Piece> {
        let content = self.content;
        if let Some(text) = content.text_of(name).filter(|_| key.is_some_and(|key| key != name)) {
            return self.pieces(text, None);
        }
        if (self.is_attribute)(name) {
            return vec![Piece::Field(self.field(name))];
        }
        vec![if name == "user_id" { Piece::UserId } else { Piece::Plain(written.to_string()) }]
    }

    fn field(&mut self, name: &str) -> usize {
        self.fields.iter().position(|known| known == name).unwrap_or_else(|| {
            self.fields.push(name.to_string());
            self.fields.len() - 1
        })
    }
}

fn write<'v>(node: &'v Node, user_id: &'v str, value: &dyn Fn(usize) -> &'v str) -> Value {
    match node {
        Node::Text(pieces) => Value::String(pieces.iter().map(|piece| piece.words(user_id, value)).collect()),
        Node::List(items) => items.iter().map(|item| write(item, user_id, value)).collect(),
        Node::Table(entries) => {
            Value::Object(entries.iter().map(|(k, v)| (k.clone(), write(v, user_id, value))).collect())
        }
        Node::Other(other) => other.clone(),
    }
}

impl Piece {
    fn words<'a>(&'a self, user_id: &'a str, value: &dyn Fn(usize) -> &'a str) -> &'a str {
        match self {
            Piece::Plain(text) => text,
            Piece::Field(n) => value(*n),
            Piece::UserId => user_id,
        }
    }
}

enum Part<'t> {
    Plain(&'t str),
    Name { name: &'t str, written: &'t str },
}

/// Cuts a text at its placeholders. Braces that are not closed, and empty ones, are plain text.
fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, name, after)) = next_placeholder(rest) {
        let written = &rest[before.len()..rest.len() - after.len()];
        parts.push(Part::Plain(before));
        parts.push(Part::Name { name, written });
        rest = after;
    }
    parts.push(Part::Plain(rest));
    parts
}

/// The text before the first placeholder, its name without outer spaces, and the text after it.
/// Closing braces that close nothing are passed over.
fn next_placeholder(text: &str) -> Option<(&str, &str, &str)> {
    text.match_indices("}}").find_map(|(close, _)| {
        let open = text[..close].rfind("{{")?;
        let name = text[open + 2..close].trim();
        (!name.is_empty()).then_some((&text[..open], name, &text[close + 2..]))
    })
}

fn collect(value: &Value, names: &mut BTreeSet<String>) {
    match value {
        Value::String(text) => names.extend(parts(text).iter().filter_map(|part| match part {
            Part::Name { name, .. } => Some(name.to_string()),
            Part::Plain(_) => None,
        })),
        Value::Array(items) => items.iter().for_each(|item| collect(item, names)),
        Value::Object(map) => map.values().for_each(|item| collect(item, names)),
        _ => {}
    }
}
