//! What survives of alerts: those that fire, silences, and the rules that were applied, as records in the store.
//!
//! What fires is on disk once it was handed to the delivery, and with it whether it was: after a crash in between
//! it is told again, with the same fingerprint and start, and never lost.

use std::collections::BTreeMap;

use p2p_shared::rpc::codec::CodecError;
use p2p_shared::time::UnixMillis;
use serde::{Deserialize, Serialize};
use tokio::task::spawn_blocking;

use super::core::alert::{Kept, fingerprint};
use super::core::engine::Alerts;
use super::core::silence::{Silence, SilenceId};
use super::core::text;
use crate::store::{Store, StoreError, records};

/// The layout of all records.
const VERSION: u8 = 1;
const ALERT: &str = "alert/";
const SILENCE: &str = "silence/";
const RULES: &str = "rules";

/// The file of rules that was applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// It.
    pub text: String,
    /// Who applied it.
    pub by: String,
    /// When.
    pub at: UnixMillis,
}

/// A silence as it is stored: matchers as they are written.
#[derive(Debug, Serialize, Deserialize)]
struct StoredSilence {
    id: SilenceId,
    matchers: String,
    reason: String,
    by: String,
    starts: UnixMillis,
    ends: UnixMillis,
}

/// What an earlier run left.
#[derive(Debug, Default)]
pub(super) struct Left {
    pub(super) alerts: Vec<Kept>,
    pub(super) silences: Vec<(SilenceId, Silence)>,
    pub(super) applied: Option<Applied>,
}

/// The records on disk, so that only what changed is written.
#[derive(Debug)]
pub(super) struct Keeper {
    store: Store,
    kept: BTreeMap<String, Vec<u8>>,
}

impl Keeper {
    /// What an earlier run left. A record that cannot be read is passed over, and the log says so.
    ///
    /// # Errors
    /// If the store cannot be read.
    pub(super) fn open(store: Store) -> Result<(Self, Left), StoreError> {
        let kept: BTreeMap<String, Vec<u8>> = store.alerts()?.into_iter().collect();
        let mut left = Left::default();
        for (name, bytes) in &kept {
            if let Err(error) = left.take(name, bytes) {
                tracing::error!(record = %name, %error, "a record of alerts cannot be read: it is passed over");
            }
        }
        Ok((Self { store, kept }, left))
    }

    /// Writes what is another than on disk.
    ///
    /// # Errors
    /// If it cannot be written; it is tried again with the next change.
    pub(super) async fn keep(&mut self, wanted: BTreeMap<String, Vec<u8>>) -> Result<(), String> {
        let gone = self.kept.keys().filter(|name| !wanted.contains_key(*name));
        let mut changes: Vec<(String, Option<Vec<u8>>)> = gone.map(|name| (name.clone(), None)).collect();
        let changed = wanted.iter().filter(|(name, bytes)| self.kept.get(*name) != Some(bytes));
        changes.extend(changed.map(|(name, bytes)| (name.clone(), Some(bytes.clone()))));
        if changes.is_empty() {
            return Ok(());
        }
        let store = self.store.clone();
        let writing = spawn_blocking(move || {
            store.put_alerts(changes.iter().map(|(name, bytes)| (name.as_str(), bytes.as_deref())))
        });
        match writing.await {
            Ok(Ok(())) => {
                self.kept = wanted;
                Ok(())
            }
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err("the node is shutting down".to_owned()),
        }
    }
}

impl Left {
    fn take(&mut self, name: &str, bytes: &[u8]) -> Result<(), String> {
        let words = |error: CodecError| error.to_string();
        if name.starts_with(ALERT) {
            self.alerts.push(records::from_bytes(VERSION, bytes).map_err(words)?);
        } else if name.starts_with(SILENCE) {
            let stored: StoredSilence = records::from_bytes(VERSION, bytes).map_err(words)?;
            let matchers = text::parse_matchers(&stored.matchers).map_err(|mistake| mistake.to_string())?;
            let StoredSilence { id, reason, by, starts, ends, .. } = stored;
            self.silences.push((id, Silence { matchers, reason, by, starts, ends }));
        } else if name == RULES {
            self.applied = Some(records::from_bytes(VERSION, bytes).map_err(words)?);
        }
        Ok(())
    }
}

/// Everything that is to be on disk. An alert of `untold` counts as told to nobody.
pub(super) fn records_of(
    alerts: &Alerts,
    applied: Option<&Applied>,
    untold: impl Fn(u64) -> bool,
) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut put = |name: String, bytes: Result<Vec<u8>, CodecError>| match bytes {
        Ok(bytes) => drop(found.insert(name, bytes)),
        Err(error) => tracing::error!(record = %name, %error, "a record of alerts is too large to be kept"),
    };
    for mut kept in alerts.firing() {
        let id = fingerprint(&kept.alert.labels);
        kept.told &= !untold(id);
        put(format!("{ALERT}{id:016x}"), records::to_bytes(VERSION, &kept));
    }
    for (id, silence) in alerts.silences() {
        let stored = StoredSilence {
            id,
            matchers: silence.words(),
            reason: silence.reason.clone(),
            by: silence.by.clone(),
            starts: silence.starts,
            ends: silence.ends,
        };
        put(format!("{SILENCE}{:016x}", id.0), records::to_bytes(VERSION, &stored));
    }
    if let Some(applied) = applied {
        put(RULES.to_owned(), records::to_bytes(VERSION, applied));
    }
    found
}

#[cfg(test)]
mod tests {
    use p2p_shared::time::Millis;

    use super::super::core::alert::Figure;
    use super::super::core::book::Book;
    use super::super::core::engine::Now;
    use super::*;

    #[tokio::test]
    async fn what_fires_is_there_after_a_restart_and_what_nobody_took_is_told_then() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(directory.path()).unwrap();
        let mut alerts = Alerts::default();
        let now = Now { monotonic: Millis(5), wall: UnixMillis(7) };
        let rules = "[[rule]]\nname = 'hot'\nwhen = 'load1 > 1'";
        alerts.set_rules(now, Book::new(Some(rules), None).rules());
        let matchers = text::parse_matchers("alertname=\"other\"").unwrap();
        let (reason, by) = ("work".to_owned(), "ann".to_owned());
        let silence = Silence { matchers, reason, by, starts: now.wall, ends: UnixMillis(9_000) };
        let id = alerts.silence(now, silence.clone()).unwrap();
        let figure = Figure { metric: "load1".into(), labels: Default::default(), value: 2.0 };
        alerts.handle(now, [&figure]);
        let applied = Applied { text: rules.into(), by: "ann".into(), at: now.wall };

        let (mut keeper, left) = Keeper::open(store.clone()).unwrap();
        assert!(left.alerts.is_empty() && left.applied.is_none());
        keeper.keep(records_of(&alerts, Some(&applied), |_| true)).await.unwrap();
        let (mut keeper, left) = Keeper::open(store.clone()).unwrap();
        assert_eq!((left.applied, left.silences), (Some(applied), vec![(id, silence)]));
        assert_eq!(left.alerts.iter().map(|kept| kept.told).collect::<Vec<_>>(), [false]);
        keeper.keep(records_of(&alerts, None, |_| false)).await.unwrap();
        let (_, left) = Keeper::open(store).unwrap();
        assert!(left.applied.is_none() && left.alerts[0].told);
    }
}
