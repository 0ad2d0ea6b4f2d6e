//! Everything about a service as lines to be read.

use p2p_shared::services::job::JobStatus;
use p2p_shared::services::journal::JournalRow;
use p2p_shared::services::program::{ProgramLog, ProgramStatus};
use p2p_shared::services::unit::{UnitExit, UnitStatus};
use p2p_shared::time::UnixMillis;

use super::layers::{Line, section};
use crate::app::layer::Described;
use crate::event::Description;
use crate::format::{bytes, cpu_time, date, percent, span_ms};
use crate::theme::Role;

/// What a node answered, or that it has not yet.
pub(super) fn lines(described: &Described, wall: UnixMillis) -> Vec<Line> {
    match &described.result {
        None => vec![vec![("waiting for the node's answer".to_owned(), Role::Dim)]],
        Some(Err(error)) => vec![vec![(error.message.clone(), Role::Bad)]],
        Some(Ok(description)) => match description.as_ref() {
            Description::Unit(status) => unit(status, wall),
            Description::Program(status, log) => program(status, log, wall),
            Description::Job(status) => job(status, wall),
        },
    }
}

/// Names and values; a value without a name stands for itself.
pub(super) fn facts(lines: &[(String, String)]) -> Vec<Line> {
    let line = |(name, value): &(String, String)| {
        if name.is_empty() { vec![(value.clone(), Role::Text)] } else { fact(name, value.clone()) }
    };
    lines.iter().map(line).collect()
}

fn fact(name: &str, value: String) -> Line {
    vec![(format!("{name:<13}"), Role::Head), (value, Role::Text)]
}

fn since(at: UnixMillis, wall: UnixMillis) -> String {
    format!("{} ({} ago)", date(at), span_ms(wall.since(at).0))
}

fn unit(status: &UnitStatus, wall: UnixMillis) -> Vec<Line> {
    let info = &status.info;
    let mut lines = vec![
        fact("unit", info.name.clone()),
        fact("description", info.description.clone()),
        fact("state", format!("{} ({})", info.active.as_str(), info.sub)),
    ];
    let mut add = |name: &str, value: Option<String>| lines.extend(value.map(|value| fact(name, value)));
    add("since", info.since.map(|at| since(at, wall)));
    add("at boot", info.file_state.clone());
    add("main process", info.main_pid.map(|pid| pid.to_string()));
    add("says", status.status_text.clone().filter(|text| !text.is_empty()));
    add("result", status.result.clone());
    add("last exit", status.exit.map(exit));
    add("restarts", status.restarts.map(|count| count.to_string()));
    add("memory", info.memory_bytes.map(bytes));
    add("processor", info.cpu_time_ms.map(cpu_time));
    add("tasks", status.tasks.map(|count| count.to_string()));
    add("cgroup", status.control_group.clone());
    add("file", status.fragment_path.clone());
    add("drop-ins", joined(&status.drop_ins));
    add("starts", joined(&status.triggers));
    add("started by", joined(&status.triggered_by));
    add("read", joined(&status.documentation));
    if status.needs_reload {
        let text = "its file has changed since it was read: systemctl daemon-reload";
        lines.push(vec![(text.to_owned(), Role::Warn)]);
    }
    if let Some(why) = &status.log_missing {
        lines.push(vec![(format!("no lines: {why}"), Role::Warn)]);
    }
    section(&mut lines, "last lines", status.log.iter().map(journal_line));
    lines
}

fn joined(names: &[String]) -> Option<String> {
    (!names.is_empty()).then(|| names.join(", "))
}

fn exit(exit: UnitExit) -> String {
    match exit {
        UnitExit::Code(code) => format!("exit {code}"),
        UnitExit::Signal(signal) => format!("signal {signal}"),
        UnitExit::Dumped(signal) => format!("signal {signal}, core dumped"),
        UnitExit::Unknown => "unknown".to_owned(),
    }
}

fn journal_line(row: &JournalRow) -> String {
    let who = row.identifier.as_deref().unwrap_or("-");
    let pid = row.pid.map(|pid| format!("[{pid}]")).unwrap_or_default();
    format!("{} {who}{pid}: {}", date(UnixMillis(row.time_us / 1_000)), row.message)
}

