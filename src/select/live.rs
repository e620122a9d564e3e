//! Which live events fit `EVENT [where FILTER]`? Read once, asked of every batch; one bit a row.
//!
//! A batch has the columns that its events had, so a filter is bound anew whenever the columns that
//! it reads come with other types: a column that is not there is missing in every row, one of another
//! type than the test's satisfies nothing. For the same events this gives exactly the rows that
//! `did EVENT where FILTER` counts once they are stored.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::ast::{Filter, Step};
use super::bind::Binder;
use super::bound::{BoundFilter, BoundStep, RowWithin, Tested};
use super::column;
use super::filter::{Filtered, passing};
use super::text::read_step;
use super::unseen::{Unseen, implies};
use crate::base::{Name, Outcome, Problem, Problems, Timestamp, Type, Zone};
use crate::store::{Catalog, Column, Snapshot};

/// `EVENT [where FILTER]`, ready to be asked of batches.
#[derive(Debug, Clone)]
pub struct Predicate {
    step: Step,
    /// The event's real name; `None` is any event.
    event: Option<String>,
    /// The properties and the users' tags that the filter reads.
    properties: Vec<String>,
    tags: Vec<String>,
    /// Aliases, and the tags there are.
    catalog: Arc<Catalog>,
    zone: Zone,
    fitted: Option<Fitted>,
}

/// The filter for columns of these types.
#[derive(Debug, Clone)]
struct Fitted {
    types: Vec<Option<Type>>,
    filter: BoundFilter,
    is_timed: bool,
}

impl Predicate {
    /// Reads `EVENT [where FILTER]`, and warns of names that nobody has seen yet (SEL-160).
    /// Errors: all mistakes at once, SEL-001 to SEL-013 of reading, SEL-101 to SEL-113 of names and
    /// types, each with its bytes in `span`.
    pub fn read(text: &str, snapshot: &Snapshot) -> Result<(Predicate, Vec<Problem>), Problems> {
        let step = read_step(text)?;
        let zone = snapshot.zone();
        let binder = Binder::new(snapshot.catalog(), zone, Unseen::Warned);
        let (bound, warnings) = binder.step_alone(&step)?;
        let mut predicate = Predicate {
            step,
            event: None,
            properties: vec![],
            tags: vec![],
            catalog: Arc::new(names_of(snapshot.catalog())),
            zone,
            fitted: None,
        };
        predicate.name(bound);
        Ok((predicate, warnings))
    }

    fn name(&mut self, bound: BoundStep) {
        let once = |names: &mut Vec<String>, name: &str| {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_string());
            }
        };
        self.event = bound.event;
        if let Some(filter) = bound.filter {
            filter.columns(&mut |name| once(&mut self.properties, name));
            filter.tags(&mut |name| once(&mut self.tags, name));
        }
    }

    /// The event that it takes; `None` is any.
    pub fn event(&self) -> Option<&str> {
        self.event.as_deref()
    }

    /// The text in one canonical spelling: equal texts take equal events.
    pub fn text(&self) -> String {
        self.step.to_string()
    }

    /// The properties that the filter reads.
    pub fn properties(&self) -> &[String] {
        &self.properties
    }

    /// The tags that the filter reads of the users who did the events.
    pub fn tags(&self) -> &[String] {
        &self.tags
    }

    /// Does it surely take every event that `inner` takes? False where that cannot be told.
    pub fn contains(&self, inner: &Predicate) -> bool {
        let is_event = self.event.is_none() || self.event == inner.event;
        is_event
            && match (&self.step.filter, &inner.step.filter) {
                (None, _) => true,
                (Some(_), None) => false,
                (Some(outer), Some(inner)) => implies(inner, outer),
            }
    }

    /// The events that fit. Shape: one bit per row. Errors: a bug only.
    pub fn test(&mut self, rows: &LiveRows) -> Outcome<BooleanBuffer> {
        let wanted = rows.of_event(self.event());
        let Some(filter) = self.step.filter.clone() else { return Ok(wanted) };
        if wanted.count_set_bits() == 0 {
            return Ok(wanted);
        }
        let fitted = self.fit(&filter, rows)?;
        let asked = Asked { rows, wanted: &wanted, is_timed: fitted.is_timed };
        let passed = passing(&fitted.filter, &asked, &rows.zone);
        Ok(&wanted & &passed)
    }

    /// The filter bound to the columns of a batch.
    fn fit(&mut self, filter: &Filter, rows: &LiveRows) -> Outcome<&Fitted> {
        let types: Vec<Option<Type>> = self.properties.iter().map(|name| rows.type_of(name)).collect();
        let fitted = match self.fitted.take().filter(|fitted| fitted.types == types) {
            Some(fitted) => fitted,
            None => self.fitted_to(filter, types)?,
        };
        Ok(self.fitted.insert(fitted))
    }

    fn fitted_to(&self, filter: &Filter, types: Vec<Option<Type>>) -> Outcome<Fitted> {
        let named = self.properties.iter().zip(&types);
        let column = |(name, type_of): (&String, &Option<Type>)| {
            Some(Column { name: name.clone(), type_of: (*type_of)? })
        };
        let columns: Vec<Column> = named.filter_map(column).collect();
        let mut binder = Binder::new(&self.catalog, self.zone, Unseen::Silent);
        let bound = binder.filter(filter, &columns, "property");
        let filter =
            bound.ok_or_else(|| Problem::bug(format!("`{}` cannot be bound any more", self.step)))?;
        let mut is_timed = false;
        filter.tests(&mut |tested| is_timed |= tested.check.is_timed());
        Ok(Fitted { types, filter, is_timed })
    }
}

