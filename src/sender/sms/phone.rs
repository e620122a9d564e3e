//! Is this a mobile number of mainland China, and which?

/// The eleven digits of a mainland mobile number, from what people write: `+86 138-0000-0000`,
/// `8613800000000`, `13800000000`. `None` for anything else: other countries need other templates.
pub fn mainland(text: &str) -> Option<String> {
    let is_filler = |c: char| c.is_whitespace() || matches!(c, '-' | '(' | ')' | '.');
    let kept: String = text.chars().filter(|c| !is_filler(*c)).collect();
    let prefixes = ["+86", "0086", "86", ""];
    let bare =
        prefixes.iter().filter_map(|prefix| kept.strip_prefix(prefix)).find(|rest| rest.len() == 11)?;
    let is_mobile = bare.bytes().all(|b| b.is_ascii_digit())
        && bare.starts_with('1')
        && bare.as_bytes().get(1).is_some_and(|second| (b'3'..=b'9').contains(second));
    is_mobile.then(|| bare.to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_number_is_written_in_many_ways() {
        for text in
            ["13800138000", "+8613800138000", "86 138 0013 8000", "0086-138-0013-8000", " 138.0013.8000 "]
        {
            assert_eq!(mainland(text).as_deref(), Some("13800138000"), "{text}");
        }
        for text in [
            "",
            "1380013800",
            "138001380000",
            "+1 2025550123",
            "12800138000",
            "一三八零零一三八零零零",
            "+85213800138000",
        ] {
            assert_eq!(mainland(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_breaks_it_and_what_it_gives_stays(text in ".{0,30}") {
            if let Some(phone) = mainland(&text) {
                prop_assert_eq!(phone.len(), 11);
                prop_assert_eq!(mainland(&phone), Some(phone));
            }
        }
    }
}
