//! What an alert is, what it is made of, and what of it outlives the node.

use p2p_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};

use super::rule::{Labels, Limits, Rule, Severity, Telling};
use super::silence::SilenceId;

/// The label that holds the rule's name.
pub const NAME_LABEL: &str = "alertname";

/// One figure now.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    /// Its name.
    pub metric: String,
    /// Its labels.
    pub labels: Labels,
    /// Its value; what is not finite is not there.
    pub value: f64,
}

/// What an alert is doing. One that is inactive is not kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// The figure is on the wrong side, not yet for long enough.
    Pending,
    /// It was for long enough.
    Firing,
    /// It fired, and is well again or missing.
    Resolved,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// The rule's name.
    pub rule: String,
    /// The figure's name.
    pub metric: String,
    /// What is said of it.
    pub summary: String,
    /// Labels of the figure and of the rule, and `alertname`.
    pub labels: Labels,
    /// How grave it is.
    pub severity: Severity,
    /// What it is doing.
    pub state: State,
    /// Since when it does that, by the wall clock of that time.
    pub since: UnixMillis,
    /// When it began to fire; nothing means for one that is pending.
    pub fired: UnixMillis,
    /// The last value that was seen.
    pub value: f64,
    /// Who has seen it, while it fires.
    pub acknowledged: Option<Acknowledged>,
    /// The silence that keeps it from being told.
    pub silenced: Option<SilenceId>,
    /// Whether its rule wants it told.
    pub telling: Telling,
}

/// Who looks after an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledged {
    /// Who.
    pub by: String,
    /// What was said.
    pub note: String,
    /// When, by the wall clock of that time.
    pub at: UnixMillis,
}

/// An alert that fires, as it outlives the node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Kept {
    /// It.
    pub alert: Alert,
    /// What it was measured by.
    pub limits: Limits,
    /// Whether somebody was told that it fires.
    pub told: bool,
}

/// A number for the labels of an alert, the same on every node and in every run (FNV-1a).
pub fn fingerprint(labels: &Labels) -> u64 {
    let pairs = labels.iter().flat_map(|(name, value)| [name, "\u{ff}", value, "\u{ff}"]);
    let bytes = pairs.flat_map(str::bytes);
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

/// The labels of an alert: the rule's, over them the figure's, so that no two figures become one alert, and the
/// rule's name.
pub fn labels_of(rule: &Rule, figure: &Figure) -> Labels {
    let mut labels = rule.labels.clone();
    labels.extend(figure.labels.clone());
    labels.insert(NAME_LABEL.to_owned(), rule.name.clone());
    labels
}
