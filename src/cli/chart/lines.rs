//! A line over time, and below it what came in and went out.

use super::super::words::grouped;
use super::canvas::{Anchor, Canvas, DOWN, HEAD, MAIN, MARGIN, MUTED, NOTE, PALE, UP};
use crate::base::{Timestamp, Zone};

pub(super) const WIDTH: f64 = 860.0;
pub(super) const LINE_HEIGHT: f64 = 280.0;
const MOVES_HEIGHT: f64 = 120.0;
/// Room for the numbers at the left.
pub(super) const AXIS_WIDTH: f64 = 84.0;
pub(super) const AXIS_HEIGHT: f64 = 34.0;
/// Between two dates that can both be read.
pub(super) const DATE_WIDTH: f64 = 96.0;
/// More points than this and dots would hide the line.
const DOTS_MAX: usize = 80;
const DAY_MS: i64 = 86_400_000;

/// Sizes over time.
pub struct Lines {
    pub title: String,
    pub note: String,
    /// Ascending by time.
    pub points: Vec<(Timestamp, u64)>,
    /// What came and went at each point; none: nothing is drawn below.
    pub moves: Vec<Moves>,
    pub zone: Zone,
}

/// What came in and went out at one point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Moves {
    pub up: u64,
    pub down: u64,
}

/// Where numbers lie from top to bottom.
pub(super) struct Scale {
    low: f64,
    high: f64,
    step: f64,
    top: f64,
    bottom: f64,
}

impl Lines {
    /// Lays line, axes and moves out.
    pub fn draw(&self) -> Canvas {
        let moves = if self.moves.is_empty() { 0.0 } else { MOVES_HEIGHT + MARGIN };
        let height = HEAD + LINE_HEIGHT + AXIS_HEIGHT + moves + MARGIN;
        let mut canvas = Canvas::new(WIDTH, height, &self.title, &self.note);
        let bottom = HEAD + LINE_HEIGHT;
        let scale = Scale::over(self.points.iter().map(|(_, count)| *count), HEAD, bottom);
        scale.draw(&mut canvas);
        self.dates(&mut canvas, bottom);
        self.line(&mut canvas, &scale);
        if !self.moves.is_empty() {
            self.moves(&mut canvas, bottom + AXIS_HEIGHT + MARGIN);
        }
        canvas
    }

    fn x(&self, at: Timestamp) -> f64 {
        let (left, right) = (MARGIN + AXIS_WIDTH, WIDTH - MARGIN - DATE_WIDTH / 4.0);
        let first = self.points.first().map_or(0, |(at, _)| at.0);
        let last = self.points.last().map_or(0, |(at, _)| at.0);
        match last > first {
            true => left + (right - left) * ((at.0 - first) as f64 / (last - first) as f64),
            false => (left + right) / 2.0,
        }
    }

    fn line(&self, canvas: &mut Canvas, scale: &Scale) {
        let places: Vec<(f64, f64)> =
            self.points.iter().map(|(at, count)| (self.x(*at), scale.y(*count as f64))).collect();
        if places.len() > 1 {
            canvas.path(&places, MAIN);
        }
        if places.len() <= DOTS_MAX {
            for (place, (at, count)) in places.iter().zip(&self.points) {
                let at = self.zone.local(*at).format("%Y-%m-%d %H:%M");
                canvas.dot(*place, MAIN, &format!("{at}  {}", grouped(*count)));
            }
        }
    }

    /// Dates below the line, at points and as many as can be read.
    fn dates(&self, canvas: &mut Canvas, bottom: f64) {
        let mut free_from = f64::MIN;
        for (at, _) in &self.points {
            let x = self.x(*at);
            if x >= free_from {
                free_from = x + DATE_WIDTH;
                canvas.line((x, bottom), (x, bottom + 5.0), MUTED);
                canvas.text((x, bottom + 20.0), &self.date(*at), NOTE.at(Anchor::Middle));
            }
        }
    }

    fn date(&self, at: Timestamp) -> String {
        let is_midnight = |at: &Timestamp| self.zone.start_of(self.zone.day_of(*at)) == *at;
        let first = self.points.first().map_or(0, |(at, _)| at.0);
        let last = self.points.last().map_or(0, |(at, _)| at.0);
        let is_days = last - first > 14 * DAY_MS || self.points.iter().all(|(at, _)| is_midnight(at));
        let form = if is_days { "%Y-%m-%d" } else { "%m-%d %H:%M" };
        self.zone.local(at).format(form).to_string()
    }

    fn moves(&self, canvas: &mut Canvas, top: f64) {
        let middle = top + MOVES_HEIGHT / 2.0;
        let most = self.moves.iter().map(|moves| moves.up.max(moves.down)).max().unwrap_or(0).max(1);
        let long = |count: u64| MOVES_HEIGHT / 2.0 * count as f64 / most as f64;
        let wide =
            ((WIDTH - 2.0 * MARGIN - AXIS_WIDTH) / self.points.len().max(1) as f64 * 0.6).clamp(1.0, 16.0);
        for ((at, _), moves) in self.points.iter().zip(&self.moves) {
            let left = self.x(*at) - wide / 2.0;
            let words = format!("entered {}, left {}", grouped(moves.up), grouped(moves.down));
            canvas.rect((left, middle - long(moves.up), wide, long(moves.up)), UP, 1.0, Some(&words));
            canvas.rect((left, middle, wide, long(moves.down)), DOWN, 1.0, Some(&words));
        }
        let (left, right) = (MARGIN + AXIS_WIDTH, WIDTH - MARGIN);
        canvas.line((left, middle), (right, middle), MUTED);
        canvas.text((left - 10.0, top + 10.0), &format!("+{}", grouped(most)), NOTE.at(Anchor::End));
        canvas.text((left - 10.0, top + MOVES_HEIGHT), &format!("−{}", grouped(most)), NOTE.at(Anchor::End));
    }
}

impl Scale {
    /// A round scale over the counts. It begins at 0, unless all counts lie so close together that
    /// their changes could not be seen.
    pub(super) fn over(counts: impl Iterator<Item = u64> + Clone, top: f64, bottom: f64) -> Scale {
        let most = counts.clone().max().unwrap_or(0) as f64;
        let least = counts.min().unwrap_or(0) as f64;
        let from = if least > most * 0.6 && most > least { least } else { 0.0 };
        let step = round_step((most - from) / 5.0);
        let low = (from / step).floor() * step;
        Scale { low, high: ((most / step).ceil() * step).max(low + step), step, top, bottom }
    }

    pub(super) fn y(&self, number: f64) -> f64 {
        self.bottom - (self.bottom - self.top) * (number - self.low) / (self.high - self.low)
    }

    pub(super) fn draw(&self, canvas: &mut Canvas) {
        let steps = ((self.high - self.low) / self.step).round() as u32;
        let (left, right) = (MARGIN + AXIS_WIDTH, WIDTH - MARGIN);
        for n in 0..=steps {
            let number = self.low + n as f64 * self.step;
            let y = self.y(number);
            canvas.line((left, y), (right, y), PALE);
            canvas.text((left - 10.0, y + 4.0), &grouped(number as u64), NOTE.at(Anchor::End));
        }
    }
}

/// 1, 2 or 5 times a power of ten, at least 1 and at least `least`.
fn round_step(least: f64) -> f64 {
    let power = 10f64.powf(least.max(1.0).log10().floor());
    let fits = [1.0, 2.0, 5.0, 10.0].into_iter().map(|factor| factor * power).find(|step| *step >= least);
    fits.unwrap_or(power * 10.0)
}
