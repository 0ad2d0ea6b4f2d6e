//! The contract of `exec`: commands on one node, with their input and output streamed.
//!
//! A command is a program and its arguments, which no shell ever sees; a line for `/bin/sh -c` is a variant of
//! its own, so that a policy and the audit can tell. It ends with its caller: who wants it to outlive the
//! connection needs a job.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Output of one command that travels unless its caller says otherwise, in bytes.
pub const OUTPUT_BYTES_DEFAULT: u64 = 16 << 20;
/// The most that a caller may ask for.
pub const OUTPUT_BYTES_MAX: u64 = 1 << 30;
/// Exit code of what is there and cannot be run, as shells have it.
pub const NOT_RUNNABLE: i32 = 126;
/// Exit code of what is not there, as shells have it.
pub const NOT_FOUND: i32 = 127;

/// What is run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CommandLine {
    /// A program, found on the node's `PATH` unless it holds a slash, and its arguments as they are.
    Program {
        /// Its name or path; not empty.
        program: String,
        /// What it is given, without its own name.
        arguments: Vec<String>,
    },
    /// One line for `/bin/sh -c`.
    Shell {
        /// The line.
        line: String,
    },
}

/// One variable of a command's environment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Variable {
    /// Not empty, without `=`.
    pub name: String,
    /// Anything.
    pub value: String,
}

/// One command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExecRequest {
    /// What is run.
    pub command: CommandLine,
    /// Where; `None` for the user's home.
    #[serde(default)]
    pub directory: Option<String>,
    /// Name or number of the user to run as; `None` for the node's own.
    #[serde(default)]
    pub user: Option<String>,
    /// What is added to `PATH`, `LANG`, `HOME`, `USER`, `LOGNAME` and `SHELL`; nothing of the node's own is there.
    #[serde(default)]
    pub environment: Vec<Variable>,
    /// Killed after this many milliseconds; `None` for never.
    #[serde(default)]
    pub timeout_ms: Option<u64>,
    /// Bytes of stdout and stderr together that travel; the rest is read and thrown away. `None` for 16 MiB.
    #[serde(default)]
    pub output_bytes_max: Option<u64>,
}

/// What a caller sends to a command.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecInput {
    /// Bytes for its stdin. The caller's end of the stream is its end too.
    Stdin(Vec<u8>),
}

/// What comes back. The last one is `Exit`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExecItem {
    /// Bytes that it wrote to stdout.
    Stdout(Vec<u8>),
    /// Bytes that it wrote to stderr.
    Stderr(Vec<u8>),
    /// It ended.
    Exit(ExecExit),
}

/// How a command ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ExecExit {
    /// Its exit code; 126 and 127 with a `problem` if it never ran; `None` if a signal ended it.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Whether it was killed because its time had run out.
    pub timed_out: bool,
    /// From its start to its end.
    pub duration_ms: u64,
    /// Bytes that it wrote and that were thrown away, over `output_bytes_max`.
    pub cut_bytes: u64,
    /// Why it never ran; `None` if it did.
    pub problem: Option<String>,
}

crate::service! {
    /// Run commands on one node.
    service Exec = "exec" {
        /// Runs a command: its output comes apart as stdout and stderr, and then how it ended. It is killed as a
        /// whole when its time runs out and when the caller goes away.
        duplex run(request: ExecRequest) -> ExecItem, takes ExecInput, needs Exec;
    }
}
