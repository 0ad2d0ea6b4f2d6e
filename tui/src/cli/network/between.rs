//! `network throughput FROM TO`: how fast bytes go between two nodes, and how long a message takes there and back,
//! under a grant of this operator.

use std::time::Duration;

use p2p_shared::error::Exit;
use p2p_shared::id::NodeName;
use p2p_shared::services::Services;
use p2p_shared::services::network::ThroughputReport;
use p2p_shared::services::node::Member;
use serde::Serialize;

use super::super::failure::CliError;
use super::super::output::{Format, Row, Streams};
use super::super::session::{Session, now};
use super::load::per_second;
use crate::effects::throughput;
use crate::effects::transfer::Operator;
use crate::format;

/// How much longer than what is measured the answer may take.
const LATE: Duration = Duration::from_secs(10);

/// What was measured between two nodes. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct BetweenRow {
    from: NodeName,
    to: NodeName,
    round_trips: u32,
    rtt_min_ms: f32,
    rtt_median_ms: f32,
    rtt_p99_ms: f32,
    sent_bytes: u64,
    sent_bytes_per_s: u64,
    received_bytes: u64,
    received_bytes_per_s: u64,
}

impl BetweenRow {
    fn new(from: &NodeName, to: &NodeName, report: ThroughputReport) -> Self {
        let ThroughputReport { round_trips: rtt, sent, received } = report;
        Self {
            from: from.clone(),
            to: to.clone(),
            round_trips: rtt.count,
            rtt_min_ms: rtt.min_ms,
            rtt_median_ms: rtt.median_ms,
            rtt_p99_ms: rtt.p99_ms,
            sent_bytes: sent.bytes,
            sent_bytes_per_s: per_second(sent),
            received_bytes: received.bytes,
            received_bytes_per_s: per_second(received),
        }
    }
}

impl Row for BetweenRow {
    const TITLES: &'static [&'static str] =
        &["FROM", "TO", ">SENT/s", ">RECEIVED/s", ">RTT MIN", ">MEDIAN", ">P99", ">MOVED"];

    fn cells(&self) -> Vec<String> {
        let ms = |ms: f32| format!("{ms:.2} ms");
        vec![
            self.from.to_string(),
            self.to.to_string(),
            format::bytes(self.sent_bytes_per_s),
            format::bytes(self.received_bytes_per_s),
            ms(self.rtt_min_ms),
            ms(self.rtt_median_ms),
            ms(self.rtt_p99_ms),
            format::bytes(self.sent_bytes + self.received_bytes),
        ]
    }
}

/// Has the first node measure with the second.
pub(super) async fn run(
    session: &Session,
    (from, to): (&NodeName, &NodeName),
    (time_ms, output): (u32, Format),
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let (from, to) = (member(session, from)?, member(session, to)?);
    if from.id == to.id {
        return Err(CliError::usage(format!("{} is both ends: name two nodes", from.name)));
    }
    let operator = Operator { credentials: session.credentials(), now: now() };
    let order = throughput::order(operator, from.id, to, time_ms)?;
    let wait = Duration::from_millis(2 * u64::from(time_ms)) + LATE;
    let node = session.reach(from).await?.with_deadline(wait);
    let report = node.network().throughput(order).await?;
    let row = BetweenRow::new(&from.name, &to.name, report);
    match output {
        Format::Jsonl => streams.json_line(&row)?,
        format => streams.rows(&[row], format)?,
    }
    Ok(Exit::Ok)
}

fn member<'s>(session: &'s Session, name: &NodeName) -> Result<&'s Member, CliError> {
    session.members().iter().find(|member| member.name == *name).ok_or_else(|| {
        CliError::new(Exit::Failed, format!("{name}: no node is called so; `p2p-tui nodes` lists all"))
    })
}
