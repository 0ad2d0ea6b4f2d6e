//! The contract of `alert`: what is wrong on one node by its rules, and who looks after it.
//!
//! Rules come from three places: built in, applied by call, and the file that the node's configuration names. Of
//! one name the last of them counts. An alert is a rule and a figure with its labels; its id is the same on every
//! node and in every run.

mod figures;

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::time::UnixMillis;

pub use figures::{FIGURES, FigureKind};

/// Longest file of rules that a call takes, in bytes.
pub const RULES_BYTES_MAX: usize = 256 << 10;
/// Longest reason of a silence and note of an acknowledgement, in bytes.
pub const NOTE_BYTES_MAX: usize = 512;

/// How grave an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertSeverity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act now.
    Critical,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

impl AlertSeverity {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
            Self::Unknown => "unknown",
        }
    }
}

/// What an alert is doing. One that is well, and did not fire lately, is not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The figure is on the wrong side, not yet for long enough.
    Pending,
    /// It was for long enough.
    Firing,
    /// It fired within the last quarter of an hour, and is well again or cannot be seen any more.
    Resolved,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

impl AlertState {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Firing => "firing",
            Self::Resolved => "resolved",
            Self::Unknown => "unknown",
        }
    }
}

/// Who looks after an alert.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertAcknowledged {
    /// Who.
    pub by: String,
    /// What was said; may be empty.
    pub note: String,
    /// When, by the node's clock.
    pub at: UnixMillis,
}

/// One alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertInfo {
    /// Its id: 16 hexadecimal digits made of its labels.
    pub id: String,
    /// The rule's name.
    pub rule: String,
    /// How grave it is.
    pub severity: AlertSeverity,
    /// What it is doing.
    pub state: AlertState,
    /// Since when, by the node's clock of that time.
    pub since: UnixMillis,
    /// When it began to fire; `None` while it is pending.
    pub fired: Option<UnixMillis>,
    /// What is said of it.
    pub summary: String,
    /// The figure.
    pub metric: String,
    /// Its last value.
    pub value: f64,
    /// Labels of the figure and of the rule; `alertname` is the rule's name.
    pub labels: BTreeMap<String, String>,
    /// Who looks after it, while it fires.
    pub acknowledged: Option<AlertAcknowledged>,
    /// The silence that keeps it from being told.
    pub silenced: Option<u64>,
    /// Whether its rule wants it told at all.
    pub notify: bool,
}

/// A silence: alerts that fit are not told until it ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertSilence {
    /// Its number on this node.
    pub id: u64,
    /// What labels have to be, such as `alertname="disk_full", mountpoint=~"/srv.*"`.
    pub matchers: String,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When it began.
    pub starts: UnixMillis,
    /// When it ends.
    pub ends: UnixMillis,
    /// How many alerts that fire it silences now.
    pub alerts: u32,
}

/// How many alerts are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertCounts {
    /// Firing ones, silenced and acknowledged ones among them.
    pub firing: u32,
    /// Of those, how many are silenced.
    pub silenced: u32,
    /// Of those that fire, after how many somebody looks.
    pub acknowledged: u32,
    /// Pending ones.
    pub pending: u32,
    /// Those that were resolved lately.
    pub resolved: u32,
}

impl AlertCounts {
    /// Counts one more alert.
    pub fn count(&mut self, alert: &AlertInfo) {
        match alert.state {
            AlertState::Firing => {
                self.firing += 1;
                self.silenced += u32::from(alert.silenced.is_some());
                self.acknowledged += u32::from(alert.acknowledged.is_some());
            }
            AlertState::Pending => self.pending += 1,
            AlertState::Resolved => self.resolved += 1,
            AlertState::Unknown => {}
        }
    }
}

/// All alerts of a node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertList {
    /// When, by the node's clock.
    pub at: UnixMillis,
    /// Alerts that are pending, fire, or were resolved lately.
    pub alerts: Vec<AlertInfo>,
    /// Silences.
    pub silences: Vec<AlertSilence>,
    /// How many are in which state.
    pub counts: AlertCounts,
    /// How many alerts were not kept since the start, because there were too many.
    pub refused_total: u64,
}

/// Where a rule comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum RuleSource {
    /// It is built in.
    Default,
    /// It was applied by call.
    Applied,
    /// The file that the node's configuration names.
    Configured,
    /// One of a newer version.
    #[serde(other)]
    Unknown,
}

impl RuleSource {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::Applied => "applied",
            Self::Configured => "configured",
            Self::Unknown => "unknown",
        }
    }
}

