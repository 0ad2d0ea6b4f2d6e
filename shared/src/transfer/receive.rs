//! The receiving side: walks the pages that it is told, and fetches what it does not have.
//!
//! A file that cannot be had is noted, and the others go on; what ends the transfer is a way that fails, a peer
//! that breaks the rules, and a disk that takes no more. Directories get their modes and times once all that is
//! in them is there.

use std::ffi::OsStr;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::time::{Duration, Instant};

use rustix::fs::{AtFlags, Mode};
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::partial::part_name;
use super::plan::{Pace, Step, is_below, is_within, mode, step};
use super::small::{Batch, sync_all};
use super::tree::{Tree, enter, stat_at, times};
use super::{Exchange, fatal, hash, is_fatal, words};
use crate::error::RpcError;
use crate::services::file::{FileContent, FileKind, FilePath};
use crate::services::transfer::{
    PAGE_ENTRIES_MAX, TransferAsk, TransferEntry, TransferFailed, TransferSummary, TransferTell,
};

mod large;

/// What failed is told by name so often.
const FAILED_MAX: usize = 100;
/// Between two messages of progress.
const LIFE: Duration = Duration::from_millis(500);
/// Longest wait for the sake of a pace, before it is looked at whether anybody still waits.
const NAP: Duration = Duration::from_millis(200);
/// Bytes of small files that are asked for at once.
const BATCH_BYTES: u64 = 4 << 20;

/// The receiving side.
#[derive(Debug)]
pub struct Receiver<'a, E> {
    wire: &'a mut E,
    tree: Tree,
    pace: Option<Pace>,
    gone: CancellationToken,
    summary: TransferSummary,
    began: Instant,
    told: Instant,
    /// A page that came while something else was waited for.
    early: Option<TransferTell>,
    /// Directories that the walk is in, the innermost last.
    within: Vec<TransferEntry>,
    /// What a tree that was not there is to be called once it is whole.
    name: Option<Vec<u8>>,
}

impl<'a, E: Exchange> Receiver<'a, E> {
    /// Receives what is at the other end of `wire` as `tree`, at most so many bytes a second, until `gone`.
    pub fn new(
        wire: &'a mut E,
        tree: Tree,
        bytes_per_second_max: Option<u64>,
        gone: CancellationToken,
    ) -> Self {
        let now = Instant::now();
        Self {
            wire,
            tree,
            pace: bytes_per_second_max.map(Pace::new),
            gone,
            summary: TransferSummary::default(),
            began: now,
            told: now,
            early: None,
            within: Vec::new(),
            name: None,
        }
    }

    /// Does it.
    ///
    /// # Errors
    /// Why it cannot go on. What is in place stays, and the same again takes it up.
    pub fn run(mut self) -> Result<TransferSummary, RpcError> {
        self.wire.ask(TransferAsk::Next)?;
        loop {
            let told = match self.early.take() {
                Some(page) => page,
                None => self.answer()?,
            };
            let TransferTell::Page { entries, failed, is_end } = told else { return Err(nonsense()) };
            if entries.len() > PAGE_ENTRIES_MAX || failed.len() > 2 * PAGE_ENTRIES_MAX {
                return Err(nonsense());
            }
            failed.into_iter().for_each(|failed| self.note(failed));
            self.page(entries, is_end)?;
            if is_end {
                break;
            }
        }
        let left = std::mem::take(&mut self.within);
        self.leave(left.into_iter().rev())?;
        self.finish().map_err(|source| fatal(&"the whole", source))?;
        self.summary.elapsed_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(self.summary)
    }

    /// Puts all on disk, and gives a new tree its name.
    fn finish(&mut self) -> Result<(), Errno> {
        let path = FilePath::default();
        let name = self.name.take();
        let (parent, part) = self.tree.place(&path)?;
        sync_all(parent)?;
        if let Some(name) = name {
            rustix::fs::renameat(parent, OsStr::from_bytes(part), parent, OsStr::from_bytes(&name))?;
        }
        Ok(())
    }

    fn page(&mut self, entries: Vec<TransferEntry>, is_end: bool) -> Result<(), RpcError> {
        let (mut small, mut large, mut left) = (Vec::new(), Vec::new(), Vec::new());
        for entry in entries {
            if !is_below(&entry.path) {
                return Err(nonsense());
            }
            while self.within.last().is_some_and(|above| !is_within(&entry.path, &above.path)) {
                left.extend(self.within.pop());
            }
            if entry.path.as_bytes().is_empty() {
                self.begin(&entry)?;
            }
            let step = match self.tree.standing(&entry.path) {
                Ok(standing) => step(&entry, standing.as_ref()),
                Err(source) => {
                    self.refuse(&entry.path, source)?;
                    continue;
                }
            };
            match step {
                Step::Small => small.push(entry),
                Step::Large => large.push(entry),
                step => self.take(&entry, &step)?,
            }
        }
        let mut is_asked = is_end;
        for batch in batches(small) {
            self.wire.ask(TransferAsk::Small(batch.iter().map(|entry| entry.path.clone()).collect()))?;
            if !is_asked && large.is_empty() {
                // While these are written the next ones are looked for.
                self.wire.ask(TransferAsk::Next)?;
                is_asked = true;
            }
            self.small(&batch)?;
        }
        for entry in &large {
            self.large(entry)?;
        }
        if !is_asked {
            self.wire.ask(TransferAsk::Next)?;
        }
        self.leave(left.into_iter())
    }

