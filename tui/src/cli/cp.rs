//! `cp SRC... DST`: files and trees between this machine and nodes, and from node to node.
//!
//! A side is a path of this machine, or `NODE:/path`; the target may be `@SELECTOR:/path` too. Between nodes the
//! bytes go straight from one to the other. What was cut is taken up by the same command.

mod side;

use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use futures::stream;
use p2p_shared::error::{Code, Exit, RpcError};
use p2p_shared::services::file::FilePath;
use p2p_shared::services::node::Member;
use p2p_shared::services::transfer::{TransferProgress, TransferSummary};
use tokio::sync::watch;

use self::side::{Side, pace};
use super::failure::{CliError, words};
use super::output::Streams;
use super::session::{Session, now};
use crate::effects::transfer::{self, End, Move, Operator, There};
use crate::{format, paths};

/// Transfers at a time.
const AT_ONCE: usize = 4;
/// Between two looks at how far they are.
const LOOK: Duration = Duration::from_millis(250);

/// What `cp` takes.
#[derive(Clone, Debug, Args)]
pub struct CpArgs {
    /// What to copy, and where to: paths here, or NODE:/path; the last may be @SELECTOR:/path
    #[arg(value_name = "PATH", num_args = 2.., required = true)]
    pub paths: Vec<OsString>,
    /// Copy directories with all that is in them
    #[arg(short, long)]
    pub recursive: bool,
    /// Most bytes a second, such as 500K, 10M or 1G
    #[arg(long, value_name = "RATE", value_parser = pace)]
    pub limit: Option<u64>,
    /// Do not say what was copied
    #[arg(short, long)]
    pub quiet: bool,
}

/// One copy to be made.
struct Task {
    /// For people.
    name: String,
    what: Result<Move, RpcError>,
    told: watch::Sender<TransferProgress>,
}

impl CpArgs {
    /// Whether it changes something on a node: also an error if it cannot be done at all.
    pub fn acts(&self) -> Result<bool, CliError> {
        Ok(!matches!(self.sides()?.1, Side::Here(_)))
    }

    fn sides(&self) -> Result<(Vec<Side>, Side), CliError> {
        let sides: Result<Vec<Side>, String> = self.paths.iter().map(|word| Side::read(word)).collect();
        let mut sides = sides.map_err(CliError::usage)?;
        let target = sides.pop().ok_or_else(|| CliError::usage("name what to copy, and where to"))?;
        if sides.iter().any(|side| matches!(side, Side::Many(..))) {
            return Err(CliError::usage("@SELECTOR is for the target alone: name one node to copy from"));
        }
        if matches!(target, Side::Here(_)) && sides.iter().all(|side| matches!(side, Side::Here(_))) {
            return Err(CliError::usage("all paths are on this machine: a node's is written NODE:/path"));
        }
        Ok((sides, target))
    }
}

/// Copies, and says how it went.
pub async fn run(session: &Session, args: &CpArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let (sources, target) = args.sides()?;
    let mut froms = Vec::new();
    for source in &sources {
        froms.push((source.to_string(), end(session, source, streams).await?.remove(0)));
    }
    let mut tasks = Vec::new();
    for (name, to) in end(session, &target, streams).await? {
        let into = match &to {
            Ok(to) => into(to, &target, froms.len()).await,
            Err(error) => Err(error.clone()),
        };
        for (source, (_, from)) in &froms {
            let what = || -> Result<Move, RpcError> {
                let (from, to) = (from.clone()?, to.clone()?);
                let to = if into.clone()? { below(to, &from)? } else { to };
                Ok(Move { from, to, tree: args.recursive, bytes_per_second_max: args.limit })
            };
            let (name, told) = (format!("{source} to {name}"), watch::Sender::default());
            tasks.push(Task { name, what: what(), told });
        }
    }
    copy(session, tasks, args, streams).await
}

