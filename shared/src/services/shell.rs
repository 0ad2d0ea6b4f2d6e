//! The contract of `shell`: interactive terminals that live on a node.
//!
//! A shell is opened once, and attached to as often as one likes, by several at a time: what a console loses with
//! its connection, the next one finds again, with the scrollback. It ends by itself, when somebody ends it, or when
//! a limit of the node's local policy says so, and its end can be read for a while.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::exec::Variable;
use crate::time::UnixMillis;

/// The least and the most rows and columns of a terminal; what is asked for beyond is drawn in.
pub const SIDE_MIN: u16 = 1;
/// See [`SIDE_MIN`].
pub const SIDE_MAX: u16 = 1_000;
/// Shells that run at the same time on a node; one more is refused.
pub const SHELLS_MAX: usize = 64;
/// Those of them that one caller may have opened.
pub const SHELLS_OF_CALLER_MAX: usize = 16;
/// Attachments to one shell at the same time.
pub const ATTACHED_MAX: usize = 16;
/// Most bytes of one item of input.
pub const INPUT_BYTES_MAX: usize = 64 << 10;

/// How far the output of a shell runs ahead of what somebody attached says that it has shown.
pub const AHEAD_BYTES: u64 = 64 << 10;
/// After so many bytes it should say so again.
pub const SEEN_BYTES: u64 = 16 << 10;

/// Size of a terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShellSize {
    /// Lines, 1 to 1000.
    pub rows: u16,
    /// Characters of a line, 1 to 1000.
    pub columns: u16,
}

impl Default for ShellSize {
    fn default() -> Self {
        Self { rows: 24, columns: 80 }
    }
}

impl ShellSize {
    /// The nearest size that there can be.
    #[must_use]
    pub fn clamped(self) -> Self {
        let side = |asked: u16| asked.clamp(SIDE_MIN, SIDE_MAX);
        Self { rows: side(self.rows), columns: side(self.columns) }
    }
}

/// A program to run in the terminal, in place of a login shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShellCommand {
    /// Its name, looked for on the shell's `PATH` unless it holds a slash; not empty.
    pub program: String,
    /// What it is given, without its own name; no shell sees them.
    pub arguments: Vec<String>,
}

/// A shell that is to be opened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShellRequest {
    /// What runs; `None` for the user's login shell.
    #[serde(default)]
    pub command: Option<ShellCommand>,
    /// Name or number of the user to run as; `None` for the node's own.
    #[serde(default)]
    pub user: Option<String>,
    /// Where; `None` for the user's home.
    #[serde(default)]
    pub directory: Option<String>,
    /// What is added to `PATH`, `LANG`, `HOME`, `USER`, `LOGNAME`, `SHELL` and `TERM`; nothing of the node's own is
    /// there.
    #[serde(default)]
    pub environment: Vec<Variable>,
    /// `TERM`: what the caller's terminal understands; letters, digits, `.`, `_`, `+` and `-`.
    pub term: String,
    /// Size of the caller's terminal.
    #[serde(default)]
    pub size: ShellSize,
}

/// A shell that somebody attaches to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShellAttach {
    /// Its id.
    pub id: String,
    /// Size of the caller's terminal; `None` leaves the shell's as it is.
    #[serde(default)]
    pub size: Option<ShellSize>,
}

/// Whether a shell runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShellState {
    /// It can be attached to.
    Running,
    /// It is over; its last output and its end can still be read by attaching to it.
    Ended,
    /// A state that a newer node knows.
    #[serde(other)]
    Unknown,
}

/// How a shell ended. All `None` if nobody saw it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShellExit {
    /// Exit code of its first process; `None` if a signal ended that.
    pub code: Option<i32>,
    /// The signal that ended it.
    pub signal: Option<i32>,
    /// Why it was ended (by whom, by which limit); `None` if it ended by itself.
    pub why: Option<String>,
}

