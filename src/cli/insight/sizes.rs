//! `quanke trend` and `quanke crowd history`: how large an audience was over time.

use serde_json::{Value, json};

use super::super::args::{History, Trend as Args};
use super::super::ask::Text;
use super::super::chart::{Lines, Moves, Picture};
use super::super::door::{Done, Door};
use super::super::session::Session;
use super::super::table::{Cell, aligned};
use super::super::words::{change, grouped, percent, took};
use super::{Report, share_cell};
use crate::audience::Step;
use crate::base::Zone;

/// A selection at one instant after the other, over the same data.
pub fn trend(args: &Args, session: &mut Session, door: &mut Door) -> Done {
    args.telling.check()?;
    let snapshot = session.snapshot()?;
    let text = Text::of(&args.asked, session)?;
    let (from, to) = (session.as_of(Some(&args.from))?, session.as_of(args.to.as_deref())?);
    let zone = snapshot.zone();
    let instants = args.every.instants(from, to, &zone)?;
    let found = session.audiences()?.trend(&text.text, &instants, &snapshot, session.pace);
    let found = found.map_err(|problems| text.placed(problems))?;
    text.warn(&found.warnings, door);
    let universe = snapshot.universe().len();
    let sizes: Vec<Size> = found
        .sizes
        .iter()
        .scan(None, |before, (at, count)| {
            let size = Size { at: zone.text(*at), count: *count, change: before.map(|b| *count as i64 - b) };
            *before = Some(*count as i64);
            Some(size)
        })
        .collect();
    let points: Vec<Value> =
        sizes.iter().map(|s| json!({ "as_of": s.at, "count": s.count, "change": s.change })).collect();
    let report = Report {
        document: json!({ "universe": universe, "exact": true, "points": points }),
        text: &|| trend_text(&sizes, universe),
        rows: &|| trend_rows(&sizes, universe),
        picture: &|| {
            Picture::Lines(Lines {
                title: text.text.split_whitespace().collect::<Vec<_>>().join(" "),
                note: format!("users at each as-of, of {}", grouped(universe)),
                points: found.sizes.iter().map(|(at, count)| (*at, *count)).collect(),
                moves: vec![],
                zone,
            })
        },
    };
    args.telling.tell(report, door)
}

/// One instant of a trend.
struct Size {
    at: String,
    count: u64,
    change: Option<i64>,
}

fn trend_text(sizes: &[Size], universe: u64) -> String {
    let mut rows = vec![titles(&["as of"], &["users", "share", "change"])];
    rows.extend(sizes.iter().map(|size| {
        vec![
            Cell::text(size.at.as_str()),
            Cell::count(size.count),
            Cell::Number(percent(size.count, universe)),
            Cell::Number(size.change.map_or("-".to_string(), change)),
        ]
    }));
    aligned(&rows)
}

fn trend_rows(sizes: &[Size], universe: u64) -> Vec<Vec<String>> {
    let mut rows = vec![["as_of", "count", "share", "change"].map(String::from).to_vec()];
    rows.extend(sizes.iter().map(|size| {
        let share = Some(size.count as f64 / universe as f64).filter(|share| share.is_finite());
        let change = size.change.map_or(String::new(), |change| change.to_string());
        vec![size.at.clone(), size.count.to_string(), share_cell(share), change]
    }));
    rows
}

/// A crowd from version to version.
pub fn history(args: &History, session: &mut Session, door: &mut Door) -> Done {
    args.telling.check()?;
    session.must_exist()?;
    let steps = session.audiences()?.history(&args.name)?;
    let zone = session.settings.zone;
    let versions: Vec<Value> = steps.iter().map(|step| step_document(step, &zone)).collect();
    let report = Report {
        document: json!({ "crowd": args.name, "versions": versions }),
        text: &|| history_text(&steps, &zone),
        rows: &|| history_rows(&steps, &zone),
        picture: &|| history_picture(&args.name, &steps, zone),
    };
    args.telling.tell(report, door)
}

fn step_document(step: &Step, zone: &Zone) -> Value {
    json!({
        "version": step.version.no,
        "as_of": zone.text(step.version.as_of),
        "made_at": zone.text(step.version.made_at),
        "size": step.version.size,
        "entered": step.entered,
        "left": step.left,
        "duration_ms": step.version.duration_ms,
        "data_version": step.version.data_version,
        "rule_version": step.version.rule_version,
    })
}

fn history_text(steps: &[Step], zone: &Zone) -> String {
    let mut rows = vec![titles(&["version", "as of"], &["users", "entered", "left", "took"])];
    rows.extend(steps.iter().map(|step| {
        vec![
            Cell::Number(step.version.no.to_string()),
            Cell::text(zone.text(step.version.as_of)),
            Cell::count(step.version.size),
            Cell::Number(change(step.entered as i64)),
            Cell::Number(change(-(step.left as i64))),
            Cell::Number(took(step.version.duration_ms as f64 / 1e3)),
        ]
    }));
    aligned(&rows)
}

fn history_rows(steps: &[Step], zone: &Zone) -> Vec<Vec<String>> {
    let titles = ["version", "as_of", "made_at", "size", "entered", "left", "duration_ms"];
    let mut rows = vec![titles.map(String::from).to_vec()];
    rows.extend(steps.iter().map(|step| {
        let version = &step.version;
        let numbers = [version.size, step.entered, step.left, version.duration_ms].map(|n| n.to_string());
        let times = [version.as_of, version.made_at].map(|at| zone.text(at));
        [version.no.to_string()].into_iter().chain(times).chain(numbers).collect()
    }));
    rows
}

fn history_picture(name: &str, steps: &[Step], zone: Zone) -> Picture {
    let mut steps: Vec<&Step> = steps.iter().collect();
    steps.sort_by_key(|step| (step.version.as_of, step.version.no));
    // What "entered" the first version had nowhere to come from.
    let moves = steps.iter().enumerate().map(|(n, step)| match n {
        0 => Moves { up: 0, down: 0 },
        _ => Moves { up: step.entered, down: step.left },
    });
    Picture::Lines(Lines {
        title: name.to_string(),
        note: "users of each version at its as-of; below: entered and left since the version before"
            .to_string(),
        points: steps.iter().map(|step| (step.version.as_of, step.version.size)).collect(),
        moves: moves.collect(),
        zone,
    })
}

fn titles(left: &[&str], right: &[&str]) -> Vec<Cell> {
    let right = right.iter().map(|title| Cell::Number(title.to_string()));
    left.iter().map(|title| Cell::text(*title)).chain(right).collect()
}
