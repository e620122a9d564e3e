//! What is told of a mistake: the corpus in `mistakes.txt`, and what a line of it cannot say.

use super::*;

/// Texts with the problems expected of them, in the form of `mistakes.txt`.
fn corpus() -> Vec<(&'static str, Vec<&'static str>)> {
    let mut records: Vec<(&str, Vec<&str>)> = vec![];
    for line in include_str!("mistakes.txt").lines().skip(2) {
        match line.strip_prefix("  ") {
            Some(told) => records.last_mut().unwrap().1.push(told),
            None => records.push((line, vec![])),
        }
    }
    records
}

/// The problems of `text` in the form of `mistakes.txt`.
fn told(text: &str) -> Vec<String> {
    let problems = read(text).map(|selection| selection.to_string()).expect_err(text);
    let lines = locate_all(text, "selection", problems).0.into_iter().flat_map(|p| {
        let place = p.at.trim_start_matches("selection:").to_string();
        [format!("{} {place}", p.code), format!("  {}", p.what), format!("  {}", p.cure)]
    });
    lines.collect()
}

/// The codes with their places.
fn places(text: &str) -> Vec<String> {
    told(text).chunks(3).map(|problem| problem[0].clone()).collect()
}

// shows: SEL-002 to SEL-011, SEL-013
#[test]
fn every_mistake_is_told_at_its_place_with_a_cure() {
    for (text, expected) in corpus() {
        assert_eq!(told(text), expected, "{text}");
    }
}

// shows: SEL-001
#[test]
fn an_empty_text_is_a_mistake() {
    for text in ["", " \n\t", "# only a comment", "\u{feff}"] {
        assert_eq!(places(text), ["SEL-001 1:1"]);
    }
    assert!(read_step(" ").unwrap_err().0[0].what.contains("an event"));
}

// shows: SEL-012
#[test]
fn too_long_or_too_deep_is_one_clear_mistake() {
    let long = format!("name in ({})", "'x', ".repeat(LENGTH_MAX / 5));
    assert_eq!(places(&long).len(), 1);
    assert!(told(&long)[1].contains("1048576"), "{:?}", told(&long)[1]);
    let deep = format!("{}a = 1{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(places(&deep), ["SEL-012 1:51  ("]);
    // Joins without brackets between them nest as well, two levels for each bracket.
    let joins = format!("{}a = 1{}", "a = 1 or b = 2 and (".repeat(30), ")".repeat(30));
    assert!(places(&joins)[0].starts_with("SEL-012 1:1 "));
}

#[test]
fn all_mistakes_are_told_at_once_over_lines() {
    let text = "性别 == '女'\n且 (省份 in (上海, '浙江') 或 年龄 betwen 18 and 35)\n且 做过 pay where amount > 1_0 count >= x in last 3 dyas\n且 非 crowd\n";
    let expected = [
        "SEL-002 1:4  ==",
        "SEL-008 2:11  上海",
        "SEL-013 2:26  betwen",
        "SEL-004 3:25  1_0",
        "SEL-008 3:38  x",
        "SEL-005 3:50  dyas",
        "SEL-005 5:1",
    ];
    assert_eq!(places(text), expected);
}

#[test]
fn a_flood_of_mistakes_is_cut() {
    assert_eq!(places(&format!("a = 1{}", " )".repeat(5_000))).len(), 100);
    assert_eq!(places(&"‘".repeat(5_000)).len(), 1);
    assert_eq!(places(&"== ".repeat(5_000)).len(), 100);
}

/// The fenced blocks of an error page: the mistake first, then the cure.
fn blocks(page: &str) -> Vec<String> {
    let mut parts = page.split("```");
    std::iter::from_fn(|| parts.nth(1)).map(|block| block.split_once('\n').unwrap().1.to_string()).collect()
}

#[test]
fn the_pages_of_the_codes_show_the_mistake_and_the_cure() {
    for no in (1..=13).chain(51..=53) {
        let code = format!("SEL-{no:03}");
        let path = format!("{}/docs/errors/{code}.md", env!("CARGO_MANIFEST_DIR"));
        let blocks = blocks(&std::fs::read_to_string(path).unwrap());
        let read = |text: &str| match no {
            0..50 => read(text),
            _ => Selection::from_json(&serde_json::from_str(text).unwrap()),
        };
        assert_eq!(read(&blocks[0]).expect_err(&code).0[0].code, code);
        assert!(read(&blocks[1]).is_ok(), "{code}");
    }
}

#[test]
fn the_examples_of_the_page_on_the_language_can_be_read() {
    let page = include_str!("../../../docs/selection-language.md");
    let rows = page
        .lines()
        .skip_while(|line| *line != "## Examples")
        .skip(1)
        .take_while(|line| !line.starts_with("## "));
    let texts: Vec<&str> = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).collect();
    assert!(texts.len() > 20);
    for pair in texts.iter() {
        assert!(read(pair).is_ok(), "{pair}");
    }
    let json = page.split("```json").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let twin = Selection::from_json(&serde_json::from_str(json).unwrap()).unwrap();
    assert_eq!(twin, read(page.split("```").nth(3).unwrap()).unwrap());
}
