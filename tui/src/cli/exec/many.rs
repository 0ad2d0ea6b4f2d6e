//! A command on many nodes: begun as the plan has it, each target ending in exactly one outcome.

use std::cell::RefCell;

use p2p_shared::error::Exit;
use p2p_shared::fanout::Outcome;
use p2p_shared::fanout::drive::drive;
use p2p_shared::mesh::link::CONNECT_TIMEOUT;
use p2p_shared::services::exec::ExecRequest;
use p2p_shared::services::node::Member;
use p2p_shared::time::Millis;

use super::super::failure::{CliError, words};
use super::super::output::Streams;
use super::super::pace::{called_off, reach};
use super::super::session::Session;
use super::report::{Report, Style};
use super::{ExecArgs, exit_code, outcome};
use crate::effects::exec::command;

/// What a node may take beside the command itself, before it counts as timed out: SIGKILL comes five seconds
/// after SIGTERM there, and its answer has to come back.
const BESIDE: Millis = Millis::from_secs(7);

/// Runs it on all of them.
pub(super) async fn run(
    session: &Session,
    members: &[Member],
    (args, request): (&ExecArgs, &ExecRequest),
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let names = members.iter().map(|member| member.name.to_string()).collect();
    let style = Style { format: args.output, group: args.group, normalize: args.normalize };
    // All run in this task; no borrow is held across an await.
    let report = RefCell::new(Report::new(names, style, streams));
    let begin = |index: usize| {
        let (report, member) = (&report, &members[index]);
        async move {
            let run = async {
                let node = reach(session, member).await?;
                command(&node, request, |item| report.borrow_mut().said(index, item)).await
            };
            match run.await {
                Ok(exit) => {
                    let ended = outcome(&exit);
                    report.borrow_mut().exited(index, exit);
                    ended
                }
                Err(error) => {
                    report.borrow_mut().failed(index, words(&error));
                    Outcome::of(&error)
                }
            }
        }
    };
    let beside = BESIDE + Millis::from(CONNECT_TIMEOUT);
    let plan = args.pace.plan(args.timeout.map(|time| time + beside));
    let ended = |index, outcome| report.borrow_mut().ended(index, outcome);
    let counts = drive(plan, members.len(), begin, called_off(), ended).await?;
    let mut report = report.into_inner();
    report.finish(&counts)?;
    if args.on.literal().is_some() {
        return Ok(exit_code(report.outcome(0), report.exit(0)));
    }
    Ok(if counts.ok == members.len() { Exit::Ok } else { Exit::Failed })
}