/// A rule in force.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertRule {
    /// Its name.
    pub name: String,
    /// Where it comes from.
    pub source: RuleSource,
    /// When it holds: figure, comparison, hysteresis and span, as it is written.
    pub when: String,
    /// How grave its alerts are.
    pub severity: AlertSeverity,
    /// What is said of its alerts; empty for the value alone.
    pub summary: String,
    /// Labels of its alerts, beside those of the figure.
    pub labels: BTreeMap<String, String>,
    /// What is different for some figures, in the order in which they count.
    pub exceptions: Vec<String>,
    /// Whether its alerts are told to anybody.
    pub notify: bool,
    /// At how many figures it looks now; with none it says nothing.
    pub figures: u32,
}

/// What is wrong with a file of rules.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RuleMistake {
    /// Which file.
    pub source: RuleSource,
    /// In which line, from 1.
    pub line: u32,
    /// At which character of it, from 1.
    pub column: u32,
    /// What is wrong, and what there should be.
    pub message: String,
}

impl fmt::Display for RuleMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

/// The rules of a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertRules {
    /// Those in force, by name.
    pub rules: Vec<AlertRule>,
    /// What in the files is wrong and therefore not in force.
    pub mistakes: Vec<RuleMistake>,
    /// The version of what was applied; empty if nothing was.
    pub version: String,
    /// The file that was applied, as it is.
    pub applied: String,
    /// Who applied it; empty if nothing was.
    pub applied_by: String,
    /// When; `None` if nothing was.
    pub applied_at: Option<UnixMillis>,
    /// Where the configured file lies; empty without one.
    pub configured: String,
}

/// What another file changes of one rule in force.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct RuleChange {
    /// Which rule.
    pub name: String,
    /// What it is now; `None` if there is none.
    pub was: Option<String>,
    /// What it becomes; `None` if there will be none.
    pub becomes: Option<String>,
}

/// What came of applying a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AlertApplied {
    /// The version of it.
    pub version: String,
    /// What changed; nothing if it was so already.
    pub changes: Vec<RuleChange>,
}

/// What a rule says of one figure now.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct RuleVerdict {
    /// Which rule.
    pub rule: String,
    /// Labels that the alert would have.
    pub labels: BTreeMap<String, String>,
    /// The value now.
    pub value: f64,
    /// What would be said.
    pub summary: String,
    /// Whether the figure is on the wrong side.
    pub is_wrong: bool,
    /// How long it has to be before the alert fires, in milliseconds.
    pub hold_ms: u64,
}

/// What would come of applying a file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertTest {
    /// The version of what is applied now, which `apply` asks for; empty if nothing is.
    pub version: String,
    /// What is wrong with the file.
    pub mistakes: Vec<RuleMistake>,
    /// What it would change.
    pub changes: Vec<RuleChange>,
    /// What its rules say now; at most 500, those that are wrong first.
    pub verdicts: Vec<RuleVerdict>,
    /// Rules of it that look at no figure now: what they name may be elsewhere, or is not looked at yet.
    pub blind: Vec<String>,
}

/// What changed since the message before.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AlertDelta {
    /// Forget everything known before: this message begins the list anew.
    pub full: bool,
    /// New alerts, and those of which something changed.
    pub changed: Vec<AlertInfo>,
    /// Ids of those that are over.
    pub removed: Vec<String>,
    /// Every silence.
    pub silences: Vec<AlertSilence>,
    /// How many are in which state.
    pub counts: AlertCounts,
}

crate::service! {
    /// Alerts of one node: what is wrong by its rules, silences, and who looks after what.
    service Alert = "alert" {
        /// Alerts that are pending, fire or were resolved within the last quarter of an hour, and the silences.
        get list() -> AlertList, needs AlertRead;
        /// The rules in force, what is wrong with those that are not, and the file that was applied.
        get rules() -> AlertRules, needs AlertRead;
        /// All alerts and silences, and again what changes in them.
        watch watch() -> AlertDelta, needs AlertRead;
        /// What applying the file `rules` would change and say now, without applying it.
        post test(rules: String) -> AlertTest, needs AlertRead;
        /// Puts the file `rules` in the place of the one that was applied before, whose version has to be `seen`
        /// (empty if there is none). A file with a mistake is refused as a whole. An empty one takes it away.
        post apply(rules: String, seen: String) -> AlertApplied, needs AlertControl;
        /// Keeps alerts whose labels fit `matchers` from being told for `span_s` seconds, a year at most. What
        /// fires meanwhile is listed.
        post silence(matchers: String, reason: String, span_s: u32) -> AlertSilence, needs AlertControl;
        /// Ends a silence; what still fires is told.
        post unsilence(id: u64) -> (), needs AlertControl;
        /// Notes that the caller looks after an alert that fires.
        post acknowledge(id: String, note: String) -> AlertInfo, needs AlertControl;
    }
}
