//! The names of series, and a limit on how many there are: interfaces and mounts come and go.
//!
//! A name gets a number that is never used for another one. At the limit the series that was seen longest ago
//! makes room; if every one of them is in the sample at hand, the new one is not kept.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::SeriesId;

/// Most series.
pub const SERIES_MAX: usize = 256;
/// Longest name of a series, in bytes.
pub const NAME_BYTES_MAX: usize = 512;

/// All series.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    ids: HashMap<Arc<str>, SeriesId>,
    series: BTreeMap<SeriesId, Series>,
    next: u32,
}

#[derive(Clone, Debug)]
struct Series {
    name: Arc<str>,
    /// The last sample that had it; 0 for none of this run.
    seen: u64,
}

/// What became of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// It was there.
    Known(SeriesId),
    /// It is new, and that other one made room.
    New(SeriesId, Option<SeriesId>),
    /// There is no room, or it is too long.
    Refused,
}

impl Catalogue {
    /// What was kept: the series, and the first number that was never used.
    pub fn restore(series: impl IntoIterator<Item = (SeriesId, Arc<str>)>, next: u32) -> Self {
        let mut catalogue = Self { next, ..Self::default() };
        for (id, name) in series {
            catalogue.next = catalogue.next.max(id.0.saturating_add(1));
            catalogue.ids.insert(Arc::clone(&name), id);
            catalogue.series.insert(id, Series { name, seen: 0 });
        }
        catalogue
    }

    /// The first number that was never used.
    pub const fn next(&self) -> u32 {
        self.next
    }

    /// The number of a name in sample `sample`, the first of which is 1.
    pub fn place(&mut self, name: &str, sample: u64) -> Place {
        if let Some(&id) = self.ids.get(name) {
            if let Some(series) = self.series.get_mut(&id) {
                series.seen = sample;
            }
            return Place::Known(id);
        }
        if name.len() > NAME_BYTES_MAX {
            return Place::Refused;
        }
        let evicted = if self.series.len() < SERIES_MAX { None } else { self.oldest(sample) };
        match evicted {
            None if self.series.len() >= SERIES_MAX => return Place::Refused,
            None => {}
            Some(id) => {
                if let Some(series) = self.series.remove(&id) {
                    self.ids.remove(&series.name);
                }
            }
        }
        let (id, name) = (SeriesId(self.next), Arc::<str>::from(name));
        self.next = self.next.saturating_add(1);
        self.ids.insert(Arc::clone(&name), id);
        self.series.insert(id, Series { name, seen: sample });
        Place::New(id, evicted)
    }

    fn oldest(&self, sample: u64) -> Option<SeriesId> {
        let others = self.series.iter().filter(|(_, series)| series.seen != sample);
        others.min_by_key(|(id, series)| (series.seen, **id)).map(|(&id, _)| id)
    }

    /// Every series, and whether sample `sample` had it.
    pub fn list(&self, sample: u64) -> Vec<(SeriesId, Arc<str>, bool)> {
        let row = |(&id, series): (&SeriesId, &Series)| (id, Arc::clone(&series.name), series.seen == sample);
        self.series.iter().map(row).collect()
    }
}
