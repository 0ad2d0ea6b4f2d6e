//! The contract of `file`: the files of one node.
//!
//! Paths are absolute and may hold any bytes. Each one is resolved on the node under the directories that its
//! local policy allows: what leads out of them is refused, by whatever way. Who may read metadata (names,
//! sizes, owners, times) is not thereby one who may read contents.

#![expect(
    clippy::too_many_arguments,
    reason = "arguments of a get or watch are flat, as they go into a query string"
)]

mod raw;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

pub use raw::{FileContent, FilePath, RawError};

/// Most rows of one page.
pub const ROWS_MAX: u32 = 2_000;
/// Most bytes of one read, and of one write.
pub const CONTENT_BYTES_MAX: u32 = 256 << 10;
/// Most hits of one search.
pub const HITS_MAX: u32 = 100_000;

/// What kind of thing a name is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileKind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link.
    Symlink,
    /// A named pipe.
    Fifo,
    /// A Unix socket.
    Socket,
    /// A character device.
    CharDevice,
    /// A block device.
    BlockDevice,
    /// What this version does not know.
    #[serde(other)]
    Unknown,
}

/// In which order a directory is listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileSort {
    /// By the bytes of the name.
    Name,
    /// The largest first.
    Size,
    /// The one that changed last first.
    Modified,
    /// As the file system has them: the quickest, whatever the size of the directory.
    None,
    /// An order of a newer version: refused.
    #[serde(other)]
    Unknown,
}

/// Which state of a file was seen. Any change of its contents changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileVersion {
    /// Its number in its file system.
    pub inode: u64,
    /// Its length.
    pub size_bytes: u64,
    /// When its contents changed, in nanoseconds since 1970.
    pub modified_ns: i64,
}

/// One name of a directory, or one path, and what is known of it without reading it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileRow {
    /// The last part of its path; `/` of the root.
    pub name: FilePath,
    /// What it is.
    pub kind: FileKind,
    /// Inode, size, and time of change.
    pub version: FileVersion,
    /// Bytes that it takes on disk; fewer than its size if it is sparse.
    pub disk_bytes: u64,
    /// Permission bits, with setuid, setgid and sticky: 0 to 0o7777.
    pub mode: u32,
    /// Number of its owner.
    pub uid: u32,
    /// Number of its group.
    pub gid: u32,
    /// Name of its owner, or the number as text.
    pub owner: String,
    /// Name of its group, or the number as text.
    pub group: String,
    /// How many names it has.
    pub links: u64,
    /// When it was last read, in nanoseconds since 1970, as far as the file system keeps that.
    pub accessed_ns: i64,
    /// When its contents or its metadata changed.
    pub changed_ns: i64,
    /// When it was made; `None` where the file system does not keep that.
    pub created_ns: Option<i64>,
    /// Where a symbolic link leads, as it is written; `None` of anything else.
    pub target: Option<FilePath>,
}

/// Some rows of a directory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FilePage {
    /// In the order that was asked for. A name that went while it was listed is left out.
    pub rows: Vec<FileRow>,
    /// Where to go on; `None` if there is nothing more.
    pub next: Option<String>,
}

/// What a tree holds, so far or in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileUsage {
    /// Names in it, itself included: what `remove` asks for.
    pub entries: u64,
    /// Directories among them.
    pub directories: u64,
    /// Lengths of its regular files, each counted once whatever its number of names.
    pub size_bytes: u64,
    /// What they take on disk.
    pub disk_bytes: u64,
    /// Directories that could not be read, lie too deep, or on another file system; they are not counted into.
    pub skipped: u64,
    /// Nothing more comes.
    pub is_done: bool,
}

/// One hit of a search.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileHit {
    /// Where.
    pub path: FilePath,
    /// What it is.
    pub kind: FileKind,
    /// Line of the match, from 1; `None` in a search by name.
    pub line: Option<u64>,
    /// That line without its end, at most 1 KiB of it; empty in a search by name.
    pub text: FileContent,
}

