//! How is it opened? By extension, by `--format` or by its first bytes; unpacked on the way.
//!
//! Standard input and packed Parquet or Arrow files are spooled to an unnamed temporary file, so
//! that they can be read twice and from any place.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::files::{Found, partitions};
use super::{Format, Request, Shape};
use crate::base::{Outcome, Problem, Problems};

/// Bytes looked at to tell a format.
const HEAD_BYTES: u64 = 4096;

/// How the bytes are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

/// Where the bytes lie.
#[derive(Debug, Clone)]
enum Place {
    Path(PathBuf),
    /// An unnamed file; whoever opens it starts at its beginning, one at a time.
    Spool(Arc<File>),
}

/// One file to read, its format known.
#[derive(Debug, Clone)]
pub struct Input {
    /// As shown in problems and rejects.
    pub name: String,
    pub format: Format,
    pub packing: Packing,
    /// `key=value` folders on its path.
    pub partitions: Vec<(String, Option<String>)>,
    /// Size as it lies on disk.
    pub bytes: u64,
    place: Place,
}

/// What standard input means, taken when the first `-` is met.
pub type Stdin = Option<Box<dyn Read + Send>>;

/// Opens everything that was found; packed columnar files and standard input are spooled.
/// Errors: ING-002 format not known, ING-003 not UTF-8 text, ING-007 a JSON array, ING-009 `-`
/// without an input, ING-006 a broken packed file, OUT-001.
pub fn inputs(found: Vec<Found>, request: &Request, mut stdin: Stdin) -> Result<Vec<Input>, Problems> {
    let mut problems = Problems::default();
    let mut inputs = Vec::with_capacity(found.len());
    for one in found {
        match input(one, request, &mut stdin) {
            Ok(input) => inputs.push(input),
            Err(problem) => problems.push(problem),
        }
    }
    problems.or(inputs)
}

fn input(found: Found, request: &Request, stdin: &mut Stdin) -> Outcome<Input> {
    let mut input = unformed(found, &request.rejects, stdin)?;
    let head = input.head()?;
    input.format = format_of(&input, &head, request)?;
    if matches!(input.format, Format::Csv | Format::Ndjson) {
        looks_like_text(&head).map_err(|problem| problem.at(input.name.as_str()))?;
        if input.format == Format::Ndjson && is_array(&head) {
            return Err(array_problem().at(input.name));
        }
        return Ok(input);
    }
    if input.packing != Packing::Plain { unpacked(input, &request.rejects) } else { Ok(input) }
}

/// One file whose format is not looked at; standard input is spooled near the path `near`.
/// Errors: ING-009 `-` without an input, OUT-001.
pub fn unformed(found: Found, near: &Path, stdin: &mut Stdin) -> Outcome<Input> {
    match found {
        Found::File(path) => named(path),
        Found::Input => spooled(stdin.take(), near),
    }
}

fn named(path: PathBuf) -> Outcome<Input> {
    let name = path.display().to_string();
    let meta = std::fs::metadata(&path).map_err(|error| Problem::from(error).at(name.as_str()))?;
    let packing = match extensions(&name).1 {
        Some("gz") => Packing::Gzip,
        Some("zst") => Packing::Zstd,
        _ => Packing::Plain,
    };
    let (partitions, bytes, place) = (partitions(&path), meta.len(), Place::Path(path));
    Ok(Input { name, format: Format::Ndjson, packing, partitions, bytes, place })
}

fn spooled(stdin: Stdin, near: &Path) -> Outcome<Input> {
    let Some(mut reader) = stdin else {
        return Err(Problem::data("ING-009", "`-` has no input, or is named twice")
            .at("-")
            .cure("name `-` once and pipe the rows in"));
    };
    let mut file = temporary(near)?;
    let bytes = io::copy(&mut reader, &mut file).map_err(|error| Problem::from(error).at("-"))?;
    let place = Place::Spool(Arc::new(file));
    let mut input = Input {
        name: "-".into(),
        format: Format::Ndjson,
        packing: Packing::Plain,
        partitions: vec![],
        bytes,
        place,
    };
    input.packing = match input.head()?.as_slice() {
        [0x1f, 0x8b, ..] => Packing::Gzip,
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
        _ => Packing::Plain,
    };
    Ok(input)
}

