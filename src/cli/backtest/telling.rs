//! How is a backtest told? A summary, the ends by reason, bars by hour or day; or a document, or a picture.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::args::{Backtest as Asked, Step};
use super::super::chart::{Columns, Picture};
use super::super::door::{Done, Door};
use super::super::insight::Report;
use super::super::table::{Cell, aligned};
use super::super::words::{grouped, percent};
use crate::base::{Timestamp, Zone};
use crate::dispatch::backtest::{Backtest, Trial};

const HOUR_MS: i64 = 3_600_000;
/// Characters of the longest bar.
const BAR_WIDTH: u64 = 40;
/// More bars than fit on a few screens are told by day.
const BARS_MAX: usize = 96;

/// Words of ends, as an operator reads them.
const WORDS: &[(&str, &str)] = &[
    ("handed", "下发 would have gone out"),
    ("holdout", "对照组 withheld"),
    ("blacklist", "黑名单 on a blacklist"),
    ("cancelled", "期限内完成B a B came in time"),
    ("joined", "并入 belongs to a window that waited, or a later A took its place"),
    ("withdrawn", "等待中完成B a B came while the touch waited"),
    ("audience", "不在受众 not in the audience"),
    ("fires_max", "次数上限 as many fires as the rule allows"),
    ("gap_min", "间隔太短 too soon after the last fire"),
    ("past", "时刻已过 the instant of the reach was past"),
    ("expired", "过期 later than the grace"),
    ("ended", "任务结束 the task was over"),
    ("paused", "暂停 the task was paused"),
    ("waiting", "等待触达 fired, and due after what is known"),
    ("pending", "未到期限 the deadline is after what is known"),
];

/// Tells it in the form that was asked for. Errors: OUT-001.
pub fn tell(asked: &Asked, trial: &Trial, found: &Backtest, door: &mut Door) -> Done {
    let zone = trial.task.zone;
    let steps = steps(found, asked.by, &zone);
    let report = Report {
        document: document(asked, trial, found),
        text: &|| text(asked, trial, found),
        rows: &|| rows(asked.by, &steps, &zone),
        picture: &|| picture(asked.by, trial, found, &steps),
    };
    if let Some(path) = &asked.out {
        door.say(&format!("{} fires written to {}", grouped(found.fires), path.display()));
    }
    asked.telling.tell(report, door)
}

fn document(asked: &Asked, trial: &Trial, found: &Backtest) -> Value {
    let zone = trial.task.zone;
    let by = |step: Step, word: &str| -> Vec<Value> {
        let steps = steps(found, step, &zone);
        steps.into_iter().map(|(at, fires)| json!({ word: label(step, at, &zone), "fires": fires })).collect()
    };
    let mut document = json!({
        "task": trial.is_created.then_some(&trial.task.id), "name": trial.task.file.name,
        "from": zone.text(trial.from), "to": zone.text(trial.to), "known_to": zone.text(found.known_to),
        "audience": found.audience, "events": found.events,
        "fires": found.fires, "users": found.users, "per_user_max": found.per_user_max,
        "ends": found.ends, "waiting": found.waiting, "pending": found.pending,
        "by_hour": by(Step::Hour, "hour"),
    });
    if asked.by == Step::Day {
        document["by_day"] = by(Step::Day, "day").into();
    }
    if let Some(path) = &asked.out {
        document["out"] = path.display().to_string().into();
    }
    document
}

/// Fires by the start of each step that has some.
fn steps(found: &Backtest, by: Step, zone: &Zone) -> Vec<(Timestamp, u64)> {
    let mut steps: BTreeMap<Timestamp, u64> = BTreeMap::new();
    for (hour, fires) in &found.by_hour {
        *steps.entry(start_of(by, *hour, zone)).or_insert(0) += fires;
    }
    steps.into_iter().collect()
}

fn start_of(by: Step, hour: Timestamp, zone: &Zone) -> Timestamp {
    match by {
        Step::Hour => hour,
        Step::Day => zone.start_of(zone.day_of(hour)),
    }
}

fn label(by: Step, at: Timestamp, zone: &Zone) -> String {
    match by {
        Step::Hour => zone.text(at),
        Step::Day => zone.day_of(at).to_string(),
    }
}

fn rows(by: Step, steps: &[(Timestamp, u64)], zone: &Zone) -> Vec<Vec<String>> {
    let word = if by == Step::Hour { "hour" } else { "day" };
    let mut rows = vec![vec![word.to_string(), "fires".to_string()]];
    rows.extend(steps.iter().map(|(at, fires)| vec![label(by, *at, zone), fires.to_string()]));
    rows
}

