//! The last mebibyte that a shell wrote, as it was, with the sizes and the modes that its terminal had meanwhile.
//!
//! Bytes enter at the end and are read at their place in the whole stream, which only grows; what is older than the
//! ring is long has been overwritten. It lies in a memory file and not in this process: whoever keeps the
//! descriptor (systemd's store) keeps the scrollback, also when the node is killed between any two writes.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;

use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::services::shell::ShellSize;
use rustix::fs::{MemfdFlags, memfd_create};
use serde::{Deserialize, Serialize};

use super::modes::{Follower, Modes};

/// What is kept of a shell: a mebibyte, and as much as lies between two marks.
pub const RING_BYTES: u64 = (1 << 20) + MARK_BYTES;
/// After so many bytes the modes are written down, for who begins to read there.
const MARK_BYTES: u64 = 128 << 10;
/// Before the bytes: what is written to it at once is there as a whole, or not at all.
const HEAD_BYTES: usize = 4_096;
/// The layout. The length of the stream follows, and the rest of the head with its own length.
const MAGIC: &[u8; 8] = b"p2pring1";
const WRITTEN_AT: usize = 8;
const LENGTH_AT: usize = 16;
const REST_AT: usize = 24;
/// What came last is read from memory: whoever follows close behind needs no look into the file.
const RECENT_BYTES: usize = 4_096;
/// Sizes that are remembered; beyond, the oldest is forgotten.
const SIZES_MAX: usize = 128;

/// From a place of the stream on the terminal had a size.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resize {
    /// Bytes before it.
    pub at: u64,
    /// The size.
    pub size: ShellSize,
}

/// At a place of the stream the terminal was in these modes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    at: u64,
    modes: Modes,
}

/// All that the ring holds from its first mark on: what a screen is made from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tail {
    /// Place of the first byte in the stream.
    pub begin: u64,
    /// The modes there.
    pub modes: Modes,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Sizes, the first one from before the first byte; never empty.
    pub sizes: Vec<Resize>,
    /// The modes behind the last byte.
    pub modes_now: Modes,
}

impl Tail {
    /// Place behind the last byte.
    pub const fn end(&self) -> u64 {
        self.begin + self.bytes.len() as u64
    }

    /// The terminal has got another size since.
    pub fn resized(&mut self, size: ShellSize) {
        self.sizes.push(Resize { at: self.end(), size });
    }
}

/// What the head says beside the length of the stream.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Head {
    modes: Modes,
    // Never empty.
    marks: VecDeque<Mark>,
    // Never empty.
    sizes: VecDeque<Resize>,
}

/// The ring of one shell.
#[derive(Debug)]
pub struct Ring {
    file: File,
    written: u64,
    // The last of it, at most [`RECENT_BYTES`].
    recent: Vec<u8>,
    head: Head,
    follower: Follower,
}

impl Ring {
    /// An empty one.
    ///
    /// # Errors
    /// If there is no memory or no descriptor left.
    pub fn new(size: ShellSize) -> io::Result<Self> {
        let file = File::from(memfd_create("p2p-shell-ring", MemfdFlags::CLOEXEC)?);
        file.set_len(HEAD_BYTES as u64 + RING_BYTES)?;
        let modes = Modes::default();
        let head = Head {
            modes,
            marks: VecDeque::from([Mark { at: 0, modes }]),
            sizes: VecDeque::from([Resize { at: 0, size }]),
        };
        let ring = Self { file, written: 0, recent: Vec::new(), head, follower: Follower::default() };
        ring.write_head()?;
        Ok(ring)
    }

