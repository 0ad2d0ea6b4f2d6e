//! One file in chunks: those that are there already, from what was cut or from the file as it was, are kept.

use std::fs::File;

use rustix::io::Errno;

use super::{Receiver, nonsense};
use crate::error::RpcError;
use crate::services::transfer::{
    CHUNK_HASH_BYTES, ChunkRun, PIECE_BYTES_MAX, TransferAsk, TransferEntry, TransferTell,
};
use crate::transfer::partial::Partial;
use crate::transfer::plan::{Ranges, chunk_bytes, mode};
use crate::transfer::tree::{open, size, times};
use crate::transfer::{Exchange, hash};

/// How often a file is fetched anew that changes meanwhile.
const TRIES: usize = 3;

/// Why a try brought nothing.
enum Miss {
    /// The way failed, or the peer broke the rules.
    Way(RpcError),
    /// The file cannot be had or not be written.
    File(Errno),
    /// The other side said why.
    Told(crate::services::transfer::TransferFailed),
    /// It changed meanwhile, and is this long now.
    Changed(u64),
}

impl From<RpcError> for Miss {
    fn from(error: RpcError) -> Self {
        Self::Way(error)
    }
}

impl From<Errno> for Miss {
    fn from(source: Errno) -> Self {
        Self::File(source)
    }
}

/// What is known of the file at the other end.
#[derive(Clone, Copy, Debug)]
struct Wanted {
    size_bytes: u64,
    chunk_bytes: u32,
}

/// What is here of it.
struct Here {
    partial: Partial,
    /// The file as it was, and its length.
    old: Option<(File, u64)>,
}

/// What the hashes told.
#[derive(Debug, Default)]
struct Compared {
    wanted: Ranges,
    /// Chunks that are the same in the file as it was.
    old: Ranges,
    /// Chunks that an earlier transfer left.
    is_resumed: bool,
    /// When the file at the other end changed.
    modified_ns: i64,
}

