//! `alerts`: what is wrong on nodes by their rules. Lists without a word behind it; `rules`, `silences` and `figures`
//! show, `check`, `diff` and `apply` put one file of rules on many nodes, `silence`, `unsilence` and `ack` act.

mod act;
mod apply;
mod rows;

use std::path::PathBuf;

use clap::{Args, Subcommand};
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::alert::{AlertList, AlertRules, FIGURES};
use p2p_shared::services::node::Member;

use self::rows::{AlertRow, FigureRow, Ordered, RuleRow, SilenceRow};
use super::ListArgs;
use super::failure::CliError;
use super::output::{Format, Row, Streams};
use super::pace;
use super::session::{Account, Session};
use crate::selector::Selector;

/// What `alerts` takes.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct AlertsArgs {
    /// What to do; nothing lists alerts.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// Which nodes, and how to print.
    #[command(flatten)]
    pub list: ListArgs,
}

/// What is done with alerts.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// List the rules in force, and what is wrong with those that are not
    Rules {
        /// Which nodes, and how to print.
        #[command(flatten)]
        list: ListArgs,
        /// Print the file that was applied to this node instead
        #[arg(long, value_name = "NODE", conflicts_with_all = ["on", "output"])]
        applied: Option<NodeName>,
    },
    /// List silences
    Silences(ListArgs),
    /// List the figures that rules can be about
    Figures {
        /// How to write them
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Say what is wrong with a file of rules, and what it would say now
    Check {
        /// The file; - for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// On which nodes [default: the one that this enters by]
        #[arg(long, value_name = "SELECTOR")]
        on: Option<Selector>,
        /// How to write it
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Show what applying a file of rules would change
    Diff(FileArgs),
    /// Put a file of rules in the place of the one that was applied before
    Apply(FileArgs),
    /// Keep alerts from being told for a while
    Silence(SilenceArgs),
    /// End silences
    Unsilence(UnsilenceArgs),
    /// Say that you look after alerts
    Ack(AckArgs),
}

/// A file of rules for nodes.
#[derive(Clone, Debug, Args)]
pub struct FileArgs {
    /// The file; - for standard input. An empty one takes away what was applied
    #[arg(short, long, value_name = "FILE")]
    pub file: PathBuf,
    /// On which nodes
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// How to write what changes
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// What `silence` takes.
#[derive(Clone, Debug, Args)]
pub struct SilenceArgs {
    /// Names of rules, of which any is meant, and what labels have to be: disk_full, 'mountpoint="/srv"',
    /// 'unit=~"nginx.*"'
    #[arg(value_name = "RULE|MATCHER", required = true)]
    pub matchers: Vec<String>,
    /// For how long, such as 30m, 2h or 7d
    #[arg(long = "for", value_name = "SPAN", value_parser = pace::span)]
    pub span: p2p_shared::time::Millis,
    /// Why
    #[arg(long, value_name = "TEXT")]
    pub reason: String,
    /// On which nodes
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// How to write the silences
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// What `unsilence` takes.
#[derive(Clone, Debug, Args)]
pub struct UnsilenceArgs {
    /// Their numbers, as `alerts silences` shows them
    #[arg(value_name = "SILENCE", required = true)]
    pub ids: Vec<u64>,
    /// On which nodes: numbers of one node are not those of another
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
}

/// What `ack` takes.
#[derive(Clone, Debug, Args)]
pub struct AckArgs {
    /// Their ids, or the beginnings of them, or names of rules: then all of them that fire
    #[arg(value_name = "ALERT", required = true)]
    pub alerts: Vec<String>,
    /// What others should know
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub note: String,
    /// On which nodes
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// How to write what they are then
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

impl AlertsArgs {
    /// Whether it changes something.
    pub const fn acts(&self) -> bool {
        matches!(
            self.action,
            Some(Action::Apply(_) | Action::Silence(_) | Action::Unsilence(_) | Action::Ack(_))
        )
    }
}

/// Does what is asked for.
pub async fn run(session: &Session, args: &AlertsArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    match &args.action {
        None => {
            let ask = |node: NodeHandle| async move { node.alert().list().await };
            let rows =
                |member: &Member, found: AlertList, _: &mut Streams<'_>| AlertRow::all(&member.name, found);
            each(session, &args.list, (ask, rows), streams).await
        }
        Some(Action::Rules { applied: Some(node), .. }) => applied(session, node, streams).await,
        Some(Action::Rules { list, applied: None }) => {
            let ask = |node: NodeHandle| async move { node.alert().rules().await };
            each(session, list, (ask, rules), streams).await
        }
        Some(Action::Silences(list)) => {
            let ask = |node: NodeHandle| async move { node.alert().list().await };
            let rows = |member: &Member, found: AlertList, _: &mut Streams<'_>| {
                found.silences.into_iter().map(|one| SilenceRow::new(&member.name, one)).collect()
            };
            each(session, list, (ask, rows), streams).await
        }
        Some(Action::Figures { output }) => {
            let rows: Vec<FigureRow> = FIGURES.iter().map(FigureRow::new).collect();
            streams.rows(&rows, *output).map(|()| Exit::Ok)
        }
        Some(Action::Check { file, on, output }) => {
            apply::check(session, file, (on.as_ref(), *output), streams).await
        }
        Some(Action::Diff(args)) => apply::diff(session, args, streams).await,
        Some(Action::Apply(args)) => apply::apply(session, args, streams).await,
        Some(Action::Silence(args)) => act::silence(session, args, streams).await,
        Some(Action::Unsilence(args)) => act::unsilence(session, args, streams).await,
        Some(Action::Ack(args)) => act::acknowledge(session, args, streams).await,
    }
}

/// Asks each node, and prints the rows of all of them.
async fn each<T, R: Row + Ordered, Fut>(
    session: &Session,
    list: &ListArgs,
    (question, rows): (impl Fn(NodeHandle) -> Fut, impl Fn(&Member, T, &mut Streams<'_>) -> Vec<R>),
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError>
where
    Fut: Future<Output = Result<T, RpcError>>,
{
    let targets = session.readable(&list.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut all = Vec::new();
    let answered = |target: &Member, answer: Result<T, RpcError>| {
        let found = match answer {
            Ok(found) => rows(target, found, streams),
            Err(error) => {
                account.failed(target, &error, streams);
                return Ok(());
            }
        };
        if list.output == Format::Jsonl {
            return streams.rows(&found, Format::Jsonl);
        }
        all.extend(found);
        Ok(())
    };
    session.ask(&targets.members, question, answered).await?;
    if list.output != Format::Jsonl {
        all.sort_by(Ordered::order);
        streams.rows(&all, list.output)?;
    }
    Ok(account.exit())
}

/// The rules of a node; what is wrong with its files is told.
fn rules(member: &Member, found: AlertRules, streams: &mut Streams<'_>) -> Vec<RuleRow> {
    for mistake in &found.mistakes {
        let file = match found.configured.as_str() {
            path if mistake.source.as_str() == "configured" => path,
            _ => "applied rules",
        };
        streams.say(&format!("{}: {file}: {mistake}", member.name));
    }
    found.rules.into_iter().map(|rule| RuleRow::new(&member.name, rule)).collect()
}

async fn applied(session: &Session, name: &NodeName, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let member = session.members().iter().find(|member| member.name == *name).ok_or_else(|| {
        CliError::new(Exit::Failed, format!("{name}: no node is called so; `p2p-tui nodes` lists all"))
    })?;
    let rules = session.reach(member).await?.alert().rules().await?;
    if rules.version.is_empty() {
        streams.tell(&format!("{name}: nothing was applied"));
    }
    streams.data(&rules.applied)?;
    Ok(Exit::Ok)
}
