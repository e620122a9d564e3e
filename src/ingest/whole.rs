//! What does a file hold, all of it? For forms that are one value, not rows: bitmaps of other systems.

use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use super::content::{self, Input};
use super::files;
use crate::base::{Outcome, Pace, Problem, Problems};

/// More is not read of one file: a bitmap of all 32-bit numbers has half a GiB, twice that as text.
const BYTES_MAX: u64 = 2 << 30;

/// One file, found but not read yet.
pub struct Whole {
    input: Input,
}

/// The files that `paths` mean (files, folders, globs, `-`), as [`open`](super::open) finds them.
/// `input` is what `-` means; it is kept in an unnamed file near the path `near`.
/// Errors: ING-001 for every path that leads to no file, ING-009 `-` without an input, OUT-001.
pub fn whole(
    paths: &[String],
    input: Option<Box<dyn Read + Send>>,
    near: &Path,
) -> Result<Vec<Whole>, Problems> {
    let mut input = input;
    let mut problems = Problems::default();
    let mut found = Vec::new();
    for one in files::find(paths)? {
        match content::unformed(one, near, &mut input) {
            Ok(input) => found.push(Whole { input }),
            Err(problem) => problems.push(problem),
        }
    }
    problems.or(found)
}

impl Whole {
    /// As shown in problems.
    pub fn name(&self) -> &str {
        &self.input.name
    }

    /// The unpacked bytes.
    /// Errors: ING-006 a broken packed file, ING-020 more than 2 GiB, OUT-001.
    pub fn bytes(&self, pace: &dyn Pace) -> Outcome<Vec<u8>> {
        pace.begin("reading a bitmap", Some(self.input.bytes), "bytes");
        let read = self.read(BYTES_MAX);
        pace.more(self.input.bytes);
        pace.end();
        read
    }

    fn read(&self, bytes_max: u64) -> Outcome<Vec<u8>> {
        let mut bytes = Vec::new();
        let reader = self.input.reader(Arc::default())?;
        reader.take(bytes_max + 1).read_to_end(&mut bytes).map_err(|error| self.input.read_problem(error))?;
        if bytes.len() as u64 > bytes_max { Err(self.too_large(bytes_max)) } else { Ok(bytes) }
    }

    fn too_large(&self, bytes_max: u64) -> Problem {
        Problem::data("ING-020", format!("the file has more than {bytes_max} bytes, unpacked"))
            .at(self.name())
            .cure("export the bitmap in parts; `crowd import` takes a folder or a pattern that holds them")
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::base::Quiet;

    fn all(folder: &Path, path: &str) -> Vec<Outcome<Vec<u8>>> {
        let path = folder.join(path).display().to_string();
        let found = whole(&[path], None, &folder.join("rejects/x")).unwrap();
        found.iter().map(|file| file.bytes(&Quiet)).collect()
    }

    #[test]
    fn packed_and_plain_files_give_the_same_bytes() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = [0u8, 255, 10, 13];
        let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        packed.write_all(&bytes).unwrap();
        std::fs::write(folder.path().join("b.doris.gz"), packed.finish().unwrap()).unwrap();
        std::fs::write(folder.path().join("a.doris"), bytes).unwrap();
        std::fs::write(folder.path().join("c.doris.zst"), zstd::encode_all(&bytes[..], 1).unwrap()).unwrap();
        let read: Vec<Vec<u8>> = all(folder.path(), "*").into_iter().map(Outcome::unwrap).collect();
        assert_eq!(read, [bytes, bytes, bytes]);
    }

    #[test]
    fn a_broken_file_and_one_that_is_too_large_are_problems() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("a.gz"), b"\x1f\x8b\x08nothing").unwrap();
        assert_eq!(all(folder.path(), "a.gz").remove(0).unwrap_err().code, "ING-006");
        std::fs::write(folder.path().join("b"), [7; 40]).unwrap();
        let path = folder.path().join("b").display().to_string();
        let found = whole(&[path], None, folder.path()).unwrap();
        assert_eq!(found[0].read(39).unwrap_err().code, "ING-020");
        assert_eq!(found[0].read(40).unwrap().len(), 40);
        assert_eq!(whole(&["-".into()], None, folder.path()).err().unwrap().0[0].code, "ING-009");
    }
}
