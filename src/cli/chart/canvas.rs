//! What is drawn on: shapes and texts in pixels from the upper left corner.

use svg::Node;
use svg::node::Text;
use svg::node::element::{Circle, Element, Line, Path, Rectangle, SVG, Title};
use unicode_width::UnicodeWidthChar;

/// The fonts of the systems that our users sit at, each with Chinese.
const FONTS: &str = "'PingFang SC', 'Microsoft YaHei', 'Noto Sans CJK SC', 'Source Han Sans SC', \
    'WenQuanYi Micro Hei', system-ui, sans-serif";
/// Around every picture.
pub const MARGIN: f64 = 24.0;
/// Below title and note.
pub const HEAD: f64 = 76.0;

pub const INK: &str = "#1f2937";
pub const MUTED: &str = "#6b7280";
pub const PALE: &str = "#e5e7eb";
pub const MAIN: &str = "#2563eb";
pub const EVERYONE: &str = "#cbd5e1";
pub const UP: &str = "#16a34a";
pub const DOWN: &str = "#dc2626";

/// Where a text lies relative to its point.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Anchor {
    Start,
    Middle,
    End,
}

/// How a text looks.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    pub size: f64,
    pub colour: &'static str,
    pub anchor: Anchor,
}

/// Over a picture.
pub const TITLE: Style = Style { size: 17.0, colour: INK, anchor: Anchor::Start };
/// Small grey text that begins at its point.
pub const NOTE: Style = Style { size: 12.0, colour: MUTED, anchor: Anchor::Start };
/// Text to be read, beginning at its point.
pub const WORDS: Style = Style { size: 13.0, colour: INK, anchor: Anchor::Start };

impl Style {
    /// The same, lying otherwise.
    pub fn at(self, anchor: Anchor) -> Style {
        Style { anchor, ..self }
    }
}

/// A picture in the making.
pub struct Canvas(SVG);

impl Canvas {
    /// A white sheet with a title and a note.
    pub fn new(width: f64, height: f64, title: &str, note: &str) -> Canvas {
        let sheet = SVG::new()
            .set("viewBox", (0, 0, width.ceil() as i64, height.ceil() as i64))
            .set("width", width.ceil() as i64)
            .set("height", height.ceil() as i64)
            .set("role", "img")
            .set("font-family", FONTS)
            .add(Title::new(clean(title)));
        let mut canvas = Canvas(sheet);
        canvas.rect((0.0, 0.0, width, height), "#ffffff", 1.0, None);
        let room = width - 2.0 * MARGIN;
        canvas.text((MARGIN, 34.0), &fitted(title, TITLE.size, room), TITLE);
        canvas.text((MARGIN, 56.0), &fitted(note, NOTE.size, room), NOTE);
        canvas
    }

    /// A filled rectangle (left, top, width, height); `words` show when a mouse rests on it.
    pub fn rect(&mut self, place: (f64, f64, f64, f64), colour: &str, opacity: f64, words: Option<&str>) {
        let (x, y, width, height) = place;
        let mut rect = Rectangle::new()
            .set("x", round(x))
            .set("y", round(y))
            .set("width", round(width.max(0.0)))
            .set("height", round(height.max(0.0)))
            .set("fill", colour);
        if opacity < 1.0 {
            rect = rect.set("fill-opacity", (opacity * 1e3).round() / 1e3);
        }
        if let Some(words) = words {
            rect = rect.add(Title::new(clean(words)));
        }
        self.0.append(rect);
    }

    /// A straight line.
    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), colour: &str) {
        let line = Line::new().set("x1", round(from.0)).set("y1", round(from.1));
        self.0.append(line.set("x2", round(to.0)).set("y2", round(to.1)).set("stroke", colour));
    }

    /// A line through all points.
    pub fn path(&mut self, points: &[(f64, f64)], colour: &str) {
        let steps: Vec<String> = points.iter().map(|(x, y)| format!("{} {}", round(*x), round(*y))).collect();
        let path = Path::new().set("d", format!("M {}", steps.join(" L ")));
        self.0.append(path.set("fill", "none").set("stroke", colour).set("stroke-width", 2));
    }

    /// A dot; `words` show when a mouse rests on it.
    pub fn dot(&mut self, at: (f64, f64), colour: &str, words: &str) {
        let dot = Circle::new().set("cx", round(at.0)).set("cy", round(at.1)).set("r", 3);
        self.0.append(dot.set("fill", colour).add(Title::new(clean(words))));
    }

    /// A text whose base line begins, is centred or ends at a point.
    pub fn text(&mut self, at: (f64, f64), words: &str, style: Style) {
        let anchor = match style.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        // A plain element keeps its words on one line, where `element::Text` would not.
        let mut text = Element::new("text");
        text.assign("x", round(at.0));
        text.assign("y", round(at.1));
        text.assign("font-size", style.size);
        text.assign("fill", style.colour);
        text.assign("text-anchor", anchor);
        text.append(Text::new(clean(words)));
        self.0.append(text);
    }

    /// The document.
    pub fn close(self) -> String {
        format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}\n", self.0)
    }
}

/// A tenth of a pixel is finer than anybody sees.
fn round(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

/// Characters that XML does not allow, and line ends, become blanks.
fn clean(text: &str) -> String {
    let is_allowed = |c: char| !c.is_control() && c != '\u{fffe}' && c != '\u{ffff}';
    text.chars().map(|c| if is_allowed(c) { c } else { ' ' }).collect()
}

/// About how wide a text is; a Chinese character is as wide as it is high.
pub fn width(text: &str, size: f64) -> f64 {
    text.chars().map(|c| if c.width() == Some(2) { 1.0 } else { 0.58 }).sum::<f64>() * size
}

/// The text, or so much of its beginning as fits, with `…` behind.
pub fn fitted(text: &str, size: f64, room: f64) -> String {
    if width(text, size) <= room {
        return text.to_string();
    }
    let mut kept = String::new();
    for c in text.chars() {
        let longer = format!("{kept}{c}…");
        if width(&longer, size) > room {
            break;
        }
        kept.push(c);
    }
    kept + "…"
}
