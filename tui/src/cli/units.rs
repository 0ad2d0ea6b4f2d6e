//! `units [VERB UNIT]`: what systemd runs on nodes, seen and controlled.

mod summary;

use std::time::Duration;

use clap::{Args, Subcommand};
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::node::Member;
use p2p_shared::services::unit::{
    ActiveState, FileReport, JobReport, JobResult, LoadState, UnitInfo, UnitList,
};
use p2p_shared::time::UnixMillis;
use serde::Serialize;

use super::ListArgs;
use super::failure::CliError;
use super::output::{Format, Row, Streams};
use super::session::{Account, Session, now};
use crate::format;
use crate::selector::Selector;

/// How long a job is waited for.
const PATIENCE: Duration = Duration::from_secs(120);

/// What `units` takes.
#[derive(Clone, Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct UnitsArgs {
    /// What to do; without it units are listed.
    #[command(subcommand)]
    pub verb: Option<UnitVerb>,
    /// Whose, and how to print.
    #[command(flatten)]
    pub list: ListArgs,
    /// Units that do nothing too, and those that are only files
    #[arg(short, long)]
    pub all: bool,
    /// Of this kind: service, timer, socket, mount, ...
    #[arg(short, long, value_name = "KIND")]
    pub kind: Option<String>,
    /// In this state: failed, running, enabled, ...
    #[arg(short, long, value_name = "STATE")]
    pub state: Option<String>,
    /// A line a node: how many are in which state, and which failed
    #[arg(long, conflicts_with_all = ["all", "kind", "state", "filter"])]
    pub summary: bool,
    /// Whose name or description contains this
    #[arg(value_name = "TEXT")]
    pub filter: Option<String>,
}

/// What is done to a unit.
#[derive(Clone, Debug, Subcommand)]
pub enum UnitVerb {
    /// Start a unit
    Start(ActArgs),
    /// Stop a unit
    Stop(ForceArgs),
    /// Restart a unit
    Restart(ActArgs),
    /// Let a unit read its configuration again
    Reload(ActArgs),
    /// Let a unit start at boot
    Enable(ActArgs),
    /// Let a unit start at boot no longer
    Disable(ForceArgs),
    /// Make a unit impossible to start
    Mask(ForceArgs),
    /// Make it possible again
    Unmask(ActArgs),
}

/// Which unit, where.
#[derive(Clone, Debug, Args)]
pub struct ActArgs {
    /// The unit's exact name; without a kind it is a service
    pub unit: String,
    /// On which nodes
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// How to write what came of it
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

/// The same, where a node can take itself away.
#[derive(Clone, Debug, Args)]
pub struct ForceArgs {
    /// Which, where.
    #[command(flatten)]
    pub act: ActArgs,
    /// Also if it takes the node out of the mesh
    #[arg(long)]
    pub force: bool,
}

/// A unit of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct UnitRow {
    node: NodeName,
    unit: String,
    load: LoadState,
    active: ActiveState,
    sub: String,
    file_state: Option<String>,
    main_pid: Option<u32>,
    memory_bytes: Option<u64>,
    cpu_time_ms: Option<u64>,
    since: Option<UnixMillis>,
    description: String,
    /// How long it is so, as far as this machine's clock can tell.
    #[serde(skip)]
    age_ms: Option<u64>,
}

impl UnitRow {
    fn new(node: &NodeName, info: UnitInfo) -> Self {
        Self {
            node: node.clone(),
            unit: info.name,
            load: info.load,
            active: info.active,
            sub: info.sub,
            file_state: info.file_state,
            main_pid: info.main_pid,
            memory_bytes: info.memory_bytes,
            cpu_time_ms: info.cpu_time_ms,
            since: info.since,
            description: info.description,
            age_ms: info.since.map(|since| now().since(since).0),
        }
    }
}

