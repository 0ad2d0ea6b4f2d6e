//! `programs`: what nodes keep running. Lists without a word behind it; `start`, `stop`, `restart`, `status`,
//! `logs`, `define` and `remove` act on one program of every node that is meant.

mod define;
mod logs;

use clap::{Args, Subcommand};
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::node::Member;
use p2p_shared::services::program::{
    ProgramDefinition, ProgramExit, ProgramInfo, ProgramName, ProgramState, ProgramStatus,
};
use p2p_shared::time::Millis;
use serde::Serialize;

use super::ListArgs;
use super::failure::CliError;
use super::output::{Format, Row, Streams, json};
use super::session::{Account, Session, now};
use crate::format;
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

/// A program of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct ProgramRow {
    node: NodeName,
    #[serde(flatten)]
    info: ProgramInfo,
}

impl Row for ProgramRow {
    const TITLES: &'static [&'static str] =
        &["NODE", "PROGRAM", "STATE", ">SINCE", ">PID", ">STARTS", "LAST EXIT", "COMMAND"];

    fn cells(&self) -> Vec<String> {
        let info = &self.info;
        vec![
            self.node.to_string(),
            info.name.to_string(),
            info.state.as_str().to_owned(),
            age(now().since(info.since)),
            info.process.as_ref().map_or_else(|| "-".to_owned(), |process| process.pid.to_string()),
            info.starts.to_string(),
            info.last_exit.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string),
            info.command.clone(),
        ]
    }
}

/// Everything about a program of a node.
#[derive(Debug, Serialize)]
struct StatusRow {
    node: NodeName,
    #[serde(flatten)]
    status: ProgramStatus,
}

impl ProgramsArgs {
    /// Whether it changes something.
    pub const fn acts(&self) -> bool {
        !matches!(self.action, None | Some(Action::Status(_) | Action::Logs(_)))
    }
}

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
            change(session, target, start, streams).await
        }
        Action::Stop(target) => {
            let stop = |node: NodeHandle| async move { node.program().stop(target.name.to_string()).await };
            change(session, target, stop, streams).await
        }
        Action::Restart(target) => {
            let restart =
                |node: NodeHandle| async move { node.program().restart(target.name.to_string()).await };
            change(session, target, restart, streams).await
        }
        Action::Status(target) => status(session, target, streams).await,
        Action::Logs(args) => logs::run(session, args, streams).await,
        Action::Define(args) => {
            let (definition, replace) = (args.definition()?, args.replace);
            let define = |node: NodeHandle| {
                let definition: ProgramDefinition = definition.clone();
                async move { node.program().define(definition, replace).await }
            };
            change(session, &args.target, define, streams).await
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
        let found = found.into_iter().map(|info| ProgramRow { node: target.name.clone(), info });
        if args.output == Format::Jsonl {
            return streams.rows(&found.collect::<Vec<_>>(), Format::Jsonl);
        }
        rows.extend(found);
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    if args.output != Format::Jsonl {
        rows.sort_by(|a, b| (&a.node, &a.info.name).cmp(&(&b.node, &b.info.name)));
        streams.rows(&rows, args.output)?;
    }
    Ok(account.exit())
}

/// Asks every node for a change, and prints what the program is then.
async fn change<Fut>(
    session: &Session,
    target: &Target,
    question: impl Fn(NodeHandle) -> Fut,
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
                failed |= status.info.state == ProgramState::Failed;
                tell(&member.name, &status, streams);
                rows.push(ProgramRow { node: member.name.clone(), info: status.info });
            }
            Err(error) => account.failed(member, &error, streams),
        }
        Ok(())
    };
    session.ask(&members, question, answered).await?;
    rows.sort_by(|a, b| a.node.cmp(&b.node));
    streams.rows(&rows, target.output)?;
    Ok(if failed { Exit::Failed } else { account.exit_of(&members) })
}

