//! What must no code say? The clock, chance and the environment below `main.rs`; marks of unfinished work anywhere.

use crate::source::Source;

/// They come in as arguments, so that a run can be repeated.
const OUTSIDE: [&str; 9] = [
    "SystemTime::now",
    "Instant::now",
    "Utc::now",
    "Local::now",
    "env::var",
    "env::args",
    "thread_rng",
    "rand::rng",
    "rand::random",
];
/// Code that is not there, or a test that does not run.
const UNFINISHED: [&str; 4] = ["todo!", "unimplemented!", "dbg!", "#[ignore"];

/// Uses of the clock, chance or the environment outside `main.rs` and tests.
pub fn outside_world(sources: &[Source]) -> Vec<String> {
    let below = sources.iter().filter(|s| s.path != "src/main.rs");
    below
        .flat_map(|s| uses(s, &OUTSIDE, false))
        .map(|f| format!("{f}; only main.rs may, and hands it in"))
        .collect()
}

/// Marks of unfinished work, in tests too.
pub fn unfinished(sources: &[Source]) -> Vec<String> {
    sources.iter().flat_map(|s| uses(s, &UNFINISHED, true)).collect()
}

fn uses(source: &Source, needles: &[&str], in_tests: bool) -> Vec<String> {
    let mut found: Vec<(usize, &str)> = needles.iter().flat_map(|n| source.code.match_indices(n)).collect();
    found.retain(|(at, _)| is_word_start(&source.code, *at) && (in_tests || !source.is_test(*at)));
    found.sort();
    found.into_iter().map(|(at, needle)| format!("{}: says `{needle}`", source.place(at))).collect()
}

fn is_word_start(code: &str, at: usize) -> bool {
    !code[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_clock_is_found_outside_main_and_tests() {
        let text = "fn a() { Instant::now() }\n#[cfg(test)]\nmod tests { fn b() { Instant::now() } }";
        let found = outside_world(&[Source::new("src/store/x.rs", text), Source::new("src/main.rs", text)]);
        assert_eq!(found, ["src/store/x.rs:1: says `Instant::now`; only main.rs may, and hands it in"]);
    }

    #[test]
    fn the_environment_and_chance_are_found() {
        let text = "std::env::var(\"A\");\nrand::rng();\nenv!(\"CARGO_PKG_VERSION\");";
        assert_eq!(outside_world(&[Source::new("src/cli/x.rs", text)]).len(), 2);
    }

    #[test]
    fn unfinished_work_is_found_even_in_tests() {
        let text =
            "#[cfg(test)]\nmod tests { #[ignore = \"slow\"] fn a() { todo!() } }\n// todo! is a word here";
        assert_eq!(unfinished(&[Source::new("src/x.rs", text)]).len(), 2);
        assert!(unfinished(&[Source::new("src/x.rs", "my_dbg!(); let s = \"dbg!\";")]).is_empty());
    }
}
