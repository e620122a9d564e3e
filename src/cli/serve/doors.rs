//! Where do events come in? The doors are bound before anything else is opened, and closed last.

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::hall::Hall;
use super::http::{Http, router};
use super::lines::Socket;
use crate::base::{Outcome, Problem};
use crate::cli::door::Failure;
use crate::cli::session::usage;

/// How often a door looks whether the server ends.
const LOOK: Duration = Duration::from_millis(50);
/// Answers that are under way when the server ends have this time.
const FAREWELL: Duration = Duration::from_secs(3);
const UNIX: &str = "unix:";
const NONE: &str = "none";

/// Where the doors are to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    pub http: Option<SocketAddr>,
    pub lines: Option<LinesPlace>,
    pub token: Option<Arc<str>>,
    pub body_bytes: usize,
}

/// Where lines come in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinesPlace {
    Address(SocketAddr),
    Path(PathBuf),
}

impl Places {
    /// The places that the command line names.
    /// Errors: CLI-001 for an address that is none, CLI-020 for one that others can reach without a token.
    pub fn read(
        listen: &str,
        lines: Option<&str>,
        token: Option<String>,
        body_bytes: usize,
    ) -> Result<Places, Failure> {
        let has_token = token.is_some();
        let http = (listen != NONE).then(|| address("--listen", listen, has_token)).transpose()?;
        let lines = match lines {
            None => None,
            Some(text) => Some(match text.strip_prefix(UNIX) {
                Some(path) => LinesPlace::Path(path.into()),
                None => LinesPlace::Address(address("--lines", text, has_token)?),
            }),
        };
        Ok(Places { http, lines, token: token.map(Into::into), body_bytes })
    }
}

fn address(option: &str, text: &str, has_token: bool) -> Result<SocketAddr, Failure> {
    let mut found = text.to_socket_addrs().into_iter().flatten();
    let Some(address) = found.next() else {
        return Err(usage(format!("{option} {text}"), "this is no address", "write it like 127.0.0.1:7700"));
    };
    if address.ip().is_loopback() || has_token {
        return Ok(address);
    }
    let what = format!("{text} can be reached from other machines, and anybody could send events");
    Err(Failure::Usage(
        Problem::author("CLI-020", what)
            .at(format!("{option} {text}"))
            .cure("listen on 127.0.0.1, or name the variable that holds a token: --token-env QUANKE_TOKEN"),
    ))
}

/// Doors that are open.
pub struct Doors {
    runtime: Runtime,
    http: Option<(SocketAddr, JoinHandle<std::io::Result<()>>)>,
    lines: Option<String>,
    /// A socket's file, which goes when the door closes.
    socket: Option<PathBuf>,
}

