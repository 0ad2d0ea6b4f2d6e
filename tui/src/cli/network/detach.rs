//! `network scan --detach`: the scan becomes a job of each node, which outlives this command and the connection.

use clap::Args;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::job::{JobId, JobInfo, JobRequest, JobWork};
use p2p_shared::services::network::ScanRequest;
use p2p_shared::services::node::Member;
use serde::Serialize;

use super::super::exec::detach::{fresh_key, submit};
use super::super::failure::CliError;
use super::super::output::{Format, Row, Streams};
use super::super::session::{Account, Session};
use super::From;

/// Where its options stand in the help.
const JOBS: &str = "As a job";

/// How a scan becomes a job.
#[derive(Clone, Debug, Args)]
pub struct DetachArgs {
    /// Hand the scan to each node as a job, and print its id: it goes on when this command or the connection ends.
    /// `p2p-tui jobs` shows how far it is, `jobs output` what is open, a JSON object a line; `jobs cancel` stops it
    #[arg(long, help_heading = JOBS)]
    pub detach: bool,
    /// What to call it in lists
    #[arg(long, value_name = "TEXT", requires = "detach", help_heading = JOBS)]
    label: Option<String>,
    /// Begin it again after its node went down under it: without this it is `interrupted` then
    #[arg(long, requires = "detach", help_heading = JOBS)]
    may_run_twice: bool,
}

/// A scan that a node took on. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct TakenRow {
    node: NodeName,
    job: JobId,
}

impl Row for TakenRow {
    const TITLES: &'static [&'static str] = &["NODE", "JOB"];

    fn cells(&self) -> Vec<String> {
        vec![self.node.to_string(), self.job.to_string()]
    }
}

impl DetachArgs {
    /// Submits it to every node that is meant.
    pub(super) async fn run(
        &self,
        session: &Session,
        from: &From,
        scan: ScanRequest,
        streams: &mut Streams<'_>,
    ) -> Result<Exit, CliError> {
        let request = JobRequest {
            label: self.label.clone(),
            may_run_twice: self.may_run_twice,
            // So that a submission whose answer was lost can be sent again.
            key: Some(fresh_key()),
            ..JobRequest::new(JobWork::Scan(scan))
        };
        let members = session.writable(&from.on, streams)?;
        let (mut account, mut rows) = (Account::default(), Vec::new());
        let ask = |node: NodeHandle| {
            let (request, members) = (&request, &members);
            async move {
                let member = members.iter().find(|member| member.name == *node.name());
                let member = member.ok_or_else(|| RpcError::internal("a node that nobody meant"))?;
                submit(session, member, request).await
            }
        };
        let answered = |member: &Member, answer: Result<JobInfo, RpcError>| {
            match answer {
                Ok(info) => rows.push(TakenRow { node: member.name.clone(), job: info.id }),
                Err(error) => account.failed(member, &error, streams),
            }
            Ok(())
        };
        session.ask(&members, ask, answered).await?;
        rows.sort_by(|one, other| one.node.cmp(&other.node));
        match (rows.as_slice(), from.output) {
            // As `exec --detach` has it: the id alone, for a script that names one node.
            ([row], Format::Table) if from.on.literal().is_some() => {
                streams.data(&format!("{}\n", row.job))?
            }
            (rows, format) => streams.rows(rows, format)?,
        }
        Ok(account.exit_of(&members))
    }
}