/// What a binder asks of the catalog when batches come: no facts, and no properties.
fn names_of(catalog: &Catalog) -> Catalog {
    Catalog { attributes: catalog.attributes.clone(), aliases: catalog.aliases.clone(), ..Catalog::default() }
}

/// The property in which B must equal A, by its real name, with a warning when nobody has seen it.
/// Errors: SEL-113 for a list.
pub fn same_property(name: &str, snapshot: &Snapshot) -> Result<(String, Vec<Problem>), Problems> {
    Binder::new(snapshot.catalog(), snapshot.zone(), Unseen::Warned).same_alone(&Name::new(name))
}

/// The instant of evaluation, for windows in filters (`in last 7 days`, `within 2 days of …`).
#[derive(Debug, Clone, Copy)]
pub enum AsOf<'a> {
    /// Each event is looked at as of its own time, so that a replay gives the same bits.
    Own(&'a Int64Array),
    /// All as of one instant.
    At(Timestamp),
}

/// Looks up the instant in a tag of the user who did a row.
pub type TagOf<'a> = &'a dyn Fn(&str, usize) -> Option<Timestamp>;

/// One batch of live events, made ready once for all predicates.
pub struct LiveRows<'a> {
    columns: &'a RecordBatch,
    /// The number of each row's event name.
    codes: Vec<u32>,
    numbers: HashMap<&'a str, u32>,
    as_of: AsOf<'a>,
    tag: TagOf<'a>,
    zone: Zone,
}

impl<'a> LiveRows<'a> {
    /// Events with their other columns, of one length, as `ingest` checks them. `tag` is asked only
    /// for predicates that have [`Predicate::tags`].
    pub fn new(
        events: &'a StringArray,
        columns: &'a RecordBatch,
        as_of: AsOf<'a>,
        tag: TagOf<'a>,
        zone: Zone,
    ) -> LiveRows<'a> {
        let mut numbers: HashMap<&str, u32> = HashMap::new();
        let mut last = ("", u32::MAX);
        let mut code = |name: &'a str| {
            if last.0 != name || last.1 == u32::MAX {
                let next = numbers.len() as u32;
                last = (name, *numbers.entry(name).or_insert(next));
            }
            last.1
        };
        let codes = (0..events.len()).map(|row| code(events.value(row))).collect();
        LiveRows { columns, codes, numbers, as_of, tag, zone }
    }

    /// The same for `rows` events that all have one name.
    pub fn of_one(
        event: &'a str,
        rows: usize,
        columns: &'a RecordBatch,
        as_of: AsOf<'a>,
        tag: TagOf<'a>,
        zone: Zone,
    ) -> LiveRows<'a> {
        let numbers = HashMap::from([(event, 0)]);
        LiveRows { columns, codes: vec![0; rows], numbers, as_of, tag, zone }
    }

    /// The events' names with their numbers in [`LiveRows::codes`].
    pub fn numbers(&self) -> &HashMap<&'a str, u32> {
        &self.numbers
    }

    /// The number of each row's event.
    pub fn codes(&self) -> &[u32] {
        &self.codes
    }

    fn of_event(&self, event: Option<&str>) -> BooleanBuffer {
        let len = self.codes.len();
        let Some(event) = event else { return BooleanBuffer::new_set(len) };
        match self.numbers.get(event) {
            Some(number) => super::bits::bits(&self.codes, |code| code == *number),
            None => BooleanBuffer::new_unset(len),
        }
    }

    fn type_of(&self, name: &str) -> Option<Type> {
        type_in(self.columns.column_by_name(name)?.data_type())
    }

    fn instant(&self, row: usize) -> Timestamp {
        match self.as_of {
            AsOf::At(at) => at,
            AsOf::Own(times) => Timestamp(times.values().get(row).copied().unwrap_or(i64::MIN)),
        }
    }
}

