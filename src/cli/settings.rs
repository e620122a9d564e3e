//! `quanke.toml` in the home: zone, limits, senders, switches. Every mistake is told at once.
//!
//! The keys are described in `docs/settings.md`. The file may be absent: then all is default.

mod tasks;

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use chrono::NaiveTime;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

pub use tasks::TaskSettings;

use super::words::bytes_of;
use crate::audience::Guard;
use crate::base::{Outcome, Problem, Problems, Zone};
use crate::dispatch::Policy;
use crate::sender::quotas;
use crate::task::{Limits, Quota, company_limits, duration_ms};

/// Memory that a load may use when nothing says otherwise.
const MEMORY_BYTES: u64 = 2 << 30;
/// Decoded columns kept in memory when nothing says otherwise.
const CACHE_BYTES: u64 = 2 << 30;
/// The local time at which daily crowds are made anew (semantics 3).
const DAILY_AT: NaiveTime = match NaiveTime::from_hms_opt(2, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};
/// How long a to-do may be open when nothing says otherwise.
const TODO_OVERDUE: Duration = Duration::from_secs(24 * 3600);
/// The settings' file in the home.
pub const FILE: &str = "quanke.toml";

/// What the home's owner decided.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    /// The project's zone.
    pub zone: Zone,
    /// Bytes that a load may use.
    pub memory: u64,
    /// Bytes of decoded columns kept in memory.
    pub cache: u64,
    /// A crowd that no task reaches.
    pub blacklist: Option<String>,
    /// Is a task's own audience listed as a crowd, when the task does not say?
    pub is_sync_default: bool,
    /// Local time at which daily crowds are made anew.
    pub daily_at: NaiveTime,
    /// Holds versions of crowds whose size jumps by more, where a crowd has no guard of its own.
    pub guard: Option<Guard>,
    /// Tries of one batch, the first among them.
    pub retry_tries: u32,
    /// The wait before the second try; it doubles each time.
    pub retry_wait: Duration,
    /// How long a to-do may be open before it is overdue.
    pub todo_overdue: Duration,
    /// What is switched on of tasks, and who makes them.
    pub tasks: TaskSettings,
    /// `[senders.NAME]` as written; each channel reads its own.
    pub senders: toml::Table,
    /// How much senders may be given, by their names.
    pub quotas: Arc<BTreeMap<String, Quota>>,
    /// `[links.NAME]` as written.
    pub links: toml::Table,
    /// What holds for every task of every app.
    pub limits: Arc<Limits>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            zone: Zone::default(),
            memory: MEMORY_BYTES,
            cache: CACHE_BYTES,
            blacklist: None,
            is_sync_default: false,
            daily_at: DAILY_AT,
            guard: None,
            retry_tries: Policy::default().attempts_max,
            retry_wait: Policy::default().wait_first,
            todo_overdue: TODO_OVERDUE,
            tasks: TaskSettings::default(),
            senders: toml::Table::new(),
            quotas: Arc::default(),
            links: toml::Table::new(),
            limits: Arc::default(),
        }
    }
}

impl Settings {
    /// The settings of the home `root`; defaults where there is no file.
    /// Errors: CLI-003 for each mistake, OUT-001 when the file cannot be read.
    pub fn of(root: &Path) -> Result<Settings, Problems> {
        match text_of(&root.join(FILE))? {
            Some(text) => Settings::read(&text),
            None => Ok(Settings::default()),
        }
    }

    /// Reads the text of a settings' file.
    /// Errors: CLI-003 for each mistake, TSK-… in `[limits]`, all at once, with line and column; SND-001 for quotas.
    pub fn read(text: &str) -> Result<Settings, Problems> {
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut reader = Reader { text, problems: Problems::default(), settings: Settings::default() };
        for error in errors {
            let cure = "write it as TOML; a name in Chinese is quoted: [senders.\"短信\"]";
            reader.mistake(error.span().unwrap_or(0..0), error.message().trim(), cure);
        }
        reader.top(table.get_ref());
        let Reader { mut problems, mut settings, .. } = reader;
        let limits = company_limits(text, FILE).unwrap_or_else(|found| {
            problems.0.extend(found.0);
            Limits::default()
        });
        problems.or(())?;
        settings.limits = Arc::new(limits);
        (settings.senders, settings.links) = (tables_of(text, "senders")?, tables_of(text, "links")?);
        settings.quotas = Arc::new(quotas(&settings.senders)?);
        Ok(settings)
    }
}

fn text_of(path: &Path) -> Outcome<Option<String>> {
    match std::fs::read(path) {
        Ok(bytes) => match String::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(Problem::data("CLI-003", "the file is not UTF-8 text")
                .at(path.display().to_string())
                .cure("save it as UTF-8")),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Problem::from(error).at(path.display().to_string())),
    }
}

/// The tables under a name as plain TOML; the text was read before, so it has no mistake.
fn tables_of(text: &str, name: &str) -> Outcome<toml::Table> {
    let mut table: toml::Table = text.parse().map_err(|e: toml::de::Error| Problem::bug(e.to_string()))?;
    match table.remove(name) {
        Some(toml::Value::Table(found)) => Ok(found),
        _ => Ok(toml::Table::new()),
    }
}

