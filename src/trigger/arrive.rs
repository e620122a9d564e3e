//! What does a fact change as it comes? B's go to their tracks and may cancel touches that wait, A's go to the
//! log, completed A's and late A's are decided.

use crate::base::{Timestamp, UserNo};

use super::decide::A;
use super::decision::{Decision, End, Occurrence};
use super::fact::{AHEAD_MAX_MS, Facts, LATE_MAX_MS};
use super::interest::{Interest, Reader};
use super::part::Fact;
use super::past::PART_MS;
use super::shard::{Keyed, Shard};
use super::task::{Live, Queued};
use super::tracks::{TrackNo, Who};
use super::waiting::Due;
use super::{IdCode, Texts};
use crate::task::rule::LateB;

/// A fact on its way in.
#[derive(Clone, Copy)]
struct Arriving<'a> {
    row: usize,
    user: UserNo,
    /// Event time, clamped.
    at: i64,
    /// The arrival, or the clock if that is later.
    now: i64,
    mask: u64,
    id: IdCode,
    facts: &'a Facts<'a>,
}

impl Arriving<'_> {
    /// Its value in a column of correlation properties; 0: none.
    fn same(&self, column: Option<u8>) -> u128 {
        let value = |column: u8| self.facts.same.get(column as usize)?.get(self.row);
        column.and_then(value).copied().unwrap_or(0)
    }

    fn texts(&self) -> &Texts {
        self.facts.texts
    }
}

impl Shard {
    /// One row of a batch, whatever it is.
    pub(super) fn fact(
        &mut self,
        interest: &Interest,
        event: usize,
        facts: &Facts,
        row: usize,
        out: &mut Keyed,
    ) {
        let Some(fact) = self.arriving(facts, row) else { return };
        if self.watermark.is_some_and(|watermark| fact.at < watermark) {
            self.oddities.late += 1;
        }
        self.newest[event] = self.newest[event].max(fact.at);
        if self.only.is_some_and(|user| user != fact.user) {
            return;
        }
        for (mask, track, column) in &interest.tracks {
            if fact.mask & mask != 0 {
                self.b(*track, fact, Who { user: fact.user, same: fact.same(*column) }, &mut out.decisions);
            }
        }
        if fact.mask & interest.log != 0 {
            self.a(interest, event, fact, &mut out.decisions);
        }
        self.completed(interest, event, fact, &mut out.decisions);
        out.mark(row as i64);
    }

    /// The fact at a row with its times put right; none if it was clamped before and comes once more.
    fn arriving<'a>(&mut self, facts: &'a Facts<'a>, row: usize) -> Option<Arriving<'a>> {
        let (user, time, id) = (facts.users[row], facts.times[row], facts.ids[row]);
        let now = facts.arrivals[row].max(self.now);
        if !self.clamped.is_empty() && self.clamped.contains(&(user, time, id.whole(facts.texts))) {
            self.oddities.duplicates += 1;
            return None;
        }
        let mut at = time;
        if time > now.saturating_add(AHEAD_MAX_MS) {
            self.clamped.insert((user, time, id.whole(facts.texts)));
            self.oddities.clamped += 1;
            at = now;
        }
        Some(Arriving { row, user, at, now, mask: facts.masks[row], id, facts })
    }

    /// An A goes to the log; if its deadline is past for some rule, it is decided at once.
    fn a(&mut self, interest: &Interest, event: usize, fact: Arriving, out: &mut Vec<Decision>) {
        let new = Fact { offset: 0, user: fact.user, id: fact.id, mask: fact.mask };
        let log = &mut self.logs[event];
        let Some(added) = log.add(fact.at, new, fact.texts()) else {
            self.oddities.duplicates += 1;
            return;
        };
        for (mask, column) in &interest.same {
            let value = fact.same(Some(*column));
            if fact.mask & mask != 0 && value != 0 {
                log.keep_same(fact.at, &added.fact, *column, value);
            }
        }
        let is_late = fact.at < log.decided_to;
        for reader in &interest.restarts {
            self.queue(reader, fact);
        }
        let Some(place) = added.place else { return };
        for reader in &interest.absences {
            let outs = &mut self.tasks[reader.task].versions[reader.slot].outs;
            outs.shift(fact.at.div_euclid(PART_MS), place);
        }
        for reader in interest.absences.iter().filter(|_| is_late) {
            self.late_a(*reader, event, fact, (added.fact, place), out);
        }
    }

