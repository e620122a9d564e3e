//! Evidence as JSON: one object a node, `evidence` by the kind of condition.

use serde_json::{Map, Value as Json, json};

use crate::base::{Interval, Timestamp, Value, Zone};
use crate::select::evidence::{
    Absence, Attempt, Break, EdgeFacts, End, Evidence, Facts, FailedRow, Instance, Near, Row, RowFacts,
    SequenceFacts, Span,
};

/// A node and what lies below it.
pub fn tree(evidence: &Evidence, zone: &Zone) -> Json {
    let children: Vec<Json> = evidence.children.iter().map(|child| tree(child, zone)).collect();
    json!({
        "node": evidence.node,
        "in": evidence.holds,
        "decides": evidence.decides,
        "evidence": Shown(zone).facts(&evidence.facts),
        "children": children,
    })
}

struct Shown<'a>(&'a Zone);

impl Shown<'_> {
    fn facts(&self, facts: &Facts) -> Json {
        match facts {
            Facts::Join => Json::Null,
            Facts::Tag(tag) => json!({
                "tag": tag.tag,
                "value": self.value(tag.value.as_ref()),
                "window": tag.span.as_ref().map(|span| self.span(span)),
            }),
            Facts::Crowd { name, no, as_of } => {
                json!({ "crowd": name, "version": no, "as_of": self.at(Some(*as_of)) })
            }
            Facts::Rows(rows) => self.rows(rows),
            Facts::Edge(edge) => self.edge(edge),
            Facts::Sequence(sequence) => self.sequence(sequence),
            Facts::Absence(absence) => self.absence(absence),
            Facts::Sample { place, below } => json!({ "place": place, "below": below, "of": 1_000_000 }),
            Facts::Top { by, value, rank, count, cut } => json!({
                "by": by,
                "value": self.value(value.as_ref()),
                "rank": rank,
                "places": count,
                "cut": self.value(cut.as_ref()),
            }),
        }
    }

    fn rows(&self, rows: &RowFacts) -> Json {
        json!({
            "window": self.span(&rows.span),
            "metric": rows.metric,
            "value": self.value(rows.value.as_ref()),
            "wanted": rows.wanted,
            "passed": rows.passed,
            "unmeasured": rows.unmeasured,
            "rows": self.several(&rows.rows),
            "near": self.near(&rows.near),
        })
    }

    fn edge(&self, edge: &EdgeFacts) -> Json {
        json!({
            "edge": if edge.is_first { "first" } else { "last" },
            "window": self.span(&edge.span),
            "row": edge.row.as_ref().map(|row| self.row(row)),
            "passed": edge.passed,
            "near": self.near(&edge.near),
        })
    }

    fn sequence(&self, sequence: &SequenceFacts) -> Json {
        let steps: Vec<Json> = sequence
            .steps
            .iter()
            .zip(&sequence.counts)
            .map(|(step, count)| json!({ "step": step, "passed": count }))
            .collect();
        json!({
            "window": self.span(&sequence.span),
            "within": sequence.gap,
            "steps": steps,
            "chain": sequence.attempt.as_ref().map(|attempt| self.attempt(attempt)),
            "near": sequence.near.as_ref().map(|near| self.near(near)),
        })
    }

    fn attempt(&self, attempt: &Attempt) -> Json {
        let broke = attempt.broke.as_ref().map(|broke| match broke {
            Break::Short => json!({ "why": "short" }),
            Break::Late => json!({ "why": "late" }),
            Break::Between(row) => json!({ "why": "between", "row": self.row(row) }),
            Break::Unknown(name) => json!({ "why": "unknown", "property": name }),
        });
        json!({ "rows": self.several(&attempt.chain), "until": self.at(Some(attempt.deadline)), "broke": broke })
    }

    fn absence(&self, absence: &Absence) -> Json {
        let instances: Vec<Json> = absence.instances.iter().map(|one| self.instance(one)).collect();
        json!({
            "window": self.span(&absence.span),
            "within": absence.gap,
            "steps": absence.steps,
            "alone": absence.alone,
            "followed": absence.followed,
            "undecided": absence.undecided,
            "instances": instances,
            "near": absence.near.as_ref().map(|near| self.near(near)),
        })
    }

    fn instance(&self, instance: &Instance) -> Json {
        let (end, row) = match &instance.end {
            End::Alone => ("alone", None),
            End::Followed(row) => ("followed", Some(row)),
            End::Undecided => ("undecided", None),
            End::Between(row) => ("between", Some(row)),
        };
        json!({
            "rows": self.several(&instance.chain),
            "until": self.at(Some(instance.deadline)),
            "end": end,
            "by": row.map(|row| self.row(row)),
        })
    }

    fn near(&self, near: &Near) -> Json {
        json!({
            "rows": near.rows,
            "outside": near.outside,
            "outside_latest": near.outside_latest.as_ref().map(|row| self.row(row)),
            "later": near.later,
            "failed": near.failed,
            "failed_latest": near.failed_latest.as_ref().map(|failed| self.failed(failed)),
        })
    }

    fn failed(&self, failed: &FailedRow) -> Json {
        let tests: Vec<Json> = failed
            .tests
            .iter()
            .map(|one| json!({ "test": one.test, "value": self.value(one.value.as_ref()) }))
            .collect();
        json!({ "row": self.row(&failed.row), "tests": tests })
    }

    /// `from` and `to` are half-open; null where there is no such end.
    fn span(&self, span: &Span) -> Json {
        match span {
            Span::Until(as_of) => json!({ "from": null, "to": self.at(Some(as_of.plus(1))) }),
            Span::Window(interval) => self.interval(interval, None),
            Span::Own { of, interval } => self.interval(interval, Some(of)),
            Span::Missing { of } => json!({ "of": of, "missing": true }),
        }
    }

    fn interval(&self, interval: &Interval, of: Option<&str>) -> Json {
        let from = (interval.from != Interval::ALWAYS.from).then_some(interval.from);
        let mut window = json!({ "from": self.at(from), "to": self.at(Some(interval.to)) });
        if let (Some(of), Json::Object(map)) = (of, &mut window) {
            map.insert("of".into(), of.into());
        }
        window
    }

    fn several(&self, rows: &[Row]) -> Vec<Json> {
        rows.iter().map(|row| self.row(row)).collect()
    }

    fn row(&self, row: &Row) -> Json {
        let value = |(name, value): &(String, Option<Value>)| (name.clone(), self.value(value.as_ref()));
        let values: Map<String, Json> = row.values.iter().map(value).collect();
        json!({ "time": self.at(row.at), "name": row.name, "id": row.id, "values": values })
    }

    fn at(&self, at: Option<Timestamp>) -> Json {
        at.map_or(Json::Null, |at| self.0.text(at).into())
    }

    fn value(&self, value: Option<&Value>) -> Json {
        match value {
            None => Json::Null,
            Some(Value::Text(text)) => json!(text),
            Some(Value::Integer(number)) => json!(number),
            Some(Value::Float(number)) => json!(number),
            Some(Value::Bool(flag)) => json!(flag),
            Some(Value::Date(day)) => json!(day.to_string()),
            Some(Value::Instant(at)) => json!(self.0.text(*at)),
            Some(Value::List(list)) => json!(list),
        }
    }
}
