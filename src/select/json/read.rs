//! From JSON to the tree: joins, filters, comparisons; leaves and windows are in `read_leaf`.
//!
//! Every function notes what it cannot read and gives `None`; its neighbours are read all the same.

use serde_json::{Map, Value};

use super::read_leaf::LEAVES;
use crate::base::{Name, Problem, Problems};
use crate::select::ast::*;
use crate::select::text::{DEPTH_MAX, moment_in_text, near};

/// Characters of JSON shown at the place of a problem.
const EXCERPT_MAX: usize = 60;

pub(super) type Object = Map<String, Value>;

pub(super) fn selection(value: &Value) -> Result<Selection, Problems> {
    let mut reader = Reader::default();
    let found = reader.selection(value, "$", 1);
    // Without a problem there is a value; the empty join never leaves this function otherwise.
    reader.problems.or(found.unwrap_or(Selection::All(vec![])))
}

#[derive(Default)]
pub(super) struct Reader {
    problems: Problems,
}

impl Reader {
    // Mistakes. `at` is the path of `value`.

    pub(super) fn wrong<T>(&mut self, value: &Value, at: &str, expected: &str) -> Option<T> {
        let what = format!("expected {expected}");
        self.note("SEL-052", value, at, what, format!("write {expected}"))
    }

    fn note<T>(
        &mut self,
        code: &'static str,
        value: &Value,
        at: &str,
        what: String,
        cure: String,
    ) -> Option<T> {
        let mut shown: String = value.to_string().chars().take(EXCERPT_MAX + 1).collect();
        if let Some((end, _)) = shown.char_indices().nth(EXCERPT_MAX) {
            shown.replace_range(end.., "…");
        }
        self.problems.push(Problem::author(code, what).cure(cure).at(format!("{at}  {shown}")));
        None
    }

    /// Notes every key that is not among `known`.
    pub(super) fn only(&mut self, object: &Object, at: &str, known: &[&str]) {
        for (key, value) in object.iter().filter(|(key, _)| !known.contains(&key.as_str())) {
            let cure = match near(key, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => "remove it".into(),
            };
            let what = format!("there is no key `{key}` here; known are {}", listed(known));
            self.note::<()>("SEL-051", value, &format!("{at}.{key}"), what, cure);
        }
    }

