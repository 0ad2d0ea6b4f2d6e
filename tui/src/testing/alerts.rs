//! What is wrong on simulated nodes, and by which rules.

use std::collections::BTreeMap;

use p2p_shared::services::alert::{
    AlertAcknowledged, AlertCounts, AlertDelta, AlertInfo, AlertRule, AlertRules, AlertSeverity,
    AlertSilence, AlertState, RuleSource,
};
use p2p_shared::time::UnixMillis;

use super::HOSTILE;

const ALERTS: [(&str, AlertSeverity, AlertState, &str); 5] = [
    ("disk_full", AlertSeverity::Critical, AlertState::Firing, "/var is 97.2% full"),
    ("unit_failed", AlertSeverity::Warning, AlertState::Firing, "nginx.service has failed"),
    (
        "io_pressure",
        AlertSeverity::Warning,
        AlertState::Firing,
        "everything waits for storage 61.0% of the time",
    ),
    ("load_high", AlertSeverity::Warning, AlertState::Pending, "the load is 3.41 for each core"),
    ("memory_low", AlertSeverity::Warning, AlertState::Resolved, "88.1% of the memory is in use"),
];
const SILENCE: u64 = 3;

fn alert((index, node): (usize, usize), begin: UnixMillis, hostile: bool) -> AlertInfo {
    let (rule, severity, state, summary) = ALERTS[index];
    let at = |ago: u64| UnixMillis(begin.0 - ago * 1_000);
    let text = |text: &str| if hostile { HOSTILE[index].to_owned() } else { text.to_owned() };
    let by =
        |index: usize| AlertAcknowledged { by: "alice".into(), note: String::new(), at: at(index as u64) };
    AlertInfo {
        id: format!("{:016x}", 0x00c0_ffee_0000_0000_u64 + (node * 16 + index) as u64),
        rule: rule.into(),
        severity,
        state,
        since: at(60 + index as u64 * 100),
        fired: (state != AlertState::Pending).then(|| at(60 + index as u64 * 100)),
        summary: text(summary),
        metric: "filesystem_used_ratio".into(),
        value: 0.972,
        labels: BTreeMap::from([
            ("alertname".to_owned(), rule.to_owned()),
            ("mountpoint".to_owned(), text("/var")),
        ]),
        acknowledged: (index == 1).then(|| by(30)),
        silenced: (index == 2).then_some(SILENCE),
        notify: true,
    }
}

pub fn delta(node: usize, begin: UnixMillis, hostile: bool) -> AlertDelta {
    let changed: Vec<AlertInfo> =
        (0..ALERTS.len()).map(|index| alert((index, node), begin, hostile)).collect();
    let mut counts = AlertCounts::default();
    changed.iter().for_each(|alert| counts.count(alert));
    let silence = AlertSilence {
        id: SILENCE,
        matchers: "alertname=\"io_pressure\"".into(),
        reason: if hostile { HOSTILE[0].to_owned() } else { "the backup runs".to_owned() },
        by: "bob".into(),
        starts: UnixMillis(begin.0 - 600_000),
        ends: UnixMillis(begin.0 + 3_600_000),
        alerts: 1,
    };
    AlertDelta { full: true, changed, removed: Vec::new(), silences: vec![silence], counts }
}

pub fn rules() -> AlertRules {
    let rule = |name: &str, when: &str, source| AlertRule {
        name: name.into(),
        source,
        when: when.into(),
        severity: AlertSeverity::Warning,
        summary: String::new(),
        labels: BTreeMap::new(),
        exceptions: Vec::new(),
        notify: true,
        figures: 2,
    };
    AlertRules {
        rules: vec![
            rule("disk_full", "filesystem_used_ratio > 0.95 until 0.93 for 5m", RuleSource::Default),
            rule("load_high", "load15_per_core > 3 until 2 for 5m", RuleSource::Applied),
        ],
        mistakes: Vec::new(),
        version: "c0ffee".into(),
        applied: String::new(),
        applied_by: "alice".into(),
        applied_at: None,
        configured: String::new(),
    }
}
