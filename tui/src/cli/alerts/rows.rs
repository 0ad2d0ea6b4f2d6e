//! Alerts, rules and silences as rows: for people, and for scripts under names that are stable.

use std::cmp::{Ordering, Reverse};
use std::collections::BTreeMap;

use p2p_shared::id::NodeName;
use p2p_shared::services::alert::{
    AlertInfo, AlertList, AlertRule, AlertSeverity, AlertSilence, AlertState, FigureKind, RuleSource,
};
use p2p_shared::time::{Millis, UnixMillis};
use serde::Serialize;

use crate::cli::output::Row;
use crate::cli::session::now;
use crate::format;

fn age(since: UnixMillis) -> String {
    let Millis(span) = now().since(since);
    format::span_ms(span)
}

/// An alert of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
pub struct AlertRow {
    node: NodeName,
    id: String,
    rule: String,
    state: AlertState,
    severity: AlertSeverity,
    since: UnixMillis,
    fired: Option<UnixMillis>,
    summary: String,
    metric: String,
    value: f64,
    labels: BTreeMap<String, String>,
    acknowledged_by: Option<String>,
    note: Option<String>,
    silenced: Option<u64>,
    notify: bool,
}

impl AlertRow {
    pub fn new(node: &NodeName, alert: AlertInfo) -> Self {
        let (by, note) = alert.acknowledged.map(|who| (who.by, who.note)).unzip();
        Self {
            node: node.clone(),
            id: alert.id,
            rule: alert.rule,
            state: alert.state,
            severity: alert.severity,
            since: alert.since,
            fired: alert.fired,
            summary: alert.summary,
            metric: alert.metric,
            value: alert.value,
            labels: alert.labels,
            acknowledged_by: by,
            note,
            silenced: alert.silenced,
            notify: alert.notify,
        }
    }

    pub fn all(node: &NodeName, list: AlertList) -> Vec<Self> {
        list.alerts.into_iter().map(|alert| Self::new(node, alert)).collect()
    }

    /// What needs somebody first, the graver and the older one before others.
    fn key(&self) -> (u8, Reverse<AlertSeverity>, UnixMillis, &NodeName, &str) {
        let is_quiet = self.silenced.is_some() || self.acknowledged_by.is_some();
        let rank = match self.state {
            AlertState::Firing | AlertState::Unknown => u8::from(is_quiet),
            AlertState::Pending => 2,
            AlertState::Resolved => 3,
        };
        (rank, Reverse(self.severity), self.since, &self.node, &self.id)
    }
}

impl Row for AlertRow {
    const TITLES: &'static [&'static str] = &["NODE", "ALERT", "STATE", "SEVERITY", ">SINCE", "RULE", "WHAT"];

    fn cells(&self) -> Vec<String> {
        let mut state = self.state.as_str().to_owned();
        if self.silenced.is_some() {
            state.push_str(", silenced");
        }
        let who = self.acknowledged_by.as_ref().map(|by| format!(" [{by}]")).unwrap_or_default();
        vec![
            self.node.to_string(),
            self.id.get(..8).unwrap_or(&self.id).to_owned(),
            state,
            self.severity.as_str().to_owned(),
            age(self.since),
            self.rule.clone(),
            format!("{}{who}", self.summary),
        ]
    }
}

/// A rule of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
pub struct RuleRow {
    node: NodeName,
    name: String,
    source: RuleSource,
    severity: AlertSeverity,
    when: String,
    summary: String,
    labels: BTreeMap<String, String>,
    exceptions: Vec<String>,
    notify: bool,
    figures: u32,
}

impl RuleRow {
    pub fn new(node: &NodeName, rule: AlertRule) -> Self {
        Self {
            node: node.clone(),
            name: rule.name,
            source: rule.source,
            severity: rule.severity,
            when: rule.when,
            summary: rule.summary,
            labels: rule.labels,
            exceptions: rule.exceptions,
            notify: rule.notify,
            figures: rule.figures,
        }
    }
}

impl Row for RuleRow {
    const TITLES: &'static [&'static str] = &["NODE", "RULE", "FROM", "SEVERITY", ">FIGURES", "WHEN"];

    fn cells(&self) -> Vec<String> {
        let exceptions = self.exceptions.iter().map(|one| format!("; {one}")).collect::<String>();
        let told = if self.notify { "" } else { ", told to nobody" };
        vec![
            self.node.to_string(),
            self.name.clone(),
            self.source.as_str().to_owned(),
            self.severity.as_str().to_owned(),
            self.figures.to_string(),
            format!("{}{exceptions}{told}", self.when),
        ]
    }
}

/// A silence of a node. The names of the fields are stable.
#[derive(Debug, Serialize)]
pub struct SilenceRow {
    node: NodeName,
    id: u64,
    matchers: String,
    reason: String,
    by: String,
    starts: UnixMillis,
    ends: UnixMillis,
    alerts: u32,
}

