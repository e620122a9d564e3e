//! What reads as what: tables of text, the fine print rule by rule, and round trips of made-up trees.

use proptest::prelude::*;

use super::arbitrary::{Words, filter, selections, step};
use super::*;
use crate::select::ast::*;

/// The canonical text of what `text` asks; the problems as text if it cannot be read.
fn canon(text: &str) -> String {
    read(text).map_or_else(|problems| problems.to_string(), |selection| selection.to_string())
}

/// Each text is canonical already, and its tree prints in the other spelling to the same tree.
fn stays(text: &str) {
    assert_eq!(canon(text), text);
    let selection = read(text).unwrap();
    assert_eq!(read(&selection.chinese()).unwrap(), selection, "{}", selection.chinese());
}

fn same(texts: &[&str]) {
    for text in texts {
        assert_eq!(canon(text), canon(texts[0]), "{text}");
    }
    stays(&canon(texts[0]));
}

/// Filters, and how many leaves stand beside them at the top: what a greedy filter took.
fn top_parts(text: &str) -> Vec<String> {
    match read(text).unwrap() {
        Selection::All(parts) | Selection::Any(parts) => parts.iter().map(Selection::to_string).collect(),
        other => vec![other.to_string()],
    }
}

// proves: S2.17, S2.18, S2.19, S2.21, S2.22 (every kind can be asked, alone and combined, in both spellings)
#[test]
fn the_contract_examples_are_one_selection_in_two_spellings() {
    let chinese = "性别 = '女' 且 (省份 in ('上海', '浙江') 或 年龄 between 18 and 35)
        且 做过 pay where amount > 100 and platform = 'ios' count >= 3 in last 30 days
        且 非 人群包 '黑名单'";
    let english = "gender = '女' and (province in ('上海', '浙江') or age between 18 and 35)
        and did pay where amount > 100 and platform = 'ios' count >= 3 in last 30 days
        and not crowd '黑名单'";
    let renamed = english.replace("gender", "性别").replace("province", "省份").replace("age ", "年龄 ");
    assert_eq!(read(chinese).unwrap(), read(&renamed).unwrap());
    assert_eq!(canon(english), english.split_whitespace().collect::<Vec<_>>().join(" "));
    let words: Vec<&str> = chinese.split_whitespace().collect();
    let printed = read(chinese).unwrap().chinese();
    assert_eq!(printed, words.join(" ").replace("100 and platform", "100 且 platform"));
}

#[test]
fn every_form_of_a_tag_is_canonical() {
    for text in [
        "age = 18",
        "age != -18",
        "score < 1.5",
        "score <= 1e300",
        "age > 1",
        "age >= 0",
        "name = 'it''s'",
        "is_vip = true",
        "is_vip != false",
        "birthday = 2026-01-01",
        "register_time >= 2026-01-01T10:00:00+08:00",
        "register_time < 2026-01-01T10:00:00.250",
        "age between 18 and 35",
        "day between 2026-01-01 and 2026-01-31",
        "city in ('上海', '浙江')",
        "level not in (1, 2, 3)",
        "interests has any of ('a', 'b')",
        "interests has all of ('a')",
        "interests has none of ('a', 'b')",
        "phone is missing",
        "phone is known",
        "name contains 'x'",
        "name starts with 'x'",
        "name ends with 'x'",
        "name matches '^1[0-9]+$'",
        "birthday anniversary today",
        "birthday anniversary in next 7 days",
        "birthday anniversary in next 1 day",
        "register_time in last 7 days",
        "register_time today",
        "register_time this month",
        "register_time last week",
        "register_time before 2026-01-01",
        "register_time after 2026-01-01T10:00:00",
        "register_time from 2026-01-01 to 2026-01-31",
        "pay_time within 7 days of register_time",
        "\"手机 品牌\" = '华为'",
        "\"count\" = 3",
        "$os_version = '14.1'",
    ] {
        stays(text);
    }
}

