//! What can be written, and what a mistake in it gives.

use clap::CommandFactory;

use super::Shell;
use crate::cli::args::{Cli, Command, Crowd, Ingest, Mode};

fn parsed(line: &[&str]) -> Result<Cli, clap::Error> {
    crate::cli::read([&["quanke"], line].concat().iter().map(|a| (*a).into()))
}

#[test]
fn the_grammar_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn options_stand_anywhere_after_the_command() {
    let lines: [&[&str]; 3] = [
        &["ingest", "events", "--home", "h", "--json", "a.csv", "--user", "uid", "b.csv", "--app", "x"],
        &["ingest", "events", "a.csv", "b.csv", "--user", "uid", "--json", "--home", "h", "--app", "x"],
        &["ingest", "--app", "x", "--json", "events", "--user", "uid", "a.csv", "--home", "h", "b.csv"],
    ];
    for line in lines {
        let cli = parsed(line).unwrap();
        assert!(cli.common.json);
        assert_eq!(cli.common.app, "x");
        assert_eq!(cli.common.home.unwrap().to_str(), Some("h"));
        let Command::Ingest(Ingest::Events { files, user, event, time, id }) = cli.command else { panic!() };
        assert_eq!(files.paths, ["a.csv", "b.csv"]);
        assert_eq!((user.as_str(), event.as_str(), time.as_str(), id), ("uid", "event", "ts", None));
    }
}

#[test]
fn defaults_are_those_of_the_contract() {
    let cli = parsed(&["ingest", "users", "-"]).unwrap();
    let Command::Ingest(Ingest::Users { key, mode, delete, .. }) = cli.command else { panic!() };
    assert_eq!((key.as_str(), mode, delete), ("user_id", Mode::Upsert, false));
    let cli = parsed(&["ingest", "detail", "orders", "o.csv"]).unwrap();
    let Command::Ingest(Ingest::Detail { user, key, time, .. }) = cli.command else { panic!() };
    assert_eq!((user.as_str(), key.as_str(), time), ("user_id", "order_id", None));
    let cli = parsed(&["crowd", "import", "黑名单", "a.csv", "--append"]).unwrap();
    let Command::Crowd(Crowd::Import(import)) = cli.command else { panic!() };
    assert_eq!((import.key.as_str(), import.append, import.create), ("user_id", true, false));
}

#[test]
fn wrong_use_is_exit_2_and_help_is_exit_0() {
    let shell = Shell::new();
    let wrong: [&[&str]; 11] = [
        &[],
        &["estimte", "x"],
        &["estimate"],
        &["estimate", "a = 1", "-f", "file"],
        &["estimate", "a = 1", "--as-of", "soon"],
        &["estimate", "a = 1", "--now", "2026-13-01"],
        &["estimate", "a = 1", "--app", "../x"],
        &["ingest", "users", "x.csv", "--mode", "patch", "--delete"],
        &["ingest", "users", "x.csv", "--memory", "much"],
        &["select", "a = 1", "--out", "ids.xls"],
        &["crowd", "refresh"],
    ];
    for line in wrong {
        let said = shell.say(line);
        assert_eq!(said.code, 2, "{line:?}: {said:?}");
        assert!(!said.talk.is_empty() && said.out.is_empty(), "{said:?}");
    }
    assert_eq!(shell.say(&["--version"]).code, 0);
    assert!(!std::path::Path::new(&shell.home()).exists());
}

#[test]
fn every_command_has_help_with_examples() {
    fn walk(command: &clap::Command, path: &[&str], shell: &Shell) {
        for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
            let path = [path, &[sub.get_name()]].concat();
            let said = shell.say(&[path.as_slice(), &["--help"]].concat());
            assert_eq!(said.code, 0);
            let is_leaf = sub.get_subcommands().count() == 0;
            assert!(!is_leaf || said.out.contains("Examples:"), "{path:?}");
            walk(sub, &path, shell);
        }
    }
    let shell = Shell::new();
    walk(&Cli::command(), &[], &shell);
    assert!(shell.say(&["--help"]).out.contains("Exit codes"));
}

#[test]
fn completions_are_made_for_every_shell() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish", "powershell", "elvish"] {
        assert!(shell.say(&["completions", name]).fine().out.contains("quanke"));
    }
}

#[test]
fn a_home_that_is_not_there_is_told_and_not_made() {
    let shell = Shell::new();
    for line in [&["estimate", "all ()"][..], &["crowd", "list"], &["crowd", "show", "x"]] {
        let said = shell.ask(line);
        assert_eq!((said.code, said.codes()), (2, vec!["CLI-001".to_string()]));
    }
    assert!(!std::path::Path::new(&shell.home()).exists());
}

#[test]
fn mistakes_in_the_settings_are_exit_1_all_at_once() {
    let shell = Shell::new();
    std::fs::create_dir(shell.home()).unwrap();
    shell.file("home/quanke.toml", "zone = 'Mars'\nmemory = 3\n");
    let said = shell.ask(&["crowd", "list"]);
    assert_eq!((said.code, said.codes().len()), (1, 2));
}

#[cfg(not(feature = "sql"))]
#[test]
fn a_program_without_sql_says_so() {
    let shell = Shell::with_users();
    let said = shell.ask(&["sql", "select 1"]);
    assert_eq!((said.code, said.codes()), (2, vec!["CLI-005".to_string()]));
}
