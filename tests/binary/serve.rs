//! The real server: real sockets, a real receiver, SIGKILL at any moment. What was acknowledged is never lost,
//! what was sent twice counts once, everybody who is due is reached once.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, ChildStdout, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::receiver::{Answer, Receiver};
use super::support::{Place, approved, assert_balanced};

/// The server's clock begins here; the days of the events.
const NOW: &str = "2026-03-02T10:05:00+08:00";
const EVENING: &str = "2026-03-02T23:00:00+08:00";
/// A minute takes three seconds.
const SPEED: &str = "20";
/// Nothing here takes so long unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// A server under way; killed when it is dropped.
struct Server {
    child: Child,
    out: BufReader<ChildStdout>,
    http: String,
    lines: String,
    /// What its clock showed at the start.
    at: String,
}

impl Server {
    fn start(place: &Place, more: &[&str]) -> Server {
        let words = ["serve", "--now", NOW, "--speed", SPEED, "--lateness", "10s", "--json"];
        let doors = ["--listen", "127.0.0.1:0", "--lines", "127.0.0.1:0"];
        let mut command = place.command(&[&words, &doors[..], more].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let greeting: Value = serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line}"));
        let place = |name: &str| greeting["serving"][name].as_str().unwrap().to_string();
        Server {
            http: place("http").replace("http://", ""),
            lines: place("lines"),
            at: place("at"),
            child,
            out,
        }
    }

    /// Status and body of a request; nothing when the server is gone.
    fn ask(&self, method: &str, path: &str, body: &str) -> Option<(u16, String)> {
        let mut stream = TcpStream::connect(&self.http).ok()?;
        stream.set_read_timeout(Some(PATIENCE)).ok()?;
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        stream.write_all(head.as_bytes()).ok()?;
        stream.write_all(body.as_bytes()).ok()?;
        let mut text = String::new();
        stream.read_to_string(&mut text).ok()?;
        let (head, body) = text.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some((status, body.to_string()))
    }

    /// Were the events taken?
    fn post(&self, body: &str) -> bool {
        self.ask("POST", "/events", body).is_some_and(|(status, _)| status == 202)
    }

