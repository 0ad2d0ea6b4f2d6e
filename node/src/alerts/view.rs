//! What is seen of alerts from outside: made by the driver after every change, read by services.

use std::sync::Arc;

use p2p_shared::services::alert::{
    AlertAcknowledged, AlertCounts, AlertInfo, AlertList, AlertRule, AlertRules, AlertSeverity, AlertSilence,
    AlertState, RuleChange, RuleMistake, RuleSource,
};
use p2p_shared::time::UnixMillis;

use super::core::alert::{Alert, State, fingerprint};
use super::core::book::{Book, Change, Origin};
use super::core::engine::Alerts;
use super::core::rule::{Rule, Severity, Telling};
use super::core::text::Mistake;

/// Alerts and silences as they are now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct View {
    /// Alerts, by rule and labels.
    pub alerts: Vec<Arc<AlertInfo>>,
    /// Silences, by their numbers.
    pub silences: Vec<AlertSilence>,
    /// How many are in which state.
    pub counts: AlertCounts,
    /// How many were not kept.
    pub refused: u64,
}

impl View {
    /// What these alerts are; of those that are as in `before` the same values are kept.
    pub(super) fn of(alerts: &Alerts, before: &Self) -> Self {
        let mut view = Self { refused: alerts.refused(), ..Self::default() };
        let mut known = before.alerts.iter().peekable();
        for alert in alerts.alerts() {
            let made = info(alert);
            view.counts.count(&made);
            // Both are in the same order.
            while known.next_if(|old| (&old.rule, &old.labels) < (&made.rule, &made.labels)).is_some() {}
            let old = known.peek().filter(|old| old.as_ref() == &made);
            view.alerts.push(old.map_or_else(|| Arc::new(made), |old| Arc::clone(old)));
        }
        for (id, silence) in alerts.silences() {
            let silenced = view.alerts.iter().filter(|alert| alert.silenced == Some(id.0)).count();
            view.silences.push(AlertSilence {
                id: id.0,
                matchers: silence.words(),
                reason: silence.reason.clone(),
                by: silence.by.clone(),
                starts: silence.starts,
                ends: silence.ends,
                alerts: u32::try_from(silenced).unwrap_or(u32::MAX),
            });
        }
        view
    }

    /// The same as it travels.
    pub fn list(&self, at: UnixMillis) -> AlertList {
        AlertList {
            at,
            alerts: self.alerts.iter().map(|alert| AlertInfo::clone(alert)).collect(),
            silences: self.silences.clone(),
            counts: self.counts,
            refused_total: self.refused,
        }
    }
}

/// The id of an alert.
pub(super) fn id(alert: &Alert) -> String {
    format!("{:016x}", fingerprint(&alert.labels))
}

/// An alert as it travels.
pub(super) fn info(alert: &Alert) -> AlertInfo {
    AlertInfo {
        id: id(alert),
        rule: alert.rule.clone(),
        severity: severity(alert.severity),
        state: match alert.state {
            State::Pending => AlertState::Pending,
            State::Firing => AlertState::Firing,
            State::Resolved => AlertState::Resolved,
        },
        since: alert.since,
        fired: (alert.state != State::Pending).then_some(alert.fired),
        summary: alert.summary.clone(),
        metric: alert.metric.clone(),
        value: alert.value,
        labels: alert.labels.clone(),
        acknowledged: alert.acknowledged.as_ref().map(|who| AlertAcknowledged {
            by: who.by.clone(),
            note: who.note.clone(),
            at: who.at,
        }),
        silenced: alert.silenced.map(|id| id.0),
        notify: alert.telling == Telling::Told,
    }
}

const fn severity(severity: Severity) -> AlertSeverity {
    match severity {
        Severity::Info => AlertSeverity::Info,
        Severity::Warning => AlertSeverity::Warning,
        Severity::Critical => AlertSeverity::Critical,
    }
}

pub(super) const fn source(origin: Origin) -> RuleSource {
    match origin {
        Origin::Default => RuleSource::Default,
        Origin::Applied => RuleSource::Applied,
        Origin::Configured => RuleSource::Configured,
    }
}

pub(super) fn mistake(origin: Origin, mistake: &Mistake) -> RuleMistake {
    let number = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    RuleMistake {
        source: source(origin),
        line: number(mistake.line),
        column: number(mistake.column),
        message: mistake.message.clone(),
    }
}

pub(super) fn changes(changes: Vec<Change>) -> Vec<RuleChange> {
    let one = |Change { name, was, becomes }| RuleChange { name, was, becomes };
    changes.into_iter().map(one).collect()
}

/// The rules of a book; `figures` says at how many a rule looks.
pub(super) fn rules(book: &Book, figures: impl Fn(&Rule) -> u32) -> AlertRules {
    let rule = |(origin, rule): &(Origin, Rule)| AlertRule {
        name: rule.name.clone(),
        source: source(*origin),
        when: rule.expression.to_string(),
        severity: severity(rule.severity),
        summary: rule.summary.clone(),
        labels: rule.labels.clone(),
        exceptions: rule.overrides.iter().map(|other| other.words(rule)).collect(),
        notify: rule.telling == Telling::Told,
        figures: figures(rule),
    };
    AlertRules {
        rules: book.rules.iter().map(rule).collect(),
        mistakes: book.mistakes.iter().map(|(origin, wrong)| mistake(*origin, wrong)).collect(),
        version: String::new(),
        applied: String::new(),
        applied_by: String::new(),
        applied_at: None,
        configured: String::new(),
    }
}