/// A packed Parquet or Arrow file, unpacked beside the home's rejects.
fn unpacked(input: Input, near: &Path) -> Outcome<Input> {
    let mut file = temporary(near)?;
    let mut reader = input.reader(Arc::default())?;
    let mut buffer = vec![0; 1 << 16];
    loop {
        let count = reader.read(&mut buffer).map_err(|error| input.read_problem(error))?;
        if count == 0 {
            break;
        }
        file.write_all(&buffer[..count])?;
    }
    let bytes = file.metadata()?.len();
    Ok(Input { packing: Packing::Plain, bytes, place: Place::Spool(Arc::new(file)), ..input })
}

/// An unnamed file in the nearest folder above `near` that exists; it goes when it is closed.
fn temporary(near: &Path) -> Outcome<File> {
    let folder = near.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(Path::new("."));
    tempfile::tempfile_in(folder).map_err(|error| Problem::from(error).at(folder.display().to_string()))
}

impl Input {
    /// The file, at its beginning.
    pub fn file(&self) -> Outcome<File> {
        let opened = match &self.place {
            Place::Path(path) => File::open(path),
            Place::Spool(file) => file.try_clone().and_then(|mut file| file.rewind().map(|()| file)),
        };
        opened.map_err(|error| Problem::from(error).at(self.name.as_str()))
    }

    /// The unpacked bytes; what is taken from disk is added to `taken`.
    pub fn reader(&self, taken: Arc<AtomicU64>) -> Outcome<Box<dyn Read + Send>> {
        let counted = Counted { inner: self.file()?, taken };
        Ok(match self.packing {
            Packing::Plain => Box::new(counted),
            Packing::Gzip => Box::new(flate2::read::MultiGzDecoder::new(io::BufReader::new(counted))),
            Packing::Zstd => Box::new(zstd::Decoder::new(counted).map_err(|error| self.read_problem(error))?),
        })
    }

    /// A failure to read on: of the disk, or of the packing.
    pub fn read_problem(&self, error: io::Error) -> Problem {
        match self.packing {
            Packing::Plain => Problem::from(error).at(self.name.as_str()),
            _ => self.broken(&error.to_string()),
        }
    }

    /// The whole file cannot be used: ING-006.
    pub fn broken(&self, why: &str) -> Problem {
        Problem::data("ING-006", format!("the file is cut off or damaged: {why}"))
            .at(self.name.as_str())
            .cure("fetch or export the file again; nothing of this load was kept")
    }

    fn head(&self) -> Outcome<Vec<u8>> {
        let mut head = Vec::new();
        let reader = self.reader(Arc::default())?;
        reader.take(HEAD_BYTES).read_to_end(&mut head).map_err(|error| self.read_problem(error))?;
        Ok(head)
    }
}

/// Counts what is taken from disk, for progress.
pub struct Counted {
    pub inner: File,
    pub taken: Arc<AtomicU64>,
}

impl Seek for Counted {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        self.inner.seek(to)
    }
}

