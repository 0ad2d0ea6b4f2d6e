//! Jobs as rows: for people, and for scripts under names that are stable.

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::job::{
    JobExit, JobId, JobInfo, JobKind, JobPriority, JobRequest, JobState, JobStatus, JobWork,
};
use p2p_shared::time::{Millis, UnixMillis};
use serde::Serialize;

use crate::cli::output::Row;
use crate::cli::session::now;
use crate::format;

/// A job of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
pub struct JobRow {
    node: NodeName,
    id: JobId,
    state: JobState,
    since: UnixMillis,
    detail: String,
    kind: JobKind,
    work: String,
    label: String,
    by: String,
    by_id: Option<NodeId>,
    submitted: UnixMillis,
    priority: JobPriority,
    start_by: Option<UnixMillis>,
    again_at: Option<UnixMillis>,
    started: Option<UnixMillis>,
    ended: Option<UnixMillis>,
    attempts: u32,
    attempts_max: u32,
    progress_ratio: Option<f64>,
    progress: Option<String>,
    exit: Option<ExitRow>,
}

/// How an attempt ended. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct ExitRow {
    attempt: u32,
    started: UnixMillis,
    ended: UnixMillis,
    code: Option<i32>,
    signal: Option<i32>,
    out_of_memory: Option<bool>,
    timed_out: bool,
    problem: Option<String>,
    /// All of it in words.
    text: String,
}

/// Everything about a job of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
pub struct StatusRow {
    #[serde(flatten)]
    row: JobRow,
    request: JobRequest,
    pid: Option<u32>,
    exits: Vec<ExitRow>,
    asked_by: Option<String>,
    output_bytes: u64,
    output_dropped: bool,
}

impl ExitRow {
    fn new(exit: JobExit) -> Self {
        Self {
            attempt: exit.attempt,
            started: exit.started,
            ended: exit.ended,
            code: exit.code,
            signal: exit.signal,
            out_of_memory: exit.out_of_memory,
            timed_out: exit.timed_out,
            text: exit.to_string(),
            problem: exit.problem,
        }
    }

    /// In few words; the reason of one that never began is in `show`.
    fn brief(&self) -> String {
        if self.problem.is_some() { "not run".to_owned() } else { self.text.clone() }
    }

    fn line(&self) -> String {
        let ran = format::span_ms(self.ended.since(self.started).0);
        format!("{}: {} ago, {} after {ran}", self.attempt, age(self.ended), self.text)
    }
}

fn age(since: UnixMillis) -> String {
    let Millis(span) = now().since(since);
    format::span_ms(span)
}

impl JobRow {
    pub fn new(node: &NodeName, info: JobInfo) -> Self {
        let progress = info.progress.unwrap_or_default();
        Self {
            node: node.clone(),
            id: info.id,
            state: info.state,
            since: info.since,
            detail: info.detail,
            kind: info.kind,
            work: info.work,
            label: info.label,
            by: info.owner.name,
            by_id: info.owner.id,
            submitted: info.submitted,
            priority: info.priority,
            start_by: info.start_by,
            again_at: info.again_at,
            started: info.started,
            ended: info.ended,
            attempts: info.attempts,
            attempts_max: info.attempts_max,
            progress_ratio: progress.ratio,
            progress: progress.words,
            exit: info.exit.map(ExitRow::new),
        }
    }

    pub const fn node(&self) -> &NodeName {
        &self.node
    }

    pub const fn id(&self) -> &JobId {
        &self.id
    }

    pub const fn state(&self) -> JobState {
        self.state
    }

    fn how_far(&self) -> String {
        let ratio = self.progress_ratio.map(|ratio| format!("{:.0}%", ratio * 100.0));
        let parts: Vec<String> = ratio.into_iter().chain(self.progress.clone()).collect();
        parts.join(" ")
    }
}

impl Row for JobRow {
    const TITLES: &'static [&'static str] =
        &["NODE", "JOB", "STATE", ">SINCE", ">TRY", "LAST EXIT", "BY", "WHAT"];

    fn cells(&self) -> Vec<String> {
        let (state, how_far) = (self.state.as_str(), self.how_far());
        let what = if self.label.is_empty() { &self.work } else { &self.label };
        vec![
            self.node.to_string(),
            self.id.to_string(),
            if how_far.is_empty() { state.to_owned() } else { format!("{state} {how_far}") },
            age(self.since),
            self.attempts.to_string(),
            self.exit.as_ref().map_or_else(|| "-".to_owned(), ExitRow::brief),
            self.by.clone(),
            what.clone(),
        ]
    }
}

impl StatusRow {
    pub fn new(node: &NodeName, status: JobStatus) -> Self {
        Self {
            row: JobRow::new(node, status.info),
            request: status.request,
            pid: status.process.map(|process| process.pid),
            exits: status.exits.into_iter().map(ExitRow::new).collect(),
            asked_by: status.asked_by,
            output_bytes: status.output_bytes,
            output_dropped: status.output_dropped,
        }
    }