/// The type of a checked column, or of one as the store keeps it.
fn type_in(data_type: &DataType) -> Option<Type> {
    Some(match data_type {
        DataType::Utf8 => Type::Text,
        DataType::Dictionary(_, values) if **values == DataType::Utf8 => Type::Text,
        DataType::Int64 => Type::Integer,
        DataType::Float64 => Type::Float,
        DataType::Boolean => Type::Bool,
        DataType::Date32 => Type::Date,
        DataType::Timestamp(..) => Type::Instant,
        DataType::List(_) => Type::List,
        _ => return None,
    })
}

/// The rows as one filter asks them.
struct Asked<'a> {
    rows: &'a LiveRows<'a>,
    /// The rows whose bits matter.
    wanted: &'a BooleanBuffer,
    is_timed: bool,
}

impl Filtered for Asked<'_> {
    fn row_count(&self) -> usize {
        self.rows.codes.len()
    }

    fn column(&self, name: &str) -> Option<&ArrayRef> {
        self.rows.columns.column_by_name(name)
    }

    fn tag(&self, name: &str, row: usize, _: &Zone) -> Option<Timestamp> {
        (self.rows.tag)(name, row)
    }

    fn test(&self, tested: &Tested, column: &ArrayRef, zone: &Zone) -> BooleanBuffer {
        if !(self.is_timed && tested.check.is_timed()) {
            return column::test(&tested.check, column, zone);
        }
        if let AsOf::At(at) = self.rows.as_of {
            return column::test(&tested.check.at(tested.type_of, at, zone), column, zone);
        }
        self.test_each(tested, column, zone)
    }

    fn until(&self, _: &RowWithin, row: usize) -> Timestamp {
        self.rows.instant(row)
    }
}

