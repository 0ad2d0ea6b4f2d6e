//! Whether a definition makes sense, alone and beside the others. Pure.

use std::collections::{BTreeMap, BTreeSet};

use p2p_shared::services::process::Signal;
use p2p_shared::services::program::{
    Check, Condition, Probe, ProgramDefinition, ProgramLimits, ProgramName, RestartMode, RestartPolicy,
    UnhealthyAction,
};

use super::input::Refusal;

/// Most arguments.
pub const ARGUMENTS_MAX: usize = 1_024;
/// Most bytes of command, arguments and environment together.
pub const TEXT_BYTES_MAX: usize = 128 << 10;
/// Most variables.
const VARIABLES_MAX: usize = 256;
/// Most dependencies of one program.
const DEPENDENCIES_MAX: usize = 64;
/// Longest time-out, interval or delay: a day.
const SPAN_MS_MAX: u64 = 86_400_000;
/// Shortest back-off: a program that ends at once costs no more than so.
pub const DELAY_MS_MIN: u64 = 50;
/// Shortest and longest time that a program has to end when it is asked to.
const STOP_MS_MIN: u64 = 10;
const STOP_MS_MAX: u64 = 600_000;
/// Highest limits: what addresses hold, a thousand cores, and what Linux counts at most of files and processes.
const LIMIT_BYTES_MAX: u64 = 1 << 47;
const LIMIT_PERCENT_MAX: u64 = 100_000;
const LIMIT_FILES_MAX: u64 = 1 << 20;
const LIMIT_TASKS_MAX: u64 = 1 << 22;
/// Highest burst limit.
const BURST_MAX: u32 = 1_000;
/// Shortest interval of a probe.
const PROBE_MS_MIN: u64 = 100;

fn bad<T>(text: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal::Bad(text.into()))
}

/// A definition by itself.
pub(super) fn alone(definition: &ProgramDefinition) -> Result<(), Refusal> {
    command("the command", &definition.command)?;
    if definition.arguments.len() > ARGUMENTS_MAX {
        return bad(format!("a command has at most {ARGUMENTS_MAX} arguments"));
    }
    if definition.environment.len() > VARIABLES_MAX {
        return bad(format!("an environment has at most {VARIABLES_MAX} variables"));
    }
    let texts = definition.arguments.iter().chain(definition.environment.values());
    let keys = definition.environment.keys();
    let bytes: usize = texts.clone().chain(keys.clone()).map(String::len).sum();
    if bytes + definition.command.len() > TEXT_BYTES_MAX {
        return bad(format!("command, arguments and environment have at most {TEXT_BYTES_MAX} bytes"));
    }
    if texts.chain(keys.clone()).any(|text| text.contains('\0')) {
        return bad("an argument or a variable contains a zero byte");
    }
    if let Some(key) = keys.clone().find(|key| key.is_empty() || key.contains('=')) {
        return bad(format!("{key:?} is no name of an environment variable"));
    }
    if let Some(directory) = &definition.working_directory
        && (!directory.starts_with('/') || directory.contains('\0'))
    {
        return bad(format!("the working directory {directory:?} is not absolute"));
    }
    for who in [&definition.user, &definition.group].into_iter().flatten() {
        if who.is_empty() || who.contains([':', '\0', '\n']) {
            return bad(format!("{who:?} is no name of a user or a group"));
        }
    }
    if definition.stop.signal == Signal::Unknown {
        return bad("this node does not know that stop signal");
    }
    if !(STOP_MS_MIN..=STOP_MS_MAX).contains(&definition.stop.timeout_ms) {
        let given = definition.stop.timeout_ms;
        return bad(format!("the stop time-out is {STOP_MS_MIN} to {STOP_MS_MAX} ms, not {given}"));
    }
    limits(&definition.limits)?;
    restart(&definition.restart)?;
    definition.probe.as_ref().map_or(Ok(()), probe)
}

fn command(what: &str, text: &str) -> Result<(), Refusal> {
    if text.is_empty() || text.contains('\0') {
        return bad(format!("{what} is empty, or contains a zero byte"));
    }
    if text.contains('/') && !text.starts_with('/') {
        return bad(format!("{what} {text:?} is neither an absolute path nor a plain name"));
    }
    if text.contains(char::is_whitespace) && !text.starts_with('/') {
        return bad(format!("{what} {text:?} is no line for a shell: give the arguments one by one"));
    }
    Ok(())
}

fn span(what: &str, millis: u64, least: u64) -> Result<(), Refusal> {
    if (least..=SPAN_MS_MAX).contains(&millis) {
        return Ok(());
    }
    bad(format!("{what} is {least} to {SPAN_MS_MAX} ms, not {millis}"))
}

