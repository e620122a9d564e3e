//! May we pass it on? Every dependency's licence, read as an expression, against a list.

use crate::dependencies::Package;

/// Licences that ask for no more than their text; every one of them was read before it came here.
const ALLOWED: [&str; 12] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "Unicode-3.0",
    "Zlib",
];

/// Packages whose licence is missing, or leaves no choice that is on the list.
pub fn check(packages: &[Package]) -> Vec<String> {
    packages.iter().filter_map(objection).collect()
}

fn objection(package: &Package) -> Option<String> {
    let Package { name, version, .. } = package;
    match package.licence.as_deref() {
        None => Some(format!("Cargo.lock: {name} {version} names no licence")),
        Some(said) if is_allowed(said) => None,
        Some(said) => Some(format!(
            "Cargo.lock: {name} {version} has licence `{said}`, not on the list in tests/house/licence.rs"
        )),
    }
}

/// `A OR (B AND C)`: one of two, both of two; `A/B` is the old way to say OR. What cannot be read is
/// not allowed.
fn is_allowed(expression: &str) -> bool {
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = words.as_slice();
    any(&mut rest).is_some_and(|is| is && rest.is_empty())
}

fn any(rest: &mut &[&str]) -> Option<bool> {
    let mut is = all(rest)?;
    while take(rest, "OR") {
        is |= all(rest)?;
    }
    Some(is)
}

fn all(rest: &mut &[&str]) -> Option<bool> {
    let mut is = one(rest)?;
    while take(rest, "AND") {
        is &= one(rest)?;
    }
    Some(is)
}

fn one(rest: &mut &[&str]) -> Option<bool> {
    if take(rest, "(") {
        let is = any(rest)?;
        return take(rest, ")").then_some(is);
    }
    let name = next(rest)?;
    if !take(rest, "WITH") {
        return Some(ALLOWED.contains(&name));
    }
    let exception = next(rest)?;
    Some(ALLOWED.contains(&format!("{name} WITH {exception}").as_str()))
}

fn next<'a>(rest: &mut &[&'a str]) -> Option<&'a str> {
    let (first, others) = rest.split_first()?;
    *rest = others;
    Some(first)
}

fn take(rest: &mut &[&str], word: &str) -> bool {
    let is_there = rest.first() == Some(&word);
    if is_there {
        *rest = &rest[1..];
    }
    is_there
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read() {
        let cases = [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0/Apache-2.0", true),
            ("MIT AND GPL-3.0", false),
            ("(MIT OR GPL-3.0) AND Unicode-3.0", true),
            ("MIT OR GPL-3.0 AND AGPL-3.0", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("GPL-2.0 WITH Classpath-exception-2.0", false),
            ("", false),
            ("(MIT", false),
            ("MIT MIT", false),
        ];
        for (expression, expected) in cases {
            assert_eq!(is_allowed(expression), expected, "{expression}");
        }
    }

    #[test]
    fn a_package_with_a_wrong_licence_or_none_is_found() {
        let package = |licence: Option<&str>| Package {
            name: "a".into(),
            version: "1.0.0".into(),
            source: None,
            licence: licence.map(String::from),
        };
        let found = check(&[package(None), package(Some("SSPL-1.0")), package(Some("ISC"))]);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
