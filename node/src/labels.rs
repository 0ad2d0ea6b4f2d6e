//! The labels of this node: those of the configuration, and over them what operators set and removed.
//!
//! Pure: changes enter, the labels in force and the bytes to be kept leave. A label that an operator never
//! touched follows the configuration.

pub mod keeper;

use std::collections::BTreeMap;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::services::node::Label;
use serde::{Deserialize, Serialize};

/// Most labels of a node, so that its facts stay small.
pub const LABELS_MAX: usize = 32;
/// Longest key and longest value, in bytes.
pub const LABEL_BYTES_MAX: usize = 63;

/// Labels in force, and how they came to be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels {
    configured: BTreeMap<String, String>,
    changes: Changes,
}

/// What operators did: a value, or `None` for a label that they removed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Changes(BTreeMap<String, Option<String>>);

impl Labels {
    /// Labels of the configuration under the kept changes of an earlier run. Changes that cannot be read
    /// are as none.
    pub fn new(configured: impl IntoIterator<Item = Label>, kept: Option<&[u8]>) -> Self {
        let configured = configured.into_iter().map(|label| (label.key, label.value)).collect();
        let changes = kept.and_then(|bytes| codec::decode(bytes, Encoding::Json).ok()).unwrap_or_default();
        Self { configured, changes }
    }

    /// Takes the labels of another configuration; what operators did stays.
    pub fn configure(&mut self, configured: impl IntoIterator<Item = Label>) {
        self.configured = configured.into_iter().map(|label| (label.key, label.value)).collect();
    }

    /// The labels in force, by key.
    pub fn all(&self) -> Vec<Label> {
        let mut all = self.configured.clone();
        for (key, change) in &self.changes.0 {
            match change {
                Some(value) => all.insert(key.clone(), value.clone()),
                None => all.remove(key),
            };
        }
        all.into_iter().map(|(key, value)| Label { key, value }).collect()
    }

    /// The labels after a change.
    ///
    /// # Errors
    /// `bad_request` naming the label that is out of its alphabet, or if there would be too many.
    pub fn changed(&self, set: Vec<Label>, remove: Vec<String>) -> Result<Self, RpcError> {
        let mut changed = self.clone();
        for Label { key, value } in set {
            check(&key, &value)?;
            changed.changes.0.insert(key, Some(value));
        }
        for key in remove {
            check(&key, "")?;
            changed.changes.0.insert(key, None);
        }
        let configured = &changed.configured;
        changed.changes.0.retain(|key, change| change.is_some() || configured.contains_key(key));
        if changed.all().len() > LABELS_MAX {
            return Err(RpcError::bad_request(format!("a node has at most {LABELS_MAX} labels")));
        }
        Ok(changed)
    }

    /// What is to be kept over a restart.
    ///
    /// # Errors
    /// Never for labels that were checked.
    pub fn to_bytes(&self) -> Result<Vec<u8>, RpcError> {
        Ok(codec::encode(&self.changes, Encoding::Json)?.to_vec())
    }
}

/// Whether a label is within its alphabet.
///
/// # Errors
/// `bad_request` that says what is allowed.
pub fn check(key: &str, value: &str) -> Result<(), RpcError> {
    let edge = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let inner = |byte: u8| edge(byte) || matches!(byte, b'.' | b'_' | b'/' | b'-');
    let bytes = key.as_bytes();
    let ends = bytes.first().copied().is_some_and(edge) && bytes.last().copied().is_some_and(edge);
    if !ends || bytes.len() > LABEL_BYTES_MAX || !bytes.iter().copied().all(inner) {
        let shown = p2p_shared::tls::clean_text(bytes);
        return Err(RpcError::bad_request(format!(
            "the label key {shown:?}: 1 to 63 of a-z 0-9 . _ / - with a letter or digit at both ends"
        )));
    }
    let in_value = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
    if value.len() > LABEL_BYTES_MAX || !value.bytes().all(in_value) {
        return Err(RpcError::bad_request(format!(
            "the value of label {key}: at most 63 of A-Z a-z 0-9 . _ -"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn label(key: &str, value: &str) -> Label {
        Label { key: key.into(), value: value.into() }
    }

    #[test]
    fn what_an_operator_set_stands_over_the_configuration_and_lasts() {
        let labels = Labels::new([label("role", "web"), label("site", "a")], None);
        let changed = labels.changed(vec![label("role", "db")], vec!["site".into()]).unwrap();
        assert_eq!(changed.all(), [label("role", "db")]);
        let kept = changed.to_bytes().unwrap();
        let restarted =
            Labels::new([label("role", "web"), label("site", "a"), label("new", "")], Some(&kept));
        assert_eq!(restarted.all(), [label("new", ""), label("role", "db")]);
    }

    #[test]
    fn labels_keep_to_their_alphabet_and_number() {
        let labels = Labels::default();
        for (key, value) in [("", ""), ("A", ""), ("-a", ""), ("a=b", ""), ("a", "x y"), ("a", "\u{202e}")] {
            assert!(labels.changed(vec![label(key, value)], vec![]).is_err(), "{key}={value}");
        }
        let many = |count: usize| (0..count).map(|index| label(&format!("k{index}"), "")).collect();
        assert!(labels.changed(many(LABELS_MAX), vec![]).is_ok());
        assert!(labels.changed(many(LABELS_MAX + 1), vec![]).is_err());
    }

    #[test]
    fn removing_what_is_not_there_leaves_nothing_to_keep() {
        let labels = Labels::default().changed(vec![], vec!["gone".into()]).unwrap();
        assert_eq!(labels, Labels::default());
    }
}
