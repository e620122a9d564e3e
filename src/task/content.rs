//! What is said to a user: texts with `{{name}}` in them, filled from the user's attributes.
//!
//! `{{name}}` is looked up among the other keys of the content first (`link = "https://…"`); `{{link}}` is
//! then the link of quanke.toml that the task names; then come the user's attributes (what a missing value
//! means the task says), then `{{user_id}}`. What is none of these stays as written, for the channel to fill.
//! Values are put into texts, never into JSON: what is sent is written from the filled tree, so that a quote
//! in a name stays a letter of the name.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::link::{LinkText, code_of};

/// The name under which the task's link stands in texts.
pub const LINK: &str = "link";

/// The `content` table of a task file.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Content(pub Map<String, Value>);

/// A content made ready for many users: each text cut into pieces once.
pub struct Form {
    root: Node,
    fields: Vec<String>,
    /// So many of the fields stand in the content; the others are for the channel.
    own_count: usize,
    missing: Missing,
}

/// What becomes of a touch whose content lacks a value.
#[derive(Debug, Clone, PartialEq, Default)]
pub enum Missing {
    /// The text is empty at that place.
    #[default]
    Empty,
    /// It does not go out.
    Refuse,
    /// This text stands there.
    Default(String),
}

impl Missing {
    /// Reads `empty`, `refuse` or `default:…`.
    pub fn parse(text: &str) -> Option<Missing> {
        match text {
            "empty" => Some(Missing::Empty),
            "refuse" => Some(Missing::Refuse),
            _ => text.strip_prefix("default:").map(|text| Missing::Default(text.to_string())),
        }
    }
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
    /// The short form of the touch id.
    Code,
}

impl Content {
    /// Every name between `{{` and `}}`, in all texts.
    pub fn placeholders(&self) -> BTreeSet<String> {
        let mut names = BTreeSet::new();
        self.0.values().for_each(|value| collect(value, &mut names));
        names
    }

    /// All texts, those in lists and tables too.
    pub(super) fn texts(&self) -> Vec<&str> {
        let mut texts = Vec::new();
        self.0.values().for_each(|value| collect_texts(value, &mut texts));
        texts
    }

    /// The placeholders that nothing of ours fills: no attribute, no other key.
    pub fn left_to_the_channel(&self, is_attribute: &dyn Fn(&str) -> bool) -> Vec<String> {
        let is_filled = |name: &str| self.text_of(name).is_some() || is_attribute(name) || name == "user_id";
        self.placeholders().into_iter().filter(|name| !is_filled(name)).collect()
    }

    /// Makes the content ready. `is_attribute` tells what the users' data has.
    pub fn form(&self, is_attribute: &dyn Fn(&str) -> bool) -> Form {
        self.form_with(is_attribute, None)
    }

    /// The same, where `{{link}}` is `link` unless the content has a key of that name.
    pub fn form_with(&self, is_attribute: &dyn Fn(&str) -> bool, link: Option<&LinkText>) -> Form {
        let mut maker = Maker { content: self, is_attribute, link, fields: Vec::new() };
        let table = |(key, value): (&String, &Value)| (key.clone(), maker.node(key, value));
        let root = Node::Table(self.0.iter().map(table).collect());
        let own_count = maker.fields.len();
        Form { root, fields: maker.fields, own_count, missing: Missing::Empty }
    }

    /// The text under a key.
    pub fn text_of(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.as_str()
    }
}

impl Form {
    /// The attributes that are needed, in the order in which [`Form::fill`] wants their values.
    pub fn fields(&self) -> &[String] {
        &self.fields
    }

    /// The same with another answer to missing values.
    pub fn missing(self, missing: Missing) -> Form {
        Form { missing, ..self }
    }

    /// The same with attributes that the channel needs too.
    pub fn with_fields(mut self, more: &[String]) -> Form {
        for name in more {
            if !self.fields.contains(name) {
                self.fields.push(name.clone());
            }
        }
        self
    }

    /// The content for one user, and the values that went into it by name. `touch_id` is for links that
    /// carry it. `values` has one entry per name of [`Form::fields`]. `None` when a value of the content is
    /// missing and the task refuses that.
    pub fn fill(
        &self,
        user_id: &str,
        touch_id: &[u8; 16],
        values: &[Option<String>],
    ) -> Option<(Value, Map<String, Value>)> {
        let known = |n: usize| values.get(n).and_then(|v| v.as_deref());
        if self.missing == Missing::Refuse && (0..self.own_count).any(|n| known(n).is_none()) {
            return None;
        }
        let instead = if let Missing::Default(text) = &self.missing { text.as_str() } else { "" };
        let value = |n: usize| known(n).unwrap_or(if n < self.own_count { instead } else { "" });
        let named = |(n, name): (usize, &String)| (name.clone(), Value::from(value(n)));
        let fields = self.fields.iter().enumerate().map(named).collect();
        let code = code_of(touch_id);
        Some((write(&self.root, &Words { user_id, code: &code, value: &value }), fields))
    }
}

/// What the pieces of one touch say.
struct Words<'v> {
    user_id: &'v str,
    code: &'v str,
    value: &'v dyn Fn(usize) -> &'v str,
}

struct Maker<'a> {
    content: &'a Content,
    is_attribute: &'a dyn Fn(&str) -> bool,
    link: Option<&'a LinkText>,
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
        if let Some(link) = self.link.filter(|_| name == LINK) {
            let code = link.has_code.then_some(Piece::Code);
            return [Piece::Plain(link.text.clone())].into_iter().chain(code).collect();
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

fn write<'v>(node: &'v Node, words: &Words<'v>) -> Value {
    match node {
        Node::Text(pieces) => Value::String(pieces.iter().map(|piece| piece.text(words)).collect()),
        Node::List(items) => items.iter().map(|item| write(item, words)).collect(),
        Node::Table(entries) => {
            Value::Object(entries.iter().map(|(k, v)| (k.clone(), write(v, words))).collect())
        }
        Node::Other(other) => other.clone(),
    }
}

impl Piece {
    fn text<'v>(&'v self, words: &Words<'v>) -> &'v str {
        match self {
            Piece::Plain(text) => text,
            Piece::Field(n) => (words.value)(*n),
            Piece::UserId => words.user_id,
            Piece::Code => words.code,
        }
    }
}

/// A text without its placeholders.
pub(super) fn fixed(text: &str) -> String {
    let plain = |part| if let Part::Plain(text) = part { Some(text) } else { None };
    parts(text).into_iter().filter_map(plain).collect()
}

/// The names between `{{` and `}}` of one text.
pub(super) fn placeholders_of(text: &str) -> Vec<String> {
    let name = |part| if let Part::Name { name, .. } = part { Some(name.to_string()) } else { None };
    parts(text).into_iter().filter_map(name).collect()
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
    let mut texts = Vec::new();
    collect_texts(value, &mut texts);
    names.extend(texts.into_iter().flat_map(placeholders_of));
}

fn collect_texts<'v>(value: &'v Value, texts: &mut Vec<&'v str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect_texts(item, texts)),
        Value::Object(map) => map.values().for_each(|item| collect_texts(item, texts)),
        _ => {}
    }
}
