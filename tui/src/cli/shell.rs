//! `shell NODE`: a terminal on one node, that lives on when this one goes away.
//!
//! Opens a shell or attaches to one that is there, passes bytes both ways with the terminal in raw mode, and exits
//! by the shell's own code. Without a terminal there is nothing to do here: scripts have `exec`.

mod escape;
mod held;
mod replay;
mod rows;
mod talk;

use std::io::{self, IsTerminal};

use clap::Args;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::exec::Variable;
use p2p_shared::services::node::Member;
use p2p_shared::services::shell::{ShellCommand, ShellExit, ShellInfo, ShellRequest, ShellState};

use super::failure::{CliError, words};
use super::output::{Format, Streams};
use super::pace::reach;
use super::session::Session;
use crate::selector::Selector;
use held::Held;
use rows::{RecordingRow, ShellRow};
use talk::{Keyboard, Left};

/// What a terminal understands that does not say.
const TERM: &str = "xterm-256color";
/// Exit code of a node that was not reached or was lost, as ssh has it.
const LOST: Exit = Exit::Remote(255);

/// What `shell` takes.
#[derive(Clone, Debug, Args)]
pub struct ShellArgs {
    /// On which node
    #[arg(value_name = "NODE")]
    pub on: Selector,
    /// Run as this user [default: that of the node]
    #[arg(long, value_name = "USER")]
    pub user: Option<String>,
    /// Begin in this directory [default: the user's home]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<String>,
    /// Attach to the shell of this id, or of the only one that begins so
    #[arg(long, value_name = "ID", group = "what", conflicts_with_all = ["user", "cwd"])]
    pub attach: Option<String>,
    /// List the shells of the node
    #[arg(long, group = "what", conflicts_with_all = ["user", "cwd"])]
    pub list: bool,
    /// End the shell of this id and all that runs in it
    #[arg(long, value_name = "ID", group = "what", conflicts_with_all = ["user", "cwd"])]
    pub end: Option<String>,
    /// List the recordings of the node
    #[arg(long, group = "what", conflicts_with_all = ["user", "cwd"])]
    pub recordings: bool,
    /// Show the recording of this id: in time on a terminal, as asciicast into a pipe or a file
    #[arg(long, value_name = "ID", group = "what", conflicts_with_all = ["user", "cwd"])]
    pub replay: Option<String>,
    /// How to write a list
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
    /// A program to run in place of the login shell, and its arguments; no shell sees them
    #[arg(last = true, value_name = "CMD ARG...", group = "what")]
    pub command: Vec<String>,
}

impl ShellArgs {
    /// Whether it changes something; an error if it cannot be done at all.
    pub fn acts(&self) -> Result<bool, CliError> {
        if self.on.literal().is_none() {
            return Err(CliError::usage("shell takes the name of one node; for many there is exec --on"));
        }
        if self.list || self.recordings || self.replay.is_some() {
            return Ok(false);
        }
        let ends = [("input", io::stdin().is_terminal()), ("output", io::stdout().is_terminal())];
        if self.end.is_none()
            && let Some((end, _)) = ends.into_iter().find(|(_, is_terminal)| !is_terminal)
        {
            return Err(CliError::usage(format!(
                "standard {end} is not a terminal, which shell needs: in scripts, p2p-tui exec --on NODE -- CMD"
            )));
        }
        Ok(true)
    }

    /// As ssh has it: a node that cannot be reached is 255.
    pub fn not_reached(&self, error: CliError) -> CliError {
        CliError::new(LOST, error.to_string())
    }

    fn request(&self) -> Result<ShellRequest, CliError> {
        let command = match self.command.as_slice() {
            [] => None,
            [program, ..] if program.is_empty() => return Err(CliError::usage("the command is empty")),
            [program, arguments @ ..] => {
                Some(ShellCommand { program: program.clone(), arguments: arguments.to_vec() })
            }
        };
        let own = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        // What tells programs that all colours are there; of the rest of our environment nothing is sent.
        let colours = own("COLORTERM").map(|value| Variable { name: "COLORTERM".into(), value });
        Ok(ShellRequest {
            command,
            user: self.user.clone(),
            directory: self.cwd.clone(),
            environment: colours.into_iter().collect(),
            term: own("TERM").unwrap_or_else(|| TERM.into()),
            size: held::size(),
        })
    }
}

/// Does what is asked for.
pub async fn run(session: &Session, args: &ShellArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let members = session.writable(&args.on, streams).map_err(|error| args.not_reached(error))?;
    let [member] = members.as_slice() else {
        return Err(CliError::usage("shell takes the name of one node"));
    };
    let node = match reach(session, member).await {
        Ok(node) => node,
        Err(error) => return Err(CliError::new(LOST, format!("{}: {}", member.name, words(&error)))),
    };
    let ended = if args.list {
        list(&node, args.output, streams).await
    } else if args.recordings {
        recordings(&node, args.output, streams).await
    } else if let Some(id) = &args.replay {
        replay::run(&node, id, streams).await
    } else if let Some(id) = &args.end {
        end(&node, id, streams).await
    } else {
        talk(member, &node, args, streams).await
    };
    ended.map_err(|error| match error {
        Failure::Remote(error) => {
            let exit = if error.code.exit() == Exit::Unavailable { LOST } else { error.code.exit() };
            CliError::new(exit, format!("{}: {}", member.name, words(&error)))
        }
        Failure::Here(error) => error,
    })
}