impl SilenceRow {
    pub fn new(node: &NodeName, silence: AlertSilence) -> Self {
        Self {
            node: node.clone(),
            id: silence.id,
            matchers: silence.matchers,
            reason: silence.reason,
            by: silence.by,
            starts: silence.starts,
            ends: silence.ends,
            alerts: silence.alerts,
        }
    }
}

impl Row for SilenceRow {
    const TITLES: &'static [&'static str] =
        &["NODE", ">SILENCE", ">LEFT", ">ALERTS", "BY", "MATCHERS", "REASON"];

    fn cells(&self) -> Vec<String> {
        vec![
            self.node.to_string(),
            self.id.to_string(),
            format::span_ms(self.ends.since(now()).0),
            self.alerts.to_string(),
            self.by.clone(),
            self.matchers.clone(),
            self.reason.clone(),
        ]
    }
}

/// A figure that rules can be about. The names of the fields are stable.
#[derive(Debug, Serialize)]
pub struct FigureRow {
    name: &'static str,
    label: &'static str,
    what: &'static str,
}

impl FigureRow {
    pub const fn new(figure: &FigureKind) -> Self {
        Self { name: figure.name, label: figure.label, what: figure.what }
    }
}

impl Row for FigureRow {
    const TITLES: &'static [&'static str] = &["FIGURE", "LABEL", "WHAT"];

    fn cells(&self) -> Vec<String> {
        let label = if self.label.is_empty() { "-" } else { self.label };
        vec![self.name.to_owned(), label.to_owned(), self.what.to_owned()]
    }
}

/// Rows that have an order of their own.
pub trait Ordered {
    /// Which one comes first.
    fn order(&self, other: &Self) -> Ordering;
}

impl Ordered for AlertRow {
    fn order(&self, other: &Self) -> Ordering {
        self.key().cmp(&other.key())
    }
}

impl Ordered for RuleRow {
    fn order(&self, other: &Self) -> Ordering {
        (&self.node, &self.name).cmp(&(&other.node, &other.name))
    }
}

impl Ordered for SilenceRow {
    fn order(&self, other: &Self) -> Ordering {
        (&self.node, self.id).cmp(&(&other.node, other.id))
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::alert::AlertAcknowledged;

    use super::*;
    use crate::cli::output::{json, table};

    fn row(state: AlertState, by: Option<&str>) -> AlertRow {
        let alert = AlertInfo {
            id: "00c0ffee00c0ffee".into(),
            rule: "disk_full".into(),
            severity: AlertSeverity::Critical,
            state,
            since: now(),
            fired: Some(UnixMillis(7)),
            summary: "/ is 97% full".into(),
            metric: "filesystem_used_ratio".into(),
            value: 0.97,
            labels: BTreeMap::from([("mountpoint".to_owned(), "/".to_owned())]),
            acknowledged: by.map(|by| AlertAcknowledged {
                by: by.into(),
                note: "on it".into(),
                at: UnixMillis(9),
            }),
            silenced: None,
            notify: true,
        };
        AlertRow::new(&"web-1".parse().unwrap(), alert)
    }

    #[test]
    fn the_shape_for_scripts_is_stable() {
        let mut row = row(AlertState::Firing, Some("ann"));
        row.since = UnixMillis(7);
        let expected = "{\"node\":\"web-1\",\"id\":\"00c0ffee00c0ffee\",\"rule\":\"disk_full\",\"state\":\"firing\",\
                        \"severity\":\"critical\",\"since\":\"1970-01-01T00:00:00.007Z\",\"fired\":\"1970-01-01T00:00:00.007Z\",\"summary\":\"/ is 97% full\",\
                        \"metric\":\"filesystem_used_ratio\",\"value\":0.97,\"labels\":{\"mountpoint\":\"/\"},\
                        \"acknowledged_by\":\"ann\",\"note\":\"on it\",\"silenced\":null,\"notify\":true}";
        assert_eq!(json(&row, false).unwrap(), expected);
    }

    #[test]
    fn what_needs_somebody_comes_first() {
        let mut rows = [
            row(AlertState::Resolved, None),
            row(AlertState::Firing, Some("ann")),
            row(AlertState::Pending, None),
            row(AlertState::Firing, None),
        ];
        rows.sort_by(Ordered::order);
        let expected = "NODE   ALERT     STATE     SEVERITY  SINCE  RULE       WHAT\n\
                        web-1  00c0ffee  firing    critical     0s  disk_full  / is 97% full\n\
                        web-1  00c0ffee  firing    critical     0s  disk_full  / is 97% full [ann]\n\
                        web-1  00c0ffee  pending   critical     0s  disk_full  / is 97% full\n\
                        web-1  00c0ffee  resolved  critical     0s  disk_full  / is 97% full\n";
        assert_eq!(table(&rows, None), expected);
    }
}
