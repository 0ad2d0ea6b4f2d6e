//! Programs as rows: for people, and for scripts under names that are stable.

use p2p_shared::id::NodeName;
use p2p_shared::services::program::{
    Limit, ProgramDefinition, ProgramExit, ProgramInfo, ProgramName, ProgramState, ProgramStatus,
};
use p2p_shared::time::{Millis, UnixMillis};
use serde::Serialize;

use super::define;
use crate::cli::output::Row;
use crate::cli::session::now;
use crate::format;

/// A program of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
pub struct ProgramRow {
    node: NodeName,
    name: ProgramName,
    state: ProgramState,
    since: UnixMillis,
    detail: String,
    pid: Option<u32>,
    start_ticks: Option<u64>,
    boot_id: Option<String>,
    command: String,
    at_boot: bool,
    starts: u64,
    restarts: u64,
    last_exit: Option<ExitRow>,
}

/// How a run ended. The names of the fields are stable.
#[derive(Debug, Serialize)]
struct ExitRow {
    at: UnixMillis,
    started: Option<UnixMillis>,
    code: Option<i32>,
    signal: Option<i32>,
    out_of_memory: Option<bool>,
    error: Option<String>,
    asked_by: Option<String>,
    /// All of it in words.
    text: String,
}

/// Everything about a program of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
pub struct StatusRow {
    #[serde(flatten)]
    row: ProgramRow,
    definition: ProgramDefinition,
    exits: Vec<ExitRow>,
    unenforced: Vec<Limit>,
    lost_bytes: u64,
}

impl ExitRow {
    fn new(exit: ProgramExit) -> Self {
        Self {
            at: exit.at,
            started: exit.started,
            code: exit.code,
            signal: exit.signal,
            out_of_memory: exit.out_of_memory,
            text: exit.to_string(),
            error: exit.error,
            asked_by: exit.asked_by,
        }
    }

    /// In few words; the reason of one that never began is in the status.
    fn brief(&self) -> String {
        if self.error.is_some() { "not started".to_owned() } else { self.text.clone() }
    }

    fn line(&self) -> String {
        let ran = self.started.map(|start| format!(" after {}", format::span_ms(self.at.since(start).0)));
        let by = self.asked_by.as_ref().map(|by| format!(", asked by {by}"));
        let ago = age(self.at);
        format!("{ago} ago: {}{}{}", self.text, ran.unwrap_or_default(), by.unwrap_or_default())
    }
}

fn age(since: UnixMillis) -> String {
    let Millis(span) = now().since(since);
    format::span_ms(span)
}

impl ProgramRow {
    pub fn new(node: &NodeName, info: ProgramInfo) -> Self {
        let process = info.process.as_ref();
        Self {
            node: node.clone(),
            pid: process.map(|process| process.pid),
            start_ticks: process.map(|process| process.start_ticks),
            boot_id: process.map(|process| process.boot_id.clone()),
            name: info.name,
            state: info.state,
            since: info.since,
            detail: info.detail,
            command: info.command,
            at_boot: info.at_boot,
            starts: info.starts,
            restarts: info.restarts,
            last_exit: info.last_exit.map(ExitRow::new),
        }
    }

    /// By what rows are in order.
    pub const fn key(&self) -> (&NodeName, &ProgramName) {
        (&self.node, &self.name)
    }
}

impl Row for ProgramRow {
    const TITLES: &'static [&'static str] =
        &["NODE", "PROGRAM", "STATE", ">SINCE", ">PID", ">STARTS", "LAST EXIT", "COMMAND"];

    fn cells(&self) -> Vec<String> {
        let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        vec![
            self.node.to_string(),
            self.name.to_string(),
            self.state.as_str().to_owned(),
            age(self.since),
            or_none(self.pid.map(|pid| pid.to_string())),
            self.starts.to_string(),
            or_none(self.last_exit.as_ref().map(ExitRow::brief)),
            self.command.clone(),
        ]
    }
}

impl StatusRow {
    pub fn new(node: &NodeName, status: ProgramStatus) -> Self {
        Self {
            row: ProgramRow::new(node, status.info),
            definition: status.definition,
            exits: status.exits.into_iter().map(ExitRow::new).collect(),
            unenforced: status.unenforced,
            lost_bytes: status.lost_bytes,
        }
    }

