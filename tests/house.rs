//! Does the code keep to the house? Every rule of the house that a program can check, checked on the files
//! themselves.
//!
//! Flow: [`source`] reads files and tells code from comments, words and tests; each other module holds
//! one kind of rule and gives its findings as `file:line: what`; the tests below run them on the
//! project. All findings of a rule are shown at once. Nothing of the program is linked here, so this is
//! the first test binary that is ready. Every rule is also tested on a made-up snippet that breaks it.

#[path = "house/codes.rs"]
mod codes;
#[path = "house/dependencies.rs"]
mod dependencies;
#[path = "house/habits.rs"]
mod habits;
#[path = "house/licence.rs"]
mod licence;
#[path = "house/rooms.rs"]
mod rooms;
#[path = "house/shape.rs"]
mod shape;
#[path = "house/source.rs"]
mod source;
#[path = "house/texts.rs"]
mod texts;

use source::{Source, read};

/// Fails with all findings, one a line.
fn none(findings: Vec<String>) {
    assert!(findings.is_empty(), "{} to mend\n{}\n", findings.len(), findings.join("\n"));
}

fn program() -> Vec<Source> {
    let found = read(&["src"], &["rs"]);
    assert!(!found.is_empty(), "no file found in src: run this from the package");
    found
}

#[test]
fn a_room_imports_base_and_rooms_on_its_left_only() {
    none(rooms::check(&program()));
}

#[test]
fn files_are_short_and_say_their_question_first() {
    none(shape::files(&program()));
}

#[test]
fn the_median_function_has_at_most_ten_lines() {
    none(shape::functions(&program()));
}

#[test]
fn the_clock_chance_and_the_environment_come_in_as_arguments() {
    none(habits::outside_world(&program()));
}

#[test]
fn nothing_is_left_undone() {
    let mut all = program();
    all.extend(read(&["tests", "benches"], &["rs"]));
    none(habits::unfinished(&all));
}

#[test]
fn every_code_has_a_page_and_every_page_a_code() {
    none(codes::pages(&program(), &read(&["docs/errors"], &["md"])));
}

#[test]
fn every_code_is_shown_by_a_test() {
    let mut tests = read(&["tests"], &["rs", "sel", "timeline", "toml", "txt"]);
    tests.extend(read(&["src"], &["txt"]));
    none(codes::shown(&program(), &tests));
}

#[test]
fn no_file_names_a_place_on_one_machine() {
    let folders = ["src", "tests", "benches", "queries", "data", "docs", "tools", ".ci"];
    let mut all =
        read(&folders, &["rs", "md", "py", "c", "java", "toml", "sel", "timeline", "json", "sh", ""]);
    all.extend(read(&["."], &["md", "toml", ""]));
    none(texts::machine_places(&all));
}

#[test]
fn both_readmes_have_the_same_code_blocks() {
    none(texts::readmes(&read(&["."], &["md"])));
}

#[test]
fn dependencies_have_licences_that_we_may_use() {
    none(licence::check(&dependencies::packages()));
}

#[test]
fn dependencies_come_from_one_registry_and_the_heavy_ones_once() {
    none(dependencies::check(&dependencies::lock()));
}
