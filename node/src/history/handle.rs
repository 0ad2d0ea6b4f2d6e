//! The way to the history for those who ask.

use p2p_shared::services::monitor::{Busiest, History, SeriesInfo};
use p2p_shared::time::UnixMillis;
use tokio::sync::{mpsc, oneshot};
use tokio::task::spawn_blocking;

use super::question::{HistoryError, Look, Question};

/// Questions that wait for the driver; beyond, those who ask wait.
pub(super) const ORDERS_QUEUE: usize = 64;

/// Somebody who wants to see the history as it is now.
pub(super) type Asked = oneshot::Sender<Result<Look, HistoryError>>;

/// Asks the history. Clones ask the same one.
#[derive(Clone, Debug)]
pub struct HistoryHandle {
    orders: mpsc::Sender<Asked>,
}

impl HistoryHandle {
    pub(super) fn new() -> (Self, mpsc::Receiver<Asked>) {
        let (orders, asked) = mpsc::channel(ORDERS_QUEUE);
        (Self { orders }, asked)
    }

    /// Every series, by name.
    ///
    /// # Errors
    /// [`HistoryError`] if there is no history.
    pub async fn series(&self) -> Result<Vec<SeriesInfo>, HistoryError> {
        Ok(self.look().await?.series())
    }

    /// The answer to a question.
    ///
    /// # Errors
    /// [`HistoryError`] if it cannot be answered.
    pub async fn history(&self, question: Question) -> Result<History, HistoryError> {
        let look = self.look().await?;
        blocking(move || look.history(&question)).await
    }

    /// The look at the processes that is closest to a time.
    ///
    /// # Errors
    /// [`HistoryError`] if it cannot be read.
    pub async fn busiest(&self, at: UnixMillis) -> Result<Option<Busiest>, HistoryError> {
        let look = self.look().await?;
        blocking(move || look.busiest(at)).await
    }

    async fn look(&self) -> Result<Look, HistoryError> {
        let (asked, answer) = oneshot::channel();
        self.orders.send(asked).await.map_err(|_| HistoryError::Stopped)?;
        answer.await.map_err(|_| HistoryError::Stopped)?
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, HistoryError> + Send + 'static,
) -> Result<T, HistoryError> {
    // It fails only while the runtime shuts down.
    spawn_blocking(work).await.map_err(|_| HistoryError::Stopped)?
}
