//! What is in a file, and which of it is code, comment, words or test?

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use regex::Regex;

/// A file of the project. For Rust files `code` and `worded` have the same length and lines as `text`;
/// what they leave out is spaces there.
#[derive(Debug, Clone)]
pub struct Source {
    /// Relative to the package, with `/`.
    pub path: String,
    pub text: String,
    /// Without comments, strings and characters.
    pub code: String,
    /// Without comments.
    pub worded: String,
    /// Bytes of items under `#[cfg(test)]`.
    tests: Vec<Range<usize>>,
    /// The whole file is test code, as its parent or its own first line says.
    pub is_all_test: bool,
}

impl Source {
    /// A file with this content.
    pub fn new(path: &str, text: &str) -> Source {
        let code = keep(text, |piece| piece == Piece::Code);
        let worded = keep(text, |piece| piece != Piece::Comment);
        let (tests, is_all_test) = (test_items(&code), code.contains("#![cfg(test)]"));
        Source { path: path.to_string(), text: text.to_string(), code, worded, tests, is_all_test }
    }

    /// Is this byte part of a test?
    pub fn is_test(&self, byte: usize) -> bool {
        self.is_all_test || self.tests.iter().any(|t| t.contains(&byte))
    }

    /// `path:line` of a byte.
    pub fn place(&self, byte: usize) -> String {
        format!("{}:{}", self.path, self.text[..byte].matches('\n').count() + 1)
    }
}

/// All files below `folders` (of the package; `.` is the package's own folder without what lies below)
/// whose extension is one of these; the empty extension means none. Sorted by path. Folders that are
/// not there are passed over.
pub fn read(folders: &[&str], extensions: &[&str]) -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut paths = Vec::new();
    for folder in folders {
        collect(&root.join(folder), *folder != ".", &mut paths);
    }
    paths.sort();
    let wanted =
        |path: &PathBuf| extensions.contains(&path.extension().and_then(|e| e.to_str()).unwrap_or(""));
    let mut sources: Vec<Source> = paths.iter().filter(|p| wanted(p)).filter_map(|p| load(root, p)).collect();
    mark_test_files(&mut sources);
    sources
}

fn collect(folder: &Path, below: bool, paths: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_name() == ".git" {
            continue; // in a worktree it is a file that names the machine's own folder
        } else if path.is_file() {
            paths.push(path);
        } else if below && entry.file_name() != "__pycache__" {
            collect(&path, true, paths);
        }
    }
}

/// None for a file that is not text.
fn load(root: &Path, path: &Path) -> Option<Source> {
    let text = fs::read_to_string(path).ok()?;
    let relative = path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    Some(Source::new(relative.trim_start_matches("./"), &text))
}

/// Files that another one declares as `#[cfg(test)] mod name;` are tests as a whole.
pub fn mark_test_files(sources: &mut [Source]) {
    let declared: Vec<String> = sources.iter().flat_map(test_modules).collect();
    for source in sources {
        let stem = source.path.trim_end_matches(".rs").trim_end_matches("/mod");
        source.is_all_test |= declared.iter().any(|d| stem == d || stem.starts_with(&format!("{d}/")));
    }
}

/// Paths without extension of the modules that a file declares for tests.
fn test_modules(source: &Source) -> Vec<String> {
    let declaration = regex(r"#\[cfg\(test\)\]\s*(?:pub(?:\([^)]*\))?\s+)?mod\s+(\w+)\s*;");
    let home = home_of_children(&source.path);
    declaration.captures_iter(&source.code).map(|c| format!("{home}{}", &c[1])).collect()
}

/// `src/a/mod.rs` -> `src/a/`; `src/a/b.rs` -> `src/a/b/`.
fn home_of_children(path: &str) -> String {
    let stem = path.trim_end_matches(".rs");
    let (folder, file) = stem.rsplit_once('/').unwrap_or(("", stem));
    if ["mod", "lib", "main"].contains(&file) { format!("{folder}/") } else { format!("{stem}/") }
}

/// A pattern of ours; a wrong one fails the test that uses it.
pub fn regex(pattern: &str) -> Regex {
    Regex::new(pattern).unwrap_or_else(|e| panic!("{e}"))
}

/// Where the block that opens at or after `from` ends: behind its `}`, or behind a `;` that comes first.
pub fn item_end(code: &str, from: usize) -> usize {
    let (mut braces, mut brackets) = (0, 0);
    for (at, c) in code[from..].char_indices() {
        match c {
            '{' => braces += 1,
            '}' => braces -= 1,
            '(' | '[' => brackets += 1,
            ')' | ']' => brackets -= 1,
            _ => {}
        }
        if c == '}' && braces == 0 || c == ';' && braces == 0 && brackets == 0 {
            return from + at + 1;
        }
    }
    code.len()
}

