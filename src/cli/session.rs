//! One run of the program: what it works on, with which settings, at what instant.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use super::args::Cli;
use super::door::Failure;
use super::settings::Settings;
use crate::audience::{Audiences, Job};
use crate::base::{Environment, Pace, Problem, Timestamp, Zone};
use crate::dispatch::Faults;
use crate::store::{CrowdLock, Home, Snapshot};

/// The home when neither `--home` nor `QUANKE_HOME` names one.
const HOME: &str = "./quanke-home";

/// The world as `main` found it.
pub struct World<'a> {
    pub outside: Outside<'a>,
    /// Seconds since some fixed point.
    pub seconds: &'a (dyn Fn() -> f64 + Sync),
    /// Is stderr a terminal, so that bars and colours may be drawn?
    pub is_terminal: bool,
    /// Data.
    pub out: &'a mut dyn Write,
    /// Talk.
    pub talk: &'a mut dyn Write,
}

/// Clock, randomness, environment and stdin, each read once.
pub struct Outside<'a> {
    /// The wall clock.
    pub now: Timestamp,
    /// Fresh randomness.
    pub seed: u64,
    /// The number of this process, for those who wait for it.
    pub process_no: u32,
    /// `QUANKE_HOME`, if set.
    pub home: Option<PathBuf>,
    /// What `-` means.
    pub input: Option<Box<dyn Read + Send>>,
    /// The wall clock as it runs, for the time stamps of signatures only.
    pub clock: fn() -> Timestamp,
    /// Where the fault hook may end the process; [`NoFaults`](crate::dispatch::NoFaults) in life.
    pub faults: Arc<dyn Faults>,
    /// Reads an environment variable, for credentials that the settings name.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

/// What a command works with.
pub struct Session<'a> {
    pub home: Home,
    /// The app's id.
    pub app: String,
    pub settings: Settings,
    pub environment: Environment,
    pub pace: &'a dyn Pace,
    /// What `-` means; taken by the command that reads it.
    pub input: Option<Box<dyn Read + Send>>,
    /// The wall clock as it runs, for the time stamps of signatures only.
    pub clock: fn() -> Timestamp,
    /// Where the fault hook may end the process; [`NoFaults`](crate::dispatch::NoFaults) in life.
    pub faults: Arc<dyn Faults>,
    /// Reads an environment variable, for credentials that the settings name.
    pub variable: &'a (dyn Fn(&str) -> Option<String> + Sync),
}

impl<'a> Session<'a> {
    /// Reads the settings and finds the app's home.
    /// Errors: CLI-001 (wrong use), CLI-003 (settings), what the store finds.
    pub fn open(cli: &Cli, outside: Outside<'a>, pace: &'a dyn Pace) -> Result<Session<'a>, Failure> {
        let common = &cli.common;
        let root = common.home.clone().or(outside.home.clone()).unwrap_or_else(|| PathBuf::from(HOME));
        let settings = Settings::of(&root)?;
        let now = common.now.as_deref().map(|text| instant(text, &settings.zone)).transpose()?;
        let environment = Environment {
            now: now.unwrap_or(outside.now),
            seed: outside.seed,
            process: format!("pid {} (quanke {})", outside.process_no, cli.command.word()),
        };
        let home = Home::at(&root, &common.app).map_err(Failure::Usage)?.with_cache(settings.cache);
        home.check_catalog()?;
        let Outside { input, clock, faults, variable, .. } = outside;
        Ok(Session {
            home,
            app: common.app.clone(),
            settings,
            environment,
            pace,
            input,
            clock,
            faults,
            variable,
        })
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
        let refused =
            || usage(format!("--zone {name}"), "there is no such IANA zone", "write it like Asia/Shanghai");
        Zone::named(name).ok_or_else(refused)
    }

    /// The newest data, for a command that only reads.
    /// Errors: CLI-001 when there is no home, what the store finds.
    pub fn snapshot(&self) -> Result<Snapshot, Failure> {
        self.must_exist()?;
        Ok(self.home.snapshot()?)
    }

    /// Refuses to go on without a home, rather than make one where nobody wanted it.
    /// Errors: CLI-001.
    pub fn must_exist(&self) -> Result<(), Failure> {
        if self.home.dir().is_dir() {
            return Ok(());
        }
        let at = self.home.dir().display().to_string();
        let cure =
            "load data first with `quanke ingest …`, or name the home with --home (the app with --app)";
        Err(usage(at, "there is no home here yet", cure))
    }

    /// The crowds of the app.
    pub fn audiences(&self) -> Result<Audiences, Failure> {
        Ok(Audiences::open(&self.home)?.guarded(self.settings.guard))
    }

    /// The right to make crowds in this app, for as long as it is held.
    /// Errors: CLI-001 when there is no home, OUT-010 when another process makes crowds.
    pub fn crowd_lock(&self) -> Result<CrowdLock, Failure> {
        self.must_exist()?;
        Ok(self.home.crowd_lock(&self.environment)?)
    }

    /// A job over `snapshot`, now.
    pub fn job<'s>(&'s self, snapshot: &'s Snapshot) -> Job<'s> {
        Job { snapshot, now: self.environment.now, pace: self.pace }
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
