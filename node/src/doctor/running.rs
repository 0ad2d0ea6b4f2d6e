//! Does the node run already: its note, its process, its answer over HTTP.
//!
//! `run.json` and answers of the HTTP face enter; what is known of the running node leaves. It is asked what
//! anybody on this machine may ask.

use std::fs;
use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use p2p_shared::error::Exit;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::finding::Finding;
use super::plan::Plan;
use super::ports::Port;
use crate::gate::SILENCE_MAX;
use crate::host::Roots;
use crate::host::occupant::{self, Occupant, Protocol};

const CHECK: &str = "running node";
pub(super) const PROGRAM: &str = "p2p-node";
/// How long it may take to answer.
const ANSWER_MAX: Duration = Duration::from_secs(2);
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// `run.json`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Note {
    /// Its process id.
    pub pid: u32,
    /// Its name.
    pub name: String,
    /// Where the mesh reaches it.
    pub quic_address: String,
    /// Where HTTP does.
    pub http_address: Option<String>,
}

/// How it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    /// It was not asked: no address is known, or it speaks TLS.
    #[default]
    NotAsked,
    /// It says that it is well.
    Well,
    /// It does not answer, or says otherwise.
    Ill(String),
}

/// What is known of a running node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Running {
    /// Its note, if it can be read.
    pub note: Option<Note>,
    /// Whether the note is there for others to read.
    pub hidden: bool,
    /// The process of that note, if it lives.
    pub process: Option<Occupant>,
    /// How it answers over HTTP.
    pub health: Health,
    /// Its name and where it listens, as it says.
    pub info: Option<Info>,
    /// Members that it sees alive.
    pub stats: Option<Stats>,
}

/// What of `/api/info` matters.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Info {
    /// Its name.
    pub name: String,
    /// Where HTTP reaches it.
    pub http_address: Option<SocketAddr>,
    /// Where the mesh reaches it.
    #[serde(default)]
    pub addresses: Vec<SocketAddr>,
}

/// What of `/api/stats` matters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
pub struct Stats {
    /// Members that are alive, itself among them.
    pub members_alive: u32,
    /// All that it knows.
    pub members: u32,
    /// Whether its own key is revoked.
    #[serde(default)]
    pub revoked: bool,
    /// How long nobody has told it which keys are revoked.
    #[serde(default)]
    pub revocation_silent_ms: u64,
    /// Whether it refuses calls for that.
    #[serde(default)]
    pub revocation_strict: bool,
}

impl Stats {
    /// Whether it refuses what it cannot vouch for.
    const fn is_mute(&self) -> bool {
        self.revocation_strict && self.revocation_silent_ms as u128 >= SILENCE_MAX.as_millis()
    }
}

impl Running {
    pub(super) async fn look(roots: &Roots, plan: &Plan) -> Self {
        let mut running = match plan.data.as_deref().map(read_note) {
            Some(Ok(note)) => Self { note, ..Self::default() },
            Some(Err(error)) => {
                Self { hidden: error.kind() == io::ErrorKind::PermissionDenied, ..Self::default() }
            }
            None => Self::default(),
        };
        let process = running.note.as_ref().and_then(|note| occupant::process(roots, note.pid));
        // A pid is used again: only a process of our program is the one that wrote the note.
        let own = occupant::process(roots, std::process::id());
        let is_ours = |process: &Occupant| {
            process.program == PROGRAM || own.as_ref().is_some_and(|own| own.program == process.program)
        };
        running.process = process.filter(is_ours);
        let noted = running.note.as_ref().and_then(|note| note.http_address.as_ref()?.parse().ok());
        let address: Option<SocketAddr> = if running.process.is_some() { noted } else { None }.or(plan.http);
        if let Some(address) = address.filter(|address| address.port() != 0) {
            running.ask(address, plan).await;
        }
        running
    }

