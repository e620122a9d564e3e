//! Pictures beside the tables: bars for profiles, lines for sizes over time, columns for what happened when, a grid for overlaps.
//!
//! A picture is a value that knows nothing of selections; [`Picture::svg`] lays it out. Text stays
//! text, in a font stack that has Chinese, so a browser can search it and an editor can change it.

mod bars;
mod canvas;
mod columns;
mod grid;
mod lines;
#[cfg(test)]
mod tests;

pub use bars::{Bar, Bars, Panel};
pub use columns::Columns;
pub use grid::Grid;
pub use lines::{Lines, Moves};

/// Something to draw.
pub enum Picture {
    Bars(Bars),
    Lines(Lines),
    Columns(Columns),
    Grid(Grid),
}

impl Picture {
    /// The picture as one SVG document, made of ASCII markup and the texts as they are.
    pub fn svg(&self) -> String {
        let canvas = match self {
            Picture::Bars(bars) => bars.draw(),
            Picture::Lines(lines) => lines.draw(),
            Picture::Columns(columns) => columns.draw(),
            Picture::Grid(grid) => grid.draw(),
        };
        canvas.close()
    }
}