impl Asked<'_> {
    /// A window that is another one for each row.
    fn test_each(&self, tested: &Tested, column: &ArrayRef, zone: &Zone) -> BooleanBuffer {
        let mut last = None;
        BooleanBuffer::collect_bool(column.len(), |row| {
            let at = self.rows.instant(row);
            let check = match last.take() {
                _ if !self.wanted.value(row) => return false,
                Some((known, check)) if known == at => check,
                _ => tested.check.at(tested.type_of, at, zone),
            };
            let passes = column::test(&check, &column.slice(row, 1), zone).value(0);
            last = Some((at, check));
            passes
        })
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::{Float64Array, TimestampMillisecondArray};

    use super::*;
    use crate::store::Home;

    const HOUR_MS: i64 = 3_600_000;

    fn snapshot() -> Snapshot {
        let folder = tempfile::tempdir().unwrap();
        Home::at(folder.path(), "default").unwrap().snapshot().unwrap()
    }

    fn read(text: &str) -> Predicate {
        Predicate::read(text, &snapshot()).unwrap().0
    }

    fn bits(
        predicate: &mut Predicate,
        events: &[&str],
        columns: Vec<(&str, ArrayRef)>,
        as_of: AsOf,
    ) -> Vec<bool> {
        let events = StringArray::from(events.to_vec());
        // A batch has at least this column, so that it has its length.
        let own: (&str, ArrayRef) = ("event of the row", Arc::new(events.clone()));
        let columns = RecordBatch::try_from_iter(columns.into_iter().chain([own])).unwrap();
        let rows = LiveRows::new(&events, &columns, as_of, &|_, _| None, Zone::default());
        predicate.test(&rows).unwrap().iter().collect()
    }

    fn instants(values: &[i64]) -> ArrayRef {
        Arc::new(TimestampMillisecondArray::from(values.to_vec()).with_timezone("UTC"))
    }

    #[test]
    fn a_property_is_tested_as_the_batch_has_it() {
        let at = AsOf::At(Timestamp(0));
        let mut above = read("pay where amount > 100");
        let events = ["pay", "pay", "view"];
        let whole: ArrayRef = Arc::new(Int64Array::from(vec![Some(101), None, Some(500)]));
        let parts: ArrayRef = Arc::new(Float64Array::from(vec![100.0, 100.5, 500.0]));
        let texts: ArrayRef = Arc::new(StringArray::from(vec!["101", "x", "500"]));
        assert_eq!(bits(&mut above, &events, vec![("amount", whole.clone())], at), [true, false, false]);
        assert_eq!(bits(&mut above, &events, vec![("amount", parts)], at), [false, true, false]);
        assert_eq!(bits(&mut above, &events, vec![("amount", texts)], at), [false; 3]);
        assert_eq!(bits(&mut above, &events, vec![], at), [false; 3]);
        assert_eq!(bits(&mut above, &events, vec![("amount", whole)], at), [true, false, false]);
        assert_eq!(bits(&mut read("any where amount is missing"), &events, vec![], at), [true; 3]);
        assert_eq!(bits(&mut read("任意"), &events, vec![], at), [true; 3]);
        assert_eq!(bits(&mut read("share"), &events, vec![], at), [false; 3]);
    }

    #[test]
    fn windows_are_looked_at_as_of_each_event() {
        let times = Int64Array::from(vec![HOUR_MS * 100, HOUR_MS * 100, HOUR_MS * 200]);
        let paid = instants(&[HOUR_MS * 99, HOUR_MS * 75, HOUR_MS * 199]);
        let mut last_day = read("pay where paid_at in last 1 days");
        let columns = || vec![("paid_at", paid.clone())];
        assert_eq!(bits(&mut last_day, &["pay"; 3], columns(), AsOf::Own(&times)), [true, false, true]);
        let one = AsOf::At(Timestamp(HOUR_MS * 100));
        assert_eq!(bits(&mut last_day, &["pay"; 3], columns(), one), [true, false, false]);
        let mut soon = read("pay where paid_at within 2 hours of ordered_at");
        let ordered = instants(&[HOUR_MS * 98, HOUR_MS * 73, HOUR_MS * 199]);
        let both = vec![("paid_at", paid.clone()), ("ordered_at", ordered)];
        assert_eq!(bits(&mut soon, &["pay"; 3], both, AsOf::Own(&times)), [true, false, true]);
    }

    #[test]
    fn names_not_seen_yet_are_warned_of_where_they_stand() {
        let (predicate, warnings) = Predicate::read("pay where 金额 > 1", &snapshot()).unwrap();
        let spans: Vec<_> = warnings.iter().map(|warning| (warning.code, warning.span)).collect();
        assert_eq!(spans, [("SEL-160", Some((0, 3))), ("SEL-160", Some((10, 16)))]);
        assert_eq!((predicate.event(), predicate.properties()), (Some("pay"), &["金额".to_string()][..]));
        assert!(Predicate::read("pay where", &snapshot()).is_err());
        assert!(Predicate::read("", &snapshot()).is_err());
        let (name, warnings) = same_property("order_id", &snapshot()).unwrap();
        assert_eq!((name.as_str(), warnings.len()), ("order_id", 1));
    }

    #[test]
    fn a_wider_filter_contains_a_narrower_one() {
        let contains = |outer: &str, inner: &str| read(outer).contains(&read(inner));
        assert!(
            contains("a", "a where x = 1")
                && contains("any", "a")
                && contains("a where x = 1", "a where x = 1")
        );
        assert!(contains("a where x = 1", "a where x = 1 and y = 2"));
        assert!(contains("a where x = 1 or y = 2", "a where y = 2"));
        assert!(contains("a where x = 1 or y = 2", "a where y = 2 or x = 1"));
        assert!(!contains("a where x = 1", "a") && !contains("a", "b") && !contains("a", "any"));
        assert!(!contains("a where x = 1 and y = 2", "a where x = 1"));
    }
}
