//! How much may a sender be given in a day, a week or a month? The key `quota`, which every kind has.

use std::collections::BTreeMap;

use toml::{Table, Value};

use super::wrong;
use crate::base::{Problem, Problems};
use crate::dispatch::{Quota, THEN, calendar};

const KEYS: [&str; 3] = ["limit", "per", "then"];
const CURE: &str = "write quota = { limit = 10000, per = \"day\", then = \"hold\" }";

/// The quotas of `[senders.NAME]` in quanke.toml, by name. Errors: SND-001 for every wrong one at once.
pub fn quotas(settings: &Table) -> Result<BTreeMap<String, Quota>, Problems> {
    let mut problems = Problems::default();
    let mut quotas = BTreeMap::new();
    for (name, value) in settings {
        let Some(written) = value.get("quota") else { continue };
        match quota(written) {
            Ok(quota) => drop(quotas.insert(name.clone(), quota)),
            Err(found) => problems.0.extend(found.into_iter().map(|what| mistake(name, what))),
        }
    }
    problems.or(quotas)
}

fn mistake(name: &str, what: String) -> Problem {
    wrong(name, what, CURE)
}

fn quota(written: &Value) -> Result<Quota, Vec<String>> {
    let Some(table) = written.as_table() else { return Err(vec!["`quota` must be a table".to_string()]) };
    let mut wrong: Vec<String> = table
        .keys()
        .filter(|key| !KEYS.contains(&key.as_str()))
        .map(|key| format!("`quota` has no key `{key}`; it has {}", KEYS.join(", ")))
        .collect();
    let limit = table.get("limit").and_then(Value::as_integer).and_then(|limit| u64::try_from(limit).ok());
    let per = table.get("per").and_then(Value::as_str).and_then(calendar);
    let word = table.get("then").map_or(Some("hold"), Value::as_str);
    let then = THEN.iter().find(|(known, _)| Some(*known) == word).map(|(_, then)| *then);
    if limit.is_none() {
        wrong.push("`quota.limit` must be a whole number from 0 on".to_string());
    }
    if per.is_none() {
        wrong.push("`quota.per` must be day, week or month".to_string());
    }
    if then.is_none() {
        wrong.push("`quota.then` must be hold or drop".to_string());
    }
    match (limit, per, then) {
        (Some(limit), Some(per), Some(then)) if wrong.is_empty() => Ok(Quota { limit, per, then }),
        _ => Err(wrong),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dispatch::{Beyond, Period};

    #[test]
    fn quotas_are_read_with_all_their_mistakes() {
        let read = |text: &str| quotas(&text.parse().unwrap());
        let found = read("[sms.quota]\nlimit = 5\nper = \"day\"\n[file]\nkind = \"file\"").unwrap();
        assert_eq!(found.len(), 1);
        assert_eq!((found["sms"].limit, found["sms"].per, found["sms"].then), (5, Period::Day, Beyond::Hold));
        let bad = "[sms.quota]\nlimit = -1\nper = \"24h\"\nthen = \"wait\"\nmax = 3\n[\"短信\"]\nquota = 3";
        let problems = read(bad).unwrap_err().0;
        assert_eq!(problems.len(), 5);
        assert!(problems.iter().all(|problem| problem.code == "SND-001"));
        assert!(problems[4].at.contains("短信"), "{problems:?}");
    }
}
