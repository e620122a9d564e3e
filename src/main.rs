//! The wiring: the real clock, randomness, environment and streams, handed to the command line.

use std::hash::{BuildHasher, RandomState};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use quanke::base::{Outcome, Timestamp};
use quanke::cli::{self, Outside, World};
use quanke::dispatch::{Faults, NoFaults};

fn main() -> ExitCode {
    let started = Instant::now();
    let seconds = move || started.elapsed().as_secs_f64();
    let variable = |name: &str| std::env::var(name).ok();
    let (mut out, mut talk) = (std::io::stdout().lock(), std::io::stderr());
    let is_terminal = talk.is_terminal();
    let outside = Outside {
        now: now(),
        seed: RandomState::new().hash_one(std::process::id()),
        process_no: std::process::id(),
        home: std::env::var_os("QUANKE_HOME").filter(|home| !home.is_empty()).map(Into::into),
        input: Some(Box::new(std::io::stdin())),
        clock: now,
        faults: faults(),
        variable: &variable,
    };
    let world = World { outside, seconds: &seconds, is_terminal, out: &mut out, talk: &mut talk };
    let code = cli::run(std::env::args_os(), world);
    let _ = out.flush();
    ExitCode::from(code)
}

/// `QUANKE_DIE_AT=n` ends the process at the n-th step of a dispatch, as a kill would: the tests of
/// recovery use it.
fn faults() -> Arc<dyn Faults> {
    let steps = std::env::var("QUANKE_DIE_AT").ok().and_then(|steps| steps.parse().ok());
    match steps {
        Some(steps) => Arc::new(DieAt(AtomicI64::new(steps))),
        None => Arc::new(NoFaults),
    }
}

struct DieAt(AtomicI64);

impl Faults for DieAt {
    fn step(&self, _: &str) -> Outcome<()> {
        if self.0.fetch_sub(1, Ordering::SeqCst) <= 1 {
            std::process::abort();
        }
        Ok(())
    }
}

/// The wall clock. A clock before 1970 counts as 1970.
fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}
