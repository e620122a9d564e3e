//! Where is everything? One folder per project, one app's data in it at a time.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rusqlite::Connection;

use crate::base::{Outcome, Problem, Problems, Zone};

use super::catalog::Catalog;
use super::catalog_file;
use super::manifest::{self, Manifest};
use super::meta;
use super::rows::{RowCache, SharedCache};
use super::snapshot::Snapshot;

/// The app whose data lie in the home itself.
const APP_DEFAULT: &str = "default";
/// Decoded event and detail columns kept in memory, when nothing else is said.
const CACHE_BYTES: u64 = 2 << 30;

/// One app's data in a home.
#[derive(Clone)]
pub struct Home {
    root: PathBuf,
    dir: PathBuf,
    cache: SharedCache,
}

impl Home {
    /// The data of `app` in the home `dir`, which need not exist yet: `default` lies in the home
    /// itself, others in `apps/ID/`.
    /// Errors: STO-010 for an app id that cannot be a folder's name.
    pub fn at(dir: &Path, app: &str) -> Outcome<Home> {
        let folder = match app {
            APP_DEFAULT => dir.to_path_buf(),
            _ => dir.join("apps").join(checked_app(app)?),
        };
        Ok(Home { root: dir.to_path_buf(), dir: folder, cache: Arc::new(RowCache::new(CACHE_BYTES)) })
    }

    /// The same with room for `bytes` of decoded columns (default 2 GiB).
    pub fn with_cache(self, bytes: u64) -> Home {
        Home { cache: Arc::new(RowCache::new(bytes)), ..self }
    }

    /// The app's folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The home itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// The newest data version; an empty home gives an empty one. It stays as it is, and its
    /// files stay on the disk, for as long as it is held.
    /// Errors: STO-002 damaged, STO-003 written by a newer program, STO-006 to STO-009 for the
    /// first mistake in `catalog.toml` ([`check_catalog`](Home::check_catalog) gives all).
    pub fn snapshot(&self) -> Outcome<Snapshot> {
        let found = manifest::current(&self.dir)?;
        let (manifest, held) = match found {
            Some((manifest, held)) => (manifest, Some(held)),
            None => (Manifest::empty(Zone::default(), 0), None),
        };
        let file = catalog_file::read(&self.dir).map_err(first_of)?;
        let catalog = Catalog::of(&manifest, &file);
        Snapshot::open(self.dir.clone(), manifest, held, catalog, self.cache.clone())
    }

    /// Every mistake in `catalog.toml`.
    pub fn check_catalog(&self) -> Result<(), Problems> {
        catalog_file::read(&self.dir).map(|_| ())
    }

    /// `meta.db` of the app: WAL, every commit synced, waiting up to 5 s for another writer.
    pub fn meta(&self) -> Outcome<Connection> {
        meta::open(&self.dir.join("meta.db"))
    }
}

/// All mistakes count; where only one can be told, it says how many more there are.
fn first_of(problems: Problems) -> Problem {
    let more = problems.0.len().saturating_sub(1);
    let first = problems.0.into_iter().next().unwrap_or_else(|| Problem::bug("no problem where one was"));
    if more == 0 {
        return first;
    }
    let what = format!("{} (and {more} more in this file)", first.what);
    Problem { what, ..first }
}

/// An app id is a folder's name: letters, digits, `-` and `_`.
fn checked_app(app: &str) -> Outcome<&str> {
    let is_plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if !app.is_empty() && app.len() <= 100 && app.chars().all(is_plain) {
        return Ok(app);
    }
    let what = format!("`{app}` cannot be an app id: it names a folder");
    Err(Problem::author("STO-010", what)
        .at("--app")
        .cure("use letters, digits, `-` and `_`, at most 100 bytes"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn apps_have_folders_of_their_own() {
        let root = Path::new("/h");
        assert_eq!(Home::at(root, "default").unwrap().dir(), root);
        assert_eq!(Home::at(root, "会员").unwrap().dir(), root.join("apps/会员"));
        for bad in ["", "..", "a/b", "a\\b", "."] {
            let problem = Home::at(root, bad).map(|_| ()).unwrap_err();
            assert_eq!(problem.code, "STO-010");
        }
    }

    #[test]
    fn an_empty_home_gives_an_empty_snapshot() {
        let folder = tempfile::tempdir().unwrap();
        let snapshot = Home::at(folder.path(), "default").unwrap().snapshot().unwrap();
        assert_eq!((snapshot.version(), snapshot.user_end(), snapshot.chunk_count()), (0, 0, 0));
        assert!(snapshot.universe().is_empty() && snapshot.days().is_empty());
        assert_eq!(snapshot.find("u1"), None);
        assert!(snapshot.attributes(0).unwrap().is_none());
        assert_eq!(snapshot.values_of("gender").unwrap(), Some(Vec::new()));
    }
}