/// A limit of nothing lets nothing run, and one beyond what the kernel counts is none.
fn limits(limits: &ProgramLimits) -> Result<(), Refusal> {
    let all = [
        ("the limit of memory", limits.memory_bytes, LIMIT_BYTES_MAX),
        ("the limit of the processors", limits.cpu_percent.map(u64::from), LIMIT_PERCENT_MAX),
        ("the limit of open files", limits.files, LIMIT_FILES_MAX),
        ("the limit of tasks", limits.tasks, LIMIT_TASKS_MAX),
    ];
    for (what, limit, most) in all {
        if let Some(limit) = limit.filter(|limit| !(1..=most).contains(limit)) {
            return bad(format!("{what} is 1 to {most}, not {limit}"));
        }
    }
    Ok(())
}

fn restart(policy: &RestartPolicy) -> Result<(), Refusal> {
    if policy.mode == RestartMode::Unknown {
        return bad("this node does not know that restart mode");
    }
    span("the restart delay", policy.delay_ms, DELAY_MS_MIN)?;
    span("the longest restart delay", policy.delay_max_ms, policy.delay_ms)?;
    span("the burst window", policy.burst_window_ms, 0)?;
    span("the stable time", policy.stable_ms, 0)?;
    if policy.burst > BURST_MAX {
        return bad(format!("the burst limit is at most {BURST_MAX}"));
    }
    Ok(())
}

fn probe(probe: &Probe) -> Result<(), Refusal> {
    span("the interval of the probe", probe.interval_ms, PROBE_MS_MIN)?;
    span("the time-out of the probe", probe.timeout_ms, 1)?;
    if probe.threshold == 0 {
        return bad("the threshold of the probe is at least 1");
    }
    if probe.unhealthy == UnhealthyAction::Unknown {
        return bad("this node does not know that action for an unhealthy program");
    }
    match &probe.check {
        Check::Tcp(address) if !has_port(address) => bad(format!("{address:?} is not HOST:PORT")),
        Check::Http(url) if !url.starts_with("http://") || url.contains(char::is_whitespace) => {
            bad(format!("{url:?} is not http://HOST:PORT/PATH"))
        }
        Check::Command(words) => match words.split_first() {
            None => bad("the command of the probe is empty"),
            Some((first, _)) if words.iter().any(|word| word.contains('\0')) => {
                bad(format!("the command of the probe, {first:?}, contains a zero byte"))
            }
            Some((first, _)) => command("the command of the probe", first),
        },
        Check::Tcp(_) | Check::Http(_) => Ok(()),
    }
}

fn has_port(address: &str) -> bool {
    address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}

/// A definition among the others: what it depends on is there and can become what is asked, those that depend
/// on it keep what they asked for, and nothing waits for itself.
pub(super) fn among(
    definition: &ProgramDefinition,
    others: &BTreeMap<ProgramName, &ProgramDefinition>,
) -> Result<(), Refusal> {
    let name = &definition.name;
    if definition.dependencies.len() > DEPENDENCIES_MAX {
        return bad(format!("a program has at most {DEPENDENCIES_MAX} dependencies"));
    }
    for dependency in &definition.dependencies {
        let on = &dependency.program;
        if dependency.condition == Condition::Unknown {
            return bad(format!("this node does not know the condition of the dependency on {on}"));
        }
        if on == name {
            return bad(format!("dependency cycle: {name} -> {name}"));
        }
        let Some(other) = others.get(on) else {
            return bad(format!("{name} depends on {on}, which is not defined here: define it first"));
        };
        if dependency.condition == Condition::Healthy && other.probe.is_none() {
            return bad(format!("{name} waits until {on} is healthy, but {on} has no probe"));
        }
    }
    if definition.probe.is_none() {
        let waits = |other: &&&ProgramDefinition| {
            let mut dependencies = other.dependencies.iter();
            dependencies.any(|on| on.program == *name && on.condition == Condition::Healthy)
        };
        if let Some(other) = others.values().find(waits) {
            return bad(format!("{} waits until {name} is healthy: it needs a probe", other.name));
        }
    }
    match cycle(definition, others) {
        Some(path) => {
            let path: Vec<&str> = path.iter().map(|name| name.as_str()).collect();
            bad(format!("dependency cycle: {}", path.join(" -> ")))
        }
        None => Ok(()),
    }
}

/// The way from a definition back to itself, if there is one. Iterative: chains may be long.
fn cycle<'a>(
    definition: &'a ProgramDefinition,
    others: &BTreeMap<ProgramName, &'a ProgramDefinition>,
) -> Option<Vec<&'a ProgramName>> {
    let mut seen = BTreeSet::new();
    let mut path = vec![(&definition.name, definition.dependencies.iter())];
    while let Some((_, rest)) = path.last_mut() {
        let Some(next) = rest.next() else {
            path.pop();
            continue;
        };
        if next.program == definition.name {
            let names = path.iter().map(|(name, _)| *name);
            return Some(names.chain([&definition.name]).collect());
        }
        if seen.insert(&next.program)
            && let Some(other) = others.get(&next.program)
        {
            path.push((&other.name, other.dependencies.iter()));
        }
    }
    None
}
