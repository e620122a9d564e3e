//! Does the engine decide what the rules say? Against a model that only knows the definition, against files
//! that an operator can read, against laws that hold for every stream, and known answers.

mod agree;
mod durable;
mod known;
mod laws;
mod model;
mod random;
mod rule_text;
mod run;
mod shell;
#[cfg(feature = "sql")]
mod sql;
mod stream;
mod timeline;
mod zones;

#[test]
fn every_timeline_is_as_it_is_written() {
    let files = timeline::files();
    assert!(files.len() >= 20, "{} timelines", files.len());
    let wrong: Vec<String> = files.iter().filter_map(|file| timeline::check(file).err()).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
