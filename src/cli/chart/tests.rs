//! Pictures are well-formed, hold every text as text, and draw nothing outside their sheet.

use super::canvas::{fitted, width};
use super::*;
use crate::base::{Timestamp, Zone};

/// The values of an attribute, in the order of the document.
fn numbers(svg: &str, name: &str) -> Vec<f64> {
    let start = format!(" {name}=\"");
    let parts = svg.split(&start).skip(1);
    parts.filter_map(|rest| rest.split('"').next()?.parse().ok()).collect()
}

/// Reads the document with a parser that checks that all tags close.
fn is_well_formed(svg: &str) -> bool {
    let mut open = 0;
    for event in svg::read(svg).unwrap() {
        match event {
            svg::parser::Event::Tag(_, svg::node::element::tag::Type::Start, _) => open += 1,
            svg::parser::Event::Tag(_, svg::node::element::tag::Type::End, _) => open -= 1,
            svg::parser::Event::Error(_) => return false,
            _ => {}
        }
    }
    open == 0
}

fn bars(label: &str) -> Picture {
    let bar = |label: &str, share| Bar { label: label.into(), share, everyone: 0.5, note: "12  9%".into() };
    let panel =
        Panel { title: "城市".into(), bars: vec![bar(label, 0.25), bar("上海", 1.0), bar("-", 0.0)] };
    Picture::Bars(Bars { title: "100 of 200".into(), note: "as of now".into(), panels: vec![panel] })
}

#[test]
fn texts_stay_texts_and_marks_of_xml_are_escaped() {
    let svg = bars("<a & \"b\">\u{1}\n").svg();
    assert!(is_well_formed(&svg), "{svg}");
    assert!(svg.contains(">上海<") && svg.contains(">城市<"), "{svg}");
    assert!(svg.contains("&lt;a &amp; \"b\"&gt;") && !svg.contains('\u{1}'), "{svg}");
    assert!(svg.contains("Noto Sans CJK SC"));
}

#[test]
fn the_longest_bar_fills_its_room_and_none_is_longer() {
    let svg = bars("北京").svg();
    let widths = numbers(&svg, "width");
    let sheet = widths[0];
    assert!(widths.iter().all(|width| (0.0..=sheet).contains(width)), "{widths:?}");
    assert!(widths.contains(&340.0) && widths.contains(&85.0), "{widths:?}");
}

fn lines(counts: &[u64], moves: Vec<Moves>) -> Picture {
    let points = counts.iter().enumerate().map(|(n, count)| (Timestamp(n as i64 * 86_400_000), *count));
    let points = points.collect();
    Picture::Lines(Lines { title: "t".into(), note: "n".into(), points, moves, zone: Zone::default() })
}

#[test]
fn a_line_goes_through_every_point_inside_the_sheet() {
    for counts in [&[][..], &[0], &[5], &[0, 0], &[10, 0, 1_000_000], &[990, 1_000, 995]] {
        let svg = lines(counts, vec![Moves { up: 3, down: 0 }; counts.len()]).svg();
        assert!(is_well_formed(&svg) && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        let heights = numbers(&svg, "cy");
        assert_eq!(heights.len(), counts.len());
        assert!(heights.iter().all(|y| (70.0..=400.0).contains(y)), "{heights:?}");
    }
}

#[test]
fn many_points_have_no_dots() {
    let counts: Vec<u64> = (0..500).collect();
    assert!(!lines(&counts, vec![]).svg().contains("<circle"));
}

#[test]
fn columns_stand_side_by_side_inside_the_sheet() {
    const HOUR_MS: i64 = 3_600_000;
    for counts in [&[][..], &[7], &[1, 0, 900, 3], &[5; 900]] {
        let points = counts.iter().zip(0i64..).map(|(count, n)| (Timestamp(n * HOUR_MS), *count)).collect();
        let (title, form, zone) = ("浏览未分享".to_string(), "%m-%d %H:%M", Zone::default());
        let columns = Columns { title, note: "n".into(), points, step_ms: HOUR_MS, form, zone };
        let svg = Picture::Columns(columns).svg();
        assert!(is_well_formed(&svg) && !svg.contains("NaN") && !svg.contains("inf"), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 1 + counts.len());
        let (left, wide) = (numbers(&svg, "x"), numbers(&svg, "width"));
        assert!(left.iter().all(|x| (0.0..=wide[0]).contains(x)), "{left:?}");
        assert!(wide.iter().all(|wide| *wide >= 1.0 / 2.0), "{wide:?}");
    }
}

#[test]
fn a_grid_has_a_cell_for_every_pair_of_few_or_of_many() {
    for count in [0, 1, 3, 20, 200] {
        let names = (0..count).map(|n| (format!("人群{n}"), "1,234".to_string())).collect();
        let values = vec![vec![0.25; count]; count];
        let svg = Picture::Grid(Grid { title: "t".into(), note: "n".into(), names, values }).svg();
        assert!(is_well_formed(&svg));
        assert_eq!(svg.matches("<rect").count(), 1 + count * count);
        assert_eq!(svg.contains("25.0%"), (2..=60).contains(&count), "{count}");
    }
}

#[test]
fn long_words_are_cut_where_they_no_longer_fit() {
    assert_eq!(fitted("上海", 10.0, 20.0), "上海");
    assert_eq!(fitted("上海浙江", 10.0, 31.0), "上海…");
    assert!(width(&fitted("a very long name indeed", 10.0, 60.0), 10.0) <= 60.0);
    assert_eq!(fitted("x", 10.0, 0.0), "…");
}
