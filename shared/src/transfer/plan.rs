//! What is to be done, decided without touching a file: names, chunks, what is wanted, and how fast.

use std::time::Duration;

use crate::services::file::{FileKind, FilePath};
use crate::services::transfer::{ChunkRange, SMALL_BYTES_MAX, TransferEntry};

/// Longest path below what is sent.
pub const PATH_BYTES_MAX: usize = 4_095;
/// Deepest tree.
pub const DEPTH_MAX: usize = 256;
/// Most ranges of one question. Beyond, what lies between two is asked for too.
pub const RANGES_MAX: usize = 16_384;
/// Shortest and longest chunk.
const CHUNK_BYTES: (u64, u64) = (32 << 10, 16 << 20);

/// Length of the chunks of a file: about four times its square root, so that hashes and a changed chunk weigh
/// alike.
pub fn chunk_bytes(size_bytes: u64) -> u32 {
    let length = size_bytes.isqrt().saturating_mul(4).next_power_of_two();
    u32::try_from(length.clamp(CHUNK_BYTES.0, CHUNK_BYTES.1)).unwrap_or(u32::MAX)
}

/// Whether a path that a peer says stays below where it belongs: names, one behind the other. The empty one is
/// the top itself.
pub fn is_below(path: &FilePath) -> bool {
    let bytes = path.as_bytes();
    let names = || bytes.split(|&byte| byte == b'/');
    bytes.is_empty()
        || (bytes.len() <= PATH_BYTES_MAX
            && names().count() <= DEPTH_MAX
            && names().all(|name| !matches!(name, b"" | b"." | b"..")))
}

/// Whether `path` is in the directory `above`, at any depth.
pub fn is_within(path: &FilePath, above: &FilePath) -> bool {
    let rest = path.as_bytes().strip_prefix(above.as_bytes());
    rest.is_some_and(|rest| !rest.is_empty() && (above.as_bytes().is_empty() || rest[0] == b'/'))
}

/// What stands at a name already.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it is.
    pub kind: FileKind,
    /// Its length.
    pub size_bytes: u64,
    /// When it changed.
    pub modified_ns: i64,
    /// Permission bits.
    pub mode: u32,
    /// Where it leads, if it is a link.
    pub target: Option<FilePath>,
}

/// What is to be done about an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing: it is the same.
    Same,
    /// Its mode alone differs.
    Mode,
    /// Fetch it whole.
    Small,
    /// Fetch what differs of it.
    Large,
    /// Make a directory, or use the one that is there.
    Directory,
    /// Make a link.
    Link,
    /// It cannot be.
    Refuse(&'static str),
}

/// Mode bits that are taken over: without its owner, setuid is none.
pub fn mode(entry: &TransferEntry) -> u32 {
    entry.mode & if entry.kind == FileKind::Directory { 0o1777 } else { 0o777 }
}

/// What is to be done.
pub fn step(entry: &TransferEntry, standing: Option<&Standing>) -> Step {
    let in_the_way = standing.map(|standing| standing.kind);
    match (entry.kind, in_the_way) {
        (FileKind::Directory, None | Some(FileKind::Directory)) => Step::Directory,
        (FileKind::Directory, Some(_)) => Step::Refuse("something that is no directory has that name"),
        (FileKind::File | FileKind::Symlink, Some(FileKind::Directory)) => {
            Step::Refuse("a directory has that name")
        }
        (FileKind::File, _) => file(entry, standing),
        (FileKind::Symlink, _) if entry.target.is_none() => Step::Refuse("it is a link to nowhere"),
        (FileKind::Symlink, _) => match standing {
            Some(standing) if standing.target == entry.target => Step::Same,
            _ => Step::Link,
        },
        _ => Step::Refuse("it is of a kind that is not transferred"),
    }
}

fn file(entry: &TransferEntry, standing: Option<&Standing>) -> Step {
    match standing {
        Some(standing)
            if standing.kind == FileKind::File
                && (standing.size_bytes, standing.modified_ns) == (entry.size_bytes, entry.modified_ns) =>
        {
            if standing.mode & 0o777 == mode(entry) {
                Step::Same
            } else {
                Step::Mode
            }
        }
        _ if entry.size_bytes <= SMALL_BYTES_MAX => Step::Small,
        _ => Step::Large,
    }
}

/// Chunks that are to be had, side by side where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ranges(pub Vec<ChunkRange>);

impl Ranges {
    /// All chunks of a file.
    pub fn all(size_bytes: u64, chunk_bytes: u32) -> Self {
        let count = size_bytes.div_ceil(chunk_bytes.into());
        Self(if count == 0 { Vec::new() } else { vec![ChunkRange { first: 0, count }] })
    }

    /// Adds one behind those that are there.
    pub fn push(&mut self, chunk: u64) {
        let is_full = self.0.len() >= RANGES_MAX;
        match self.0.last_mut() {
            Some(last) if last.first + last.count == chunk || is_full => last.count = chunk + 1 - last.first,
            _ => self.0.push(ChunkRange { first: chunk, count: 1 }),
        }
    }

