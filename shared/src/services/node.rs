//! The contract of `node`: a node itself, and the mesh as it sees it.

use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::job::JobCounts;
use crate::id::{MeshName, NodeId, NodeName};
use crate::time::UnixMillis;

/// One label of a node: what selectors such as `role=web` ask for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Label {
    /// `[a-z0-9]([a-z0-9._/-]{0,61}[a-z0-9])?`.
    pub key: String,
    /// At most 63 bytes of `[A-Za-z0-9._-]`; may be empty.
    pub value: String,
}

/// What a node says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct NodeInfo {
    /// Identity of its key.
    pub id: NodeId,
    /// Name in its certificate.
    pub name: NodeName,
    /// Its mesh.
    pub mesh: MeshName,
    /// Version of the program.
    pub version: String,
    /// The host's name.
    pub hostname: String,
    /// The operating system, as in `/etc/os-release`.
    pub os: String,
    /// The kernel's release.
    pub kernel: String,
    /// The machine's architecture.
    pub arch: String,
    /// Processor cores.
    pub cores: u32,
    /// The present boot of the host.
    pub boot_id: String,
    /// When the program started.
    pub started: UnixMillis,
    /// Its clock when it answered.
    pub now: UnixMillis,
    /// Where it can be reached over QUIC.
    pub addresses: Vec<SocketAddr>,
    /// Where its HTTP face listens.
    pub http_address: Option<SocketAddr>,
    /// Its labels, by key.
    pub labels: Vec<Label>,
    /// When its certificate ends.
    pub certificate_ends: UnixMillis,
}

/// What a node counts. Totals are since its start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct NodeStats {
    /// Since its start, in seconds.
    pub uptime_s: u64,
    /// Resident memory of the program.
    pub rss_bytes: u64,
    /// Processor time of the program, in milliseconds.
    pub cpu_time_ms: u64,
    /// Open descriptors of the program.
    pub open_files: u32,
    /// Open connections: other nodes and operators.
    pub connections: u32,
    /// Handshakes refused, either side.
    pub refused_total: u64,
    /// Calls served.
    pub calls_total: u64,
    /// Calls that ended in an error.
    pub calls_failed_total: u64,
    /// Members that are alive, this node among them.
    pub members_alive: u32,
    /// All members that it knows.
    pub members: u32,
    /// Contacts in the routing table.
    pub dht_contacts: u32,
    /// Records kept for the mesh.
    pub dht_records: u32,
    /// Epoch of the revocation list in force; 0 for none.
    pub revocation_epoch: u64,
    /// How long since a member last showed that it knows no higher epoch, in milliseconds; `None` if none
    /// did since the start.
    pub revocation_heard_ms: Option<u64>,
    /// Whether this node's own key is revoked: every member refuses it.
    pub revoked: bool,
    /// Jobs of its task queue, by state.
    #[serde(default)]
    pub jobs: JobCounts,
    /// How long nobody has shown that the revocation list in force is the newest, in milliseconds; earlier
    /// runs of the node count too.
    #[serde(default)]
    pub revocation_silent_ms: u64,
    /// Whether the node refuses everything but reading once that is more than an hour.
    #[serde(default)]
    pub revocation_strict: bool,
}

/// What the directory thinks of a member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemberState {
    /// It answers, or others say so.
    Alive,
    /// It does not answer; it has a few seconds to say otherwise.
    Suspect,
    /// It does not answer; last values are kept.
    Lost,
    /// It said good-bye.
    Left,
    /// A state of a newer version.
    #[serde(other)]
    Unknown,
}

impl MemberState {
    /// The word, as in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Lost => "lost",
            Self::Left => "left",
            Self::Unknown => "unknown",
        }
    }
}

/// A member of the mesh, as the directory of the answering node has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Member {
    /// Name in its certificate.
    pub name: NodeName,
    /// Identity of its key.
    pub id: NodeId,
    /// Alive, suspect, lost or left.
    pub state: MemberState,
    /// Since when it is in that state, by the answering node's clock.
    pub state_since: UnixMillis,
    /// Where it can be reached over QUIC.
    pub addresses: Vec<SocketAddr>,
    /// Version of its program.
    pub version: String,
    /// Its labels, by key.
    pub labels: Vec<Label>,
    /// When its program started, by its own clock.
    pub started: UnixMillis,
    /// Sequence of the facts that it signed.
    pub sequence: u64,
    /// Where its HTTP face is reached over TLS; `None` if it serves its own machine alone.
    pub http: Option<SocketAddr>,
}

