//! The output of programs: from their pipes to their logs, and to those who follow.
//!
//! A pump a stream reads, writes and tells. A program that writes faster than `RATE_BYTES` waits, and loses
//! nothing; a follower that is too slow is told what it missed.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use p2p_shared::services::program::ProgramName;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::broadcast;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::host::programs::log::LogFile;

/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;
/// Most bytes of a stream in a window.
const RATE_BYTES: usize = 1 << 20;
/// That window.
const RATE_WINDOW: Duration = Duration::from_millis(100);
/// Pieces that a follower may be behind.
const FOLLOWED_MAX: usize = 64;
/// Runs whose output is read: what an earlier one left running has its pipes closed after so many more.
const RUNS_MAX: usize = 4;

/// The streams, in the order in which a runner gives them.
pub const STREAMS: [&str; 2] = ["stdout", "stderr"];

/// One stream of one program.
#[derive(Debug)]
pub struct Stream {
    // Held while bytes are written and told, so that a tail and what follows it fit together.
    log: Mutex<LogFile>,
    followers: broadcast::Sender<Bytes>,
}

impl Stream {
    /// The stream of a name, in a directory.
    pub fn new(directory: &Path, name: &str) -> Self {
        let log = Mutex::new(LogFile::new(directory, name));
        Self { log, followers: broadcast::Sender::new(FOLLOWED_MAX) }
    }

    fn log(&self) -> MutexGuard<'_, LogFile> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes bytes, and tells them to those who follow. It blocks.
    pub fn append(&self, bytes: Bytes) {
        let mut log = self.log();
        log.append(&bytes);
        // Nobody follows most of the time.
        let _ = self.followers.send(bytes);
        drop(log);
    }

    /// Bytes that could not be written.
    pub fn lost(&self) -> u64 {
        self.log().lost()
    }

    /// The last lines. It blocks.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn tail(&self, lines: u32) -> io::Result<Vec<u8>> {
        self.log().tail(lines)
    }

    /// The last lines, and what follows them without a gap. It blocks.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn follow(&self, lines: u32) -> io::Result<(Vec<u8>, broadcast::Receiver<Bytes>)> {
        let log = self.log();
        let followed = self.followers.subscribe();
        Ok((log.tail(lines)?, followed))
    }
}

/// Both streams of one program.
#[derive(Debug)]
pub struct ProgramOutput {
    /// By [`STREAMS`].
    pub streams: [Arc<Stream>; 2],
    runs: Mutex<VecDeque<CancellationToken>>,
}

impl ProgramOutput {
    /// Bytes that could not be written.
    pub fn lost(&self) -> u64 {
        self.streams.iter().map(|stream| stream.lost()).sum()
    }
}

/// The output of all programs. Clones are the same.
#[derive(Clone, Debug)]
pub struct Outputs {
    directory: Arc<Path>,
    programs: Arc<Mutex<BTreeMap<ProgramName, Arc<ProgramOutput>>>>,
}

impl Outputs {
    /// Output that is kept under `directory`.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.into(), programs: Arc::default() }
    }

    /// The directory of one program.
    pub fn directory(&self, name: &ProgramName) -> PathBuf {
        self.directory.join(name.as_str())
    }

    /// The output of one program.
    pub fn of(&self, name: &ProgramName) -> Arc<ProgramOutput> {
        let mut programs = self.programs.lock().unwrap_or_else(PoisonError::into_inner);
        let made = || {
            let directory = self.directory(name);
            let streams = STREAMS.map(|stream| Arc::new(Stream::new(&directory, stream)));
            Arc::new(ProgramOutput { streams, runs: Mutex::default() })
        };
        Arc::clone(programs.entry(name.clone()).or_insert_with(made))
    }

    /// Stops reading the output of a program, and removes its logs. It blocks.
    ///
    /// # Errors
    /// If they cannot be removed.
    pub fn remove(&self, name: &ProgramName) -> io::Result<()> {
        let removed = self.programs.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        if let Some(output) = removed {
            let runs = output.runs.lock().unwrap_or_else(PoisonError::into_inner);
            runs.iter().for_each(CancellationToken::cancel);
        }
        match std::fs::remove_dir_all(self.directory(name)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Reads the pipes of a run until they end.
    pub fn pump(
        &self,
        name: &ProgramName,
        pipes: [Option<OwnedFd>; 2],
        tasks: &TaskTracker,
        stopping: &CancellationToken,
    ) {
        let output = self.of(name);
        let stop = stopping.child_token();
        let mut runs = output.runs.lock().unwrap_or_else(PoisonError::into_inner);
        runs.push_back(stop.clone());
        if runs.len() > RUNS_MAX
            && let Some(oldest) = runs.pop_front()
        {
            oldest.cancel();
        }
        drop(runs);
        for (stream, pipe) in output.streams.iter().zip(pipes) {
            match pipe.map(pipe::Receiver::from_owned_fd) {
                Some(Ok(pipe)) => {
                    let (stream, stop) = (Arc::clone(stream), stop.clone());
                    tasks.spawn(async move {
                        stop.run_until_cancelled_owned(read(pipe, stream)).await;
                    });
                }
                Some(Err(error)) => tracing::error!(%name, %error, "output of a program cannot be read"),
                None => {}
            }
        }
    }
}

async fn read(mut pipe: pipe::Receiver, stream: Arc<Stream>) {
    let (mut window, mut read) = (Instant::now(), 0);
    loop {
        let mut bytes = Vec::with_capacity(READ_BYTES);
        match pipe.read_buf(&mut bytes).await {
            Ok(0) => return,
            Ok(count) => read += count,
            Err(error) => {
                tracing::error!(%error, "output of a program cannot be read");
                return;
            }
        }
        let stream = Arc::clone(&stream);
        bytes.shrink_to_fit();
        if spawn_blocking(move || stream.append(bytes.into())).await.is_err() {
            return;
        }
        if window.elapsed() >= RATE_WINDOW {
            (window, read) = (Instant::now(), 0);
        } else if read >= RATE_BYTES {
            sleep_until(window + RATE_WINDOW).await;
            (window, read) = (Instant::now(), 0);
        }
    }
}
