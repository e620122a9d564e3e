//! Limits through the door: quanke.toml, the list of those whom nobody reaches, and the look before a run.

use super::Shell;

fn file(shell: &Shell, more: &str) -> String {
    let text = format!(
        "name = \"春季活动\"\nstart = \"2026-03-01T00:00:00+08:00\"\nend = \"2026-04-01T00:00:00+08:00\"\n\
         [trigger]\nkind = \"once\"\nat = \"2026-03-02T20:00:00+08:00\"\n\
         [dispatch]\nsender = \"file\"\ncontent = {{ template = \"{{{{city}}}} 您好\" }}\n{more}\n"
    );
    shell.file("task.toml", &text)
}

fn approved(shell: &Shell, more: &str) -> String {
    let made = shell.ask(&["task", "create", &file(shell, more)]).fine().json();
    let id = made["id"].as_str().unwrap().to_string();
    shell.say(&["task", "submit", &id]).fine();
    shell.say(&["task", "approve", &id]).fine();
    id
}

#[test]
fn a_preflight_of_a_file_says_what_the_report_says_afterwards() {
    let shell = Shell::with_users();
    shell.file("home/quanke.toml", "[limits]\ncaps = [{ all = true, limit = 3, per = \"week\" }]\n");
    shell.say(&["suppress", "add", "--user", "u3", "--until", "2026-03-08"]).fine();
    let limits =
        "missing = \"refuse\"\n[limits]\nholdout = \"30%\"\nquiet = { from = \"21:00\", to = \"08:00\" }";
    let path = file(&shell, limits);
    let said = shell.ask(&["task", "preflight", &path]).fine().json();
    assert_eq!((&said["audience"], &said["at"]), (&7.into(), &"2026-03-02T20:00:00.000+08:00".into()));
    assert!(shell.ask(&["task", "list"]).fine().json()["tasks"].as_array().unwrap().is_empty());
    let id = approved(&shell, limits);
    let of_task = shell.ask(&["task", "preflight", &id]).fine().json();
    assert_eq!(of_task, said);
    let text = shell.say(&["task", "preflight", &id]).fine().out;
    assert!(text.contains("suspended") && text.contains("would be handed over"), "{text}");
    shell.say(&["run", "--until", "2026-03-02T20:01:00+08:00"]).fine();
    let total = &shell.ask(&["task", "report", &id]).fine().json()["total"];
    for term in ["withheld", "suppressed", "held", "handed"] {
        assert_eq!(total[term], said[term], "{term}: {said} {total}");
    }
    for gate in said["gates"].as_array().unwrap().iter().filter(|gate| gate["state"] == "suppressed") {
        assert_eq!(total["suppressed_by"][gate["gate"].as_str().unwrap()], gate["stopped"]);
    }
    let late = shell.ask(&["task", "preflight", &path, "--at", "2026-03-02T22:00:00+08:00"]).fine().json();
    assert_eq!(late["held_until"]["quiet_hours"], "2026-03-03T08:00:00.000+08:00");
    let nothing = shell.ask(&["task", "preflight", &id, "--now", "2026-03-20T12:00:00+08:00"]);
    assert_eq!((nothing.code, nothing.codes()), (1, vec!["DSP-050".to_string()]));
}

