//! The sending side: answers one question after another from the files as they are now.

use std::fs::File;
use std::ops::Range;

use rustix::fs::Stat;
use rustix::io::Errno;
use tokio_util::sync::CancellationToken;

use super::plan::{RANGES_MAX, is_below};
use super::tree::{Tree, data, is_sparse, modified_ns, read_at, size};
use super::walk::{Judge, Page, Walk};
use super::{hash, words};
use crate::error::RpcError;
use crate::rpc::codec::Encoding;
use crate::services::file::{FileContent, FilePath};
use crate::services::transfer::{
    ChunkRange, ChunkRun, PAGE_ENTRIES_MAX, PIECE_BYTES_MAX, SMALL_BYTES_MAX, TransferAsk, TransferFailed,
    TransferTell,
};

/// Bytes of one piece where messages are JSON: a byte that is no text takes eight there, and a message has a megabyte.
const JSON_PIECE_BYTES: usize = 96 << 10;
/// Hashes of one message.
const HASHES: usize = 4_096;
/// Longest chunk that is hashed.
const CHUNK_BYTES_MAX: u32 = 16 << 20;
/// Longest file that is sent whole: those of `/proc` do not say how long they are.
const WHOLE_BYTES_MAX: usize = 512 << 10;
/// How often a small file is read anew that changes meanwhile.
const TRIES: usize = 3;

/// Where answers go; an error ends the transfer.
pub type Tell<'a> = &'a mut dyn FnMut(TransferTell) -> Result<(), RpcError>;

/// The sending side.
#[derive(Debug)]
pub struct Sender {
    tree: Tree,
    walk: Walk,
    gone: CancellationToken,
    open: Option<(FilePath, File)>,
    piece_bytes: usize,
}

impl Sender {
    /// Sends what `tree` holds, as far as `judge` lets its directories be read, until `gone`.
    pub fn new(tree: Tree, judge: Judge, gone: CancellationToken) -> Self {
        Self { tree, walk: Walk::new(judge), gone, open: None, piece_bytes: PIECE_BYTES_MAX }
    }

    /// The same, for a way on which messages are written so.
    #[must_use]
    pub fn speaking(self, encoding: Encoding) -> Self {
        let piece_bytes = match encoding {
            Encoding::Bincode => PIECE_BYTES_MAX,
            Encoding::Json => JSON_PIECE_BYTES,
        };
        Self { piece_bytes, ..self }
    }

    /// Answers a question in full.
    ///
    /// # Errors
    /// If the question is none, or as `tell` says. What cannot be read is an answer.
    pub fn answer(&mut self, ask: TransferAsk, tell: Tell<'_>) -> Result<(), RpcError> {
        match ask {
            TransferAsk::Next => {
                let Page { entries, failed, is_end } = self.walk.page(&mut self.tree);
                tell(TransferTell::Page { entries, failed, is_end })
            }
            TransferAsk::Small(paths) if paths.len() > PAGE_ENTRIES_MAX => Err(too_much()),
            TransferAsk::Small(paths) => {
                for path in paths {
                    self.check(&path)?;
                    let told = self.small(&path).unwrap_or_else(|why| failed(&path, why));
                    tell(told)?;
                }
                Ok(())
            }
            TransferAsk::Chunks { path, chunk_bytes } => {
                self.check(&path)?;
                let length = chunk(chunk_bytes)?;
                match self.chunks(&path, length, tell)? {
                    Ok(stat) => tell(end(&stat)),
                    Err(source) => tell(failed(&path, words(source))),
                }
            }
            TransferAsk::Data { ranges, .. } if ranges.len() > RANGES_MAX => Err(too_much()),
            TransferAsk::Data { path, chunk_bytes, ranges } => {
                self.check(&path)?;
                let length = chunk(chunk_bytes)?;
                match self.pieces(&path, (length, &ranges), tell)? {
                    Ok(stat) => tell(end(&stat)),
                    Err(source) => tell(failed(&path, words(source))),
                }
            }
        }
    }

    fn check(&self, path: &FilePath) -> Result<(), RpcError> {
        if self.gone.is_cancelled() {
            return Err(RpcError::cancelled("the other side went away"));
        }
        if is_below(path) {
            return Ok(());
        }
        Err(RpcError::bad_request(format!("{path:?} is no path below what is sent")))
    }

    fn small(&mut self, path: &FilePath) -> Result<TransferTell, String> {
        let mut buffer = Vec::new();
        for _ in 0..TRIES {
            let (file, before) = self.tree.open(path).map_err(words)?;
            let expected = if size(&before) == 0 { WHOLE_BYTES_MAX } else { whole(&before)? };
            buffer.resize(expected + 1, 0);
            let count = read_at(&file, &mut buffer, 0).map_err(words)?;
            let after = rustix::fs::fstat(&file).map_err(words)?;
            if count > WHOLE_BYTES_MAX {
                return Err("it is longer than it says".into());
            }
            if (size(&before), modified_ns(&before)) == (size(&after), modified_ns(&after)) {
                buffer.truncate(count);
                let hash = FileContent(hash(&buffer).to_vec());
                let (path, content) = (path.clone(), FileContent(buffer));
                return Ok(TransferTell::Small { path, content, hash, modified_ns: modified_ns(&after) });
            }
        }
        Err("it changes while it is read".into())
    }

    /// The file that was asked for last stays open: its parts are of one and the same.
    fn file(&mut self, path: &FilePath) -> Result<(&File, Stat), Errno> {
        if self.open.as_ref().is_none_or(|(open, _)| open != path) {
            self.open = Some((path.clone(), self.tree.open(path)?.0));
        }
        let (_, file) = self.open.as_ref().ok_or(Errno::NOENT)?;
        Ok((file, rustix::fs::fstat(file)?))
    }

