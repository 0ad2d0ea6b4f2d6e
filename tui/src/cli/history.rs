//! `history`: what became of the figures of nodes, and which processes were busy at a time.
//!
//! Tables are for people: a line a series with its least, mean and greatest value and how it went. JSON has
//! every step. A step of which nothing is known is a gap: a blank in a line, no point in JSON.

mod spark;

use clap::Args;
use p2p_shared::error::{Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::monitor::{Busiest, BusyProcess, History, HistoryPoint, SeriesInfo};
use p2p_shared::services::node::Member;
use p2p_shared::time::{Millis, UnixMillis};
use serde::Serialize;

use super::ListArgs;
use super::failure::CliError;
use super::output::{Format, Row, Streams};
use super::session::{Account, Session, now};
use super::{logs, pace};
use crate::format;

/// What is shown if no series is named.
const USUAL: &str = "cpu_usage_ratio memory_used_ratio load1 pressure_*_some_ratio filesystem_used_ratio* \
                     disk_*_per_second* network_*_bytes_per_second*";

/// What `history` takes.
#[derive(Clone, Debug, Args)]
pub struct HistoryArgs {
    /// Names and globs, such as cpu_usage_ratio or 'filesystem_*' [default: the usual ones]
    #[arg(value_name = "SERIES", conflicts_with_all = ["list_series", "busiest"])]
    pub series: Vec<String>,
    /// Which nodes, and how to print.
    #[command(flatten)]
    pub list: ListArgs,
    /// Where it begins: a span ago (-6h, 90s, 2d), or a time (2026-11-25T10:00:00Z, 2026-11-25)
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true, default_value = "-1h")]
    pub from: UnixMillis,
    /// Where it ends [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    pub to: Option<UnixMillis>,
    /// Length of a step, such as 1s, 10s or 5m; of less than a minute only six hours are kept [default: one
    /// that gives a few hundred points]
    #[arg(long, value_name = "SPAN", value_parser = step)]
    pub step: Option<u32>,
    /// List the series that there are
    #[arg(long = "list", conflicts_with_all = ["from", "to", "step", "busiest"])]
    pub list_series: bool,
    /// Show the processes that were busiest at this time, of the last six hours
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true,
          conflicts_with_all = ["from", "to", "step"])]
    pub busiest: Option<UnixMillis>,
}

/// A time; `-6h` is six hours ago, like `6h`.
fn moment(text: &str) -> Result<UnixMillis, String> {
    if text == "now" { Ok(now()) } else { logs::moment(text.strip_prefix('-').unwrap_or(text)) }
}

fn step(text: &str) -> Result<u32, String> {
    let span = pace::span(text)?;
    let seconds = u32::try_from(span.0 / 1_000).ok().filter(|seconds| *seconds > 0);
    let whole = seconds.filter(|seconds| Millis::from_secs((*seconds).into()) == span);
    whole.ok_or_else(|| "a step is a whole number of seconds".to_owned())
}

/// One series of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct SeriesRow {
    node: NodeName,
    series: String,
    from: UnixMillis,
    to: UnixMillis,
    step_s: u32,
    points: Vec<PointRow>,
}

#[derive(Debug, Serialize)]
struct PointRow {
    at: UnixMillis,
    count: u32,
    min: f32,
    mean: f32,
    max: f32,
}

impl SeriesRow {
    fn all(node: &NodeName, history: History) -> Vec<Self> {
        let (from, to, step_s) = (history.from, history.to, history.step_s);
        let point = |point: HistoryPoint| PointRow {
            at: point.at,
            count: point.count,
            min: point.min,
            mean: point.mean,
            max: point.max,
        };
        let rows = history.series.into_iter().map(|series| Self {
            node: node.clone(),
            series: series.name,
            from,
            to,
            step_s,
            points: series.points.into_iter().map(point).collect(),
        });
        rows.collect()
    }

    /// Least, mean and greatest value of all points together.
    fn sums(&self) -> Option<[f32; 3]> {
        let count: f64 = self.points.iter().map(|point| f64::from(point.count)).sum();
        let sum: f64 = self.points.iter().map(|point| f64::from(point.mean) * f64::from(point.count)).sum();
        let min = self.points.iter().map(|point| point.min).reduce(f32::min)?;
        let max = self.points.iter().map(|point| point.max).reduce(f32::max)?;
        Some([min, ((sum / count) as f32).clamp(min, max), max])
    }

