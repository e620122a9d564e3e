//! How is an event named in eight bytes, exactly?
//!
//! Most event ids are counting numbers: they are kept as the number. Any other text goes once into the
//! [`Texts`] beside the facts and is named by its place there. An event without an id gets its place in the
//! log, so that it is nobody's duplicate. All three are told apart by the top two bits.

use std::cmp::Ordering;
use std::sync::Arc;

use hashbrown::HashMap;

const TEXT: u64 = 1 << 63;
const UNNAMED: u64 = 1 << 62;

/// An event id in eight bytes; a text is named by its place in the [`Texts`] that it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct IdCode(pub(super) u64);

/// An event id on its own, in the order of its text; events without an id come last, by their place in the
/// log.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum EventId {
    /// A whole number below 2^62 as one writes it: no sign, no zeros in front.
    Number(u64),
    Text(Arc<str>),
    /// Had no id: its place in the log.
    Unnamed(u64),
}

/// The id texts of one batch or of one part of the log; each stands there once.
#[derive(Debug, Clone, Default)]
pub struct Texts {
    all: Vec<Arc<str>>,
    places: HashMap<Arc<str>, u32>,
}

impl IdCode {
    /// The code of an id text, which is kept in `texts` if it is no number.
    pub fn of(id: &str, texts: &mut Texts) -> IdCode {
        match number(id) {
            Some(number) => IdCode(number),
            None => IdCode(TEXT | texts.place(&Arc::from(id)) as u64),
        }
    }

    /// The code of a number below 2^62, as its decimal text names it.
    pub fn number(number: u64) -> IdCode {
        IdCode(number & !(TEXT | UNNAMED))
    }

    /// The code of an event without an id: `place` in the log, below 2^62 and never used twice.
    pub fn unnamed(place: u64) -> IdCode {
        IdCode(UNNAMED | (place & !(TEXT | UNNAMED)))
    }

    /// Is it a place in [`Texts`]?
    pub(super) fn is_text(self) -> bool {
        self.0 & TEXT != 0
    }

    /// Its place in [`Texts`], if it is one.
    pub(super) fn text_place(self) -> Option<usize> {
        self.is_text().then_some((self.0 & !TEXT) as usize)
    }

    /// The same id, named in other texts.
    pub(super) fn moved(self, from: &Texts, to: &mut Texts) -> IdCode {
        match from.text(self) {
            Some(text) => IdCode(TEXT | to.place(text) as u64),
            None => self,
        }
    }

    /// The id on its own.
    pub(super) fn whole(self, texts: &Texts) -> EventId {
        match texts.text(self) {
            Some(text) => EventId::Text(text.clone()),
            None if self.0 & UNNAMED != 0 => EventId::Unnamed(self.0 & !UNNAMED),
            None => EventId::Number(self.0),
        }
    }

    /// The order of two ids of the same texts.
    pub(super) fn order(self, other: IdCode, texts: &Texts) -> Ordering {
        if self == other {
            return Ordering::Equal;
        }
        if (self.0 | other.0) & (TEXT | UNNAMED) == 0 {
            return as_texts(self.0, other.0);
        }
        self.whole(texts).cmp(&other.whole(texts))
    }
}

impl Texts {
    fn place(&mut self, text: &Arc<str>) -> u32 {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        let place = self.all.len() as u32;
        self.all.push(text.clone());
        self.places.insert(text.clone(), place);
        place
    }

    fn text(&self, code: IdCode) -> Option<&Arc<str>> {
        code.text_place().and_then(|place| self.all.get(place))
    }

    /// All texts, by place.
    pub(super) fn all(&self) -> &[Arc<str>] {
        &self.all
    }

    /// The texts whose places are their order in the list.
    pub(super) fn of(all: Vec<Arc<str>>) -> Texts {
        let places = all.iter().enumerate().map(|(place, text)| (text.clone(), place as u32)).collect();
        Texts { all, places }
    }
}

impl EventId {
    /// The id that a text names.
    pub fn of(id: &str) -> EventId {
        number(id).map_or_else(|| EventId::Text(Arc::from(id)), EventId::Number)
    }
}

impl Ord for EventId {
    fn cmp(&self, other: &EventId) -> Ordering {
        use EventId::*;
        match (self, other) {
            (Unnamed(a), Unnamed(b)) => a.cmp(b),
            (Unnamed(_), _) => Ordering::Greater,
            (_, Unnamed(_)) => Ordering::Less,
            (Text(a), Text(b)) => a.cmp(b),
            (Number(a), Number(b)) => as_texts(*a, *b),
            (Number(a), Text(b)) => a.to_string().as_str().cmp(b),
            (Text(a), Number(b)) => (**a).cmp(b.to_string().as_str()),
        }
    }
}

impl PartialOrd for EventId {
    fn partial_cmp(&self, other: &EventId) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl std::fmt::Display for EventId {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            EventId::Number(number) => write!(f, "{number}"),
            EventId::Text(text) => f.write_str(text),
            EventId::Unnamed(place) => write!(f, "#{place}"),
        }
    }
}

/// The order of the decimal texts of two numbers: `10` is before `9`, and `1` before `10`.
fn as_texts(a: u64, b: u64) -> Ordering {
    let digits = |n: u64| n.checked_ilog10().unwrap_or(0);
    let (long, short) = (digits(a).max(digits(b)), digits(a).min(digits(b)));
    let scaled = |n: u64| if digits(n) == long { n as u128 } else { n as u128 * 10u128.pow(long - short) };
    scaled(a).cmp(&scaled(b)).then(digits(a).cmp(&digits(b)))
}

/// `12` but not `012`, `+12`, `1e3` or a number of 2^62 and more: they stay texts.
fn number(id: &str) -> Option<u64> {
    let is_plain = id.bytes().all(|b| b.is_ascii_digit()) && (id == "0" || !id.starts_with('0'));
    if !is_plain {
        return None;
    }
    id.parse().ok().filter(|number| number & (TEXT | UNNAMED) == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_told_apart_and_ordered_as_texts() {
        let ids = ["", "0", "007", "10", "9", "9223372036854775808", "a", "订单"];
        let mut texts = Texts::default();
        let codes = ids.map(|id| IdCode::of(id, &mut texts));
        for (i, a) in ids.iter().enumerate() {
            assert_eq!(codes[i].whole(&texts).to_string(), *a);
            for (j, b) in ids.iter().enumerate() {
                assert_eq!(codes[i].order(codes[j], &texts), a.cmp(b), "{a} {b}");
            }
        }
    }

    #[test]
    fn numbers_lie_in_the_order_of_their_texts() {
        let all = [0, 1, 2, 9, 10, 11, 12, 19, 90, 99, 100, 101, 120, 999, 1_000, u64::MAX >> 2];
        for a in all {
            for b in all {
                assert_eq!(as_texts(a, b), a.to_string().cmp(&b.to_string()), "{a} {b}");
            }
        }
    }

    #[test]
    fn events_without_an_id_come_last_in_the_order_of_the_log() {
        let texts = Texts::default();
        assert_eq!(IdCode::unnamed(9).order(IdCode::unnamed(10), &texts), Ordering::Less);
        assert_eq!(IdCode::unnamed(0).order(IdCode::number(10), &texts), Ordering::Greater);
    }
}
