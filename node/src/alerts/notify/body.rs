//! What a receiver is told, as JSON: the shape of Alertmanager's webhook, version 4, so that what understands
//! Alertmanager understands a node.
//!
//! ```json
//! {
//!   "version": "4",
//!   "groupKey": "ops:{alertname=\"DiskFull\"}",
//!   "truncatedAlerts": 0,
//!   "status": "firing",
//!   "receiver": "ops",
//!   "groupLabels": {"alertname": "DiskFull"},
//!   "commonLabels": {"alertname": "DiskFull", "node": "web-1", "severity": "critical"},
//!   "commonAnnotations": {"summary": "..."},
//!   "externalURL": "",
//!   "alerts": [{
//!     "status": "firing",
//!     "labels": {"alertname": "DiskFull", "mountpoint": "/", "node": "web-1", "severity": "critical"},
//!     "annotations": {"summary": "..."},
//!     "startsAt": "2026-11-25T12:00:00.000Z",
//!     "endsAt": "0001-01-01T00:00:00Z",
//!     "generatorURL": "",
//!     "fingerprint": "c56bc2d4f9ad0f3e"
//!   }]
//! }
//! ```
//!
//! `status` is `resolved` once no alert of it fires; `endsAt` of one that fires is the zero time of Go, as
//! Alertmanager writes it. Every alert has the label `node`, so the fingerprints of two nodes differ. A node has
//! no page to lead to: the two URLs are empty. Pure: a message in, bytes out.

use std::collections::BTreeMap;

use p2p_shared::id::NodeName;
use p2p_shared::time::UnixMillis;
use serde::Serialize;

use super::core::notice::{Message, Notice};
use crate::alerts::core::rule::Labels;

/// The label that says of which node an alert is.
pub(super) const NODE_LABEL: &str = "node";
/// No time, as Go writes it.
const NEVER: &str = "0001-01-01T00:00:00Z";

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Body<'a> {
    version: &'static str,
    group_key: String,
    truncated_alerts: u32,
    status: &'static str,
    receiver: &'a str,
    group_labels: &'a Labels,
    common_labels: Labels,
    common_annotations: Labels,
    #[serde(rename = "externalURL")]
    external_url: &'static str,
    alerts: Vec<Alert<'a>>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert<'a> {
    status: &'static str,
    labels: Labels,
    annotations: &'a Labels,
    starts_at: UnixMillis,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: &'static str,
    fingerprint: String,
}

/// The body of a message that this node sends.
///
/// # Errors
/// Never: all of it are texts and numbers.
pub(super) fn body(message: &Message, node: &NodeName) -> Result<Vec<u8>, serde_json::Error> {
    let alerts: Vec<Alert<'_>> = message.alerts.iter().map(|notice| alert(notice, node)).collect();
    let body = Body {
        version: "4",
        group_key: format!("{}:{}", message.receiver, written(&message.group_labels)),
        truncated_alerts: message.truncated,
        status: status(message.fires()),
        receiver: &message.receiver,
        group_labels: &message.group_labels,
        common_labels: common(alerts.iter().map(|alert| &alert.labels)),
        common_annotations: common(message.alerts.iter().map(|notice| &notice.annotations)),
        external_url: "",
        alerts,
    };
    serde_json::to_vec(&body)
}

fn alert<'a>(notice: &'a Notice, node: &NodeName) -> Alert<'a> {
    let mut labels = notice.labels.clone();
    labels.entry(NODE_LABEL.to_owned()).or_insert_with(|| node.to_string());
    Alert {
        status: status(notice.fires()),
        fingerprint: fingerprint(&labels),
        labels,
        annotations: &notice.annotations,
        starts_at: notice.starts_at,
        ends_at: notice.ends_at.map_or_else(|| NEVER.to_owned(), |at| at.to_string()),
        generator_url: "",
    }
}

const fn status(fires: bool) -> &'static str {
    if fires { "firing" } else { "resolved" }
}

/// Sixteen hexadecimal digits that other labels do not have.
pub fn fingerprint(labels: &Labels) -> String {
    let mut hash = blake3::Hasher::new();
    for text in labels.iter().flat_map(|(name, value)| [name, value]) {
        hash.update(&(text.len() as u64).to_be_bytes()).update(text.as_bytes());
    }
    hash.finalize().to_hex()[..16].to_owned()
}

/// Labels as Alertmanager writes them in a group's key.
fn written(labels: &Labels) -> String {
    let parts: Vec<String> = labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{{}}}", parts.join(", "))
}

/// What all of them agree in.
fn common<'a>(mut all: impl Iterator<Item = &'a Labels>) -> Labels {
    let mut common: BTreeMap<String, String> = all.next().cloned().unwrap_or_default();
    for labels in all {
        common.retain(|name, value| labels.get(name) == Some(value));
    }
    common
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn notice(mountpoint: &str, ends_at: Option<UnixMillis>) -> Notice {
        let labels = [("alertname", "DiskFull"), ("mountpoint", mountpoint)];
        Notice {
            fingerprint: mountpoint.into(),
            labels: labels.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            annotations: [("summary".to_owned(), "full".to_owned())].into(),
            starts_at: UnixMillis(1_795_404_123_000),
            ends_at,
        }
    }

    fn told(alerts: Vec<Notice>) -> Value {
        let group_labels = [("alertname".to_owned(), "DiskFull".to_owned())].into();
        let message =
            Message { id: "msg_1".into(), receiver: "ops".into(), group_labels, alerts, truncated: 2 };
        serde_json::from_slice(&body(&message, &"web-1".parse().unwrap()).unwrap()).unwrap()
    }

    #[test]
    fn a_message_has_the_shape_of_alertmanager() {
        let told = told(vec![notice("/", None), notice("/var", Some(UnixMillis(1_795_404_183_500)))]);
        let labels = |mountpoint| json!({"alertname": "DiskFull", "mountpoint": mountpoint, "node": "web-1"});
        let alert = |status, mountpoint, ends: &str, fingerprint| {
            json!({
                "status": status, "labels": labels(mountpoint), "annotations": {"summary": "full"},
                "startsAt": "2026-11-23T03:22:03.000Z", "endsAt": ends, "generatorURL": "",
                "fingerprint": fingerprint,
            })
        };
        let prints: Vec<&Value> =
            told["alerts"].as_array().unwrap().iter().map(|one| &one["fingerprint"]).collect();
        assert_ne!(prints[0], prints[1]);
        let expected = json!({
            "version": "4", "groupKey": "ops:{alertname=\"DiskFull\"}", "truncatedAlerts": 2,
            "status": "firing", "receiver": "ops", "groupLabels": {"alertname": "DiskFull"},
            "commonLabels": {"alertname": "DiskFull", "node": "web-1"},
            "commonAnnotations": {"summary": "full"}, "externalURL": "",
            "alerts": [
                alert("firing", "/", "0001-01-01T00:00:00Z", prints[0].clone()),
                alert("resolved", "/var", "2026-11-23T03:23:03.500Z", prints[1].clone()),
            ],
        });
        assert_eq!(told, expected);
    }

    #[test]
    fn what_no_longer_fires_at_all_is_resolved_and_a_node_of_its_own_stays() {
        let mut gone = notice("/", Some(UnixMillis(1_795_404_183_500)));
        gone.labels.insert(NODE_LABEL.into(), "db-1".into());
        let told = told(vec![gone]);
        assert_eq!((&told["status"], &told["commonLabels"]["node"]), (&json!("resolved"), &json!("db-1")));
    }
}