    /// A directory that is not there yet grows beside its name, so that what was cut is no half of it, and the
    /// same again finds it.
    fn begin(&mut self, top: &TransferEntry) -> Result<(), RpcError> {
        let refused = |source| fatal(&"its directory", source);
        let standing = self.tree.standing(&top.path).map_err(refused)?;
        if top.kind != FileKind::Directory || standing.is_some() || self.name.is_some() {
            return Ok(());
        }
        let (parent, name) = self.tree.place(&top.path).map_err(refused)?;
        let part = part_name(name);
        // Only what an earlier transfer of ours left is gone on with.
        let is_foreign = stat_at(parent, part.as_bytes())
            .is_ok_and(|stat| stat.st_uid != rustix::process::geteuid().as_raw());
        if is_foreign {
            return Err(RpcError::conflict(format!("{} is in the way, and somebody else's", part.display())));
        }
        self.name = Some(name.to_vec());
        self.tree.renamed(part.into_vec());
        Ok(())
    }

    /// What needs nothing from the other side.
    fn take(&mut self, entry: &TransferEntry, step: &Step) -> Result<(), RpcError> {
        let done = match step {
            Step::Same => {
                self.summary.progress.unchanged += u64::from(entry.kind == FileKind::File);
                self.summary.progress.done_bytes += entry.size_bytes;
                Ok(())
            }
            Step::Mode => self.set_mode(entry),
            Step::Directory => self.directory(entry),
            Step::Link => self.link(entry),
            Step::Refuse(why) => {
                self.fail(&entry.path, (*why).to_owned());
                return Ok(());
            }
            Step::Small | Step::Large => Ok(()),
        };
        match done {
            Ok(()) => self.summary.progress.entries += 1,
            Err(source) => self.refuse(&entry.path, source)?,
        }
        self.tell()
    }

    fn set_mode(&mut self, entry: &TransferEntry) -> Result<(), Errno> {
        let (directory, name) = self.tree.place(&entry.path)?;
        let (file, _) = super::tree::open(directory, name)?;
        rustix::fs::fchmod(&file, Mode::from_raw_mode(mode(entry)))
    }

