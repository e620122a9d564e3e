//! The webhook against a real HTTP server on loopback, which misbehaves on purpose.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::base::Zone;
use crate::dispatch::tests::world::{World, text};
use crate::dispatch::{ReceiptState, Senders};
use crate::sender::tests::{batch, send};

/// What the server does with one request.
#[derive(Clone, Copy)]
pub enum Manner {
    /// Status line and headers, body.
    Answer(&'static str, &'static str),
    /// Answers with a receipt per touch: delivered, refused, then nothing.
    Receipts,
    /// Reads everything, then says nothing for longer than the time-out.
    Stall,
    /// Reads everything, then closes.
    Close,
    /// Promises a body and closes after a part of it.
    HalfAnswer,
    /// Looks at the request and answers 200 with this.
    By(fn(&Seen) -> String),
}

/// One request as the server saw it.
pub struct Seen {
    pub head: Vec<String>,
    pub body: String,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.head.iter().filter_map(|line| line.split_once(": "));
        found.into_iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }
}

/// Serves as many requests as it has manners, one connection each, then ends.
pub struct Server {
    pub url: String,
    thread: JoinHandle<()>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Server {
    pub const OK: Manner = Manner::Answer("200 OK", "{}");

    pub fn start(manners: Vec<Manner>) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/hook?key=1", listener.local_addr().unwrap());
        let seen = Arc::new(Mutex::new(Vec::new()));
        let log = seen.clone();
        let thread = std::thread::spawn(move || {
            for manner in manners {
                let (stream, _) = listener.accept().unwrap();
                serve(stream, manner, &log);
            }
        });
        Server { url, thread, seen }
    }

    pub fn finish(self) -> Vec<Seen> {
        self.thread.join().unwrap();
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn serve(mut stream: TcpStream, manner: Manner, log: &Mutex<Vec<Seen>>) {
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = read_request(&stream);
    let answer = |status: &str, length: usize, body: &str| {
        format!("HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}")
    };
    let text = match manner {
        Manner::Answer(status, body) => answer(status, body.len(), body),
        Manner::Receipts => {
            let body = some_receipts(&request.body);
            answer("200 OK", body.len(), &body)
        }
        Manner::By(answered) => {
            let body = answered(&request);
            answer("200 OK", body.len(), &body)
        }
        Manner::HalfAnswer => answer("200 OK", 1_000, "{\"rece"),
        Manner::Stall => {
            std::thread::sleep(Duration::from_millis(500));
            String::new()
        }
        Manner::Close => String::new(),
    };
    log.lock().unwrap().push(request);
    let _ = stream.write_all(text.as_bytes());
}

fn read_request(stream: &TcpStream) -> Seen {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim_end().is_empty() {
            break;
        }
        head.push(line.trim_end().to_string());
    }
    let mut seen = Seen { head, body: String::new() };
    let length = seen.header("content-length").and_then(|text| text.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    seen.body = String::from_utf8(body).unwrap();
    seen
}

fn some_receipts(body: &str) -> String {
    let body: Value = serde_json::from_str(body).unwrap();
    let id = |n: usize| body["touches"][n]["touch_id"].clone();
    json!({"receipts": [
        {"touch_id": id(0), "state": "delivered"},
        {"touch_id": id(1), "state": "refused", "reason": "空号"},
        {"touch_id": "ffffffffffffffffffffffffffffffff", "state": "delivered"},
        {"touch_id": "not an id", "state": "delivered"},
    ]})
    .to_string()
}

pub fn webhook(server: &Server, more: &str) -> Webhook {
    let text = format!(
        "kind = \"webhook\"\nurl = \"{}\"\nsecret = \"密钥\"\ntimeout = \"5s\"\nparallel = 1\n{more}",
        server.url
    );
    hook(&text, Duration::from_millis(5_000))
}

fn hook(text: &str, timeout: Duration) -> Webhook {
    let table: toml::Table = toml::from_str(text).unwrap();
    let config = Config::read("短信", &table, &|_| None).unwrap();
    let stamp = || Timestamp::parse("2026-03-01T12:00:00Z", &Zone::default()).unwrap();
    let times = super::super::http::Times { whole: timeout, ..config.times };
    Webhook::new(Config { times, ..config }, stamp).unwrap()
}

fn answer_to(manner: Manner) -> Outcome {
    let server = Server::start(vec![manner]);
    let outcome = send(&webhook(&server, ""), &batch(1, 0..3, json!({"template": "您好"})));
    server.finish();
    outcome
}

fn code(outcome: &Outcome) -> (&'static str, &'static str) {
    match outcome {
        Outcome::Answered(_) => ("answered", ""),
        Outcome::TryLater { why, .. } => ("later", why.code),
        Outcome::Refused(why) => ("refused", why.code),
        Outcome::Unknown(why) => ("unknown", why.code),
    }
}

#[test]
fn a_post_is_signed_and_named() {
    let server = Server::start(vec![Server::OK]);
    let sent = batch(1, 0..3, json!({"template": "您好"}));
    send(&webhook(&server, ""), &sent);
    let seen = &server.finish()[0];
    assert!(seen.head[0].starts_with("POST /hook?key=1 "));
    assert_eq!(seen.header("Idempotency-Key"), Some(sent.key().as_str()));
    assert_eq!(seen.header("X-Quanke-Timestamp"), Some("1772366400"));
    let expected = signature("密钥", "1772366400", seen.body.as_bytes());
    assert_eq!(seen.header("X-Quanke-Signature"), Some(expected.as_str()));
    assert_ne!(expected, signature("other", "1772366400", seen.body.as_bytes()));
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    assert_eq!(body["touches"][2]["content"]["template"], "您好");
    assert_eq!(body["touches"].as_array().unwrap().len(), 3);
}

/// The example of RFC 4231, section 4.3, with the point between its two halves put back.
#[test]
fn the_signature_is_hmac_sha256() {
    let known = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
    let mut mac = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(b"Jefe").unwrap();
    hmac::Mac::update(&mut mac, b"what do ya want for nothing?");
    let bytes = hmac::Mac::finalize(mac).into_bytes();
    let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text, known);
    let mut ours = <hmac::Hmac<sha2::Sha256> as hmac::KeyInit>::new_from_slice(b"k").unwrap();
    hmac::Mac::update(&mut ours, b"12.body");
    let bytes = hmac::Mac::finalize(ours).into_bytes();
    assert_eq!(signature("k", "12", b"body"), bytes.iter().map(|b| format!("{b:02x}")).collect::<String>());
}

#[test]
fn receipts_are_mapped_and_strangers_left_out() {
    let Outcome::Answered(receipts) = answer_to(Manner::Receipts) else { panic!() };
    let states: Vec<ReceiptState> = receipts.iter().map(|receipt| receipt.state).collect();
    assert_eq!(states, [ReceiptState::Delivered, ReceiptState::Refused, ReceiptState::Awaiting]);
    assert_eq!(receipts[1].reason.as_deref(), Some("空号"));
    let sent = batch(1, 0..2, json!({}));
    let bare = format!("[{{\"touch_id\": \"{}\", \"state\": \"unknown\"}}]", sent.touches[1].touch_id);
    let states: Vec<ReceiptState> =
        request::receipts(&sent, bare.as_bytes(), true).iter().map(|r| r.state).collect();
    assert_eq!(states, [ReceiptState::Delivered, ReceiptState::Unknown]);
}

#[test]
fn every_answer_means_one_thing() {
    let told = |status| code(&answer_to(Manner::Answer(status, "no")));
    assert_eq!(told("500 Oops"), ("later", "SND-005"));
    assert_eq!(told("503 Busy"), ("later", "SND-005"));
    assert_eq!(told("408 Slow"), ("later", "SND-005"));
    assert_eq!(told("401 Who"), ("refused", "SND-004"));
    assert_eq!(told("302 There\r\nLocation: http://127.0.0.1:1/"), ("refused", "SND-004"));
    assert_eq!(told("200 OK"), ("answered", ""), "an answer that is no JSON has no receipts");
    let Outcome::TryLater { after, .. } = answer_to(Manner::Answer("429 Slow\r\nRetry-After: 7", "")) else {
        panic!()
    };
    assert_eq!(after, Duration::from_secs(7));
    assert_eq!(code(&answer_to(Manner::Close)), ("unknown", "SND-006"));
    assert_eq!(code(&answer_to(Manner::HalfAnswer)), ("unknown", "SND-006"));
}

#[test]
fn a_stall_past_the_time_out_is_unknown() {
    let server = Server::start(vec![Manner::Stall]);
    let text = format!("kind = \"webhook\"\nurl = \"{}\"", server.url);
    let outcome = send(&hook(&text, Duration::from_millis(100)), &batch(1, 0..1, json!({})));
    assert_eq!(code(&outcome), ("unknown", "SND-006"));
    let Outcome::Unknown(why) = outcome else { panic!() };
    assert!(why.what.contains("no answer in time") && !why.to_string().contains("key=1"), "{why}");
    server.finish();
}

#[test]
fn nobody_there_is_worth_another_try() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sender =
        hook(&format!("kind = \"webhook\"\nurl = \"http://127.0.0.1:{port}/\""), Duration::from_secs(1));
    assert_eq!(code(&send(&sender, &batch(1, 0..1, json!({})))), ("later", "SND-003"));
}