    async fn ask(&mut self, address: SocketAddr, plan: &Plan) {
        let loopback = address.ip().to_canonical().is_loopback();
        let info = if loopback { get::<Info>(address, "/api/info").await.ok() } else { None };
        // Whoever else listens there is no business of this check.
        let ours = |info: &Info| plan.name.as_ref().is_none_or(|name| name.as_str() == info.name);
        self.info = info.filter(|info| self.process.is_some() || ours(info));
        if self.process.is_none() && self.info.is_none() {
            return;
        }
        self.health = match loopback {
            true => match get::<serde_json::Value>(address, "/health").await {
                Ok(health) if health["status"] == "ok" => Health::Well,
                Ok(health) => Health::Ill(format!("/health says {}", health["status"])),
                Err(error) => Health::Ill(format!("http://{address}/health: {error}")),
            },
            // What it says there, it says over TLS: it is enough that it takes the connection.
            false => match timeout(ANSWER_MAX, TcpStream::connect(dialled(address))).await {
                Ok(Ok(_)) => Health::NotAsked,
                Ok(Err(error)) => Health::Ill(format!("{address}: {error}")),
                Err(_) => Health::Ill(format!("{address}: no answer")),
            },
        };
        self.stats = if loopback { get(address, "/api/stats").await.ok() } else { None };
    }

    /// The service manager knows the process of a node whose note is hidden from us.
    pub(super) fn learn(&mut self, roots: &Roots, main_pid: Option<u32>) {
        if self.process.is_none() {
            self.process = main_pid.and_then(|pid| occupant::process(roots, pid));
        }
    }

    /// Whether it lives.
    pub const fn is_alive(&self) -> bool {
        self.process.is_some() || self.info.is_some()
    }

    /// Its process id, as far as it is known.
    pub fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(|process| process.pid)
    }

    /// Other members that it sees alive.
    pub fn members_alive(&self) -> Option<u32> {
        self.stats.map(|stats| stats.members_alive.saturating_sub(1))
    }

    /// Whether it is the one who holds a port.
    pub fn holds(&self, port: &Port, holder: Option<&Occupant>) -> bool {
        if let Some(holder) = holder {
            return self.pid() == Some(holder.pid);
        }
        let noted = self.note.as_ref().filter(|_| self.process.is_some()).and_then(|note| {
            let address = match port.protocol {
                Protocol::Udp => Some(&note.quic_address),
                Protocol::Tcp => note.http_address.as_ref(),
            };
            address?.parse().ok()
        });
        let said = self.info.as_ref().and_then(|info| match port.protocol {
            Protocol::Udp => info.addresses.first().copied(),
            Protocol::Tcp => info.http_address,
        });
        noted.or(said).is_some_and(|address: SocketAddr| address.port() == port.address.port())
    }
}