    /// The value of a key that must be there, and its path.
    pub(super) fn need<'a>(
        &mut self,
        object: &'a Object,
        at: &str,
        key: &str,
    ) -> Option<(&'a Value, String)> {
        match object.get(key) {
            Some(value) => Some((value, format!("{at}.{key}"))),
            None => {
                let what = format!("the key `{key}` is missing");
                let whole = Value::Object(object.clone());
                self.note("SEL-053", &whole, at, what, format!("add `\"{key}\": …`"))
            }
        }
    }

    // Simple values.

    pub(super) fn object<'a>(&mut self, value: &'a Value, at: &str, expected: &str) -> Option<&'a Object> {
        value.as_object().or_else(|| self.wrong(value, at, expected))
    }

    pub(super) fn name(&mut self, value: &Value, at: &str) -> Option<Name> {
        match value.as_str().filter(|text| !text.is_empty()) {
            Some(text) => Some(Name::new(text)),
            None => self.wrong(value, at, "a name, as text"),
        }
    }

    /// The name under a key that must be there.
    pub(super) fn named(&mut self, object: &Object, at: &str, key: &str) -> Option<Name> {
        let (value, at) = self.need(object, at, key)?;
        self.name(value, &at)
    }

    /// The elements of a list, each read by `read`; `None` if one of them is wrong.
    pub(super) fn each<T>(
        &mut self,
        value: &Value,
        at: &str,
        mut read: impl FnMut(&mut Self, &Value, &str) -> Option<T>,
    ) -> Option<Vec<T>> {
        let Some(list) = value.as_array() else { return self.wrong(value, at, "a list `[…]`") };
        let read: Vec<Option<T>> =
            list.iter().enumerate().map(|(i, value)| read(self, value, &format!("{at}[{i}]"))).collect();
        read.into_iter().collect()
    }

    // Joins.

    fn selection(&mut self, value: &Value, at: &str, depth: usize) -> Option<Selection> {
        let expected =
            "a condition, an object such as `{\"tag\": \"gender\", \"is\": \"=\", \"value\": \"女\"}`";
        let object = self.object(value, at, expected)?;
        self.check_depth(value, at, depth)?;
        let kinds: Vec<&str> = JOINS.iter().chain(LEAVES).map(|(kind, _)| *kind).collect();
        let kind = self.kind(object, at, &kinds)?;
        let below = |reader: &mut Self, value: &Value, at: &str| reader.selection(value, at, depth + 1);
        match self.join(object, at, kind, below) {
            Some(Join::All(parts)) => Some(Selection::All(parts?)),
            Some(Join::Any(parts)) => Some(Selection::Any(parts?)),
            Some(Join::Not(inner)) => Some(Selection::Not(Box::new(inner?))),
            None => self.leaf(object, at, kind, depth).map(Selection::Leaf),
        }
    }

    pub(super) fn filter(&mut self, value: &Value, at: &str, depth: usize) -> Option<Filter> {
        let expected =
            "a filter, an object such as `{\"property\": \"amount\", \"is\": \">\", \"value\": 100}`";
        let object = self.object(value, at, expected)?;
        self.check_depth(value, at, depth)?;
        let kind = self.kind(object, at, &["all", "any", "not", "property"])?;
        let below = |reader: &mut Self, value: &Value, at: &str| reader.filter(value, at, depth + 1);
        match self.join(object, at, kind, below) {
            Some(Join::All(parts)) => Some(Filter::All(parts?)),
            Some(Join::Any(parts)) => Some(Filter::Any(parts?)),
            Some(Join::Not(inner)) => Some(Filter::Not(Box::new(inner?))),
            None => self.comparison(object, at, "property").map(Filter::Test),
        }
    }

    fn check_depth(&mut self, value: &Value, at: &str, depth: usize) -> Option<()> {
        if depth <= DEPTH_MAX {
            return Some(());
        }
        let cure = "split it: save a part as a crowd and write {\"crowd\": \"its name\"}".to_string();
        self.note("SEL-012", value, at, format!("conditions nest more than {DEPTH_MAX} deep"), cure)
    }

    /// The one key that says what the object is.
    fn kind<'k>(&mut self, object: &Object, at: &str, kinds: &[&'k str]) -> Option<&'k str> {
        let found: Vec<&str> = kinds.iter().copied().filter(|kind| object.contains_key(*kind)).collect();
        let whole = || Value::Object(object.clone());
        match found[..] {
            [kind] => Some(kind),
            [] => {
                let near = object.keys().find_map(|key| near(key, kinds.iter().copied()));
                let cure =
                    near.map_or("add one of these keys".into(), |near| format!("did you mean `{near}`?"));
                let what = format!("none of the keys {} is here", listed(kinds));
                self.note("SEL-053", &whole(), at, what, cure)
            }
            _ => {
                let what = format!("{} are conditions of their own", listed(&found));
                self.note(
                    "SEL-052",
                    &whole(),
                    at,
                    what,
                    "write one object for each and join them by `all`".into(),
                )
            }
        }
    }

    /// `all`, `any`, `not` over parts that `below` reads; `None` if `kind` is none of them.
    fn join<T>(
        &mut self,
        object: &Object,
        at: &str,
        kind: &str,
        mut below: impl FnMut(&mut Self, &Value, &str) -> Option<T>,
    ) -> Option<Join<T>> {
        let (value, inside) = (object.get(kind)?, format!("{at}.{kind}"));
        JOINS.iter().find(|(join, _)| *join == kind)?;
        self.only(object, at, &[kind]);
        Some(match kind {
            "all" => Join::All(self.each(value, &inside, below)),
            "any" => Join::Any(self.each(value, &inside, below)),
            _ => Join::Not(below(self, value, &inside)),
        })
    }

    // Comparisons.

    /// `{key: NAME, "is": …}`
    pub(super) fn comparison(&mut self, object: &Object, at: &str, key: &str) -> Option<Comparison> {
        let name = self.named(object, at, key);
        let test = self.test(object, at, &[key], TESTS);
        Some(Comparison { name: name?, test: test? })
    }

    /// `"is"` with its argument; `others` are the keys of the object around it.
    pub(super) fn test(
        &mut self,
        object: &Object,
        at: &str,
        others: &[&str],
        known: &[&str],
    ) -> Option<Test> {
        let (value, is_at) = self.need(object, at, "is")?;
        let Some(is) = value.as_str().filter(|is| known.contains(is)) else {
            let near = value.as_str().and_then(|is| near(is, known.iter().copied()));
            let expected = near.map_or(format!("one of {}", listed(known)), |near| format!("`\"{near}\"`"));
            return self.wrong(value, &is_at, &expected);
        };
        let key = argument(is);
        let keys = [others, &["is"], key.as_slice()].concat();
        self.only(object, at, &keys);
        let [key] = key[..] else { return Some(if is == "missing" { Test::Missing } else { Test::Known }) };
        let (value, at) = self.need(object, at, key)?;
        self.test_of(is, value, &at)
    }

    fn test_of(&mut self, is: &str, value: &Value, at: &str) -> Option<Test> {
        match is {
            "inside" => self.window(value, at).map(Test::Inside),
            "anniversary" => match value.as_u64().and_then(|days| u32::try_from(days).ok()) {
                Some(days_ahead) => Some(Test::Anniversary { days_ahead }),
                None => self.wrong(value, at, "a whole number of days, 0 for today"),
            },
            "between" => match <[Literal; 2]>::try_from(self.literals(value, at)?) {
                Ok([low, high]) => Some(Test::Between(low, high)),
                Err(_) => self.wrong(value, at, "two values, `[low, high]`"),
            },
            "in" => self.literals(value, at).map(Test::In),
            "not in" => self.literals(value, at).map(Test::NotIn),
            "has any of" => self.literals(value, at).map(Test::HasAny),
            "has all of" => self.literals(value, at).map(Test::HasAll),
            "has none of" => self.literals(value, at).map(Test::HasNone),
            "contains" => self.literal(value, at).map(Test::Contains),
            "starts with" => self.literal(value, at).map(Test::StartsWith),
            "ends with" => self.literal(value, at).map(Test::EndsWith),
            "matches" => self.literal(value, at).map(Test::Matches),
            op => self.literal(value, at).map(|value| Test::Compare(self::op(op), value)),
        }
    }

    fn literals(&mut self, value: &Value, at: &str) -> Option<Vec<Literal>> {
        if value.as_array().is_some_and(Vec::is_empty) {
            return self.wrong(value, at, "at least one value");
        }
        self.each(value, at, Reader::literal)
    }

    fn literal(&mut self, value: &Value, at: &str) -> Option<Literal> {
        let written = match value {
            Value::String(text) => Some(Written::Text(text.clone())),
            Value::Bool(is_true) => Some(Written::Bool(*is_true)),
            Value::Number(number) if number.is_f64() => number.as_f64().map(Written::Float),
            Value::Number(number) => number.as_i64().map(Written::Integer),
            Value::Object(object) => return self.moment_object(object, at),
            Value::Null | Value::Array(_) => None,
        };
        match written {
            Some(value) => Some(Literal { value, span: Default::default() }),
            None => self.wrong(
                value,
                at,
                "a value: text, a number, true or false, `{\"moment\": \"2026-01-31\"}`",
            ),
        }
    }

    fn moment_object(&mut self, object: &Object, at: &str) -> Option<Literal> {
        self.only(object, at, &["moment"]);
        let (value, at) = self.need(object, at, "moment")?;
        let moment = self.moment(value, &at)?;
        Some(Literal { value: Written::Moment(moment), span: Default::default() })
    }

    pub(super) fn moment(&mut self, value: &Value, at: &str) -> Option<crate::base::Moment> {
        let found = value.as_str().and_then(moment_in_text);
        found.or_else(|| {
            self.wrong(
                value,
                at,
                "a date or time such as `\"2026-01-31\"` or `\"2026-01-31T10:00:00+08:00\"`",
            )
        })
    }
}

