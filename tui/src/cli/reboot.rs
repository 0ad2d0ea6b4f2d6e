//! `reboot --on SELECTOR`: machines start anew, one at a time unless told otherwise; ok means that the boot id
//! of the machine is another one than before.

use std::cell::RefCell;
use std::time::Duration;

use clap::Args;
use p2p_shared::error::{Code, Exit, RpcError};
use p2p_shared::fanout::drive::drive;
use p2p_shared::fanout::{Counts, Outcome, Share};
use p2p_shared::services::Services;
use p2p_shared::services::exec::{CommandLine, ExecExit, ExecRequest};
use p2p_shared::services::node::Member;
use p2p_shared::time::Millis;
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::failure::{CliError, words};
use super::output::{Format, Streams, json};
use super::pace::{self, Pace, called_off, reach, span};
use super::session::Session;
use crate::effects::exec::command;
use crate::selector::Selector;

/// How often a machine is asked whether it is back; nobody tells by itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long one such question may take: a machine that goes down falls silent in the middle of it.
const LOOK_MAX: Duration = Duration::from_secs(6);
/// What is run where nothing else is given.
const REBOOT: [&str; 2] = ["systemctl", "reboot"];

/// What `reboot` takes.
#[derive(Clone, Debug, Args)]
pub struct RebootArgs {
    /// Which nodes
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// How it goes over many; one at a time unless told otherwise.
    #[command(flatten)]
    pub pace: Pace,
    /// How long a machine may take to be back
    #[arg(long, value_name = "T", value_parser = span, default_value = "10m")]
    pub timeout: Millis,
    /// Do not ask
    #[arg(short, long)]
    pub yes: bool,
    /// How to write how each ended
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
    /// What makes it start anew [default: systemctl reboot]
    #[arg(last = true, value_name = "CMD ARG...")]
    pub command: Vec<String>,
}

impl RebootArgs {
    fn request(&self) -> ExecRequest {
        let given = self.command.clone();
        let mut words = if given.is_empty() { REBOOT.map(str::to_owned).to_vec() } else { given };
        let program = words.remove(0);
        ExecRequest {
            command: CommandLine::Program { program, arguments: words },
            directory: Some("/".into()),
            user: None,
            environment: Vec::new(),
            timeout_ms: Some(self.timeout.0),
            output_bytes_max: Some(1 << 10),
        }
    }
}

/// How one machine ended. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct BootRow {
    node: String,
    outcome: Outcome,
    code: Option<i32>,
    error: Option<String>,
}

#[derive(Serialize)]
struct Whole<'a> {
    targets: &'a [BootRow],
    counts: Counts,
}

/// Asks, and starts them anew.
pub async fn run(session: &Session, args: &RebootArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let members = session.writable(&args.on, streams)?;
    let pace = Pace { batch: args.pace.batch.or(Some(Share::Count(1))), ..args.pace.clone() };
    let plan = pace.plan(Some(args.timeout));
    if pace.dry_run {
        pace::dry_run(&members, &plan, args.output, streams)?;
        return Ok(Exit::Ok);
    }
    if !args.yes {
        agreed(&members, streams)?;
    }
    let row = |member: &Member| BootRow {
        node: member.name.to_string(),
        outcome: Outcome::Skipped,
        code: None,
        error: None,
    };
    let rows: RefCell<Vec<BootRow>> = RefCell::new(members.iter().map(row).collect());
    let request = args.request();
    let begin = |index: usize| {
        let (member, rows, request) = (&members[index], &rows, &request);
        async move {
            let (outcome, code, error) = match start_anew(session, member, request).await {
                Ok(None) => (Outcome::Ok, None, None),
                Ok(Some(exit)) => (Outcome::Failed, exit.code, Some(refused(&exit))),
                Err(error) => (Outcome::of(&error), None, Some(words(&error))),
            };
            let row = &mut rows.borrow_mut()[index];
            (row.code, row.error) = (code, error);
            outcome
        }
    };
    let counts = drive(plan, members.len(), begin, called_off(), |index, outcome| {
        let row = &mut rows.borrow_mut()[index];
        row.outcome = outcome;
        told(row, args.output, streams)
    })
    .await?;
    match args.output {
        Format::Json => {
            let text = json(&Whole { targets: &rows.borrow(), counts }, true)?;
            streams.data(&format!("{text}\n"))?;
        }
        Format::Table | Format::Jsonl => streams.tell(&counts.to_string()),
    }
    Ok(if counts.ok == members.len() { Exit::Ok } else { Exit::Failed })
}

fn told(row: &BootRow, format: Format, streams: &mut Streams<'_>) -> Result<(), CliError> {
    match format {
        Format::Jsonl => streams.json_line(row),
        Format::Json => Ok(()),
        Format::Table => {
            let late =
                (row.outcome == Outcome::TimedOut).then_some("it has not come back with another boot id");
            let more = row.error.as_deref().or(late).map(|why| format!(": {why}")).unwrap_or_default();
            streams.data(&format!(
                "{}: {}\n",
                row.node,
                crate::format::clean(&format!("{}{more}", row.outcome.words()))
            ))
        }
    }
}

fn refused(exit: &ExecExit) -> String {
    exit.problem.clone().unwrap_or_else(|| match exit.code {
        Some(code) => format!("the command that should start it anew ended with {code}"),
        None => "the command that should start it anew was killed".to_owned(),
    })
}

/// Starts one machine anew and waits until it is back; what its command ended with if that failed.
async fn start_anew(
    session: &Session,
    member: &Member,
    request: &ExecRequest,
) -> Result<Option<ExecExit>, RpcError> {
    let node = reach(session, member).await?;
    let before = node.node().info().await?.boot_id;
    match command(&node, request, |_| {}).await {
        Ok(exit) if exit.code != Some(0) && exit.signal.is_none() => return Ok(Some(exit)),
        // The machine may be quicker than its answer.
        Ok(_) | Err(RpcError { code: Code::Unavailable | Code::Cancelled, .. }) => {}
        Err(error) => return Err(error),
    }
    let mut looks = interval(LOOK_EVERY);
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        looks.tick().await;
        let look = async { reach(session, member).await?.node().info().await };
        if let Ok(Ok(info)) = timeout(LOOK_MAX, look).await
            && info.boot_id != before
        {
            return Ok(None);
        }
    }
}

/// Asks the person at the terminal: for one machine a yes, for more their number. Where there is no terminal,
/// only `--yes` will do.
fn agreed(members: &[Member], streams: &mut Streams<'_>) -> Result<(), CliError> {
    let answer = match members {
        [one] => streams.confirm(&format!("Start the machine of {} anew?", one.name)),
        _ => streams
            .number(&format!("Start {} machines anew? Type their number:", members.len()), members.len()),
    };
    match answer {
        Some(true) => Ok(()),
        Some(false) => Err(CliError::new(Exit::Failed, "nothing was started anew")),
        None => Err(CliError::usage("there is no terminal to ask on: add --yes to do it without asking")),
    }
}
