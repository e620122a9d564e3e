//! Are all bytes from outside read or refused? The entry points of the fuzz targets, on random bytes and
//! on right inputs that were cut and changed.

#[path = "../fuzz/entries.rs"]
mod entries;
#[path = "../fuzz/seeds.rs"]
mod seeds;

use proptest::prelude::*;
use quanke::select::Selection;

use entries::{ENTRIES, enter};

/// One change of an input.
#[derive(Debug, Clone)]
enum Change {
    Cut(prop::sample::Index),
    Put(prop::sample::Index, u8),
    Insert(prop::sample::Index, Vec<u8>),
    Twice(prop::sample::Index, prop::sample::Index),
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        let at = |index: &prop::sample::Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match self {
            Change::Cut(to) => bytes.truncate(at(to, bytes)),
            Change::Put(place, byte) => {
                let place = at(place, bytes);
                bytes.get_mut(place).into_iter().for_each(|old| *old = *byte);
            }
            Change::Insert(place, more) => {
                let place = at(place, bytes);
                bytes.splice(place..place, more.iter().copied());
            }
            Change::Twice(from, to) => {
                let (a, b) = (at(from, bytes), at(to, bytes));
                let piece = bytes[a.min(b)..a.max(b)].to_vec();
                bytes.splice(a..a, piece);
            }
        }
    }
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        1 => place().prop_map(Change::Cut),
        4 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Put(at, byte)),
        1 => (place(), prop::collection::vec(any::<u8>(), 1..5)).prop_map(|(at, more)| Change::Insert(at, more)),
        1 => (place(), place()).prop_map(|(from, to)| Change::Twice(from, to)),
    ]
}

/// An input is right before it is changed, or changing it shows little.
#[test]
fn right_inputs_are_read() {
    for (name, _) in ENTRIES {
        let seeds = seeds::of(name);
        assert!(!seeds.is_empty(), "{name}");
        seeds.iter().for_each(|bytes| enter(name, bytes));
    }
    for text in seeds::of("selection") {
        let text = String::from_utf8(text).unwrap();
        assert!(text.parse::<Selection>().is_ok(), "{text}\n{:?}", text.parse::<Selection>());
    }
}

/// The fuzz package has one target per entry point.
#[test]
fn every_entry_point_has_its_target() {
    let manifest = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/fuzz/Cargo.toml")).unwrap();
    let manifest: toml::Table = manifest.parse().unwrap();
    let targets = manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap());
    assert_eq!(targets.collect::<Vec<_>>(), ENTRIES.map(|(name, _)| name));
    for (name, _) in ENTRIES {
        let path = format!("{}/fuzz/targets/{name}.rs", env!("CARGO_MANIFEST_DIR"));
        assert!(std::fs::read_to_string(path).unwrap().contains(&format!("enter(\"{name}\"")));
    }
}

/// No nesting ends the stack: text and JSON of any depth are refused.
#[test]
fn deep_json_is_refused() {
    for (open, close) in [("[", "]"), ("{\"not\":", "}"), ("{\"all\":[", "]}")] {
        for depth in [40, 100, 127, 128, 10_000] {
            let inner = "{\"crowd\":\"a\"}";
            let json = format!("{}{inner}{}", open.repeat(depth), close.repeat(depth));
            enter("json_twin", json.as_bytes());
            let read = format!(" {json}").parse::<Selection>();
            assert!(depth < 127 || read.is_err(), "{depth} of {open}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_bytes_are_read_or_refused(entry in 0..ENTRIES.len(), bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        enter(ENTRIES[entry].0, &bytes);
    }

    #[test]
    fn changed_inputs_are_read_or_refused(
        entry in 0..ENTRIES.len(),
        seed in any::<prop::sample::Index>(),
        changes in prop::collection::vec(change(), 1..6),
    ) {
        let (name, _) = ENTRIES[entry];
        let seeds = seeds::of(name);
        let mut bytes = seed.get(&seeds).clone();
        changes.iter().for_each(|change| change.apply(&mut bytes));
        enter(name, &bytes);
    }
}