fn text(asked: &Asked, trial: &Trial, found: &Backtest) -> String {
    let mut text = summary(trial, found);
    text += "\n";
    text += &ends(found);
    if found.fires > 0 {
        text += "\n";
        text += &bars(asked.by, found, &trial.task.zone);
    }
    text
}

fn summary(trial: &Trial, found: &Backtest) -> String {
    let zone = trial.task.zone;
    let busiest = found.by_hour.iter().max_by_key(|(at, fires)| (**fires, std::cmp::Reverse(**at)));
    let busiest = busiest.map_or("-".to_string(), |(at, fires)| {
        format!("{} ({})", zone.local(*at).format("%Y-%m-%d %H:%M"), grouped(*fires))
    });
    let of = percent(found.users, found.audience);
    let told = [
        ("task 任务", format!("'{}', as if it ran from --from to --to", trial.task.file.name)),
        ("period 时段", format!("{} to {}", zone.text(trial.from), zone.text(trial.to))),
        ("known 已知至", zone.text(found.known_to)),
        ("events 事件", format!("{} that the rule looks at", grouped(found.events))),
        ("fires 触发", grouped(found.fires)),
        (
            "users 用户",
            format!("{} ({of} of an audience of {})", grouped(found.users), grouped(found.audience)),
        ),
        ("per user, most 单人最多", grouped(found.per_user_max)),
        ("busiest hour 高峰", busiest),
    ];
    aligned(&told.map(|(word, value)| vec![Cell::text(word), Cell::text(value)]))
}

/// Every end with its count, in the order of the words above.
fn ends(found: &Backtest) -> String {
    let open = [("waiting", found.waiting), ("pending", found.pending)];
    let count = |word: &str| {
        let open = open.iter().find(|(known, _)| *known == word).map(|(_, count)| *count);
        open.or_else(|| found.ends.get(word).copied()).unwrap_or(0)
    };
    let told = WORDS.iter().map(|(word, meaning)| (*word, *meaning, count(word)));
    let mut rows = vec![vec![Cell::text("end"), Cell::Number("count".to_string()), Cell::text("meaning")]];
    rows.extend(
        told.filter(|(.., count)| *count > 0)
            .map(|(word, meaning, count)| vec![Cell::text(word), Cell::count(count), Cell::text(meaning)]),
    );
    aligned(&rows)
}

/// Bars on the terminal, a line each; by day where hours would be too many.
fn bars(by: Step, found: &Backtest, zone: &Zone) -> String {
    let by = if filled(by, &steps(found, by, zone), zone).len() > BARS_MAX { Step::Day } else { by };
    let steps = filled(by, &steps(found, by, zone), zone);
    let most = steps.iter().map(|(_, fires)| *fires).max().unwrap_or(0);
    let form = if by == Step::Hour { "%Y-%m-%d %H:%M" } else { "%Y-%m-%d" };
    let row = |(at, fires): &(Timestamp, u64)| {
        let date = zone.local(*at).format(form).to_string();
        vec![Cell::text(date), Cell::count(*fires), Cell::text(bar(*fires, most))]
    };
    aligned(&steps.iter().map(row).collect::<Vec<_>>())
}

/// The steps with those between them in which nothing fired.
fn filled(by: Step, steps: &[(Timestamp, u64)], zone: &Zone) -> Vec<(Timestamp, u64)> {
    let mut all: BTreeMap<Timestamp, u64> = steps.iter().copied().collect();
    if let (Some((first, _)), Some((last, _))) = (steps.first(), steps.last()) {
        for at in (first.0..last.0).step_by(HOUR_MS as usize) {
            all.entry(start_of(by, Timestamp(at), zone)).or_insert(0);
        }
    }
    all.into_iter().collect()
}

/// A bar in eighths of a character; something is never nothing.
fn bar(count: u64, most: u64) -> String {
    let eighths = (count * BAR_WIDTH * 8).checked_div(most).unwrap_or(0).max(u64::from(count > 0));
    let part = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];
    let rest = part.get((eighths % 8) as usize).copied().unwrap_or_default();
    format!("{}{rest}", "█".repeat((eighths / 8) as usize))
}

fn picture(by: Step, trial: &Trial, found: &Backtest, steps: &[(Timestamp, u64)]) -> Picture {
    let zone = trial.task.zone;
    let (step_ms, form) = match by {
        Step::Hour => (HOUR_MS, "%m-%d %H:%M"),
        Step::Day => (24 * HOUR_MS, "%Y-%m-%d"),
    };
    let note = format!(
        "{} fires 触发, {} users 用户, {} to {}",
        grouped(found.fires),
        grouped(found.users),
        zone.text(trial.from),
        zone.text(trial.to)
    );
    let title = trial.task.file.name.clone();
    Picture::Columns(Columns { title, note, points: steps.to_vec(), step_ms, form, zone })
}
