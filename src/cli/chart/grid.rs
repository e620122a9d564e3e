//! A square of cells, one for each pair; the darker, the more alike, measured by the most alike pair.

use super::canvas::{
    Anchor, Canvas, HEAD, INK, MAIN, MARGIN, MUTED, NOTE, PALE, Style, TITLE, WORDS, fitted, width,
};

const NAME_WIDTH_MAX: f64 = 260.0;
/// Cells from this size hold a number.
const NUMBER_CELL: f64 = 40.0;
/// More names than this and no words show when a mouse rests on a cell: the file would grow large.
const WORDS_MAX: usize = 60;
/// A cell darker than this has white words.
const DARK: f64 = 0.55;

/// Likeness of everything with everything.
pub struct Grid {
    pub title: String,
    pub note: String,
    /// A name, and a note behind it.
    pub names: Vec<(String, String)>,
    /// Row by row, 0 to 1.
    pub values: Vec<Vec<f64>>,
}

impl Grid {
    /// Lays names and cells out.
    pub fn draw(&self) -> Canvas {
        let (cell, names) = (self.cell(), self.name_width());
        let side = cell * self.names.len() as f64;
        let words = width(&self.title, TITLE.size).max(width(&self.note, NOTE.size));
        let wide = 2.0 * MARGIN + (names + side).max(words);
        let most = self.most();
        let mut canvas = Canvas::new(wide, HEAD + 20.0 + side + MARGIN, &self.title, &self.note);
        let (left, top) = (MARGIN + names, HEAD + 20.0);
        for (a, row) in self.values.iter().enumerate() {
            let y = top + a as f64 * cell;
            self.name(&mut canvas, a, (left, y), cell);
            for (b, value) in row.iter().enumerate() {
                self.cell_at(&mut canvas, (a, b), *value / most, (left + b as f64 * cell, y, cell));
            }
        }
        canvas
    }

    /// The likeness of the most alike pair, which is darkest.
    fn most(&self) -> f64 {
        let rows = self.values.iter().enumerate();
        let pairs = rows.flat_map(|(a, row)| row.iter().enumerate().filter(move |(b, _)| a != *b));
        let most = pairs.map(|(_, value)| *value).fold(0.0, f64::max);
        if most > 0.0 { most } else { 1.0 }
    }

    fn cell(&self) -> f64 {
        match self.names.len() {
            0..=14 => 46.0,
            15..=40 => 24.0,
            _ => 11.0,
        }
    }

    /// As high as the cell allows.
    fn size(&self) -> f64 {
        (self.cell() - 2.0).min(WORDS.size)
    }

    fn label(&self, at: usize) -> String {
        self.names.get(at).map_or(String::new(), |(name, note)| format!("{}  {name}  {note}", at + 1))
    }

    fn name_width(&self) -> f64 {
        let widest = (0..self.names.len()).map(|at| width(&self.label(at), self.size())).fold(0.0, f64::max);
        widest.min(NAME_WIDTH_MAX) + 12.0
    }

    /// The name of a row, and its number over its column.
    fn name(&self, canvas: &mut Canvas, at: usize, (left, y): (f64, f64), cell: f64) {
        let style = Style { size: self.size(), colour: INK, anchor: Anchor::End };
        let label = fitted(&self.label(at), style.size, NAME_WIDTH_MAX);
        canvas.text((left - 8.0, y + cell / 2.0 + style.size * 0.36), &label, style);
        let number = Style { size: style.size.min(NOTE.size), colour: MUTED, anchor: Anchor::Middle };
        // Narrow columns have room for every fifth number only.
        if cell >= 20.0 || (at + 1).is_multiple_of(5) {
            canvas.text((left + (at as f64 + 0.5) * cell, HEAD + 12.0), &(at + 1).to_string(), number);
        }
    }

    fn cell_at(
        &self,
        canvas: &mut Canvas,
        (a, b): (usize, usize),
        shade: f64,
        (x, y, cell): (f64, f64, f64),
    ) {
        let place = (x + 0.5, y + 0.5, cell - 1.0, cell - 1.0);
        if a == b {
            return canvas.rect(place, PALE, 1.0, None);
        }
        let value = self.values.get(a).and_then(|row| row.get(b)).copied().unwrap_or(0.0);
        let percent = format!("{:.1}%", value * 100.0);
        let name = |at: usize| self.names.get(at).map_or("", |(name, _)| name.as_str());
        let words = (self.names.len() <= WORDS_MAX).then(|| format!("{} · {}: {percent}", name(a), name(b)));
        canvas.rect(place, MAIN, 0.04 + 0.9 * shade, words.as_deref());
        if cell >= NUMBER_CELL {
            let colour = if shade > DARK { "#ffffff" } else { INK };
            let style = Style { size: 11.0, colour, anchor: Anchor::Middle };
            canvas.text((x + cell / 2.0, y + cell / 2.0 + 4.0), &percent, style);
        }
    }
}
