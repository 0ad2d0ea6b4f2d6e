//! Takes samples and gives minutes to keep.
//!
//! A minute is closed when a sample belongs to another one, or to a second that is not behind the last: a clock
//! that was set back begins a new record of a minute that may be there already, and both stay. Questions merge
//! what they find by its time, so what was recorded in any order is answered in order. Numbers of records only
//! grow: they say what is oldest, whatever the clock said.

use std::sync::Arc;

use p2p_shared::time::{Millis, UnixMillis};

use super::SeriesId;
use super::catalogue::{Catalogue, Place};
use super::minute::Minute;
use super::timeline::Timeline;

/// What an earlier run kept.
#[derive(Clone, Debug, Default)]
pub struct Saved {
    /// The series.
    pub series: Vec<(SeriesId, Arc<str>)>,
    /// The first number of a series that was never used.
    pub next_series: u32,
    /// The newest record and its number.
    pub last: Option<(u64, Minute)>,
}

/// What is to be kept, all of it or nothing.
#[derive(Clone, Debug, PartialEq)]
pub struct Commit {
    /// The number of the record; one of the same number is replaced.
    pub seq: u64,
    /// The record.
    pub minute: Minute,
    /// Series that are new.
    pub added: Vec<(SeriesId, Arc<str>)>,
    /// Series that made room: all that is kept of them goes.
    pub evicted: Vec<SeriesId>,
    /// As in [`Saved`].
    pub next_series: u32,
}

/// The owner of the open minute.
#[derive(Debug)]
pub struct Recorder {
    timeline: Timeline,
    catalogue: Catalogue,
    seq: u64,
    open: Minute,
    /// Samples since the last commit.
    fresh: u32,
    /// Samples of this run.
    samples: u64,
    added: Vec<(SeriesId, Arc<str>)>,
    evicted: Vec<SeriesId>,
}

impl Recorder {
    /// Goes on where an earlier run ended: within the same minute in the same record, so that a node that is
    /// restarted again and again does not fill the record with splinters.
    pub fn restore(saved: Saved) -> Self {
        let (seq, open) = saved.last.unwrap_or((0, Minute::around(0)));
        Self {
            timeline: Timeline::default(),
            catalogue: Catalogue::restore(saved.series, saved.next_series),
            seq,
            open,
            fresh: 0,
            samples: 0,
            added: Vec::new(),
            evicted: Vec::new(),
        }
    }

    /// Takes a sample: names of series and their values. What is not finite is a gap.
    pub fn record<N: AsRef<str>>(
        &mut self,
        (monotonic, wall): (Millis, UnixMillis),
        figures: impl IntoIterator<Item = (N, f32)>,
    ) -> Option<Commit> {
        let second = self.timeline.second(monotonic, wall);
        let commit = if self.open.takes(second) { None } else { self.turn(second) };
        self.open.begin(second);
        self.samples += 1;
        self.fresh += 1;
        for (name, value) in figures {
            if value.is_finite() {
                self.push(name.as_ref(), value);
            }
        }
        commit
    }

    fn push(&mut self, name: &str, value: f32) {
        let id = match self.catalogue.place(name, self.samples) {
            Place::Known(id) => id,
            Place::New(id, evicted) => {
                self.added.push((id, name.into()));
                if let Some(evicted) = evicted {
                    self.open.remove(evicted);
                    self.added.retain(|(id, _)| *id != evicted);
                    self.evicted.push(evicted);
                }
                id
            }
            Place::Refused => return,
        };
        self.open.push(id, value);
    }

    /// Closes the minute and opens the one of `second`.
    fn turn(&mut self, second: u64) -> Option<Commit> {
        let commit = self.close();
        self.seq += 1;
        self.open = Minute::around(second);
        commit
    }

    /// What was sampled since the last commit, at the end of a run.
    pub fn close(&mut self) -> Option<Commit> {
        (self.fresh > 0).then(|| {
            self.fresh = 0;
            Commit {
                seq: self.seq,
                minute: self.open.clone(),
                added: std::mem::take(&mut self.added),
                evicted: std::mem::take(&mut self.evicted),
                next_series: self.catalogue.next(),
            }
        })
    }

    /// The open minute and its number.
    pub fn open(&self) -> (u64, &Minute) {
        (self.seq, &self.open)
    }

    /// Every series, and whether the last sample had it.
    pub fn series(&self) -> Vec<(SeriesId, Arc<str>, bool)> {
        self.catalogue.list(self.samples)
    }
}
