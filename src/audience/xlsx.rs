//! Rows of Arrow batches as a workbook for a spreadsheet program.
//!
//! Rows go through a temporary file beside the target, so memory does not grow with them. A sheet holds
//! 1,048,575 rows under its header; what is more stands on the next one. Texts stay texts (`00001`), so do whole
//! numbers that a spreadsheet would round.

use std::fs::File;
use std::path::Path;

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use rust_xlsxwriter::{DocProperties, ExcelDateTime, Workbook, Worksheet, XlsxError};
use serde_json::Value;

use super::cells;
use crate::base::{Outcome, Problem, Zone};

/// Rows of one sheet under its header: what the format allows.
const ROWS_MAX: u32 = 1_048_575;
/// Characters of one cell: what the format allows.
const CHARS_MAX: usize = 32_767;
/// Whole numbers up to here are the same as floating ones.
const EXACT_MAX: u64 = 1 << 53;

/// A workbook being written, a row after the other.
struct Book<'a> {
    workbook: Workbook,
    schema: &'a Schema,
    zone: Zone,
    sheets: usize,
    /// Rows of the last sheet, its header among them.
    row: u32,
    rows_max: u32,
}

/// Writes all rows to `file`; temporary files lie in `folder`.
/// Errors: OUT-001 when the disk takes no more; what the batches find.
pub fn write(
    file: &mut File,
    folder: &Path,
    schema: &Schema,
    batches: impl Iterator<Item = Outcome<RecordBatch>>,
    zone: Zone,
) -> Outcome<()> {
    write_sheets(file, folder, schema, batches, zone, ROWS_MAX)
}

fn write_sheets(
    file: &mut File,
    folder: &Path,
    schema: &Schema,
    batches: impl Iterator<Item = Outcome<RecordBatch>>,
    zone: Zone,
    rows_max: u32,
) -> Outcome<()> {
    let mut workbook = Workbook::new();
    // Its own default is the clock: the same rows shall be the same bytes.
    let made_at = ExcelDateTime::from_ymd(1980, 1, 1).map_err(failed)?;
    workbook.set_properties(&DocProperties::new().set_creation_datetime(&made_at));
    workbook.set_tempdir(folder).map_err(failed)?;
    let mut book = Book { workbook, schema, zone, sheets: 0, row: 0, rows_max };
    book.sheet().map_err(failed)?;
    for batch in batches {
        let batch = batch?;
        (0..batch.num_rows()).try_for_each(|row| book.add(&batch, row)).map_err(failed)?;
    }
    book.workbook.save_to_writer(file).map_err(failed)
}

impl Book<'_> {
    /// Begins another sheet with the header.
    fn sheet(&mut self) -> Result<(), XlsxError> {
        let sheet = self.workbook.add_worksheet_with_constant_memory()?;
        sheet.set_freeze_panes(1, 0)?;
        for (column, field) in (0..).zip(self.schema.fields()) {
            sheet.write_string(0, column, field.name())?;
        }
        (self.sheets, self.row) = (self.sheets + 1, 1);
        Ok(())
    }

    fn add(&mut self, batch: &RecordBatch, row: usize) -> Result<(), XlsxError> {
        if self.row > self.rows_max {
            self.sheet()?;
        }
        let sheet = self.workbook.worksheet_from_index(self.sheets - 1)?;
        for (column, array) in (0..).zip(batch.columns()) {
            put(sheet, (self.row, column), cells::cell(array, row, self.zone))?;
        }
        self.row += 1;
        Ok(())
    }
}

fn put(sheet: &mut Worksheet, (row, column): (u32, u16), value: Value) -> Result<(), XlsxError> {
    let written = match value {
        Value::Null => return Ok(()),
        Value::Bool(is) => sheet.write_boolean(row, column, is),
        Value::Number(number) if is_exact(&number) => {
            sheet.write_number(row, column, number.as_f64().unwrap_or(0.0))
        }
        Value::String(text) => sheet.write_string(row, column, short(text)),
        other => sheet.write_string(row, column, short(other.to_string())),
    };
    written.map(|_| ())
}

fn is_exact(number: &serde_json::Number) -> bool {
    let whole = number.as_i64().map(i64::unsigned_abs).or(number.as_u64());
    whole.is_none_or(|whole| whole <= EXACT_MAX)
}

fn short(text: String) -> String {
    // Bytes are never fewer than characters.
    if text.len() <= CHARS_MAX { text } else { text.chars().take(CHARS_MAX).collect() }
}

fn failed(error: XlsxError) -> Problem {
    Problem::outside("OUT-001", format!("the workbook cannot be written: {error}"))
}