    /// Asks it to end and reads its last words.
    fn end(mut self) -> Value {
        let id = self.child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        assert!(self.child.wait().unwrap().success(), "{rest}");
        serde_json::from_str(rest.lines().last().unwrap_or_default()).unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn event(id: &str, user: &str, name: &str, at: &str) -> Value {
    json!({"event_id": id, "user_id": user, "event": name, "time": at})
}

/// A home with two approved tasks: who bought, and who viewed and did not share within a minute.
fn ready(url: &str) -> (Place, [String; 2]) {
    let place = Place::new();
    let users = place.file("users.csv", "user_id,name\nu0,零\n");
    place.run(&["ingest", "users", &users]);
    let hook = format!(
        "[senders.hook]\nkind = \"webhook\"\nurl = \"{url}\"\nsecret = \"s3cret\"\ntimeout = \"5s\"\n[retry]\nwait = \"0s\"\n"
    );
    std::fs::write(place.home().join("quanke.toml"), hook).unwrap();
    let task = |name: &str, trigger: &str| {
        let text = format!(
            "name = \"{name}\"\nstart = \"2026-03-02T00:00:00+08:00\"\nend = \"2026-03-09T00:00:00+08:00\"\n\
             [trigger]\n{trigger}\n[dispatch]\nsender = \"hook\"\nbatch = 3\ncontent = {{ template = \"您好\" }}\n"
        );
        let file = place.file("task.toml", &text);
        approved(&place, &file, "2026-03-02T08:00:00+08:00")
    };
    let bought = task("买了", "kind = \"event\"\ndid = \"buy\"");
    let absent = "kind = \"absence\"\ndid = \"view\"\nnot_done = \"share\"\nwithin = \"1m\"\ngrace = \"1d\"";
    let viewed = task("未分享", absent);
    (place, [bought, viewed])
}

/// What the sender of user n says in one request: a purchase, a view, and with every third a share, which comes
/// first, at the same instant.
fn request(n: usize, at: &str) -> String {
    let user = format!("u{n}");
    let mut all = vec![event(&format!("b{n}"), &user, "buy", at), event(&format!("v{n}"), &user, "view", at)];
    if n.is_multiple_of(3) {
        all.insert(0, event(&format!("s{n}"), &user, "share", at));
    }
    all.iter().map(|one| format!("{one}\n")).collect()
}

/// Users by task, from what the receiver got; each touch stands for one user of one task.
fn touches(receiver: &Receiver) -> BTreeMap<String, usize> {
    let mut users = BTreeMap::new();
    for (user, _) in receiver.touches.lock().unwrap().values() {
        *users.entry(user.clone()).or_insert(0) += 1;
    }
    users
}

fn expected(users: usize) -> BTreeMap<String, usize> {
    (0..users).map(|n| (format!("u{n}"), if n % 3 == 0 { 1 } else { 2 })).collect()
}

fn wait_for(what: &str, mut is_there: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_there() {
        assert!(began.elapsed() < PATIENCE, "{what} never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

// proves: S2.47
#[test]
fn kill_9_at_any_moment_loses_and_doubles_nothing() {
    let kills: usize = std::env::var("QUANKE_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(15);
    let receiver = Receiver::start(|_| Answer::Ok);
    let (place, tasks) = ready(&receiver.url);
    let mut random = fastrand::Rng::with_seed(7);
    let (mut sent, mut owed) = (0, None);
    for _ in 0..kills {
        let server = Server::start(&place, &[]);
        let life = Instant::now();
        let length = Duration::from_millis(random.u64(0..900));
        while life.elapsed() < length {
            // What was not acknowledged is sent again, as it was, in this life or the next.
            let body = owed.take().unwrap_or_else(|| request(sent, &server.at));
            match server.post(&body) {
                true => sent += 1,
                false => owed = Some(body),
            }
        }
        drop(server);
    }
    let server = Server::start(&place, &[]);
    for n in sent..sent + 3 {
        let body = owed.take().unwrap_or_else(|| request(n, &server.at));
        wait_for("an answer", || server.post(&body));
    }
    let users = sent + 3;
    wait_for("the last touch", || touches(&receiver) == expected(users));
    let ended = server.end();
    assert_eq!(touches(&receiver), expected(users));
    assert_eq!(ended["ended"]["numbers"]["spool_bytes"], 0.0);
    for task in &tasks {
        assert_balanced(&place.json(&["task", "report", task, "--now", EVENING])["total"]);
    }
    let users = users as u64;
    assert_eq!((place.count("did buy", EVENING), place.count("did buy count >= 2", EVENING)), (users, 0));
    assert_eq!((place.count("did view", EVENING), place.count("did view count >= 2", EVENING)), (users, 0));
    assert_eq!(place.count("did share count = 1", EVENING), users.div_ceil(3));
}

#[test]
fn doors_answer_line_by_line_and_say_how_they_are() {
    let receiver = Receiver::start(|_| Answer::Ok);
    let (place, [bought, _]) = ready(&receiver.url);
    let server = Server::start(&place, &["--body", "2000"]);
    wait_for("readiness", || server.ask("GET", "/readyz", "").is_some_and(|(status, _)| status == 200));
    assert_eq!(server.ask("GET", "/healthz", "").unwrap().0, 200);
    let array = json!([event("a1", "u1", "buy", NOW), {"user_id": "u2"}, event("a2", "u2", "buy", NOW)]);
    let (status, body) = server.ask("POST", "/events", &format!("{array:#}")).unwrap();
    let answer: Value = serde_json::from_str(&body).unwrap();
    assert_eq!((status, &answer["read"], &answer["accepted"]), (202, &json!(3), &json!(2)));
    assert_eq!(answer["rejected"][0]["line"], 2, "{answer}");
    assert_eq!(server.ask("POST", "/events", "nothing good").unwrap().0, 400);
    assert_eq!(server.ask("POST", "/events", "[1,").unwrap().0, 400);
    assert_eq!(server.ask("POST", "/events", &" ".repeat(3_000)).unwrap().0, 413);
    assert_eq!(server.ask("GET", "/nowhere", "").unwrap().0, 404);
    let mut stream = TcpStream::connect(&server.lines).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{}\nbad\n", event("l1", "u3", "buy", NOW)).unwrap();
    let mut heard = BufReader::new(stream.try_clone().unwrap());
    let mut said = String::new();
    heard.read_line(&mut said).unwrap();
    let answer: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&answer["durable"], &answer["rejected"][0]["line"]), (&json!(1), &json!(2)), "{answer}");
    wait_for("three touches", || touches(&receiver).len() == 3);
    let metrics = server.ask("GET", "/metrics", "").unwrap().1;
    assert!(metrics.contains("quanke_events_accepted_total{door=\"http\"} 2"), "{metrics}");
    assert!(metrics.contains("quanke_events_rejected_total{door=\"lines\"} 1"), "{metrics}");

    // Others read meanwhile, and move tasks; nobody else writes.
    assert_eq!(place.try_run(&["ingest", "users", &place.file("more.csv", "user_id\nx\n")]).code, 3);
    place.run(&["task", "list"]);
    place.run(&["task", "pause", &bought, "--now", NOW]);
    wait_for("a pause that is followed", || {
        let report = place.json(&["task", "report", &bought, "--now", EVENING]);
        server.post(&format!(
            "{}\n",
            event(&format!("p{}", report["trigger"]["total"]["fired"]), "u4", "buy", NOW)
        ));
        report["trigger"]["total"]["paused"].as_u64().is_some_and(|paused| paused > 0)
    });
    let ended = server.end();
    assert_eq!(ended["ended"]["numbers"]["events_accepted_total"]["lines"], 1.0, "{ended}");
    assert_eq!(touches(&receiver).len(), 3);
}

#[test]
fn a_token_is_asked_for_and_other_machines_are_refused_without_one() {
    let receiver = Receiver::start(|_| Answer::Ok);
    let (place, _) = ready(&receiver.url);
    let said = place.try_run(&["serve", "--listen", "0.0.0.0:0"]);
    assert_eq!(said.code, 2);
    assert!(said.talk.contains("CLI-020"), "{}", said.talk);
    let said = place.try_run(&["serve", "--token-env", "QUANKE_NO_SUCH_TOKEN"]);
    assert_eq!(said.code, 2);
}

#[test]
fn a_pipe_is_served_to_its_end() {
    let receiver = Receiver::start(|_| Answer::Ok);
    let (place, _) = ready(&receiver.url);
    let words = ["serve", "--listen", "none", "--events", "-", "--now", NOW, "--json"];
    let mut child = place.command(&words).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = child.stdin.take().unwrap();
    for n in 0..5 {
        input.write_all(request(n, NOW).as_bytes()).unwrap();
    }
    input.write_all(event("last", "u9", "buy", NOW).to_string().as_bytes()).unwrap();
    drop(input);
    let mut out = String::new();
    child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
    assert!(child.wait().unwrap().success(), "{out}");
    let users: BTreeSet<String> = touches(&receiver).into_keys().collect();
    assert_eq!(users.len(), 6, "{out}");
    assert_eq!(place.count("did buy", EVENING), 6);
}