/// The ends that a side means: several of a selector alone.
async fn end(
    session: &Session,
    side: &Side,
    streams: &mut Streams<'_>,
) -> Result<Vec<(String, Result<End, RpcError>)>, CliError> {
    let (on, path) = match side {
        Side::Here(path) => return Ok(vec![(side.to_string(), Ok(End::Here(path.clone())))]),
        Side::There(_, on, path) | Side::Many(_, on, path) => (on, path),
    };
    let members = session.writable(on, streams)?;
    if let (Side::There(..), [_, _, ..]) = (side, members.as_slice()) {
        return Err(CliError::usage(format!("{side} means several nodes: write @SELECTOR:/path for that")));
    }
    let mut ends = Vec::new();
    for member in &members {
        let name = format!("{}:{path}", member.name);
        ends.push((name, reach(session, member, path).await));
    }
    Ok(ends)
}

async fn reach(session: &Session, member: &Member, path: &FilePath) -> Result<End, RpcError> {
    let node = session.reach(member).await?;
    Ok(End::There(There { id: member.id, node, path: path.clone() }))
}

/// Whether what is copied goes below the target, under its own name.
async fn into(to: &End, target: &Side, count: usize) -> Result<bool, RpcError> {
    let is_directory = transfer::is_directory(to).await?;
    match is_directory {
        Some(true) => Ok(true),
        _ if count > 1 || target.ends_in_slash() => {
            Err(RpcError::bad_request(format!("{target} is not a directory: make it first, with file.mkdir")))
        }
        Some(false) | None => Ok(false),
    }
}

/// The name that `from` has, below `to`.
fn below(to: End, from: &End) -> Result<End, RpcError> {
    let name = match from {
        End::Here(path) => {
            let real = std::fs::canonicalize(path).ok();
            let name = path.file_name().or_else(|| real.as_deref().and_then(Path::file_name));
            let name = name.ok_or_else(transfer::nameless)?;
            FilePath::new(name.as_bytes()).map_err(|error| RpcError::bad_request(error.to_string()))?
        }
        End::There(there) => there.path.clone(),
    };
    Ok(match to {
        End::Here(path) => {
            let name = paths::last(&name).ok_or_else(transfer::nameless)?;
            End::Here(path.join(std::ffi::OsStr::from_bytes(name)))
        }
        End::There(there) => End::There(There { path: transfer::below(&there.path, &name)?, ..there }),
    })
}

async fn copy(
    session: &Session,
    tasks: Vec<Task>,
    args: &CpArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let count = tasks.len();
    let mut watching: Vec<_> = tasks.iter().map(|task| task.told.subscribe()).collect();
    let operator = Operator { credentials: session.credentials(), now: now() };
    let mut running = stream::iter(tasks)
        .map(|task| async move {
            let ended = match task.what {
                Ok(what) => transfer::run(what, operator, &task.told).await,
                Err(error) => Err(error),
            };
            (task.name, ended)
        })
        .buffer_unordered(AT_ONCE);
    let (mut looks, mut line) = (tokio::time::interval(LOOK), Line::default());
    let mut exits = Vec::new();
    loop {
        tokio::select! {
            biased;
            ended = running.next() => {
                let Some((name, ended)) = ended else { break };
                line.clear(streams);
                exits.push(report(&name, &ended, args, streams));
            }
            _ = looks.tick(), if streams.width.is_some() && !args.quiet => {
                line.draw(&mut watching, streams);
            }
            _ = tokio::signal::ctrl_c() => {
                line.clear(streams);
                streams.say("stopped; the same command takes it up where it was");
                return Ok(Exit::Failed);
            }
        }
    }
    Ok(match exits.as_slice() {
        [exit] if count == 1 => *exit,
        exits if exits.iter().all(|exit| *exit == Exit::Ok) => Exit::Ok,
        _ => Exit::Failed,
    })
}

