//! What is told of one alert, and a message of several.

use std::collections::BTreeMap;

use p2p_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};

/// One alert that fires, or did. The same one has the same fingerprint; one that fires again, another start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// Which alert: a hash of its labels.
    pub fingerprint: String,
    /// What tells it from others, `alertname` among them.
    pub labels: BTreeMap<String, String>,
    /// What people should know beside: a summary, the value.
    pub annotations: BTreeMap<String, String>,
    /// Since when it fires.
    pub starts_at: UnixMillis,
    /// When it was resolved; `None` while it fires.
    pub ends_at: Option<UnixMillis>,
}

impl Notice {
    /// Whether it still fires.
    pub const fn fires(&self) -> bool {
        self.ends_at.is_none()
    }
}

/// Several alerts for one receiver. What it says never changes once it exists, however often it is sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Its id, the same for every attempt.
    pub id: String,
    /// For whom.
    pub receiver: String,
    /// What all its alerts have in common, and what made them one message.
    pub group_labels: BTreeMap<String, String>,
    /// The alerts, those that fire first.
    pub alerts: Vec<Notice>,
    /// How many more there were than fit.
    pub truncated: u32,
}

impl Message {
    /// Whether any of its alerts fires.
    pub fn fires(&self) -> bool {
        self.alerts.iter().any(Notice::fires)
    }
}
