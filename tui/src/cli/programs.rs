//! `programs`: what nodes keep running. Lists without a word behind it; `start`, `stop`, `restart`, `status`,
//! `logs`, `define` and `remove` act on one program of every node that is meant.

mod define;
pub(super) mod logs;
mod rows;

use clap::{Args, Subcommand};
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::node::Member;
use p2p_shared::services::program::{
    ProgramDefinition, ProgramInfo, ProgramName, ProgramState, ProgramStatus,
};

use self::rows::{ProgramRow, StatusRow};
use super::ListArgs;
use super::failure::CliError;
use super::output::{Format, Streams, json};
use super::session::{Account, Session};
use crate::selector::Selector;

/// What `programs` takes.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct ProgramsArgs {
    /// What to do; nothing lists them.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// Which nodes, and how to print.
    #[command(flatten)]
    pub list: ListArgs,
}

/// What is done with programs.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Start a program and those it depends on
    Start {
        /// Which one.
        #[command(flatten)]
        target: Target,
        /// Define it first, as this command without arguments
        #[arg(value_name = "PATH")]
        path: Option<String>,
    },
    /// Stop a program
    Stop(Target),
    /// Stop a program if it runs, and start it
    Restart(Target),
    /// Show everything about a program
    Status(Target),
    /// Print what a program wrote
    Logs(logs::LogsArgs),
    /// Say what a program is; it is not started by that
    Define(Box<define::DefineArgs>),
    /// Stop a program, and forget it and its logs
    Remove {
        /// Which one.
        #[command(flatten)]
        target: Target,
        /// Do not ask
        #[arg(short, long)]
        yes: bool,
    },
}

/// A program on nodes.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Its name
    #[arg(value_name = "PROGRAM")]
    pub name: ProgramName,
    /// On which nodes
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// How to write what it is then
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

impl ProgramsArgs {
    /// Whether it changes something.
    pub const fn acts(&self) -> bool {
        !matches!(self.action, None | Some(Action::Status(_) | Action::Logs(_)))
    }
}

/// States that are no success of a start.
const DOWN: &[ProgramState] = &[ProgramState::Failed, ProgramState::BackingOff, ProgramState::Stopping];
/// States that are no success of a stop.
const UP: &[ProgramState] = &[ProgramState::Stopping];

/// Does what is asked for.
pub async fn run(
    session: &Session,
    args: &ProgramsArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let Some(action) = &args.action else { return list(session, &args.list, streams).await };
    match action {
        Action::Start { target, path } => {
            let start = |node: NodeHandle| {
                let (name, path) = (target.name.to_string(), path.clone());
                async move { node.program().start(name, path).await }
            };
            change(session, target, (start, DOWN), streams).await
        }
        Action::Stop(target) => {
            let stop = |node: NodeHandle| async move { node.program().stop(target.name.to_string()).await };
            change(session, target, (stop, UP), streams).await
        }
        Action::Restart(target) => {
            let restart =
                |node: NodeHandle| async move { node.program().restart(target.name.to_string()).await };
            change(session, target, (restart, DOWN), streams).await
        }
        Action::Status(target) => status(session, target, streams).await,
        Action::Logs(args) => logs::run(session, args, streams).await,
        Action::Define(args) => {
            let (definition, replace) = (args.definition()?, args.replace);
            let define = |node: NodeHandle| {
                let definition: ProgramDefinition = definition.clone();
                async move { node.program().define(definition, replace).await }
            };
            change(session, &args.target, (define, &[]), streams).await
        }
        Action::Remove { target, yes } => remove(session, target, *yes, streams).await,
    }
}