impl Read for Counted {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.taken.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The format's extension and the packing's, in `a.csv.gz`: `csv`, `gz`.
fn extensions(name: &str) -> (Option<&str>, Option<&str>) {
    let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
    match file.rsplit_once('.') {
        Some((stem, packing @ ("gz" | "zst"))) => {
            (stem.rsplit_once('.').map(|(_, ending)| ending), Some(packing))
        }
        Some((_, ending)) => (Some(ending), None),
        None => (None, None),
    }
}

fn format_of(input: &Input, head: &[u8], request: &Request) -> Outcome<Format> {
    if let Some(format) = request.format.or_else(|| by_extension(&input.name)) {
        return Ok(format);
    }
    let is_list = matches!(request.shape, Shape::Members { .. });
    match by_head(head) {
        Some(format) => Ok(format),
        None if is_list => Ok(Format::Csv),
        None if input.name == "-" || head.is_empty() => Ok(Format::Ndjson),
        None => Err(Problem::data("ING-002", "neither the extension nor the first bytes tell the format")
            .at(input.name.as_str())
            .cure("say `--format parquet`, `csv`, `ndjson` or `arrow`, or give the file its extension")),
    }
}

fn by_extension(name: &str) -> Option<Format> {
    Some(match extensions(name).0?.to_ascii_lowercase().as_str() {
        "parquet" | "pq" => Format::Parquet,
        "csv" | "tsv" | "txt" => Format::Csv,
        "json" | "jsonl" | "ndjson" => Format::Ndjson,
        "arrow" | "arrows" | "feather" | "ipc" => Format::Arrow,
        _ => return None,
    })
}

/// The format that the first bytes tell.
pub fn by_head(head: &[u8]) -> Option<Format> {
    match head {
        [b'P', b'A', b'R', b'1', ..] => Some(Format::Parquet),
        [b'A', b'R', b'R', b'O', b'W', b'1', ..] | [0xff, 0xff, 0xff, 0xff, ..] => Some(Format::Arrow),
        _ if first_of(head) == Some(b'{') => Some(Format::Ndjson),
        _ => None,
    }
}

/// Do these bytes begin a packed file?
pub fn is_packed(head: &[u8]) -> bool {
    matches!(head, [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..])
}

/// The first byte that is neither a BOM nor white space.
fn first_of(head: &[u8]) -> Option<u8> {
    let text = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head);
    text.iter().copied().find(|byte| !byte.is_ascii_whitespace())
}

fn is_array(head: &[u8]) -> bool {
    first_of(head) == Some(b'[')
}

fn array_problem() -> Problem {
    Problem::data("ING-007", "the file is one JSON array; rows are read from one object a line")
        .cure("write one object a line: `jq -c '.[]' old.json > new.ndjson`")
}

/// Text in UTF-16 has a mark at its start, or a zero byte beside each of its first letters.
fn looks_like_text(head: &[u8]) -> Outcome<()> {
    let is_utf16 = match head {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => true,
        [a, b, c, d, ..] => {
            (*a == 0 && *c == 0 && *b != 0 && *d != 0) || (*b == 0 && *d == 0 && *a != 0 && *c != 0)
        }
        _ => false,
    };
    if !is_utf16 {
        return Ok(());
    }
    Err(Problem::data("ING-003", "the text is UTF-16; only UTF-8 is read")
        .cure("convert it first: `iconv -f UTF-16 -t UTF-8 old > new`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extensions_tell_format_and_packing() {
        assert_eq!(extensions("in.d/a.csv.gz"), (Some("csv"), Some("gz")));
        assert_eq!(extensions("in.d/a"), (None, None));
        assert_eq!(by_extension("x/A.JSONL"), Some(Format::Ndjson));
        assert_eq!(by_extension("a.feather.zst"), Some(Format::Arrow));
        assert_eq!(by_extension("a.xlsx"), None);
    }

    #[test]
    fn first_bytes_tell_what_extensions_do_not() {
        assert_eq!(by_head(b"PAR1...."), Some(Format::Parquet));
        assert_eq!(by_head(b"\xef\xbb\xbf \n{}"), Some(Format::Ndjson));
        assert_eq!(by_head(b"u1,2"), None);
        assert!(looks_like_text(b"\xff\xfeu\0").is_err());
        assert!(looks_like_text(b"u\0s\0").is_err());
        assert!(looks_like_text("用户".as_bytes()).is_ok());
    }
}
