//! The command line: their words in, our words out, nothing decided.
//!
//! Flow: [`run`] reads the arguments ([`args`]), the settings ([`settings`]), hands the command to
//! its file (`load`, `compact`, `ask`, `insight`, `crowd`, `task`), and turns what comes back into text or JSON and an exit
//! code. Data goes to stdout, talk to stderr. Everything that varies comes in as [`World`].

pub mod args;
mod ask;
mod backtest;
mod bars;
mod chart;
mod compact;
mod crowd;
mod crowd_clock;
mod demo;
mod door;
mod insight;
mod live;
mod load;
mod members;
mod output;
pub mod packages;
mod plan;
mod receipts;
mod serve;
mod session;
pub mod settings;
#[cfg(feature = "sql")]
mod sql;
mod staff;
mod suppress;
mod table;
mod task;
#[cfg(test)]
mod tests;
mod todo;
mod trace;
mod unknown;
mod user;
mod why;
mod wiring;
mod words;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

pub use door::{Done, Door, Failure};
pub use session::{Outside, Session, World};

use args::{Cli, Command};
use bars::Bars;

#[cfg(not(feature = "sql"))]
use crate::base::Problem;

/// Runs one command line and gives its exit code: 0 done, 1 a problem of selection, task or data,
/// 2 wrong use, 3 something outside failed. `arguments` begin with the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>, world: World) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let is_json = arguments.iter().any(|argument| argument == "--json");
    match read(arguments) {
        Ok(cli) => finish(cli, world),
        Err(error) if is_json && error.use_stderr() => {
            Door::new(true, world.out, world.talk).close(Err(misused(&error)))
        }
        Err(error) => refuse(&error, world),
    }
}

fn read(arguments: impl IntoIterator<Item = OsString>) -> Result<Cli, clap::Error> {
    let matches = Cli::command().try_get_matches_from(arguments)?;
    Cli::from_arg_matches(&matches)
}

/// A mistake in the arguments as a problem, for `--json`.
fn misused(error: &clap::Error) -> Failure {
    let text = error.render().to_string();
    let what = text.lines().next().unwrap_or_default().trim_start_matches("error: ").to_string();
    session::usage("the command line", what, "see `quanke --help`, or --help after the command")
}

/// Help and version go to stdout (exit 0), usage mistakes to stderr (exit 2).
fn refuse(error: &clap::Error, world: World) -> u8 {
    let text = match world.is_terminal {
        true => error.render().ansi().to_string(),
        false => error.render().to_string(),
    };
    let road = if error.use_stderr() { world.talk } else { world.out };
    let _ = road.write_all(text.as_bytes()).and_then(|()| road.flush());
    if error.use_stderr() { 2 } else { 0 }
}

fn finish(cli: Cli, world: World) -> u8 {
    if let Command::Demo(what) = &cli.command {
        return demo::run(what, &cli.common, world);
    }
    let bars = Bars::new(world.is_terminal, world.seconds);
    let mut door = Door::new(cli.common.json, world.out, world.talk);
    let done = match &cli.command {
        Command::Completions { shell } => completions(*shell, &mut door),
        command => {
            Session::open(&cli, world.outside, &bars).and_then(|session| perform(command, session, &mut door))
        }
    };
    door.close(done)
}

fn perform(command: &Command, mut session: Session, door: &mut Door) -> Done {
    match command {
        Command::Ingest(what) => load::run(what, &mut session, door),
        Command::Crowd(what) => crowd::run(what, &mut session, door),
        Command::Compact(what) => compact::run(what, &session, door),
        Command::Task(what) => task::run(what, &mut session, door),
        Command::User(what) => user::run(what, &session, door),
        Command::Suppress(what) => suppress::run(what, &mut session, door),
        Command::Run(what) => task::run_until(what, &mut session, door),
        Command::Backtest(what) => backtest::run(what, &session, door),
        Command::Receipts(what) => receipts::run(what, &mut session, door),
        Command::Staff(what) => staff::run(what, &mut session, door),
        Command::Todo(what) => todo::run(what, &session, door),
        Command::Serve(what) => serve::run(what, &mut session, door),
        Command::Estimate(what) => ask::estimate(what, &mut session, door),
        Command::Select(what) => ask::select(what, &mut session, door),
        Command::Explain(what) => ask::explain(what, &mut session, door),
        Command::Profile(what) => insight::profile(what, &mut session, door),
        Command::Diff(what) => insight::diff(what, &mut session, door),
        Command::Trend(what) => insight::trend(what, &mut session, door),
        #[cfg(feature = "sql")]
        Command::Sql(what) => sql::run(what, &mut session, door),
        #[cfg(not(feature = "sql"))]
        Command::Sql(_) => Err(without_sql()),
        Command::Demo(_) | Command::Completions { .. } => Ok(()),
    }
}

/// A program that was built without DataFusion knows the command, and says so.
#[cfg(not(feature = "sql"))]
fn without_sql() -> Failure {
    let what = "this program was built without the feature `sql`";
    Failure::Usage(
        Problem::author("CLI-005", what)
            .at("quanke sql")
            .cure("build it with `cargo build`, without --no-default-features"),
    )
}

fn completions(shell: clap_complete::Shell, door: &mut Door) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "quanke", &mut script);
    Ok(door.stream().write_all(&script)?)
}