// proves: S3.20
#[test]
fn the_list_takes_files_ids_and_crowds_and_refuses_all_mistakes_at_once() {
    let shell = Shell::with_users();
    let listed = |shell: &Shell| -> Vec<String> {
        let all = shell.ask(&["suppress", "list"]).fine().json();
        let all = all["suppressed"].as_array().unwrap().clone();
        all.iter()
            .map(|one| {
                format!("{} {}", one["user_id"].as_str().unwrap(), &one["until"].as_str().unwrap()[..10])
            })
            .collect()
    };
    let bad = shell.file("bad.csv", "user_id,until,reason\nu3,soon,x\n,2026-04-01,\nu4,2026-02-01,\nu5,,\n");
    let refused = shell.ask(&["suppress", "add", &bad]);
    assert_eq!((refused.code, refused.codes()), (1, vec!["CLI-040".to_string(); 4]), "{refused:?}");
    assert!(listed(&shell).is_empty());
    let good = shell.file("good.csv", "user_id,until,reason\n00001,2026-04-01,踢出\nu4,,\n");
    let many = ["suppress", "add", &good, "--user", "不认识", "--until", "2026-03-05", "--reason", "投诉"];
    assert_eq!(shell.ask(&many).fine().json()["suppressed"], 3);
    assert_eq!(listed(&shell), ["00001 2026-04-01", "u4 2026-03-05", "不认识 2026-03-05"]);
    shell.say(&["crowd", "import", "名单", &shell.file("list.csv", "user_id\nu5\n")]).fine();
    shell.say(&["suppress", "add", "--crowd", "名单", "--until", "2026-03-02"]).fine();
    assert!(shell.say(&["suppress", "list"]).fine().out.contains("踢出"));
    assert_eq!(
        shell.ask(&["suppress", "remove", "--user", "u5", "--user", "u6"]).fine().json()["not_listed"],
        1
    );
    let bare = shell.file("bare.csv", "00001\n");
    assert_eq!(shell.ask(&["suppress", "remove", &bare]).fine().json()["removed"], 1);
    assert_eq!(listed(&shell), ["u4 2026-03-05", "不认识 2026-03-05"]);
    assert_eq!(shell.ask(&["suppress", "add", "--until", "2026-03-05"]).code, 2);
}

#[test]
fn mistakes_in_the_company_s_limits_and_quotas_are_told_with_their_places() {
    let shell = Shell::with_users();
    shell.file(
        "home/quanke.toml",
        "zome = 3\n[limits]\nquiet = { from = \"8\" }\ncaps = [{ limit = 1, per = \"day\" }]\n",
    );
    let said = shell.ask(&["task", "list"]);
    assert_eq!(said.codes(), ["CLI-003", "TSK-003", "TSK-004", "TSK-060"], "{said:?}");
    shell
        .file("home/quanke.toml", "[senders.file]\nkind = \"file\"\nquota = { limit = 2, per = \"hour\" }\n");
    assert_eq!(shell.ask(&["task", "list"]).codes(), ["SND-001"]);
}

#[test]
fn a_quota_of_a_sender_holds_the_rest_for_the_next_day() {
    let shell = Shell::with_users();
    shell.file("home/quanke.toml", "[senders.file]\nkind = \"file\"\nquota = { limit = 4, per = \"day\" }\n");
    let id = approved(&shell, "");
    shell.say(&["run", "--until", "2026-03-02T23:00:00+08:00"]).fine();
    let report = shell.ask(&["task", "report", &id]).fine().json();
    assert_eq!((&report["total"]["handed"], &report["total"]["held"]), (&4.into(), &3.into()));
    assert_eq!(
        (&report["runs"][0]["state"], &report["runs"][0]["is_pushed"]),
        (&"holding".into(), &false.into())
    );
    shell.say(&["run", "--until", "2026-03-03T00:00:00+08:00"]).fine();
    let report = shell.ask(&["task", "report", &id]).fine().json();
    assert_eq!((&report["total"]["handed"], &report["runs"][0]["state"]), (&7.into(), &"done".into()));
}

#[test]
fn the_report_has_a_book_for_each_variant() {
    let shell = Shell::with_users();
    let variants = "[[dispatch.variants]]\nname = \"A\"\nshare = \"50%\"\n[[dispatch.variants]]\nname = \"B\"\nshare = \"50%\"\n\
                    content = { template = \"B\" }";
    let id = approved(&shell, variants);
    shell.say(&["run", "--until", "2026-03-02T23:00:00+08:00"]).fine();
    let report = shell.ask(&["task", "report", &id]).fine().json();
    let books = report["variants"].as_array().unwrap();
    let names: Vec<&str> = books.iter().map(|book| book["variant"].as_str().unwrap()).collect();
    assert_eq!(names, ["A", "B"]);
    assert_eq!(books.iter().map(|book| book["handed"].as_i64().unwrap()).sum::<i64>(), 7);
    let lines = shell.read(&format!("home/outbox/{id}.ndjson"));
    let of_b = lines.lines().filter(|line| line.contains("\"template\":\"B\"")).count();
    assert_eq!(books[1]["handed"], of_b);
    assert!(shell.say(&["task", "report", &id]).fine().out.contains("variant B"));
}
