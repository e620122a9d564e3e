//! Is the code small enough to read? Length of files, their first words, length of functions.

use crate::source::{Source, item_end, regex};

/// A file that is longer has two subjects.
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MEDIAN_MAX: usize = 10;
/// How many of the longest functions are named when the median is too high.
const LONGEST_SHOWN: usize = 10;

/// Files that are too long, or do not open with their question (`//!`).
pub fn files(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(|s| [too_long(s), unopened(s)]).flatten().collect()
}

/// The longest functions, if the median over all functions outside tests is too high.
pub fn functions(sources: &[Source]) -> Vec<String> {
    let mut all: Vec<(usize, String)> = sources.iter().flat_map(functions_of).collect();
    all.sort_by(|a, b| b.cmp(a));
    let Some((median, _)) = all.get(all.len() / 2) else { return Vec::new() };
    if *median <= FUNCTION_LINES_MEDIAN_MAX {
        return Vec::new();
    }
    let head =
        format!("the median of {} functions is {median} lines, not {FUNCTION_LINES_MEDIAN_MAX}", all.len());
    let longest = all.iter().take(LONGEST_SHOWN).map(|(lines, place)| format!("{place}: {lines} lines"));
    std::iter::once(head).chain(longest).collect()
}

fn too_long(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    (lines >= FILE_LINES_MAX)
        .then(|| format!("{}:1: has {lines} lines; keep it under {FILE_LINES_MAX}", source.path))
}

fn unopened(source: &Source) -> Option<String> {
    let is_open = source.text.starts_with("//!");
    (!is_open).then(|| format!("{}:1: does not open with `//!` and its question", source.path))
}

/// Lines and place of every function outside tests.
fn functions_of(source: &Source) -> Vec<(usize, String)> {
    let head =
        regex(r"(?m)^[ \t]*(?:pub(?:\([^)]*\))?\s+)?(?:(?:const|async|unsafe|default|extern)\s+)*fn\s+\w+");
    let own = head.find_iter(&source.code).filter(|m| !source.is_test(m.end()));
    own.filter_map(|m| {
        Some((lines(&source.code[m.start()..item_end(&source.code, m.end())])?, source.place(m.end())))
    })
    .collect()
}

/// None for a function without a body, as traits declare them.
fn lines(function: &str) -> Option<usize> {
    function.ends_with('}').then(|| function.trim_start().lines().count())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("src/base/x.rs", text)
    }

    #[test]
    fn a_long_file_without_a_question_has_two_findings() {
        assert_eq!(files(&[source(&"fn a() {}\n".repeat(600))]).len(), 2);
        assert!(files(&[source(&format!("//! Why?\n{}", "fn a() {}\n".repeat(598)))]).is_empty());
    }

    #[test]
    fn functions_are_measured_from_head_to_last_bracket() {
        let text = "trait A {\n    fn a(x: [u8; 4]) -> u8;\n}\n\npub(crate) async fn b(\n    x: [u8; 4],\n) {\n    \"}\";\n}\n";
        assert_eq!(functions_of(&source(text)), [(5, "src/base/x.rs:5".to_string())]);
    }

    #[test]
    fn long_functions_are_found_and_long_tests_are_not() {
        let long = format!("fn a() {{\n{}}}\n", "    b();\n".repeat(9));
        assert_eq!(functions(&[source(&long)]).len(), 2);
        assert!(functions(&[source(&format!("#[cfg(test)]\nmod tests {{\n{long}}}\n"))]).is_empty());
        assert!(functions(&[source(&long), source("fn b() {}"), source("fn c() {}")]).is_empty());
    }
}
