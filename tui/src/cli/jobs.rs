//! `jobs`: what nodes have queued, run and done. Lists without a word behind it; `show` and `output` look at one
//! job, `cancel`, `retry` and `remove` act on jobs. What makes jobs is `exec --detach`.

mod output;
mod rows;

use clap::{Args, Subcommand};
use p2p_shared::error::{Code, Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::job::{JobId, JobInfo, JobState, JobStatus, LIST_MAX};
use p2p_shared::services::node::Member;

use self::rows::{JobRow, StatusRow};
use super::ListArgs;
use super::failure::{CliError, words};
use super::output::{Format, Streams, json};
use super::session::{Account, Session};
use crate::selector::Selector;

/// What `jobs` takes.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct JobsArgs {
    /// What to do; nothing lists them.
    #[command(subcommand)]
    pub action: Option<Action>,
    /// Which nodes, and how to print.
    #[command(flatten)]
    pub list: ListArgs,
    /// Only these: terms such as state:failed, by:NAME, priority:high, label:TEXT, key:KEY, or words of the command
    #[arg(long, value_name = "TERMS")]
    pub filter: Option<String>,
    /// At most so many of each node, the newest first
    #[arg(long, value_name = "COUNT", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub limit: u32,
}

/// What is done with jobs.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Show everything about a job
    Show {
        /// Which one.
        #[command(flatten)]
        target: Target,
        /// How to write it
        #[arg(short, long, value_enum, default_value_t)]
        output: Format,
    },
    /// Print what a job wrote
    Output(output::OutputArgs),
    /// Call jobs off: those that wait never begin, those that run are ended
    Cancel(Targets),
    /// Have jobs that failed, were cancelled or were interrupted done once more
    Retry(Targets),
    /// Forget jobs that have ended, and what they wrote
    Remove(Targets),
}

/// One job.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// Its id
    #[arg(value_name = "JOB")]
    pub id: JobId,
    /// On which node
    #[arg(long, value_name = "NODE")]
    pub on: NodeName,
}

