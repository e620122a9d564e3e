//! How a mistake in a selection is told: where it stands, what was expected there, what to write.

use crate::base::{Problem, Problems, Span};

/// Words shown from the place of a problem, in characters; longer ones are cut with `…`.
const EXCERPT_MAX: usize = 60;

/// Problems told of one text; who has more has pasted something else.
pub(super) const PROBLEMS_MAX: usize = 100;

/// The same problem with `at` filled from its span: `file:line:column  the words there`.
///
/// Lines and columns count from 1, columns in characters. `file` is `selection` for what came from
/// the command line. A problem without a span stays as it is.
pub fn locate(text: &str, file: &str, problem: Problem) -> Problem {
    let Some((from, to)) = problem.span else { return problem };
    let before = text.get(..from.min(text.len())).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
    let words = excerpt(text.get(from..to).unwrap_or_default(), EXCERPT_MAX);
    problem.at(format!("{file}:{line}:{column}  {words}").trim_end())
}

/// [`locate`] for all problems of one text.
pub fn locate_all(text: &str, file: &str, problems: Problems) -> Problems {
    Problems(problems.0.into_iter().map(|problem| locate(text, file, problem)).collect())
}

/// The candidate most like `word`, if one is near enough to be what was meant.
pub(crate) fn near<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if word.len() > EXCERPT_MAX * 4 {
        return None;
    }
    let lower = word.to_lowercase();
    let far = 1 + word.chars().count() / 4;
    let distance = |name: &str| strsim::damerau_levenshtein(&lower, &name.to_lowercase());
    let scored = candidates.into_iter().map(|name| (distance(name), name));
    let (_, name) =
        scored.filter(|(d, name)| *d <= far && *d < name.chars().count()).min_by_key(|(d, _)| *d)?;
    Some(name)
}

/// The first line of `text`, at most `max` characters.
pub(super) fn excerpt(text: &str, max: usize) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(max) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_string(),
    }
}

/// A mistake of the author at a place in the text.
pub(super) fn mistake(code: &'static str, span: Span, what: String, cure: impl Into<String>) -> Problem {
    Problem::author(code, what).cure(cure).span(span)
}

/// `SEL-001`: there is nothing to read.
pub(super) fn empty(noun: &str, example: &str) -> Problem {
    let what = format!("the text is empty; expected {noun}");
    mistake("SEL-001", Span::default(), what, format!("write {noun} such as `{example}`"))
}

/// `SEL-012`: longer or deeper than the language allows.
pub(super) fn too_much(span: Span, what: String) -> Problem {
    let cure = "split it: save a part as a crowd and write `crowd 'its name'`";
    mistake("SEL-012", span, what, cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_count_lines_and_characters() {
        let text = "性别 = '女'\n且 年龄 >> 3";
        let from = text.find(">>").unwrap();
        let problem = mistake("SEL-005", Span { from, to: from + 2 }, "x".into(), "");
        assert_eq!(locate(text, "a.sel", problem).at, "a.sel:2:6  >>");
        let end = Span { from: text.len(), to: text.len() };
        assert_eq!(locate(text, "selection", mistake("SEL-005", end, "x".into(), "")).at, "selection:2:10");
    }

    #[test]
    fn near_names_are_near() {
        assert_eq!(near("adn", ["and", "or"]), Some("and"));
        assert_eq!(near("Gendr", ["gender", "city"]), Some("gender"));
        assert_eq!(near("xyz", ["gender", "city"]), None);
        assert_eq!(near("x", ["or", "is"]), None);
    }
}