    fn directory(&mut self, entry: &TransferEntry) -> Result<(), Errno> {
        let (parent, name) = self.tree.place(&entry.path)?;
        match rustix::fs::mkdirat(parent, OsStr::from_bytes(name), Mode::from_raw_mode(0o700)) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(source) => return Err(source),
        }
        enter(parent, name)?;
        self.within.push(entry.clone());
        Ok(())
    }

    fn link(&mut self, entry: &TransferEntry) -> Result<(), Errno> {
        let Some(target) = &entry.target else { return Err(Errno::INVAL) };
        let (parent, name) = self.tree.place(&entry.path)?;
        let (part, target) = (part_name(name), OsStr::from_bytes(target.as_bytes()));
        match rustix::fs::symlinkat(target, parent, &part) {
            Err(Errno::EXIST) => {
                rustix::fs::unlinkat(parent, &part, AtFlags::empty())?;
                rustix::fs::symlinkat(target, parent, &part)?;
            }
            made => made?,
        }
        // The time of a link is a nicety.
        let _ = rustix::fs::utimensat(parent, &part, &times(entry.modified_ns), AtFlags::SYMLINK_NOFOLLOW);
        rustix::fs::renameat(parent, &part, parent, OsStr::from_bytes(name)).inspect_err(|_| {
            let _ = rustix::fs::unlinkat(parent, &part, AtFlags::empty());
        })
    }

    /// Modes and times of directories in which nothing more happens, the innermost first.
    fn leave(&mut self, left: impl Iterator<Item = TransferEntry>) -> Result<(), RpcError> {
        for entry in left {
            let (parent, name) = match self.tree.place(&entry.path) {
                Ok(place) => place,
                Err(source) => {
                    self.refuse(&entry.path, source)?;
                    continue;
                }
            };
            let set = enter(parent, name).and_then(|directory| {
                rustix::fs::fchmod(&directory, Mode::from_raw_mode(mode(&entry)))?;
                rustix::fs::futimens(&directory, &times(entry.modified_ns))
            });
            if let Err(source) = set {
                self.refuse(&entry.path, source)?;
            }
        }
        Ok(())
    }

    fn small(&mut self, batch: &[TransferEntry]) -> Result<(), RpcError> {
        let mut written = Batch::default();
        for (index, entry) in batch.iter().enumerate() {
            let (content, modified_ns) = match self.answer_past_page()? {
                TransferTell::Small { path, content, hash, modified_ns } if path == entry.path => {
                    self.verify(&path, &content, &hash)?;
                    (content.0, modified_ns)
                }
                TransferTell::Failed(failed) if failed.path == entry.path => {
                    self.note(failed);
                    continue;
                }
                _ => return Err(nonsense()),
            };
            let above = above(&entry.path);
            let put = self.tree.place(&entry.path).and_then(|(directory, name)| {
                written.write((directory, above, name), &content, (mode(entry), modified_ns), index)
            });
            if let Err(source) = put {
                self.refuse(&entry.path, source)?;
            }
            self.summary.progress.path = entry.path.clone();
            self.received(content.len() as u64)?;
        }
        for (index, named) in written.finish() {
            let Some(entry) = batch.get(index) else { continue };
            match named {
                Ok(()) => {
                    self.summary.progress.entries += 1;
                    self.summary.progress.done_bytes += entry.size_bytes;
                }
                Err(source) => self.refuse(&entry.path, source)?,
            }
        }
        self.tell()
    }

    fn answer(&mut self) -> Result<TransferTell, RpcError> {
        if self.gone.is_cancelled() {
            return Err(RpcError::cancelled("nobody waits for it any more"));
        }
        self.wire.answer()
    }

    /// The next answer that is not a page, which may have been asked for beforehand.
    fn answer_past_page(&mut self) -> Result<TransferTell, RpcError> {
        loop {
            match self.answer()? {
                page @ TransferTell::Page { .. } if self.early.is_none() => self.early = Some(page),
                told => return Ok(told),
            }
        }
    }

    fn verify(&self, path: &FilePath, content: &FileContent, expected: &FileContent) -> Result<(), RpcError> {
        if hash(&content.0).as_slice() == expected.0 {
            return Ok(());
        }
        Err(RpcError::internal(format!("{path:?}: what came is not what was sent: do the same again")))
    }

    /// Counts what came, keeps the pace, and says how far it is.
    fn received(&mut self, bytes: u64) -> Result<(), RpcError> {
        self.summary.progress.received_bytes += bytes;
        if let Some(pace) = &mut self.pace {
            let mut wait = pace.take(self.began.elapsed(), bytes);
            while !wait.is_zero() && !self.gone.is_cancelled() {
                let nap = wait.min(NAP);
                std::thread::sleep(nap);
                wait -= nap;
                if self.told.elapsed() >= LIFE {
                    self.told = Instant::now();
                    self.wire.progress(&self.summary.progress)?;
                }
            }
        }
        self.tell()
    }

    fn tell(&mut self) -> Result<(), RpcError> {
        if self.told.elapsed() < LIFE {
            return Ok(());
        }
        self.told = Instant::now();
        self.wire.progress(&self.summary.progress)
    }

    /// Notes what the kernel refused; what would refuse the rest too ends the transfer.
    fn refuse(&mut self, path: &FilePath, source: Errno) -> Result<(), RpcError> {
        if is_fatal(source) {
            return Err(fatal(path, source));
        }
        let why = match source {
            Errno::BUSY => "another transfer writes to it".into(),
            Errno::STALE => "it changes while it is read".into(),
            source => words(source),
        };
        self.fail(path, why);
        Ok(())
    }

    fn fail(&mut self, path: &FilePath, why: String) {
        self.note(TransferFailed { path: path.clone(), why, is_left_out: false });
    }

    fn note(&mut self, failed: TransferFailed) {
        self.summary.progress.failed += 1;
        if self.summary.failed.len() < FAILED_MAX {
            self.summary.failed.push(failed);
        }
    }
}

fn nonsense() -> RpcError {
    RpcError::bad_request("the sending side answers what was not asked")
}

fn above(path: &FilePath) -> &[u8] {
    let bytes = path.as_bytes();
    bytes.iter().rposition(|&byte| byte == b'/').map_or(&[], |at| &bytes[..at])
}

/// Small files in groups that are asked for at once.
fn batches(entries: Vec<TransferEntry>) -> Vec<Vec<TransferEntry>> {
    let (mut groups, mut bytes) = (Vec::<Vec<TransferEntry>>::new(), 0);
    for entry in entries {
        bytes += entry.size_bytes;
        match groups.last_mut() {
            Some(group) if bytes <= BATCH_BYTES => group.push(entry),
            _ => {
                bytes = entry.size_bytes;
                groups.push(vec![entry]);
            }
        }
    }
    groups
}
