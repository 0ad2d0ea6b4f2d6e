//! `programs define NAME --on S ... -- CMD ARG...`: a definition out of flags.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use p2p_shared::services::process::Signal;
use p2p_shared::services::program::{
    Check, Condition, Dependency, Probe, ProgramDefinition, ProgramLimits, ProgramName, RestartMode,
    RestartPolicy, StopPolicy, UnhealthyAction,
};

use super::Target;
use crate::cli::failure::CliError;
use crate::cli::kill::signal;

/// What `programs define` takes.
#[derive(Clone, Debug, Args)]
pub struct DefineArgs {
    /// Which one.
    #[command(flatten)]
    pub target: Target,
    /// Take the place of a program of that name
    #[arg(long)]
    pub replace: bool,
    /// When it is started again after it ended by itself
    #[arg(long, value_enum, value_name = "WHEN", default_value_t)]
    restart: Restart,
    /// First wait before it is started again; the next ones are longer
    #[arg(long, value_name = "TIME", value_parser = millis, default_value = "500ms")]
    restart_delay: u64,
    /// It has failed after so many restarts within ten minutes; 0 for never
    #[arg(long, value_name = "N", default_value_t = RestartPolicy::default().burst)]
    burst: u32,
    /// User that it runs as [default: that of the node]
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Group that it runs with [default: that of its user]
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
    /// Directory in which it starts [default: /]
    #[arg(long, value_name = "DIR")]
    cwd: Option<String>,
    /// A variable of its environment, again for each
    #[arg(long, value_name = "KEY=VALUE", value_parser = variable)]
    env: Vec<(String, String)>,
    /// Most memory, as 512M or 2G
    #[arg(long, value_name = "SIZE", value_parser = size)]
    memory: Option<u64>,
    /// Most processor time, in percent of one core
    #[arg(long, value_name = "PERCENT")]
    cpu: Option<u32>,
    /// Most open files
    #[arg(long, value_name = "N")]
    files: Option<u64>,
    /// Most processes and threads
    #[arg(long, value_name = "N")]
    tasks: Option<u64>,
    /// Signal that asks it to end
    #[arg(long, value_name = "SIGNAL", value_parser = signal, default_value = "TERM")]
    stop_signal: Signal,
    /// How long that may take before it is killed
    #[arg(long, value_name = "TIME", value_parser = millis, default_value = "5s")]
    stop_timeout: u64,
    /// Another program that must have started, be healthy or completed, again for each
    #[arg(long, value_name = "PROGRAM[:CONDITION]", value_parser = dependency)]
    after: Vec<Dependency>,
    /// What shows its health: tcp:HOST:PORT, http://HOST:PORT/PATH, or a command in the usual directories
    #[arg(long, value_name = "CHECK", value_parser = check)]
    probe: Option<Check>,
    /// How often it is probed
    #[arg(long, value_name = "TIME", value_parser = millis, default_value = "10s", requires = "probe")]
    probe_interval: u64,
    /// How long one probe may take
    #[arg(long, value_name = "TIME", value_parser = millis, default_value = "5s", requires = "probe")]
    probe_timeout: u64,
    /// So many failures in a row make it unhealthy
    #[arg(long, value_name = "N", default_value_t = 3, requires = "probe")]
    probe_threshold: u32,
    /// Restart it when it is unhealthy
    #[arg(long, requires = "probe")]
    restart_unhealthy: bool,
    /// Start it when the machine starts
    #[arg(long)]
    boot: bool,
    /// The command and its arguments, behind --
    #[arg(last = true, required = true, value_name = "CMD ARG")]
    command: Vec<String>,
}

/// When a program is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum Restart {
    /// Not at all
    Never,
    /// Unless it exited with 0
    #[default]
    OnFailure,
    /// However it ended
    Always,
}

/// The word of a restart mode.
pub(super) const fn words(mode: RestartMode) -> &'static str {
    match mode {
        RestartMode::Never => "never",
        RestartMode::OnFailure => "on failure",
        RestartMode::Always => "always",
        RestartMode::Unknown => "unknown",
    }
}

