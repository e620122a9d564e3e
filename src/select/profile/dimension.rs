//! How is it written by what to count? `gender,province,city*vip_level,balance:20`.

use super::CROSSED_MAX;

/// Bins that may be asked for.
const BINS_MAX: u32 = 1_000;

/// One thing to count by: a column, or several crossed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dimension {
    /// As it was written, without outer blanks.
    pub text: String,
    pub axes: Vec<AxisName>,
}

/// A column's name, and how many bins it should have about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AxisName {
    pub name: String,
    pub bins: Option<u32>,
}

/// Reads dimensions: `,` between them, `*` between the columns of one, `:20` after a column for the
/// number of bins; a name with such a sign in it stands in `"…"`, doubled to escape.
/// Errors: words for the usage message.
pub fn dimensions(text: &str) -> Result<Vec<Dimension>, String> {
    split(text, &[',', '，'])?.into_iter().map(dimension).collect()
}

fn dimension(text: &str) -> Result<Dimension, String> {
    let axes: Vec<AxisName> = split(text, &['*', '×'])?.into_iter().map(axis).collect::<Result<_, _>>()?;
    match axes.len() {
        n if n > CROSSED_MAX => Err(format!("`{text}` crosses {n} columns; at most {CROSSED_MAX} can be")),
        _ => Ok(Dimension { text: text.to_string(), axes }),
    }
}

fn axis(text: &str) -> Result<AxisName, String> {
    let (name, bins) = match text.rsplit_once(':') {
        Some((name, number)) if is_number(number) => (name.trim(), Some(bins(text, number)?)),
        _ => (text, None),
    };
    let quoted = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    let name = quoted.map_or(name.to_string(), |inner| inner.replace("\"\"", "\""));
    if name.is_empty() {
        return Err(format!("`{text}` names no attribute"));
    }
    Ok(AxisName { name, bins })
}

fn is_number(text: &str) -> bool {
    !text.trim().is_empty() && text.trim().chars().all(|c| c.is_ascii_digit())
}

fn bins(axis: &str, number: &str) -> Result<u32, String> {
    let number = number.trim().parse().ok().filter(|bins| (1..=BINS_MAX).contains(bins));
    number.ok_or_else(|| format!("`{axis}` should have between 1 and {BINS_MAX} bins"))
}

/// The parts between separators that stand outside quotes, without outer blanks; none is empty.
fn split<'t>(text: &'t str, separators: &[char]) -> Result<Vec<&'t str>, String> {
    let (mut parts, mut from, mut is_quoted) = (vec![], 0, false);
    for (at, c) in text.char_indices() {
        match c {
            '"' => is_quoted = !is_quoted,
            c if separators.contains(&c) && !is_quoted => {
                parts.push(text[from..at].trim());
                from = at + c.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(text[from..].trim());
    match is_quoted {
        true => Err(format!("a quote is not closed in `{text}`")),
        false if parts.contains(&"") => {
            Err(format!("a name is missing in `{text}`; write gender,city*vip_level"))
        }
        false => Ok(parts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Vec<Vec<(String, Option<u32>)>> {
        let read = dimensions(text).unwrap();
        read.into_iter().map(|d| d.axes.into_iter().map(|a| (a.name, a.bins)).collect()).collect()
    }

    #[test]
    fn dimensions_are_read_with_their_crossings_bins_and_quotes() {
        let one = |name: &str| (name.to_string(), None);
        assert_eq!(
            names("gender, 省份，city*vip"),
            [vec![one("gender")], vec![one("省份")], vec![one("city"), one("vip")]]
        );
        assert_eq!(names("balance:20"), [[("balance".to_string(), Some(20))]]);
        assert_eq!(names(r#""a,b*c:2",""" q""#), [[one("a,b*c:2")], [one("\" q")]]);
        assert_eq!(names("a:b"), [[one("a:b")]], "what follows is no number");
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for bad in ["", ",", "a,,b", "a*", "a:0", "a:1001", "a*b*c*d", "\"a", ":3"] {
            assert!(dimensions(bad).is_err(), "{bad}");
        }
    }
}
