//! Bars from left to right, one under the other: the share of an audience over that of everyone.

use super::canvas::{Anchor, Canvas, EVERYONE, HEAD, INK, MAIN, MARGIN, NOTE, Style, WORDS, fitted, width};

const LABEL_WIDTH_MAX: f64 = 220.0;
const LABEL_WIDTH_MIN: f64 = 60.0;
const BAR_WIDTH: f64 = 340.0;
const NOTE_WIDTH: f64 = 220.0;
const ROW_HEIGHT: f64 = 24.0;
const TITLE_HEIGHT: f64 = 30.0;
const GAP: f64 = 18.0;
/// Half a character between the parts of a row.
const BLANK: f64 = 10.0;

/// Panels of bars.
pub struct Bars {
    pub title: String,
    pub note: String,
    pub panels: Vec<Panel>,
}

/// Bars with one scale.
pub struct Panel {
    pub title: String,
    pub bars: Vec<Bar>,
}

/// One group.
pub struct Bar {
    pub label: String,
    /// Share of the audience, 0 to 1.
    pub share: f64,
    /// Share of everyone, 0 to 1.
    pub everyone: f64,
    /// Stands behind the bar.
    pub note: String,
}

impl Bars {
    /// Lays the panels out, one under the other.
    pub fn draw(&self) -> Canvas {
        let labels = self.label_width();
        let heights = self.panels.iter().map(Panel::height).sum::<f64>();
        let all = 2.0 * MARGIN + labels + BAR_WIDTH + NOTE_WIDTH + 2.0 * BLANK;
        let mut canvas = Canvas::new(all, HEAD + heights + MARGIN, &self.title, &self.note);
        let mut top = HEAD;
        for panel in &self.panels {
            panel.draw(&mut canvas, top, labels);
            top += panel.height();
        }
        canvas
    }

    fn label_width(&self) -> f64 {
        let bars = self.panels.iter().flat_map(|panel| &panel.bars);
        let widest = bars.map(|bar| width(&bar.label, WORDS.size)).fold(LABEL_WIDTH_MIN, f64::max);
        widest.min(LABEL_WIDTH_MAX)
    }
}

impl Panel {
    fn height(&self) -> f64 {
        TITLE_HEIGHT + self.bars.len() as f64 * ROW_HEIGHT + GAP
    }

    fn draw(&self, canvas: &mut Canvas, top: f64, labels: f64) {
        let title = Style { size: 15.0, colour: INK, anchor: Anchor::Start };
        canvas.text((MARGIN, top + 16.0), &self.title, title);
        let most = self.bars.iter().map(|bar| bar.share.max(bar.everyone)).fold(0.0, f64::max);
        for (n, bar) in self.bars.iter().enumerate() {
            bar.draw(canvas, top + TITLE_HEIGHT + n as f64 * ROW_HEIGHT, labels, most);
        }
    }
}

impl Bar {
    fn draw(&self, canvas: &mut Canvas, top: f64, labels: f64, most: f64) {
        let left = MARGIN + labels + BLANK;
        let long = |share: f64| if most > 0.0 { BAR_WIDTH * share / most } else { 0.0 };
        let label = fitted(&self.label, WORDS.size, labels);
        canvas.text((left - BLANK, top + 15.0), &label, WORDS.at(Anchor::End));
        let words = format!("{}: {}", self.label, self.note);
        canvas.rect((left, top + 2.0, long(self.everyone), 17.0), EVERYONE, 1.0, None);
        canvas.rect((left, top + 6.0, long(self.share), 9.0), MAIN, 1.0, Some(&words));
        let end = left + long(self.share.max(self.everyone));
        canvas.text((end + BLANK, top + 15.0), &self.note, NOTE);
    }
}
