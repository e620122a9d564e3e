//! `quanke task overlap`: whom the tasks of a period hit together.

use serde_json::{Value, json};

use super::super::args::TaskOverlap;
use super::super::door::{Done, Door};
use super::super::insight::Report;
use super::super::insight::overlap::{SHOWN, numbers, picture, rows, text};
use super::super::output::target_of;
use super::super::session::{Session, usage};
use super::super::words::grouped;
use crate::audience::{Listing, Member, Overlap};
use crate::base::{Outcome, Problem};
use crate::dispatch::hit_between;

/// Every pair of tasks that hit somebody in the period, and how many tasks hit each user.
/// Errors: CLI-001, DSP-071 too many tasks, OUT-030.
pub fn run(args: &TaskOverlap, session: &Session, door: &mut Door) -> Done {
    args.telling.check()?;
    let target = args.out.as_deref().map(|path| target_of(path).map(|target| (path, target))).transpose()?;
    let (from, to) = (session.as_of(Some(&args.from))?, session.as_of(Some(&args.to))?);
    if to <= from {
        return Err(usage(
            "--to",
            "it is not after --from",
            "name the end of the period, which is not in it",
        ));
    }
    let snapshot = session.snapshot()?;
    let (tasks, ledger) = (session.tasks()?.list()?, session.ledger()?);
    let mut members = Vec::new();
    for task in tasks {
        let users = hit_between(&task, &ledger, (from, to))?;
        if !users.is_empty() {
            members.push(Member { name: format!("{} {}", task.id, task.file.name), version: None, users });
        }
    }
    refuse(members.len())?;
    let found = Overlap::new(members);
    let min = args.min as usize;
    let often = found.in_at_least(min);
    if let Some((path, target)) = target {
        Listing::new(&often, &snapshot, &[])?.write_file(path, target)?;
        door.say(&format!("{} users written to {}", grouped(often.len()), path.display()));
    }
    let zone = session.settings.zone;
    let mut document = json!({ "from": zone.text(from), "to": zone.text(to), "tasks": names(&found) });
    numbers(&found, &mut document);
    document["min"] = json!(min);
    document["hit_often"] = json!(often.len());
    let top = |default: usize| args.top.map_or(default, |top| top as usize);
    let told = format!("\nhit by {min} tasks or more: {} users\n", grouped(often.len()));
    let report = Report {
        document,
        text: &|| text(&found, top(SHOWN), "task") + &told,
        rows: &|| rows(&found, top(usize::MAX), "task"),
        picture: &|| picture(&found, "task"),
    };
    args.telling.tell(report, door)
}

fn names(found: &Overlap) -> Vec<Value> {
    let split = |name: &str| {
        let (id, name) = name.split_once(' ').unwrap_or((name, ""));
        (id.to_string(), name.to_string())
    };
    let task = |(name, users): (&str, u64)| {
        let (id, name) = split(name);
        json!({ "task": id, "name": name, "users": users })
    };
    found.crowds.iter().map(|member| task((&member.name, member.users.len()))).collect()
}

/// Refuses more tasks than can be laid over each other.
fn refuse(count: usize) -> Outcome<()> {
    let what = format!("{count} tasks hit users in this period, too many to lay over each other");
    let problem = |_| Problem::author("DSP-071", what).at("task overlap").cure("take a shorter period");
    Overlap::refuse(count).map_err(problem)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_tasks_as_a_matrix_can_show() {
        assert!(refuse(200).is_ok());
        assert_eq!(refuse(201).unwrap_err().code, "DSP-071");
    }
}
