//! Which numbers does another system's bitmap hold? Bytes of Roaring, ClickHouse, Doris and StarRocks, both ways.
//!
//! Flow of reading: `text` undoes base64 or hexadecimal digits, each line a value; `bytes` walks over a
//! value and refuses what it cannot hold; `portable`, `clickhouse` and `doris` know the forms. What
//! comes out are numbers ([`Given`]), never users: who they are is asked in `numbering`.
//! The forms, and where they are described: `docs/crowd-packages.md`.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use roaring::{RoaringBitmap, RoaringTreemap};

use crate::base::{Outcome, Problem};

mod bytes;
mod clickhouse;
mod doris;
mod portable;
#[cfg(test)]
mod tests;
mod text;

pub use portable::widened;
pub use text::number;

/// How a set of numbers is laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Portable Roaring of 32-bit numbers.
    Roaring,
    /// Portable Roaring of 64-bit numbers (the map form).
    Roaring64,
    /// State of ClickHouse's `groupBitmap` over `UInt32`.
    ClickHouse32,
    /// State of ClickHouse's `groupBitmap` over `UInt64`.
    ClickHouse64,
    /// A `BITMAP` of Doris; StarRocks reads and writes the same.
    Doris,
    /// Decimal numbers, between commas, brackets or white space: what `bitmap_to_string` gives.
    Numbers,
}

/// How the bytes of a value are written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Encoding {
    /// As they are.
    #[default]
    Raw,
    /// Base64 with padding, one value a line.
    Base64,
    /// Hexadecimal digits, one value a line.
    Hex,
}

/// A form and its encoding: what a package's file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Package {
    pub form: Form,
    pub encoding: Encoding,
}

/// What a package holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Given {
    /// Each number once.
    pub numbers: RoaringTreemap,
    /// Numbers read, those that are given again among them.
    pub read: u64,
}

impl Form {
    /// All of them, as help lists them.
    pub const ALL: [Form; 6] =
        [Form::Roaring, Form::Roaring64, Form::ClickHouse32, Form::ClickHouse64, Form::Doris, Form::Numbers];

    /// The word on the command line, which is also the extension of a file.
    pub fn word(self) -> &'static str {
        match self {
            Form::Roaring => "roaring",
            Form::Roaring64 => "roaring64",
            Form::ClickHouse32 => "clickhouse32",
            Form::ClickHouse64 => "clickhouse64",
            Form::Doris => "doris",
            Form::Numbers => "numbers",
        }
    }

    /// The form that a word means; `starrocks` means Doris's.
    pub fn of(word: &str) -> Option<Form> {
        let word = if word == "starrocks" { "doris" } else { word };
        Form::ALL.into_iter().find(|form| form.word() == word)
    }
}

impl Package {
    /// The package that a file's extensions name: `.roaring`, `.clickhouse64`, `.doris.base64` …;
    /// a packing (`.gz`, `.zst`) behind them does not count.
    pub fn of(path: &Path) -> Option<Package> {
        let name = path.file_name()?.to_str()?.to_ascii_lowercase();
        let mut endings = name.rsplit('.').skip_while(|ending| matches!(*ending, "gz" | "zst"));
        let last = endings.next()?;
        let (encoding, form) = match last {
            "base64" | "b64" => (Encoding::Base64, endings.next()?),
            "hex" => (Encoding::Hex, endings.next()?),
            form => (Encoding::Raw, form),
        };
        // A name that is nothing but an ending has none.
        endings.next()?;
        Form::of(form).map(|form| Package { form, encoding })
    }

    /// The numbers of all values in a file's bytes.
    /// Errors: CRD-030 when they are not of this form.
    pub fn read(self, bytes: &[u8]) -> Outcome<Given> {
        if self.form == Form::Numbers {
            return text::numbers(bytes);
        }
        let mut given = Given::default();
        for value in text::values(bytes, self.encoding)? {
            given.add(self.form.read(&value.bytes).map_err(|problem| value.placed(problem))?);
        }
        Ok(given)
    }

    /// The same as [`write`](Package::write), to a file through a buffer.
    /// Errors: CRD-032 when a number does not fit, OUT-001.
    pub fn write_file(self, numbers: &RoaringTreemap, file: &mut File) -> Outcome<()> {
        let mut out = BufWriter::new(file);
        self.write(numbers, &mut out)?;
        Ok(out.flush()?)
    }

