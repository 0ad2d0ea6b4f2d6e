//! The way of alerts to the delivery.

use tokio::sync::{mpsc, oneshot};

use super::core::notice::Notice;

/// Notices that wait for the disk; beyond, those who offer wait.
const OFFERS_QUEUE: usize = 256;

/// A notice, and who waits until it is kept.
pub type Offer = (Notice, oneshot::Sender<Result<(), NotifyError>>);

/// Takes what is to be told. Clones lead to the same delivery.
#[derive(Clone, Debug)]
pub struct Notifier {
    offers: mpsc::Sender<Offer>,
}

/// Why a notice was not taken. Whoever offered it offers it again later: the same one twice is told once.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The disk.
    #[error("the notice cannot be kept: {0}")]
    Store(String),
    /// The node is shutting down.
    #[error("nothing is told any more: the node is shutting down")]
    Stopped,
}

impl Notifier {
    /// The way in, and where what is offered comes out.
    pub fn new() -> (Self, mpsc::Receiver<Offer>) {
        let (offers, offered) = mpsc::channel(OFFERS_QUEUE);
        (Self { offers }, offered)
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