struct Reader<'t> {
    text: &'t str,
    problems: Problems,
    settings: Settings,
}

const TOP_KEYS: [&str; 11] = [
    "zone",
    "memory",
    "cache",
    "blacklist",
    "crowds",
    "retry",
    "todo",
    "tasks",
    "senders",
    "links",
    "limits",
];
const CROWDS_KEYS: [&str; 3] = ["sync", "daily_at", "guard"];
const RETRY_KEYS: [&str; 2] = ["tries", "wait"];
/// More tries than this are a loop and no patience.
const RETRY_TRIES_MAX: u32 = 20;

impl Reader<'_> {
    fn top(&mut self, table: &DeTable) {
        for (key, value) in table.iter() {
            match key.get_ref().as_ref() {
                "zone" => self.zone(value),
                "memory" => self.size(value, |s| &mut s.memory),
                "cache" => self.size(value, |s| &mut s.cache),
                "blacklist" => self.blacklist(value),
                "crowds" => self.crowds(value),
                "retry" => self.retry(value),
                "todo" => self.todo(value),
                "tasks" => self.tasks(value),
                "senders" => self.tables(value, "senders"),
                "links" => self.tables(value, "links"),
                // `company_limits` reads it.
                "limits" => {}
                other => self.unknown(key.span(), other, &TOP_KEYS),
            }
        }
    }

    fn crowds(&mut self, value: &Spanned<DeValue>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong(value, "a table", "write `[crowds]` on a line of its own");
        };
        for (key, value) in table.iter() {
            match key.get_ref().as_ref() {
                "sync" => self.sync(value),
                "daily_at" => self.daily_at(value),
                "guard" => self.guard(value),
                other => self.unknown(key.span(), other, &CROWDS_KEYS),
            }
        }
    }

    fn retry(&mut self, value: &Spanned<DeValue>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong(value, "a table", "write `[retry]` on a line of its own");
        };
        for (key, value) in table.iter() {
            match key.get_ref().as_ref() {
                "tries" => self.tries(value),
                "wait" => self.wait(value),
                other => self.unknown(key.span(), other, &RETRY_KEYS),
            }
        }
    }

    fn tries(&mut self, value: &Spanned<DeValue>) {
        let number =
            value.get_ref().as_integer().and_then(|n| u32::from_str_radix(n.as_str(), n.radix()).ok());
        match number.filter(|n| (1..=RETRY_TRIES_MAX).contains(n)) {
            Some(tries) => self.settings.retry_tries = tries,
            None => self.wrong(value, "a number of tries", "write `tries = 6`; 1 to 20 are possible"),
        }
    }

    fn wait(&mut self, value: &Spanned<DeValue>) {
        match duration(value) {
            Some(wait) => self.settings.retry_wait = wait,
            None => self.wrong(value, "a duration", "write `wait = \"1s\"`"),
        }
    }

    fn todo(&mut self, value: &Spanned<DeValue>) {
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong(value, "a table", "write `[todo]` on a line of its own");
        };
        for (key, value) in table.iter() {
            match (key.get_ref().as_ref(), duration(value)) {
                ("overdue", Some(overdue)) => self.settings.todo_overdue = overdue,
                ("overdue", None) => self.wrong(value, "a duration", "write `overdue = \"24h\"`"),
                (other, _) => self.unknown(key.span(), other, &["overdue"]),
            }
        }
    }

    fn zone(&mut self, value: &Spanned<DeValue>) {
        match value.get_ref().as_str() {
            Some(name) => match Zone::named(name) {
                Some(zone) => self.settings.zone = zone,
                None => self.wrong(value, "an IANA zone", "write `zone = \"Asia/Shanghai\"`"),
            },
            None => self.wrong(value, "an IANA zone", "write `zone = \"Asia/Shanghai\"`"),
        }
    }

    fn size(&mut self, value: &Spanned<DeValue>, field: impl Fn(&mut Settings) -> &mut u64) {
        match value.get_ref().as_str().and_then(|text| bytes_of(text).ok()) {
            Some(bytes) => *field(&mut self.settings) = bytes,
            None => self.wrong(value, "a size", "write a size such as \"512MiB\" or \"2GiB\""),
        }
    }

    fn blacklist(&mut self, value: &Spanned<DeValue>) {
        match value.get_ref().as_str() {
            Some(name) if !name.is_empty() => self.settings.blacklist = Some(name.to_string()),
            _ => self.wrong(value, "a crowd's name", "write `blacklist = \"黑名单\"`"),
        }
    }

    fn sync(&mut self, value: &Spanned<DeValue>) {
        match value.get_ref().as_bool() {
            Some(sync) => self.settings.is_sync_default = sync,
            None => self.wrong(value, "true or false", "write `sync = true` or `sync = false`"),
        }
    }

    fn daily_at(&mut self, value: &Spanned<DeValue>) {
        let time = value.get_ref().as_str().and_then(|text| NaiveTime::parse_from_str(text, "%H:%M").ok());
        match time {
            Some(time) => self.settings.daily_at = time,
            None => self.wrong(value, "a local time", "write `daily_at = \"02:00\"`"),
        }
    }

    fn guard(&mut self, value: &Spanned<DeValue>) {
        match value.get_ref().as_str().and_then(Guard::parse) {
            Some(guard) => self.settings.guard = Some(guard),
            None => {
                self.wrong(value, "a share of a crowd's size", "write `guard = \"50%\"` or `guard = \"off\"`")
            }
        }
    }

    fn tables(&mut self, value: &Spanned<DeValue>, name: &str) {
        let Some(table) = value.get_ref().as_table() else {
            return self.wrong(value, "a table", &format!("write `[{name}.NAME]` on a line of its own"));
        };
        for (key, value) in table.iter().filter(|(_, value)| !value.get_ref().is_table()) {
            let cure = format!("write `[{name}.{}]` with its own keys below it", key.get_ref());
            self.wrong(value, "a table of settings", &cure);
        }
    }

    fn wrong(&mut self, value: &Spanned<DeValue>, wanted: &str, cure: &str) {
        let span = value.span();
        let found = self.text.get(span.clone()).unwrap_or_default().to_string();
        self.mistake(span, &format!("`{found}` is not {wanted}"), cure);
    }

    fn unknown(&mut self, span: Range<usize>, key: &str, known: &[&str]) {
        let near = known
            .iter()
            .filter(|name| strsim::damerau_levenshtein(name, key) <= 2)
            .min_by_key(|name| strsim::damerau_levenshtein(name, key));
        let cure = match near {
            Some(name) => format!("write `{name}`"),
            None => "remove the key".to_string(),
        };
        self.mistake(span, &format!("no key `{key}` here; there is {}", known.join(", ")), &cure);
    }

    fn mistake(&mut self, span: Range<usize>, what: &str, cure: &str) {
        let at = place(self.text, span.start);
        self.problems.push(Problem::author("CLI-003", what).at(at).cure(cure));
    }
}