impl Row for UnitRow {
    const TITLES: &'static [&'static str] =
        &["NODE", "UNIT", "ACTIVE", "SUB", "FILE", ">MEM", ">CPU", ">SINCE", "DESCRIPTION"];

    fn cells(&self) -> Vec<String> {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            self.node.to_string(),
            self.unit.clone(),
            self.active.as_str().to_owned(),
            self.sub.clone(),
            or_dash(self.file_state.clone()),
            or_dash(self.memory_bytes.map(format::bytes)),
            or_dash(self.cpu_time_ms.map(format::cpu_time)),
            or_dash(self.age_ms.map(format::span_ms)),
            self.description.clone(),
        ]
    }
}

/// What came of a verb on a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct ReportRow {
    node: NodeName,
    unit: String,
    /// A word of systemd: `done`, `failed`, ...; for a change of files the state that they are in.
    result: String,
    active: Option<ActiveState>,
    sub: Option<String>,
    reason: Option<String>,
    changes: Vec<String>,
    #[serde(skip)]
    is_well: bool,
}

impl ReportRow {
    fn job(node: &NodeName, report: JobReport) -> Self {
        Self {
            node: node.clone(),
            unit: report.unit,
            result: report.result.as_str().to_owned(),
            active: Some(report.active),
            sub: Some(report.sub),
            reason: report.reason,
            changes: Vec::new(),
            // A job that runs on is one of the node's own unit, which nobody can wait for, or a slow one.
            is_well: matches!(report.result, JobResult::Done | JobResult::Running | JobResult::Skipped),
        }
    }

    fn file(node: &NodeName, report: FileReport) -> Self {
        Self {
            node: node.clone(),
            unit: report.unit,
            result: report.file_state,
            active: None,
            sub: None,
            reason: None,
            changes: report.changes,
            is_well: true,
        }
    }
}

impl Row for ReportRow {
    const TITLES: &'static [&'static str] = &["NODE", "UNIT", "RESULT", "ACTIVE", "WHY"];

    fn cells(&self) -> Vec<String> {
        let active = match (self.active, &self.sub) {
            (Some(active), Some(sub)) => format!("{} ({sub})", active.as_str()),
            _ => "-".to_owned(),
        };
        let why = self.reason.clone().unwrap_or_else(|| self.changes.join(", "));
        vec![self.node.to_string(), self.unit.clone(), self.result.clone(), active, why]
    }
}

impl UnitsArgs {
    /// Whether it changes something.
    pub const fn acts(&self) -> bool {
        self.verb.is_some()
    }
}

/// Lists or acts.
pub async fn run(session: &Session, args: &UnitsArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    match &args.verb {
        Some(verb) => act(session, verb, streams).await,
        None if args.summary => summary::run(session, args, streams).await,
        None => list(session, args, streams).await,
    }
}

