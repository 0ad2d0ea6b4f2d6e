//! What nodes say of alerts: those that are pending, fire or were resolved, silences, and the rules, in one list.

use p2p_shared::services::alert::{AlertInfo, AlertRule, AlertSilence};

/// What a node calls one of them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AlertKey {
    /// By its id.
    Alert(String),
    /// By its number.
    Silence(u64),
    /// By its name.
    Rule(String),
}

/// One of them.
#[derive(Clone, Debug, PartialEq)]
pub enum AlertItem {
    /// An alert.
    Alert(AlertInfo),
    /// A silence.
    Silence(AlertSilence),
    /// A rule.
    Rule(AlertRule),
}

impl AlertKey {
    /// Whether it is an alert's.
    pub const fn is_alert(&self) -> bool {
        matches!(self, Self::Alert(_))
    }

    /// Whether it is a silence's.
    pub const fn is_silence(&self) -> bool {
        matches!(self, Self::Silence(_))
    }

    /// Whether it is a rule's.
    pub const fn is_rule(&self) -> bool {
        matches!(self, Self::Rule(_))
    }
}
