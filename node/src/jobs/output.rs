//! The output of jobs: from their pipes to their logs, and to those who follow.
//!
//! Both streams of a job have a log each, as those of a program do, which all its attempts share. While a job has
//! not ended its logs are held here; afterwards they are read where they lie.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use p2p_shared::services::job::JobId;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use crate::supervise::output::{STREAMS, Stream};

/// Bytes that are read at once.
const READ_BYTES: usize = 64 << 10;
/// Most bytes of a stream in a window: what writes faster waits.
const RATE_BYTES: usize = 1 << 20;
/// That window.
const RATE_WINDOW: Duration = Duration::from_millis(100);

/// Both streams of one job.
pub type JobStreams = [Arc<Stream>; 2];

/// The output of all jobs. Clones are the same.
#[derive(Clone, Debug)]
pub struct Outputs {
    directory: Arc<Path>,
    // Shared by who writes, who reads and who forgets; never held across an await.
    open: Arc<Mutex<BTreeMap<JobId, JobStreams>>>,
}

impl Outputs {
    /// Output that is kept under `directory`.
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.into(), open: Arc::default() }
    }

    /// The directory of one job.
    pub fn directory(&self, id: &JobId) -> PathBuf {
        self.directory.join(id.as_str())
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<JobId, JobStreams>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn made(&self, id: &JobId) -> JobStreams {
        let directory = self.directory(id);
        STREAMS.map(|stream| Arc::new(Stream::new(&directory, stream)))
    }

    /// The streams of a job that has not ended: the same ones for everybody, until [`Self::close`].
    pub fn held(&self, id: &JobId) -> JobStreams {
        self.open().entry(id.clone()).or_insert_with(|| self.made(id)).clone()
    }

    /// The streams of a job, to read what is there.
    pub fn of(&self, id: &JobId) -> JobStreams {
        let held = self.open().get(id).cloned();
        held.unwrap_or_else(|| self.made(id))
    }

    /// A job has ended: who follows it has all there is.
    pub fn close(&self, id: &JobId) {
        self.open().remove(id);
    }

    /// Makes the directory of a job. It blocks.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn prepare(&self, id: &JobId) -> io::Result<()> {
        use std::os::unix::fs::DirBuilderExt;
        fs::DirBuilder::new().recursive(true).mode(0o700).create(self.directory(id))
    }

    /// Bytes that a job has on disk. It blocks.
    pub fn size(&self, id: &JobId) -> u64 {
        let Ok(entries) = fs::read_dir(self.directory(id)) else { return 0 };
        entries.flatten().filter_map(|entry| entry.metadata().ok()).map(|file| file.len()).sum()
    }

    /// Removes what a job wrote. It blocks.
    pub fn remove(&self, id: &JobId) {
        self.close(id);
        match fs::remove_dir_all(self.directory(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(%id, %error, "the output of a job is left");
            }
            _ => {}
        }
    }

    /// Jobs that have something on disk. It blocks.
    pub fn on_disk(&self) -> Vec<JobId> {
        let entries = fs::read_dir(&self.directory).into_iter().flatten().flatten();
        entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
    }
}

/// Reads a pipe of a job until it ends, or until there is no more time for it. What was read is on disk then.
pub async fn pump(pipe: OwnedFd, stream: Arc<Stream>, over: CancellationToken) {
    let mut pipe = match pipe::Receiver::from_owned_fd(pipe) {
        Ok(pipe) => pipe,
        Err(error) => return tracing::error!(%error, "output of a job cannot be read"),
    };
    let (mut window, mut in_window) = (Instant::now(), 0);
    loop {
        let mut bytes = Vec::with_capacity(READ_BYTES);
        let read = tokio::select! {
            biased;
            () = over.cancelled() => return,
            read = pipe.read_buf(&mut bytes) => read,
        };
        match read {
            Ok(0) => return,
            Ok(count) => in_window += count,
            Err(error) => return tracing::error!(%error, "output of a job cannot be read"),
        }
        let stream = Arc::clone(&stream);
        bytes.shrink_to_fit();
        // Awaited even when time is over: it was taken out of the pipe.
        if spawn_blocking(move || stream.append(bytes.into())).await.is_err() {
            return;
        }
        if window.elapsed() >= RATE_WINDOW {
            (window, in_window) = (Instant::now(), 0);
        } else if in_window >= RATE_BYTES {
            sleep_until(window + RATE_WINDOW).await;
            (window, in_window) = (Instant::now(), 0);
        }
    }
}
