//! The doors for lines: a socket, over which groups are answered, and stdin, over which nobody is.
//!
//! A line that has begun holds up the watermark: its sender may be about to say that somebody did B. A socket
//! gets half a minute for the rest of it.

use std::io::Read;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::oneshot;

use super::hall::{Answer, Hall, Post, Visit};
use super::http::{is_same, taken};

/// The numbers of these doors.
const SOCKET: u8 = 1;
const STDIN: u8 = 2;
/// A line may be so long.
const LINE_BYTES: usize = 8 << 20;
/// Bytes that are read at once.
const READ_BYTES: usize = 256 << 10;
/// The rest of a line must come within this time.
const LINE_TIME: Duration = Duration::from_secs(30);
/// How long to wait before there may be room, or a disk that takes lines.
const PAUSE: Duration = Duration::from_millis(20);

/// What one connection needs.
#[derive(Clone)]
pub struct Socket {
    pub hall: Arc<Hall>,
    /// The first line of a connection must be `token TOKEN`.
    pub token: Option<Arc<str>>,
}

impl Socket {
    /// Talks with one connection until either side ends it.
    pub async fn talk(self, mut stream: impl AsyncRead + AsyncWrite + Unpin) {
        // Who has gone will come again with what was not answered.
        let _ = self.listen(&mut stream).await;
    }

    async fn listen(&self, stream: &mut (impl AsyncRead + AsyncWrite + Unpin)) -> std::io::Result<()> {
        let mut held = Held { hall: self.hall.clone(), bytes: Vec::new(), visit: None };
        let mut is_trusted = self.token.is_none();
        let mut durable = 0;
        loop {
            while !self.hall.has_room() {
                tokio::time::sleep(PAUSE).await;
            }
            let is_end = match self.read(stream, &mut held).await? {
                Some(count) => count == 0,
                None => return say(stream, json!({"problem": {"what": "a line did not end in time"}})).await,
            };
            if !is_trusted && let Some(line) = held.first_line() {
                is_trusted = self.is_token(&line);
                if !is_trusted {
                    return say(stream, json!({"problem": {"what": "the first line must be: token TOKEN"}}))
                        .await;
                }
            }
            if is_trusted && let Some((lines, visit)) = held.lines(is_end) {
                match self.post(lines, visit).await {
                    Some(Answer::Taken { accepted, refused }) => {
                        durable += accepted;
                        let mut document = taken(accepted, &json!(refused), refused.len());
                        document["durable"] = durable.into();
                        say(stream, document).await?;
                    }
                    Some(Answer::Failed(problem)) => return say(stream, json!({ "problem": problem })).await,
                    None => return Ok(()),
                }
            }
            if is_end {
                return Ok(());
            }
            if held.bytes.len() > LINE_BYTES {
                return say(stream, json!({"problem": {"what": "a line is longer than 8 MiB"}})).await;
            }
        }
    }

    /// Reads some bytes; nothing when a line that has begun did not go on.
    async fn read(
        &self,
        stream: &mut (impl AsyncRead + Unpin),
        held: &mut Held,
    ) -> std::io::Result<Option<usize>> {
        held.bytes.reserve(READ_BYTES);
        let has_begun = !held.bytes.is_empty();
        let count = match tokio::time::timeout(LINE_TIME, stream.read_buf(&mut held.bytes)).await {
            Ok(count) => count?,
            Err(_) if has_begun => {
                self.hall.broke_off();
                return Ok(None);
            }
            // Silence between lines may last.
            Err(_) => stream.read_buf(&mut held.bytes).await?,
        };
        held.look();
        Ok(Some(count))
    }

    fn is_token(&self, line: &[u8]) -> bool {
        let shown = std::str::from_utf8(line).ok().and_then(|line| line.trim().strip_prefix("token "));
        shown.zip(self.token.as_ref()).is_some_and(|(shown, token)| is_same(shown.trim(), token))
    }

    async fn post(&self, lines: Vec<u8>, visit: Visit) -> Option<Answer> {
        let (answer, answered) = oneshot::channel();
        self.hall.post(Post { door: SOCKET, lines, answer, visit });
        answered.await.ok()
    }
}

async fn say(stream: &mut (impl AsyncWrite + Unpin), document: serde_json::Value) -> std::io::Result<()> {
    stream.write_all(format!("{document}\n").as_bytes()).await?;
    stream.flush().await
}

/// Bytes that were read; while there are any, a visit is under way.
struct Held {
    hall: Arc<Hall>,
    bytes: Vec<u8>,
    visit: Option<Visit>,
}

impl Held {
    fn look(&mut self) {
        if self.bytes.is_empty() {
            self.visit = None;
        } else if self.visit.is_none() {
            self.visit = Some(self.hall.enter_anyway());
        }
    }

    /// Takes the whole lines, and what is left at the end.
    fn lines(&mut self, is_end: bool) -> Option<(Vec<u8>, Visit)> {
        let end = self.bytes.iter().rposition(|byte| *byte == b'\n').map(|at| at + 1);
        let end = if is_end { Some(self.bytes.len()).filter(|len| *len > 0) } else { end }?;
        let rest = self.bytes.split_off(end);
        let lines = std::mem::replace(&mut self.bytes, rest);
        let visit = self.visit.take().unwrap_or_else(|| self.hall.enter_anyway());
        self.look();
        Some((lines, visit))
    }

    /// Takes the first line, if it is whole.
    fn first_line(&mut self) -> Option<Vec<u8>> {
        let end = self.bytes.iter().position(|byte| *byte == b'\n')? + 1;
        let rest = self.bytes.split_off(end);
        let line = std::mem::replace(&mut self.bytes, rest);
        self.look();
        Some(line)
    }
}

/// Reads stdin to its end. What the disk does not take is tried again: a pipe cannot say it twice.
pub fn read_stdin(hall: Arc<Hall>, mut input: Box<dyn Read + Send>) {
    let mut held = Held { hall: hall.clone(), bytes: Vec::new(), visit: None };
    let mut piece = vec![0; READ_BYTES];
    loop {
        let count = input.read(&mut piece).unwrap_or(0);
        held.bytes.extend_from_slice(piece.get(..count).unwrap_or_default());
        held.look();
        if let Some((lines, visit)) = held.lines(count == 0)
            && !taken_at_last(&hall, lines, visit)
        {
            return;
        }
        if count == 0 {
            return;
        }
    }
}

/// False when the porter has gone.
fn taken_at_last(hall: &Arc<Hall>, lines: Vec<u8>, visit: Visit) -> bool {
    let mut visit = Some(visit);
    loop {
        while !hall.has_room() {
            std::thread::sleep(PAUSE);
        }
        let (answer, answered) = oneshot::channel();
        let visit = visit.take().unwrap_or_else(|| hall.enter_anyway());
        hall.post(Post { door: STDIN, lines: lines.clone(), answer, visit });
        match answered.blocking_recv() {
            Ok(Answer::Taken { .. }) => return true,
            Ok(Answer::Failed(_)) => std::thread::sleep(PAUSE * 50),
            Err(_) => return false,
        }
    }
}
