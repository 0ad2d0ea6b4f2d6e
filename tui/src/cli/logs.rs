//! `logs` (alias `journal`): the journals of nodes, merged in the order of time, each line with its node.
//!
//! Entries are put in order by the time that their node wrote, corrected by how far its clock is from this
//! machine's; a follow holds them back for as long as the
//! slowest node takes, at most `merge::HOLD`, and tells of a node that lags or is lost.

mod clock;
mod merge;

use std::time::Duration;

use clap::Args;
use futures::StreamExt;
use futures::stream::FuturesUnordered;
use p2p_shared::error::{Code, Exit, RpcError};
use p2p_shared::id::NodeName;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::rpc::client::unary;
use p2p_shared::services::Services;
use p2p_shared::services::journal::{JournalBatch, JournalOrder, JournalPage, JournalRow, query};
use p2p_shared::services::node::Member;
use p2p_shared::time::UnixMillis;
use serde::Serialize;
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};

use self::clock::Offset;
use self::merge::{Lines, Notice};
use super::failure::{CliError, words};
use super::output::{Format, Streams};
use super::session::{Account, Session, now};
use crate::format;
use crate::selector::Selector;

/// Batches that wait to be merged. While it is full, the nodes wait.
const BATCHES_MAX: usize = 64;
/// How often lines are let go.
const TICK: Duration = Duration::from_millis(200);
/// systemd's words for priorities, gravest first.
const PRIORITIES: [&str; 8] = ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];

/// What `logs` takes.
#[derive(Clone, Debug, Args)]
pub struct LogsArgs {
    /// Which nodes
    #[arg(long, value_name = "SELECTOR")]
    pub on: Selector,
    /// Of this unit; without a kind it is a service
    #[arg(short, long, value_name = "UNIT")]
    pub unit: Option<String>,
    /// Of this priority or graver: emerg, alert, crit, err, warning, notice, info, debug, or 0 to 7
    #[arg(short, long, value_name = "PRIORITY", value_parser = priority)]
    pub priority: Option<u8>,
    /// The last so many lines of each node (with --since: the first)
    #[arg(short = 'n', long, value_name = "N", default_value_t = 10)]
    pub lines: u32,
    /// Not before: a span ago (90s, 15m, 2h, 1d), or a time (2026-11-25T10:00:00Z, 2026-11-25)
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: Option<UnixMillis>,
    /// Not after
    #[arg(long, value_name = "TIME", value_parser = moment, conflicts_with = "follow")]
    pub until: Option<UnixMillis>,
    /// Whose message fits this expression (of Perl)
    #[arg(short, long, value_name = "REGEX")]
    pub grep: Option<String>,
    /// Go on with what comes, until ^C
    #[arg(short, long)]
    pub follow: bool,
    /// How to write the lines
    #[arg(short, long, value_enum, default_value_t)]
    pub output: Format,
}

fn priority(text: &str) -> Result<u8, String> {
    let lower = text.to_ascii_lowercase();
    let named = PRIORITIES.iter().position(|word| *word == lower).or_else(|| match lower.as_str() {
        "error" => Some(3),
        "warn" => Some(4),
        _ => lower.parse().ok().filter(|number| *number < PRIORITIES.len()),
    });
    let number = named.and_then(|number| u8::try_from(number).ok());
    number.ok_or_else(|| format!("one of {}, or 0 to 7", PRIORITIES.join(" ")))
}

pub(super) fn moment(text: &str) -> Result<UnixMillis, String> {
    moment_from(text, now())
}

fn moment_from(text: &str, now: UnixMillis) -> Result<UnixMillis, String> {
    let split = text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let unit_ms = match unit {
        "s" => Some(1_000_u64),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        "d" => Some(86_400_000),
        _ => None,
    };
    if let (Ok(number), Some(unit_ms)) = (number.parse::<u64>(), unit_ms) {
        return Ok(UnixMillis(now.0.saturating_sub(number.saturating_mul(unit_ms))));
    }
    let whole = if text.len() == 10 { format!("{text}T00:00:00Z") } else { text.to_owned() };
    whole.parse().map_err(|_| "a span such as 15m, or a time such as 2026-11-25T10:00:00Z".to_owned())
}

/// A line of a node's journal. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct LogRow<'a> {
    node: &'a NodeName,
    /// By the node's clock.
    time_us: u64,
    /// By the clock of this machine.
    corrected_us: u64,
    unit: Option<&'a str>,
    identifier: Option<&'a str>,
    pid: Option<u32>,
    priority: u8,
    message: &'a str,
    is_cut: bool,
    cursor: &'a str,
}