/// What joins parts, each read or wrong.
enum Join<T> {
    All(Option<Vec<T>>),
    Any(Option<Vec<T>>),
    Not(Option<T>),
}

/// The joins with the keys beside them: none.
const JOINS: &[(&str, &[&str])] = &[("all", &[]), ("any", &[]), ("not", &[])];

/// What `is` may say.
const TESTS: &[&str] = &[
    "=",
    "!=",
    "<",
    "<=",
    ">",
    ">=",
    "between",
    "in",
    "not in",
    "has any of",
    "has all of",
    "has none of",
    "missing",
    "known",
    "contains",
    "starts with",
    "ends with",
    "matches",
    "inside",
    "anniversary",
];

/// The key of what `is` compares with.
fn argument(is: &str) -> Vec<&'static str> {
    match is {
        "missing" | "known" => vec![],
        "inside" => vec!["window"],
        "anniversary" => vec!["days_ahead"],
        "between" | "in" | "not in" | "has any of" | "has all of" | "has none of" => vec!["values"],
        _ => vec!["value"],
    }
}

fn op(sign: &str) -> Op {
    match sign {
        "=" => Op::Equal,
        "!=" => Op::NotEqual,
        "<" => Op::Less,
        "<=" => Op::LessEqual,
        ">" => Op::Greater,
        _ => Op::GreaterEqual,
    }
}

/// `` `a`, `b` ``
pub(super) fn listed(words: &[&str]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
    quoted.join(", ")
}