#[cfg(test)]
mod tests {
    use std::io::Read;
    use std::sync::Arc;

    use arrow::array::{ArrayRef, BooleanArray, Int64Array, StringArray};
    use arrow::datatypes::Field;

    use super::*;

    fn batch(ids: &[&str]) -> RecordBatch {
        let numbers: Vec<i64> = (0..ids.len() as i64).map(|n| if n == 1 { i64::MAX } else { n }).collect();
        let columns: [(&str, ArrayRef); 3] = [
            ("user_id", Arc::new(StringArray::from(ids.to_vec()))),
            ("数", Arc::new(Int64Array::from(numbers))),
            ("vip", Arc::new(BooleanArray::from(vec![None; ids.len()]))),
        ];
        let fields: Vec<Field> =
            columns.iter().map(|(name, c)| Field::new(*name, c.data_type().clone(), true)).collect();
        RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, c)| c).collect())
            .unwrap()
    }

    /// The parts of the workbook, unpacked by a reader of our own: entries lie one after the other, each with its
    /// name and raw deflate data, and a directory at the end says where.
    fn parts(path: &Path) -> Vec<(String, String)> {
        let bytes = std::fs::read(path).unwrap();
        let number = |at: usize, size: usize| {
            bytes[at..at + size].iter().rev().fold(0usize, |all, byte| all << 8 | usize::from(*byte))
        };
        let end = (0..bytes.len() - 3).rev().find(|at| bytes[*at..].starts_with(b"PK\x05\x06")).unwrap();
        let (count, mut at) = (number(end + 10, 2), number(end + 16, 4));
        let mut found = Vec::new();
        for _ in 0..count {
            assert!(bytes[at..].starts_with(b"PK\x01\x02"));
            let (method, packed, name) = (number(at + 10, 2), number(at + 20, 4), number(at + 28, 2));
            let local = number(at + 42, 4);
            let data = local + 30 + number(local + 26, 2) + number(local + 28, 2);
            let mut data = &bytes[data..data + packed];
            let mut text = String::new();
            match method {
                0 => drop(data.read_to_string(&mut text).unwrap()),
                _ => drop(flate2::read::DeflateDecoder::new(data).read_to_string(&mut text).unwrap()),
            }
            found.push((String::from_utf8(bytes[at + 46..at + 46 + name].to_vec()).unwrap(), text));
            at += 46 + name + number(at + 30, 2) + number(at + 32, 2);
        }
        found
    }

    fn written(batches: Vec<RecordBatch>, rows_max: u32) -> Vec<(String, String)> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.xlsx");
        let schema = batches[0].schema();
        let mut file = File::create(&path).unwrap();
        let batches = batches.into_iter().map(Ok);
        write_sheets(&mut file, folder.path(), &schema, batches, Zone::default(), rows_max).unwrap();
        parts(&path).into_iter().filter(|(name, _)| name.starts_with("xl/worksheets/sheet")).collect()
    }

    // proves: S1.22
    #[test]
    fn texts_stay_texts_and_missing_values_stay_away() {
        let sheets = written(vec![batch(&["00001", "二<&>"])], 10);
        assert_eq!(sheets.len(), 1);
        let xml = &sheets[0].1;
        for cell in [
            "<t>user_id</t>",
            "<t>数</t>",
            "<t>00001</t>",
            "<t>二&lt;&amp;&gt;</t>",
            "<t>9223372036854775807</t>",
        ] {
            assert!(xml.contains(cell), "{cell}\n{xml}");
        }
        assert!(xml.contains("<c r=\"B2\"><v>0</v></c>") && !xml.contains("r=\"C2\""), "{xml}");
    }

    #[test]
    fn a_full_sheet_is_followed_by_another_with_the_same_header() {
        let sheets = written(vec![batch(&["a", "b"]), batch(&["c", "d", "e"])], 2);
        let has = |sheet: usize, id: &str| sheets[sheet].1.contains(&format!("<t>{id}</t>"));
        assert_eq!(sheets.len(), 3);
        assert!((0..3).all(|sheet| has(sheet, "user_id")));
        assert!(has(0, "a") && has(0, "b") && has(1, "c") && has(1, "d") && has(2, "e") && !has(2, "d"));
    }

    #[test]
    fn a_cell_holds_what_the_format_allows() {
        let long = "长".repeat(CHARS_MAX + 1);
        let sheets = written(vec![batch(&[&long])], 10);
        assert!(sheets[0].1.contains(&format!("<t>{}</t>", "长".repeat(CHARS_MAX))));
    }
}