    fn queue(&mut self, reader: &Reader, fact: Arriving) {
        let live = &mut self.tasks[reader.task].versions[reader.slot];
        if fact.mask & reader.mask == 0 || fact.at < live.from || fact.at >= live.to {
            return;
        }
        let new = Queued { at: fact.at, id: fact.id.whole(fact.texts()), completed: None };
        let queue = live.queue.entry(fact.user).or_default();
        if let Err(place) = queue.binary_search_by(|old| (old.at, &old.id).cmp(&(new.at, &new.id))) {
            queue.insert(place, new);
        }
    }

    /// An A whose deadline the watermark has passed, perhaps.
    fn late_a(
        &mut self,
        reader: Reader,
        event: usize,
        fact: Arriving,
        (stored, place): (Fact, usize),
        out: &mut Vec<Decision>,
    ) {
        let Shard { tasks, logs, tracks, waiting, is_tracing, .. } = self;
        let task = &mut tasks[reader.task];
        let live = &task.versions[reader.slot];
        let (from, to) = task.range(live);
        let is_ours = fact.mask & reader.mask != 0 && from <= fact.at && fact.at < to;
        if live.is_done || !is_ours || fact.at >= live.cursor {
            return;
        }
        let spec = live.spec.clone();
        let Some(part) = logs[event].part(fact.at) else { return };
        task.note_late(&spec, fact.at);
        let mut deciding =
            super::decide::Deciding { task, tracks, waiting, out, now: fact.now, is_tracing: *is_tracing };
        deciding.window(reader.slot, &spec, A { at: fact.at, fact: stored, part, place }, true);
    }

    fn completed(&mut self, interest: &Interest, event: usize, fact: Arriving, out: &mut Vec<Decision>) {
        let is_ours = |reader: &&Reader| fact.mask & reader.mask != 0;
        if !interest.completed.iter().any(|reader| is_ours(&reader)) {
            return;
        }
        if fact.now.saturating_sub(fact.at) > LATE_MAX_MS {
            for reader in interest.completed.iter().filter(is_ours) {
                let spec = self.tasks[reader.task].versions[reader.slot].spec.clone();
                self.tasks[reader.task].note_late(&spec, fact.at);
            }
            return;
        }
        if !self.seen.add(event as u16, fact.user, fact.at, fact.id, fact.texts()) {
            self.oddities.duplicates += 1;
            return;
        }
        for reader in interest.completed.iter().filter(is_ours) {
            self.complete(*reader, fact, out);
        }
    }

    fn complete(&mut self, reader: Reader, fact: Arriving, out: &mut Vec<Decision>) {
        let task = &self.tasks[reader.task];
        let live = &task.versions[reader.slot];
        let (from, to) = task.range(live);
        if from <= fact.at && fact.at < to {
            let spec = live.spec.clone();
            let mut deciding = self.deciding(reader.task, out);
            deciding.now = fact.now;
            deciding.completed(reader.slot, &spec, fact.user, fact.at);
        }
    }

