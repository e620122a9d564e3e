//! The command line: their words in, our words out, nothing decided.
//!
//! Flow: [`run`] reads the arguments ([`args`]), the settings ([`settings`]), hands the command to
//! its file (`ingest`, `ask`, `crowd`), and turns what comes back into text or JSON and an exit
//! code. Data goes to stdout, talk to stderr. Everything that varies comes in as [`World`].

pub mod args;
mod bars;
mod session;
pub mod settings;
mod table;
mod words;
mod world;

use std::ffi::OsString;

use clap::{CommandFactory, FromArgMatches};

pub use bars::Bars;
pub use session::Session;
pub use world::{Done, Door, Failure, World};

use crate::base::Problems;
use args::{Cli, Command};

/// Runs one command line and gives its exit code: 0 done, 1 a problem of selection, task or data,
/// 2 wrong use, 3 something outside failed. `arguments` begin with the program's name.
pub fn run(arguments: impl IntoIterator<Item = OsString>, world: World) -> u8 {
    let parsed = Cli::command().try_get_matches_from(arguments).and_then(|m| Cli::from_arg_matches(&m));
    match parsed {
        Ok(cli) => finish(cli, world),
        Err(error) => refuse(&error, world),
    }
}

/// Help and version go to stdout (exit 0), usage mistakes to stderr (exit 2).
fn refuse(error: &clap::Error, world: World) -> u8 {
    let text = if world.is_terminal { error.render().ansi().to_string() } else { error.render().to_string() };
    let road = if error.use_stderr() { world.talk } else { world.out };
    let _ = road.write_all(text.as_bytes()).and_then(|()| road.flush());
    if error.use_stderr() { 2 } else { 0 }
}

fn finish(cli: Cli, world: World) -> u8 {
    let World { out, talk, .. } = world;
    let mut door = Door::new(cli.common.json, out, talk);
    let seconds = world.seconds;
    let bars = Bars::new(world.is_terminal, seconds);
    let result = Session::open(&cli.common, &world.outside(), &bars)
        .and_then(|mut session| command(cli.command, &mut session, &mut door));
    tell(result, &mut door)
}