    fn chunks(
        &mut self,
        path: &FilePath,
        length: u64,
        tell: Tell<'_>,
    ) -> Result<Result<Stat, Errno>, RpcError> {
        let gone = self.gone.clone();
        // Opened anew: the name may be another file's by now.
        self.open = None;
        let (file, stat) = match self.file(path) {
            Ok(opened) => opened,
            Err(source) => return Ok(Err(source)),
        };
        let (size, sparse) = (size(&stat), is_sparse(&stat));
        let mut runs = Runs::default();
        let mut buffer = vec![0; usize::try_from(length).unwrap_or(0)];
        let mut at = 0;
        while at < size {
            if gone.is_cancelled() {
                return Err(RpcError::cancelled("the other side went away"));
            }
            let next = data(file, &(at..size), sparse).map_or(size, |data| data.start / length * length);
            if next > at {
                runs.hole((next - at).div_ceil(length));
                at = next;
                continue;
            }
            let part = &mut buffer[..usize::try_from(length.min(size - at)).unwrap_or(0)];
            match read_at(file, part, at) {
                Ok(count) if count == part.len() => runs.data(&hash(part)),
                // It became shorter.
                Ok(_) => return Ok(rustix::fs::fstat(file)),
                Err(source) => return Ok(Err(source)),
            }
            at += length;
            if runs.hashes >= HASHES {
                tell(TransferTell::Chunks(runs.take()))?;
            }
        }
        if !runs.list.is_empty() {
            tell(TransferTell::Chunks(runs.take()))?;
        }
        Ok(Ok(stat))
    }

    fn pieces(
        &mut self,
        path: &FilePath,
        (length, ranges): (u64, &[ChunkRange]),
        tell: Tell<'_>,
    ) -> Result<Result<Stat, Errno>, RpcError> {
        let (gone, piece_bytes) = (self.gone.clone(), self.piece_bytes);
        let (file, stat) = match self.file(path) {
            Ok(opened) => opened,
            Err(source) => return Ok(Err(source)),
        };
        let (size, sparse) = (size(&stat), is_sparse(&stat));
        for range in ranges {
            let start = range.first.saturating_mul(length).min(size);
            let end = range.first.saturating_add(range.count).saturating_mul(length).min(size);
            let mut at = start;
            while at < end {
                let data = data(file, &(at..end), sparse).unwrap_or(end..end);
                if data.start > at {
                    tell(TransferTell::Hole { offset: at, length: data.start - at })?;
                }
                at = data.end;
                match span(file, data, (&gone, piece_bytes), tell)? {
                    Ok(true) => {}
                    Ok(false) => return Ok(rustix::fs::fstat(file)),
                    Err(source) => return Ok(Err(source)),
                }
            }
        }
        // As it is now: whether it changed meanwhile is for the other side to see.
        Ok(rustix::fs::fstat(file))
    }
}

/// Sends what is between two places; `false` if the file ends before.
fn span(
    file: &File,
    span: Range<u64>,
    (gone, piece_bytes): (&CancellationToken, usize),
    tell: Tell<'_>,
) -> Result<Result<bool, Errno>, RpcError> {
    let mut at = span.start;
    while at < span.end {
        if gone.is_cancelled() {
            return Err(RpcError::cancelled("the other side went away"));
        }
        let wanted = usize::try_from(span.end - at).unwrap_or(piece_bytes).min(piece_bytes);
        let mut content = vec![0; wanted];
        match read_at(file, &mut content, at) {
            Ok(count) if count == wanted => {}
            Ok(_) => return Ok(Ok(false)),
            Err(source) => return Ok(Err(source)),
        }
        let hash = FileContent(hash(&content).to_vec());
        tell(TransferTell::Piece { offset: at, content: FileContent(content), hash })?;
        at += wanted as u64;
    }
    Ok(Ok(true))
}

/// Runs that are gathered.
#[derive(Debug, Default)]
struct Runs {
    list: Vec<ChunkRun>,
    hashes: usize,
}

impl Runs {
    fn hole(&mut self, count: u64) {
        self.list.push(ChunkRun::Hole(count));
        self.hashes += 1;
    }

    fn data(&mut self, hash: &[u8]) {
        self.hashes += 1;
        match self.list.last_mut() {
            Some(ChunkRun::Data(hashes)) => hashes.0.extend(hash),
            _ => self.list.push(ChunkRun::Data(FileContent(hash.to_vec()))),
        }
    }

    fn take(&mut self) -> Vec<ChunkRun> {
        self.hashes = 0;
        std::mem::take(&mut self.list)
    }
}

/// How long a file is that is to be sent whole.
fn whole(stat: &Stat) -> Result<usize, String> {
    let size = size(stat);
    if size > SMALL_BYTES_MAX {
        return Err("it grew while it was looked at: do the same again".into());
    }
    usize::try_from(size).map_err(|error| error.to_string())
}

fn chunk(length: u32) -> Result<u64, RpcError> {
    if length.is_power_of_two() && (4_096..=CHUNK_BYTES_MAX).contains(&length) {
        return Ok(length.into());
    }
    Err(RpcError::bad_request(format!(
        "chunk_bytes is a power of two from 4096 to {CHUNK_BYTES_MAX}, not {length}"
    )))
}

fn too_much() -> RpcError {
    RpcError::bad_request(format!(
        "at most {PAGE_ENTRIES_MAX} files and {RANGES_MAX} ranges are asked for at once"
    ))
}

fn end(stat: &Stat) -> TransferTell {
    TransferTell::End { size_bytes: size(stat), modified_ns: modified_ns(stat) }
}

fn failed(path: &FilePath, why: String) -> TransferTell {
    TransferTell::Failed(TransferFailed { path: path.clone(), why, is_left_out: false })
}
