//! The contract of `program`: programs that a node keeps running.
//!
//! A [`ProgramDefinition`] says what is run and how; the node's supervisor alone decides when. A command is
//! always a program and its arguments, never a line for a shell.

mod check;
mod terms;

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::process::ProcessRef;
use crate::time::UnixMillis;

pub use check::DefinitionMistake;
pub use terms::{
    Check, Condition, Dependency, Limit, Probe, ProgramDefinition, ProgramLimits, RestartMode, RestartPolicy,
    StopPolicy, UnhealthyAction,
};

/// Longest name of a program.
pub const NAME_BYTES_MAX: usize = 63;

/// Name of a program on its node: begins with a letter or a digit, then letters, digits, `.`, `_` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String")]
pub struct ProgramName(String);

impl ProgramName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ProgramName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl From<ProgramName> for String {
    fn from(name: ProgramName) -> Self {
        name.0
    }
}

impl TryFrom<String> for ProgramName {
    type Error = BadProgramName;

    fn try_from(text: String) -> Result<Self, BadProgramName> {
        let good = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        let first = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphanumeric());
        if !first || text.len() > NAME_BYTES_MAX || !text.bytes().all(good) {
            return Err(BadProgramName);
        }
        Ok(Self(text))
    }
}

impl FromStr for ProgramName {
    type Err = BadProgramName;

    fn from_str(text: &str) -> Result<Self, BadProgramName> {
        Self::try_from(text.to_owned())
    }
}

/// A text that names no program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the name of a program is 1 to 63 of a-z A-Z 0-9 . _ - and begins with a letter or a digit")]
pub struct BadProgramName;

/// What a program is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProgramState {
    /// Nothing, as it was asked to.
    Stopped,
    /// It waits until its dependencies are as they must be.
    Waiting,
    /// It is being started.
    Starting,
    /// It runs; nothing is known of its health.
    Running,
    /// It runs, and its probe succeeds.
    Healthy,
    /// It runs, and its probe fails.
    Unhealthy,
    /// It ended, and is started again after a while.
    BackingOff,
    /// It was asked to end.
    Stopping,
    /// It ended, and is not started again by itself.
    Failed,
    /// It ended with 0, and is not started again by itself.
    Completed,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

impl ProgramState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
            Self::BackingOff => "backing off",
            Self::Stopping => "stopping",
            Self::Failed => "failed",
            Self::Completed => "completed",
            Self::Unknown => "unknown",
        }
    }

    /// Whether there is a process of it.
    pub const fn runs(self) -> bool {
        matches!(self, Self::Running | Self::Healthy | Self::Unhealthy)
    }

    /// Whether nothing happens with it until somebody asks for something.
    pub const fn rests(self) -> bool {
        matches!(self, Self::Stopped | Self::Failed | Self::Completed)
    }
}

/// How one run ended. With neither code, signal nor error nobody saw its end: the node was down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramExit {
    /// When that was seen.
    pub at: UnixMillis,
    /// When the run began; `None` if it never did.
    pub started: Option<UnixMillis>,
    /// Its exit code.
    pub code: Option<i32>,
    /// The number of the signal that ended it.
    pub signal: Option<i32>,
    /// Whether the kernel killed it for want of memory; `None` if that cannot be known.
    pub out_of_memory: Option<bool>,
    /// Why it could not be started.
    pub error: Option<String>,
    /// Who asked for its end; `None` if it ended by itself.
    pub asked_by: Option<String>,
}

impl ProgramExit {
    /// Whether it ended well.
    pub fn succeeded(&self) -> bool {
        self.code == Some(0)
    }
}

impl fmt::Display for ProgramExit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.error, self.code, self.signal) {
            (Some(error), ..) => write!(f, "not started: {error}")?,
            (None, Some(code), _) => write!(f, "exit {code}")?,
            (None, None, Some(signal)) => write!(f, "signal {signal}")?,
            (None, None, None) => f.write_str("exit unknown")?,
        }
        if self.out_of_memory == Some(true) {
            f.write_str(", out of memory")?;
        }
        Ok(())
    }
}

/// A program as a row of a table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramInfo {
    /// Which one.
    pub name: ProgramName,
    /// What it is doing.
    pub state: ProgramState,
    /// Since when.
    pub since: UnixMillis,
    /// Why it is in that state, in words; empty if there is nothing to say.
    pub detail: String,
    /// Its process, while it runs.
    pub process: Option<ProcessRef>,
    /// Its command and arguments, separated by blanks, cut to 1,024 bytes.
    pub command: String,
    /// Whether it is started when the machine starts.
    pub at_boot: bool,
    /// How often it was started since it was defined.
    pub starts: u64,
    /// How often it was started again since somebody last asked for its start.
    pub restarts: u64,
    /// How its last run ended.
    pub last_exit: Option<ProgramExit>,
}

