//! The contract of `revocation`: which keys are thrown out of the mesh, as one node knows it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::id::NodeId;
use crate::time::UnixMillis;

/// One revoked key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevokedEntry {
    /// Hash of the key.
    pub id: NodeId,
    /// When the CA revoked it.
    pub at: UnixMillis,
    /// Why: `unspecified`, `key-compromise`, `superseded`, ...
    pub reason: String,
}

/// The list in force on a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RevocationState {
    /// Counts the CA's lists from 1; 0 if none was ever heard of.
    pub epoch: u64,
    /// When the CA signed the list; `None` without one.
    pub issued: Option<UnixMillis>,
    /// How long since a member last showed that it knows no higher epoch, in milliseconds; `None` if none
    /// did since the node's start.
    pub heard_ms: Option<u64>,
    /// How long nobody has shown that the list is the newest, in milliseconds; earlier runs count too.
    #[serde(default)]
    pub silent_ms: u64,
    /// Whether the node refuses everything but reading once that is more than an hour.
    #[serde(default)]
    pub strict: bool,
    /// Whether the answering node's own key is on it.
    pub own: bool,
    /// The keys, by id.
    pub keys: Vec<RevokedEntry>,
}

/// What a node made of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is in force there, and spreads.
    Adopted,
    /// It was in force already.
    Known,
    /// A higher epoch is in force, and stays.
    Older,
    /// Another list of the same epoch is in force, and stays: the CA signed two.
    Fork,
    /// A verdict of a newer version.
    #[serde(other)]
    Unknown,
}

/// The answer to a list that was handed over.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Adopted {
    /// What became of it.
    pub verdict: Verdict,
    /// The epoch in force now.
    pub epoch: u64,
    /// Whether that epoch is on the node's disk.
    pub kept: bool,
}

crate::service! {
    /// The keys that are thrown out of the mesh.
    service Revocation = "revocation" {
        /// The list in force on this node, and how old it is.
        get state() -> RevocationState, needs NodeRead;
        /// Takes a list that the CA signed (`revoked.bin`) and spreads it, if it is the newest. Anybody may
        /// hand it over: the signature is what counts.
        post adopt(list: Vec<u8>) -> Adopted, needs NodeRead;
    }
}
