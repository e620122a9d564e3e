//! The words of timelines: rules on one line, users, events and filters by name.

use quanke::base::{Timestamp, Zone};
use quanke::task::rule::*;
use quanke::trigger::{Predicate, Version};

use crate::timeline::instant;

/// All names of a timeline; their places are their numbers.
#[derive(Default)]
pub struct Words {
    pub zone: Zone,
    pub tasks: Vec<String>,
    pub users: Vec<String>,
    events: Vec<String>,
    /// Filters by event: `page = '/home'`, or none.
    filters: Vec<Vec<Option<(String, String)>>>,
    /// The property that is compared, where a rule names one, and its values.
    same: Option<String>,
    values: Vec<String>,
    versions: u32,
    /// How each task counts.
    counts: Vec<Count>,
}

impl Words {
    pub fn user(&mut self, name: &str) -> u32 {
        place(&mut self.users, name) as u32
    }

    /// The number of an event and which filters hold for it.
    pub fn mask(&mut self, event: &str, properties: &[(&str, &str)]) -> (u16, u64) {
        let number = self.number(event);
        let holds = |filter: &Option<(String, String)>| {
            filter.as_ref().is_none_or(|(name, value)| properties.contains(&(name.as_str(), value.as_str())))
        };
        let filters = self.filters[number].iter().enumerate();
        let mask = filters.filter(|(_, filter)| holds(filter)).map(|(bit, _)| 1 << bit).sum();
        (number as u16, mask)
    }

    /// The value of the property that is compared; 0: none.
    pub fn same(&mut self, properties: &[(&str, &str)]) -> u128 {
        let Some(name) = &self.same else { return 0 };
        let Some((_, value)) = properties.iter().find(|(known, _)| known == name) else { return 0 };
        place(&mut self.values, value) as u128 + 1
    }

    /// Reads `NAME: A [, then no B within 20m] [; option]…`; the task's number and the version.
    pub fn rule(&mut self, text: &str) -> Result<(u32, Version), String> {
        let (name, text) = text.split_once(':').ok_or("a rule is `NAME: EVENT …`")?;
        let (did, options) = text.split_once(';').map_or((text, ""), |(did, options)| (did, options));
        let is_new = !self.tasks.iter().any(|known| known == name.trim());
        let task = place(&mut self.tasks, name.trim()) as u32;
        self.versions = if is_new { 1 } else { self.versions + 1 };
        let mut version = self.bare(did)?;
        for option in options.split(';').map(str::trim).filter(|option| !option.is_empty()) {
            self.option(&mut version, option).ok_or_else(|| format!("`{option}` is no option"))?;
        }
        self.counts.resize(self.tasks.len(), Count::Every(1));
        self.counts[task as usize] = version.rule.count;
        Ok((task, version))
    }

    /// How a task counts.
    pub fn count_of(&self, task: u32) -> Count {
        self.counts[task as usize]
    }

    fn bare(&mut self, did: &str) -> Result<Version, String> {
        let (a, absence) = match did.split_once(", then no ") {
            None => (did, None),
            Some((a, rest)) => {
                let (b, gap) = rest.rsplit_once(" within ").ok_or("`then no B within 20m`")?;
                (a, Some((b, duration(gap).ok_or("no such gap")?)))
            }
        };
        let did = self.predicate(a)?;
        let not_done = absence.map(|(b, _)| self.predicate(b)).transpose()?;
        let absence = absence.map(|(_, gap_ms)| Absence {
            not_done: String::new(),
            gap_ms,
            again: Again::First,
            same: None,
            late_b: LateB::Cancel,
        });
        Ok(Version {
            version: self.versions,
            rule: plain(absence),
            did,
            not_done,
            same: None,
            start: Timestamp(0),
            end: Timestamp(i64::MAX / 4),
            grace_ms: 1_800_000,
            is_held_in_pause: false,
            zone: self.zone,
        })
    }

