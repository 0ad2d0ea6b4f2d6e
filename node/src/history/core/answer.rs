//! An answer under construction: what was found of some series, in any order, by steps of time.

use std::collections::BTreeMap;

use super::SeriesId;
use super::bucket::{Bucket, merge_into};

/// Steps of some series. A step of which nothing was found is a gap.
#[derive(Clone, Debug)]
pub struct Answer {
    from: u64,
    step: u64,
    steps: usize,
    series: BTreeMap<SeriesId, Vec<Option<Bucket>>>,
}

impl Answer {
    /// An empty one of `from..to` in seconds since 1970; both are moved outward to whole steps, the last of
    /// which is not cut.
    pub fn new(series: impl IntoIterator<Item = SeriesId>, (from, to): (u64, u64), step: u64) -> Self {
        let (from, to) = whole_steps((from, to), step);
        let steps = ((to - from) / step) as usize;
        let series = series.into_iter().map(|id| (id, vec![None; steps])).collect();
        Self { from, step, steps, series }
    }

    /// The span, in seconds since 1970.
    pub const fn span(&self) -> (u64, u64) {
        (self.from, self.from + self.steps as u64 * self.step)
    }

    /// Its span, and how long a step is in seconds.
    pub const fn steps(&self) -> ((u64, u64), u64) {
        (self.span(), self.step)
    }

    /// Whether it is about a series.
    pub fn wants(&self, series: SeriesId) -> bool {
        self.series.contains_key(&series)
    }

    /// Takes in what was found; what lies outside of the span is passed over.
    pub fn add(&mut self, series: SeriesId, second: u64, bucket: &Bucket) {
        let Some(index) = second.checked_sub(self.from).map(|offset| offset / self.step) else { return };
        let places = self.series.get_mut(&series).and_then(|places| places.get_mut(index as usize));
        if let Some(place) = places {
            merge_into(place, bucket);
        }
    }

    /// Each series with the steps of which something was found, in order: their first seconds and what it was.
    pub fn into_points(self) -> impl Iterator<Item = (SeriesId, Vec<(u64, Bucket)>)> {
        let (from, step) = (self.from, self.step);
        self.series.into_iter().map(move |(series, places)| {
            let found = (0..).zip(places).filter_map(|(index, place)| Some((from + index * step, place?)));
            (series, found.collect())
        })
    }
}

/// A span moved outward to whole steps.
pub const fn whole_steps((from, to): (u64, u64), step: u64) -> (u64, u64) {
    let from = from - from % step;
    let to = if to > from { to } else { from };
    (from, from + (to - from).div_ceil(step) * step)
}
