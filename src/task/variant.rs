//! Which of several contents does a user get? Variants for A/B tests, by a stable hash.

use toml::Spanned;
use toml::de::DeValue;

use crate::base::{Problem, Share, place_of};

use super::content::Content;
use super::file::json_of;
use super::limit_file::repeated;
use super::reader::{Field, Reader, Section, span_of};

const VARIANT: &[&str] = &["name", "share", "content"];
const WHOLE: u32 = 1_000_000;

/// One content of several.
#[derive(Debug, Clone, PartialEq)]
pub struct Variant {
    pub name: String,
    pub share: Share,
    /// The task's content, with what the variant says over it.
    pub content: Content,
}

/// The variant of a task that a user gets: the same one for ever. `None` without variants.
pub fn variant_of<'v>(variants: &'v [Variant], task: &str, user_id: &str) -> Option<&'v Variant> {
    let place = place_of(&format!("variant {task}"), user_id);
    let mut end = 0;
    variants.iter().find(|variant| {
        end += variant.share.0;
        place < end
    })
}

/// `[[dispatch.variants]]`; mistakes are noted. Each content lies over `base`.
pub(super) fn read(reader: &mut Reader, dispatch: &Section, base: &Content) -> Vec<Field<Variant>> {
    let Some(value) = dispatch.value("variants") else { return Vec::new() };
    let wanted =
        "a list of variants such as [{ name = \"A\", share = \"50%\", content = { template = \"…\" } }]";
    let Some(items) = value.get_ref().as_array() else {
        return reader.wrong("variants", value, wanted).unwrap_or_default();
    };
    let read: Vec<Option<Field<Variant>>> =
        items.iter().map(|item| variant(reader, item, base, wanted)).collect();
    let all: Option<Vec<Field<Variant>>> = read.into_iter().collect();
    let Some(all) = all else { return Vec::new() };
    if let Some(what) = mistake(&all).filter(|_| !all.is_empty()) {
        let cure = "give each variant its own name, and shares that make 100% together";
        reader.report(Problem::author("TSK-063", what).cure(cure), span_of(value));
    }
    all
}

fn mistake(all: &[Field<Variant>]) -> Option<String> {
    let sum: u64 = all.iter().map(|variant| u64::from(variant.value.share.0)).sum();
    if let Some(name) = repeated(all.iter().map(|variant| variant.value.name.as_str())) {
        return Some(format!("two variants are called `{name}`"));
    }
    (sum != u64::from(WHOLE))
        .then(|| format!("the shares of the variants make {}%, not 100%", sum as f64 / 10_000.0))
}

fn variant(
    reader: &mut Reader,
    item: &Spanned<DeValue>,
    base: &Content,
    wanted: &str,
) -> Option<Field<Variant>> {
    let Some(section) = Section::of("variants", item) else { return reader.wrong("variants", item, wanted) };
    reader.keys(&section, VARIANT, &|_| None);
    let name = reader.text(&section, "name").filter(|name| !name.value.trim().is_empty());
    let name = reader.required(&section, "name", name);
    let share = share(reader, &section);
    let mut content = base.clone();
    let inner = section.inner("content", reader);
    reader.text(&inner, "template");
    let own = section.value("content").map(json_of);
    content.0.extend(own.as_ref().and_then(|own| own.as_object()).cloned().unwrap_or_default());
    let value = Variant { name: name?.value.trim().to_string(), share: share?, content };
    Some(Field { value, span: span_of(item) })
}

fn share(reader: &mut Reader, section: &Section) -> Option<Share> {
    let field = reader.text(section, "share");
    let field = reader.required(section, "share", field)?;
    let share = Share::parse(&field.value).filter(|share| share.0 > 0);
    if share.is_none() {
        let what = format!("`share` is `{}`; it must be a share above 0% up to 100%", field.value);
        reader.report(Problem::author("TSK-004", what).cure("write share = \"50%\""), field.span);
    }
    share
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variants(shares: &[u32]) -> Vec<Variant> {
        let of = |(n, share): (usize, &u32)| Variant {
            name: format!("v{n}"),
            share: Share(*share),
            content: Content::default(),
        };
        shares.iter().enumerate().map(of).collect()
    }

    #[test]
    fn everyone_has_one_variant_and_keeps_it() {
        let two = variants(&[300_000, 700_000]);
        let names: Vec<&str> =
            (0..10_000).map(|n| variant_of(&two, "t1", &format!("u{n}")).unwrap().name.as_str()).collect();
        let first = names.iter().filter(|name| **name == "v0").count();
        assert!((2_800..3_200).contains(&first), "{first}");
        assert_eq!(variant_of(&two, "t1", "u7"), variant_of(&two, "t1", "u7"));
        let other = (0..1_000)
            .filter(|n| variant_of(&two, "t1", &format!("u{n}")) != variant_of(&two, "t2", &format!("u{n}")));
        assert!(other.count() > 100, "another task deals anew");
        assert_eq!(variant_of(&[], "t1", "u7"), None);
    }
}
