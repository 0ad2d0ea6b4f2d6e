//! The way of alerts to the delivery.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot, watch};

use super::core::notice::Notice;
use super::core::queue::Outcome;
use super::receiver::Receiver;

/// Notices that wait for the disk; beyond, those who offer wait.
const OFFERS_QUEUE: usize = 256;

/// A notice, and who waits until it is kept.
pub type Offer = (Notice, oneshot::Sender<Result<(), NotifyError>>);

/// Takes what is to be told. Clones lead to the same delivery.
#[derive(Clone, Debug)]
pub struct Notifier {
    offers: mpsc::Sender<Offer>,
    states: watch::Receiver<Vec<ReceiverState>>,
    receivers: watch::Sender<Vec<Receiver>>,
}

/// What the delivery has of the way.
#[derive(Debug)]
pub(super) struct Inlet {
    pub(super) offers: mpsc::Receiver<Offer>,
    pub(super) receivers: watch::Receiver<Vec<Receiver>>,
    pub(super) states: watch::Sender<Vec<ReceiverState>>,
}

/// How it stands with a receiver, for people.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReceiverState {
    /// Its name.
    pub name: String,
    /// Messages that wait for it.
    pub waiting: usize,
    /// Messages that it took in this run.
    pub delivered: u64,
    /// Messages that it refused in this run, and that were given up.
    pub refused: u64,
    /// Attempts that failed since the last that did not.
    pub failures: u64,
    /// What was wrong with the last attempt; `None` if nothing was.
    pub problem: Option<String>,
}

impl ReceiverState {
    pub(super) fn take(&mut self, outcome: Outcome, problem: Option<String>) {
        self.problem = problem;
        match outcome {
            Outcome::Delivered => (self.delivered, self.failures) = (self.delivered + 1, 0),
            Outcome::Refused => (self.refused, self.failures) = (self.refused + 1, 0),
            Outcome::Failed(_) => self.failures += 1,
        }
    }
}

/// Why a notice was not taken. Whoever offered it offers it again later: the same one twice is told once.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The disk.
    #[error("the notice cannot be kept: {0}")]
    Store(Arc<str>),
    /// The node is shutting down.
    #[error("nothing is told any more: the node is shutting down")]
    Stopped,
}

impl Notifier {
    /// The way in, and where what is offered comes out.
    pub fn new() -> (Self, mpsc::Receiver<Offer>) {
        let (notifier, inlet) = Self::to(Vec::new());
        (notifier, inlet.offers)
    }

    pub(super) fn to(receivers: Vec<Receiver>) -> (Self, Inlet) {
        let (offers, offered) = mpsc::channel(OFFERS_QUEUE);
        let (told, states) = watch::channel(Vec::new());
        let (receivers, configured) = watch::channel(receivers);
        (Self { offers, states, receivers }, Inlet { offers: offered, receivers: configured, states: told })
    }

    /// Tells others from now on. What waits for those that keep their name goes to them as they are now.
    pub fn configure(&self, receivers: Vec<Receiver>) {
        self.receivers.send_replace(receivers);
    }

    /// How it stands with every receiver, and whenever that changes.
    pub fn states(&self) -> watch::Receiver<Vec<ReceiverState>> {
        self.states.clone()
    }

    /// How it stands with every receiver, by name.
    pub fn receivers(&self) -> Vec<ReceiverState> {
        self.states.borrow().clone()
    }

    /// Gives an alert that fires, or was resolved, to the receivers that want to know. It returns once that is
    /// kept, so it outlives the node from here on. Of an alert that nobody wants to know nothing becomes.
    ///
    /// # Errors
    /// [`NotifyError`] if it is not kept.
    pub async fn offer(&self, notice: Notice) -> Result<(), NotifyError> {
        let (kept, answer) = oneshot::channel();
        self.offers.send((notice, kept)).await.map_err(|_| NotifyError::Stopped)?;
        answer.await.map_err(|_| NotifyError::Stopped)?
    }
}
