//! What is to be told and was not taken by the delivery yet: in its order, and again until it is.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use p2p_shared::id::NodeName;
use tokio::time::timeout;

use super::core::alert::{Alert, fingerprint};
use super::core::file::SEVERITY_LABEL;
use super::core::words;
use super::notify::core::notice::Notice;
use super::notify::handle::Notifier;

/// Notices that wait; beyond, the oldest is given up, and the log says so.
const WAITING_MAX: usize = 2_000;
/// The label that says which node tells it.
const INSTANCE_LABEL: &str = "instance";

/// Notices that wait for the delivery.
#[derive(Debug)]
pub(super) struct Untold {
    node: NodeName,
    /// With the number of the alert.
    waiting: VecDeque<(u64, Notice)>,
    revision: u64,
}

impl Untold {
    pub(super) const fn new(node: NodeName) -> Self {
        Self { node, waiting: VecDeque::new(), revision: 0 }
    }

    /// An alert fires.
    pub(super) fn fires(&mut self, alert: &Alert) {
        let notice = self.notice(alert);
        self.push(alert, notice);
    }

    /// An alert that fired is resolved.
    pub(super) fn resolves(&mut self, alert: &Alert) {
        let notice = Notice { ends_at: Some(alert.since), ..self.notice(alert) };
        self.push(alert, notice);
    }

    /// Whether it waits to be told that an alert fires.
    pub(super) fn holds(&self, id: u64) -> bool {
        self.waiting.iter().any(|(waiting, notice)| *waiting == id && notice.fires())
    }

    /// Counts what was taken.
    pub(super) const fn revision(&self) -> u64 {
        self.revision
    }

    /// Offers what waits, until the delivery does not take it in time.
    pub(super) async fn offer(&mut self, notifier: &Notifier, patience: Duration) {
        while let Some((_, notice)) = self.waiting.front() {
            match timeout(patience, notifier.offer(notice.clone())).await {
                Ok(Ok(())) => {
                    self.waiting.pop_front();
                    self.revision += 1;
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "an alert is not told yet: it is tried again");
                    return;
                }
                Err(_) => {
                    tracing::warn!(
                        "an alert is not told yet, the delivery does not answer: it is tried again"
                    );
                    return;
                }
            }
        }
    }

    fn push(&mut self, alert: &Alert, notice: Notice) {
        if self.waiting.len() >= WAITING_MAX
            && let Some((_, lost)) = self.waiting.pop_front()
        {
            tracing::error!(fingerprint = %lost.fingerprint, "too many alerts wait to be told: one is given up");
        }
        self.waiting.push_back((fingerprint(&alert.labels), notice));
    }

    /// Labels, the node and the severity among them; the number is that of the labels without the severity, which
    /// may change while it fires.
    fn notice(&self, alert: &Alert) -> Notice {
        let mut labels = alert.labels.clone();
        labels.insert(INSTANCE_LABEL.to_owned(), self.node.to_string());
        let number = fingerprint(&labels);
        labels.insert(SEVERITY_LABEL.to_owned(), alert.severity.as_str().to_owned());
        let annotations = BTreeMap::from([
            ("summary".to_owned(), alert.summary.clone()),
            ("value".to_owned(), words::quantity(&alert.metric, alert.value)),
        ]);
        Notice {
            fingerprint: format!("{number:016x}"),
            labels,
            annotations,
            starts_at: alert.fired,
            ends_at: None,
        }
    }
}
