//! How many units are in which state, kept up by what a watch tells. Pure.

use std::collections::BTreeMap;

use p2p_shared::services::unit::{ActiveState, UnitSummary};
use p2p_shared::time::UnixMillis;

use crate::host::systemd::changes::UnitNews;

/// Failed units that are told by name.
const NAMES_MAX: usize = 100;

/// The states of all loaded units.
#[derive(Debug, Default)]
pub(super) struct Tally {
    states: BTreeMap<String, ActiveState>,
    told: Option<UnitSummary>,
}

impl Tally {
    /// Takes news in; the summary, if it is another one than before.
    pub(super) fn take(&mut self, news: UnitNews, at: UnixMillis) -> Option<UnitSummary> {
        if news.full {
            self.states.clear();
        }
        for name in &news.gone {
            self.states.remove(name);
        }
        self.states.extend(news.changed.into_iter().map(|unit| (unit.name, unit.active)));
        let mut summary = self.summary();
        if self.told.as_ref() == Some(&summary) {
            return None;
        }
        self.told = Some(summary.clone());
        summary.at = at;
        Some(summary)
    }

    fn summary(&self) -> UnitSummary {
        let mut summary = UnitSummary::default();
        for (name, state) in &self.states {
            match state {
                ActiveState::Active | ActiveState::Reloading => summary.active += 1,
                ActiveState::Inactive | ActiveState::Unknown => summary.inactive += 1,
                ActiveState::Activating | ActiveState::Deactivating => summary.changing += 1,
                ActiveState::Failed => {
                    summary.failed += 1;
                    if summary.failed_units.len() < NAMES_MAX {
                        summary.failed_units.push(name.clone());
                    }
                }
            }
        }
        summary
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::unit::{LoadState, UnitInfo};

    use super::*;

    fn unit(name: &str, active: ActiveState) -> UnitInfo {
        UnitInfo {
            name: name.into(),
            description: String::new(),
            load: LoadState::Loaded,
            active,
            sub: String::new(),
            file_state: None,
            main_pid: None,
            memory_bytes: None,
            cpu_time_ms: None,
            since: None,
        }
    }

    fn news(full: bool, changed: Vec<UnitInfo>, gone: &[&str]) -> UnitNews {
        UnitNews { full, changed, gone: gone.iter().map(|&name| name.to_owned()).collect() }
    }

    #[test]
    fn what_fails_is_counted_until_it_is_gone_or_well() {
        let mut tally = Tally::default();
        let units = vec![
            unit("a", ActiveState::Active),
            unit("b", ActiveState::Failed),
            unit("c", ActiveState::Activating),
        ];
        let first = tally.take(news(true, units, &[]), UnixMillis(5)).unwrap();
        assert_eq!((first.active, first.failed, first.changing, first.at), (1, 1, 1, UnixMillis(5)));
        assert_eq!(first.failed_units, ["b"]);
        let same = news(false, vec![unit("a", ActiveState::Reloading)], &[]);
        assert_eq!(tally.take(same, UnixMillis(6)), None, "what counts is not another");
        let second =
            tally.take(news(false, vec![unit("c", ActiveState::Failed)], &["b"]), UnixMillis(7)).unwrap();
        assert_eq!((second.failed, second.failed_units.as_slice()), (1, &["c".to_owned()][..]));
        let third = tally.take(news(true, vec![unit("a", ActiveState::Active)], &[]), UnixMillis(8)).unwrap();
        assert_eq!((third.active, third.failed, third.inactive), (1, 0, 0), "a whole list begins anew");
    }
}