// proves: S2.34, S2.35 (windows of the user's own instant, calendar weeks, zero counts)
#[test]
fn every_form_of_a_behaviour_is_canonical() {
    for text in [
        "did pay",
        "did any",
        "did any where page = '/home' today",
        "did pay where amount > 100",
        "did pay count = 0 last week",
        "did pay days >= 3 in last 30 calendar days",
        "did pay count >= 3 in last 30 calendar days including today",
        "did pay sum(amount) >= 500 in last 1 month",
        "did pay avg(amount) between 1 and 2.5",
        "did pay min(amount) < 5",
        "did pay max(paid_on) > 2026-01-01",
        "did pay distinct(item_id) = 2 yesterday",
        "did visit in last 20 minutes",
        "did visit within 7 days of register_time",
        "did visit from 2026-01-01 to 2026-01-31",
        "did visit this week",
        "did visit last month",
        "first pay in last 7 days",
        "last pay where amount > 1 before 2026-01-01",
        "first any after 2026-01-01",
        "did a then b within 24 hours",
        "did a where x = 1 then b where y = 2 then c within 24 hours same item_id, shop without any where z = 3 between in last 7 days",
        "did a then not b within 20 minutes today",
        "did a then b within 24 hours within 7 days of register_time",
        "has orders",
        "has orders where amount > 100 count >= 2 on paid_at in last 30 days",
        "has orders sum(amount) > 5 last week",
        "crowd '高价值'",
        "sample 10% salt 's'",
        "sample 0.25% salt ''",
        "top 10000 by balance",
    ] {
        stays(text);
    }
}

// proves: S2.17, S2.18, S2.19 (and / or can be switched anywhere)
#[test]
fn and_binds_tighter_than_or_and_not_tightest() {
    same(&[
        "a = 1 or b = 2 and not c = 3",
        "a = 1 or (b = 2 and (not (c = 3)))",
        "((a = 1)) 或 b = 2 且 非 c = 3",
    ]);
    same(&["(a = 1 or b = 2) and c = 3", "( a=1 OR b=2 )AND c=3"]);
    stays("not (a = 1 and b = 2)");
    stays("(a = 1 and b = 2) and c = 3");
    stays("a = 1 or (b = 2 or c = 3)");
    stays("not (not a = 1)");
    same(&["not (not a = 1)", "not not a = 1"]);
}

#[test]
fn joins_of_nothing_and_of_one_have_a_text() {
    assert_eq!(read("all ()").unwrap(), Selection::All(vec![]));
    assert_eq!(read("ANY()").unwrap(), Selection::Any(vec![]));
    for text in ["all ()", "not any ()", "all (a = 1)", "any (all (a = 1 and b = 2))", "did pay where all ()"]
    {
        stays(text);
    }
    // The empty join would be taken by a filter, so the leaf before it is bracketed.
    stays("(did pay where a = 1) and all ()");
    stays("did pay where a = 1 and all (did b)");
}

#[test]
fn white_space_comments_and_full_width_signs_are_all_the_same() {
    same(&[
        "city in ('a', 'b') and age = 3",
        "city in（'a'，'b'）and age＝3",
        "\u{feff}city\tin ('a','b')\n# why\nand\u{3000}age=3 # end",
    ]);
    same(&["name = '（a，b）'", "name='（a，b）'"]);
}

// Fine print: names are the data's, keywords count as whole words only, case matters for names alone.
#[test]
fn a_keyword_is_a_whole_word_in_any_case_and_a_name_is_not() {
    stays("非会员 = true");
    same(&["not 会员 = true", "非 会员 = true", "NOT(会员 = TRUE)", "非(会员=true)"]);
    assert_ne!(canon("Gender = 'x'"), canon("gender = 'x'"));
    stays("android = 1 and orders = 2");
    stays("\"AND\" = 1");
    same(&["did any", "做过 任意", "DID ANY"]);
    same(&["has orders", "有 orders"]);
    stays("did \"any\"");
    stays("做过了 = 1");
}

// Fine print: quotes are doubled to escape; '…' is a value, "…" a name.
#[test]
fn quotes_escape_by_doubling() {
    stays("\"a \"\"b\"\"\" = 'it''s \"x\"'");
    same(&["crowd 'x'", "crowd \"x\"", "crowd x", "人群包 'x'"]);
}

