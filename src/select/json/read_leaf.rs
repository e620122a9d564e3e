//! Leaves, metrics and windows from JSON.

use serde_json::Value;

use super::read::{Object, Reader, listed};
use crate::base::{Name, Unit, Window};
use crate::select::ast::*;
use crate::select::text::{near, read_duration, read_share};

/// The leaves by the key that tells them, with the keys that may stand beside it.
pub(super) const LEAVES: &[(&str, &[&str])] = &[
    ("tag", &["is", "value", "values", "window", "days_ahead"]),
    ("did", &["where", "measure", "window"]),
    ("first", &["where", "window"]),
    ("last", &["where", "window"]),
    ("sequence", &["then_not", "within", "same", "without", "window"]),
    ("has", &["where", "measure", "on", "window"]),
    ("crowd", &[]),
    ("sample", &["salt"]),
    ("top", &["by"]),
];

/// What `is` may say of a metric.
const MEASURE_TESTS: &[&str] = &["=", "!=", "<", "<=", ">", ">=", "between"];

/// Metrics of rows, and metrics of a property.
const ROW_METRICS: &[&str] = &["count", "days"];
const PROPERTY_METRICS: &[&str] = &["sum", "avg", "min", "max", "distinct"];

/// Windows that are one word in JSON.
const WORD_WINDOWS: &[(&str, Window)] = &[
    ("today", Window::Today),
    ("yesterday", Window::Yesterday),
    ("this week", Window::ThisWeek),
    ("last week", Window::LastWeek),
    ("this month", Window::ThisMonth),
    ("last month", Window::LastMonth),
];

impl Reader {
    pub(super) fn leaf(&mut self, object: &Object, at: &str, kind: &str, depth: usize) -> Option<Leaf> {
        if kind != "tag" {
            let beside = LEAVES.iter().find(|(leaf, _)| *leaf == kind).map_or(&[][..], |(_, keys)| keys);
            self.only(object, at, &[&[kind], beside].concat());
        }
        match kind {
            "tag" => self.comparison(object, at, "tag").map(Leaf::Tag),
            "did" => self.behaviour(object, at, depth).map(Leaf::Behaviour),
            "first" | "last" => self.edge(object, at, kind, depth).map(Leaf::Edge),
            "sequence" => self.sequence(object, at, depth).map(Leaf::Sequence),
            "has" => self.detail(object, at, depth).map(Leaf::Detail),
            "crowd" => self.named(object, at, "crowd").map(Leaf::Crowd),
            "sample" => self.sample(object, at),
            _ => self.top(object, at),
        }
    }