fn test_items(code: &str) -> Vec<Range<usize>> {
    code.match_indices("#[cfg(test)]").map(|(at, mark)| at..item_end(code, at + mark.len())).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Piece {
    Code,
    Comment,
    Words,
}

/// The text with spaces in place of the pieces not kept, byte for byte.
fn keep(text: &str, is_kept: impl Fn(Piece) -> bool) -> String {
    let (mut out, mut at, mut in_word) = (String::with_capacity(text.len()), 0, false);
    while at < text.len() {
        let rest = &text[at..];
        let (piece, length) = next_piece(rest, in_word);
        let bytes = &rest[..length];
        in_word = bytes.ends_with(|c: char| c.is_alphanumeric() || c == '_');
        if is_kept(piece) {
            out.push_str(bytes)
        } else {
            out.extend(bytes.bytes().map(blank))
        }
        at += length;
    }
    out
}

fn blank(byte: u8) -> char {
    if byte == b'\n' { '\n' } else { ' ' }
}

/// The kind and length in bytes of what the text begins with. `in_word`: a letter stands just before.
fn next_piece(rest: &str, in_word: bool) -> (Piece, usize) {
    if rest.starts_with("//") {
        return (Piece::Comment, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        return (Piece::Comment, block_comment(rest));
    }
    let words = if rest.starts_with('"') {
        Some(quoted(rest, '"'))
    } else if rest.starts_with('\'') {
        character(rest)
    } else {
        raw_string(rest).filter(|_| !in_word)
    };
    match words {
        Some(length) => (Piece::Words, length),
        None => (Piece::Code, rest.chars().next().map_or(1, char::len_utf8)),
    }
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let (step, change) = match &rest.as_bytes()[at..] {
            [b'/', b'*', ..] => (2, 1),
            [b'*', b'/', ..] => (2, -1),
            _ => (1, 0),
        };
        at += step;
        depth += change;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// Up to and with the closing mark; a backslash takes the next character with it.
fn quoted(rest: &str, mark: char) -> usize {
    let mut chars = rest.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == mark {
            return at + 1;
        }
    }
    rest.len()
}

/// `'a'` and `'\n'` are characters, `'a` alone is a lifetime.
fn character(rest: &str) -> Option<usize> {
    let mut chars = rest.char_indices().skip(1);
    let (_, first) = chars.next()?;
    if first == '\\' {
        return Some(quoted(rest, '\''));
    }
    let (at, second) = chars.next()?;
    (second == '\'').then_some(at + 1)
}

/// `r"…"`, `r#"…"#` and the same with `b` or `c` before.
fn raw_string(rest: &str) -> Option<usize> {
    let body = rest.strip_prefix(['b', 'c']).unwrap_or(rest).strip_prefix('r')?;
    let inside = body.trim_start_matches('#').strip_prefix('"')?;
    let hashes = body.len() - inside.len() - 1;
    let end = format!("\"{}", "#".repeat(hashes));
    let before = rest.len() - inside.len();
    Some(inside.find(&end).map_or(rest.len(), |at| before + at + end.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_words_are_not_code() {
        let text = "a /* b /* c */ d */ e // f\n\"g \\\" h\" i 'j' '\\'' &'k l r#\"m \" n\"# o br\"p\" q";
        let source = Source::new("src/x.rs", text);
        let left: Vec<&str> = source.code.split_whitespace().collect();
        assert_eq!(left, ["a", "e", "i", "&'k", "l", "o", "q"]);
        assert_eq!(source.code.len(), text.len());
        assert!(source.worded.contains("g \\\" h") && !source.worded.contains('f'));
    }

    #[test]
    fn chinese_words_keep_their_bytes() {
        let source = Source::new("src/x.rs", "let a = \"圈客\"; b");
        assert_eq!(source.code.find('b'), source.text.rfind('b'));
    }

    #[test]
    fn items_under_cfg_test_are_tests_and_nothing_else_is() {
        let text = "fn a() {}\n#[cfg(test)]\nmod tests { fn b() { \"}\"; } }\nfn c() {}\n";
        let source = Source::new("src/x.rs", text);
        let tested = |needle| source.is_test(text.find(needle).unwrap_or_default());
        assert!(!tested("fn a") && tested("fn b") && !tested("fn c"));
        assert_eq!(source.place(text.find("fn c").unwrap_or_default()), "src/x.rs:4");
    }

    #[test]
    fn a_file_declared_for_tests_is_all_test() {
        let declares = Source::new("src/a/mod.rs", "#[cfg(test)]\npub(crate) mod made_up;\nmod real;");
        let mut all = [declares, Source::new("src/a/made_up.rs", "x"), Source::new("src/a/real.rs", "x")];
        mark_test_files(&mut all);
        assert_eq!(all.map(|s| s.is_all_test), [false, true, false]);
    }
}