impl<'a> LogRow<'a> {
    fn new((node, offset): (&'a NodeName, Offset), row: &'a JournalRow) -> Self {
        Self {
            node,
            time_us: row.time_us,
            corrected_us: offset.corrected_us(row.time_us),
            unit: row.unit.as_deref(),
            identifier: row.identifier.as_deref(),
            pid: row.pid,
            priority: row.priority,
            message: &row.message,
            is_cut: row.is_cut,
            cursor: &row.cursor,
        }
    }
}

/// A line as journalctl(1) shows it, with the node before it and the priority where it is grave. A message of
/// several lines stays one of them each.
fn line(node: &NodeName, width: usize, row: &JournalRow) -> String {
    let stamp = format::date(UnixMillis(row.time_us / 1_000));
    let ms = row.time_us / 1_000 % 1_000;
    let who = row.identifier.as_deref().or(row.unit.as_deref()).unwrap_or("-");
    let who = format::clean(who);
    let pid = row.pid.map(|pid| format!("[{pid}]")).unwrap_or_default();
    let grave = match PRIORITIES.get(usize::from(row.priority)) {
        Some(word) if row.priority < 5 => format!(" <{word}>"),
        _ => String::new(),
    };
    let head = format!("{stamp}.{ms:03} {node:width$} {who}{pid}:{grave}");
    let mut text = String::new();
    for part in row.message.split('\n') {
        text.push_str(&format!("{head} {}\n", format::clean(part)));
    }
    if row.is_cut {
        text.push_str(&format!("{head} [the message is longer]\n"));
    }
    text
}

/// Prints what there is, or follows.
pub async fn run(session: &Session, args: &LogsArgs, streams: &mut Streams<'_>) -> Result<Exit, CliError> {
    if args.follow && args.output == Format::Json {
        return Err(CliError::usage("an array has an end and --follow has none: use -o jsonl"));
    }
    let targets = session.readable(&args.on, streams)?;
    let mut account = Account::new(targets.unknown);
    if args.follow {
        let stopped = tokio::signal::ctrl_c();
        tokio::select! {
            followed = follow(session, &targets.members, args, (&mut account, streams)) => followed?,
            _ = stopped => return Ok(Exit::Ok),
        }
    } else {
        read(session, &targets.members, args, (&mut account, streams)).await?;
    }
    Ok(account.exit_of(&targets.members))
}

type Report<'a, 'b> = (&'a mut Account, &'a mut Streams<'b>);

async fn read(
    session: &Session,
    members: &[Member],
    args: &LogsArgs,
    (account, streams): Report<'_, '_>,
) -> Result<(), CliError> {
    let mut found: Vec<(NodeName, Offset, JournalRow)> = Vec::new();
    let mut bad = None;
    let question = |node: NodeHandle| async move {
        let offset = offset_of(&node, members).await;
        let order = if args.since.is_some() { JournalOrder::Oldest } else { JournalOrder::Newest };
        let asked = query::Args {
            unit: args.unit.clone(),
            identifier: None,
            priority: args.priority,
            since: args.since.map(|at| offset.shown(at)),
            until: args.until.map(|at| offset.shown(at)),
            text: None,
            regex: args.grep.clone(),
            boot: None,
            cursor: None,
            limit: Some(args.lines),
            order: Some(order),
            fields: None,
        };
        let page = unary::<_, _, JournalPage>(&node, &query::METHOD, &asked).await?;
        Ok((offset, page))
    };
    let answered = |target: &Member, answer: Result<(Offset, JournalPage), RpcError>| {
        match answer {
            Ok((offset, page)) => {
                if let Some(words) = offset.words() {
                    streams.say(&format!("{}: {words}", target.name));
                }
                if page.unreadable > 0 {
                    streams.say(&format!("{}: {} entries cannot be read", target.name, page.unreadable));
                }
                found.extend(page.rows.into_iter().map(|row| (target.name.clone(), offset, row)));
            }
            Err(error) if error.code == Code::BadRequest => bad = Some(error),
            Err(error) => account.failed(target, &error, streams),
        }
        Ok(())
    };
    session.ask(members, question, answered).await?;
    if let Some(error) = bad {
        return Err(senseless(args, &error));
    }
    found.sort_by_cached_key(|(node, offset, row)| (offset.corrected_us(row.time_us), node.clone()));
    let width = width(members);
    match args.output {
        Format::Table => {
            let text: String = found.iter().map(|(node, _, row)| line(node, width, row)).collect();
            streams.data(&text)
        }
        Format::Json => {
            let rows: Vec<LogRow<'_>> =
                found.iter().map(|(node, offset, row)| LogRow::new((node, *offset), row)).collect();
            let text = super::output::json(&rows, true)?;
            streams.data(&format!("{text}\n"))
        }
        Format::Jsonl => found
            .iter()
            .try_for_each(|(node, offset, row)| streams.json_line(&LogRow::new((node, *offset), row))),
    }
}

/// How far the clock of a node is off; of one node alone it does not matter.
async fn offset_of(node: &NodeHandle, members: &[Member]) -> Offset {
    if members.len() > 1 { Offset::of(node).await } else { Offset::default() }
}

/// A question that no node can answer: the same of all of them.
fn senseless(args: &LogsArgs, error: &RpcError) -> CliError {
    let place = args.grep.as_deref().filter(|_| error.message.contains("pattern")).and_then(fault);
    let place =
        place.map(|at| format!(" (at character {at} of {:?})", args.grep.as_deref().unwrap_or_default()));
    CliError::new(Exit::Data, format!("{}{}", error.message, place.unwrap_or_default()))
}

/// At which character an expression is broken, counted from 1, as far as it is one in our own eyes too: under
/// the line that shows it stands a mark.
fn fault(pattern: &str) -> Option<usize> {
    let said = regex::Regex::new(pattern).err()?.to_string();
    let marks =
        said.lines().find(|line| line.contains('^') && line.chars().all(|mark| " ^".contains(mark)))?;
    marks.strip_prefix("    ")?.find('^').map(|at| at + 1)
}

fn width(members: &[Member]) -> usize {
    members.iter().map(|member| member.name.as_str().len()).max().unwrap_or(0)
}

/// What a node's relay tells.
enum Heard {
    /// Its clock, before anything else.
    Clock(Offset),
    Batch(JournalBatch),
    Lost(RpcError),
}

type Told = (usize, Heard);

async fn follow(
    session: &Session,
    members: &[Member],
    args: &LogsArgs,
    (account, streams): Report<'_, '_>,
) -> Result<(), CliError> {
    let (told_tx, mut told) = mpsc::channel::<Told>(BATCHES_MAX);
    let mut relays: FuturesUnordered<_> = members
        .iter()
        .enumerate()
        .map(|(index, _)| relay(session, (index, members), args, told_tx.clone()))
        .collect();
    drop(told_tx);
    let mut lines = Lines::new(members.len(), now());
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let width = width(members);
    let mut is_over = false;
    while !is_over {
        tokio::select! {
            heard = told.recv() => match heard {
                Some((index, Heard::Clock(offset))) => {
                    if let Some(words) = offset.words() {
                        streams.say(&format!("{}: {words}", members[index].name));
                    }
                    lines.set_offset(index, offset);
                }
                Some((index, Heard::Batch(batch))) => {
                    if batch.dropped > 0 {
                        let count = format::plural(usize::try_from(batch.dropped).unwrap_or(usize::MAX), "line");
                        streams.say(&format!("{}: {count} left out: too many at once", members[index].name));
                    }
                    lines.heard(index, batch, now());
                }
                Some((_, Heard::Lost(error))) if error.code == Code::BadRequest => {
                    return Err(senseless(args, &error));
                }
                Some((index, Heard::Lost(error))) => {
                    lines.lost(index);
                    account.failed(&members[index], &error, streams);
                }
                None => is_over = true,
            },
            Some(()) = relays.next() => {}
            _ = tick.tick() => {}
        }
        for (index, notice) in lines.notices(now()) {
            streams.say(&format!("{}: {}", members[index].name, said(notice)));
        }
        let ready = if is_over { lines.rest() } else { lines.ready(now()) };
        for (index, row) in ready {
            let (node, offset) = (&members[index].name, lines.offset(index));
            match args.output {
                Format::Table => streams.data(&line(node, width, &row))?,
                _ => streams.json_line(&LogRow::new((node, offset), &row))?,
            }
        }
    }
    Ok(())
}

const fn said(notice: Notice) -> &'static str {
    match notice {
        Notice::Lags => "lags: nothing was heard of it for 3 s; its lines may come late",
        Notice::Back => "is heard again",
    }
}

/// One node's journal into the queue, until one side ends.
async fn relay(
    session: &Session,
    (index, members): (usize, &[Member]),
    args: &LogsArgs,
    told: mpsc::Sender<Told>,
) {
    let passed = async {
        let node = session.reach(&members[index]).await?;
        let offset = offset_of(&node, members).await;
        // Nobody listens any more once this fails, and then the rest ends too.
        let _ = told.send((index, Heard::Clock(offset))).await;
        let since = args.since.map(|at| offset.shown(at));
        let journal = node.journal();
        let (unit, grep) = (args.unit.clone(), args.grep.clone());
        let lines = Some(args.lines);
        let mut watch = journal.follow(unit, None, args.priority, since, None, grep, None, lines).await?;
        while let Some(batch) = watch.next().await? {
            if told.send((index, Heard::Batch(batch))).await.is_err() {
                return Ok(());
            }
        }
        Err(RpcError::unavailable("it ended its journal"))
    };
    if let Err(error) = passed.await {
        let is_bad = error.code == Code::BadRequest;
        let message = if is_bad { error.message.clone() } else { format!("lost: {}", words(&error)) };
        let error = RpcError { message, ..error };
        // Nobody listens any more: nobody has to know.
        let _ = told.send((index, Heard::Lost(error))).await;
    }
}

#[cfg(test)]
mod tests;