/// Which side failed.
enum Failure {
    Remote(RpcError),
    Here(CliError),
}

impl From<RpcError> for Failure {
    fn from(error: RpcError) -> Self {
        Self::Remote(error)
    }
}

impl From<CliError> for Failure {
    fn from(error: CliError) -> Self {
        Self::Here(error)
    }
}

async fn list(node: &NodeHandle, format: Format, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let rows: Vec<ShellRow> = node.shell().list().await?.into_iter().map(ShellRow).collect();
    if rows.is_empty() && format == Format::Table {
        streams.tell("no shell is open there");
    }
    streams.rows(&rows, format)?;
    Ok(Exit::Ok)
}

async fn recordings(node: &NodeHandle, format: Format, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let found = node.shell().recordings().await?;
    let rows: Vec<RecordingRow> = found.into_iter().map(RecordingRow).collect();
    if rows.is_empty() && format == Format::Table {
        streams.tell("no recording is there; shell_record in the node's policy.toml makes them");
    }
    streams.rows(&rows, format)?;
    Ok(Exit::Ok)
}

async fn end(node: &NodeHandle, id: &str, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let shells = node.shell().list().await?;
    let shell = named(&shells, id)?;
    node.shell().end(shell.id.clone()).await?;
    streams.tell(&format!("shell {} ended: {} of {}", shell.id, shell.command.join(" "), shell.user));
    Ok(Exit::Ok)
}

/// The one shell whose id begins so.
fn named<'a>(shells: &'a [ShellInfo], id: &str) -> Result<&'a ShellInfo, CliError> {
    if let Some(shell) = shells.iter().find(|shell| shell.id == id) {
        return Ok(shell);
    }
    let mut alike = shells.iter().filter(|shell| !id.is_empty() && shell.id.starts_with(id));
    match (alike.next(), alike.next()) {
        (Some(shell), None) => Ok(shell),
        (None, _) => {
            Err(CliError::new(Exit::Failed, format!("there is no shell {id} on that node; --list shows all")))
        }
        _ => Err(CliError::usage(format!("several shells begin with {id}; --list shows all"))),
    }
}

/// Opens a shell, or finds the one that is meant, and talks with it until one side has had enough.
async fn talk(
    member: &Member,
    node: &NodeHandle,
    args: &ShellArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, Failure> {
    let shells = node.shell().list().await?;
    let id = match &args.attach {
        Some(id) => named(&shells, id)?.id.clone(),
        None => {
            if let Some(line) = others(member, &shells) {
                streams.tell(&line);
            }
            node.shell().open(args.request()?).await?.id
        }
    };
    let again = format!("p2p-tui shell {} --attach {id}", member.name);
    let left = {
        let mut held = Held::take().map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
        let mut keyboard =
            Keyboard::listen().map_err(|error| CliError::new(Exit::Failed, error.to_string()))?;
        loop {
            match talk::run(node, &id, &mut keyboard, &mut held).await {
                // It is shown anew from what the node has kept.
                Left::Lagged => {}
                left @ Left::Exit(_) => break left,
                left => {
                    held.leave_line();
                    break left;
                }
            }
        }
    };
    Ok(match left {
        Left::Exit(exit) => told(&exit, streams),
        Left::Detached => {
            streams.tell(&format!("detached; the shell goes on: {again}"));
            Exit::Ok
        }
        Left::Called(signal) => {
            streams.tell(&format!("detached by a signal; the shell goes on: {again}"));
            Exit::Remote(signal.saturating_add(128))
        }
        Left::Failed(error) if error.code.exit() == Exit::Unavailable || args.attach.is_none() => {
            streams.say(&format!("{}: {}", member.name, words(&error)));
            streams.tell(&format!("the shell may go on there: {again}"));
            LOST
        }
        Left::Failed(error) => return Err(error.into()),
        Left::Lagged => LOST,
    })
}

/// The exit code of a shell that is over, and what its code does not say.
fn told(exit: &ShellExit, streams: &mut Streams<'_>) -> Exit {
    match exit {
        ShellExit { why: Some(why), .. } => {
            streams.say(&format!("the shell was ended: {why}"));
            LOST
        }
        ShellExit { code: Some(code), .. } => Exit::Remote(u8::try_from(*code).unwrap_or(255)),
        ShellExit { signal: Some(signal), .. } => {
            streams.say(&format!("the shell was ended by signal {signal}"));
            Exit::Remote(u8::try_from(128 + signal).unwrap_or(255))
        }
        ShellExit { .. } => {
            streams.say("the shell is over; nobody saw how it ended");
            LOST
        }
    }
}

/// One line about what the caller has left behind on this node.
fn others(member: &Member, shells: &[ShellInfo]) -> Option<String> {
    let is_left =
        |shell: &&ShellInfo| shell.is_own && shell.attached == 0 && shell.state == ShellState::Running;
    let left: Vec<&str> = shells.iter().filter(is_left).map(|shell| shell.id.as_str()).collect();
    let (last, before) = left.split_last()?;
    let name = &member.name;
    Some(if before.is_empty() {
        format!("you have a detached shell here: p2p-tui shell {name} --attach {last}")
    } else {
        format!("you have detached shells here ({}): p2p-tui shell {name} --attach ID", left.join(", "))
    })
}