    /// For people: a line a thing, and the ends of its attempts.
    pub fn text(&self) -> String {
        let row = &self.row;
        let detail = if row.detail.is_empty() { String::new() } else { format!(": {}", row.detail) };
        let mut lines = vec![
            ("job", format!("{} on {}", row.id, row.node)),
            ("state", format!("{} for {}{detail}", row.state.as_str(), age(row.since))),
        ];
        let how_far = row.how_far();
        if !how_far.is_empty() {
            lines.push(("progress", how_far));
        }
        if !row.label.is_empty() {
            lines.push(("label", row.label.clone()));
        }
        lines.push((row.kind.as_str(), row.work.clone()));
        if let JobWork::Command(exec) = &self.request.work {
            lines.push(("directory", exec.directory.clone().unwrap_or_else(|| "the user's home".into())));
            lines.push(("user", exec.user.clone().unwrap_or_else(|| "the node's".into())));
            if !exec.environment.is_empty() {
                let names: Vec<&str> = exec.environment.iter().map(|one| one.name.as_str()).collect();
                lines.push(("variables", names.join(" ")));
            }
            lines.extend(exec.timeout_ms.map(|span| ("time-out", format::span_ms(span))));
        }
        lines.push(("submitted", format!("{} ago by {}", age(row.submitted), row.by)));
        lines.extend(self.asked_by.clone().map(|by| ("asked by", by)));
        lines.push(("priority", row.priority.as_str().to_owned()));
        let twice = if self.request.may_run_twice { ", may run twice" } else { "" };
        lines.push(("attempts", format!("{} of {}{twice}", row.attempts, row.attempts_max)));
        let in_future = |at: UnixMillis| format!("in {}", format::span_ms(at.since(now()).0));
        lines.extend(row.again_at.map(|at| ("tried again", in_future(at))));
        lines.extend(row.start_by.map(|at| ("expires", in_future(at))));
        lines.extend(self.pid.map(|pid| ("pid", pid.to_string())));
        match (self.output_dropped, self.output_bytes) {
            (true, _) => lines.push(("output", "thrown away to make room".into())),
            (false, 0) => {}
            (false, bytes) => lines.push(("output", format::bytes(bytes))),
        }
        lines.extend(self.exits.iter().map(|exit| ("attempt", exit.line())));
        lines.iter().map(|(title, value)| format!("{title:<11} {}\n", format::clean(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::job::JobOwner;

    use super::*;
    use crate::cli::output::{json, table};

    fn row(since: UnixMillis) -> JobRow {
        let exit = JobExit {
            attempt: 1,
            started: UnixMillis(5),
            ended: UnixMillis(9),
            code: Some(1),
            signal: None,
            out_of_memory: None,
            timed_out: false,
            problem: None,
        };
        let info = JobInfo {
            id: "1kd3f9x2a".parse().unwrap(),
            state: JobState::Failed,
            since,
            detail: "exit 1".into(),
            kind: JobKind::Command,
            work: "apt-get \u{1b}[2J".into(),
            label: String::new(),
            owner: JobOwner { name: "ann".into(), id: None, role: None },
            submitted: UnixMillis(4),
            priority: JobPriority::Normal,
            start_by: None,
            again_at: None,
            started: Some(UnixMillis(5)),
            ended: Some(since),
            attempts: 1,
            attempts_max: 1,
            progress: None,
            exit: Some(exit),
        };
        JobRow::new(&"web-1".parse().unwrap(), info)
    }

    #[test]
    fn the_shape_for_scripts_is_stable() {
        let expected = "{\"node\":\"web-1\",\"id\":\"1kd3f9x2a\",\"state\":\"failed\",\"since\":\"1970-01-01T00:00:00.007Z\",\
                        \"detail\":\"exit 1\",\"kind\":\"command\",\"work\":\"apt-get \\u001b[2J\",\"label\":\"\",\
                        \"by\":\"ann\",\"by_id\":null,\"submitted\":\"1970-01-01T00:00:00.004Z\",\"priority\":\"normal\",\
                        \"start_by\":null,\"again_at\":null,\"started\":\"1970-01-01T00:00:00.005Z\",\"ended\":\"1970-01-01T00:00:00.007Z\",\"attempts\":1,\
                        \"attempts_max\":1,\"progress_ratio\":null,\"progress\":null,\
                        \"exit\":{\"attempt\":1,\"started\":\"1970-01-01T00:00:00.005Z\",\"ended\":\"1970-01-01T00:00:00.009Z\",\"code\":1,\"signal\":null,\
                        \"out_of_memory\":null,\"timed_out\":false,\"problem\":null,\"text\":\"exit 1\"}}";
        assert_eq!(json(&row(UnixMillis(7)), false).unwrap(), expected);
    }

    #[test]
    fn the_table_is_for_people() {
        let expected = "NODE   JOB        STATE   SINCE  TRY  LAST EXIT  BY   WHAT\n\
                        web-1  1kd3f9x2a  failed     0s    1  exit 1     ann  apt-get ^[[2J\n";
        assert_eq!(table(&[row(now())], None), expected);
    }
}
