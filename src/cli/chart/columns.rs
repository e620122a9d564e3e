//! Upright bars over time: how much happened in each hour, or on each day.

use super::super::words::grouped;
use super::canvas::{Anchor, Canvas, HEAD, MAIN, MARGIN, MUTED, NOTE};
use super::lines::{AXIS_HEIGHT, AXIS_WIDTH, DATE_WIDTH, LINE_HEIGHT, Scale, WIDTH};
use crate::base::{Timestamp, Zone};

/// The part of a step that its bar takes, so that neighbours can be told apart.
const FILLED: f64 = 0.86;

/// Counts by step of time.
pub struct Columns {
    pub title: String,
    pub note: String,
    /// The start of each step with something in it, ascending, and how much.
    pub points: Vec<(Timestamp, u64)>,
    /// The length of a step, in milliseconds.
    pub step_ms: i64,
    /// How a date is written below the axis, and in the words of a bar.
    pub form: &'static str,
    pub zone: Zone,
}

impl Columns {
    /// Lays bars and axes out.
    pub fn draw(&self) -> Canvas {
        let bottom = HEAD + LINE_HEIGHT;
        let mut canvas = Canvas::new(WIDTH, bottom + AXIS_HEIGHT + MARGIN, &self.title, &self.note);
        let scale = Scale::over(self.counts(), HEAD, bottom);
        scale.draw(&mut canvas);
        self.dates(&mut canvas, bottom);
        let wide =
            (self.x(Timestamp(self.first() + self.step_ms)) - self.x(Timestamp(self.first()))) * FILLED;
        for (at, count) in &self.points {
            let top = scale.y(*count as f64);
            let words = format!("{}  {}", self.date(*at), grouped(*count));
            canvas.rect((self.x(*at), top, wide.max(1.0), bottom - top), MAIN, 1.0, Some(&words));
        }
        canvas
    }

    /// All counts, and 0 so that bars begin there.
    fn counts(&self) -> impl Iterator<Item = u64> + Clone + '_ {
        self.points.iter().map(|(_, count)| *count).chain([0])
    }

    fn first(&self) -> i64 {
        self.points.first().map_or(0, |(at, _)| at.0)
    }

    fn x(&self, at: Timestamp) -> f64 {
        let (left, right) = (MARGIN + AXIS_WIDTH, WIDTH - MARGIN);
        let last = self.points.last().map_or(0, |(at, _)| at.0);
        let span = (last - self.first() + self.step_ms).max(1) as f64;
        left + (right - left) * ((at.0 - self.first()) as f64 / span)
    }

    /// Dates below the axis, at bars and as many as can be read.
    fn dates(&self, canvas: &mut Canvas, bottom: f64) {
        let mut free_from = f64::MIN;
        for (at, _) in &self.points {
            let x = self.x(*at);
            if x >= free_from && x + DATE_WIDTH / 2.0 < WIDTH {
                free_from = x + DATE_WIDTH;
                canvas.line((x, bottom), (x, bottom + 5.0), MUTED);
                canvas.text((x, bottom + 20.0), &self.date(*at), NOTE.at(Anchor::Start));
            }
        }
    }

    fn date(&self, at: Timestamp) -> String {
        self.zone.local(at).format(self.form).to_string()
    }
}