    /// That of an earlier life of the node.
    ///
    /// # Errors
    /// If it is none.
    pub fn take_up(descriptor: OwnedFd) -> io::Result<Self> {
        let file = File::from(descriptor);
        let mut bytes = [0; HEAD_BYTES];
        file.read_exact_at(&mut bytes, 0)?;
        let is_whole = file.metadata()?.len() >= HEAD_BYTES as u64 + RING_BYTES;
        let (written, head) = parse_head(&bytes)
            .filter(|_| is_whole)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "it is no ring of a shell"))?;
        let follower = Follower::from(head.modes);
        Ok(Self { file, written, recent: Vec::new(), head, follower })
    }

    /// The descriptor that holds all of it.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }

    /// How long the stream is.
    pub const fn written(&self) -> u64 {
        self.written
    }

    /// The size of the terminal now.
    pub fn size(&self) -> ShellSize {
        self.head.sizes.back().map(|resize| resize.size).unwrap_or_default()
    }

    /// Adds what was written, at most as much as fits.
    ///
    /// # Errors
    /// If the machine is out of memory.
    pub fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        let (mut at, mut rest) = (self.written, bytes);
        while !rest.is_empty() {
            let (place, room) = place(at);
            let (part, more) = rest.split_at(rest.len().min(room));
            self.file.write_all_at(part, place)?;
            at += part.len() as u64;
            rest = more;
        }
        // Last, so that it never counts what is not there.
        self.written = at;
        self.file.write_all_at(&self.written.to_le_bytes(), WRITTEN_AT as u64)?;
        self.recent.clear();
        self.recent.extend_from_slice(&bytes[bytes.len().saturating_sub(RECENT_BYTES)..]);
        self.follower.read(bytes);
        let modes = self.follower.modes();
        let is_far = self.head.marks.back().is_none_or(|mark| at - mark.at >= MARK_BYTES);
        if is_far {
            self.head.marks.push_back(Mark { at, modes });
            let begin = self.begin();
            self.head.marks.retain(|mark| mark.at >= begin);
        }
        if is_far || modes != self.head.modes {
            self.head.modes = modes;
            self.write_head()?;
        }
        Ok(())
    }

    /// From here on the terminal has this size.
    ///
    /// # Errors
    /// As [`Self::push`].
    pub fn resize(&mut self, size: ShellSize) -> io::Result<()> {
        let (at, sizes) = (self.written, &mut self.head.sizes);
        if sizes.back().is_some_and(|last| last.at == at) {
            sizes.pop_back();
        }
        sizes.push_back(Resize { at, size });
        if sizes.len() > SIZES_MAX {
            sizes.pop_front();
        }
        self.write_head()
    }

    /// Copies from a place on; how much. `None` if that place has been overwritten.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(&self, from: u64, into: &mut [u8]) -> io::Result<Option<usize>> {
        if from < self.begin() {
            return Ok(None);
        }
        let ahead = usize::try_from(self.written.saturating_sub(from)).unwrap_or(usize::MAX);
        let length = into.len().min(ahead);
        if let Some(skip) = self.recent.len().checked_sub(ahead) {
            into[..length].copy_from_slice(&self.recent[skip..skip + length]);
            return Ok(Some(length));
        }
        let (mut at, mut rest) = (from, &mut into[..length]);
        while !rest.is_empty() {
            let (place, room) = place(at);
            let within = room.min(rest.len());
            let (part, more) = rest.split_at_mut(within);
            self.file.read_exact_at(part, place)?;
            at += part.len() as u64;
            rest = more;
        }
        Ok(Some(length))
    }

    /// A copy of all that it holds.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn tail(&self) -> io::Result<Tail> {
        let begin = self.begin();
        let mark = self.head.marks.iter().find(|mark| mark.at >= begin).copied();
        let mark = mark.unwrap_or(Mark { at: begin, modes: self.head.modes });
        let mut bytes = vec![0; usize::try_from(self.written - mark.at).unwrap_or_default()];
        self.read(mark.at, &mut bytes)?;
        let sizes = self.head.sizes.iter().copied().collect();
        Ok(Tail { begin: mark.at, modes: mark.modes, bytes, sizes, modes_now: self.head.modes })
    }

    const fn begin(&self) -> u64 {
        self.written.saturating_sub(RING_BYTES)
    }

    fn write_head(&self) -> io::Result<()> {
        let rest = codec::encode(&self.head, Encoding::Bincode).map_err(io::Error::other)?;
        let mut bytes = Vec::with_capacity(HEAD_BYTES);
        bytes.extend_from_slice(MAGIC);
        bytes.extend_from_slice(&self.written.to_le_bytes());
        bytes.extend_from_slice(&(rest.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&rest);
        self.file.write_all_at(&bytes, 0)
    }
}

/// Where a byte of the stream lies in the file, and how many may follow it there.
fn place(at: u64) -> (u64, usize) {
    let within = at % RING_BYTES;
    (HEAD_BYTES as u64 + within, usize::try_from(RING_BYTES - within).unwrap_or(usize::MAX))
}

