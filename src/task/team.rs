//! Who of the register carries a task out, and what is wrong with whom it names?
//!
//! A task names members by id or name (`staff`) and departments (`departments`); its team is everyone of
//! them who has not left, by id. Where nobody is registered, names are only labels.

use crate::base::{Outcome, Problem, Span};

use super::about::About;
use super::allowance::Allowance;
use super::file::Parts;
use super::names::Known;
use super::policy::Policies;
use super::reader::{Field, Reader, near};
use super::register::{Member, find};
use super::staff_limits::NO_QUOTA;

/// The limit on members of one team.
pub const TEAM_MAX: &str = "staff.task";

/// Does the task deal its users to a team?
pub fn has_team(about: &About, members: &[Member]) -> bool {
    !(about.departments.is_empty() && about.staff.is_empty() || members.is_empty())
}

/// The members of the task who have not left, each once, by id.
pub fn team<'m>(about: &About, members: &'m [Member]) -> Vec<&'m Member> {
    let named: Vec<&Member> = about.staff.iter().filter_map(|name| find(members, name).ok()).collect();
    let is_meant = |member: &&Member| {
        named.iter().any(|one| one.id == member.id)
            || about.departments.iter().any(|department| member.works_in(department))
    };
    members.iter().filter(|member| member.is_active).filter(is_meant).collect()
}

/// Refuses a team in which nobody is, and one that is too large. Errors: TSK-072.
pub fn check_size(team: &[&Member], policies: &Policies) -> Outcome<()> {
    let most = policies.max(TEAM_MAX);
    let (what, cure) = match team.len() {
        0 => (
            "everyone of the task's staff has left, so nobody can carry it out".to_string(),
            "name others in `staff`, or `quanke staff return ID`",
        ),
        count if count > most => (
            format!("the task has {count} executing staff; {most} are allowed"),
            "name fewer, or a smaller department",
        ),
        _ => return Ok(()),
    };
    Err(Problem::author("TSK-072", what).cure(cure))
}

/// Notes what is wrong with the staff that a task file names, and gives the warnings.
/// Errors: TSK-070 to TSK-073.
pub(super) fn check(reader: &mut Reader, parts: &Parts, known: &dyn Known) -> Vec<Problem> {
    let (members, policies) = (known.staff(), known.limits("").0);
    if let Some(quota) = &parts.limits.staff.quota {
        check_quota(reader, quota, &policies);
    }
    let fields = [parts.about.staff.as_ref(), parts.about.departments.as_ref()];
    let Some(span) = fields.into_iter().flatten().map(|field| field.span).next() else { return Vec::new() };
    if members.is_empty() {
        return vec![reader.placed(unregistered(), span)];
    }
    let [staff, departments] = fields.map(|field| field.map_or(&[][..], |field| &field.value[..]));
    let named = staff.iter().map(|name| check_name(name, &members));
    let placed = departments.iter().map(|department| check_department(department, &members));
    let wrong: Vec<Problem> = named.chain(placed).filter_map(Result::err).collect();
    if wrong.is_empty() && !(staff.is_empty() && departments.is_empty()) {
        let about = About { staff: staff.to_vec(), departments: departments.to_vec(), ..About::default() };
        told(reader, check_size(&team(&about, &members), &policies).err(), span);
    }
    wrong.into_iter().for_each(|problem| told(reader, Some(problem), span));
    Vec::new()
}

fn told(reader: &mut Reader, problem: Option<Problem>, span: Span) {
    problem.into_iter().for_each(|problem| reader.report(problem, span));
}

fn check_quota(reader: &mut Reader, quota: &Field<String>, policies: &Policies) {
    if quota.value == NO_QUOTA || Allowance::of(policies, &quota.value).is_known() {
        return;
    }
    let what = format!("no limits of accounts begin with `{}.`", quota.value);
    let cure = format!("write \"staff.add\", \"{NO_QUOTA}\", or a family that is in a file of `limits`");
    reader.report(Problem::author("TSK-073", what).cure(cure), quota.span);
}

