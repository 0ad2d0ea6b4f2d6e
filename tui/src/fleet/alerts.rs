//! What nodes say of alerts: those that are pending, fire or were resolved, silences, and the rules, in one list.

use p2p_shared::id::NodeId;
use p2p_shared::services::alert::{AlertInfo, AlertRule, AlertSeverity, AlertSilence, AlertState};

use super::Items;

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

/// How many alerts of a node fire, without those that are silenced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Firing {
    /// Somebody must act now.
    pub critical: usize,
    /// Somebody should look.
    pub warning: usize,
    /// Good to know, or of a newer version.
    pub other: usize,
}

impl Firing {
    /// Counts those of a node.
    pub fn of(alerts: &Items<AlertKey, AlertItem>, node: NodeId) -> Self {
        let mut firing = Self::default();
        for item in alerts.of(node).filter_map(|id| alerts.get(id)) {
            let AlertItem::Alert(alert) = &item.value else { continue };
            if alert.state == AlertState::Firing && alert.silenced.is_none() {
                *match alert.severity {
                    AlertSeverity::Critical => &mut firing.critical,
                    AlertSeverity::Warning => &mut firing.warning,
                    AlertSeverity::Info | AlertSeverity::Unknown => &mut firing.other,
                } += 1;
            }
        }
        firing
    }

    /// All of them.
    pub const fn total(self) -> usize {
        self.critical + self.warning + self.other
    }
}
