//! Are these lines good, and are they safe? The porter checks posts, writes them down, and then answers.
//!
//! One thread does so for all doors: what came meanwhile is checked in one go and synced once. Lines that the
//! disk did not take are not answered as taken; should they have got into the spool all the same, they are the
//! events that are sent again, and count once by their ids.

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError};

use super::hall::{Answer, Hall, Post};
use super::spool::{Item, Spool};
use crate::base::{Outcome, Problem, Timestamp};
use crate::ingest::Refusal;
use crate::ingest::live::Judge;

/// Bytes that are made safe with one sync; a group of the log holds more than twice that.
const GROUP_BYTES: usize = 16 << 20;
/// Events that the store has before that is written down.
const FORGET_EVENTS: u64 = 100_000;

/// Who stands between the doors and the keeper.
pub struct Porter<'a> {
    hall: &'a Hall,
    spool: &'a Mutex<Spool>,
    judge: Judge,
    /// In the spool and not safe yet: the disk refused.
    unsafe_yet: Vec<Item>,
}

/// A line of a post.
struct Line<'p> {
    post: usize,
    /// Counted from 1 in its post.
    number: u64,
    bytes: &'p [u8],
}

/// How many lines of a post were accepted, and which were not.
type Count = (u64, Vec<Refusal>);

impl<'a> Porter<'a> {
    /// A porter that writes to `spool`.
    pub fn new(hall: &'a Hall, spool: &'a Mutex<Spool>, judge: Judge) -> Porter<'a> {
        Porter { hall, spool, judge, unsafe_yet: Vec::new() }
    }

    /// Works until the doors are closed and everybody has been answered. `now` reads the clock.
    pub fn work(mut self, now: &dyn Fn() -> Timestamp) {
        while let Some(posts) = self.hall.next_posts(!self.unsafe_yet.is_empty()) {
            let problem = self.take(posts, now);
            if let Err(problem) = problem.and_then(|()| self.forget()) {
                return self.hall.porter_gone(Some(problem));
            }
        }
        self.hall.porter_gone(None);
    }

    /// Takes posts and answers each. Errors: the spool has stopped (LOG-002, LOG-007).
    pub fn take(&mut self, posts: Vec<Post>, now: &dyn Fn() -> Timestamp) -> Outcome<()> {
        let mut group = Vec::new();
        let mut bytes = 0;
        for post in posts {
            bytes += post.lines.len();
            group.push(post);
            if bytes >= GROUP_BYTES {
                self.take_group(std::mem::take(&mut group), now)?;
                bytes = 0;
            }
        }
        if group.is_empty() && self.unsafe_yet.is_empty() { Ok(()) } else { self.take_group(group, now) }
    }

    fn take_group(&mut self, posts: Vec<Post>, now: &dyn Fn() -> Timestamp) -> Outcome<()> {
        let posted: u64 = posts.iter().map(|post| post.lines.len() as u64).sum();
        match self.write(&posts, now) {
            Ok((items, answers)) => {
                self.hall.ready(items, posted);
                for (Post { door, answer, visit, .. }, (accepted, refused)) in posts.into_iter().zip(answers)
                {
                    self.hall.numbers.accepted.add(door, accepted);
                    self.hall.numbers.rejected.add(door, refused.len() as u64);
                    // The events are in the hall, so time may go on behind this visit.
                    drop(visit);
                    // Who has gone meanwhile will send it again.
                    let _ = answer.send(Answer::Taken { accepted, refused });
                }
                Ok(())
            }
            Err(problem) => {
                self.hall.failed(posted, !self.unsafe_yet.is_empty());
                for post in posts {
                    self.hall.numbers.refused.add(post.door, 1);
                    let _ = post.answer.send(Answer::Failed(problem.clone()));
                }
                if is_stop(&problem) { Err(problem) } else { Ok(()) }
            }
        }
    }

    /// Checks, stamps, writes and syncs. Gives what is safe now, and accepted and refused lines of each post.
    fn write(&mut self, posts: &[Post], now: &dyn Fn() -> Timestamp) -> Outcome<(Vec<Item>, Vec<Count>)> {
        let lines: Vec<Line> =
            posts.iter().enumerate().flat_map(|(post, at)| lines_of(post, &at.lines)).collect();
        let judged = self.judge.check(joined(&lines))?;
        let mut answers = vec![(0, Vec::new()); posts.len()];
        for refusal in judged.refused {
            let Some(line) = line_at(&lines, refusal.line) else { continue };
            if let Some((_, refused)) = answers.get_mut(line.post) {
                refused.push(Refusal { line: line.number, ..refusal });
            }
        }
        let mut spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner);
        let arrival = self.hall.stamp(now());
        for number in judged.accepted {
            let Some(line) = line_at(&lines, number) else { continue };
            let door = posts.get(line.post).map_or(0, |post| post.door);
            self.unsafe_yet.push(spool.add(arrival, door, line.bytes)?);
            if let Some((accepted, _)) = answers.get_mut(line.post) {
                *accepted += 1;
            }
        }
        spool.commit()?;
        self.hall.numbers.commits.fetch_add(1, Ordering::Relaxed);
        Ok((std::mem::take(&mut self.unsafe_yet), answers))
    }

    /// What the store has may go.
    fn forget(&mut self) -> Outcome<()> {
        let stored = self.hall.stored();
        let mut spool = self.spool.lock().unwrap_or_else(PoisonError::into_inner);
        if stored < spool.forgotten() + FORGET_EVENTS {
            return Ok(());
        }
        // It stays in the way if the disk is full; it goes another time.
        match spool.forget(stored) {
            Err(problem) if is_stop(&problem) => Err(problem),
            _ => Ok(()),
        }
    }
}

/// The lines of a post that are not blank, without their ends and a byte order mark.
fn lines_of(post: usize, text: &[u8]) -> impl Iterator<Item = Line<'_>> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let numbered = text.split(|byte| *byte == b'\n').zip(1u64..);
    let lines = numbered.map(move |(bytes, number)| Line { post, number, bytes: bytes.trim_ascii() });
    lines.filter(|line| !line.bytes.is_empty())
}

fn joined(lines: &[Line]) -> Vec<u8> {
    let mut all = Vec::with_capacity(lines.iter().map(|line| line.bytes.len() + 1).sum());
    for line in lines {
        all.extend_from_slice(line.bytes);
        all.push(b'\n');
    }
    all
}

/// The line that the judge counts as this number.
fn line_at<'l, 'p>(lines: &'l [Line<'p>], number: u64) -> Option<&'l Line<'p>> {
    lines.get(usize::try_from(number.checked_sub(1)?).ok()?)
}

/// After such a problem the log takes nothing more.
fn is_stop(problem: &Problem) -> bool {
    matches!(problem.code, "LOG-002" | "LOG-007")
}