    fn option(&mut self, version: &mut Version, option: &str) -> Option<()> {
        let rule = &mut version.rule;
        let (word, rest) = option.split_once(' ').unwrap_or((option, ""));
        let at = || instant(rest, &self.zone).map(Timestamp);
        match word {
            "again" => rule.absence.as_mut()?.again = again(rest)?,
            "every" => rule.count = Count::Every(rest.parse().ok()?),
            "total" => rule.count = total(rest)?,
            "count" => rule.count_history = rest == "history",
            "reach" => rule.reach = reach(rest, &self.zone)?,
            "from" => rule.from = Some(at()?),
            "to" => rule.to = Some(at()?),
            "start" => version.start = at()?,
            "end" => version.end = at()?,
            "fires" => rule.fires_max = Some(rest.strip_prefix("max ")?.parse().ok()?),
            "gap" => rule.gap_min_ms = duration(rest)?,
            "grace" => version.grace_ms = duration(rest)?,
            "late" => rule.absence.as_mut()?.late_b = LateB::Send,
            "hold" => version.is_held_in_pause = true,
            "finish" => rule.on_end = OnEnd::Finish,
            "audience" => rule.audience_at = AudienceAt::A,
            "recheck" => rule.recheck = Some(true),
            "same" => {
                self.same = Some(rest.to_string());
                version.same = Some((0, 1));
            }
            _ => return None,
        }
        Some(())
    }

    /// `EVENT [where PROPERTY = 'VALUE']`.
    fn predicate(&mut self, text: &str) -> Result<Predicate, String> {
        let (event, filter) = text.split_once(" where ").map_or((text, None), |(e, f)| (e, Some(f)));
        let filter = match filter {
            None => None,
            Some(filter) => {
                let (name, value) = filter.split_once('=').ok_or("a filter is `PROPERTY = 'VALUE'`")?;
                Some((name.trim().to_string(), value.trim().trim_matches('\'').to_string()))
            }
        };
        let event = self.number(event.trim());
        let known = self.filters[event].iter().position(|other| *other == filter);
        let bit = known.unwrap_or_else(|| {
            self.filters[event].push(filter);
            self.filters[event].len() - 1
        });
        Ok(Predicate { event: event as u16, bit: bit as u8 })
    }

    fn number(&mut self, event: &str) -> usize {
        let number = place(&mut self.events, event);
        self.filters.resize(self.events.len(), Vec::new());
        number
    }
}

/// Reads `2026-03-01 21:00[:30[.250]]` as local time.
pub fn date_time(text: &str, zone: &Zone) -> Result<i64, String> {
    instant(text, zone).ok_or_else(|| format!("`{text}` is no instant"))
}

fn plain(absence: Option<Absence>) -> Rule {
    Rule {
        did: String::new(),
        absence,
        from: None,
        to: None,
        count: Count::Every(1),
        count_history: false,
        reach: Reach::Delay(0),
        fires_max: None,
        gap_min_ms: 0,
        audience_at: AudienceAt::Fire,
        recheck: None,
        on_end: OnEnd::Drop,
    }
}

fn again(word: &str) -> Option<Again> {
    Some(match word {
        "first" => Again::First,
        "restart" => Again::Restart,
        "each" => Again::Each,
        _ => return None,
    })
}

fn total(text: &str) -> Option<Count> {
    let (n, per) = text.split_once(" per ").map_or((text, Per::Whole), |(n, per)| match per {
        "day" => (n, Per::Day),
        "week" => (n, Per::Week),
        _ => (n, Per::Month),
    });
    Some(Count::Total { n: n.parse().ok()?, per })
}

fn reach(text: &str, zone: &Zone) -> Option<Reach> {
    if let Some(clock) = text.strip_prefix("at ") {
        let (clock, days) = clock.split_once(" +").map_or((clock, "0d"), |(clock, days)| (clock, days));
        let (hour, minute) = clock.split_once(':')?;
        let second_of_day = hour.parse::<u32>().ok()? * 3_600 + minute.parse::<u32>().ok()? * 60;
        return Some(Reach::At { second_of_day, plus_days: days.trim_end_matches('d').parse().ok()? });
    }
    if let Some(on) = text.strip_prefix("on ") {
        let when_past = if on.ends_with(" or now") { WhenPast::Now } else { WhenPast::Skip };
        let instant = instant(on.trim_end_matches(" or now"), zone).map(Timestamp)?;
        return Some(Reach::On { instant, when_past });
    }
    duration(text).map(Reach::Delay)
}

/// `90s`, `20m`, `2h`, `7d`.
fn duration(text: &str) -> Option<i64> {
    let text = text.trim();
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let unit = match unit {
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    Some(number.parse::<i64>().ok()? * unit)
}

fn place(all: &mut Vec<String>, name: &str) -> usize {
    all.iter().position(|known| known == name).unwrap_or_else(|| {
        all.push(name.to_string());
        all.len() - 1
    })
}
