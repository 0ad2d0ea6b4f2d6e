//! What a command on many nodes prints: lines that say whose they are, or one object a node; and the sum.

use p2p_shared::fanout::group::{Ending, Group, Summary, group};
use p2p_shared::fanout::normal::normalize;
use p2p_shared::fanout::{Counts, Outcome};
use p2p_shared::services::exec::{ExecExit, ExecItem};
use p2p_shared::services::job::JobId;
use serde::Serialize;

use super::super::failure::CliError;
use super::super::output::{Format, Streams, json};
use super::remark;
use crate::format;

/// A line that is longer is written in pieces.
const LINE_BYTES_MAX: usize = 8 << 10;
/// Names that a group's title holds.
const NAMES_MAX: usize = 8;

/// How it is written.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub format: Format,
    pub group: bool,
    pub normalize: bool,
}

/// Everything that came so far.
pub(super) struct Report<'a, 'b> {
    names: Vec<String>,
    targets: Vec<Gathered>,
    style: Style,
    streams: &'a mut Streams<'b>,
    broken: Option<CliError>,
}

#[derive(Default)]
struct Gathered {
    out: Vec<u8>,
    err: Vec<u8>,
    exit: Option<ExecExit>,
    error: Option<String>,
    outcome: Option<Outcome>,
    job: Option<JobId>,
}

/// One target in JSON. The names of the fields are stable.
#[derive(Serialize)]
struct TargetRow<'a> {
    node: &'a str,
    outcome: Outcome,
    code: Option<i32>,
    signal: Option<i32>,
    stdout: String,
    stderr: String,
    duration_ms: Option<u64>,
    cut_bytes: u64,
    error: Option<String>,
    /// With `--detach` alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<&'a JobId>,
}

#[derive(Serialize)]
struct Whole<'a> {
    targets: Vec<TargetRow<'a>>,
    counts: Counts,
}

#[derive(Serialize)]
struct GroupRow<'a> {
    nodes: Vec<&'a str>,
    outcome: Outcome,
    code: Option<i32>,
    text: &'a str,
}

#[derive(Serialize)]
struct Grouped<'a> {
    targets: Vec<TargetRow<'a>>,
    counts: Counts,
    groups: Vec<GroupRow<'a>>,
}

impl<'a, 'b> Report<'a, 'b> {
    pub(super) fn new(names: Vec<String>, style: Style, streams: &'a mut Streams<'b>) -> Self {
        let targets = names.iter().map(|_| Gathered::default()).collect();
        Self { names, targets, style, streams, broken: None }
    }

    fn is_live(&self) -> bool {
        self.style.format == Format::Table && !self.style.group
    }

    /// A target wrote something.
    pub(super) fn said(&mut self, index: usize, item: ExecItem) {
        let live = self.is_live();
        let target = &mut self.targets[index];
        let (held, is_error) = match item {
            ExecItem::Stdout(bytes) => (append(&mut target.out, bytes), false),
            ExecItem::Stderr(bytes) => (append(&mut target.err, bytes), true),
            ExecItem::Exit(_) => return,
        };
        if live {
            let end = match held.iter().rposition(|byte| *byte == b'\n') {
                Some(at) => at + 1,
                None if held.len() >= LINE_BYTES_MAX => held.len(),
                None => return,
            };
            let lines: Vec<u8> = held.drain(..end).collect();
            self.lines(index, &lines, is_error);
        }
    }

    fn lines(&mut self, index: usize, bytes: &[u8], is_error: bool) {
        let text = String::from_utf8_lossy(bytes);
        let name = &self.names[index];
        let lines: String = text.lines().map(|line| format!("{name}: {}\n", shown(line))).collect();
        if is_error {
            // That standard error takes nothing is nobody's business.
            let _ = self.streams.err.write_all(lines.as_bytes());
        } else if let Err(error) = self.streams.data(&lines) {
            self.broken.get_or_insert(error);
        }
    }

    /// It has a job now.
    pub(super) fn queued(&mut self, index: usize, id: &JobId) {
        self.targets[index].job = Some(id.clone());
    }

    /// Prints the id of a job that nobody waits for: of a lone node its id and nothing else.
    pub(super) fn id(&mut self, index: usize) {
        if let (true, Some(id)) = (self.is_live(), &self.targets[index].job) {
            let line = if self.names.len() == 1 {
                format!("{id}\n")
            } else {
                format!("{}: {id}\n", self.names[index])
            };
            if let Err(error) = self.streams.data(&line) {
                self.broken.get_or_insert(error);
            }
        }
    }

    /// One line for people.
    pub(super) fn say(&mut self, line: &str) {
        self.streams.say(line);
    }

    /// Its command ended.
    pub(super) fn exited(&mut self, index: usize, exit: ExecExit) {
        let target = &mut self.targets[index];
        target.error = remark(&exit);
        target.exit = Some(exit);
    }

    /// It could not be asked, or did not answer to the end.
    pub(super) fn failed(&mut self, index: usize, words: String) {
        self.targets[index].error = Some(words);
    }