    fn spark(&self) -> String {
        let points = self.points.iter().map(|point| (point.at.0, point.mean, point.count));
        spark::line(points, (self.from.0, self.to.0), is_ratio(&self.series))
    }
}

impl Row for SeriesRow {
    const TITLES: &'static [&'static str] = &["NODE", "SERIES", ">MIN", ">MEAN", ">MAX", ">LAST", "COURSE"];

    fn cells(&self) -> Vec<String> {
        let [min, mean, max] = self.sums().unwrap_or([f32::NAN; 3]);
        let last = self.points.last().map_or(f32::NAN, |point| point.mean);
        let mut cells = vec![self.node.to_string(), self.series.clone()];
        cells.extend([min, mean, max, last].map(|value| value_text(&self.series, value)));
        cells.push(self.spark());
        cells
    }
}

fn unit_of(series: &str) -> &str {
    series.split('{').next().unwrap_or(series)
}

fn is_ratio(series: &str) -> bool {
    unit_of(series).ends_with("_ratio")
}

/// A value in the unit that its series' name ends in.
fn value_text(series: &str, value: f32) -> String {
    let name = unit_of(series);
    let wide = f64::from(value);
    match name {
        _ if !value.is_finite() => "-".to_owned(),
        _ if name.ends_with("_ratio") => format!("{:.1}%", wide * 100.0),
        _ if name.ends_with("_bytes") => format::bytes(value as u64),
        _ if name.ends_with("_bytes_per_second") => format::rate(value as u64),
        _ if name.ends_with("_celsius") => format!("{wide:.0}°"),
        _ if name.ends_with("_seconds") => format!("{:.1}ms", wide * 1_000.0),
        _ => format!("{wide:.2}"),
    }
}

/// A series that there is. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct NameRow {
    node: NodeName,
    series: String,
    current: bool,
}

impl Row for NameRow {
    const TITLES: &'static [&'static str] = &["NODE", "STATE", "SERIES"];

    fn cells(&self) -> Vec<String> {
        let state = if self.current { "current" } else { "gone" };
        vec![self.node.to_string(), state.to_owned(), self.series.clone()]
    }
}

/// A process that was busy. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct BusyRow {
    node: NodeName,
    at: UnixMillis,
    span_ms: u64,
    pid: u32,
    start_ticks: u64,
    name: String,
    user: String,
    cpu_ratio: f32,
    rss_bytes: u64,
}

impl BusyRow {
    fn all(node: &NodeName, busiest: Busiest) -> Vec<Self> {
        let (at, span_ms) = (busiest.at, busiest.span_ms);
        let row = |process: BusyProcess| Self {
            node: node.clone(),
            at,
            span_ms,
            pid: process.key.pid,
            start_ticks: process.key.start_ticks,
            name: process.name,
            user: process.user,
            cpu_ratio: process.cpu_ratio,
            rss_bytes: process.rss_bytes,
        };
        busiest.processes.into_iter().map(row).collect()
    }
}

impl Row for BusyRow {
    const TITLES: &'static [&'static str] = &["TIME", "NODE", ">PID", "USER", ">CPU%", ">RSS", "NAME"];

    fn cells(&self) -> Vec<String> {
        vec![
            format::date(self.at),
            self.node.to_string(),
            self.pid.to_string(),
            self.user.clone(),
            format::cpu(self.cpu_ratio),
            format::bytes(self.rss_bytes),
            self.name.clone(),
        ]
    }
}

/// Shows it; a node that does not answer is told.
pub async fn run(session: &Session, args: &HistoryArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    if args.list_series {
        let ask = |node: NodeHandle| async move { node.monitor().series().await };
        let rows = |node: &NodeName, series: Vec<SeriesInfo>| {
            let row =
                |info: SeriesInfo| NameRow { node: node.clone(), series: info.name, current: info.current };
            series.into_iter().map(row).collect()
        };
        return ask_all(session, &args.list, streams, (ask, rows)).await;
    }
    if let Some(at) = args.busiest {
        let ask = |node: NodeHandle| async move {
            let found = node.monitor().busiest(at).await?;
            found.ok_or_else(|| RpcError::not_found("nothing is kept of the processes at this time"))
        };
        return ask_all(session, &args.list, streams, (ask, BusyRow::all)).await;
    }
    let to = args.to.unwrap_or_else(now);
    if args.from >= to {
        return Err(CliError::usage("--from must lie before --to"));
    }
    let series = named(&args.series);
    let ask = |node: NodeHandle| {
        let series = series.clone();
        async move { node.monitor().history(series, args.from, to, args.step).await }
    };
    ask_all(session, &args.list, streams, (ask, SeriesRow::all)).await
}

