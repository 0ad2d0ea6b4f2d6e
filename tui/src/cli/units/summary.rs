//! `units --summary`: a line a node, with how many of its units failed and which.

use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::node::Member;
use p2p_shared::services::unit::UnitSummary;
use serde::Serialize;

use super::super::failure::CliError;
use super::super::output::{Row, Streams};
use super::super::session::{Account, Session};
use super::UnitsArgs;

/// The units of a node in short. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct SummaryRow {
    node: NodeName,
    active: u32,
    inactive: u32,
    changing: u32,
    failed: u32,
    failed_units: Vec<String>,
}

impl Row for SummaryRow {
    const TITLES: &'static [&'static str] =
        &["NODE", ">ACTIVE", ">INACTIVE", ">CHANGING", ">FAILED", "WHICH"];

    fn cells(&self) -> Vec<String> {
        let counts = [self.active, self.inactive, self.changing, self.failed].map(|count| count.to_string());
        let mut cells = vec![self.node.to_string()];
        cells.extend(counts);
        cells.push(self.failed_units.join(" "));
        cells
    }
}

/// Asks each node once.
pub(super) async fn run(
    session: &Session,
    args: &UnitsArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let targets = session.readable(&args.list.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    let question = |node: NodeHandle| async move {
        let first = node.unit().summary().await?.next().await?;
        first.ok_or_else(|| RpcError::unavailable("it ended its watch"))
    };
    let answered = |target: &Member, answer: Result<UnitSummary, RpcError>| {
        match answer {
            Ok(UnitSummary { active, inactive, changing, failed, failed_units, .. }) => {
                let node = target.name.clone();
                rows.push(SummaryRow { node, active, inactive, changing, failed, failed_units });
            }
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, question, answered).await?;
    rows.sort_by(|a, b| a.node.cmp(&b.node));
    streams.rows(&rows, args.list.output)?;
    Ok(account.exit_of(&targets.members))
}
