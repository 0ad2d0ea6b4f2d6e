//! `exec --on SELECTOR -- CMD ARG...`: a command on one node as ssh would run it, or on many as pssh would.
//!
//! Who names exactly one node gets its output as it is and its exit code. On several, each line of output says
//! whose it is. It asks nobody before it acts, as its models do not: `--dry-run` shows who is meant. What runs
//! is killed on its node when this command ends before it, unless `--detach` made a job of it.

mod alone;
pub(super) mod detach;
mod many;
mod report;

use clap::Args;
use p2p_shared::error::Exit;
use p2p_shared::fanout::Outcome;
use p2p_shared::services::exec::{CommandLine, ExecExit, ExecRequest, OUTPUT_BYTES_DEFAULT, Variable};
use p2p_shared::time::Millis;

use super::failure::CliError;
use super::output::{Format, Streams};
use super::pace::{self, Pace, span};
use super::session::Session;
use crate::selector::Selector;

/// Output of all nodes together that is held at most, where it must be held.
const HELD_BYTES_MAX: u64 = 256 << 20;

/// What `exec` takes.
#[derive(Clone, Debug, Args)]
pub struct ExecArgs {
    /// Which nodes
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// How it goes over many.
    #[command(flatten)]
    pub pace: Pace,
    /// Kill the command on a node after this time [default: never]
    #[arg(long, value_name = "T", value_parser = span)]
    pub timeout: Option<Millis>,
    /// Put nodes together whose output is alike
    #[arg(long)]
    pub group: bool,
    /// With --group: pass over node names, times and process ids
    #[arg(long, requires = "group")]
    pub normalize: bool,
    /// Run as this user [default: that of the node]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Run in this directory [default: the user's home]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// Add a variable to the command's environment, again for each
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    pub env: Vec<Variable>,
    /// Give the one argument to /bin/sh -c on the node
    #[arg(long)]
    pub shell: bool,
    /// How to write what comes: lines, one object, or one object a node as it ends
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
    /// To outlive this command.
    #[command(flatten)]
    pub detach: detach::DetachArgs,
    /// The command and its arguments; no shell sees them
    #[arg(last = true, required = true, value_name = "CMD ARG...")]
    pub command: Vec<String>,
}

fn variable(text: &str) -> Result<Variable, String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok(Variable { name: name.into(), value: value.into() }),
        _ => Err("write NAME=VALUE".into()),
    }
}

impl ExecArgs {
    /// Whether it changes something; an error if it cannot be done at all.
    pub fn acts(&self) -> Result<bool, CliError> {
        self.line()?;
        Ok(!self.pace.dry_run)
    }

    /// As ssh has it: a node that cannot be reached is 255.
    pub fn not_reached(&self, error: CliError) -> CliError {
        match self.on.literal() {
            Some(_) => CliError::new(Exit::Remote(255), error.to_string()),
            None => error,
        }
    }

    fn line(&self) -> Result<CommandLine, CliError> {
        match self.command.as_slice() {
            [line] if self.shell => Ok(CommandLine::Shell { line: line.clone() }),
            _ if self.shell => Err(CliError::usage(
                "--shell takes the whole line as one argument: quote it, as in --shell -- 'df -h | tail -1'",
            )),
            [program, arguments @ ..] if !program.is_empty() => {
                Ok(CommandLine::Program { program: program.clone(), arguments: arguments.to_vec() })
            }
            _ => Err(CliError::usage("the command is empty")),
        }
    }

    /// The request to each of `targets` nodes.
    fn request(&self, targets: usize) -> Result<ExecRequest, CliError> {
        let share = HELD_BYTES_MAX / u64::try_from(targets.max(1)).unwrap_or(u64::MAX);
        Ok(ExecRequest {
            command: self.line()?,
            directory: self.cwd.clone(),
            user: self.user.clone(),
            environment: self.env.clone(),
            timeout_ms: self.timeout.map(|time| time.0),
            output_bytes_max: Some(share.min(OUTPUT_BYTES_DEFAULT)),
        })
    }
}

/// Runs it where it is meant.
pub async fn run(session: &Session, args: &ExecArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let members = session.writable(&args.on, streams).map_err(|error| args.not_reached(error))?;
    if args.pace.dry_run {
        pace::dry_run(&members, &args.pace.plan(None), args.output, streams)?;
        return Ok(Exit::Ok);
    }
    let request = args.request(members.len())?;
    if args.detach.detach {
        return detach::run(session, &members, (args, request), streams).await;
    }
    match members.as_slice() {
        [member] if args.on.literal().is_some() && args.output == Format::Table && !args.group => {
            alone::run(session, member, request, streams).await
        }
        _ => many::run(session, &members, (args, &request), streams).await,
    }
}

/// How a command that ended counts.
fn outcome(exit: &ExecExit) -> Outcome {
    match exit {
        ExecExit { timed_out: true, .. } => Outcome::TimedOut,
        ExecExit { code: Some(0), .. } => Outcome::Ok,
        _ => Outcome::Failed,
    }
}

/// The exit code of this program for what came of one node, as shells and ssh have it.
fn exit_code(outcome: Outcome, exit: Option<&ExecExit>) -> Exit {
    let remote = |code: i32| Exit::Remote(u8::try_from(code).unwrap_or(255));
    match (outcome, exit) {
        (Outcome::Ok, _) => Exit::Ok,
        (Outcome::TimedOut, _) => Exit::TimedOut,
        (Outcome::Failed, Some(ExecExit { code: Some(code), .. })) => remote(*code),
        (Outcome::Failed, Some(ExecExit { signal: Some(signal), .. })) => remote(128 + signal),
        (Outcome::Unreachable, _) => remote(255),
        (Outcome::Denied, _) => Exit::Permission,
        (Outcome::Cancelled, _) => remote(130),
        (Outcome::Failed | Outcome::Unsupported | Outcome::Skipped, _) => Exit::Failed,
    }
}

/// What is to be said of how a command ended; `None` if its exit code says it all.
fn remark(exit: &ExecExit) -> Option<String> {
    match exit {
        ExecExit { problem: Some(problem), .. } => Some(problem.clone()),
        ExecExit { timed_out: true, duration_ms, .. } => {
            Some(format!("killed: its time ran out after {:.1} s", *duration_ms as f64 / 1_000.0))
        }
        ExecExit { signal: Some(signal), .. } => Some(format!("ended by signal {signal}")),
        ExecExit { cut_bytes: 1.., .. } => Some(format!("{} bytes of output were cut", exit.cut_bytes)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_are_those_of_shells_and_ssh() {
        let exit = |code, signal| ExecExit { code, signal, ..ExecExit::default() };
        for (ended, expected) in [
            ((Outcome::Ok, Some(exit(Some(0), None))), 0),
            ((Outcome::Failed, Some(exit(Some(7), None))), 7),
            ((Outcome::Failed, Some(exit(Some(127), None))), 127),
            ((Outcome::Failed, Some(exit(None, Some(9)))), 137),
            ((Outcome::Failed, None), 1),
            ((Outcome::TimedOut, Some(exit(None, Some(15)))), 124),
            ((Outcome::Unreachable, None), 255),
            ((Outcome::Denied, None), 77),
            ((Outcome::Cancelled, None), 130),
        ] {
            assert_eq!(exit_code(ended.0, ended.1.as_ref()).code(), expected, "{ended:?}");
        }
    }
}
