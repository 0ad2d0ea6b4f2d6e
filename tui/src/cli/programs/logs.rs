//! `programs logs X --on S`: what a program wrote, its standard output to ours and its standard error to ours.
//! From several nodes each line begins with its node.

use clap::Args;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::node::Member;
use p2p_shared::services::program::{LogChunk, OutputStream, ProgramLog};
use serde::Serialize;
use tokio::sync::mpsc;

use super::Target;
use crate::cli::failure::CliError;
use crate::cli::output::{Format, Streams};
use crate::cli::session::{Account, Session};
use crate::format;

/// Pieces that wait to be printed. While it is full, the nodes wait.
const PIECES_MAX: usize = 64;

/// What `programs logs` takes.
#[derive(Clone, Debug, Args)]
pub struct LogsArgs {
    /// Which one.
    #[command(flatten)]
    target: Target,
    /// How many lines of each output
    #[arg(short = 'n', long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    lines: u32,
    /// Go on with what follows, until ^C
    #[arg(short, long)]
    follow: bool,
}

/// A piece of output for scripts. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct PieceRow<'a> {
    node: &'a NodeName,
    stream: OutputStream,
    text: &'a str,
    skipped_bytes: u64,
}

/// Prints them.
pub async fn run(session: &Session, args: &LogsArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let targets = session.readable(&args.target.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let printer = Printer { format: args.target.output, named: targets.members.len() > 1 };
    if args.follow {
        let stopped = tokio::signal::ctrl_c();
        tokio::select! {
            followed = follow(session, args, &targets.members, (&printer, &mut account, streams)) => followed?,
            _ = stopped => return Ok(Exit::Ok),
        }
        return Ok(account.exit_of(&targets.members));
    }
    let (name, lines) = (args.target.name.to_string(), args.lines);
    let ask = |node: NodeHandle| {
        let name = name.clone();
        async move { node.program().logs(name, lines).await }
    };
    let mut logs: Vec<(NodeName, ProgramLog)> = Vec::new();
    let answered = |member: &Member, answer: Result<ProgramLog, RpcError>| {
        match answer {
            Ok(log) => logs.push((member.name.clone(), log)),
            Err(error) => account.failed(member, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    logs.sort_by(|a, b| a.0.cmp(&b.0));
    for (node, log) in logs {
        let lost = log.lost_bytes;
        for (stream, text) in [(OutputStream::Stdout, log.stdout), (OutputStream::Stderr, log.stderr)] {
            if !text.is_empty() {
                printer.print(&node, &LogChunk { stream, text, skipped_bytes: 0 }, streams)?;
            }
        }
        if lost > 0 {
            streams.say(&format!("{node}: {lost} bytes of output were lost: its disk took no more"));
        }
    }
    Ok(account.exit_of(&targets.members))
}

async fn follow(
    session: &Session,
    args: &LogsArgs,
    members: &[Member],
    (printer, account, streams): (&Printer, &mut Account, &mut Streams<'_>),
) -> Result<(), CliError> {
    let (pieces_tx, mut pieces) = mpsc::channel::<(NodeName, LogChunk)>(PIECES_MAX);
    let (name, lines) = (args.target.name.to_string(), args.lines);
    let question = move |node: NodeHandle| {
        let (pieces_tx, name) = (pieces_tx.clone(), name.clone());
        async move {
            let mut followed = node.program().follow(name, lines).await?;
            while let Some(chunk) = followed.next().await? {
                if pieces_tx.send((node.name().clone(), chunk)).await.is_err() {
                    break;
                }
            }
            Ok(())
        }
    };
    let mut failed = Vec::new();
    {
        let asked = session.ask(members, question, |target, answer: Result<(), RpcError>| {
            failed.extend(answer.err().map(|error| (target.clone(), error)));
            Ok(())
        });
        let mut asked = std::pin::pin!(asked);
        loop {
            tokio::select! {
                biased;
                Some((node, chunk)) = pieces.recv() => printer.print(&node, &chunk, streams)?,
                ended = &mut asked => {
                    ended?;
                    break;
                }
            }
        }
    }
    while let Ok((node, chunk)) = pieces.try_recv() {
        printer.print(&node, &chunk, streams)?;
    }
    failed.iter().for_each(|(target, error)| account.failed(target, error, streams));
    Ok(())
}

/// How pieces of output are printed.
pub struct Printer {
    /// As they are, or as objects.
    pub format: Format,
    /// Whether each line says whose it is.
    pub named: bool,
}

impl Printer {
    /// Prints a piece.
    pub fn print(
        &self,
        node: &NodeName,
        chunk: &LogChunk,
        streams: &mut Streams<'_>,
    ) -> Result<(), CliError> {
        let LogChunk { stream, text, skipped_bytes } = chunk;
        if self.format != Format::Table {
            return streams.json_line(&PieceRow {
                node,
                stream: *stream,
                text,
                skipped_bytes: *skipped_bytes,
            });
        }
        if *skipped_bytes > 0 {
            streams.say(&format!("{node}: some output was skipped here: it came faster than it was read"));
        }
        let mut shown = String::with_capacity(text.len());
        for line in text.split_inclusive('\n') {
            if self.named {
                shown.push_str(&format!("{node}: "));
            }
            shown.push_str(&format::clean(line.trim_end_matches('\n')));
            if line.ends_with('\n') || self.named {
                shown.push('\n');
            }
        }
        match stream {
            // That standard error takes nothing is nobody's business.
            OutputStream::Stderr => {
                let _ = streams.err.write_all(shown.as_bytes());
                Ok(())
            }
            _ => streams.data(&shown),
        }
    }
}
