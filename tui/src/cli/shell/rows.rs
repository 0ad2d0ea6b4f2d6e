//! Shells and recordings as rows: for people, and for scripts under the names of the contract.

use p2p_shared::services::shell::{ShellExit, ShellInfo, ShellRecording, ShellState};
use p2p_shared::time::{Millis, UnixMillis};
use serde::Serialize;

use crate::cli::output::Row;
use crate::cli::session::now;
use crate::format;

/// A shell of a node.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct ShellRow(pub ShellInfo);

impl Row for ShellRow {
    const TITLES: &'static [&'static str] =
        &["ID", "STATE", ">ATTACHED", ">AGE", ">QUIET", "USER", "OPENED BY", "SIZE", "COMMAND"];

    fn cells(&self) -> Vec<String> {
        let Self(shell) = self;
        let state = match (shell.state, &shell.exit) {
            (ShellState::Running, _) if shell.is_recorded => "recorded".to_owned(),
            (ShellState::Running, _) => "running".to_owned(),
            (_, Some(exit)) => end(exit),
            (_, None) => "unknown".to_owned(),
        };
        vec![
            shell.id.clone(),
            state,
            shell.attached.to_string(),
            age(shell.opened),
            age(shell.active),
            shell.user.clone(),
            if shell.is_own { format!("{} (you)", shell.opened_by) } else { shell.opened_by.clone() },
            format!("{}x{}", shell.size.columns, shell.size.rows),
            shell.command.join(" "),
        ]
    }
}

fn end(exit: &ShellExit) -> String {
    match exit {
        ShellExit { why: Some(_), .. } => "was ended".to_owned(),
        ShellExit { code: Some(code), .. } => format!("exit {code}"),
        ShellExit { signal: Some(signal), .. } => format!("signal {signal}"),
        ShellExit { .. } => "over".to_owned(),
    }
}

/// A recording of a node.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct RecordingRow(pub ShellRecording);

impl Row for RecordingRow {
    const TITLES: &'static [&'static str] =
        &["ID", "OPENED", ">LENGTH", ">SIZE", "USER", "OPENED BY", "COMMAND"];

    fn cells(&self) -> Vec<String> {
        let Self(one) = self;
        vec![
            one.id.clone(),
            format!("{} {}", format::date(one.opened), format::clock(one.opened)),
            format::span_ms(one.written.since(one.opened).0),
            format::bytes(one.size_bytes),
            one.user.clone(),
            one.opened_by.clone(),
            one.command.join(" "),
        ]
    }
}

fn age(since: UnixMillis) -> String {
    let Millis(span) = now().since(since);
    format::span_ms(span)
}
