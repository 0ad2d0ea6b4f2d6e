//! The way to the alerts for services and the node: orders go in, what is seen comes out of a `watch`.

use std::path::PathBuf;
use std::sync::Arc;

use p2p_shared::error::RpcError;
use p2p_shared::services::alert::{AlertApplied, AlertInfo, AlertRules, AlertSilence, AlertTest};
use p2p_shared::time::Millis;
use tokio::sync::{mpsc, oneshot, watch};

use super::notify::receiver::Receiver;
use super::view::View;

/// Orders that wait for the driver; beyond, those who order wait.
const ORDERS_QUEUE: usize = 64;

/// The file of rules that the configuration names, as it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfiguredRules {
    /// Where it lies.
    pub path: PathBuf,
    /// What it says.
    pub text: String,
}

/// Where an answer goes: after what was ordered is on disk.
pub(super) type Answer<T> = oneshot::Sender<Result<T, RpcError>>;

/// One order.
#[derive(Debug)]
pub(super) enum Order {
    /// Take the rules and the receivers of the configuration anew.
    Configure(Option<ConfiguredRules>, Vec<Receiver>),
    /// Say which rules there are.
    Rules(Answer<AlertRules>),
    /// Say what a file would change and say.
    Test(String, Answer<AlertTest>),
    /// Apply a file.
    Apply { text: String, seen: String, by: String, answer: Answer<AlertApplied> },
    /// Silence what fits.
    Silence { matchers: String, reason: String, by: String, span: Millis, answer: Answer<AlertSilence> },
    /// End a silence.
    Unsilence(u64, Answer<()>),
    /// Note who looks after an alert.
    Acknowledge { id: String, by: String, note: String, answer: Answer<AlertInfo> },
}

/// The handle. Clones lead to the same alerts.
#[derive(Clone, Debug)]
pub struct AlertsHandle {
    orders: mpsc::Sender<Order>,
    view: watch::Receiver<Arc<View>>,
}

impl AlertsHandle {
    pub(super) fn new(view: watch::Receiver<Arc<View>>) -> (Self, mpsc::Receiver<Order>) {
        let (orders, ordered) = mpsc::channel(ORDERS_QUEUE);
        (Self { orders, view }, ordered)
    }

    /// Alerts and silences, now and whenever something changes.
    pub fn view(&self) -> watch::Receiver<Arc<View>> {
        self.view.clone()
    }

    /// Takes the rules of the configuration anew, and who is told.
    pub async fn configure(&self, rules: Option<ConfiguredRules>, receivers: Vec<Receiver>) {
        // A driver that has stopped evaluates nothing more at all.
        let _ = self.orders.send(Order::Configure(rules, receivers)).await;
    }

    /// The rules in force.
    ///
    /// # Errors
    /// `unavailable` while the node shuts down, as all of these.
    pub async fn rules(&self) -> Result<AlertRules, RpcError> {
        self.ask(Order::Rules).await
    }

    /// What a file would change and say.
    ///
    /// # Errors
    /// As [`Self::rules`].
    pub async fn test(&self, text: String) -> Result<AlertTest, RpcError> {
        self.ask(|answer| Order::Test(text, answer)).await
    }

    /// Applies a file in the place of the version that was seen.
    ///
    /// # Errors
    /// `bad_request` for one with a mistake, `conflict` if another version is there.
    pub async fn apply(&self, text: String, seen: String, by: String) -> Result<AlertApplied, RpcError> {
        self.ask(|answer| Order::Apply { text, seen, by, answer }).await
    }

    /// Silences what fits.
    ///
    /// # Errors
    /// `bad_request` if it cannot be silenced so.
    pub async fn silence(
        &self,
        (matchers, reason): (String, String),
        by: String,
        span: Millis,
    ) -> Result<AlertSilence, RpcError> {
        self.ask(|answer| Order::Silence { matchers, reason, by, span, answer }).await
    }

    /// Ends a silence.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn unsilence(&self, id: u64) -> Result<(), RpcError> {
        self.ask(|answer| Order::Unsilence(id, answer)).await
    }

    /// Notes who looks after an alert that fires.
    ///
    /// # Errors
    /// `not_found` if none of that id fires.
    pub async fn acknowledge(&self, id: String, by: String, note: String) -> Result<AlertInfo, RpcError> {
        self.ask(|answer| Order::Acknowledge { id, by, note, answer }).await
    }

    async fn ask<T>(&self, order: impl FnOnce(Answer<T>) -> Order) -> Result<T, RpcError> {
        let stopped = || RpcError::unavailable("this node is shutting down: it looks at no more rules");
        let (answer, answered) = oneshot::channel();
        self.orders.send(order(answer)).await.map_err(|_| stopped())?;
        answered.await.map_err(|_| stopped())?
    }
}