/// Everything about one program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramStatus {
    /// The row.
    pub info: ProgramInfo,
    /// Its definition; the values of its environment are `***`.
    pub definition: ProgramDefinition,
    /// How its last runs ended, the latest first; at most 20.
    pub exits: Vec<ProgramExit>,
    /// Limits of the definition that this node cannot hold.
    pub unenforced: Vec<Limit>,
    /// Output that could not be written to its logs since the node started, in bytes.
    pub lost_bytes: u64,
}

/// One of the two outputs of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OutputStream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

/// The last lines of both outputs. What is not UTF-8 is replaced; the files hold it as it was.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ProgramLog {
    /// Of standard output.
    pub stdout: String,
    /// Of standard error.
    pub stderr: String,
    /// Output that could not be written since the node started, in bytes.
    pub lost_bytes: u64,
}

/// A piece of output as it comes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LogChunk {
    /// Of which output.
    pub stream: OutputStream,
    /// The text; what is not UTF-8 is replaced. Cut anywhere between two characters.
    pub text: String,
    /// Bytes before this text that the reader was too slow for; the files may have them.
    pub skipped_bytes: u64,
}

crate::service! {
    /// Programs that this node keeps running.
    service Program = "program" {
        /// Every program, by name.
        get list() -> Vec<ProgramInfo>, needs ProgramRead;
        /// Everything about one program, but for the values of its environment.
        get status(name: String) -> ProgramStatus, needs ProgramRead;
        /// The last `lines` (1 to 10,000) of its output.
        get logs(name: String, lines: u32) -> ProgramLog, needs ProgramRead;
        /// The last `lines` (0 to 10,000) of its output, and then what follows.
        watch follow(name: String, lines: u32) -> LogChunk, needs ProgramRead;
        /// Its whole definition, with the values of its environment.
        get definition(name: String) -> ProgramDefinition, needs Exec;
        /// Defines a program. `conflict` if there is one of that name, unless told to replace it; a running one
        /// goes on as it is until its next start.
        post define(definition: ProgramDefinition, replace: bool) -> ProgramStatus, needs Exec;
        /// Starts a program and those it depends on, and answers once it runs, waits or failed. With a `path`
        /// it is defined first, which needs `exec`.
        post start(name: String, path: Option<String>) -> ProgramStatus, needs ProgramControl;
        /// Stops a program, and answers once it has ended.
        post stop(name: String) -> ProgramStatus, needs ProgramControl;
        /// Stops a program if it runs, and starts it.
        post restart(name: String) -> ProgramStatus, needs ProgramControl;
        /// Stops a program, and forgets it and its logs. `conflict` while another one depends on it.
        post remove(name: String) -> (), needs Exec;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_nowhere_else() {
        for good in ["a", "my_service", "Web-1.prod", "0", &"x".repeat(63)] {
            assert!(good.parse::<ProgramName>().is_ok(), "{good}");
        }
        for bad in ["", ".", "..", ".a", "-a", "_a", "a/b", "a b", "é", "a\n", &"x".repeat(64)] {
            assert_eq!(bad.parse::<ProgramName>(), Err(BadProgramName), "{bad}");
        }
    }

    #[test]
    fn a_name_and_a_command_are_a_definition() {
        let text = br#"{"name": "web", "command": "nginx", "restart": {"mode": "always"}}"#;
        let read: ProgramDefinition =
            crate::rpc::codec::decode(text, crate::rpc::codec::Encoding::Json).unwrap();
        let mut expected = ProgramDefinition::new("web".parse().unwrap(), "nginx");
        expected.restart.mode = RestartMode::Always;
        assert_eq!(read, expected);
    }

    #[test]
    fn an_end_is_said_in_words() {
        let mut exit = ProgramExit {
            at: UnixMillis(2),
            started: Some(UnixMillis(1)),
            code: None,
            signal: None,
            out_of_memory: None,
            error: None,
            asked_by: None,
        };
        assert_eq!(exit.to_string(), "exit unknown");
        exit.signal = Some(9);
        exit.out_of_memory = Some(true);
        assert_eq!(exit.to_string(), "signal 9, out of memory");
    }
}