/// What of a status does not show in a row.
fn tell(node: &NodeName, status: &ProgramStatus, streams: &mut Streams<'_>) {
    let name = &status.info.name;
    if !status.info.detail.is_empty() && !status.info.state.runs() {
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
            Ok(status) => rows.push(StatusRow { node: member.name.clone(), status }),
            Err(error) => account.failed(member, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    rows.sort_by(|a, b| a.node.cmp(&b.node));
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

impl StatusRow {
    /// For people: a line a thing, and the ends of its runs.
    fn text(&self) -> String {
        let ProgramStatus { info, definition, exits, unenforced, lost_bytes } = &self.status;
        let mut lines = vec![("program", format!("{} on {}", info.name, self.node))];
        let since = age(now().since(info.since));
        let detail = if info.detail.is_empty() { String::new() } else { format!(": {}", info.detail) };
        lines.push(("state", format!("{} for {since}{detail}", info.state.as_str())));
        if let Some(process) = &info.process {
            lines.push(("pid", process.pid.to_string()));
        }
        lines.push(("command", info.command.clone()));
        lines.push(("directory", definition.working_directory.clone().unwrap_or_else(|| "/".into())));
        let user = definition.user.as_deref().unwrap_or("the node's");
        lines.push(("user", user.to_owned()));
        let variables: Vec<&str> = definition.environment.keys().map(String::as_str).collect();
        if !variables.is_empty() {
            lines.push(("variables", variables.join(" ")));
        }
        for on in &definition.dependencies {
            lines.push(("after", format!("{} is {}", on.program, on.condition.as_str())));
        }
        lines.push(("restart", define::words(definition.restart.mode).to_owned()));
        lines.push(("at boot", if info.at_boot { "yes" } else { "no" }.to_owned()));
        lines.push(("starts", format!("{}, {} of them again by itself", info.starts, info.restarts)));
        if !unenforced.is_empty() {
            let limits: Vec<&str> = unenforced.iter().map(|limit| limit.as_str()).collect();
            lines.push(("not held", format!("limit of {}", limits.join(", "))));
        }
        if *lost_bytes > 0 {
            lines.push(("lost", format!("{lost_bytes} bytes of output")));
        }
        lines.extend(exits.iter().map(|exit| ("exit", ended(exit))));
        let text = lines.into_iter().map(|(title, value)| format!("{title:<10} {}\n", format::clean(&value)));
        text.collect()
    }
}

fn age(span: Millis) -> String {
    format::span_ms(span.0)
}

fn ended(exit: &ProgramExit) -> String {
    let ago = age(now().since(exit.at));
    let ran = exit.started.map_or_else(String::new, |at| format!(" after {}", age(exit.at.since(at))));
    let by = exit.asked_by.as_ref().map_or_else(String::new, |by| format!(", asked by {by}"));
    format!("{ago} ago: {exit}{ran}{by}")
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

#[cfg(test)]
mod tests {
    use p2p_shared::time::UnixMillis;

    use super::super::output::table;
    use super::*;

    fn row() -> ProgramRow {
        let exit = ProgramExit {
            at: UnixMillis(9),
            started: Some(UnixMillis(5)),
            code: Some(1),
            signal: None,
            out_of_memory: None,
            error: None,
            asked_by: None,
        };
        let info = ProgramInfo {
            name: "web".parse().unwrap(),
            state: ProgramState::BackingOff,
            since: now(),
            detail: "exit 1".into(),
            process: None,
            command: "nginx \u{1b}[2J".into(),
            at_boot: true,
            starts: 2,
            restarts: 1,
            last_exit: Some(exit),
        };
        ProgramRow { node: "web-1".parse().unwrap(), info }
    }

    #[test]
    fn the_shape_for_scripts_is_stable() {
        let mut row = row();
        row.info.since = UnixMillis(7);
        let expected = "{\"node\":\"web-1\",\"name\":\"web\",\"state\":\"backing_off\",\"since\":7,\
                        \"detail\":\"exit 1\",\"process\":null,\"command\":\"nginx \\u001b[2J\",\"at_boot\":true,\
                        \"starts\":2,\"restarts\":1,\"last_exit\":{\"at\":9,\"started\":5,\"code\":1,\
                        \"signal\":null,\"out_of_memory\":null,\"error\":null,\"asked_by\":null}}";
        assert_eq!(json(&row, false).unwrap(), expected);
    }

    #[test]
    fn the_table_is_for_people() {
        let text = table(&[row()], None);
        let mut lines = text.lines();
        assert_eq!(
            lines.next().unwrap().split_whitespace().collect::<Vec<_>>().join(" "),
            "NODE PROGRAM STATE SINCE PID STARTS LAST EXIT COMMAND"
        );
        assert!(lines.next().unwrap().ends_with("exit 1     nginx ^[[2J"), "{text}");
    }
}