/// As the node takes it: a space in a name is any character there.
fn named(series: &[String]) -> String {
    if series.is_empty() {
        return USUAL.to_owned();
    }
    series.iter().map(|name| name.trim().replace(char::is_whitespace, "?")).collect::<Vec<_>>().join(" ")
}

async fn ask_all<T, R: Row, Fut: Future<Output = Result<T, RpcError>>>(
    session: &Session,
    args: &ListArgs,
    streams: &mut Streams<'_>,
    (ask, rows_of): (impl Fn(NodeHandle) -> Fut, impl Fn(&NodeName, T) -> Vec<R>),
) -> Result<Exit, CliError> {
    let targets = session.readable(&args.on, streams)?;
    let mut account = Account::new(targets.unknown);
    let mut rows: Vec<(NodeName, Vec<R>)> = Vec::new();
    let answered = |target: &Member, answer: Result<T, RpcError>| {
        match answer.map(|answer| rows_of(&target.name, answer)) {
            Ok(found) if args.output == Format::Jsonl => {
                found.iter().try_for_each(|row| streams.json_line(row))?;
            }
            Ok(found) => rows.push((target.name.clone(), found)),
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(&targets.members, ask, answered).await?;
    if args.output != Format::Jsonl {
        rows.sort_by(|one, other| one.0.cmp(&other.0));
        let rows: Vec<R> = rows.into_iter().flat_map(|(_, rows)| rows).collect();
        streams.rows(&rows, args.output)?;
    }
    Ok(account.exit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(series: &str, points: &[(u64, f32)]) -> SeriesRow {
        let point = |&(at_ms, value): &(u64, f32)| PointRow {
            at: UnixMillis(at_ms),
            count: 1,
            min: value - 0.1,
            mean: value,
            max: value + 0.1,
        };
        SeriesRow {
            node: "web-1".parse().unwrap(),
            series: series.into(),
            from: UnixMillis(0),
            to: UnixMillis(60_000),
            step_s: 1,
            points: points.iter().map(point).collect(),
        }
    }

    #[test]
    fn values_are_written_in_the_unit_of_their_name() {
        for (series, value, text) in [
            ("cpu_usage_ratio", 0.125, "12.5%"),
            ("filesystem_available_bytes{mountpoint=\"/a_ratio\"}", 2_048.0, "2.0K"),
            ("network_receive_bytes_per_second{interface=\"lo\"}", 0.0, "0B/s"),
            ("mesh_rtt_seconds", 0.0015, "1.5ms"),
            ("load1", 1.5, "1.50"),
            ("load1", f32::NAN, "-"),
        ] {
            assert_eq!(value_text(series, value), text, "{series}");
        }
    }

    #[test]
    fn a_line_sums_its_points_up() {
        let cells = row("load1", &[(0, 1.0), (59_000, 3.0)]).cells();
        assert_eq!(cells[2..6], ["0.90", "2.00", "3.10", "3.00"]);
    }

    #[test]
    fn times_may_have_a_minus_and_steps_are_whole_seconds() {
        let apart = now().since(moment("-6h").unwrap()).0.abs_diff(6 * 3_600_000);
        assert!(apart < 60_000, "{apart}");
        assert!(moment("2026-11-25T10:00:00Z").is_ok() && moment("yesterday").is_err());
        assert_eq!(step("5m"), Ok(300));
        assert!(step("1500ms").is_err() && step("0s").is_err() && step("500ms").is_err());
    }

    #[test]
    fn spaces_in_names_fit_any_character() {
        assert_eq!(named(&["a{m=\"/my disk\"}".into(), "b".into()]), "a{m=\"/my?disk\"} b");
        assert_eq!(named(&[]), USUAL);
    }
}
