//! `exec --detach`: the command becomes a job of each node, which outlives this command, the connection and the
//! node's own restart.
//!
//! Without `--batch` a target has ended well once its job is on its disk. With it a target ends as its job does:
//! nodes go and come back meanwhile (an upgrade of the node itself does just that), and are asked again.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::time::Duration;

use clap::{Args, ValueEnum};
use p2p_shared::error::{Code, Exit, RpcError};
use p2p_shared::fanout::Outcome;
use p2p_shared::fanout::drive::drive;
use p2p_shared::id::hex;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::exec::{ExecExit, ExecItem, ExecRequest};
use p2p_shared::services::job::{
    JobExit, JobId, JobInfo, JobPriority, JobRequest, JobRetry, JobState, JobWork,
};
use p2p_shared::services::node::Member;
use p2p_shared::time::Millis;
use tokio::time::{Instant, sleep};

use super::super::failure::{CliError, words};
use super::super::output::Streams;
use super::super::pace::{called_off, reach, span};
use super::super::session::Session;
use super::report::{Report, Style};
use super::{ExecArgs, exit_code};

/// A node that broke off in the middle of a submission is asked again for so long.
const SUBMIT_WITHIN: Duration = Duration::from_secs(20);
/// A node whose job is awaited may be away for so long.
const AWAY_MAX: Duration = Duration::from_secs(600);
/// Between two tries.
const AGAIN: Duration = Duration::from_secs(1);
/// Lines of each output that are shown of a job that has ended.
const LINES: u32 = 10_000;

/// Where its options stand in the help.
const JOBS: &str = "As a job";

/// How a command becomes a job.
#[derive(Clone, Debug, Args)]
pub struct DetachArgs {
    /// Hand the command to each node as a job, and print its id: it goes on when this command, the connection or
    /// the node itself ends. With --batch, wait until the jobs of a batch have ended, over restarts of their
    /// nodes too, and show what they wrote; ^C and --timeout-all end the waiting, never the jobs. --batch 100%
    /// waits for all
    #[arg(long, help_heading = JOBS)]
    pub detach: bool,
    /// Take on only one job of this key on each node, however often this is run
    #[arg(long, value_name = "TEXT", requires = "detach", help_heading = JOBS)]
    pub key: Option<String>,
    /// What to call it in lists
    #[arg(long, value_name = "TEXT", requires = "detach", help_heading = JOBS)]
    pub label: Option<String>,
    /// Before whom it comes
    #[arg(long, value_name = "PRIORITY", requires = "detach", help_heading = JOBS)]
    pub priority: Option<Priority>,
    /// If it fails, try it again so often, after waits that double from a second to five minutes
    #[arg(long, value_name = "N", requires = "detach", help_heading = JOBS, value_parser = clap::value_parser!(u32).range(1..=99))]
    pub retry: Option<u32>,
    /// Begin it again, too, after its machine went down under it
    #[arg(long, requires = "detach", help_heading = JOBS)]
    pub may_run_twice: bool,
    /// Cancel it where it has not begun within this time [default: 7d]
    #[arg(long, value_name = "T", requires = "detach", help_heading = JOBS, value_parser = span)]
    pub expires: Option<Millis>,
}

/// Before whom a job comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Priority {
    /// After all others.
    Low,
    /// As most are.
    Normal,
    /// Before all others.
    High,
}

impl DetachArgs {
    fn request(&self, exec: ExecRequest) -> JobRequest {
        let retry = |more| JobRetry { attempts: more + 1, ..JobRetry::default() };
        JobRequest {
            label: self.label.clone(),
            priority: match self.priority {
                Some(Priority::Low) => JobPriority::Low,
                Some(Priority::High) => JobPriority::High,
                Some(Priority::Normal) | None => JobPriority::Normal,
            },
            retry: self.retry.map(retry),
            may_run_twice: self.may_run_twice,
            // So that a submission whose answer was lost can be sent again.
            key: Some(self.key.clone().unwrap_or_else(fresh_key)),
            start_within_ms: self.expires.map(|span| span.0),
            ..JobRequest::new(JobWork::Command(ExecRequest { output_bytes_max: None, ..exec }))
        }
    }
}

/// A key that nobody else has.
pub(in crate::cli) fn fresh_key() -> String {
    let mut random = [0; 16];
    // Without randomness no connection would stand.
    let _ = aws_lc_rs::rand::fill(&mut random);
    format!("cli-{}", hex(&random))
}

