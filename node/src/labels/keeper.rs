//! The owner of the labels: every change is on disk before it is in force.

use std::sync::Arc;

use p2p_shared::error::RpcError;
use p2p_shared::services::node::Label;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;

use super::Labels;
use crate::store::Store;

/// Under which name the changes are kept.
pub const STORE_KEY: &str = "labels";

/// Labels and the store behind them. Clones are the same one.
#[derive(Clone, Debug)]
pub struct LabelKeeper {
    // Held across the write, so that changes come one after the other.
    labels: Arc<Mutex<Labels>>,
    store: Store,
}

impl LabelKeeper {
    /// A keeper of `labels` over `store`.
    pub fn new(labels: Labels, store: Store) -> Self {
        Self { labels: Arc::new(Mutex::new(labels)), store }
    }

    /// The labels in force, by key.
    pub async fn all(&self) -> Vec<Label> {
        self.labels.lock().await.all()
    }

    /// Changes some; answers all that are in force then.
    ///
    /// # Errors
    /// `bad_request` as [`Labels::changed`] says, `unavailable` if they cannot be kept.
    pub async fn change(&self, set: Vec<Label>, remove: Vec<String>) -> Result<Vec<Label>, RpcError> {
        let mut labels = self.labels.lock().await;
        let changed = labels.changed(set, remove)?;
        let (store, bytes) = (self.store.clone(), changed.to_bytes()?);
        let unkept = |why: String| RpcError::unavailable(format!("the labels cannot be kept: {why}"));
        let put = spawn_blocking(move || store.put_meta(STORE_KEY, &bytes)).await;
        put.map_err(|error| unkept(error.to_string()))?.map_err(|error| unkept(error.to_string()))?;
        *labels = changed;
        Ok(labels.all())
    }

    /// Takes the labels of a configuration that was read again.
    pub async fn configure(&self, configured: Vec<Label>) -> Vec<Label> {
        let mut labels = self.labels.lock().await;
        labels.configure(configured);
        labels.all()
    }
}
