//! Searches of a tree, by name and by contents, on a few threads, with a bound on everything.
//!
//! A question enters, hits gather in a [`Findings`] that somebody empties meanwhile. The engines are ripgrep's;
//! its walker is not, because that walks by path: here each directory is opened from the descriptor of the one
//! above, so that a link put in its place leads nowhere. Nothing is ignored but other file systems and what the
//! node keeps to itself.

mod grep;
mod walk;

use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use globset::{GlobBuilder, GlobMatcher};
use p2p_shared::services::file::{FileFound, FileHit, FileKind, FilePath, SearchEnd};
use regex::bytes::{Regex, RegexBuilder};
use tokio_util::sync::CancellationToken;

use super::error::FileError;
use super::jail::Jail;

use grep::Lines;

/// Longest pattern, in bytes.
const PATTERN_BYTES_MAX: usize = 4_096;
/// Largest compiled pattern.
const COMPILED_BYTES_MAX: usize = 1 << 20;
/// Threads of one search.
const THREADS_MAX: usize = 4;
/// Hits that wait to be taken; a search waits for room.
const WAITING_MAX: usize = 8_192;

/// What is searched for.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// Fits the path below the top if it holds a slash, else the last name.
    pub glob: Option<String>,
    /// Fits the last name.
    pub regex: Option<String>,
    /// Of this kind.
    pub kind: Option<FileKind>,
    /// Fits a line.
    pub line: Option<String>,
    /// How deep.
    pub depth: usize,
    /// At most so many hits.
    pub hits: u64,
    /// At most so long.
    pub time: Duration,
    /// At most so many bytes of contents.
    pub read_bytes: u64,
}

/// A question whose patterns are good.
#[derive(Debug)]
pub struct Search {
    glob: Option<(GlobMatcher, bool)>,
    name: Option<Regex>,
    kind: Option<FileKind>,
    lines: Option<Lines>,
    bounds: Bounds,
}

#[derive(Clone, Copy, Debug)]
struct Bounds {
    depth: usize,
    hits: u64,
    until: Instant,
    read_bytes: u64,
}

/// What was found so far.
#[derive(Debug)]
pub struct Findings {
    waiting: Mutex<Vec<FileHit>>,
    room: std::sync::Condvar,
    hits: AtomicU64,
    entries: AtomicU64,
    read_bytes: AtomicU64,
    skipped: AtomicU64,
    end: AtomicU8,
    is_over: AtomicBool,
    gone: CancellationToken,
}

impl Search {
    /// Judges a question.
    ///
    /// # Errors
    /// [`FileError::Invalid`] names the pattern and what is wrong.
    pub fn new(question: Question) -> Result<Self, FileError> {
        let glob = question.glob.as_deref().map(glob).transpose()?;
        let name = question.regex.as_deref().map(regex).transpose()?;
        let lines = question.line.as_deref().map(Lines::new).transpose()?;
        let bounds = Bounds {
            depth: question.depth,
            hits: question.hits,
            until: Instant::now() + question.time,
            read_bytes: question.read_bytes,
        };
        Ok(Self { glob, name, kind: question.kind, lines, bounds })
    }

    /// Searches to the end, which the findings tell.
    ///
    /// # Errors
    /// [`FileError`] if there is no such tree.
    pub fn run(&self, jail: &Jail, path: &FilePath, findings: &Findings) -> Result<(), FileError> {
        walk::run(self, jail, path, findings)
    }

    fn fits(&self, name: &[u8], below: impl FnOnce() -> Vec<u8>) -> bool {
        use std::os::unix::ffi::OsStrExt;
        let path = |bytes: &[u8]| std::path::PathBuf::from(std::ffi::OsStr::from_bytes(bytes));
        let fits_glob = match &self.glob {
            None => true,
            Some((glob, false)) => glob.is_match(std::path::Path::new(std::ffi::OsStr::from_bytes(name))),
            Some((glob, true)) => glob.is_match(path(&below())),
        };
        fits_glob && self.name.as_ref().is_none_or(|regex| regex.is_match(name))
    }
}

