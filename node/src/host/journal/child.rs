//! The child process: lines out of it, bounded, and its end.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child as Process, ChildStdout, Command};

use super::JournalError;

/// Longest line that is read; the rest of a longer one is thrown away.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Longest complaint that is passed on.
const COMPLAINT_BYTES_MAX: u64 = 400;

/// A line of its output.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// Whole, without its end.
    Entry(Vec<u8>),
    /// More than [`LINE_BYTES_MAX`].
    TooLong,
}

/// A `journalctl` that runs. Dropped it is killed; [`Self::end`] waits for that too.
#[derive(Debug)]
pub(super) struct Child {
    process: Process,
    out: BufReader<ChildStdout>,
    line: Vec<u8>,
    is_too_long: bool,
}

impl Child {
    pub(super) fn start(program: &OsStr, arguments: &[OsString]) -> Result<Self, JournalError> {
        let mut command = Command::new(program);
        command.args(arguments).env("LC_ALL", "C.UTF-8").env_remove("SYSTEMD_COLORS");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let failed = |error: std::io::Error| JournalError::NotRun(error.to_string());
        let mut process = command.spawn().map_err(failed)?;
        let out = process.stdout.take().expect("it was piped");
        Ok(Self { process, out: BufReader::new(out), line: Vec::new(), is_too_long: false })
    }

    /// The next line, `None` at the end. May be dropped and called again: nothing is lost.
    pub(super) async fn next(&mut self) -> Result<Option<Line>, JournalError> {
        loop {
            let chunk = self.out.fill_buf().await.map_err(|error| JournalError::Failed(error.to_string()))?;
            if chunk.is_empty() {
                return Ok(self.take().filter(|line| *line != Line::Entry(Vec::new())));
            }
            let end = chunk.iter().position(|byte| *byte == b'\n');
            let part = &chunk[..end.unwrap_or(chunk.len())];
            if self.line.len() + part.len() > LINE_BYTES_MAX {
                self.is_too_long = true;
                self.line.clear();
            } else if !self.is_too_long {
                self.line.extend_from_slice(part);
            }
            let taken = part.len() + usize::from(end.is_some());
            self.out.consume(taken);
            if end.is_some() {
                return Ok(self.take());
            }
        }
    }

    fn take(&mut self) -> Option<Line> {
        let line = std::mem::take(&mut self.line);
        Some(if std::mem::take(&mut self.is_too_long) { Line::TooLong } else { Line::Entry(line) })
    }

    /// Kills it, waits for it, and returns what it complained of.
    pub(super) async fn end(mut self) -> String {
        // It may have ended by itself.
        let _ = self.process.start_kill();
        let mut said = Vec::new();
        if let Some(stderr) = self.process.stderr.take() {
            // What cannot be read was not said.
            let _ = stderr.take(COMPLAINT_BYTES_MAX).read_to_end(&mut said).await;
        }
        let _ = self.process.wait().await;
        String::from_utf8_lossy(&said).trim().to_owned()
    }
}