/// Some jobs.
#[derive(Clone, Debug, Args)]
pub struct Targets {
    /// Their ids
    #[arg(value_name = "JOB", required = true)]
    pub ids: Vec<JobId>,
    /// On which nodes; each has to have at least one of them
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// How to write what they are then
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

impl JobsArgs {
    /// Whether it changes something.
    pub const fn acts(&self) -> bool {
        matches!(self.action, Some(Action::Cancel(_) | Action::Retry(_) | Action::Remove(_)))
    }
}

/// Does what is asked for.
pub async fn run(session: &Session, args: &JobsArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    match &args.action {
        None => list(session, args, streams).await,
        Some(Action::Show { target, output }) => show(session, target, *output, streams).await,
        Some(Action::Output(args)) => output::run(session, args, streams).await,
        Some(Action::Cancel(targets)) => {
            let ask = |node: NodeHandle, id| async move { node.job().cancel(id).await.map(Some) };
            change(session, targets, ask, streams).await
        }
        Some(Action::Retry(targets)) => {
            let ask = |node: NodeHandle, id| async move { node.job().retry(id).await.map(Some) };
            change(session, targets, ask, streams).await
        }
        Some(Action::Remove(targets)) => {
            let ask = |node: NodeHandle, id| async move { node.job().remove(id).await.map(|()| None) };
            change(session, targets, ask, streams).await
        }
    }
}

async fn list(session: &Session, args: &JobsArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let ListArgs { on, output } = &args.list;
    let targets = session.readable(on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    let ask = |node: NodeHandle| gather(node, args.filter.clone(), args.limit);
    let answered = |target: &Member, answer: Result<Vec<JobInfo>, RpcError>| {
        let found = match answer {
            Ok(found) => found.into_iter().map(|info| JobRow::new(&target.name, info)),
            Err(error) => {
                account.failed(target, &error, streams);
                return Ok(());
            }
        };
        if *output == Format::Jsonl {
            return streams.rows(&found.collect::<Vec<_>>(), Format::Jsonl);
        }
        rows.extend(found);
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    if *output != Format::Jsonl {
        // Of each node the newest first, as it told them.
        rows.sort_by(|a, b| a.node().cmp(b.node()));
        streams.rows(&rows, *output)?;
    }
    Ok(account.exit())
}

/// The newest jobs of a node, page by page.
async fn gather(node: NodeHandle, filter: Option<String>, limit: u32) -> Result<Vec<JobInfo>, RpcError> {
    let (mut jobs, mut before) = (Vec::new(), None);
    loop {
        let left = limit.saturating_sub(u32::try_from(jobs.len()).unwrap_or(u32::MAX));
        let page = node.job().list(filter.clone(), before, Some(left.clamp(1, LIST_MAX))).await?;
        jobs.extend(page.jobs);
        before = page.next;
        if before.is_none() || jobs.len() >= limit as usize {
            return Ok(jobs);
        }
    }
}

async fn show(
    session: &Session,
    target: &Target,
    output: Format,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let (member, node) = one(session, &target.on).await?;
    let status: JobStatus = node.job().inspect(target.id.clone()).await?;
    let row = StatusRow::new(&member.name, status);
    match output {
        Format::Table => streams.data(&row.text())?,
        Format::Json => streams.data(&format!("{}\n", json(&row, true)?))?,
        Format::Jsonl => streams.json_line(&row)?,
    }
    Ok(Exit::Ok)
}

/// What a node answered about a job.
type Answer = (JobId, Result<Option<JobInfo>, RpcError>);

/// The node of a name.
async fn one<'s>(session: &'s Session, name: &NodeName) -> Result<(&'s Member, NodeHandle), CliError> {
    let member = session.members().iter().find(|member| member.name == *name).ok_or_else(|| {
        CliError::new(Exit::Failed, format!("{name}: no node is called so; `p2p-tui nodes` lists all"))
    })?;
    Ok((member, session.reach(member).await?))
}

/// Asks every node for a change of each job, and prints what the jobs are then. A job that one of several nodes
/// does not know is meant on another one.
async fn change<Fut>(
    session: &Session,
    targets: &Targets,
    question: impl Fn(NodeHandle, JobId) -> Fut,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError>
where
    Fut: Future<Output = Result<Option<JobInfo>, RpcError>>,
{
    let members = session.writable(&targets.on, streams)?;
    let mut account = Account::default();
    let (mut rows, mut failed) = (Vec::new(), false);
    let mut unknown = targets.ids.clone();
    let ask = |node: NodeHandle| {
        let (question, ids) = (&question, targets.ids.clone());
        async move {
            let mut answers = Vec::new();
            for id in ids {
                let answer = question(node.clone(), id.clone()).await;
                answers.push((id, answer));
            }
            Ok(answers)
        }
    };
    let answered = |member: &Member, answers: Result<Vec<Answer>, RpcError>| {
        let answers = match answers {
            Ok(answers) => answers,
            Err(error) => {
                account.failed(member, &error, streams);
                return Ok(());
            }
        };
        for (id, answer) in answers {
            match answer {
                Err(RpcError { code: Code::NotFound, .. }) => continue,
                Ok(info) => rows.extend(info.map(|info| JobRow::new(&member.name, info))),
                Err(error) => {
                    failed = true;
                    streams.say(&format!("{}: {}", member.name, words(&error)));
                }
            }
            unknown.retain(|other| *other != id);
        }
        Ok(())
    };
    session.ask(&members, ask, answered).await?;
    for id in &unknown {
        streams.say(&format!("{id}: no such job there; `p2p-tui jobs` lists those there are"));
    }
    for row in rows.iter().filter(|row| row.state() == JobState::Running) {
        streams.say(&format!("{}: {} has not ended yet", row.node(), row.id()));
    }
    streams.rows(&rows, targets.output)?;
    Ok(if failed || !unknown.is_empty() { Exit::Failed } else { account.exit_of(&members) })
}