#[test]
fn without_idempotent_keys_a_broken_server_is_unknown() {
    let server = Server::start(vec![Manner::Answer("502 Oops", ""), Manner::Answer("503 Busy", "")]);
    let sender = webhook(&server, "idempotent = false");
    assert_eq!(code(&send(&sender, &batch(1, 0..1, json!({})))), ("unknown", "SND-006"));
    assert_eq!(code(&send(&sender, &batch(1, 0..1, json!({})))), ("later", "SND-005"));
    server.finish();
}

#[test]
fn a_tls_client_can_be_made() {
    hook("kind = \"webhook\"\nurl = \"https://127.0.0.1:1/\"", Duration::from_secs(1));
}

#[test]
fn a_run_survives_a_bad_day_of_the_receiver() {
    let manners = [Manner::Answer("500 Oops", ""), Manner::Close, Manner::Receipts, Server::OK];
    let server = Server::start(manners.to_vec());
    let (world, sender) = (World::of(6), webhook(&server, "on_accept = \"delivered\""));
    let id = world.approved(&text("短信", "", ""));
    let senders: Senders = [("短信".to_string(), Arc::new(sender) as Arc<dyn Sender>)].into_iter().collect();
    world.run(&senders, "20:00");
    let posted = server.finish();
    assert!(posted[..3].iter().all(|seen| seen.body == posted[0].body));
    let book = world.report(&id).total;
    assert_eq!((book.due, book.delivered, book.refused, book.balanced), (6, 5, 1, true));
}

#[test]
fn a_receiver_can_be_asked_what_became_of_touches() {
    let server = Server::start(vec![Manner::By(|seen| {
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        json!([{"touch_id": body["touch_ids"][1], "state": "refused", "reason": "空号"}]).to_string()
    })]);
    let sender = webhook(&server, &format!("reconcile_url = \"{}\"", server.url));
    let sent = batch(1, 0..3, json!({}));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let receipts = runtime.block_on(sender.reconcile(&sent)).unwrap();
    server.finish();
    assert_eq!(receipts, [crate::dispatch::Receipt::refused(sent.touches[1].touch_id, "空号")]);
}
