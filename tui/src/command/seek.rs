//! A process that is asked for because something else leads to it.

use std::net::SocketAddr;

use p2p_shared::id::NodeId;
use p2p_shared::services::process::ProcessKey;
use p2p_shared::time::UnixMillis;

/// Which process is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sought {
    /// Whoever holds a connection, on one of these nodes, which have the address.
    Holder {
        /// Where it may be.
        nodes: Vec<NodeId>,
        /// `tcp` or `udp`.
        protocol: String,
        /// The side that is sought.
        local: SocketAddr,
        /// The side that one comes from.
        remote: SocketAddr,
    },
    /// One that had a number at a time, if it still does.
    Numbered {
        /// Where.
        node: NodeId,
        /// Its pid.
        pid: u32,
        /// It is no younger than this, by the clock of its node.
        at: UnixMillis,
        /// What it called itself.
        name: String,
    },
    /// One that ran at a time, if it still does.
    Living {
        /// Where.
        node: NodeId,
        /// Its pid and when it started.
        key: ProcessKey,
        /// It is no younger than this.
        at: UnixMillis,
        /// What it was called.
        name: String,
    },
}