fn duration(value: &Spanned<DeValue>) -> Option<Duration> {
    let ms = value.get_ref().as_str().and_then(duration_ms).and_then(|ms| u64::try_from(ms).ok());
    ms.map(Duration::from_millis)
}

/// `quanke.toml:3:8  zone = 5`: line and column (in characters, from 1) and the line's words.
fn place(text: &str, byte: usize) -> String {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    let column = before.chars().rev().take_while(|c| *c != '\n').count() + 1;
    let words = text.lines().nth(line - 1).unwrap_or_default().trim();
    format!("{FILE}:{line}:{column}  {words}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_can_be_set() {
        let text = "zone = \"Europe/Paris\"\nmemory = \"1GiB\"\ncache = \"64MiB\"\nblacklist = \"黑名单\"\n\
                    [crowds]\nsync = true\ndaily_at = \"03:30\"\nguard = \"50%\"\n[retry]\ntries = 3\nwait = \"2s\"\n[todo]\noverdue = \"36h\"\n[senders.\"短信\"]\nkind = \"webhook\"\n";
        let settings = Settings::read(text).unwrap();
        assert_eq!(settings.zone.name(), "Europe/Paris");
        assert_eq!((settings.memory, settings.cache), (1 << 30, 64 << 20));
        assert_eq!(settings.blacklist.as_deref(), Some("黑名单"));
        assert!(settings.is_sync_default);
        assert_eq!(settings.guard, Guard::parse("50%"));
        assert_eq!(settings.daily_at, NaiveTime::from_hms_opt(3, 30, 0).unwrap());
        assert_eq!((settings.retry_tries, settings.retry_wait), (3, Duration::from_secs(2)));
        assert_eq!(settings.todo_overdue, Duration::from_secs(36 * 3600));
        assert_eq!(settings.senders["短信"]["kind"].as_str(), Some("webhook"));
    }

    #[test]
    fn an_absent_or_empty_file_means_the_defaults() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Settings::of(folder.path()).unwrap(), Settings::default());
        assert_eq!(Settings::read("").unwrap(), Settings::default());
    }

    #[test]
    fn all_mistakes_are_told_at_once_with_their_places() {
        let text =
            "zone = \"Mars\"\nmemorry = \"1GiB\"\ncache = 7\n[crowds]\nsync = \"yes\"\n[senders]\nsms = 1\n";
        let found = Settings::read(text).unwrap_err().0;
        let at: Vec<&str> = found.iter().filter_map(|p| p.at.split("  ").next()).collect();
        let mut sorted = at.clone();
        sorted.sort_unstable();
        assert_eq!(
            sorted,
            ["quanke.toml:1:8", "quanke.toml:2:1", "quanke.toml:3:9", "quanke.toml:5:8", "quanke.toml:7:7"]
        );
        assert!(found.iter().all(|p| p.code == "CLI-003"));
        assert!(found.iter().any(|p| p.cure == "write `memory`"));
    }

    #[test]
    fn broken_toml_is_a_problem_and_not_a_panic() {
        for text in ["zone = ", "[", "a = 1\na = 2", "= =", "\u{0}", "zone = \"a\nb\""] {
            assert!(Settings::read(text).is_err(), "{text:?}");
        }
    }
}
