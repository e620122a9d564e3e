//! The register keeps what imports do not say, and tells what they changed.

use super::*;
use crate::base::Zone;

fn tasks() -> Tasks {
    Tasks::open(Connection::open_in_memory().unwrap()).unwrap()
}

fn by(at: i64) -> By<'static> {
    By { who: "小王", note: None, now: Timestamp(at) }
}

fn row(id: &str, name: &str) -> MemberRow {
    MemberRow { id: id.into(), name: Some(name.into()), ..MemberRow::default() }
}

#[test]
fn an_import_is_an_upsert_with_an_audit_trail() {
    let tasks = tasks();
    let staff = tasks.staff();
    let today = Zone::default().day_of(Timestamp(0));
    let first =
        MemberRow { friends: Some(120), department: Some("华东/上海".into()), ..row("s1", "张三") };
    let found = staff.import(&[first.clone(), row("s2", "李四")], today, by(1)).unwrap();
    assert_eq!(found, Imported { new: 2, changed: 0, same: 0 });
    let tomorrow = today.plus(1);
    let later = MemberRow { id: "s1".into(), joined: Some(today.plus(-40)), ..MemberRow::default() };
    let found = staff.import(&[later, row("s2", "李四")], tomorrow, by(2)).unwrap();
    assert_eq!(found, Imported { new: 0, changed: 1, same: 1 });
    let member = staff.member("张三").unwrap();
    assert_eq!((member.joined, member.friends, member.friends_on), (today.plus(-40), 120, today));
    assert_eq!(staff.member("s2").unwrap().joined, today, "in use since it was first seen");
    let told: Vec<String> = staff.moves("s1").unwrap().into_iter().map(|m| m.step).collect();
    assert_eq!(told, ["imported", "changed"]);
    assert_eq!(staff.moves("s1").unwrap()[1].note.as_deref(), Some("joined 1970-01-01 → 1969-11-22"));
    assert!(member.works_in("华东") && member.works_in("华东/上海") && !member.works_in("华"));
}

#[test]
fn who_left_can_come_back_and_nobody_leaves_twice() {
    let tasks = tasks();
    let staff = tasks.staff();
    staff.import(&[row("s1", "张三"), row("s2", "张三")], Day(0), by(1)).unwrap();
    assert!(!staff.leave("s1", By { note: Some("离职"), ..by(2) }).unwrap().is_active);
    assert_eq!(staff.leave("s1", by(3)).unwrap_err().code, "STF-003");
    assert!(staff.come_back("s1", by(4)).unwrap().is_active);
    assert_eq!(staff.come_back("s1", by(5)).unwrap_err().code, "STF-003");
    let told: Vec<(i64, String)> = staff.moves("s1").unwrap().into_iter().map(|m| (m.at.0, m.step)).collect();
    let told: Vec<(i64, &str)> = told.iter().map(|(at, step)| (*at, step.as_str())).collect();
    assert_eq!(told, [(1, "imported"), (2, "left"), (4, "returned")]);
    let twice = staff.member("张三").unwrap_err();
    assert_eq!(twice.code, "STF-002");
    assert!(twice.what.contains("s1, s2"), "{twice}");
    assert_eq!(staff.member("王五").unwrap_err().code, "STF-002");
}
