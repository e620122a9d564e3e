//! Can every problem be looked up? Codes in `src`, their pages in `docs/errors`, the tests that show them.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Source, regex};

/// Codes that no test can show: the program should have made them impossible.
const NEVER_SHOWN: [&str; 1] = ["BUG-001"];

/// Codes without a page, pages without a code, pages that do not say cause and cure.
pub fn pages(program: &[Source], pages: &[Source]) -> Vec<String> {
    let codes = codes(program);
    let titles: BTreeSet<&str> = pages.iter().map(title_of_file).collect();
    let unwritten = codes.iter().filter(|(code, _)| !titles.contains(code.as_str()));
    let mut found: Vec<String> =
        unwritten.map(|(code, at)| format!("{at}: no page docs/errors/{code}.md")).collect();
    found.extend(pages.iter().flat_map(|page| page_findings(page, codes.contains_key(title_of_file(page)))));
    found
}

/// Codes that stand in no test, neither in `program` nor in the files of `tests`.
pub fn shown(program: &[Source], tests: &[Source]) -> Vec<String> {
    let mut said: BTreeSet<String> =
        program.iter().flat_map(|s| in_tests(s, true)).map(|(_, code)| code).collect();
    said.extend(tests.iter().filter(|t| !t.path.starts_with("tests/house")).flat_map(|t| any_code(&t.text)));
    said.extend(NEVER_SHOWN.map(String::from));
    let silent = codes(program).into_iter().filter(|(code, _)| !said.contains(code));
    silent.map(|(code, at)| format!("{at}: no test shows {code}")).collect()
}

/// Code -> the first place outside tests that says it.
fn codes(program: &[Source]) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for source in program {
        for (at, code) in in_tests(source, false) {
            all.entry(code).or_insert_with(|| source.place(at));
        }
    }
    all
}

/// The codes in strings of a file's tests, or of its other code.
fn in_tests(source: &Source, in_tests: bool) -> Vec<(usize, String)> {
    let literal = regex(r#"[A-Z]{3}-\d{3}"#);
    let found = literal.find_iter(&source.worded);
    let fitting =
        found.filter(|m| source.is_test(m.start()) == in_tests && (in_tests || opens_string(source, m)));
    fitting.map(|m| (m.start(), m.as_str().to_string())).collect()
}

/// A code that is a string of its own, or the first word of one.
fn opens_string(source: &Source, found: &regex::Match) -> bool {
    source.worded[..found.start()].ends_with('"') && source.worded[found.end()..].starts_with(['"', ' '])
}

fn any_code(text: &str) -> Vec<String> {
    regex(r"[A-Z]{3}-\d{3}").find_iter(text).map(|m| m.as_str().to_string()).collect()
}

/// `docs/errors/SEL-014.md` -> `SEL-014`.
fn title_of_file(page: &Source) -> &str {
    page.path.rsplit('/').next().unwrap_or_default().trim_end_matches(".md")
}

fn page_findings(page: &Source, is_used: bool) -> Vec<String> {
    let code = title_of_file(page);
    let title = format!("# {code}: ");
    let has_line = |line: &str| page.text.lines().any(|l| l.trim_end() == line);
    let wrong = [
        (!is_used, format!("{code} stands nowhere in src")),
        (!page.text.starts_with(&title), format!("the first line is not `{title}…`")),
        (!has_line("## Cause"), "has no line `## Cause`".to_string()),
        (!has_line("## Cure"), "has no line `## Cure`".to_string()),
    ];
    wrong.into_iter().filter(|(is, _)| *is).map(|(_, what)| format!("{}:1: {what}", page.path)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# STO-001: a page\n\n## Cause\nx\n\n## Cure\ny\n";

    fn program(text: &str) -> [Source; 1] {
        [Source::new("src/store/x.rs", text)]
    }

    fn page(text: &str) -> [Source; 1] {
        [Source::new("docs/errors/STO-001.md", text)]
    }

    #[test]
    fn a_code_without_a_page_and_a_page_without_a_code_are_found() {
        let one = program("//! STO-002\nProblem::data(\"STO-001\", \"here STO-003 is only a word\");");
        assert!(pages(&one, &page(GOOD)).is_empty());
        assert_eq!(pages(&one, &[]), ["src/store/x.rs:2: no page docs/errors/STO-001.md"]);
        assert_eq!(
            pages(&program(""), &page(GOOD)),
            ["docs/errors/STO-001.md:1: STO-001 stands nowhere in src"]
        );
    }

    #[test]
    fn a_page_without_cause_and_cure_is_found() {
        assert_eq!(pages(&program("\"STO-001\""), &page("# STO-001 a page\n")).len(), 3);
    }

    #[test]
    fn a_code_that_no_test_shows_is_found() {
        let silent = program("\"STO-001\"; \"BUG-001\"");
        assert_eq!(shown(&silent, &[]), ["src/store/x.rs:1: no test shows STO-001"]);
        assert!(shown(&silent, &[Source::new("tests/it/x.rs", "expect(\"error STO-001\")")]).is_empty());
        assert_eq!(shown(&silent, &[Source::new("tests/house/codes.rs", "\"STO-001\"")]).len(), 1);
        assert!(shown(&program("\"STO-001\"; #[cfg(test)]\nmod tests { \"STO-001\" }"), &[]).is_empty());
    }

    #[test]
    fn made_up_codes_in_tests_need_no_page() {
        assert!(pages(&program("#[cfg(test)]\nmod tests { \"STO-999\" }"), &[]).is_empty());
    }
}
