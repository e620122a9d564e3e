//! A tag: the value that the user has.

use super::person::Person;
use super::{Facts, TagFacts};
use crate::base::Outcome;
use crate::select::ast::Comparison;

/// Truth and value of a comparison on an attribute.
pub fn facts(comparison: &Comparison, person: &Person) -> Outcome<(bool, Facts)> {
    let tested = person.tested(comparison, &person.catalog().attributes, "SEL-101", "tag")?;
    let value = person.attribute(&tested.column)?;
    let holds = tested.settled.fits(value.as_ref(), &person.zone);
    Ok((holds, Facts::Tag(TagFacts { tag: tested.column, value, span: tested.span })))
}