impl Doors {
    /// Opens the doors. Errors: OUT-040 when an address cannot be had.
    pub fn open(places: &Places, hall: &Arc<Hall>) -> Outcome<Doors> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
        let mut doors = Doors { runtime, http: None, lines: None, socket: None };
        if let Some(address) = places.http {
            doors.open_http(address, places, hall)?;
        }
        let socket = Socket { hall: hall.clone(), token: places.token.clone() };
        match &places.lines {
            Some(LinesPlace::Address(address)) => doors.open_lines(*address, socket)?,
            // Who may reach a socket is the file's matter.
            Some(LinesPlace::Path(path)) => doors.open_socket(path, Socket { token: None, ..socket })?,
            None => {}
        }
        Ok(doors)
    }

    /// Where they are, for scripts.
    pub fn document(&self) -> Value {
        let http = self.http.as_ref().map(|(address, _)| format!("http://{address}"));
        json!({ "http": http, "lines": self.lines })
    }

    fn open_http(&mut self, address: SocketAddr, places: &Places, hall: &Arc<Hall>) -> Outcome<()> {
        let listener = self.listener(address)?;
        let address = listener.local_addr()?;
        let http = Http { hall: hall.clone(), token: places.token.clone(), body_bytes: places.body_bytes };
        let (router, hall) = (router(http), hall.clone());
        let serving = axum::serve(listener, router).with_graceful_shutdown(closing(hall));
        self.http = Some((address, self.runtime.spawn(serving.into_future())));
        Ok(())
    }

    fn open_lines(&mut self, address: SocketAddr, socket: Socket) -> Outcome<()> {
        let listener = self.listener(address)?;
        self.lines = Some(listener.local_addr()?.to_string());
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(socket.clone().talk(stream));
            }
        });
        Ok(())
    }

    #[cfg(unix)]
    fn open_socket(&mut self, path: &PathBuf, socket: Socket) -> Outcome<()> {
        use std::os::unix::fs::PermissionsExt;
        if std::os::unix::net::UnixStream::connect(path).is_err() {
            // Nobody listens there: it is left from a server that was killed.
            let _ = std::fs::remove_file(path);
        }
        let _inside = self.runtime.enter();
        let place = path.display().to_string();
        let listener = tokio::net::UnixListener::bind(path).map_err(|error| taken(&place, &error))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        (self.lines, self.socket) = (Some(format!("{UNIX}{place}")), Some(path.clone()));
        self.runtime.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(socket.clone().talk(stream));
            }
        });
        Ok(())
    }

    #[cfg(not(unix))]
    fn open_socket(&mut self, path: &PathBuf, _: Socket) -> Outcome<()> {
        let what = "this machine has no such sockets";
        Err(Problem::outside("OUT-040", what).at(path.display().to_string()).cure("give --lines an address"))
    }

    fn listener(&self, address: SocketAddr) -> Outcome<TcpListener> {
        let bound = self.runtime.block_on(TcpListener::bind(address));
        bound.map_err(|error| taken(&address.to_string(), &error))
    }

    /// Waits for answers that are under way, then closes. The hall has been closed.
    pub fn close(self) {
        if let Some((_, serving)) = self.http {
            let _ = self.runtime.block_on(async { tokio::time::timeout(FAREWELL, serving).await });
        }
        self.runtime.shutdown_timeout(LOOK);
        if let Some(path) = self.socket {
            let _ = std::fs::remove_file(path);
        }
    }
}

async fn closing(hall: Arc<Hall>) {
    while !hall.is_closing() {
        tokio::time::sleep(LOOK).await;
    }
}

fn taken(place: &str, error: &std::io::Error) -> Problem {
    let cure = "end the program that has it, or give another address (port 0: any that is free)";
    Problem::outside("OUT-040", format!("the door cannot be opened: {error}")).at(place).cure(cure)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(listen: &str, lines: Option<&str>, token: Option<&str>) -> Result<Places, &'static str> {
        Places::read(listen, lines, token.map(String::from), 1).map_err(|failure| match failure {
            Failure::Usage(problem) => problem.code,
            _ => "another",
        })
    }

    #[test]
    fn only_loopback_is_open_without_a_token() {
        assert!(read("127.0.0.1:7700", Some("[::1]:7701"), None).is_ok());
        assert_eq!(read("0.0.0.0:7700", None, None).err(), Some("CLI-020"));
        assert_eq!(read("none", Some("0.0.0.0:1"), None).err(), Some("CLI-020"));
        assert!(read("0.0.0.0:7700", None, Some("secret")).is_ok());
        assert_eq!(read("here", None, None).err(), Some("CLI-001"));
        let places = read("none", Some("unix:/run/x.sock"), None).unwrap();
        assert_eq!((places.http, places.lines), (None, Some(LinesPlace::Path("/run/x.sock".into()))));
    }

    #[test]
    fn an_address_that_somebody_has_is_told() {
        let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = held.local_addr().unwrap().to_string();
        let hall = Hall::new(1, 1, crate::base::Timestamp(0), None);
        let places = read(&address, None, None).unwrap();
        let problem = Doors::open(&places, &hall).err().unwrap();
        assert_eq!((problem.code, problem.at), ("OUT-040", address));
    }
}
