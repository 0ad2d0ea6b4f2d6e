//! What the rest of the node may ask of the membership.
//!
//! The directory is read through a `watch`; orders go to the driver through a bounded queue.

use std::net::SocketAddr;
use std::sync::Arc;

use p2p_shared::id::NodeId;
use p2p_shared::services::node::{Label, Member};
use p2p_shared::witness::Statement;
use tokio::sync::{mpsc, oneshot, watch};

use super::core;
use super::core::io::Adoption;
use super::core::message::Body;
use super::core::record::SharedRevoked;

/// Orders that wait for the driver; whoever gives one more waits.
const ORDERS_QUEUE: usize = 64;

/// Every member that is known, by name.
pub type Directory = Arc<[Member]>;

/// One order to the driver.
#[derive(Debug)]
pub enum Order {
    /// Say from now on that this node has these labels.
    SetLabels(Vec<Label>),
    /// Say from now on that this node is reached here.
    SetAddresses(Vec<SocketAddr>),
    /// Sign the own facts anew, before they expire elsewhere.
    Refresh,
    /// Forget a member that is lost or has left.
    Forget(NodeId, oneshot::Sender<Result<(), ForgetError>>),
    /// Put this list of revoked keys in force, if it is the newest.
    AdoptRevoked(SharedRevoked, oneshot::Sender<Adoption>),
    /// Hand the head of this node's audit record to a member, and answer with what it says.
    HandHead(NodeId, Statement, oneshot::Sender<Body>),
    /// Ask a member to look for another one, and answer with what it says.
    AskAbout(NodeId, NodeId, oneshot::Sender<Body>),
    /// Say good-bye, and answer once some have heard it.
    Leave(oneshot::Sender<()>),
}

/// Why a member cannot be forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ForgetError {
    /// Nobody of that id is known.
    #[error("no member has this id")]
    Unknown,
    /// It would be back at once.
    #[error("it is alive: stop it first, or wait until it counts as lost")]
    Alive,
    /// The node shuts down.
    #[error("the membership has stopped")]
    Stopped,
}

impl From<core::io::ForgetError> for ForgetError {
    fn from(error: core::io::ForgetError) -> Self {
        match error {
            core::io::ForgetError::Unknown => Self::Unknown,
            core::io::ForgetError::Present => Self::Alive,
        }
    }
}

/// Handle to the membership. Clones are the same one.
#[derive(Clone, Debug)]
pub struct MembershipHandle {
    orders: mpsc::Sender<Order>,
    directory: watch::Receiver<Directory>,
}

impl MembershipHandle {
    /// A handle that reads `directory`, and the orders for the driver.
    pub fn new(directory: watch::Receiver<Directory>) -> (Self, mpsc::Receiver<Order>) {
        let (orders, queue) = mpsc::channel(ORDERS_QUEUE);
        (Self { orders, directory }, queue)
    }

    /// Whether the driver runs.
    pub fn is_running(&self) -> bool {
        !self.orders.is_closed()
    }

    /// Every member, now.
    pub fn members(&self) -> Directory {
        Arc::clone(&self.directory.borrow())
    }

    /// Every member, now and whenever something changes.
    pub fn watch(&self) -> watch::Receiver<Directory> {
        self.directory.clone()
    }

    /// Says from now on that this node has these labels.
    pub async fn set_labels(&self, labels: Vec<Label>) {
        // A driver that has stopped says nothing more at all.
        let _ = self.orders.send(Order::SetLabels(labels)).await;
    }

    /// Says from now on that this node is reached here.
    pub async fn set_addresses(&self, addresses: Vec<SocketAddr>) {
        let _ = self.orders.send(Order::SetAddresses(addresses)).await;
    }

    /// Has the own facts signed anew.
    pub async fn refresh(&self) {
        let _ = self.orders.send(Order::Refresh).await;
    }

    /// Forgets a member, here and everywhere.
    ///
    /// # Errors
    /// As [`ForgetError`] says.
    pub async fn forget(&self, id: NodeId) -> Result<(), ForgetError> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::Forget(id, answer)).await.map_err(|_| ForgetError::Stopped)?;
        answered.await.unwrap_or(Err(ForgetError::Stopped))
    }

    /// Puts a list of revoked keys in force, here and everywhere, if it is the newest; `None` if the node
    /// shuts down.
    pub async fn adopt_revoked(&self, list: SharedRevoked) -> Option<Adoption> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::AdoptRevoked(list, answer)).await.ok()?;
        answered.await.ok()
    }

    /// Hands the head of this node's audit record to a member: what it answers, or `None` if it does not.
    pub async fn hand_head(&self, to: NodeId, head: Statement) -> Option<Body> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::HandHead(to, head, answer)).await.ok()?;
        answered.await.ok()
    }

    /// Whether the member `whom` reaches `about` now; `None` if it does not say.
    pub async fn ask_about(&self, whom: NodeId, about: NodeId) -> Option<bool> {
        let (answer, answered) = oneshot::channel();
        self.orders.send(Order::AskAbout(whom, about, answer)).await.ok()?;
        match answered.await {
            Ok(Body::Reached { reached }) => Some(reached),
            Ok(_) | Err(_) => None,
        }
    }

    /// Says good-bye, and waits until some have heard it.
    pub async fn leave(&self) {
        let (answer, answered) = oneshot::channel();
        if self.orders.send(Order::Leave(answer)).await.is_ok() {
            let _ = answered.await;
        }
    }
}