/// What is known of a shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShellInfo {
    /// What it is called on its node: letters and digits, never used for another one.
    pub id: String,
    /// The user that it runs as.
    pub user: String,
    /// The program that runs and its arguments.
    pub command: Vec<String>,
    /// Who opened it.
    pub opened_by: String,
    /// Whether that was who asks.
    pub is_own: bool,
    /// When it was opened.
    pub opened: UnixMillis,
    /// When something was typed or written last; of one that ended, when it did.
    pub active: UnixMillis,
    /// How many are attached.
    pub attached: u32,
    /// Size of its terminal.
    pub size: ShellSize,
    /// Whether what it shows is recorded.
    pub is_recorded: bool,
    /// Whether it runs.
    pub state: ShellState,
    /// How it ended; `None` while it runs.
    pub exit: Option<ShellExit>,
}

/// What somebody attached sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShellInput {
    /// What was typed, at most 64 KiB at a time.
    Bytes(Vec<u8>),
    /// The terminal has another size now; of several that are attached the last one counts.
    Resize(ShellSize),
    /// How many bytes of `Output` were shown so far, in all. Who says so now and then is never sent more than
    /// [`AHEAD_BYTES`] beyond it, so that ^C is not seen late over a slow line; who never does gets what its
    /// connection takes.
    Seen(u64),
}

/// What somebody attached gets. The first is `Attached`; `Exit` and `Lagged` are the last.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ShellItem {
    /// It is the shell of this id. Boxed because it comes once.
    Attached(Box<ShellInfo>),
    /// What scrolled out of the screen, and then the screen with its modes and its cursor: for a terminal that was
    /// cleared. Holds no question to the terminal. In several parts if there is much; before the first output.
    Scrollback(Vec<u8>),
    /// What the shell writes, as it is.
    Output(Vec<u8>),
    /// Another one that is attached has resized the terminal.
    Resized(ShellSize),
    /// The shell is over.
    Exit(ShellExit),
    /// This attachment is over, because what the shell wrote was not read fast enough; the shell goes on.
    Lagged,
}

/// A recording of a shell (asciicast v2): what it showed, never what was typed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ShellRecording {
    /// The id of the shell, and so its own.
    pub id: String,
    /// The user that the shell ran as.
    pub user: String,
    /// The program that ran and its arguments.
    pub command: Vec<String>,
    /// Who opened the shell.
    pub opened_by: String,
    /// When it was opened.
    pub opened: UnixMillis,
    /// When it was written to last.
    pub written: UnixMillis,
    /// Bytes of its file.
    pub size_bytes: u64,
}

crate::service! {
    /// Interactive terminals that live on one node, and can be attached to again.
    service Shell = "shell" {
        /// Opens a shell, attached to by nobody yet.
        post open(request: ShellRequest) -> ShellInfo, needs Shell;
        /// The shells that run, and those that ended a short while ago; by when they were opened.
        get list() -> Vec<ShellInfo>, needs Shell;
        /// Shows a shell and types into it. The end of the caller's stream detaches, and the shell lives on.
        duplex attach(to: ShellAttach) -> ShellItem, takes ShellInput, needs Shell;
        /// Ends a shell and all that runs in it: SIGHUP, and SIGKILL for what does not heed it.
        post end(id: String) -> (), needs Shell;
        /// The recordings that this node keeps, newest first.
        get recordings() -> Vec<ShellRecording>, needs Shell;
        /// A recording as asciicast v2, as far as it is written: parts of whole lines.
        watch replay(id: String) -> String, needs Shell;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_is_drawn_into_what_there_can_be() {
        let size = |rows, columns| ShellSize { rows, columns };
        assert_eq!(size(0, 0).clamped(), size(1, 1));
        assert_eq!(size(65_535, 65_535).clamped(), size(1_000, 1_000));
        assert_eq!(size(24, 80).clamped(), size(24, 80));
    }
}