async fn list(session: &Session, args: &UnitsArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let targets = session.readable(&args.list.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    let ask = |node: NodeHandle| async move {
        node.unit().list(args.filter.clone(), args.kind.clone(), args.state.clone()).await
    };
    let is_meant = |unit: &UnitInfo| {
        args.all || args.state.is_some() || args.filter.is_some() || unit.active != ActiveState::Inactive
    };
    let answered = |target: &Member, answer: Result<UnitList, RpcError>| {
        match answer {
            Ok(list) => {
                if list.left_out > 0 {
                    streams.say(&format!("{}: {} more units are left out", target.name, list.left_out));
                }
                let meant = list.units.into_iter().filter(is_meant);
                let some: Vec<UnitRow> = meant.map(|unit| UnitRow::new(&target.name, unit)).collect();
                if args.list.output == Format::Jsonl {
                    streams.rows(&some, Format::Jsonl)?;
                } else {
                    rows.extend(some);
                }
            }
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    if args.list.output != Format::Jsonl {
        rows.sort_by(|a, b| (&a.node, &a.unit).cmp(&(&b.node, &b.unit)));
        streams.rows(&rows, args.list.output)?;
    }
    Ok(account.exit())
}

impl UnitVerb {
    const fn act(&self) -> &ActArgs {
        match self {
            Self::Start(act) | Self::Restart(act) | Self::Reload(act) => act,
            Self::Enable(act) | Self::Unmask(act) => act,
            Self::Stop(force) | Self::Disable(force) | Self::Mask(force) => &force.act,
        }
    }

    async fn ask(&self, node: &NodeHandle) -> Result<ReportRow, RpcError> {
        let (name, unit, units) = (node.name(), self.act().unit.clone(), node.unit());
        Ok(match self {
            Self::Start(_) => ReportRow::job(name, units.start(unit).await?),
            Self::Stop(args) => ReportRow::job(name, units.stop(unit, Some(args.force)).await?),
            Self::Restart(_) => ReportRow::job(name, units.restart(unit).await?),
            Self::Reload(_) => ReportRow::job(name, units.reload(unit).await?),
            Self::Enable(_) => ReportRow::file(name, units.enable(unit).await?),
            Self::Disable(args) => ReportRow::file(name, units.disable(unit, Some(args.force)).await?),
            Self::Mask(args) => ReportRow::file(name, units.mask(unit, Some(args.force)).await?),
            Self::Unmask(_) => ReportRow::file(name, units.unmask(unit).await?),
        })
    }
}

async fn act(session: &Session, verb: &UnitVerb, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    let args = verb.act();
    let targets = session.writable(&args.on, streams)?;
    let mut account = Account::default();
    let mut rows: Vec<ReportRow> = Vec::new();
    let ask = |node: NodeHandle| async move { verb.ask(&node.with_deadline(PATIENCE)).await };
    let answered = |target: &Member, answer: Result<ReportRow, RpcError>| {
        match answer {
            Ok(row) if args.output == Format::Jsonl => {
                streams.json_line(&row)?;
                rows.push(row);
            }
            Ok(row) => rows.push(row),
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets, ask, answered).await?;
    if args.output != Format::Jsonl {
        rows.sort_by(|a, b| a.node.cmp(&b.node));
        streams.rows(&rows, args.output)?;
    }
    let is_well = rows.iter().all(|row| row.is_well);
    Ok(if is_well { account.exit_of(&targets) } else { Exit::Failed })
}

#[cfg(test)]
mod tests {
    use super::super::output::{json, table};
    use super::*;

    #[test]
    fn the_shape_for_scripts_is_stable() {
        let info = UnitInfo {
            name: "nginx.service".into(),
            description: "web\u{1b}[2J".into(),
            load: LoadState::Loaded,
            active: ActiveState::Failed,
            sub: "failed".into(),
            file_state: Some("enabled".into()),
            main_pid: None,
            memory_bytes: Some(2_097_152),
            cpu_time_ms: Some(61_250),
            since: None,
        };
        let row = UnitRow::new(&"web-1".parse().unwrap(), info);
        let expected = "NODE   UNIT           ACTIVE  SUB     FILE      MEM      CPU  SINCE  DESCRIPTION\n\
                        web-1  nginx.service  failed  failed  enabled  2.0M  1:01.25      -  web^[[2J\n";
        assert_eq!(table(std::slice::from_ref(&row), None), expected);
        let text = json(&row, false).unwrap();
        for part in
            ["\"node\":\"web-1\"", "\"active\":\"failed\"", "\"file_state\":\"enabled\"", "\"since\":null"]
        {
            assert!(text.contains(part), "{text}");
        }
    }

    #[test]
    fn a_job_that_failed_is_no_success() {
        let report = |result| JobReport {
            unit: "a.service".into(),
            result,
            active: ActiveState::Failed,
            sub: "failed".into(),
            reason: None,
        };
        let node = "web-1".parse().unwrap();
        for (result, expected) in [
            (JobResult::Done, true),
            (JobResult::Running, true),
            (JobResult::Failed, false),
            (JobResult::Dependency, false),
            (JobResult::Unknown, false),
        ] {
            assert_eq!(ReportRow::job(&node, report(result)).is_well, expected);
        }
    }
}