/// What is wrong with one name of `staff`. Errors: TSK-070.
fn check_name(name: &str, members: &[Member]) -> Outcome<()> {
    let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
    find(members, name).map(|_| ()).map_err(|what| {
        let near = near(name, &names).filter(|near| *near != name).map(|near| format!("write \"{near}\""));
        let cure = near.unwrap_or_else(|| "see `quanke staff list`; ids are never ambiguous".into());
        Problem::author("TSK-070", what).cure(cure)
    })
}

/// What is wrong with one name of `departments`. Errors: TSK-070.
fn check_department(department: &str, members: &[Member]) -> Outcome<()> {
    if members.iter().any(|member| member.works_in(department)) {
        return Ok(());
    }
    let mut known: Vec<&str> = members.iter().filter_map(|member| member.department.as_deref()).collect();
    known.dedup();
    let cure = match near(department, &known) {
        Some(near) => format!("write \"{near}\""),
        None => "import the staff with their departments: `quanke staff import FILE`".into(),
    };
    let what = format!("nobody of the staff works in `{department}`");
    Err(Problem::author("TSK-070", what).cure(cure))
}

/// TSK-071: names that mean nobody yet.
fn unregistered() -> Problem {
    let what = "no staff is registered yet, so `staff` is a label only: users are not dealt to anyone";
    Problem::author("TSK-071", what).cure("quanke staff import FILE  (docs/staff.md)")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Day;

    fn member(id: &str, name: &str, department: Option<&str>, is_active: bool) -> Member {
        Member {
            id: id.into(),
            name: name.into(),
            department: department.map(String::from),
            joined: Day(0),
            friends: 0,
            friends_on: Day(0),
            is_active,
        }
    }

    fn about(staff: &[&str], departments: &[&str]) -> About {
        let own = |names: &[&str]| names.iter().map(|name| name.to_string()).collect();
        About { staff: own(staff), departments: own(departments), ..About::default() }
    }

    fn everyone() -> Vec<Member> {
        vec![
            member("s1", "张三", Some("华东/上海"), true),
            member("s2", "李四", Some("华东"), true),
            member("s3", "王五", Some("华南"), true),
            member("s4", "赵六", Some("华东"), false),
        ]
    }

    // proves: S0.2, S2.52
    #[test]
    fn a_team_is_named_by_id_name_and_department_and_each_is_in_it_once() {
        let members = everyone();
        let ids = |about: &About| team(about, &members).iter().map(|m| m.id.clone()).collect::<Vec<_>>();
        assert_eq!(ids(&about(&["王五", "s1"], &[])), ["s1", "s3"]);
        assert_eq!(ids(&about(&["张三"], &["华东"])), ["s1", "s2"], "who left is not in it");
        assert!(ids(&about(&["赵六"], &[])).is_empty());
        assert!(!has_team(&about(&["张三"], &[]), &[]) && !has_team(&about(&[], &[]), &members));
        assert!(has_team(&about(&[], &["华东"]), &members));
    }

    // proves: S1.3
    #[test]
    fn a_team_has_at_least_one_and_at_most_as_many_as_the_policy_says() {
        let policies = Policies::shipped().unwrap();
        let many: Vec<Member> = (0..101).map(|n| member(&format!("s{n}"), "x", Some("部"), true)).collect();
        let all = team(&about(&[], &["部"]), &many);
        assert_eq!(check_size(&all, &policies).unwrap_err().code, "TSK-072");
        assert!(check_size(&all[1..], &policies).is_ok());
        assert!(check_size(&[], &policies).unwrap_err().what.contains("has left"));
    }

    #[test]
    fn what_nobody_is_called_is_told_with_what_is_near() {
        let members = everyone();
        assert_eq!(check_name("王小五", &members).unwrap_err().code, "TSK-070");
        let problem = check_department("华东/上还", &members).unwrap_err();
        assert!(problem.code == "TSK-070" && problem.cure.contains("华东/上海"), "{problem}");
        assert!(check_department("华东/上海", &members).is_ok());
    }
}
