//! The contract of `transfer`: files and trees between two machines, one of which may be the caller's.
//!
//! The receiving side asks and the sending side answers, in order, whoever of the two is the node. What is
//! received is verified piece by piece and appears at its name whole or not at all; what was cut is taken up by
//! doing the same again. From node to node the receiving one is told whom to ask, under a grant of the operator.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::{NodeId, NodeName};
use crate::services::file::{FileContent, FileKind, FilePath};

/// Most entries of one page.
pub const PAGE_ENTRIES_MAX: usize = 512;
/// Most bytes of one piece.
pub const PIECE_BYTES_MAX: usize = 256 << 10;
/// Longest file that is sent whole, without pieces.
pub const SMALL_BYTES_MAX: u64 = 64 << 10;
/// Bytes of one hash of a chunk: as much of BLAKE3.
pub const CHUNK_HASH_BYTES: usize = 16;

/// One name of a tree that is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferEntry {
    /// Below what is sent; empty of that itself.
    pub path: FilePath,
    /// What it is: a file, a directory or a link.
    pub kind: FileKind,
    /// Permission bits: 0 to 0o7777.
    pub mode: u32,
    /// When its contents changed, in nanoseconds since 1970.
    pub modified_ns: i64,
    /// Length of a file. Files of `/proc` and `/sys` have 0, and contents.
    pub size_bytes: u64,
    /// Where a link leads; `None` of anything else.
    pub target: Option<FilePath>,
}

/// Something that was not sent or not taken, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferFailed {
    /// Below what is sent; empty of that itself.
    pub path: FilePath,
    /// For people.
    pub why: String,
    /// It is of a kind that is left out, such as a device: no failure.
    pub is_left_out: bool,
}

/// Some chunks of a file, side by side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ChunkRun {
    /// So many that hold nothing: a hole of the file.
    Hole(u64),
    /// Hashes, [`CHUNK_HASH_BYTES`] a chunk.
    Data(FileContent),
}

/// Chunks by their number, from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ChunkRange {
    /// The first.
    pub first: u64,
    /// How many.
    pub count: u64,
}

/// What the receiving side asks for. Each is answered in full before the next one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferAsk {
    /// The next page of entries, parents before what is in them.
    Next,
    /// Small files, whole: a [`TransferTell::Small`] each.
    Small(Vec<FilePath>),
    /// Hashes of all chunks of a file, and a [`TransferTell::End`].
    Chunks {
        /// Which.
        path: FilePath,
        /// Length of a chunk; the last one may be shorter.
        chunk_bytes: u32,
    },
    /// What some chunks hold, and a [`TransferTell::End`].
    Data {
        /// Which file.
        path: FilePath,
        /// Length of a chunk.
        chunk_bytes: u32,
        /// Which chunks, in order; those past the end of the file are none.
        ranges: Vec<ChunkRange>,
    },
}

/// What the sending side says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferTell {
    /// A page.
    Page {
        /// At most [`PAGE_ENTRIES_MAX`].
        entries: Vec<TransferEntry>,
        /// What is not sent.
        failed: Vec<TransferFailed>,
        /// There are no more.
        is_end: bool,
    },
    /// A whole file.
    Small {
        /// Which.
        path: FilePath,
        /// All of it.
        content: FileContent,
        /// BLAKE3 of it, as many bytes as of a chunk.
        hash: FileContent,
        /// When it changed.
        modified_ns: i64,
    },
    /// The next chunks.
    Chunks(Vec<ChunkRun>),
    /// Some bytes.
    Piece {
        /// Where.
        offset: u64,
        /// At most [`PIECE_BYTES_MAX`].
        content: FileContent,
        /// BLAKE3 of them, as many bytes as of a chunk.
        hash: FileContent,
    },
    /// A hole.
    Hole {
        /// Where.
        offset: u64,
        /// How long.
        length: u64,
    },
    /// That was all of a file.
    End {
        /// Its length now.
        size_bytes: u64,
        /// When it changed.
        modified_ns: i64,
    },
    /// It cannot be sent, or no longer.
    Failed(TransferFailed),
}

/// What is to be sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferSource {
    /// Which file or directory.
    pub path: FilePath,
    /// Whether it may be a directory: then all that is in it.
    pub tree: bool,
}

/// Where the receiving node gets it from, if not from the caller.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferFrom {
    /// Name of the sending node.
    pub node: NodeName,
    /// Hash of its key.
    pub id: NodeId,
    /// What is sent there.
    pub source: TransferSource,
    /// The operator's grant of `transfer.send` of that there.
    pub grant: FileContent,
}

/// What is to be received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferOrder {
    /// At which name, itself and not below it. Its directory must be there.
    pub to: FilePath,
    /// Most bytes a second; `None` for no limit.
    pub bytes_per_second_max: Option<u64>,
    /// From which node; `None` from the caller.
    pub from: Option<TransferFrom>,
}

/// How far a transfer is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferProgress {
    /// Entries that are done.
    pub entries: u64,
    /// Files among them that were there already, the same.
    pub unchanged: u64,
    /// Bytes of files that are done.
    pub done_bytes: u64,
    /// Bytes among them that came over the wire.
    pub received_bytes: u64,
    /// The file that it is at.
    pub path: FilePath,
    /// Its length.
    pub file_bytes: u64,
    /// How many bytes of it are in place.
    pub file_done_bytes: u64,
    /// What failed or was left out, in all.
    pub failed: u64,
}

/// How a transfer ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct TransferSummary {
    /// All of it.
    pub progress: TransferProgress,
    /// What failed or was left out, at most the first hundred.
    pub failed: Vec<TransferFailed>,
    /// How long it took.
    pub elapsed_ms: u64,
}

/// What a receiving node says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransferItem {
    /// To be answered by the caller, if it is the sending side.
    Ask(TransferAsk),
    /// At least one a second.
    Progress(TransferProgress),
    /// The last one.
    Done(TransferSummary),
}

crate::service! {
    /// Move files and trees between machines.
    service Transfer = "transfer" {
        /// Sends a file or a tree to who asks for its parts. Links are sent as links; pipes, sockets,
        /// devices and other file systems are left out.
        duplex send(source: TransferSource) -> TransferTell, takes TransferAsk, needs FileRead;
        /// Receives a file or a tree, from the caller or from another node. Contents, modes and times are taken
        /// over; owners, setuid and setgid are not. What is there and not sent stays.
        duplex receive(order: TransferOrder) -> TransferItem, takes TransferTell, needs FileWrite;
    }
}
