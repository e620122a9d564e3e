//! What does the log ask of a disk? One flat folder of files, and to be told when bytes are safe.
//!
//! Everything that the log does to files goes through [`Disk`], so that a test can put
//! [`SimulatedDisk`](super::SimulatedDisk) in the place of [`RealDisk`] and lose what a power cut
//! loses. Names are plain file names without a folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use memmap2::Mmap;

/// A folder of files. No operation makes anything durable but [`Disk::sync_folder`] (names) and
/// [`DiskFile::sync`] (bytes).
pub trait Disk: Send + Sync {
    /// The names of all files, in no order.
    fn list(&self) -> io::Result<Vec<String>>;

    /// Bytes of a file.
    fn length(&self, name: &str) -> io::Result<u64>;

    /// Up to `length` bytes from byte `offset` on; fewer only where the file ends.
    fn read(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>>;

    /// The bytes of a file that nobody changes any more; where the system can, they are not read before they
    /// are looked at.
    fn map(&self, name: &str) -> io::Result<Bytes> {
        let length = usize::try_from(self.length(name)?).map_err(io::Error::other)?;
        Ok(Bytes::from(self.read(name, 0, length)?))
    }

    /// A new empty file in the place of one that may be there.
    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>>;

    /// Gives a file another name, in the place of one that may be there.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    /// Takes a file away; one that is not there is no error.
    fn remove(&self, name: &str) -> io::Result<()>;

    /// Returns when all names (made, changed, taken away) are durable.
    fn sync_folder(&self) -> io::Result<()>;

    /// Where a file lies, for people.
    fn place(&self, name: &str) -> String;
}

/// A file being written: it only grows.
pub trait DiskFile: Send {
    /// Puts bytes behind the last one. After an error any part of them may be there.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Returns when all bytes are durable. After an error nobody knows which are, and a second call
    /// that succeeds proves nothing.
    fn sync(&mut self) -> io::Result<()>;
}

/// A folder of the machine.
#[derive(Debug, Clone)]
pub struct RealDisk {
    root: PathBuf,
}

impl RealDisk {
    /// The folder at `root`, made when it is not there.
    /// Errors: what the system says.
    pub fn open(root: &Path) -> io::Result<RealDisk> {
        if !root.is_dir() {
            fs::create_dir_all(root)?;
            sync_folder(root.parent().unwrap_or(root))?;
        }
        Ok(RealDisk { root: root.to_path_buf() })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
}

impl Disk for RealDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        let names = fs::read_dir(&self.root)?.map(|entry| Ok(entry?.file_name().into_string().ok()));
        names.filter_map(io::Result::transpose).collect()
    }

    fn length(&self, name: &str) -> io::Result<u64> {
        Ok(fs::metadata(self.path(name))?.len())
    }

    fn read(&self, name: &str, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.path(name))?;
        file.seek(SeekFrom::Start(offset))?;
        let mut bytes = Vec::with_capacity(length);
        file.take(length as u64).read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn map(&self, name: &str) -> io::Result<Bytes> {
        let file = File::open(self.path(name))?;
        // Sound as long as nobody changes the file; the log never writes to a finished one.
        Ok(Bytes::from_owner(unsafe { Mmap::map(&file) }?))
    }

    fn create(&self, name: &str) -> io::Result<Box<dyn DiskFile>> {
        let file = OpenOptions::new().create(true).write(true).truncate(true).open(self.path(name))?;
        Ok(Box::new(RealFile(file)))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        match fs::remove_file(self.path(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn sync_folder(&self) -> io::Result<()> {
        sync_folder(&self.root)
    }

    fn place(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }
}

struct RealFile(File);

impl DiskFile for RealFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes)
    }

    fn sync(&mut self) -> io::Result<()> {
        self.0.sync_data()
    }
}

/// Windows cannot open a folder to sync it, and does not need to.
fn sync_folder(path: &Path) -> io::Result<()> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    if cfg!(windows) { Ok(()) } else { File::open(path)?.sync_all() }
}