/// One message of a fleet watch: what is new since the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct FleetDelta {
    /// Counts the messages of this watch from 0.
    pub seq: u64,
    /// Forget everything known before.
    pub full: bool,
    /// New members, and those of whom anything changed.
    pub changed: Vec<Member>,
    /// Members that were forgotten.
    pub forgotten: Vec<NodeId>,
}

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerRole {
    /// Another node.
    Node,
    /// A console or a script of an operator.
    Operator,
    /// Somebody of a newer version.
    #[serde(other)]
    Unknown,
}

/// Which side dialled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The other side did.
    Inbound,
    /// The answering node did.
    Outbound,
    /// A way of a newer version.
    #[serde(other)]
    Unknown,
}

/// One open connection of the answering node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Peer {
    /// Identity of the other side's key.
    pub id: NodeId,
    /// Name in its certificate.
    pub name: NodeName,
    /// Node or operator.
    pub role: PeerRole,
    /// Its address now.
    pub address: SocketAddr,
    /// Who dialled.
    pub direction: Direction,
    /// State in the directory; `None` for operators.
    pub state: Option<MemberState>,
    /// Smoothed round trip in milliseconds.
    pub rtt_ms: f32,
    /// How far the node's clock is ahead of its own (negative: behind), in milliseconds, by what it said last; `None`
    /// if it does not tell.
    #[serde(default)]
    pub clock_ahead_ms: Option<i64>,
    /// How long it is connected, in milliseconds.
    pub age_ms: u64,
    /// How long nothing was heard of it, in milliseconds.
    pub silent_ms: u64,
    /// Bytes sent to it.
    pub sent_bytes: u64,
    /// Bytes received from it.
    pub received_bytes: u64,
    /// Packets sent to it; 0 from a node that does not tell.
    #[serde(default)]
    pub sent_packets: u64,
    /// Packets that were lost on the way to it.
    pub lost_packets: u64,
    /// Version of its program.
    pub version: String,
}

/// One handshake that failed, on either side of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedHandshake {
    /// When.
    pub at: UnixMillis,
    /// The other side's address.
    pub address: SocketAddr,
    /// Who dialled.
    pub direction: Direction,
    /// A stable word: `wrong_ca`, `expired`, `not_yet_valid`, `revoked`, `wrong_mesh`, ...
    pub reason: String,
    /// The same as a sentence; control characters are escaped.
    pub detail: String,
    /// How often the same happened in a row.
    pub count: u32,
}

/// One bucket of the routing table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoutingBucket {
    /// How many leading bits its contacts share with this node.
    pub shared_bits: u16,
    /// Its contacts, least recently seen first.
    pub contacts: Vec<RoutingContact>,
    /// How many wait to take the place of one that fails.
    pub waiting: u16,
}

/// One contact of the routing table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RoutingContact {
    /// Its id.
    pub id: NodeId,
    /// Its name, if the directory knows it.
    pub name: Option<NodeName>,
    /// Its addresses.
    pub addresses: Vec<SocketAddr>,
    /// How long since it last answered, in milliseconds; `None` if it never did.
    pub seen_ms: Option<u64>,
}

/// What a look-up in the DHT found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Found {
    /// Identity of its key.
    pub id: NodeId,
    /// Name in its certificate.
    pub name: NodeName,
    /// Where it can be reached over QUIC.
    pub addresses: Vec<SocketAddr>,
    /// Its labels.
    pub labels: Vec<Label>,
    /// Version of its program.
    pub version: String,
    /// Sequence of the facts that it signed.
    pub sequence: u64,
    /// Rounds of the look-up.
    pub hops: u32,
    /// Requests sent.
    pub messages: u32,
}

/// How a question of a look-up ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum QuestionEnd {
    /// It was answered.
    Answered,
    /// It was not answered, or not in a way that helps.
    Failed,
    /// The look-up had its end before.
    Open,
    /// An end of a newer version.
    #[serde(other)]
    Unknown,
}