    /// What `read` makes of an optional key; the outer `None` is a mistake in it.
    fn maybe<T>(
        &mut self,
        object: &Object,
        at: &str,
        key: &str,
        read: impl FnOnce(&mut Self, &Value, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        match object.get(key) {
            None => Some(None),
            Some(value) => read(self, value, &format!("{at}.{key}")).map(Some),
        }
    }

    /// The event under `key` and the filter beside it.
    fn step(&mut self, object: &Object, at: &str, key: &str, depth: usize) -> Option<Step> {
        let event = self.need(object, at, key).and_then(|(value, at)| self.event(value, &at));
        let filter = self.maybe(object, at, "where", |reader, value, at| reader.filter(value, at, depth + 1));
        Some(Step { event: event?, filter: filter? })
    }

    /// A name, or `{"any": true}` for any event.
    fn event(&mut self, value: &Value, at: &str) -> Option<Option<Name>> {
        let is_any = value
            .as_object()
            .is_some_and(|object| object.len() == 1 && object.get("any") == Some(&true.into()));
        match value {
            _ if is_any => Some(None),
            Value::String(_) => self.name(value, at).map(Some),
            _ => self.wrong(value, at, "the name of an event, or `{\"any\": true}`"),
        }
    }

    /// `{"event": …, "where": …}`
    fn step_object(&mut self, value: &Value, at: &str, depth: usize) -> Option<Step> {
        let object = self.object(value, at, "a step such as `{\"event\": \"pay\"}`")?;
        self.only(object, at, &["event", "where"]);
        self.step(object, at, "event", depth)
    }

    fn behaviour(&mut self, object: &Object, at: &str, depth: usize) -> Option<Behaviour> {
        let step = self.step(object, at, "did", depth);
        let measure = self.maybe(object, at, "measure", Reader::measure);
        let window = self.maybe(object, at, "window", Reader::window);
        Some(Behaviour { step: step?, measure: measure?, window: window? })
    }

    fn edge(&mut self, object: &Object, at: &str, kind: &str, depth: usize) -> Option<Edge> {
        let step = self.step(object, at, kind, depth);
        let window = self.need(object, at, "window").and_then(|(value, at)| self.window(value, &at));
        Some(Edge { is_first: kind == "first", step: step?, window: window? })
    }

    fn sequence(&mut self, object: &Object, at: &str, depth: usize) -> Option<Sequence> {
        let read_step = |reader: &mut Self, value: &Value, at: &str| reader.step_object(value, at, depth);
        let steps = self.steps(object, at, depth);
        let gap = self.need(object, at, "within").and_then(|(value, at)| self.duration(value, &at));
        let same = self.maybe(object, at, "same", |reader, value, at| reader.names(value, at));
        let without = self.maybe(object, at, "without", read_step);
        let window = self.maybe(object, at, "window", Reader::window);
        Some(Sequence {
            steps: steps?,
            is_last_absent: object.contains_key("then_not"),
            gap: gap?,
            same: same?.unwrap_or_default(),
            without: without?,
            window: window?,
        })
    }

    /// The steps of `sequence` and the one of `then_not`, two at least.
    fn steps(&mut self, object: &Object, at: &str, depth: usize) -> Option<Vec<Step>> {
        let read_step = |reader: &mut Self, value: &Value, at: &str| reader.step_object(value, at, depth);
        let absent = self.maybe(object, at, "then_not", read_step);
        let (value, at) = self.need(object, at, "sequence")?;
        let mut steps = self.each(value, &at, read_step)?;
        let is_long_enough =
            !steps.is_empty() && steps.len() + usize::from(object.contains_key("then_not")) > 1;
        if !is_long_enough {
            return self.wrong(value, &at, "two steps or more, or one and `then_not`");
        }
        steps.extend(absent?);
        Some(steps)
    }

    fn names(&mut self, value: &Value, at: &str) -> Option<Vec<Name>> {
        if value.as_array().is_some_and(Vec::is_empty) {
            return self.wrong(value, at, "at least one name");
        }
        self.each(value, at, Reader::name)
    }

    fn detail(&mut self, object: &Object, at: &str, depth: usize) -> Option<Detail> {
        let table = self.named(object, at, "has");
        let filter = self.maybe(object, at, "where", |reader, value, at| reader.filter(value, at, depth + 1));
        let measure = self.maybe(object, at, "measure", Reader::measure);
        let on = self.maybe(object, at, "on", Reader::name);
        if object.contains_key("on") {
            self.need(object, at, "window")?;
        }
        let window = self.maybe(object, at, "window", Reader::window);
        Some(Detail { table: table?, filter: filter?, measure: measure?, on: on?, window: window? })
    }

    fn sample(&mut self, object: &Object, at: &str) -> Option<Leaf> {
        let (value, share_at) = self.need(object, at, "sample")?;
        let share = value.as_str().and_then(|text| text.trim().strip_suffix('%')).and_then(read_share);
        let share = share.or_else(|| {
            self.wrong(value, &share_at, "a share of 0% to 100% such as `\"10%\"`, at most four decimals")
        });
        let (value, salt_at) = self.need(object, at, "salt")?;
        let salt =
            value.as_str().map(String::from).or_else(|| self.wrong(value, &salt_at, "the salt, as text"));
        Some(Leaf::Sample { share: share?, salt: salt? })
    }

    fn top(&mut self, object: &Object, at: &str) -> Option<Leaf> {
        let (value, top_at) = self.need(object, at, "top")?;
        let count = value.as_i64().filter(|count| *count > 0).map(i64::unsigned_abs);
        let count = count.or_else(|| self.wrong(value, &top_at, "a whole number above 0"));
        let by = self.named(object, at, "by");
        Some(Leaf::Top { count: count?, by: by? })
    }

    /// `{"metric": "sum", "of": "amount", "is": ">", "value": 500}`
    fn measure(&mut self, value: &Value, at: &str) -> Option<Measure> {
        let object = self.object(
            value,
            at,
            "a metric such as `{\"metric\": \"count\", \"is\": \">=\", \"value\": 3}`",
        )?;
        let (metric, metric_at) = self.need(object, at, "metric")?;
        let words = [ROW_METRICS, PROPERTY_METRICS].concat();
        let Some(word) = metric.as_str().filter(|word| words.contains(word)) else {
            return self.wrong(metric, &metric_at, &format!("one of {}", listed(&words)));
        };
        let keys: &[&str] = if ROW_METRICS.contains(&word) { &["metric"] } else { &["metric", "of"] };
        let test = self.test(object, at, keys, MEASURE_TESTS);
        Some(Measure { metric: self.metric(object, at, word)?, test: test? })
    }

    fn metric(&mut self, object: &Object, at: &str, word: &str) -> Option<Metric> {
        let make = match word {
            "count" => return Some(Metric::Count),
            "days" => return Some(Metric::Days),
            "sum" => Metric::Sum,
            "avg" => Metric::Avg,
            "min" => Metric::Min,
            "max" => Metric::Max,
            _ => Metric::Distinct,
        };
        self.named(object, at, "of").map(make)
    }

    fn duration(&mut self, value: &Value, at: &str) -> Option<(u32, Unit)> {
        let found = value.as_str().and_then(read_duration);
        found.or_else(|| self.wrong(value, at, "a duration such as `\"7 days\"` or `\"20m\"`"))
    }

    /// `"today"`, `{"last": "30 days"}` …
    pub(super) fn window(&mut self, value: &Value, at: &str) -> Option<Window> {
        if let Some(text) = value.as_str() {
            return self.word_window(text, value, at);
        }
        let object = self.object(value, at, "a window such as `\"today\"` or `{\"last\": \"30 days\"}`")?;
        let Some((_, keys)) = WINDOWS.iter().find(|(kind, _)| object.contains_key(*kind)) else {
            let kinds: Vec<&str> = WINDOWS.iter().map(|(kind, _)| *kind).collect();
            return self.wrong(value, at, &format!("one of the keys {}", listed(&kinds)));
        };
        self.only(object, at, keys);
        self.window_of(object, at, keys)
    }

    fn word_window(&mut self, text: &str, value: &Value, at: &str) -> Option<Window> {
        let words: Vec<&str> = WORD_WINDOWS.iter().map(|(word, _)| *word).collect();
        let found = WORD_WINDOWS.iter().find(|(word, _)| *word == text).map(|(_, window)| window.clone());
        found.or_else(|| {
            let near = near(text, words.iter().copied());
            let expected = near.map_or(format!("one of {}", listed(&words)), |near| format!("`\"{near}\"`"));
            self.wrong(value, at, &expected)
        })
    }

    fn window_of(&mut self, object: &Object, at: &str, keys: &[&str]) -> Option<Window> {
        let first = keys.first().copied().unwrap_or_default();
        let (value, first_at) = self.need(object, at, first)?;
        match first {
            "last" => self.duration(value, &first_at).map(|(count, unit)| Window::Last { count, unit }),
            "last_calendar" => self.calendar(object, at, value, &first_at),
            "from" => {
                let from = self.moment(value, &first_at);
                let (value, to_at) = self.need(object, at, "to")?;
                let to = self.moment(value, &to_at);
                Some(Window::Between { from: from?, to: to? })
            }
            "before" => self.moment(value, &first_at).map(Window::Before),
            "after" => self.moment(value, &first_at).map(Window::After),
            _ => {
                let length = self.duration(value, &first_at);
                let of = self.named(object, at, "of");
                let (count, unit) = length?;
                Some(Window::Within { count, unit, of: of? })
            }
        }
    }

    fn calendar(&mut self, object: &Object, at: &str, value: &Value, value_at: &str) -> Option<Window> {
        let is_calendar = |unit: &Unit| unit.millis().is_none_or(|ms| ms >= 86_400_000);
        let (count, unit) = self.duration(value, value_at)?;
        if !is_calendar(&unit) {
            return self.wrong(value, value_at, "calendar days, weeks, months or years");
        }
        let including = self.maybe(object, at, "including_today", |reader, value, at| {
            value.as_bool().or_else(|| reader.wrong(value, at, "true or false"))
        });
        Some(Window::LastCalendar { count, unit, including_today: including?.unwrap_or(false) })
    }
}

/// The windows that are objects: the key that tells them, and all their keys, that one first.
const WINDOWS: &[(&str, &[&str])] = &[
    ("last", &["last"]),
    ("last_calendar", &["last_calendar", "including_today"]),
    ("from", &["from", "to"]),
    ("before", &["before"]),
    ("after", &["after"]),
    ("within", &["within", "of"]),
];