/// Submits it everywhere, and waits where it is to be waited.
pub(super) async fn run(
    session: &Session,
    members: &[Member],
    (args, exec): (&ExecArgs, ExecRequest),
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let request = args.detach.request(exec);
    let is_awaited = args.pace.batch.is_some();
    let names = members.iter().map(|member| member.name.to_string()).collect();
    let style = Style { format: args.output, group: args.group, normalize: args.normalize };
    let report = RefCell::new(Report::new(names, style, streams));
    let jobs: RefCell<BTreeMap<usize, JobId>> = RefCell::default();
    let begin = |index: usize| {
        let (report, jobs, member, request) = (&report, &jobs, &members[index], &request);
        async move {
            let run = async {
                let info = submit(session, member, request).await?;
                report.borrow_mut().queued(index, &info.id);
                if !is_awaited {
                    report.borrow_mut().id(index);
                    return Ok(Outcome::Ok);
                }
                jobs.borrow_mut().insert(index, info.id.clone());
                let info = end_of(session, member, &info.id).await?;
                let (out, err) = written(session, member, &info.id).await;
                let mut report = report.borrow_mut();
                report.said(index, ExecItem::Stdout(out));
                report.said(index, ExecItem::Stderr(err));
                jobs.borrow_mut().remove(&index);
                let outcome = outcome(&info);
                if let Some(exit) = &info.exit {
                    report.exited(index, exec_exit(exit));
                }
                if outcome == Outcome::Failed && !(info.state == JobState::Failed && info.exit.is_some()) {
                    report.failed(index, format!("{}: {}", info.state.as_str(), info.detail));
                }
                Ok(outcome)
            };
            run.await.unwrap_or_else(|error: RpcError| {
                report.borrow_mut().failed(index, words(&error));
                Outcome::of(&error)
            })
        }
    };
    // Its own time is each node's to keep: a job may have to wait for its turn.
    let plan = args.pace.plan(None);
    let ended = |index, outcome| report.borrow_mut().ended(index, outcome);
    let counts = drive(plan, members.len(), begin, called_off(), ended).await?;
    let mut report = report.into_inner();
    report.finish(&counts)?;
    for (index, id) in jobs.into_inner() {
        report.say(&format!("{}: job {id} goes on: `p2p-tui jobs show {id} --on {0}`", members[index].name));
    }
    if args.on.literal().is_some() {
        return Ok(exit_code(report.outcome(0), report.exit(0)));
    }
    Ok(if counts.ok == members.len() { Exit::Ok } else { Exit::Failed })
}

/// Whether the way to a node broke, so that asking again may help.
const fn may_pass(error: &RpcError) -> bool {
    matches!(error.code, Code::Unavailable | Code::Deadline | Code::Cancelled)
}

/// Submits a job exactly once: its key tells the node what it was sent before.
pub(in crate::cli) async fn submit(
    session: &Session,
    member: &Member,
    request: &JobRequest,
) -> Result<JobInfo, RpcError> {
    let mut node = reach(session, member).await?;
    let give_up = Instant::now() + SUBMIT_WITHIN;
    loop {
        match node.job().submit(request.clone()).await {
            Err(error) if may_pass(&error) && Instant::now() < give_up => sleep(AGAIN).await,
            answer => return answer,
        }
        if let Ok(again) = reach(session, member).await {
            node = again;
        }
    }
}

/// What a job is once it has ended.
async fn end_of(session: &Session, member: &Member, id: &JobId) -> Result<JobInfo, RpcError> {
    let mut heard = Instant::now();
    loop {
        let error = match reach(session, member).await {
            Ok(node) => match track(&node, id, &mut heard).await {
                Ok(info) => return Ok(info),
                Err(error) if !may_pass(&error) => return Err(error),
                Err(error) => error,
            },
            Err(error) => error,
        };
        if heard.elapsed() > AWAY_MAX {
            let text = format!(
                "it has not been back for {} min, and job {id} may go on there: {}",
                AWAY_MAX.as_secs() / 60,
                error.message
            );
            return Err(RpcError::unavailable(text));
        }
        sleep(AGAIN).await;
    }
}

/// Follows a job for as long as the way to its node holds.
async fn track(node: &NodeHandle, id: &JobId, heard: &mut Instant) -> Result<JobInfo, RpcError> {
    let mut tracked = node.job().track(id.clone()).await?;
    loop {
        let info = tracked.next().await;
        if info.is_ok() {
            *heard = Instant::now();
        }
        match info? {
            Some(info) if info.state.is_final() => return Ok(info),
            Some(_) => {}
            None => return Err(RpcError::unavailable("the node did not say how the job ended")),
        }
    }
}

/// What a job wrote. That it cannot be read is said in its place: how the job ended is known all the same.
async fn written(session: &Session, member: &Member, id: &JobId) -> (Vec<u8>, Vec<u8>) {
    let asked = async { reach(session, member).await?.job().output(id.clone(), LINES).await };
    match asked.await {
        Ok(output) => (output.stdout.into_bytes(), output.stderr.into_bytes()),
        Err(error) => (Vec::new(), format!("its output cannot be read: {}\n", words(&error)).into_bytes()),
    }
}

/// What a target comes to whose job has ended.
fn outcome(info: &JobInfo) -> Outcome {
    match (info.state, &info.exit) {
        (JobState::Succeeded, _) => Outcome::Ok,
        (JobState::Failed, Some(exit)) if exit.timed_out => Outcome::TimedOut,
        _ => Outcome::Failed,
    }
}

fn exec_exit(exit: &JobExit) -> ExecExit {
    ExecExit {
        code: exit.code,
        signal: exit.signal,
        timed_out: exit.timed_out,
        duration_ms: exit.ended.since(exit.started).0,
        cut_bytes: 0,
        problem: exit.problem.clone(),
    }
}
