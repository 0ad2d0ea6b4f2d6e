//! Trying whether a program is healthy: a connection, a request, a command.
//!
//! A [`Check`] enters; nothing, or what is wrong in words, leaves, within the time that it was given.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use p2p_shared::services::process::Signal;
use p2p_shared::services::program::{Check, ProgramDefinition};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::host::Roots;
use crate::host::run::group::GroupRunner;
use crate::host::run::{Kind, Leash, RunError, RunId, Runner, Streams};

/// What is read of an answer: its first line is what counts.
const ANSWER_BYTES_MAX: usize = 256;

/// Tries once.
///
/// # Errors
/// What is wrong, in words.
pub async fn run(
    roots: &Roots,
    definition: &ProgramDefinition,
    check: &Check,
    within: Duration,
) -> Result<(), String> {
    match check {
        Check::Tcp(address) => {
            let connected = timeout(within, TcpStream::connect(address)).await;
            let connected = connected.map_err(|_| late(address, within))?;
            connected.map(drop).map_err(|error| format!("{address}: {error}"))
        }
        Check::Http(url) => timeout(within, http(url)).await.map_err(|_| late(url, within))?,
        Check::Command(words) => {
            let Some((first, rest)) = words.split_first() else { return Ok(()) };
            exits(roots, definition, (first, rest), within).await
        }
    }
}

fn late(what: &str, within: Duration) -> String {
    format!("{what}: no answer within {} ms", within.as_millis())
}

async fn http(url: &str) -> Result<(), String> {
    let rest = url.strip_prefix("http://").ok_or_else(|| format!("{url} is not http://"))?;
    let (authority, path) = rest.find('/').map_or((rest, "/"), |slash| rest.split_at(slash));
    let has_port = authority.rsplit_once(':').is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let address = if has_port { authority.to_owned() } else { format!("{authority}:80") };
    let failed = |error: std::io::Error| format!("{url}: {error}");
    let mut stream = TcpStream::connect(&address).await.map_err(failed)?;
    let request = format!(
        "GET {path} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: p2p-admin\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(failed)?;
    let mut answer = Vec::new();
    while answer.len() < ANSWER_BYTES_MAX && !answer.contains(&b'\n') {
        if stream.read_buf(&mut answer).await.map_err(failed)? == 0 {
            break;
        }
    }
    let line = answer.split(|&byte| byte == b'\r' || byte == b'\n').next().unwrap_or_default();
    let status = str::from_utf8(line).ok().filter(|line| line.starts_with("HTTP/1."));
    let status = status.and_then(|line| line.split(' ').nth(1)?.parse::<u16>().ok());
    match status {
        Some(200..400) => Ok(()),
        Some(status) => Err(format!("{url}: status {status}")),
        None => Err(format!("{url}: the answer is no HTTP")),
    }
}

/// Runs it as the program is run, as processes of this node's: it is short, and nothing of it is kept.
async fn exits(
    roots: &Roots,
    definition: &ProgramDefinition,
    (name, arguments): (&str, &[String]),
    within: Duration,
) -> Result<(), String> {
    let said = |error: RunError| error.to_string();
    let id = RunId { kind: Kind::Program, id: "probe".into() };
    let (looking, known, words) = (roots.clone(), definition.clone(), (name.to_owned(), arguments.to_vec()));
    let work = spawn_blocking(move || super::work(&looking, &known, id, (&words.0, &words.1))).await;
    let mut work = work.map_err(|error| error.to_string())?.map_err(said)?;
    work.streams = Streams::Null;
    let runner = GroupRunner::new(roots.clone(), PathBuf::new());
    // However this ends, nothing of it stays.
    let held = Held(runner.start(work).await.map_err(said)?.leash);
    let end = timeout(within, held.0.ended()).await.map_err(|_| late(name, within))?;
    match (end.code, end.signal) {
        (Some(0), _) => Ok(()),
        (Some(code), _) => Err(format!("{name}: exit status: {code}")),
        (None, Some(signal)) => Err(format!("{name}: signal: {signal}")),
        (None, None) => Err(format!("{name}: its end is not known")),
    }
}

/// Kills and releases what it holds when it goes out of scope.
struct Held(Arc<dyn Leash>);

impl Drop for Held {
    fn drop(&mut self) {
        // A group takes both at once.
        let _ = self.0.signal(Signal::Kill).now_or_never();
        let _ = self.0.release().now_or_never();
    }
}
