//! A web server on loopback that plays a channel: it honours idempotency by touch id, and misbehaves
//! as told. Bounded: it ends with the test.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;

/// What the server does with request number n.
pub type Mood = fn(usize) -> Answer;

#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Answer {
    Ok,
    /// Takes the batch, then drops the connection without a word.
    TakeAndHangUp,
    /// Refuses for now, takes nothing.
    Busy,
}

pub struct Receiver {
    pub url: String,
    /// Touch id → (user, how often it came).
    pub touches: Arc<Mutex<BTreeMap<String, (String, usize)>>>,
    stop: Arc<AtomicBool>,
}

impl Receiver {
    pub fn start(mood: Mood) -> Receiver {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/touches", listener.local_addr().unwrap());
        let touches: Arc<Mutex<BTreeMap<String, (String, usize)>>> = Arc::default();
        let stop = Arc::new(AtomicBool::new(false));
        let (seen, halt, requests) = (touches.clone(), stop.clone(), Arc::new(AtomicUsize::new(0)));
        thread::spawn(move || {
            for stream in listener.incoming().take(100_000).flatten() {
                if halt.load(Ordering::SeqCst) {
                    return;
                }
                let (seen, requests) = (seen.clone(), requests.clone());
                thread::spawn(move || {
                    let _ = serve(stream, mood, &seen, &requests);
                });
            }
        });
        Receiver { url, touches, stop }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let address = self.url.trim_start_matches("http://").trim_end_matches("/touches").to_string();
        let _ = TcpStream::connect(address);
    }
}

fn serve(
    stream: TcpStream,
    mood: Mood,
    seen: &Mutex<BTreeMap<String, (String, usize)>>,
    requests: &AtomicUsize,
) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut writer = stream;
    loop {
        let Some(body) = request(&mut reader)? else { return Ok(()) };
        let answer = mood(requests.fetch_add(1, Ordering::SeqCst));
        if answer != Answer::Busy {
            take(&body, seen);
        }
        match answer {
            Answer::Ok => writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")?,
            Answer::Busy => writer.write_all(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")?,
            Answer::TakeAndHangUp => return Ok(()),
        }
    }
}

/// The body of one request; `None` when the other side has gone.
fn request(reader: &mut BufReader<TcpStream>) -> std::io::Result<Option<Vec<u8>>> {
    let mut length = 0;
    let mut first = true;
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(None);
        }
        if line.trim().is_empty() && !first {
            break;
        }
        first = false;
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    Ok(Some(body))
}

fn take(body: &[u8], seen: &Mutex<BTreeMap<String, (String, usize)>>) {
    let batch: Value = serde_json::from_slice(body).unwrap();
    let mut seen = seen.lock().unwrap();
    for touch in batch["touches"].as_array().unwrap() {
        let id = touch["touch_id"].as_str().unwrap().to_string();
        let user = touch["user_id"].as_str().unwrap().to_string();
        seen.entry(id).or_insert((user, 0)).1 += 1;
    }
}