/// One question of a look-up in the DHT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LookUpQuestion {
    /// Who was asked.
    pub id: NodeId,
    /// Its name, if the directory knows it.
    pub name: Option<NodeName>,
    /// Where: of a connection that stands, else the first address that was known.
    pub address: Option<SocketAddr>,
    /// Answers that led to it: 0 if it stood in the routing table.
    pub hop: u32,
    /// How many leading bits it shares with what is looked for: the more, the nearer.
    pub shared_bits: u16,
    /// When it was asked, in milliseconds since the beginning.
    pub asked_ms: u64,
    /// How the question ended.
    pub end: QuestionEnd,
    /// After how many milliseconds it ended; `None` if it was still open.
    pub took_ms: Option<u64>,
    /// Whether others were asked in its place because it took so long.
    pub slow: bool,
    /// Nodes that it named.
    pub named: u32,
    /// Those of them that are nearer to what is looked for than itself.
    pub nearer: u32,
    /// Whether it had the record.
    pub had_record: bool,
}

/// What a look-up in the DHT did, and what it found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct LookUp {
    /// What was looked for.
    pub name: NodeName,
    /// Where the record of that name is kept: 256 bits in hexadecimal digits.
    pub key: String,
    /// How many leading bits the asking node shares with it.
    pub own_bits: u16,
    /// Whether the asking node holds the record itself.
    pub held_here: bool,
    /// The questions, in the order in which they were asked; at most 150.
    pub questions: Vec<LookUpQuestion>,
    /// What was found; `None` if nobody who was asked has a record that can be believed.
    pub found: Option<Found>,
    /// Why a record that came is not believed.
    pub disbelieved: Option<String>,
    /// Answers that led to the nearest node that answered.
    pub rounds: u32,
    /// Requests sent.
    pub messages: u32,
    /// Requests that were not answered.
    pub failures: u32,
    /// From the beginning to the end, in milliseconds.
    pub elapsed_ms: u64,
}

/// Whether somebody may do something, before it is tried.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Permit {
    /// Whether the call would be let through.
    pub allowed: bool,
    /// What would refuse it: `role`, `local policy` or `arguments`; `None` if nothing does.
    pub layer: Option<String>,
    /// The words of the refusal; empty if there is none.
    pub message: String,
}

crate::service! {
    /// A node itself, and the mesh as it sees it.
    service Node = "node" {
        /// Who this node is and on what it runs.
        get info() -> NodeInfo, needs NodeRead;
        /// What it counts.
        get stats() -> NodeStats, needs NodeRead;
        /// Every member of the mesh that it knows, alive or not, by name.
        get members() -> Vec<Member>, needs NodeRead;
        /// The members, and then what changed, as soon as it does.
        watch fleet() -> FleetDelta, needs NodeRead;
        /// Its open connections, by name.
        get peers() -> Vec<Peer>, needs NodeRead;
        /// The last handshakes that were refused, either side, newest first.
        get refused() -> Vec<RefusedHandshake>, needs NodeRead;
        /// Its routing table, nearest bucket first.
        get routing() -> Vec<RoutingBucket>, needs NodeRead;
        /// Looks a node up by name in the DHT, past the directory.
        get find(name: NodeName) -> Found, needs NodeRead;
        /// The same, and what it did, question by question; what is not found is no error.
        get look_up(name: NodeName) -> LookUp, needs NodeRead;
        /// Its labels, by key.
        get labels() -> Vec<Label>, needs NodeRead;
        /// Whether the caller may call `method` here, with `arguments` (a JSON object) if they are given; asks
        /// what every call is asked, and does nothing.
        get can_i(method: String, arguments: Option<String>) -> Permit, needs NodeRead;
        /// Sets some labels and removes others; answers all that it has then. They outlast a restart.
        post set_labels(set: Vec<Label>, remove: Vec<String>) -> Vec<Label>, needs NodeLabel;
        /// Forgets a member that is lost or has left, on every node; `conflict` if it is alive.
        post forget(id: NodeId) -> (), needs NodeLabel;
    }
}
