//! What the rest of the node may ask of the DHT.
//!
//! Orders go to the driver through a bounded queue, results come back one by one.

use std::sync::atomic::{AtomicUsize, Ordering};

use p2p_shared::counters::Counter;
use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;
use tokio::sync::{mpsc, oneshot};

use super::core::bucket::Entry;
use super::core::key::Key;
use super::core::message::{Contact, Record};
use super::core::output::{Outcome, QueryStats};
use super::core::trace::Question;

/// Orders that wait for the driver; whoever gives one more waits.
pub const ORDERS_QUEUE: usize = 64;
/// Findings that wait for whoever keeps them.
pub const FINDINGS_QUEUE: usize = 256;

/// Who waits for the end of a query.
pub type Waiter = oneshot::Sender<Ended>;

/// How a query ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ended {
    /// With what.
    pub outcome: Outcome,
    /// What it cost.
    pub stats: QueryStats,
    /// What was asked, if that was wanted.
    pub questions: Vec<Question>,
    /// The core's clock then.
    pub at: Millis,
}

/// One order to the driver.
#[derive(Debug)]
pub enum Order {
    /// Enter the mesh through these contacts.
    Join(Vec<Contact>, Waiter),
    /// Find a record.
    Get(Key, Waiter),
    /// Find a record, and tell every question.
    Trace(Key, Waiter),
    /// Publish an own record.
    Put(Record, Waiter),
    /// What the core holds now.
    Overview(oneshot::Sender<Overview>),
}

/// What the driver found, for those above it.
#[derive(Clone, Debug)]
pub enum DhtEvent {
    /// A contact answers at these addresses: worth remembering.
    Verified(Contact),
    /// A contact left the table.
    Lost(NodeId),
    /// Nobody answers any more: dial the bootstrap addresses again.
    Isolated,
}

/// The routing table and the size of the store at one moment.
#[derive(Clone, Debug, Default)]
pub struct Overview {
    /// Every contact.
    pub contacts: Vec<Entry>,
    /// Those that wait to take the place of one that fails.
    pub spares: Vec<NodeId>,
    /// Records held.
    pub records: usize,
    /// The core's clock.
    pub now: Millis,
}

/// How much of the DHT is here, for those who cannot wait for an [`Overview`].
#[derive(Debug, Default)]
pub struct DhtCounts {
    contacts: AtomicUsize,
    records: AtomicUsize,
    /// Requests to other nodes that were answered.
    pub answered: Counter,
    /// Requests to other nodes that were not.
    pub failed: Counter,
}

impl DhtCounts {
    pub(super) fn set(&self, contacts: usize, records: usize) {
        self.contacts.store(contacts, Ordering::Relaxed);
        self.records.store(records, Ordering::Relaxed);
    }

    /// Contacts in the routing table.
    pub fn contacts(&self) -> usize {
        self.contacts.load(Ordering::Relaxed)
    }

    /// Records kept for the mesh.
    pub fn records(&self) -> usize {
        self.records.load(Ordering::Relaxed)
    }
}

/// A record that was looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The newest one found.
    pub record: Option<Record>,
    /// What it cost.
    pub stats: QueryStats,
}

/// Handle to the DHT. Clones are the same one.
#[derive(Clone, Debug)]
pub struct DhtHandle(mpsc::Sender<Order>);

/// The driver is gone: the node shuts down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the DHT has stopped")]
pub struct Stopped;

impl DhtHandle {
    /// A handle, and the orders for the driver.
    pub fn new() -> (Self, mpsc::Receiver<Order>) {
        let (sender, orders) = mpsc::channel(ORDERS_QUEUE);
        (Self(sender), orders)
    }

    /// Enters the mesh through `contacts`; answers the neighbours found there.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn join(&self, contacts: Vec<Contact>) -> Result<Vec<Contact>, Stopped> {
        match self.order(|waiter| Order::Join(contacts, waiter)).await?.outcome {
            Outcome::Nodes(neighbours) => Ok(neighbours),
            _ => Ok(Vec::new()),
        }
    }

    /// Looks a record up.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn get(&self, key: Key) -> Result<Lookup, Stopped> {
        let Ended { outcome, stats, .. } = self.order(|waiter| Order::Get(key, waiter)).await?;
        let record = match outcome {
            Outcome::Found { record, .. } => Some(record),
            _ => None,
        };
        Ok(Lookup { record, stats })
    }

    /// Looks a record up, and tells every question that was asked.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn trace(&self, key: Key) -> Result<Ended, Stopped> {
        self.order(|waiter| Order::Trace(key, waiter)).await
    }

    /// Publishes an own record; how it went.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn put(&self, record: Record) -> Result<Outcome, Stopped> {
        Ok(self.order(|waiter| Order::Put(record, waiter)).await?.outcome)
    }

    /// What the core holds now.
    ///
    /// # Errors
    /// [`Stopped`].
    pub async fn overview(&self) -> Result<Overview, Stopped> {
        self.order(Order::Overview).await
    }

    async fn order<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> Order) -> Result<T, Stopped> {
        let (answer, answered) = oneshot::channel();
        self.0.send(order(answer)).await.map_err(|_| Stopped)?;
        answered.await.map_err(|_| Stopped)
    }
}