    /// Writes the numbers as one value, followed by a newline if it is text.
    /// Errors: CRD-032 when a number does not fit, OUT-001.
    pub fn write(self, numbers: &RoaringTreemap, out: &mut dyn Write) -> Outcome<()> {
        match (self.form, self.encoding) {
            (Form::Numbers, _) => text::write_numbers(numbers, out),
            (form, Encoding::Raw) => form.write(numbers, out),
            (form, encoding) => {
                let mut value = Vec::new();
                form.write(numbers, &mut value)?;
                text::write(&value, encoding, out)
            }
        }
    }
}

impl Form {
    fn read(self, value: &[u8]) -> Outcome<Given> {
        match self {
            Form::Roaring => portable::read32(value),
            Form::Roaring64 => portable::read64(value),
            Form::ClickHouse32 => clickhouse::read(value, clickhouse::Width::Four),
            Form::ClickHouse64 => clickhouse::read(value, clickhouse::Width::Eight),
            Form::Doris => doris::read(value),
            Form::Numbers => text::numbers(value),
        }
    }

    fn write(self, numbers: &RoaringTreemap, out: &mut dyn Write) -> Outcome<()> {
        let numbers = Buckets::of(numbers);
        match self {
            Form::Roaring => portable::write32(&numbers.only32(self)?, out),
            Form::Roaring64 => portable::write64(&numbers, out),
            Form::ClickHouse32 => clickhouse::write32(&numbers.only32(self)?, out),
            Form::ClickHouse64 => clickhouse::write64(&numbers, out),
            Form::Doris => doris::write(&numbers, out),
            Form::Numbers => Err(Problem::bug("numbers are text")),
        }
    }
}

impl Given {
    fn of(numbers: RoaringTreemap) -> Given {
        Given { read: numbers.len(), numbers }
    }

    /// These numbers too.
    pub fn add(&mut self, other: Given) {
        self.read += other.read;
        self.numbers |= other.numbers;
    }
}

/// Numbers by their upper 32 bits, each part as small as it gets.
struct Buckets(BTreeMap<u32, RoaringBitmap>);

impl Buckets {
    fn of(numbers: &RoaringTreemap) -> Buckets {
        let small = |bitmap: &RoaringBitmap| {
            let mut bitmap = bitmap.clone();
            bitmap.optimize();
            bitmap
        };
        let filled = numbers.bitmaps().filter(|(_, bitmap)| !bitmap.is_empty());
        Buckets(filled.map(|(high, bitmap)| (high, small(bitmap))).collect())
    }

    /// How many numbers.
    fn len(&self) -> u64 {
        self.0.values().map(RoaringBitmap::len).sum()
    }

    fn iter(&self) -> impl Iterator<Item = u64> + '_ {
        self.0.iter().flat_map(|(high, low)| low.iter().map(move |low| joined(*high, low)))
    }

    /// The numbers, if all fit in 32 bits and there are some.
    fn only_low(&self) -> Option<&RoaringBitmap> {
        self.0.get(&0).filter(|_| self.0.len() == 1)
    }

    /// The numbers as 32-bit ones.
    /// Errors: CRD-032 when one does not fit.
    fn only32(&self, form: Form) -> Outcome<RoaringBitmap> {
        let beyond: u64 = self.0.range(1..).map(|(_, bitmap)| bitmap.len()).sum();
        match self.0.range(1..).find_map(|(high, low)| Some(joined(*high, low.min()?))) {
            Some(first) => Err(too_large(form, beyond, first)),
            None => Ok(self.0.get(&0).cloned().unwrap_or_default()),
        }
    }
}

fn joined(high: u32, low: u32) -> u64 {
    (u64::from(high) << 32) | u64::from(low)
}

fn too_large(form: Form, count: u64, first: u64) -> Problem {
    let word = form.word();
    let wide = if form == Form::Roaring { "roaring64" } else { "clickhouse64" };
    Problem::author("CRD-032", format!("{count} numbers do not fit in 32 bits, the first is {first}"))
        .at(format!("--format {word}"))
        .cure(format!("write `--format {wide}`"))
}
