//! What does not change of a shell: whose it is and what runs in it. It is kept in the database while the shell
//! runs, so that the next life of the node finds it.

use p2p_shared::access::Caller;
use p2p_shared::id::NodeId;
use p2p_shared::services::process::ProcessRef;
use p2p_shared::services::shell::ShellSize;
use p2p_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::recording::Subject;

/// Who opened a shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Opener {
    /// An operator, by the key of a certificate.
    Operator {
        /// Hash of the key: what is revoked.
        id: NodeId,
        /// Name in the certificate.
        name: String,
    },
    /// A user of this node's HTTP face.
    User(String),
    /// Somebody on this machine.
    Unix(u32),
}

impl Opener {
    /// Who calls; `None` for a node, which may open nothing.
    pub fn of(caller: &Caller) -> Option<Self> {
        match caller {
            Caller::Node { .. } => None,
            Caller::Operator { id, name, .. } => Some(Self::Operator { id: *id, name: name.to_string() }),
            Caller::User { name, .. } => Some(Self::User(name.clone())),
            Caller::Unix { uid, .. } => Some(Self::Unix(*uid)),
        }
    }

    /// For people.
    pub fn words(&self) -> String {
        match self {
            Self::Operator { name, .. } => format!("operator {name}"),
            Self::User(name) => format!("user {name}"),
            Self::Unix(uid) => format!("uid {uid}"),
        }
    }

    /// The key that can be revoked.
    pub const fn key(&self) -> Option<NodeId> {
        match self {
            Self::Operator { id, .. } => Some(*id),
            Self::User(_) | Self::Unix(_) => None,
        }
    }
}

/// The record of a shell.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Facts {
    /// What it is called: letters and digits, never used twice.
    pub id: String,
    /// Who opened it.
    pub opener: Opener,
    /// As whom it runs.
    pub user: String,
    /// What runs, as it was asked for.
    pub command: Vec<String>,
    /// When it was opened.
    pub opened: UnixMillis,
    /// Size of its terminal at first.
    pub size: ShellSize,
    /// What its opener's terminal understands.
    pub term: String,
    /// Whether it is recorded.
    pub is_recorded: bool,
    /// Its first process; `None` until that is known.
    pub process: Option<ProcessRef>,
}

impl Facts {
    /// What its recording says of it.
    pub fn subject(&self) -> Subject {
        Subject {
            user: self.user.clone(),
            command: self.command.clone(),
            opened_by: self.opener.words(),
            opened: self.opened,
        }
    }

    /// Under which name its ring is kept.
    pub fn ring_name(&self) -> String {
        format!("shell-{}-ring", self.id)
    }
}

/// Letters and digits that are not taken for one another.
const LETTERS: &[u8; 32] = b"23456789abcdefghijkmnpqrstuvwxyz";
/// Letters of an id.
const ID_BYTES: usize = 8;

/// An id that nobody has had, as far as chance goes: 40 random bits.
pub(super) fn new_id() -> String {
    let mut bytes = [0; ID_BYTES];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect()
}