fn program(status: &ProgramStatus, log: &ProgramLog, wall: UnixMillis) -> Vec<Line> {
    let (info, definition) = (&status.info, &status.definition);
    let mut lines = vec![
        fact("program", info.name.to_string()),
        fact("state", info.state.as_str().to_owned()),
        fact("since", since(info.since, wall)),
    ];
    let mut add = |name: &str, value: Option<String>| lines.extend(value.map(|value| fact(name, value)));
    add("why", Some(info.detail.clone()).filter(|detail| !detail.is_empty()));
    add("process", info.process.as_ref().map(|process| process.pid.to_string()));
    add("starts", Some(format!("{}, of them {} by itself", info.starts, info.restarts)));
    add("command", Some(definition.command.clone()));
    add("directory", definition.working_directory.clone());
    add("user", definition.user.clone());
    add("group", definition.group.clone());
    add("restart", Some(restart(status)));
    add("at boot", Some(if definition.at_boot { "started" } else { "not started" }.to_owned()));
    add("limits", limits(status));
    let unheld: Vec<String> = status.unenforced.iter().map(|limit| limit.as_str().to_owned()).collect();
    add("not held", joined(&unheld));
    let after: Vec<String> = definition
        .dependencies
        .iter()
        .map(|needed| format!("{} ({})", needed.program, needed.condition.as_str()))
        .collect();
    add("needs", joined(&after));
    add("probe", definition.probe.as_ref().map(|probe| format!("{:?}", probe.check)));
    section(&mut lines, "arguments", definition.arguments.iter().cloned());
    section(&mut lines, "environment (names)", definition.environment.keys().cloned());
    let exits = status.exits.iter().map(|exit| {
        let asked = exit.asked_by.as_ref().map(|who| format!(", asked by {who}")).unwrap_or_default();
        format!("{}  {exit}{asked}", date(exit.at))
    });
    section(&mut lines, "how it ended", exits);
    section(&mut lines, "last lines of stdout", log.stdout.lines().map(ToOwned::to_owned));
    section(&mut lines, "last lines of stderr", log.stderr.lines().map(ToOwned::to_owned));
    if status.lost_bytes > 0 {
        let text = format!("{} of output were lost: the disk took no more", bytes(status.lost_bytes));
        lines.push(vec![(text, Role::Warn)]);
    }
    lines
}

fn restart(status: &ProgramStatus) -> String {
    use p2p_shared::services::program::RestartMode;
    let policy = &status.definition.restart;
    let when = match policy.mode {
        RestartMode::Never => return "never".to_owned(),
        RestartMode::OnFailure => "on failure",
        RestartMode::Always => "always",
        RestartMode::Unknown => "in a way of a newer version",
    };
    let delay = match policy.delay_ms {
        ms @ 0..1_000 => format!("{ms}ms"),
        ms => span_ms(ms),
    };
    format!("{when}, after {delay} at first")
}

fn limits(status: &ProgramStatus) -> Option<String> {
    let limits = status.definition.limits;
    let parts = [
        limits.memory_bytes.map(|most| format!("memory {}", bytes(most))),
        limits.cpu_percent.map(|most| format!("processor {most} %")),
        limits.files.map(|most| format!("files {most}")),
        limits.tasks.map(|most| format!("tasks {most}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    joined(&parts)
}

fn job(status: &JobStatus, wall: UnixMillis) -> Vec<Line> {
    let (info, request) = (&status.info, &status.request);
    let mut lines = vec![
        fact("job", info.id.to_string()),
        fact("work", info.work.clone()),
        fact("state", info.state.as_str().to_owned()),
        fact("since", since(info.since, wall)),
    ];
    let mut add = |name: &str, value: Option<String>| lines.extend(value.map(|value| fact(name, value)));
    let filled = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    add("why", filled(&info.detail));
    add("label", filled(&info.label));
    add("submitted", Some(format!("{} by {}", since(info.submitted, wall), info.owner)));
    add("priority", Some(info.priority.as_str().to_owned()));
    add("begins by", info.start_by.map(date));
    add("again at", info.again_at.map(date));
    add("began", info.started.map(date));
    add("ended", info.ended.map(date));
    add("attempts", Some(format!("{} of {}", info.attempts, info.attempts_max)));
    let progress = info.progress.as_ref();
    add("done", progress.and_then(|progress| progress.ratio).map(|ratio| percent(ratio as f32)));
    add("says", progress.and_then(|progress| progress.words.clone()));
    add("process", status.process.as_ref().map(|process| process.pid.to_string()));
    add("runs twice", Some(if request.may_run_twice { "it may" } else { "it must not" }.to_owned()));
    add("key", request.key.clone());
    add("asked by", status.asked_by.clone());
    let dropped = if status.output_dropped { ", thrown away to make room" } else { "" };
    add("output", Some(format!("{}{dropped}", bytes(status.output_bytes))));
    let exits = status.exits.iter().map(|exit| {
        let took = span_ms(exit.ended.since(exit.started).0);
        format!("{}  attempt {}, {took}: {exit}", date(exit.ended), exit.attempt)
    });
    section(&mut lines, "how it ended", exits);
    lines
}