    /// A B goes to its track; it may cancel touches that wait, or contradict touches that are out. Without the
    /// correlation value that is asked for it does neither.
    fn b(&mut self, track: TrackNo, fact: Arriving, who: Who, out: &mut Vec<Decision>) {
        if who.same == 0 && matches!(track, TrackNo::Keyed(_)) {
            return;
        }
        self.tracks.add(track, who, fact.at);
        if !self.waiting.is_empty() {
            for due in self.waiting.of_user(fact.user).to_vec() {
                self.answer(&due, track, fact, who, out);
            }
        }
        if self.watermark.is_some_and(|watermark| fact.at < watermark) {
            for place in 0..self.tasks.len() {
                for slot in 0..self.tasks[place].versions.len() {
                    self.late_b(place, slot, track, fact, who, out);
                }
            }
        }
    }

    /// Does this B cancel a touch that waits?
    fn answer(&mut self, due: &Due, track: TrackNo, fact: Arriving, who: Who, out: &mut Vec<Decision>) {
        let Occurrence::A { at, id } = &due.occurrence else { return };
        let Some(place) = self.place(due.task) else { return };
        let Some(touch) = self.waiting.get(due).copied() else { return };
        let Some(live) = self.tasks[place].versions.get(touch.slot as usize) else { return };
        let spec = &live.spec;
        let is_asked = live.track == Some(track) && (spec.same.is_none() || touch.same == who.same);
        let is_after_a =
            fact.at > at.0 || (fact.at == at.0 && (!spec.is_self() || fact.id.whole(fact.texts()) > *id));
        let in_time = fact.at <= touch.base;
        let while_waiting = fact.at <= due.reach || touch.is_held;
        let cancels_late = spec.rule.absence.as_ref().is_some_and(|absence| absence.late_b == LateB::Cancel);
        if is_asked && is_after_a && (in_time || (while_waiting && cancels_late)) {
            self.waiting.take(due);
            self.deciding(place, out).drop_touch(due, &touch, End::Withdrawn);
        }
    }

    /// A B behind the watermark: does it contradict touches of this version that are out?
    fn late_b(
        &mut self,
        place: usize,
        slot: usize,
        track: TrackNo,
        fact: Arriving,
        who: Who,
        out: &mut Vec<Decision>,
    ) {
        let Shard { tasks, logs, .. } = self;
        let task = &mut tasks[place];
        let live = &mut task.versions[slot];
        if live.track != Some(track) || live.is_past() {
            return;
        }
        let spec = live.spec.clone();
        task.note_late(&spec, fact.at);
        let Some(log) = logs.get(spec.did.event as usize) else { return };
        let found = contradicted(&mut task.versions[slot], log, fact, who);
        let mut deciding = self.deciding(place, out);
        for occurrence in found {
            let Occurrence::A { at, .. } = &occurrence else { continue };
            let base = at.0 + spec.gap();
            deciding.say(&spec, fact.user, occurrence, base, End::Contradicted);
        }
    }
}

/// The touches that are out and would have been cancelled by this B, in the order of their A's; each once.
fn contradicted(live: &mut Live, log: &super::past::Log, fact: Arriving, who: Who) -> Vec<Occurrence> {
    let spec = live.spec.clone();
    let first = (fact.at - spec.gap()).div_euclid(PART_MS);
    let mut found = Vec::new();
    for (number, outs) in live.outs.between(first, fact.at.div_euclid(PART_MS)) {
        let Some(part) = log.parts.get(&number) else { continue };
        let own = |place: &usize| *place < part.len() && part.user(*place) == who.user;
        for place in outs.each().filter(own).collect::<Vec<usize>>() {
            let a = part.fact(place);
            let at = a.at(number);
            let id = part.id(a.id);
            let is_after =
                fact.at > at || (fact.at == at && (!spec.is_self() || fact.id.whole(fact.texts()) > id));
            let same = A { at, fact: a, part, place }.same(spec.same.map(|(a, _)| a));
            if is_after && fact.at <= at + spec.gap() && (spec.same.is_none() || same == who.same) {
                outs.clear(place);
                found.push(Occurrence::A { at: Timestamp(at), id });
            }
        }
    }
    found.sort();
    found
}