fn parse_head(bytes: &[u8; HEAD_BYTES]) -> Option<(u64, Head)> {
    let number = |at: usize| Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?));
    if !bytes.starts_with(MAGIC) {
        return None;
    }
    let length = usize::try_from(number(LENGTH_AT)?).ok()?;
    let head: Head = codec::decode(bytes[REST_AT..].get(..length)?, Encoding::Bincode).ok()?;
    let is_right = !head.sizes.is_empty() && !head.marks.is_empty();
    Some((number(WRITTEN_AT)?, head)).filter(|_| is_right)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SIZE: ShellSize = ShellSize { rows: 24, columns: 80 };

    fn read(ring: &Ring, from: u64, most: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; most];
        let length = ring.read(from, &mut bytes).unwrap()?;
        bytes.truncate(length);
        Some(bytes)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(32))]
        #[test]
        fn what_was_written_last_is_read_at_its_place(
            parts in proptest::collection::vec((1_usize..200_000, 0_u8..250), 1..30),
        ) {
            let mut ring = Ring::new(SIZE).unwrap();
            let mut all = Vec::new();
            for (length, seed) in parts {
                let part: Vec<u8> = (0..length).map(|index| (index % 251) as u8 ^ seed).collect();
                ring.push(&part).unwrap();
                all.extend(part);
            }
            let begin = all.len().saturating_sub(RING_BYTES as usize);
            let tail = ring.tail().unwrap();
            let kept = all.len() - tail.begin as usize;
            prop_assert_eq!(tail.end(), all.len() as u64);
            prop_assert!(kept == all.len() || kept > (RING_BYTES - 2 * 200_000) as usize, "{} bytes", kept);
            prop_assert!(tail.bytes == all[tail.begin as usize..]);
            let from = begin + (all.len() - begin) / 2;
            prop_assert_eq!(read(&ring, from as u64, 70_000).unwrap(), &all[from..all.len().min(from + 70_000)]);
            let gone = (begin as u64).checked_sub(1).map(|before| read(&ring, before, 1));
            prop_assert!(gone.is_none_or(|read| read.is_none()));
        }
    }

    #[test]
    fn another_life_of_the_node_finds_all_of_it() {
        let mut ring = Ring::new(SIZE).unwrap();
        ring.push(b"before").unwrap();
        let wide = ShellSize { rows: 50, columns: 200 };
        ring.resize(SIZE).unwrap();
        ring.resize(wide).unwrap();
        ring.push(b"after").unwrap();
        let descriptor = ring.descriptor().try_clone_to_owned().unwrap();
        let whole = ring.tail().unwrap();
        drop(ring);
        let mut ring = Ring::take_up(descriptor).unwrap();
        assert_eq!(ring.tail().unwrap(), whole);
        assert_eq!(whole.sizes, [Resize { at: 0, size: SIZE }, Resize { at: 6, size: wide }]);
        assert_eq!(ring.size(), wide);
        ring.push(b"!").unwrap();
        assert_eq!(read(&ring, 6, 100).unwrap(), b"after!");
    }

    #[test]
    fn a_file_that_is_no_ring_is_refused() {
        let file = File::from(memfd_create("x", MemfdFlags::CLOEXEC).unwrap());
        assert!(Ring::take_up(file.try_clone().unwrap().into()).is_err());
        file.set_len(HEAD_BYTES as u64 + RING_BYTES).unwrap();
        assert!(Ring::take_up(file.into()).is_err());
    }

    #[test]
    fn modes_are_known_also_where_the_bytes_that_set_them_are_gone() {
        let mut ring = Ring::new(SIZE).unwrap();
        ring.push(b"\x1b[?1049h\x1b[?1h").unwrap();
        let modes = ring.tail().unwrap().modes_now;
        for _ in 0..100 {
            ring.push(&[b'x'; 60_000]).unwrap();
        }
        ring.push(b"\x1b[?1049l").unwrap();
        let tail = Ring::take_up(ring.descriptor().try_clone_to_owned().unwrap()).unwrap().tail().unwrap();
        assert!(tail.begin > 0 && tail.modes == modes && tail.modes.is_alternate());
        assert!(!tail.modes_now.is_alternate());
    }

    #[test]
    fn only_so_many_sizes_are_remembered() {
        let mut ring = Ring::new(SIZE).unwrap();
        for columns in 1..=300 {
            ring.push(b"x").unwrap();
            ring.resize(ShellSize { rows: 24, columns }).unwrap();
        }
        let ring = Ring::take_up(ring.descriptor().try_clone_to_owned().unwrap()).unwrap();
        assert_eq!((ring.tail().unwrap().sizes.len(), ring.size().columns), (SIZES_MAX, 300));
    }
}