fn report(
    name: &str,
    ended: &Result<TransferSummary, RpcError>,
    args: &CpArgs,
    streams: &mut Streams<'_>,
) -> Exit {
    let summary = match ended {
        Ok(summary) => summary,
        Err(error) => {
            streams.say(&format!("{name}: {}", words(error)));
            if error.code == Code::Unavailable {
                streams.tell("What is there stays; the same command takes it up.");
            }
            return error.code.exit();
        }
    };
    for failed in &summary.failed {
        let path = if failed.path.as_bytes().is_empty() { ".".into() } else { failed.path.to_string() };
        streams.say(&format!("{path}: {}", failed.why));
    }
    let told = summary.failed.len() as u64;
    if summary.progress.failed > told {
        streams.say(&format!("and {} more", summary.progress.failed - told));
    }
    if !args.quiet {
        streams.tell(&format!("{name}: {}", done(summary)));
    }
    let is_whole = summary.progress.failed == told && summary.failed.iter().all(|failed| failed.is_left_out);
    if is_whole { Exit::Ok } else { Exit::Failed }
}

/// What was done, in a few words.
fn done(summary: &TransferSummary) -> String {
    let progress = &summary.progress;
    let number = format::count(usize::try_from(progress.entries).unwrap_or(usize::MAX));
    let entries = format!("{number} {}", if progress.entries == 1 { "entry" } else { "entries" });
    let mut text = format!("{entries}, {}", format::bytes(progress.done_bytes));
    if progress.received_bytes < progress.done_bytes {
        text = format!("{text}, of which {} had to be sent", format::bytes(progress.received_bytes));
    }
    let rate = progress.received_bytes.saturating_mul(1_000).checked_div(summary.elapsed_ms);
    if let Some(rate) = rate {
        text = format!("{text}, in {} ({})", format::span_ms(summary.elapsed_ms), format::rate(rate));
    }
    text
}

/// The one line that says how far it is.
#[derive(Debug, Default)]
struct Line {
    is_drawn: bool,
    /// What had come at the last looks, for the rate.
    looks: std::collections::VecDeque<u64>,
}

impl Line {
    /// Looks that the rate is the mean of.
    const LOOKS: usize = 12;

    fn draw(&mut self, watching: &mut [watch::Receiver<TransferProgress>], streams: &mut Streams<'_>) {
        let all: Vec<_> = watching.iter_mut().map(|one| one.borrow_and_update().clone()).collect();
        let sum = |of: fn(&TransferProgress) -> u64| all.iter().map(of).sum::<u64>();
        let received = sum(|progress| progress.received_bytes);
        self.looks.push_back(received);
        if self.looks.len() > Self::LOOKS {
            self.looks.pop_front();
        }
        let first = self.looks.front().copied().unwrap_or(received);
        let span_ms = (self.looks.len().max(2) as u64 - 1) * 250;
        let rate = format::rate(received.saturating_sub(first).saturating_mul(1_000) / span_ms);
        let mut text = format!("{} {rate}", format::bytes(sum(|progress| progress.done_bytes)));
        match all.as_slice() {
            [one] => text = format!("{text} {}", at(one)),
            many => text = format!("{text} {} copies", many.len()),
        }
        let (width, text) = (streams.width.unwrap_or(80), format::clean(&text));
        let _ = write!(streams.err, "\r{}\x1b[K", format::fit(&text, width.saturating_sub(1), "~"));
        let _ = streams.err.flush();
        self.is_drawn = true;
    }

    fn clear(&mut self, streams: &mut Streams<'_>) {
        if std::mem::take(&mut self.is_drawn) {
            let _ = write!(streams.err, "\r\x1b[K");
        }
    }
}

/// The file that a copy is at, and how much of it is there.
fn at(progress: &TransferProgress) -> String {
    let percent = progress.file_done_bytes.saturating_mul(100).checked_div(progress.file_bytes);
    match percent {
        Some(percent) if progress.file_done_bytes < progress.file_bytes => {
            format!("{percent} % of {} {}", format::bytes(progress.file_bytes), progress.path)
        }
        _ => format!("{} {}", progress.entries, progress.path),
    }
}
