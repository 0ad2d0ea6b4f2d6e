//! What changes in units, by systemd's signals: nothing is polled.
//!
//! Signals enter; the names of what changed leave, gathered for `GATHER`. A reader that does not come holds
//! nothing up: names are a set, and a set that grows past its bound becomes "everything".

use std::collections::BTreeSet;
use std::time::Duration;

use p2p_shared::services::unit::UnitInfo;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::{Instant, sleep_until};
use zbus::message::Message;

use super::bus::{Bus, Signals};
use super::name::of_path;
use super::units::{file_state, file_states, listed, with_figures};
use super::{Systemd, SystemdError};

/// How long changes are gathered.
const GATHER: Duration = Duration::from_millis(500);
/// Names that are kept one by one.
const NAMES_MAX: usize = 1_024;
const WHAT: &str = "watch units";

/// A watch over all units.
#[derive(Debug)]
pub struct UnitWatch {
    bus: Bus,
    signals: Signals,
    dirty: Dirty,
    known: BTreeSet<String>,
    due: Option<Instant>,
    _seat: OwnedSemaphorePermit,
}

/// What changed since the last look.
#[derive(Debug, PartialEq, Eq)]
enum Dirty {
    All,
    Some(BTreeSet<String>),
}

/// News of units.
#[derive(Debug)]
pub struct UnitNews {
    /// It is the whole list.
    pub full: bool,
    /// New and changed ones.
    pub changed: Vec<UnitInfo>,
    /// Those that are no longer loaded.
    pub gone: Vec<String>,
}

impl Systemd {
    /// Begins a watch; the first news is the whole list.
    ///
    /// # Errors
    /// If systemd is not there or does not answer, or too many watch.
    pub async fn watch(&self) -> Result<UnitWatch, SystemdError> {
        let seat = self.0.watchers.clone().try_acquire_owned().map_err(|_| SystemdError::Crowded)?;
        let bus = self.bus().await?;
        let signals = bus.all_signals().await?;
        let (dirty, due) = (Dirty::All, Some(Instant::now()));
        Ok(UnitWatch { bus, signals, dirty, known: BTreeSet::new(), due, _seat: seat })
    }
}

impl UnitWatch {
    /// Takes in signals, for ever: to be run while nothing else is done with the watch, so that the queue of
    /// signals stays short.
    ///
    /// # Errors
    /// Once the connection is gone.
    pub async fn gather(&mut self) -> Result<(), SystemdError> {
        loop {
            let message = self.signals.next(WHAT).await?;
            self.take(&message);
        }
    }

    /// Waits until something changed and it is time to tell it.
    ///
    /// # Errors
    /// Once the connection is gone.
    pub async fn next(&mut self) -> Result<UnitNews, SystemdError> {
        loop {
            match self.due {
                Some(due) => tokio::select! {
                    biased;
                    () = sleep_until(due) => {
                        self.due = None;
                        let news = self.look().await?;
                        if news.full || !news.changed.is_empty() || !news.gone.is_empty() {
                            return Ok(news);
                        }
                    }
                    message = self.signals.next(WHAT) => self.take(&message?),
                },
                None => {
                    let message = self.signals.next(WHAT).await?;
                    self.take(&message);
                }
            }
        }
    }

    fn take(&mut self, message: &Message) {
        if self.dirty.take(message) && self.due.is_none() {
            self.due = Some(Instant::now() + GATHER);
        }
    }

    async fn look(&mut self) -> Result<UnitNews, SystemdError> {
        let dirty = std::mem::replace(&mut self.dirty, Dirty::Some(BTreeSet::new()));
        // The list, and not the units by name: a question about a unit that is gone would load it again.
        let mut units = listed(&self.bus).await?;
        let (full, mut changed, gone) = match dirty {
            Dirty::All => {
                for (name, state) in file_states(&self.bus).await? {
                    units.entry(name).and_modify(|unit| unit.file_state = Some(state));
                }
                self.known = units.keys().cloned().collect();
                (true, units.into_values().collect(), Vec::new())
            }
            Dirty::Some(names) => {
                let mut changed = Vec::new();
                let mut gone = Vec::new();
                for name in names {
                    match units.remove(&name) {
                        Some(mut unit) => {
                            unit.file_state = file_state(&self.bus, &name).await;
                            self.known.insert(name);
                            changed.push(unit);
                        }
                        None if self.known.remove(&name) => gone.push(name),
                        // It came and went in between.
                        None => {}
                    }
                }
                (false, changed, gone)
            }
        };
        changed = with_figures(&self.bus, changed).await;
        Ok(UnitNews { full, changed, gone })
    }
}

impl Dirty {
    /// Whether a signal says that something changed; what, is kept.
    fn take(&mut self, message: &Message) -> bool {
        let header = message.header();
        let name = match header.member().map(|member| member.as_str()) {
            Some("UnitNew" | "UnitRemoved") => {
                message.body().deserialize::<(String, zbus::OwnedObjectPath)>().ok().map(|(name, _)| name)
            }
            Some("PropertiesChanged") => header.path().and_then(|path| of_path(path.as_str())),
            // The end of a daemon-reload, and a change of links: descriptions and file states may be others.
            Some("Reloading" | "UnitFilesChanged") => {
                *self = Self::All;
                return true;
            }
            _ => None,
        };
        name.is_some_and(|name| {
            self.add(name);
            true
        })
    }

    fn add(&mut self, name: String) {
        if let Self::Some(names) = self {
            names.insert(name);
            if names.len() > NAMES_MAX {
                *self = Self::All;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flood_of_names_becomes_everything() {
        let mut dirty = Dirty::Some(BTreeSet::new());
        dirty.add("a.service".into());
        dirty.add("a.service".into());
        assert_eq!(dirty, Dirty::Some(["a.service".to_owned()].into()));
        (0..2_000).for_each(|index| dirty.add(format!("{index}.service")));
        assert_eq!(dirty, Dirty::All);
    }
}
