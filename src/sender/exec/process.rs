//! How is a program fed and read at the same time, for no longer than a given time?
//!
//! One thread writes its stdin, one reads its stdout, so that neither pipe can fill up and stop both. What
//! was read counts even when the program is ended in the middle.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

/// Output is kept up to here; receipts of one batch are less.
const OUTPUT_BYTES_MAX: usize = 64 << 20;
/// How often it is looked whether a program that has closed its output is over.
const LOOK_EVERY: Duration = Duration::from_millis(5);

/// How a program ended.
#[derive(Debug, PartialEq)]
pub enum End {
    NotStarted(String),
    Code(i32),
    /// A signal, or something of the system.
    Broken(String),
    TimedOut(Duration),
}

/// How a program ended, and what it had written until then.
pub struct Ended {
    pub end: End,
    pub output: Vec<u8>,
}

impl End {
    /// In words.
    pub fn text(&self) -> String {
        match self {
            End::NotStarted(why) | End::Broken(why) => why.clone(),
            End::Code(code) => format!("the program ended with {code}"),
            End::TimedOut(time) => {
                format!("the program took longer than {} s and was ended", time.as_secs_f64())
            }
        }
    }
}

/// Runs a command with some variables more, gives it `input`, and waits at most `timeout`.
pub async fn run(
    command: &[String],
    environment: &[(&str, &str)],
    input: Vec<u8>,
    timeout: Duration,
) -> Ended {
    let mut child = match start(command, environment) {
        Ok(child) => child,
        Err(why) => return Ended { end: End::NotStarted(why), output: Vec::new() },
    };
    let output = Arc::new(Mutex::new(Vec::new()));
    let (over, is_over) = oneshot::channel();
    feed(&mut child, input);
    read(&mut child, output.clone(), over);
    let end = match tokio::time::timeout(timeout, wait(&mut child, is_over)).await {
        Ok(end) => end,
        Err(_) => {
            let _ = child.kill();
            let _ = child.wait();
            End::TimedOut(timeout)
        }
    };
    let output = std::mem::take(&mut *output.lock().unwrap_or_else(PoisonError::into_inner));
    Ended { end, output }
}

fn start(command: &[String], environment: &[(&str, &str)]) -> Result<Child, String> {
    let (program, arguments) = command.split_first().ok_or("no program is named")?;
    Command::new(program)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| error.to_string())
}

/// A program that ends without reading all its input breaks the pipe, which is its right.
fn feed(child: &mut Child, input: Vec<u8>) {
    if let Some(mut pipe) = child.stdin.take() {
        std::thread::spawn(move || drop(pipe.write_all(&input)));
    }
}

fn read(child: &mut Child, output: Arc<Mutex<Vec<u8>>>, over: oneshot::Sender<()>) {
    let Some(mut pipe) = child.stdout.take() else { return };
    std::thread::spawn(move || {
        let mut block = vec![0; 64 << 10];
        while let Some(read) =
            pipe.read(&mut block).ok().and_then(|n| block.get(..n)).filter(|b| !b.is_empty())
        {
            let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
            if output.len() + read.len() <= OUTPUT_BYTES_MAX {
                output.extend_from_slice(read);
            }
        }
        let _ = over.send(());
    });
}

async fn wait(child: &mut Child, is_over: oneshot::Receiver<()>) -> End {
    let _ = is_over.await;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => {
                return status
                    .code()
                    .map_or_else(|| End::Broken(format!("the program ended by {status}")), End::Code);
            }
            Ok(None) => tokio::time::sleep(LOOK_EVERY).await,
            Err(error) => return End::Broken(error.to_string()),
        }
    }
}
