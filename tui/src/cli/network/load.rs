//! `network throughput`: how fast bytes go between two nodes, or between here and nodes, each way.

use clap::Args;
use p2p_shared::error::Exit;
use p2p_shared::id::NodeName;
use p2p_shared::load;
use p2p_shared::services::network::{LOAD_BYTES_MAX, LoadReport, LoadRequest, ThroughputReport};
use p2p_shared::time::Millis;
use serde::Serialize;

use super::super::failure::CliError;
use super::super::output::{Format, Row, Streams};
use super::super::pace::span;
use super::super::session::{Account, Session};
use super::between;
use super::probes::millis;
use crate::format;
use crate::selector::Selector;

/// What `network throughput` takes.
#[derive(Clone, Debug, Args)]
pub struct LoadArgs {
    /// Between which two nodes: the first one measures, straight to the second
    #[arg(num_args = 2, value_names = ["FROM", "TO"], conflicts_with = "on", required_unless_present = "on")]
    between: Vec<NodeName>,
    /// Or between here and which nodes: names, globs, labels; and, or, not, ( )
    #[arg(long, value_name = "SELECTOR")]
    on: Option<Selector>,
    /// How long each way, at most 10s; between two nodes at most 4500ms
    #[arg(short, long, value_name = "T", default_value = "2s", value_parser = span)]
    time: Millis,
    /// Most megabytes each way between here and a node
    #[arg(long, value_name = "MB", conflicts_with = "between", value_parser = clap::value_parser!(u64).range(1..=4_096))]
    megabytes: Option<u64>,
    /// How to write the rows
    #[arg(short, long, value_enum, default_value_t)]
    output: Format,
}

/// What was measured. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct LoadRow {
    node: NodeName,
    rtt_ms: f32,
    down_bytes: u64,
    down_bytes_per_s: u64,
    up_bytes: u64,
    up_bytes_per_s: u64,
}

impl LoadRow {
    fn new(name: &NodeName, report: ThroughputReport) -> Self {
        let ThroughputReport { round_trips, sent: up, received: down } = report;
        Self {
            node: name.clone(),
            rtt_ms: round_trips.min_ms,
            down_bytes: down.bytes,
            down_bytes_per_s: per_second(down),
            up_bytes: up.bytes,
            up_bytes_per_s: per_second(up),
        }
    }
}

impl Row for LoadRow {
    const TITLES: &'static [&'static str] = &["NODE", ">RTT", ">DOWN/s", ">UP/s", ">MOVED"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.to_string(),
            format!("{:.2} ms", self.rtt_ms),
            format::bytes(self.down_bytes_per_s),
            format::bytes(self.up_bytes_per_s),
            format::bytes(self.down_bytes + self.up_bytes),
        ]
    }
}

/// Measures between two nodes, or from here to one node after the other: side by side they would measure each other.
pub(super) async fn run(
    session: &Session,
    args: &LoadArgs,
    streams: &mut Streams<'_>,
) -> Result<Exit, CliError> {
    let (time_ms, output) = (millis(args.time).unwrap_or(u32::MAX), args.output);
    let on = match (args.between.as_slice(), &args.on) {
        ([from, to], _) => return between::run(session, (from, to), (time_ms, output), streams).await,
        (_, Some(on)) => on,
        (_, None) => return Err(CliError::usage("name two nodes, or say --on which nodes from here")),
    };
    let bytes_max = Some(args.megabytes.map_or(LOAD_BYTES_MAX, |megabytes| megabytes << 20));
    let requests = load::requests(time_ms).map(|request| LoadRequest { bytes_max, ..request });
    let targets = session.readable(on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows = Vec::new();
    for target in &targets.members {
        let measured = match session.reach(target).await {
            Ok(node) => load::measure([(); 3].map(|()| node.clone()), requests.clone()).await,
            Err(error) => Err(error),
        };
        match measured.map(|report| LoadRow::new(&target.name, report)) {
            Ok(row) if output == Format::Jsonl => streams.json_line(&row)?,
            Ok(row) => rows.push(row),
            Err(error) => account.failed(target, &error, streams),
        }
    }
    if output != Format::Jsonl {
        streams.rows(&rows, output)?;
    }
    Ok(account.exit_of(&targets.members))
}

pub(super) fn per_second(report: LoadReport) -> u64 {
    if report.elapsed_ms <= 0.0 {
        return 0;
    }
    (report.bytes as f64 * 1_000.0 / f64::from(report.elapsed_ms)) as u64
}