    /// Whether nothing is wanted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Keeps to a number of bytes a second, after a burst of a tenth of a second.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    bytes_per_second: u64,
    /// Until when what was taken is paid for, since the start.
    paid: Duration,
}

impl Pace {
    /// What may be taken at once without waiting.
    const BURST: Duration = Duration::from_millis(100);

    /// A pace.
    pub const fn new(bytes_per_second: u64) -> Self {
        Self { bytes_per_second, paid: Duration::ZERO }
    }

    /// How long to wait after `bytes` were taken, `now` since the start.
    pub fn take(&mut self, now: Duration, bytes: u64) -> Duration {
        let nanos = u128::from(bytes) * 1_000_000_000 / u128::from(self.bytes_per_second.max(1));
        let cost = Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX));
        self.paid = self.paid.max(now).saturating_add(cost);
        self.paid.saturating_sub(now).saturating_sub(Self::BURST)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> FilePath {
        text.parse().unwrap()
    }

    #[test]
    fn nothing_that_a_peer_says_leads_out() {
        for text in ["/", "/etc", "..", "a/..", "a//b", ".", "a/./b", "a/", "../a"] {
            assert!(!is_below(&path(text)), "{text}");
        }
        assert!(["", "a", "a/b", "...", "a/..b", "\n"].iter().all(|text| is_below(&path(text))));
        assert!(!is_below(&path(&"x/".repeat(300))) && !is_below(&path(&"x".repeat(5_000))));
        assert!(is_within(&path("a/b"), &path("a")) && is_within(&path("a"), &path("")));
        assert!(!is_within(&path("ab"), &path("a")) && !is_within(&path("a"), &path("a")));
    }

    #[test]
    fn chunks_grow_with_the_root_of_the_file() {
        for (size, expected) in [
            (0, 32 << 10),
            (64 << 20, 32 << 10),
            (1 << 30, 128 << 10),
            (10 << 30, 512 << 10),
            (u64::MAX, 16 << 20),
        ] {
            assert_eq!(chunk_bytes(size), expected, "{size}");
        }
    }

    #[test]
    fn chunks_side_by_side_are_one_range_and_there_are_never_too_many() {
        let mut ranges = Ranges::default();
        [0, 1, 2, 5].into_iter().for_each(|chunk| ranges.push(chunk));
        assert_eq!(ranges.0, [ChunkRange { first: 0, count: 3 }, ChunkRange { first: 5, count: 1 }]);
        let mut ranges = Ranges::default();
        (0..100_000).for_each(|chunk| ranges.push(chunk * 2));
        let last = ranges.0.last().unwrap();
        assert_eq!((ranges.0.len(), last.first + last.count), (RANGES_MAX, 199_999));
        assert!(Ranges::all(0, 10).is_empty() && Ranges::all(11, 10).0[0].count == 2);
    }

    #[test]
    fn a_pace_is_kept_over_time() {
        let mut pace = Pace::new(1_000);
        assert_eq!(pace.take(Duration::ZERO, 100), Duration::ZERO);
        assert_eq!(pace.take(Duration::ZERO, 1_000), Duration::from_secs(1));
        // What was not taken is not saved up.
        assert_eq!(pace.take(Duration::from_secs(60), 1_000), Duration::from_millis(900));
    }

    #[test]
    fn only_what_differs_is_fetched() {
        use FileKind::{Directory, Fifo, File, Symlink};
        let entry = |kind, size_bytes| TransferEntry {
            path: path("a"),
            kind,
            mode: 0o4755,
            modified_ns: 7,
            size_bytes,
            target: Some(path("t")),
        };
        let standing = |kind, size_bytes, modified_ns, mode| {
            Some(Standing { kind, size_bytes, modified_ns, mode, target: Some(path("t")) })
        };
        for (entry, standing, expected) in [
            (entry(File, 9), standing(File, 9, 7, 0o755), Step::Same),
            (entry(File, 9), standing(File, 9, 7, 0o644), Step::Mode),
            (entry(File, 9), standing(File, 9, 8, 0o755), Step::Small),
            (entry(File, 9), standing(Symlink, 9, 7, 0o777), Step::Small),
            (entry(File, 1 << 30), None, Step::Large),
            (entry(Directory, 0), None, Step::Directory),
            (entry(Directory, 0), standing(Directory, 1, 1, 0), Step::Directory),
            (entry(Symlink, 0), standing(Symlink, 0, 0, 0), Step::Same),
            (entry(Symlink, 0), None, Step::Link),
        ] {
            assert_eq!(step(&entry, standing.as_ref()), expected, "{entry:?} {standing:?}");
        }
        for (entry, standing) in [
            (entry(File, 9), standing(Directory, 9, 7, 0o755)),
            (entry(Directory, 9), standing(File, 9, 7, 0o755)),
            (entry(Directory, 9), standing(Symlink, 9, 7, 0o755)),
            (entry(Fifo, 0), None),
        ] {
            assert!(matches!(step(&entry, standing.as_ref()), Step::Refuse(_)), "{entry:?}");
        }
        assert_eq!(mode(&entry(File, 0)), 0o755);
    }
}