fn read_note(data: &Path) -> io::Result<Option<Note>> {
    match fs::read(data.join("run.json")) {
        Ok(text) => Ok(serde_json::from_slice(&text).ok()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Where to dial what listens on every address.
fn dialled(address: SocketAddr) -> SocketAddr {
    match address.ip().is_unspecified() {
        true => SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), address.port()),
        false => address,
    }
}

/// One request over a connection of its own.
async fn get<T: DeserializeOwned>(address: SocketAddr, path: &str) -> io::Result<T> {
    let asked = async {
        let mut stream = TcpStream::connect(address).await?;
        let request = format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        stream.take(ANSWER_BYTES_MAX).read_to_end(&mut answer).await?;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer.split_once("\r\n\r\n").ok_or(io::ErrorKind::InvalidData)?;
        match head.split(' ').nth(1) {
            Some("200") => serde_json::from_str(body).map_err(io::Error::from),
            status => Err(io::Error::other(format!("status {}", status.unwrap_or("none")))),
        }
    };
    timeout(ANSWER_MAX, asked).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// What is to be said of it.
pub fn judge(running: &Running, plan: &Plan) -> Finding {
    let start = if plan.service { "systemctl start p2p-node" } else { "p2p-node run" };
    if !running.is_alive() {
        return match &running.note {
            Some(note) => Finding::warn(
                CHECK,
                format!("none: the one with pid {} was killed or lost its power", note.pid),
                start,
            ),
            None if running.hidden => {
                let found = format!("not to be told as user {}", plan.uid);
                Finding::warn(CHECK, found, "sudo p2p-node doctor")
            }
            None => Finding::warn(CHECK, "none", start),
        };
    }
    let name = match (&running.note, &running.info) {
        (Some(note), _) => note.name.as_str(),
        (None, Some(info)) => info.name.as_str(),
        (None, None) => PROGRAM,
    };
    let pid = running.pid().map_or_else(String::new, |pid| format!(" (pid {pid})"));
    let members = running.stats.map_or_else(String::new, |Stats { members_alive, members, .. }| {
        format!("; it sees {members_alive} of {members} members alive")
    });
    match &running.health {
        Health::Ill(how) => Finding::fail(
            CHECK,
            Exit::Unavailable,
            format!("{name}{pid} runs and does not answer: {how}"),
            if plan.service {
                "systemctl restart p2p-node; journalctl -u p2p-node -n 50"
            } else {
                "restart it"
            },
        ),
        _ if running.stats.is_some_and(|stats| stats.revoked) => Finding::fail(
            CHECK,
            Exit::Unavailable,
            format!("{name}{pid}: its key is revoked, and every member refuses it"),
            "where the CA is, if it should come back: ca.sh issue node, ca.sh bundle; p2p-node import here",
        ),
        _ if running.stats.is_some_and(|stats| stats.is_mute()) => Finding::warn(
            CHECK,
            format!(
                "{name}{pid}: it refuses everything but reading: no member has told it for an hour which keys \
                 are revoked, and revocation_strict is set"
            ),
            "connect it with another member, or set revocation_strict = false in node.toml",
        ),
        Health::Well | Health::NotAsked => Finding::ok(CHECK, format!("{name}{pid}{members}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    fn running() -> Running {
        let note = Note {
            pid: 7,
            name: "web-1".into(),
            quic_address: "[::]:5678".into(),
            http_address: Some("127.0.0.1:8000".into()),
        };
        Running {
            note: Some(note),
            process: Some(Occupant { pid: 7, program: PROGRAM.into() }),
            health: Health::Well,
            stats: Some(Stats { members_alive: 4, members: 5, ..Stats::default() }),
            ..Running::default()
        }
    }

    #[test]
    fn a_node_runs_was_killed_is_stuck_or_is_hidden() {
        let plan = Plan { service: true, uid: 1_000, ..Plan::default() };
        for (running, verdict, words) in [
            (running(), Verdict::Ok, "4 of 5 members"),
            (Running { health: Health::NotAsked, ..running() }, Verdict::Ok, "web-1 (pid 7)"),
            (
                Running { health: Health::Ill("no answer".into()), ..running() },
                Verdict::Fail(Exit::Unavailable),
                "does not answer",
            ),
            (
                Running {
                    stats: Some(Stats { members_alive: 1, members: 5, revoked: true, ..Stats::default() }),
                    ..running()
                },
                Verdict::Fail(Exit::Unavailable),
                "its key is revoked",
            ),
            (
                Running {
                    stats: Some(Stats {
                        revocation_silent_ms: 4_000_000,
                        revocation_strict: true,
                        ..Stats::default()
                    }),
                    ..running()
                },
                Verdict::Warn,
                "revocation_strict is set",
            ),
            (Running { process: None, ..running() }, Verdict::Warn, "was killed"),
            (Running { hidden: true, ..Running::default() }, Verdict::Warn, "as user 1000"),
            (Running::default(), Verdict::Warn, "none"),
        ] {
            let finding = judge(&running, &plan);
            assert_eq!(finding.verdict, verdict, "{finding:?}");
            assert!(finding.found.contains(words), "{finding:?}");
        }
    }

    #[tokio::test]
    async fn a_note_of_a_dead_process_is_no_running_node() {
        let data = tempfile::tempdir().unwrap();
        let mut other = std::process::Command::new("sleep").arg("600").spawn().unwrap();
        let pid = other.id();
        let text = format!(r#"{{"pid":{pid},"name":"web-1","quic_address":"[::]:1","http_address":null}}"#);
        fs::write(data.path().join("run.json"), text).unwrap();
        let plan = Plan { data: Some(data.path().to_owned()), ..Plan::default() };
        let found = Running::look(&Roots::default(), &plan).await;
        other.kill().and_then(|()| other.wait()).unwrap();
        assert!(found.note.is_some() && !found.is_alive(), "{found:?}");
        assert_eq!(read_note(&data.path().join("nothing")).unwrap(), None);
    }
}