impl<E: Exchange> Receiver<'_, E> {
    /// Fetches what differs of a file.
    pub(super) fn large(&mut self, entry: &TransferEntry) -> Result<(), RpcError> {
        let progress = &mut self.summary.progress;
        (progress.path, progress.file_bytes) = (entry.path.clone(), entry.size_bytes);
        progress.file_done_bytes = 0;
        let (mut size_bytes, before) = (entry.size_bytes, self.summary.progress.done_bytes);
        for _ in 0..TRIES {
            let wanted = Wanted { size_bytes, chunk_bytes: chunk_bytes(size_bytes) };
            self.summary.progress.done_bytes = before;
            self.summary.progress.file_done_bytes = 0;
            match self.attempt(entry, wanted) {
                Ok(()) => {
                    self.summary.progress.entries += 1;
                    return self.tell();
                }
                Err(Miss::Way(error)) => return Err(error),
                Err(Miss::File(source)) => return self.refuse(&entry.path, source),
                Err(Miss::Told(failed)) => {
                    self.note(failed);
                    return Ok(());
                }
                Err(Miss::Changed(now)) => size_bytes = now,
            }
        }
        self.refuse(&entry.path, Errno::STALE)
    }

    fn attempt(&mut self, entry: &TransferEntry, wanted: Wanted) -> Result<(), Miss> {
        let (directory, name) = self.tree.place(&entry.path)?;
        let old = open(directory, name).ok().map(|(file, stat)| (file, size(&stat)));
        let here = Here { partial: Partial::open(directory, name)?, old };
        let compared = if here.partial.found_bytes() > 0 || here.old.is_some() {
            self.compare(entry, wanted, &here)?
        } else {
            Compared {
                wanted: Ranges::all(wanted.size_bytes, wanted.chunk_bytes),
                modified_ns: entry.modified_ns,
                ..Compared::default()
            }
        };
        if let Some((old, length)) = &here.old
            && compared.wanted.is_empty()
            && !compared.is_resumed
            && *length == wanted.size_bytes
        {
            // Contents are the same: only times and mode are to be set.
            rustix::fs::fchmod(old, rustix::fs::Mode::from_raw_mode(mode(entry)))?;
            rustix::fs::futimens(old, &times(compared.modified_ns))?;
            here.partial.discard();
            return Ok(());
        }
        if let Some((old, _)) = &here.old {
            for range in &compared.old.0 {
                let (offset, length) = bytes(wanted, range.first, range.count);
                here.partial.take(old, offset, length)?;
            }
        }
        let modified_ns = if compared.wanted.is_empty() {
            compared.modified_ns
        } else {
            self.fetch(entry, (wanted, &compared), &here.partial)?
        };
        if modified_ns != compared.modified_ns {
            return Err(Miss::Changed(wanted.size_bytes));
        }
        Ok(here.partial.finish(wanted.size_bytes, mode(entry), modified_ns)?)
    }

    /// Asks for the hashes of all chunks, and compares them with what is here.
    fn compare(&mut self, entry: &TransferEntry, wanted: Wanted, here: &Here) -> Result<Compared, Miss> {
        let path = entry.path.clone();
        self.wire.ask(TransferAsk::Chunks { path, chunk_bytes: wanted.chunk_bytes })?;
        let (mut compared, mut chunk) = (Compared::default(), 0);
        let mut buffer = vec![0; wanted.chunk_bytes as usize];
        let mut failed = None;
        loop {
            let runs = match self.answer_past_page()? {
                TransferTell::Chunks(runs) => runs,
                TransferTell::End { size_bytes, .. } if size_bytes != wanted.size_bytes => {
                    return Err(failed.map_or(Miss::Changed(size_bytes), Miss::File));
                }
                TransferTell::End { modified_ns, .. } => {
                    compared.modified_ns = modified_ns;
                    return failed.map_or(Ok(compared), |source| Err(Miss::File(source)));
                }
                TransferTell::Failed(failed) => return Err(Miss::Told(failed)),
                _ => return Err(nonsense().into()),
            };
            for run in runs {
                match run {
                    ChunkRun::Hole(count) => {
                        let (offset, length) = bytes(wanted, chunk, count);
                        // The answer is heard to its end all the same.
                        failed = failed.or(here.partial.clear(offset, length).err());
                        self.kept(length);
                        chunk = chunk.saturating_add(count);
                    }
                    ChunkRun::Data(hashes) => {
                        for expected in hashes.0.chunks(CHUNK_HASH_BYTES) {
                            self.judge((wanted, chunk, expected), here, &mut buffer, &mut compared);
                            chunk = chunk.saturating_add(1);
                        }
                    }
                }
            }
            self.tell()?;
        }
    }

    fn judge(
        &mut self,
        (wanted, chunk, expected): (Wanted, u64, &[u8]),
        here: &Here,
        buffer: &mut [u8],
        compared: &mut Compared,
    ) {
        let (offset, length) = bytes(wanted, chunk, 1);
        let part = &mut buffer[..usize::try_from(length).unwrap_or(0)];
        if part.is_empty() {
            return;
        }
        if here.partial.holds(offset, part, expected) {
            compared.is_resumed = true;
        } else if here.old.as_ref().is_some_and(|(old, _)| is_same(old, offset, part, expected)) {
            compared.old.push(chunk);
        } else {
            return compared.wanted.push(chunk);
        }
        self.kept(length);
    }

    fn kept(&mut self, length: u64) {
        self.summary.progress.file_done_bytes += length;
        self.summary.progress.done_bytes += length;
    }

    /// Fetches chunks; answers when the file at the other end changed.
    fn fetch(
        &mut self,
        entry: &TransferEntry,
        (wanted, compared): (Wanted, &Compared),
        partial: &Partial,
    ) -> Result<i64, Miss> {
        let (path, ranges) = (entry.path.clone(), compared.wanted.0.clone());
        self.wire.ask(TransferAsk::Data { path, chunk_bytes: wanted.chunk_bytes, ranges })?;
        let mut failed = None;
        loop {
            match self.answer_past_page()? {
                TransferTell::Piece { offset, content, hash } => {
                    let length = content.0.len() as u64;
                    let is_within = offset.checked_add(length).is_some_and(|end| end <= wanted.size_bytes);
                    if !is_within || content.0.len() > PIECE_BYTES_MAX {
                        return Err(nonsense().into());
                    }
                    self.verify(&entry.path, &content, &hash)?;
                    if let Err(source) = partial.put(offset, &content.0) {
                        // What is still on its way is not waited for: the transfer ends, or the disk is full.
                        if crate::transfer::is_fatal(source) {
                            return Err(Miss::File(source));
                        }
                        failed = Some(source);
                    }
                    self.kept(length);
                    self.received(length)?;
                }
                TransferTell::Hole { offset, length } => {
                    if offset.checked_add(length).is_none_or(|end| end > wanted.size_bytes) {
                        return Err(nonsense().into());
                    }
                    failed = failed.or(partial.clear(offset, length).err());
                    self.kept(length);
                    self.tell()?;
                }
                TransferTell::End { .. } if failed.is_some() => {
                    return Err(Miss::File(failed.unwrap_or(Errno::IO)));
                }
                TransferTell::End { size_bytes, .. } if size_bytes != wanted.size_bytes => {
                    return Err(Miss::Changed(size_bytes));
                }
                TransferTell::End { modified_ns, .. } => return Ok(modified_ns),
                TransferTell::Failed(failed) => return Err(Miss::Told(failed)),
                _ => return Err(nonsense().into()),
            }
        }
    }
}

fn is_same(old: &File, offset: u64, buffer: &mut [u8], expected: &[u8]) -> bool {
    crate::transfer::tree::read_at(old, buffer, offset) == Ok(buffer.len()) && hash(buffer) == expected
}

/// Where chunks begin, and how many bytes they are.
fn bytes(wanted: Wanted, first: u64, count: u64) -> (u64, u64) {
    let length = u64::from(wanted.chunk_bytes);
    let start = first.saturating_mul(length).min(wanted.size_bytes);
    let end = first.saturating_add(count).saturating_mul(length).min(wanted.size_bytes);
    (start, end - start)
}
