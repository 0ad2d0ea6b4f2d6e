//! Whether a definition makes sense by itself. Pure: the node asks before it keeps one, the console before it sends one.

use super::{Check, Probe, ProgramDefinition, ProgramLimits, RestartMode, RestartPolicy, UnhealthyAction};
use crate::services::process::Signal;

/// Most arguments.
const ARGUMENTS_MAX: usize = 1_024;
/// Most bytes of command, arguments and environment together.
const TEXT_BYTES_MAX: usize = 128 << 10;
/// Shortest back-off: a program that ends at once costs no more than so.
const DELAY_MS_MIN: u64 = 50;
/// Most variables.
const VARIABLES_MAX: usize = 256;
/// Longest time-out, interval or delay: a day.
const SPAN_MS_MAX: u64 = 86_400_000;
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

/// What makes no sense in a definition.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{what}")]
pub struct DefinitionMistake {
    /// The field, as `restart.delay_ms`.
    pub field: &'static str,
    /// What is wrong with it.
    pub what: String,
}

type Checked = Result<(), DefinitionMistake>;

fn bad(field: &'static str, what: impl Into<String>) -> Checked {
    Err(DefinitionMistake { field, what: what.into() })
}

impl ProgramDefinition {
    /// Whether it makes sense by itself; the mistakes in it, the first field first, at most one of each part.
    ///
    /// # Errors
    /// What is wrong, and where. Never empty.
    pub fn check(&self) -> Result<(), Vec<DefinitionMistake>> {
        let probe = || self.probe.as_ref().map_or(Ok(()), probe);
        let parts = [
            command(("command", "the command"), &self.command),
            texts(self),
            working_directory(self.working_directory.as_deref()),
            who("user", self.user.as_deref()),
            who("group", self.group.as_deref()),
            stop(self),
            limits(&self.limits),
            restart(&self.restart),
            probe(),
        ];
        let mistakes: Vec<DefinitionMistake> = parts.into_iter().filter_map(Result::err).collect();
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }
}

fn texts(definition: &ProgramDefinition) -> Checked {
    if definition.arguments.len() > ARGUMENTS_MAX {
        return bad("arguments", format!("a command has at most {ARGUMENTS_MAX} arguments"));
    }
    if definition.environment.len() > VARIABLES_MAX {
        return bad("environment", format!("an environment has at most {VARIABLES_MAX} variables"));
    }
    let keys = definition.environment.keys();
    let texts = definition.arguments.iter().chain(definition.environment.values()).chain(keys.clone());
    let bytes: usize = texts.map(String::len).sum();
    if bytes + definition.command.len() > TEXT_BYTES_MAX {
        let what = format!("command, arguments and environment have at most {TEXT_BYTES_MAX} bytes");
        return bad("arguments", what);
    }
    let zero = |text: &String| text.contains('\0');
    if definition.arguments.iter().any(zero) {
        return bad("arguments", "an argument or a variable contains a zero byte");
    }
    if definition.environment.values().chain(keys.clone()).any(zero) {
        return bad("environment", "an argument or a variable contains a zero byte");
    }
    match keys.clone().find(|key| key.is_empty() || key.contains('=')) {
        Some(key) => bad("environment", format!("{key:?} is no name of an environment variable")),
        None => Ok(()),
    }
}

fn working_directory(directory: Option<&str>) -> Checked {
    match directory {
        Some(directory) if !directory.starts_with('/') || directory.contains('\0') => {
            bad("working_directory", format!("the working directory {directory:?} is not absolute"))
        }
        _ => Ok(()),
    }
}

fn who(field: &'static str, name: Option<&str>) -> Checked {
    match name {
        Some(name) if name.is_empty() || name.contains([':', '\0', '\n']) => {
            bad(field, format!("{name:?} is no name of a user or a group"))
        }
        _ => Ok(()),
    }
}

fn stop(definition: &ProgramDefinition) -> Checked {
    if definition.stop.signal == Signal::Unknown {
        return bad("stop.signal", "this node does not know that stop signal");
    }
    let given = definition.stop.timeout_ms;
    if !(STOP_MS_MIN..=STOP_MS_MAX).contains(&given) {
        let what = format!("the stop time-out is {STOP_MS_MIN} to {STOP_MS_MAX} ms, not {given}");
        return bad("stop.timeout_ms", what);
    }
    Ok(())
}

