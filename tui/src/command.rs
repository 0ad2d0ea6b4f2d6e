//! What the console wants done: plain data, made by `app`, carried out by `effects`.
//!
//! A command never holds a handle or a closure, so that a test compares lists of them. Every target of an
//! action is a command of its own and ends in exactly one `Outcome` event.

use p2p_shared::id::NodeId;
use p2p_shared::services::node::Label;
use p2p_shared::services::process::{ProcessRef, Signal};

/// One action over its targets, as the screen of outcomes accounts for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

/// One target of one action.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Errand {
    /// The action.
    pub run: RunId,
    /// Its target, counted from 0.
    pub target: u32,
}

/// A kind of live data of one node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Topic {
    /// The figures of the host, by `monitor.watch`.
    Sample,
    /// Its processes as differences, by `process.watch`.
    Processes,
    /// Its connections; asked for every [`Topic::interval_ms`], for there is no watch.
    Peers,
    /// Its routing table; asked for likewise.
    Routing,
    /// The handshakes that it refused; asked for likewise.
    Refused,
}

impl Topic {
    /// How often new data is due.
    pub const fn interval_ms(self) -> u32 {
        match self {
            Self::Sample | Self::Processes => 1_000,
            Self::Peers => 2_000,
            Self::Routing | Self::Refused => 5_000,
        }
    }

    /// What messages call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sample => "figures",
            Self::Processes => "processes",
            Self::Peers => "peers",
            Self::Routing => "routing table",
            Self::Refused => "refused handshakes",
        }
    }
}

/// One topic of one node. What is subscribed is what the screen shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subscription {
    /// Whose data.
    pub node: NodeId,
    /// Which data.
    pub topic: Topic,
}

/// An order to the world outside.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Begin to deliver a topic; begins anew with full data.
    Subscribe(Subscription),
    /// Stop to deliver it.
    Unsubscribe(Subscription),
    /// Send a signal; answered by one `Outcome`.
    Signal { errand: Errand, node: NodeId, target: ProcessRef, signal: Signal },
    /// Set a nice value; answered by one `Outcome`.
    Renice { errand: Errand, node: NodeId, target: ProcessRef, nice: i32 },
    /// Set and remove labels; answered by one `Outcome`.
    SetLabels { errand: Errand, node: NodeId, set: Vec<Label>, remove: Vec<String> },
    /// Forget a lost member everywhere; answered by one `Outcome`.
    Forget { errand: Errand, node: NodeId },
    /// Ask for everything about one process; answered by one `Inspected`.
    Inspect { node: NodeId, target: ProcessRef },
    /// Give up what an action still waits for; its open targets end as cancelled.
    Cancel(RunId),
    /// Put a text on the operator's clipboard (OSC 52).
    Copy(String),
    /// Let the terminal report the mouse, or leave it to the terminal's own selection.
    Mouse(bool),
    /// Draw everything anew.
    Redraw,
    /// Stop as ^Z does; the screen comes back on SIGCONT.
    Suspend,
    /// End the console.
    Quit,
}