/// Why a search ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SearchEnd {
    /// All was searched.
    Complete,
    /// There are more hits than were asked for.
    Hits,
    /// The time ran out.
    Time,
    /// More was read than may be.
    Bytes,
    /// An end of a newer version.
    #[serde(other)]
    Unknown,
}

/// Hits, and how far the search is. One comes at least every second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileFound {
    /// New ones, in no order.
    pub hits: Vec<FileHit>,
    /// Names that were looked at so far.
    pub entries: u64,
    /// Bytes that were read so far.
    pub read_bytes: u64,
    /// Files and directories that could not be read, or lie too deep.
    pub skipped: u64,
    /// Nothing more comes; `None` while it goes on.
    pub end: Option<SearchEnd>,
}

/// Some bytes of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileChunk {
    /// Where they begin.
    pub offset: u64,
    /// The bytes; fewer than asked for only at the end.
    pub content: FileContent,
    /// The file ends behind them, as it was then.
    pub is_end: bool,
    /// The state of the file when it was read. Files of `/proc` and `/sys` have size 0.
    pub version: FileVersion,
}

/// What happened to a file that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileEvent {
    /// It grew, or nothing happened.
    Grown,
    /// It became shorter: it is read from its start.
    Truncated,
    /// Another file has its name now: that one is read from its start.
    Replaced,
    /// There is no such name now.
    Gone,
    /// An event of a newer version.
    #[serde(other)]
    Unknown,
}

/// One message of a follow. Without content it is a sign of life: one comes at least every second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileTail {
    /// Counts the messages from 0.
    pub seq: u64,
    /// The node's wall clock.
    pub at: UnixMillis,
    /// What happened before this content.
    pub event: FileEvent,
    /// Where the content begins in the file.
    pub offset: u64,
    /// New bytes.
    pub content: FileContent,
}

/// How far a checksum is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileSum {
    /// Bytes that were read so far.
    pub read_bytes: u64,
    /// BLAKE3 in hexadecimal, in the last message; `None` before.
    pub blake3: Option<String>,
    /// The state of the file: it did not change meanwhile, or the call ends in `conflict`.
    pub version: FileVersion,
}

/// What has to be there for a write to happen; else it ends in `conflict`, and nothing changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileExpect {
    /// No such name.
    Absent,
    /// The state that was seen.
    Version(FileVersion),
    /// Contents of this BLAKE3, in hexadecimal.
    Blake3(String),
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileWritten {
    /// Its state now.
    pub version: FileVersion,
    /// BLAKE3 of what it holds now, in hexadecimal.
    pub blake3: String,
    /// Under which id `undo` brings the version before back; `None` if there was none, or it is too large to keep.
    pub undo: Option<String>,
}

/// A version that is kept and can be brought back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileUndo {
    /// What `undo` takes.
    pub id: String,
    /// Of which file.
    pub path: FilePath,
    /// When it was replaced.
    pub at: UnixMillis,
    /// How long it is.
    pub size_bytes: u64,
    /// BLAKE3 of what replaced it: while that is there, it can be brought back.
    pub replaced_by: String,
}

/// What was copied or removed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FileCount {
    /// Names.
    pub entries: u64,
    /// Bytes of regular files.
    pub size_bytes: u64,
}