// Fine print: a filter takes every following and / or / not comparison.
#[test]
fn a_filter_is_greedy() {
    assert_eq!(top_parts("did pay where a = 1 and b = 2 or not c = 3").len(), 1);
    assert_eq!(top_parts("did pay where a = 1 and (b = 2 or c = 3)").len(), 1);
    assert_eq!(top_parts("did pay where a = 1 and not (b = 2)").len(), 1);
    assert_eq!(top_parts("(did pay where a = 1) and b = 2"), ["did pay where a = 1", "b = 2"]);
    stays("(did pay where a = 1) and b = 2");
    stays("not (did pay where a = 1) or b = 2");
    stays("(x = 1 and (did pay where a = 1) or b = 2) and c = 3");
    stays("(has orders where a = 1) or not b = 2");
}

// Fine print: where a filter ends.
#[test]
fn a_filter_ends_where_the_fine_print_says() {
    for (text, parts) in [
        ("did p where a = 1 count >= 2 and b = 2", 2),
        ("did p where a = 1 sum(x) >= 2 and b = 2", 2),
        ("did p where a = 1 in last 3 days and b = 2", 2),
        ("did p where a = 1 today and b = 2", 2),
        ("did p where a = 1 last week or b = 2", 2),
        ("did p where a = 1 then q where b = 1 within 2 hours and c = 2", 2),
        ("did p then q where b = 1 within 2 hours same x and c = 2", 2),
        ("did p then q within 2 hours without r where x between 1 and 2 between and c = 2", 2),
        ("has o where a = 1 on t in last 3 days and c = 2", 2),
        ("did p where a = 1 and did q", 2),
        ("did p where a = 1 or has q", 2),
        ("did p where a = 1 and crowd 'q'", 2),
        ("did p where a = 1 and first q today", 2),
        ("did p where a = 1 and last q today", 2),
        ("did p where a = 1 and sample 1% salt 's'", 2),
        ("did p where a = 1 and top 3 by b", 2),
        ("did p where a = 1 and not did q", 2),
        ("did p where a = 1 and not (not (did q or c = 3))", 2),
        ("did p where a = 1 and 非 (做过 q)", 2),
        ("did p where a = 1 and b = 2 or did q and c = 3", 2),
        ("(did p where a = 1) and b = 2", 2),
        ("did p where a between 1 and 2 and b = 2", 1),
        ("did p where t in last 3 days and b = 2", 1),
        ("did p where t today and b = 2", 1),
    ] {
        assert_eq!(top_parts(text).len(), parts, "{text}");
        same(&[text]);
    }
}

// Fine print: after `between x` the next `and` belongs to it.
#[test]
fn between_takes_the_next_and() {
    assert_eq!(top_parts("a between 1 and 2 and b = 3").len(), 2);
    assert_eq!(top_parts("did p count between 1 and 2 and b = 3").len(), 2);
    same(&["a between 1 and 2", "a between 1 且 2"]);
}

// Fine print: the first `within` of a sequence is its gap; `within … of X` is a window.
#[test]
fn the_first_within_is_the_gap() {
    let text = "did a then b within 24 hours within 7 days of t";
    let Ok(Selection::Leaf(Leaf::Sequence(sequence))) = read(text) else { panic!("{text}") };
    assert_eq!(sequence.gap, (24, Unit::Hour));
    assert!(matches!(sequence.window, Some(crate::base::Window::Within { count: 7, unit: Unit::Day, .. })));
    assert!(read("did a then b within 7 days of t").is_err());
    assert!(read("did a within 7 days").is_err());
}

// Fine print: `first` / `last` / `has` at the start of a leaf, `last week` behind an event, `has any of` behind a tag.
#[test]
fn the_same_word_is_read_by_its_place() {
    let is_edge = |text| matches!(read(text), Ok(Selection::Leaf(Leaf::Edge(_))));
    assert!(is_edge("last week today"));
    assert!(is_edge("first pay last week"));
    assert!(matches!(read("did pay last week"), Ok(Selection::Leaf(Leaf::Behaviour(_)))));
    assert!(matches!(read("a has any of ('x')"), Ok(Selection::Leaf(Leaf::Tag(_)))));
    assert!(matches!(read("has a"), Ok(Selection::Leaf(Leaf::Detail(_)))));
    assert_eq!(top_parts("did pay last week and last pay today").len(), 2);
}