fn command((field, what): (&'static str, &str), text: &str) -> Checked {
    if text.is_empty() || text.contains('\0') {
        return bad(field, format!("{what} is empty, or contains a zero byte"));
    }
    if text.contains('/') && !text.starts_with('/') {
        return bad(field, format!("{what} {text:?} is neither an absolute path nor a plain name"));
    }
    if text.contains(char::is_whitespace) && !text.starts_with('/') {
        let what = format!("{what} {text:?} is no line for a shell: give the arguments one by one");
        return bad(field, what);
    }
    Ok(())
}

fn span((field, what): (&'static str, &str), millis: u64, least: u64) -> Checked {
    if (least..=SPAN_MS_MAX).contains(&millis) {
        return Ok(());
    }
    bad(field, format!("{what} is {least} to {SPAN_MS_MAX} ms, not {millis}"))
}

/// A limit of nothing lets nothing run, and one beyond what the kernel counts is none.
fn limits(limits: &ProgramLimits) -> Checked {
    let percent = limits.cpu_percent.map(u64::from);
    let all = [
        ("limits.memory_bytes", "the limit of memory", limits.memory_bytes, LIMIT_BYTES_MAX),
        ("limits.cpu_percent", "the limit of the processors", percent, LIMIT_PERCENT_MAX),
        ("limits.files", "the limit of open files", limits.files, LIMIT_FILES_MAX),
        ("limits.tasks", "the limit of tasks", limits.tasks, LIMIT_TASKS_MAX),
    ];
    for (field, what, limit, most) in all {
        if let Some(limit) = limit.filter(|limit| !(1..=most).contains(limit)) {
            return bad(field, format!("{what} is 1 to {most}, not {limit}"));
        }
    }
    Ok(())
}

fn restart(policy: &RestartPolicy) -> Checked {
    if policy.mode == RestartMode::Unknown {
        return bad("restart.mode", "this node does not know that restart mode");
    }
    span(("restart.delay_ms", "the restart delay"), policy.delay_ms, DELAY_MS_MIN)?;
    span(("restart.delay_max_ms", "the longest restart delay"), policy.delay_max_ms, policy.delay_ms)?;
    span(("restart.burst_window_ms", "the burst window"), policy.burst_window_ms, 0)?;
    span(("restart.stable_ms", "the stable time"), policy.stable_ms, 0)?;
    if policy.burst > BURST_MAX {
        return bad("restart.burst", format!("the burst limit is at most {BURST_MAX}"));
    }
    Ok(())
}

fn probe(probe: &Probe) -> Checked {
    span(("probe.interval_ms", "the interval of the probe"), probe.interval_ms, PROBE_MS_MIN)?;
    span(("probe.timeout_ms", "the time-out of the probe"), probe.timeout_ms, 1)?;
    if probe.threshold == 0 {
        return bad("probe.threshold", "the threshold of the probe is at least 1");
    }
    if probe.unhealthy == UnhealthyAction::Unknown {
        return bad("probe.unhealthy", "this node does not know that action for an unhealthy program");
    }
    match &probe.check {
        Check::Tcp(address) if !has_port(address) => {
            bad("probe.check.tcp", format!("{address:?} is not HOST:PORT"))
        }
        Check::Http(url) if !url.starts_with("http://") || url.contains(char::is_whitespace) => {
            bad("probe.check.http", format!("{url:?} is not http://HOST:PORT/PATH"))
        }
        Check::Command(words) => match words.split_first() {
            None => bad("probe.check.command", "the command of the probe is empty"),
            Some((first, _)) if words.iter().any(|word| word.contains('\0')) => {
                let what = format!("the command of the probe, {first:?}, contains a zero byte");
                bad("probe.check.command", what)
            }
            Some((first, _)) => command(("probe.check.command", "the command of the probe"), first),
        },
        Check::Tcp(_) | Check::Http(_) => Ok(()),
    }
}

fn has_port(address: &str) -> bool {
    address
        .rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok_and(|port| port > 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_is_told_with_its_field() {
        let mut definition = ProgramDefinition::new("web".parse().unwrap(), "bin/x");
        definition.working_directory = Some("srv".into());
        definition.restart.delay_ms = 1;
        definition.stop.timeout_ms = 1;
        let mistakes = definition.check().unwrap_err();
        let fields: Vec<&str> = mistakes.iter().map(|mistake| mistake.field).collect();
        assert_eq!(fields, ["command", "working_directory", "stop.timeout_ms", "restart.delay_ms"]);
        assert_eq!(ProgramDefinition::new("web".parse().unwrap(), "/bin/x").check(), Ok(()));
    }
}
