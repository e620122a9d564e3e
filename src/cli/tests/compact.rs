//! A home whose roll-ups are lost: told with the cure, cured, and as before.

use std::path::{Path, PathBuf};

use super::Shell;

fn rollups(shell: &Shell) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(Path::new(&shell.home()).join("events")).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.filter(|path| path.to_string_lossy().ends_with(".rollup.arrow")).collect()
}

fn count(shell: &Shell) -> i64 {
    shell.ask(&["estimate", "did pay count >= 1 in last 30 days"]).fine().json()["count"].as_i64().unwrap()
}

#[test]
fn lost_rollups_are_told_and_made_again() {
    let shell = Shell::with_users();
    let before = count(&shell);
    let lost = rollups(&shell);
    lost.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    let told = shell.ask(&["estimate", "did pay count >= 1 in last 30 days"]);
    assert_eq!((told.code, told.codes()), (3, vec!["STO-002".to_string()]), "{told:?}");
    assert!(told.out.contains("run `quanke compact`"), "{told:?}");
    let checked = shell.ask(&["compact", "--check"]);
    assert_eq!((checked.code, checked.codes().len()), (3, lost.len()), "{checked:?}");
    let done = shell.ask(&["compact"]).fine().json();
    assert_eq!(done["rebuilt"].as_array().map(Vec::len), Some(lost.len()));
    assert_eq!(count(&shell), before);
    let said = shell.say(&["compact", "--check"]).fine();
    assert!(said.out.is_empty() && said.talk.contains("all are as they were written"), "{said:?}");
    let said = shell.say(&["compact"]).fine();
    assert!(said.talk.contains(" · made again 0 · "), "{said:?}");
}

#[test]
fn rows_that_are_lost_are_named() {
    let shell = Shell::with_users();
    let rollup = rollups(&shell).remove(0).display().to_string();
    let rows = rollup.replace(".rollup.arrow", ".parquet");
    std::fs::remove_file(&rows).unwrap();
    let told = shell.ask(&["compact"]);
    assert_eq!((told.code, told.codes()), (3, vec!["STO-013".to_string()]), "{told:?}");
    assert_eq!(told.json()["problems"][0]["where"], rows);
}

#[test]
fn a_home_that_is_not_there_is_wrong_use() {
    let said = Shell::new().ask(&["compact"]);
    assert_eq!((said.code, said.codes()), (2, vec!["CLI-001".to_string()]));
}