#[test]
fn durations_are_short_or_spelled_out() {
    same(&[
        "did a then b within 20 minutes",
        "did a then b within 20m",
        "did a then b within 20 MINUTE",
        "did a then b within 20minutes",
    ]);
    same(&["did a in last 7 days", "did a in last 7d", "did a in last 7 day"]);
    same(&["did a in last 90 seconds", "did a in last 90s"]);
    same(&["did a in last 2 hours", "did a in last 2h"]);
    stays("did a in last 1 day");
}

#[test]
fn moments_are_bare_quoted_or_with_a_space() {
    same(&[
        "t after 2026-01-01T10:00:00",
        "t after 2026-01-01 10:00",
        "t after '2026-01-01 10:00'",
        "t after 2026-01-01T10:00:00.0004",
    ]);
    same(&["did a from 2026-01-01 to 2026-01-31", "did a from '2026-01-01' to 2026-1-31"]);
    same(&["t = 2026-01-01T02:00:00+00:00", "t = 2026-01-01T02:00:00Z"]);
}

#[test]
fn filters_and_steps_are_read_alone() {
    assert_eq!(
        read_filter("amount > 1 且 (a = 1 or b = 2)").unwrap().to_string(),
        "amount > 1 and (a = 1 or b = 2)"
    );
    assert_eq!(
        read_step("page_view where page = '/home'").unwrap().to_string(),
        "page_view where page = '/home'"
    );
    assert_eq!(read_step("任意").unwrap().to_string(), "any");
    for bad in ["did pay", "a = 1 and did x", "a = 1)", "", "a = 1 today"] {
        assert!(read_filter(bad).is_err(), "{bad}");
    }
    for bad in ["did pay", "pay today", "pay where a = 1 count > 2", "pay and x = 1", "", "pay)"] {
        assert!(read_step(bad).is_err(), "{bad}");
    }
}

#[test]
fn pieces_print_for_trees() {
    let selection = read("a = 1 and not did pay where b = 2 count >= 3 today").unwrap();
    assert_eq!(selection.node(Spelling::Chinese), "all");
    let Selection::All(parts) = selection else { panic!() };
    assert_eq!(parts[1].node(Spelling::Chinese), "非");
    let Selection::Not(inner) = &parts[1] else { panic!() };
    assert_eq!(inner.node(Spelling::Chinese), "做过 pay where b = 2 count >= 3 today");
    let Selection::Leaf(Leaf::Behaviour(behaviour)) = &**inner else { panic!() };
    assert_eq!(behaviour.measure.as_ref().unwrap().to_string(), "count >= 3");
    assert_eq!(behaviour.window.as_ref().unwrap().spell(Spelling::English), "today");
}

#[test]
fn as_deep_as_allowed_is_read_and_printed() {
    let text = format!("{}a = 1{}", "not (".repeat(DEPTH_MAX - 1), ")".repeat(DEPTH_MAX - 1));
    let selection = read(&text).unwrap();
    assert_eq!(read(&selection.to_string()).unwrap(), selection);
    for text in [
        "(".repeat(10_000),
        "not ".repeat(10_000),
        format!("did a where {}", "a = 1 or (".repeat(5_000)),
        "all (".repeat(10_000),
    ] {
        let problems = read(&text).unwrap_err();
        assert_eq!(problems.0[0].code, "SEL-012", "{}", &text[..20]);
        assert!(read_filter(&text).is_err());
        assert!(read_step(&text).is_err());
    }
}

fn spans_fit(text: &str, problems: &Problems) {
    assert!(!problems.0.is_empty());
    for problem in &problems.0 {
        let (from, to) = problem.span.unwrap();
        assert!(text.get(from..to).is_some(), "{text:?} {from}..{to} {problem}");
        assert!(locate(text, "f", problem.clone()).at.starts_with("f:"), "{problem}");
    }
}

