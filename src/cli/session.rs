//! One run of the program: what it works on, with which settings, at what instant.

use std::io::Read;
use std::path::{Path, PathBuf};

use super::args::Common;
use super::settings::Settings;
use super::world::Failure;
use crate::base::{Environment, Pace, Problem, Timestamp, Zone};
use crate::store::Home;

/// The home when neither `--home` nor `QUANKE_HOME` names one.
const HOME: &str = "./quanke-home";

/// What a command works with.
pub struct Session<'a> {
    pub home: Home,
    pub settings: Settings,
    pub environment: Environment,
    pub pace: &'a dyn Pace,
    /// What `-` means; taken by the command that reads it.
    pub input: Option<Box<dyn Read + Send>>,
    /// Reads an environment variable, for credentials that the settings name.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// What of the world a session is made of.
pub struct Outside<'a> {
    pub now: Timestamp,
    pub seed: u64,
    pub process_no: u32,
    pub home: Option<PathBuf>,
    pub pace: &'a dyn Pace,
    pub input: Option<Box<dyn Read + Send>>,
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

impl<'a> Session<'a> {
    /// Reads the settings and finds the app's home. `command` names us to others who wait.
    /// Errors: CLI-001 (wrong use), CLI-003 (settings), what the store finds.
    pub fn open(common: &Common, outside: Outside<'a>, command: &str) -> Result<Session<'a>, Failure> {
        check_app(&common.app)?;
        let root = common.home.clone().or(outside.home).unwrap_or_else(|| PathBuf::from(HOME));
        let settings = Settings::of(&root)?;
        let now = common.now.as_deref().map(|text| instant(text, &settings.zone)).transpose()?;
        let environment = Environment {
            now: now.unwrap_or(outside.now),
            seed: outside.seed,
            process: format!("pid {} (quanke {command})", outside.process_no),
        };
        let home = Home::at(&root, &common.app)?;
        let (pace, input, variable) = (outside.pace, outside.input, outside.variable);
        Ok(Session { home, settings, environment, pace, input, variable })
    }

    /// The instant that a text from the command line means in the project's zone; `now` for none.
    /// Errors: CLI-001.
    pub fn as_of(&self, text: Option<&str>) -> Result<Timestamp, Failure> {
        match text {
            Some(text) => instant(text, &self.settings.zone),
            None => Ok(self.environment.now),
        }
    }

    /// The zone named on the command line, or the project's.
    /// Errors: CLI-001 for a zone that is none.
    pub fn zone(&self, name: Option<&str>) -> Result<Zone, Failure> {
        let Some(name) = name else { return Ok(self.settings.zone) };
        Zone::named(name).ok_or_else(|| {
            usage(format!("--zone {name}"), "there is no such IANA zone", "write it like Asia/Shanghai")
        })
    }

    /// The folder of the app.
    pub fn dir(&self) -> &Path {
        self.home.dir()
    }
}

/// A mistake in the command that only shows when it runs (CLI-001, exit 2).
pub fn usage(at: impl Into<String>, what: impl Into<String>, cure: impl Into<String>) -> Failure {
    Failure::Usage(Problem::author("CLI-001", what).at(at).cure(cure))
}

fn instant(text: &str, zone: &Zone) -> Result<Timestamp, Failure> {
    let cure = "write 2026-03-01T12:00:00+08:00";
    Timestamp::parse(text, zone).ok_or_else(|| usage(text, "this is no instant", cure))
}

/// An app's id becomes a folder's name, so it must not lead elsewhere.
fn check_app(app: &str) -> Result<(), Failure> {
    let is_plain = |c: char| c.is_alphanumeric() || c == '-' || c == '_';
    if !app.is_empty() && app.chars().count() <= 64 && app.chars().all(is_plain) {
        return Ok(());
    }
    let what = "an app's id has 1 to 64 letters, digits, `-` or `_`";
    Err(usage(format!("--app {app}"), what, "choose another id"))
}
