//! Where do bytes from outside come in? Each such place as one function of bytes, by its name.
//!
//! The fuzz targets and `tests/bytes.rs` call the same ones: whatever the bytes are, they are read or
//! refused with a problem. A panic, a hang or a reading that does not come back the same is a mistake.

use std::path::Path;

use quanke::audience::package::{Encoding, Form, Package};
use quanke::base::{Quiet, Zone};
use quanke::ingest::{self, Request, Shape};
use quanke::select::{Selection, text};
use quanke::store::{Register, container_of, count_of};

/// What takes bytes from outside.
type Entry = fn(&[u8]);

/// Every entry point by name; a fuzz target of the same name calls it.
pub const ENTRIES: [(&str, Entry); 9] = [
    ("selection", selection),
    ("json_twin", json_twin),
    ("csv", csv),
    ("ndjson", ndjson),
    ("parquet", parquet),
    ("arrow", arrow),
    ("packed", packed),
    ("package", package),
    ("container", container),
];

/// Hands bytes to the entry point of a name; a name that there is not is a mistake of the caller.
pub fn enter(name: &str, bytes: &[u8]) {
    let found = ENTRIES.iter().find(|(one, _)| *one == name);
    found.unwrap_or_else(|| panic!("there is no entry point `{name}`")).1(bytes);
}

/// A selection, a filter and a step as text: what is read prints as a text that reads back the same.
fn selection(bytes: &[u8]) {
    let asked = String::from_utf8_lossy(bytes);
    if let Ok(read) = asked.parse::<Selection>() {
        assert_eq!(read.to_string().parse::<Selection>().as_ref(), Ok(&read));
    }
    if let Ok(read) = text::read_filter(&asked) {
        assert_eq!(text::read_filter(&read.to_string()).as_ref(), Ok(&read));
    }
    if let Ok(read) = text::read_step(&asked) {
        assert_eq!(text::read_step(&read.to_string()).as_ref(), Ok(&read));
    }
}

/// A selection as JSON: what is read has a twin that reads back the same.
fn json_twin(bytes: &[u8]) {
    let Ok(json) = serde_json::from_slice::<serde_json::Value>(bytes) else { return };
    if let Ok(read) = Selection::from_json(&json) {
        assert_eq!(Selection::from_json(&read.to_json()).as_ref(), Ok(&read));
        assert_eq!(read.to_string().parse::<Selection>().as_ref(), Ok(&read));
    }
}

fn csv(bytes: &[u8]) {
    load("rows.csv", bytes);
}

fn ndjson(bytes: &[u8]) {
    load("rows.ndjson", bytes);
}

fn parquet(bytes: &[u8]) {
    load("rows.parquet", bytes);
}

fn arrow(bytes: &[u8]) {
    load("rows.arrow", bytes);
}

/// Frames of gzip and zstd.
fn packed(bytes: &[u8]) {
    load("rows.csv.gz", bytes);
    load("rows.csv.zst", bytes);
}

/// Loads a file as users and as events; the counts add up.
fn load(name: &str, bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder for temporary files");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("room for temporary files");
    let users = Shape::Users { key: "user_id".into() };
    let events = Shape::Events {
        user: "user_id".into(),
        event: "event".into(),
        time: "ts".into(),
        id: Some("event_id".into()),
    };
    for shape in [users, events] {
        let Ok(mut source) = ingest::open(&request(&path, shape, folder.path()), None, &Quiet) else {
            continue;
        };
        let is_whole = source.by_ref().all(|batch| batch.is_ok());
        let counts = source.counts();
        assert!(!is_whole || counts.read == counts.accepted + counts.rejected, "{counts:?}");
    }
}

fn request(path: &Path, shape: Shape, folder: &Path) -> Request {
    Request {
        paths: vec![path.display().to_string()],
        format: None,
        shape,
        is_id_asked: false,
        zone: Zone::default(),
        types: Default::default(),
        rejects: folder.join("rejects.ndjson"),
    }
}

/// A bitmap of another system in every form and encoding: what is read is written and read again.
fn package(bytes: &[u8]) {
    for form in Form::ALL {
        for encoding in [Encoding::Raw, Encoding::Base64, Encoding::Hex] {
            let package = Package { form, encoding };
            let Ok(given) = package.read(bytes) else { continue };
            let mut written = Vec::new();
            package.write(&given.numbers, &mut written).expect("what was read in a form fits it");
            assert_eq!(package.read(&written).map(|again| again.numbers).as_ref(), Ok(&given.numbers));
        }
    }
}

/// Portable Roaring bytes of the store, read in place.
fn container(bytes: &[u8]) {
    let _ = count_of(bytes);
    for chunk in [0, 1, 2, 3, 7, u16::MAX] {
        let Some(found) = container_of(bytes, chunk) else { continue };
        let users = Register::of(found);
        assert!(users.count() <= 65_536 && (found.count() > 0 || users.is_empty()));
        users.iter().take(1_000).for_each(|place| assert!(users.holds(place)));
    }
}
