//! Trying whether a program is healthy: a connection, a request, a command.
//!
//! A [`Check`] enters; nothing, or what is wrong in words, leaves, within the time that it was given.

use std::time::Duration;

use p2p_shared::services::program::{Check, ProgramDefinition};
use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::command;
use crate::host::Roots;

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
            let (Some((first, rest)), roots) = (words.split_first(), roots.clone()) else { return Ok(()) };
            let (definition, first, rest) = (definition.clone(), first.clone(), rest.to_vec());
            let built = spawn_blocking(move || command::build(&roots, &definition, (&first, &rest))).await;
            let (command, _) =
                built.map_err(|error| error.to_string())?.map_err(|error| error.to_string())?;
            exits(command, &words[0], within).await
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

/// Ends its group when it goes out of scope, however that comes about.
struct Group(Option<Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(group) = self.0 {
            // It may have ended by itself.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

async fn exits(mut command: std::process::Command, name: &str, within: Duration) -> Result<(), String> {
    command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
    let mut command = tokio::process::Command::from(command);
    let mut child = command.kill_on_drop(true).spawn().map_err(|error| format!("{name}: {error}"))?;
    let mut group = Group(child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw));
    let ended = timeout(within, child.wait()).await;
    if ended.is_ok() {
        // It was reaped: its number may be somebody else's.
        group.0 = None;
    }
    match ended.map_err(|_| late(name, within))?.map_err(|error| format!("{name}: {error}"))? {
        status if status.success() => Ok(()),
        status => Err(format!("{name}: {status}")),
    }
}
