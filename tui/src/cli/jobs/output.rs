//! `jobs output JOB --on NODE`: what a job wrote, its standard output to ours and its standard error to ours.

use clap::Args;
use p2p_shared::error::Exit;
use p2p_shared::services::Services;
use p2p_shared::services::program::{LogChunk, OutputStream};

use super::{Target, one};
use crate::cli::failure::CliError;
use crate::cli::output::{Format, Streams};
use crate::cli::programs::logs::Printer;
use crate::cli::session::Session;

/// What `jobs output` takes.
#[derive(Clone, Debug, Args)]
pub struct OutputArgs {
    /// Which one.
    #[command(flatten)]
    target: Target,
    /// How many lines of each output
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    lines: u32,
    /// Go on with what follows, until the job has ended
    #[arg(short, long)]
    follow: bool,
    /// How to write it: as it is, or one object a piece
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// Prints it.
pub async fn run(session: &Session, args: &OutputArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let Target { id, on } = &args.target;
    let (member, node) = one(session, on).await?;
    let printer = Printer { format: args.output, named: false };
    if args.follow {
        let mut followed = node.job().follow(id.clone(), args.lines).await?;
        let stopped = tokio::signal::ctrl_c();
        tokio::pin!(stopped);
        loop {
            let chunk = tokio::select! {
                chunk = followed.next() => chunk?,
                _ = &mut stopped => return Ok(Exit::Ok),
            };
            match chunk {
                Some(chunk) => printer.print(&member.name, &chunk, streams)?,
                None => return Ok(Exit::Ok),
            }
        }
    }
    let written = node.job().output(id.clone(), args.lines).await?;
    for (stream, text) in [(OutputStream::Stdout, written.stdout), (OutputStream::Stderr, written.stderr)] {
        if !text.is_empty() {
            printer.print(&member.name, &LogChunk { stream, text, skipped_bytes: 0 }, streams)?;
        }
    }
    if written.lost_bytes > 0 {
        let lost = written.lost_bytes;
        streams.say(&format!("{}: {lost} bytes of output were lost: its disk took no more", member.name));
    }
    if written.dropped {
        streams.say(&format!("{}: the output of {id} was thrown away, to make room", member.name));
    }
    Ok(Exit::Ok)
}