    /// It ended, and this is what it counts as.
    pub(super) fn ended(&mut self, index: usize, outcome: Outcome) -> Result<(), CliError> {
        self.targets[index].outcome = Some(outcome);
        if self.is_live() {
            let rest = std::mem::take(&mut self.targets[index].out);
            self.lines(index, &rest, false);
            let rest = std::mem::take(&mut self.targets[index].err);
            self.lines(index, &rest, true);
            self.remark(index, outcome);
        }
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        if self.style.format == Format::Jsonl {
            let text = json(&self.row(index), false)?;
            self.streams.data(&format!("{text}\n"))?;
        }
        Ok(())
    }

    /// Says of one target why it did not end well; that it never began is in the sum.
    fn remark(&mut self, index: usize, outcome: Outcome) {
        let target = &self.targets[index];
        let code = target.exit.as_ref().and_then(|exit| exit.code);
        let words = match (outcome, &target.error, code) {
            (Outcome::Ok | Outcome::Skipped, None, _) => return,
            (Outcome::Ok | Outcome::Failed, Some(error), _) => error.clone(),
            (Outcome::Failed, None, Some(code)) => format!("exit code {code}"),
            (_, Some(error), _) => format!("{}: {error}", outcome.words()),
            (_, None, _) => outcome.words().to_owned(),
        };
        let line = format!("{}: {words}", self.names[index]);
        self.streams.say(&line);
    }

    fn row(&self, index: usize) -> TargetRow<'_> {
        let target = &self.targets[index];
        let exit = target.exit.as_ref();
        TargetRow {
            node: &self.names[index],
            outcome: self.outcome(index),
            code: exit.and_then(|exit| exit.code),
            signal: exit.and_then(|exit| exit.signal),
            stdout: String::from_utf8_lossy(&target.out).into_owned(),
            stderr: String::from_utf8_lossy(&target.err).into_owned(),
            duration_ms: exit.map(|exit| exit.duration_ms),
            cut_bytes: exit.map_or(0, |exit| exit.cut_bytes),
            error: target.error.clone(),
            job: target.job.as_ref(),
        }
    }

    /// What a target counts as.
    pub(super) fn outcome(&self, index: usize) -> Outcome {
        self.targets[index].outcome.unwrap_or(Outcome::Skipped)
    }

    /// How its command ended, if it did.
    pub(super) fn exit(&self, index: usize) -> Option<&ExecExit> {
        self.targets[index].exit.as_ref()
    }

    /// What is left to be written once all have ended.
    pub(super) fn finish(&mut self, counts: &Counts) -> Result<(), CliError> {
        let rows = || (0..self.names.len()).map(|index| self.row(index)).collect();
        let groups = if self.style.group { self.groups() } else { Vec::new() };
        let text = match (self.style.format, self.style.group) {
            (Format::Json, false) => {
                format!("{}\n", json(&Whole { targets: rows(), counts: *counts }, true)?)
            }
            (Format::Json, true) => {
                let groups = groups.iter().map(|group| self.group_row(group)).collect();
                format!("{}\n", json(&Grouped { targets: rows(), counts: *counts, groups }, true)?)
            }
            (Format::Table, true) => groups.iter().map(|group| self.group_text(group)).collect(),
            (Format::Table, false) | (Format::Jsonl, _) => String::new(),
        };
        self.streams.data(&text)?;
        if self.style.group {
            self.streams.tell(&Summary(&groups).to_string());
        }
        if self.style.format != Format::Json && (self.names.len() > 1 || counts.ok == 0) {
            self.streams.tell(&counts.to_string());
        }
        Ok(())
    }

    fn groups(&self) -> Vec<Group> {
        group(self.targets.iter().enumerate().map(|(index, target)| {
            let mut text = String::from_utf8_lossy(&target.out).into_owned();
            text.push_str(&String::from_utf8_lossy(&target.err));
            text.push_str(target.error.as_deref().unwrap_or_default());
            if self.style.normalize {
                text = normalize(&text, &self.names[index]);
            }
            let code = target.exit.as_ref().and_then(|exit| exit.code);
            Ending { outcome: self.outcome(index), code, text }
        }))
    }

    fn group_row<'g>(&'g self, group: &'g Group) -> GroupRow<'g> {
        let Ending { outcome, code, text } = &group.ending;
        let nodes = group.targets.iter().map(|&index| self.names[index].as_str()).collect();
        GroupRow { nodes, outcome: *outcome, code: *code, text }
    }

    fn group_text(&self, group: &Group) -> String {
        let count = group.targets.len();
        let shown_names: Vec<&str> =
            group.targets.iter().take(NAMES_MAX).map(|&index| self.names[index].as_str()).collect();
        let more = if count > NAMES_MAX { format!(" and {} more", count - NAMES_MAX) } else { String::new() };
        let code = match (group.ending.outcome, group.ending.code) {
            (Outcome::Failed, Some(code)) => format!(" ({code})"),
            _ => String::new(),
        };
        let title =
            format!("== {count} {}{code}: {}{more}\n", group.ending.outcome.words(), shown_names.join(","));
        let lines = group.ending.text.lines().map(|line| format!("{}\n", shown(line)));
        std::iter::once(title).chain(lines).collect()
    }
}

fn append(held: &mut Vec<u8>, bytes: Vec<u8>) -> &mut Vec<u8> {
    held.extend(bytes);
    held
}

/// A foreign line as it may stand on a terminal: tabs stay, other controls are written out.
fn shown(line: &str) -> String {
    line.split('\t').map(format::clean).collect::<Vec<_>>().join("\t")
}