async fn list(session: &Session, args: &ListArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let targets = session.readable(&args.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    let ask = |node: NodeHandle| async move { node.program().list().await };
    let answered = |target: &Member, answer: Result<Vec<ProgramInfo>, RpcError>| {
        let found = match answer {
            Ok(found) => found,
            Err(error) => {
                account.failed(target, &error, streams);
                return Ok(());
            }
        };
        let found = found.into_iter().map(|info| ProgramRow::new(&target.name, info));
        if args.output == Format::Jsonl {
            return streams.rows(&found.collect::<Vec<_>>(), Format::Jsonl);
        }
        rows.extend(found);
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    if args.output != Format::Jsonl {
        rows.sort_by(|a, b| a.key().cmp(&b.key()));
        streams.rows(&rows, args.output)?;
    }
    Ok(account.exit())
}

/// Asks every node for a change, and prints what the program is then.
async fn change<Fut>(
    session: &Session,
    target: &Target,
    (question, bad): (impl Fn(NodeHandle) -> Fut, &[ProgramState]),
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError>
where
    Fut: Future<Output = Result<ProgramStatus, RpcError>>,
{
    let members = session.writable(&target.on, streams)?;
    let mut account = Account::default();
    let (mut rows, mut failed) = (Vec::new(), false);
    let answered = |member: &Member, answer: Result<ProgramStatus, RpcError>| {
        match answer {
            Ok(status) => {
                failed |= bad.contains(&status.info.state);
                tell(&member.name, &status, streams);
                rows.push(ProgramRow::new(&member.name, status.info));
            }
            Err(error) => account.failed(member, &error, streams),
        }
        Ok(())
    };
    session.ask(&members, question, answered).await?;
    rows.sort_by(|a, b| a.key().cmp(&b.key()));
    streams.rows(&rows, target.output)?;
    Ok(if failed { Exit::Failed } else { account.exit_of(&members) })
}

/// What of a status does not show in a row.
fn tell(node: &NodeName, status: &ProgramStatus, streams: &mut Streams<'_>) {
    let name = &status.info.name;
    let worth_telling = DOWN.contains(&status.info.state) || status.info.state == ProgramState::Waiting;
    if !status.info.detail.is_empty() && worth_telling {
        streams.say(&format!("{node}: {name} is {}: {}", status.info.state.as_str(), status.info.detail));
    }
    if !status.unenforced.is_empty() {
        let limits: Vec<&str> = status.unenforced.iter().map(|limit| limit.as_str()).collect();
        streams.say(&format!("{node}: {name}: this node cannot hold its limit of {}", limits.join(", ")));
    }
}

async fn status(session: &Session, target: &Target, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let targets = session.readable(&target.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    let ask = |node: NodeHandle| async move { node.program().status(target.name.to_string()).await };
    let answered = |member: &Member, answer: Result<ProgramStatus, RpcError>| {
        match answer {
            Ok(status) => rows.push(StatusRow::new(&member.name, status)),
            Err(error) => account.failed(member, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    rows.sort_by(|a, b| a.key().cmp(&b.key()));
    match target.output {
        Format::Table => {
            let texts: Vec<String> = rows.iter().map(StatusRow::text).collect();
            streams.data(&texts.join("\n"))?;
        }
        Format::Json => streams.data(&format!("{}\n", json(&rows, true)?))?,
        Format::Jsonl => rows.iter().try_for_each(|row| streams.json_line(row))?,
    }
    Ok(account.exit_of(&targets.members))
}

async fn remove(
    session: &Session,
    target: &Target,
    yes: bool,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let members = session.writable(&target.on, streams)?;
    if !yes {
        let names: Vec<&str> = members.iter().map(|member| member.name.as_str()).collect();
        let question = format!("Stop {} on {}, and remove it and its logs?", target.name, names.join(", "));
        match streams.confirm(&question) {
            Some(true) => {}
            Some(false) => return Err(CliError::new(Exit::Failed, "nothing was removed")),
            None => {
                let text = "there is no terminal to ask on: add --yes to remove it without asking";
                return Err(CliError::usage(text));
            }
        }
    }
    let mut account = Account::default();
    let ask = |node: NodeHandle| async move { node.program().remove(target.name.to_string()).await };
    let answered = |member: &Member, answer: Result<(), RpcError>| {
        if let Err(error) = answer {
            account.failed(member, &error, streams);
        }
        Ok(())
    };
    session.ask(&members, ask, answered).await?;
    Ok(account.exit_of(&members))
}