fn check_length(what: &str, pattern: &str) -> Result<(), FileError> {
    if pattern.is_empty() || pattern.len() > PATTERN_BYTES_MAX {
        return Err(FileError::Invalid(format!(
            "{what} is 1 to {PATTERN_BYTES_MAX} bytes, not {}",
            pattern.len()
        )));
    }
    Ok(())
}

fn glob(pattern: &str) -> Result<(GlobMatcher, bool), FileError> {
    check_length("glob", pattern)?;
    let glob = GlobBuilder::new(pattern).literal_separator(true).build();
    let glob = glob.map_err(|error| FileError::Invalid(format!("glob: {error}")))?;
    Ok((glob.compile_matcher(), pattern.contains('/')))
}

fn regex(pattern: &str) -> Result<Regex, FileError> {
    check_length("regex", pattern)?;
    let built =
        RegexBuilder::new(pattern).size_limit(COMPILED_BYTES_MAX).dfa_size_limit(COMPILED_BYTES_MAX).build();
    built.map_err(|error| FileError::Invalid(format!("regex: {error}")))
}

impl Findings {
    /// None yet. The search stops once the token is cancelled.
    pub fn new(gone: CancellationToken) -> Self {
        Self {
            waiting: Mutex::default(),
            room: std::sync::Condvar::new(),
            hits: AtomicU64::new(0),
            entries: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            skipped: AtomicU64::new(0),
            end: AtomicU8::new(0),
            is_over: AtomicBool::new(false),
            gone,
        }
    }

    /// Hits that are new, at most `most`, and how far the search is. The last one, with its end, comes once
    /// the search is over and every hit is taken.
    pub fn take(&self, most: usize) -> FileFound {
        let is_over = self.is_over.load(Ordering::Acquire);
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        let count = waiting.len().min(most);
        let hits: Vec<_> = waiting.drain(..count).collect();
        let end = (is_over && waiting.is_empty()).then(|| self.ended());
        drop(waiting);
        self.room.notify_all();
        FileFound {
            hits,
            entries: self.entries.load(Ordering::Relaxed),
            read_bytes: self.read_bytes.load(Ordering::Relaxed),
            skipped: self.skipped.load(Ordering::Relaxed),
            end,
        }
    }

    /// The search is over, well or badly.
    pub fn finish(&self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Whether nothing more is added.
    pub fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Acquire)
    }

    fn ended(&self) -> SearchEnd {
        match self.end.load(Ordering::Relaxed) {
            0 => SearchEnd::Complete,
            1 => SearchEnd::Hits,
            2 => SearchEnd::Time,
            _ => SearchEnd::Bytes,
        }
    }

    fn stop(&self, why: SearchEnd) {
        let number = match why {
            SearchEnd::Complete | SearchEnd::Unknown => 0,
            SearchEnd::Hits => 1,
            SearchEnd::Time => 2,
            SearchEnd::Bytes => 3,
        };
        // The first reason is the reason.
        let _ = self.end.compare_exchange(0, number, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Whether to go on.
    fn goes_on(&self, bounds: &Bounds) -> bool {
        if Instant::now() >= bounds.until {
            self.stop(SearchEnd::Time);
        }
        self.end.load(Ordering::Relaxed) == 0 && !self.gone.is_cancelled()
    }

    fn put(&self, hits: &mut Vec<FileHit>, bounds: &Bounds) {
        for hit in hits.drain(..) {
            if self.hits.fetch_add(1, Ordering::Relaxed) >= bounds.hits {
                self.stop(SearchEnd::Hits);
                return;
            }
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            while waiting.len() >= WAITING_MAX && self.goes_on(bounds) {
                let pause = Duration::from_millis(100);
                waiting = self.room.wait_timeout(waiting, pause).unwrap_or_else(PoisonError::into_inner).0;
            }
            waiting.push(hit);
        }
    }

    fn skip(&self) {
        self.skipped.fetch_add(1, Ordering::Relaxed);
    }
}
