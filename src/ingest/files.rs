//! Which files are meant? Paths, folders and globs become a sorted list of files.
//!
//! Hidden and `_`-prefixed entries of folders (`_SUCCESS`) are passed over; `key=value` folders
//! (Hive partitions) are noted for each file.

use std::collections::HashSet;
use std::path::{Component, Path, PathBuf};

use crate::base::{Problem, Problems};

/// Folders in folders, at most: deeper is a loop of links.
const DEPTH_MAX: usize = 64;

/// What a partition without a value is called in a Hive path.
const HIVE_MISSING: &str = "__HIVE_DEFAULT_PARTITION__";

/// One thing to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    File(PathBuf),
    Input,
}

/// The files meant by `paths`, each path's own sorted, each file once.
/// Errors: ING-001 for every path that leads to no file.
pub fn find(paths: &[String]) -> Result<Vec<Found>, Problems> {
    let mut problems = Problems::default();
    let mut found = Vec::new();
    let mut seen = HashSet::new();
    for path in paths {
        match find_one(path) {
            Ok(files) => found.extend(files.into_iter().filter(|file| seen.insert(key_of(file)))),
            Err(problem) => problems.push(problem),
        }
    }
    if paths.is_empty() {
        problems.push(nothing("", "no path was given"));
    }
    problems.or(found)
}

fn key_of(found: &Found) -> PathBuf {
    match found {
        Found::File(path) => path.clone(),
        Found::Input => PathBuf::from("-"),
    }
}

fn find_one(path: &str) -> Result<Vec<Found>, Problem> {
    if path == "-" {
        return Ok(vec![Found::Input]);
    }
    let files = match std::fs::metadata(path) {
        Ok(meta) if meta.is_dir() => files_in(Path::new(path), path)?,
        Ok(_) => vec![PathBuf::from(path)],
        Err(_) if path.contains(['*', '?', '[']) => matches_of(path)?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(nothing(path, "there is no such file or folder"));
        }
        Err(error) => return Err(Problem::from(error).at(path)),
    };
    Ok(files.into_iter().map(Found::File).collect())
}

fn files_in(folder: &Path, path: &str) -> Result<Vec<PathBuf>, Problem> {
    let mut files = Vec::new();
    walk(folder, 0, &mut files)?;
    files.sort();
    if files.is_empty() { Err(nothing(path, "the folder has no data file")) } else { Ok(files) }
}

fn walk(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), Problem> {
    let failed = |error: std::io::Error| Problem::from(error).at(folder.display().to_string());
    if depth > DEPTH_MAX {
        return Err(nothing(
            &folder.display().to_string(),
            "folders lie more than 64 deep: a loop of links?",
        ));
    }
    for entry in std::fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        match std::fs::metadata(&path).map_err(failed)?.is_dir() {
            _ if is_passed_over(&path) => {}
            true => walk(&path, depth + 1, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

fn is_passed_over(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.starts_with(['.', '_'])
}

fn matches_of(pattern: &str) -> Result<Vec<PathBuf>, Problem> {
    let options = glob::MatchOptions { require_literal_leading_dot: true, ..Default::default() };
    let paths = glob::glob_with(pattern, options).map_err(|error| nothing(pattern, &error.to_string()))?;
    let mut files = Vec::new();
    for path in paths {
        let path = path.map_err(|error| Problem::from(std::io::Error::from(error)).at(pattern))?;
        match path.is_dir() {
            _ if is_passed_over(&path) => {}
            true => walk(&path, 0, &mut files)?,
            false => files.push(path),
        }
    }
    files.sort();
    if files.is_empty() { Err(nothing(pattern, "nothing matches the pattern")) } else { Ok(files) }
}

fn nothing(path: &str, what: &str) -> Problem {
    Problem::data("ING-001", what).at(path).cure(
        "name a Parquet, CSV, NDJSON or Arrow file, a folder or a pattern that holds some, or `-`; \
         files that begin with `.` or `_` are passed over",
    )
}

/// The `key=value` folders on the way to a file, outermost first; `None` is a missing value.
pub fn partitions(path: &Path) -> Vec<(String, Option<String>)> {
    let folders = path.parent().map(Path::components);
    folders.into_iter().flatten().filter_map(partition).collect()
}

fn partition(folder: Component) -> Option<(String, Option<String>)> {
    let Component::Normal(name) = folder else { return None };
    let (key, value) = name.to_str()?.split_once('=')?;
    let value = (value != HIVE_MISSING).then(|| unescape(value));
    (!key.is_empty()).then(|| (unescape(key), value))
}

/// Undoes `%3A`; what does not decode to UTF-8 stays as it is.
fn unescape(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let byte = tail.get(..2).filter(|_| first == b'%').and_then(byte_of);
        bytes.push(byte.unwrap_or(first));
        rest = if byte.is_some() { &tail[2..] } else { tail };
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_string())
}

/// The byte that two hex digits name.
fn byte_of(hex: &[u8]) -> Option<u8> {
    let text = std::str::from_utf8(hex).ok().filter(|_| hex.iter().all(u8::is_ascii_hexdigit))?;
    u8::from_str_radix(text, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_are_read_from_the_path() {
        let path =
            Path::new("in/date=2025-03-31/city=%E4%B8%8A%E6%B5%B7/x=__HIVE_DEFAULT_PARTITION__/a=b.csv");
        let expected = [
            ("date".to_string(), Some("2025-03-31".to_string())),
            ("city".to_string(), Some("上海".to_string())),
            ("x".to_string(), None),
        ];
        assert_eq!(partitions(path), expected);
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%FF%zz"), "%FF%zz");
    }

    #[test]
    fn folders_are_walked_in_order_and_marks_passed_over() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        std::fs::create_dir_all(at("b/date=1")).unwrap();
        std::fs::create_dir_all(at("_tmp")).unwrap();
        for name in ["b/date=1/x.csv", "b/_SUCCESS", "b/.x.crc", "a.csv", "_tmp/y.csv"] {
            std::fs::write(at(name), "").unwrap();
        }
        let root = home.path().display().to_string();
        let files = [at("a.csv"), at("b/date=1/x.csv")].map(Found::File);
        assert_eq!(find(std::slice::from_ref(&root)).unwrap(), files);
        assert_eq!(find(&[format!("{root}/*.csv"), root.clone()]).unwrap(), files);
        assert_eq!(
            find(&[format!("{root}/b/date=*"), "-".into()]).unwrap(),
            [files[1].clone(), Found::Input]
        );
    }

    #[test]
    fn every_path_that_leads_nowhere_is_told() {
        let home = tempfile::tempdir().unwrap();
        let root = home.path().display().to_string();
        let problems = find(&[root.clone(), format!("{root}/none"), format!("{root}/*.csv")]).unwrap_err();
        assert_eq!(problems.0.iter().map(|p| p.code).collect::<Vec<_>>(), ["ING-001"; 3]);
        assert!(find(&[]).is_err());
    }
}