crate::service! {
    /// See, read, change and search the files of one node.
    service File = "file" {
        /// Names of a directory, at most `limit` (200, at most 2,000) past `cursor`, in the order of `sort` (name),
        /// or the reverse of it.
        get list(
            path: FilePath, sort: Option<FileSort>, reverse: Option<bool>, cursor: Option<String>, limit: Option<u32>,
        ) -> FilePage, needs FileStat;
        /// What one path is; of a symbolic link the link itself, unless `follow`.
        get stat(path: FilePath, follow: Option<bool>) -> FileRow, needs FileStat;
        /// Counts a tree, within its file system; a message every second, the last one is whole.
        watch usage(path: FilePath) -> FileUsage, needs FileStat;
        /// Searches a tree for names that fit `glob` (the path below `path` if it holds a slash, else the last
        /// name) and `regex` (the last name), of `kind`; at most `depth` deep (256), at most `limit` hits (1,000)
        /// and `timeout_ms` (10,000, at most 600,000). Symbolic links are not followed, nor other file systems.
        watch find(
            path: FilePath, glob: Option<String>, regex: Option<String>, kind: Option<FileKind>,
            depth: Option<u32>, limit: Option<u32>, timeout_ms: Option<u32>,
        ) -> FileFound, needs FileStat;
        /// Searches regular files of a tree, or one file, for lines that fit `regex` (folds case if all
        /// lower-case); only those whose name fits `glob`. Bounds as of `find`; at most `read_bytes_max` (1 GiB)
        /// are read; files with a zero byte in them end there.
        watch grep(
            path: FilePath, regex: String, glob: Option<String>, depth: Option<u32>, limit: Option<u32>,
            timeout_ms: Option<u32>, read_bytes_max: Option<u64>,
        ) -> FileFound, needs FileRead;
        /// At most `length` bytes (64 KiB, at most 256 KiB) of a regular file from `offset` (0) on.
        get read(path: FilePath, offset: Option<u64>, length: Option<u32>) -> FileChunk, needs FileRead;
        /// The last `lines` (10, at most 10,000) of a file, at most 256 KiB of them.
        get tail(path: FilePath, lines: Option<u32>) -> FileChunk, needs FileRead;
        /// The last `lines` of a file, and then what is added, also past a rotation.
        watch follow(path: FilePath, lines: Option<u32>) -> FileTail, needs FileRead;
        /// BLAKE3 of a file; a message every second, the last one holds it.
        watch checksum(path: FilePath) -> FileSum, needs FileRead;
        /// Versions that are kept, the newest first; of `path` alone if given.
        get undos(path: Option<FilePath>) -> Vec<FileUndo>, needs FileRead;
        /// Makes `content` the whole of a file, at once or not at all, and keeps its mode and owner. A new one gets
        /// `mode` (0o644). Through a symbolic link its target is written.
        post write(
            path: FilePath, content: FileContent, expect: Option<FileExpect>, mode: Option<u32>,
        ) -> FileWritten, needs FileWrite;
        /// Adds to the end of a file that is there.
        post append(path: FilePath, content: FileContent) -> FileVersion, needs FileWrite;
        /// Makes a file exactly that long.
        post truncate(path: FilePath, size_bytes: u64) -> FileVersion, needs FileWrite;
        /// Brings a kept version back, unless the file has changed since; that can be undone as well.
        post undo(id: String) -> FileWritten, needs FileWrite;
        /// Makes a directory of `mode` (0o755), with those above it if `parents`.
        post mkdir(path: FilePath, mode: Option<u32>, parents: Option<bool>) -> (), needs FileWrite;
        /// Gives a name to what has another, in one file system; over what has that name only if `replace`.
        post rename(from: FilePath, to: FilePath, replace: Option<bool>) -> (), needs FileWrite;
        /// Copies a file, or a tree if `tree`, with modes, owners and times; `to` must not be there.
        post copy(from: FilePath, to: FilePath, tree: Option<bool>) -> FileCount, needs FileWrite;
        /// Removes a name; a directory that is not empty only with `entries`, the number that `usage` counted, and
        /// if it still holds as many.
        post remove(path: FilePath, entries: Option<u64>) -> FileCount, needs FileWrite;
        /// Sets the permission bits (0 to 0o7777) of what a path leads to.
        post chmod(path: FilePath, mode: u32) -> (), needs FileWrite;
        /// Sets owner and group, by name or number, of what a path is; of a symbolic link the link's own.
        post chown(path: FilePath, user: Option<String>, group: Option<String>) -> (), needs FileWrite;
        /// Makes a symbolic link at `path` that leads to `target`, which is written as it is.
        post symlink(path: FilePath, target: FilePath) -> (), needs FileWrite;
    }
}