    /// By what rows are in order.
    pub const fn key(&self) -> (&NodeName, &ProgramName) {
        self.row.key()
    }

    /// For people: a line a thing, and the ends of its runs.
    pub fn text(&self) -> String {
        let (row, definition) = (&self.row, &self.definition);
        let detail = if row.detail.is_empty() { String::new() } else { format!(": {}", row.detail) };
        let mut lines = vec![
            ("program", format!("{} on {}", row.name, row.node)),
            ("state", format!("{} for {}{detail}", row.state.as_str(), age(row.since))),
        ];
        lines.extend(row.pid.map(|pid| ("pid", pid.to_string())));
        lines.push(("command", row.command.clone()));
        lines.push(("directory", definition.working_directory.clone().unwrap_or_else(|| "/".into())));
        lines.push(("user", definition.user.clone().unwrap_or_else(|| "the node's".into())));
        if !definition.environment.is_empty() {
            let names: Vec<&str> = definition.environment.keys().map(String::as_str).collect();
            lines.push(("variables", names.join(" ")));
        }
        for on in &definition.dependencies {
            lines.push(("after", format!("{} is {}", on.program, on.condition.as_str())));
        }
        lines.push(("restart", define::words(definition.restart.mode).to_owned()));
        lines.push(("at boot", if row.at_boot { "yes" } else { "no" }.to_owned()));
        lines.push(("starts", row.starts.to_string()));
        lines.push(("restarts", format!("{} since somebody asked for its start", row.restarts)));
        if !self.unenforced.is_empty() {
            let limits: Vec<&str> = self.unenforced.iter().map(|limit| limit.as_str()).collect();
            lines.push(("not held", format!("limit of {}", limits.join(", "))));
        }
        if self.lost_bytes > 0 {
            lines.push(("lost", format!("{} bytes of output", self.lost_bytes)));
        }
        lines.extend(self.exits.iter().map(|exit| ("exit", exit.line())));
        lines.iter().map(|(title, value)| format!("{title:<10} {}\n", format::clean(value))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::output::{json, table};

    fn row(since: UnixMillis) -> ProgramRow {
        let exit = ProgramExit {
            at: UnixMillis(9),
            started: Some(UnixMillis(5)),
            code: Some(1),
            signal: None,
            out_of_memory: None,
            error: None,
            asked_by: None,
        };
        let info = ProgramInfo {
            name: "web".parse().unwrap(),
            state: ProgramState::BackingOff,
            since,
            detail: "exit 1".into(),
            process: None,
            command: "nginx \u{1b}[2J".into(),
            at_boot: true,
            starts: 2,
            restarts: 1,
            last_exit: Some(exit),
        };
        ProgramRow::new(&"web-1".parse().unwrap(), info)
    }

    #[test]
    fn the_shape_for_scripts_is_stable() {
        let expected = "{\"node\":\"web-1\",\"name\":\"web\",\"state\":\"backing_off\",\"since\":\"1970-01-01T00:00:00.007Z\",\
                        \"detail\":\"exit 1\",\"pid\":null,\"start_ticks\":null,\"boot_id\":null,\
                        \"command\":\"nginx \\u001b[2J\",\"at_boot\":true,\"starts\":2,\"restarts\":1,\
                        \"last_exit\":{\"at\":\"1970-01-01T00:00:00.009Z\",\"started\":\"1970-01-01T00:00:00.005Z\",\"code\":1,\"signal\":null,\
                        \"out_of_memory\":null,\"error\":null,\"asked_by\":null,\"text\":\"exit 1\"}}";
        assert_eq!(json(&row(UnixMillis(7)), false).unwrap(), expected);
    }

    #[test]
    fn the_table_is_for_people() {
        let expected = "NODE   PROGRAM  STATE        SINCE  PID  STARTS  LAST EXIT  COMMAND\n\
                        web-1  web      backing off     0s    -       2  exit 1     nginx ^[[2J\n";
        assert_eq!(table(&[row(now())], None), expected);
    }
}
