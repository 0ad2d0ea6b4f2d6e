//! The times of the failure detector and the limits of what it holds, each with its reason.

use p2p_shared::time::Millis;

/// Other members that are asked to ping one that does not answer (K of the SWIM paper).
pub const HELPERS: usize = 3;
/// Pings of one probe; all but the first go along with questions to other members.
pub const ATTEMPTS: u8 = 3;
/// Accusers beyond the first that shorten a suspicion to its minimum (K of the Lifeguard paper).
pub const CONFIRMATIONS: usize = 3;
/// Peers that one flush of news goes to.
pub const FAN_OUT: usize = 4;
/// Copies of one piece of news a member sends are this many times log2 of the members.
pub const LAMBDA: u32 = 3;
/// Peers that a directory is compared with at a time.
pub const SYNC_PEERS: usize = 3;
/// Members, this node among them.
pub const MEMBERS_MAX: usize = 4_096;
/// Forgotten members that are remembered as such.
pub const TOMBSTONES_MAX: usize = 1_024;
/// Pieces of news that wait to be spread; beyond, the oldest is left to the comparison of directories.
pub const NEWS_MAX: usize = 8_192;
/// Requests under way; beyond, no new one is sent.
pub const PENDING_MAX: usize = 2_048;
/// A sequence that jumps further ahead is refused, so that nobody can burn a counter.
pub const SEQUENCE_JUMP_MAX: u64 = 1 << 32;
/// How long a forgotten member stays forgotten.
pub const TOMBSTONE_LIFE: Millis = Millis::from_secs(24 * 3_600);

/// The times of the failure detector. [`Config::default`] shows a killed member lost within 10 s.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Config {
    /// Half a protocol period. Ticks alternate between the next member on the ring of ids, so that each one
    /// is looked at once a period whatever chance does, and the next one of a shuffled round.
    pub tick: Millis,
    /// The least time for an answer to a ping; a multiple of the round trip where that is longer.
    pub ping_timeout: Millis,
    /// The shortest suspicion, once others confirmed it: longer than a process may be stopped.
    pub suspicion_min: Millis,
    /// The longest suspicion, if nobody confirms it.
    pub suspicion_max: Millis,
    /// How often directories are compared.
    pub sync_every: Millis,
    /// News wait so long for company before they are pushed.
    pub flush_delay: Millis,
    /// Between two pushes of the same news.
    pub flush_every: Millis,
    /// A timer that is this late means that this process was stopped: it then doubts itself.
    pub stall: Millis,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            tick: Millis(500),
            ping_timeout: Millis(500),
            suspicion_min: Millis(4_000),
            suspicion_max: Millis(6_500),
            sync_every: Millis(3_000),
            flush_delay: Millis(20),
            flush_every: Millis(200),
            stall: Millis(400),
        }
    }
}