impl DefineArgs {
    /// The definition that the flags say.
    pub fn definition(&self) -> Result<ProgramDefinition, CliError> {
        let Some((command, arguments)) = self.command.split_first() else {
            return Err(CliError::usage("the command is missing: it stands behind --"));
        };
        let mode = match self.restart {
            Restart::Never => RestartMode::Never,
            Restart::OnFailure => RestartMode::OnFailure,
            Restart::Always => RestartMode::Always,
        };
        let unhealthy =
            if self.restart_unhealthy { UnhealthyAction::Restart } else { UnhealthyAction::Report };
        let probe = |check| Probe {
            check,
            interval_ms: self.probe_interval,
            timeout_ms: self.probe_timeout,
            threshold: self.probe_threshold,
            unhealthy,
        };
        let delay_max_ms = RestartPolicy::default().delay_max_ms.max(self.restart_delay);
        Ok(ProgramDefinition {
            arguments: arguments.to_vec(),
            working_directory: self.cwd.clone(),
            user: self.user.clone(),
            group: self.group.clone(),
            environment: self.env.iter().cloned().collect::<BTreeMap<_, _>>(),
            limits: ProgramLimits {
                memory_bytes: self.memory,
                cpu_percent: self.cpu,
                files: self.files,
                tasks: self.tasks,
            },
            restart: RestartPolicy {
                mode,
                delay_ms: self.restart_delay,
                delay_max_ms,
                burst: self.burst,
                ..RestartPolicy::default()
            },
            stop: StopPolicy { signal: self.stop_signal, timeout_ms: self.stop_timeout },
            dependencies: self.after.clone(),
            probe: self.probe.clone().map(probe),
            at_boot: self.boot,
            ..ProgramDefinition::new(self.target.name.clone(), command.clone())
        })
    }
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// `500ms`, `10s`, `5m`, `1h`; a bare number is seconds.
fn millis(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let factor = match &text[digits.len()..] {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err("write a time as 500ms, 10s, 5m or 1h".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "write a time as 500ms, 10s, 5m or 1h".to_owned())?;
    number.checked_mul(factor).ok_or_else(|| "that is too long".to_owned())
}

/// `512M`, `2G`; a bare number is bytes.
fn size(text: &str) -> Result<u64, String> {
    let digits = text.trim_end_matches(|letter: char| letter.is_ascii_alphabetic());
    let shift = match text[digits.len()..].to_ascii_uppercase().as_str() {
        "" | "B" => 0,
        "K" | "KIB" => 10,
        "M" | "MIB" => 20,
        "G" | "GIB" => 30,
        _ => return Err("write a size as 512M or 2G".to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| "write a size as 512M or 2G".to_owned())?;
    number.checked_mul(1 << shift).ok_or_else(|| "that is too large".to_owned())
}

fn dependency(text: &str) -> Result<Dependency, String> {
    let (name, condition) = text.split_once(':').unwrap_or((text, "started"));
    let condition = [Condition::Started, Condition::Healthy, Condition::Completed]
        .into_iter()
        .find(|known| known.as_str() == condition)
        .ok_or("the condition is started, healthy or completed")?;
    let program: ProgramName = name.parse().map_err(|error| format!("{error}"))?;
    Ok(Dependency { program, condition })
}

fn check(text: &str) -> Result<Check, String> {
    if let Some(address) = text.strip_prefix("tcp:") {
        return Ok(Check::Tcp(address.trim_start_matches("//").to_owned()));
    }
    if text.starts_with("http://") {
        return Ok(Check::Http(text.to_owned()));
    }
    if text.starts_with("https://") {
        return Err("a probe speaks plain http; give a command for https".to_owned());
    }
    let words: Vec<String> = text.split_whitespace().map(ToOwned::to_owned).collect();
    if words.is_empty() { Err("it is empty".to_owned()) } else { Ok(Check::Command(words)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sizes_and_checks_read_as_people_write_them() {
        assert_eq!(
            [millis("500ms"), millis("2s"), millis("3"), millis("1h")],
            [Ok(500), Ok(2_000), Ok(3_000), Ok(3_600_000)]
        );
        assert_eq!([size("512M"), size("2g"), size("7")], [Ok(512 << 20), Ok(2 << 30), Ok(7)]);
        for text in ["", "x", "-1s", "1.5s", "1d", "99999999999999999999s"] {
            assert!(millis(text).is_err(), "{text}");
        }
        assert!(size("1T").is_err() && size("").is_err());
        assert_eq!(check("tcp:127.0.0.1:80"), Ok(Check::Tcp("127.0.0.1:80".into())));
        assert_eq!(check("test -e /x"), Ok(Check::Command(vec!["test".into(), "-e".into(), "/x".into()])));
        assert!(check("https://a/").is_err());
        assert_eq!(dependency("db:healthy").unwrap().condition, Condition::Healthy);
        assert!(dependency("db:up").is_err() && dependency("../db").is_err());
    }
}