proptest! {
    #[test]
    fn what_is_printed_reads_back_the_same(selection in selections()) {
        let (english, chinese) = (selection.to_string(), selection.chinese());
        prop_assert_eq!(&read(&english).map_err(|p| p.to_string()), &Ok(selection.clone()), "{}", english);
        prop_assert_eq!(&read(&chinese).map_err(|p| p.to_string()), &Ok(selection), "{}", chinese);
    }

    #[test]
    fn brackets_are_the_fewest(selection in selections()) {
        // Taking out any one pair changes the tree or cannot be read (`not not x` aside).
        let text = selection.to_string();
        for (open, close) in join_brackets(&text) {
            let mut less = text.clone();
            less.replace_range(close..close + 1, " ");
            less.replace_range(open..open + 1, " ");
            if less[open..].trim_start().starts_with("not ") && less[..open].trim_end().ends_with("not") { continue }
            prop_assert_ne!(read(&less).ok(), Some(selection.clone()), "{} | {}", text, less);
        }
    }

    #[test]
    fn filters_and_steps_read_back_the_same(f in filter(&Words::any()), s in step(&Words::any())) {
        prop_assert_eq!(read_filter(&f.to_string()).map_err(|p| p.to_string()), Ok(f.clone()));
        prop_assert_eq!(read_filter(&f.spell(Spelling::Chinese)).map_err(|p| p.to_string()), Ok(f));
        prop_assert_eq!(read_step(&s.to_string()).map_err(|p| p.to_string()), Ok(s));
    }

    #[test]
    fn any_text_is_read_or_refused_with_places_in_it(text in "\\PC{0,40}") {
        if let Err(problems) = read(&text) { spans_fit(&text, &problems); }
    }

    #[test]
    fn any_tokens_are_read_or_refused_with_places_in_them(words in proptest::collection::vec(token(), 0..16)) {
        let text = words.join(" ");
        match read(&text) {
            Ok(selection) => prop_assert_eq!(read(&selection.to_string()).ok(), Some(selection)),
            Err(problems) => spans_fit(&text, &problems),
        }
        if let Err(problems) = read_filter(&text) { spans_fit(&text, &problems); }
        if let Err(problems) = read_step(&text) { spans_fit(&text, &problems); }
    }

    #[test]
    fn a_damaged_text_is_read_or_refused(selection in selections(), at in any::<prop::sample::Index>(), put in token()) {
        let mut characters: Vec<char> = selection.to_string().chars().collect();
        let at = at.index(characters.len());
        characters.splice(at..at + 1, put.chars());
        let text: String = characters.into_iter().collect();
        if let Err(problems) = read(&text) { spans_fit(&text, &problems); }
    }
}

/// Words and signs of the language, and some that are not.
fn token() -> BoxedStrategy<String> {
    let others = [
        "(",
        ")",
        ",",
        "=",
        ">=",
        "!=",
        "%",
        "'女'",
        "\"n m\"",
        "amount",
        "1",
        "-2.5",
        "7d",
        "2026-01-01",
        "minutes",
        "week",
        "且",
        "非",
        "做过",
        "人群包",
        "任意",
        "'",
        "\"",
        "#",
        "@",
        "“x”",
        "==",
        "5and",
        "'a' = 1",
    ];
    let words = words::WORDS.iter().chain(&others).map(|word| word.to_string()).collect::<Vec<_>>();
    proptest::sample::select(words).boxed()
}

/// The bracket pairs of canonical text outside quotes that are not those of `in (`, `sum(`, `all (` ….
fn join_brackets(text: &str) -> Vec<(usize, usize)> {
    let (mut open, mut pairs, mut quote) = (vec![], vec![], None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (None, '\'' | '"') => quote = Some(c),
            (Some(q), _) if c == q => quote = None,
            (None, '(') => open.push(at),
            (None, ')') => pairs.extend(open.pop().map(|from| (from, at))),
            _ => {}
        }
    }
    pairs.retain(|(from, _)| is_join_bracket(text[..*from].trim_end()));
    pairs
}

fn is_join_bracket(before: &str) -> bool {
    let word = before.rsplit([' ', '(']).next().unwrap_or_default();
    !["in", "of", "all", "any", "sum", "avg", "min", "max", "distinct"].contains(&word)
}
