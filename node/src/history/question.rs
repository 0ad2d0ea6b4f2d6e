//! Questions about the history and their answers: what is kept on disk and what is still open, as one.
//!
//! It reads the database, and so it blocks: the handle calls it where that is allowed.

use std::sync::Arc;

use p2p_shared::error::RpcError;
use p2p_shared::glob;
use p2p_shared::services::monitor::{Busiest, History, HistoryPoint, POINTS_MAX, SeriesHistory};
use p2p_shared::services::monitor::{SERIES_TEXT_BYTES_MAX, SeriesInfo};
use p2p_shared::time::UnixMillis;

use super::core::SeriesId;
use super::core::answer::{Answer, whole_steps};
use super::core::block;
use super::core::bucket::Bucket;
use super::core::minute::{Minute, MinuteView, SECONDS};
use super::keeping;
use crate::store::{HistoryStore, StoreError};

/// Steps that are chosen where none is asked for, in seconds; then whole days.
const STEPS_S: [u64; 9] = [1, 10, 60, 300, 900, 3_600, 10_800, 21_600, DAY_S];
const DAY_S: u64 = 86_400;
/// A step is chosen so that a series has no more points.
const POINTS_CHOSEN: u64 = 720;
/// How far from the time that is asked for a look at the processes may be.
const BUSIEST_NEAR_MS: u64 = 60_000;

/// What the history is like at one moment: what is in memory, and the way to the rest.
#[derive(Clone, Debug)]
pub struct Look {
    /// Where the rest is.
    pub store: HistoryStore,
    /// Every series, and whether the last sample had it.
    pub series: Vec<(SeriesId, Arc<str>, bool)>,
    /// Records that may not be on disk yet, the newest last.
    pub open: Vec<(u64, Arc<Minute>)>,
    /// Looks at the processes that may not be on disk yet.
    pub busiest: Vec<Busiest>,
}

/// What is asked.
#[derive(Clone, Debug)]
pub struct Question {
    names: Vec<String>,
    span: (u64, u64),
    step: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// The question makes no sense.
    #[error("{0}")]
    Question(String),
    /// Nothing is called so.
    #[error("no series is called {0}; monitor.series lists them all")]
    Unknown(String),
    /// More points than fit an answer.
    #[error(
        "{series} series in steps of {step_s} s are more than {POINTS_MAX} points; ask for a step of at least {least_s} s, or for fewer series"
    )]
    TooMany {
        /// How many series.
        series: usize,
        /// The step that was asked for.
        step_s: u64,
        /// The step with which it fits.
        least_s: u64,
    },
    /// The database.
    #[error("the history cannot be read: {0}")]
    Store(#[from] StoreError),
    /// There is none.
    #[error("the history of this node cannot be kept: {0}")]
    None(Arc<str>),
    /// The node is shutting down.
    #[error("the history has ended: the node is shutting down")]
    Stopped,
}

impl From<HistoryError> for RpcError {
    fn from(error: HistoryError) -> Self {
        let text = error.to_string();
        match error {
            HistoryError::Question(_) | HistoryError::TooMany { .. } => Self::bad_request(text),
            HistoryError::Unknown(_) => Self::not_found(text),
            HistoryError::Store(_) => Self::internal(text),
            HistoryError::None(_) | HistoryError::Stopped => Self::unavailable(text),
        }
    }
}

impl Question {
    /// A question after names and globs with spaces between them.
    ///
    /// # Errors
    /// [`HistoryError::Question`] if it makes no sense.
    pub fn new(
        series: &str,
        (from, to): (UnixMillis, UnixMillis),
        step_s: Option<u32>,
    ) -> Result<Self, HistoryError> {
        let bad = |text: &str| Err(HistoryError::Question(text.to_owned()));
        if series.len() > SERIES_TEXT_BYTES_MAX {
            return bad("the list of series is longer than 4096 bytes; use globs, such as cpu_*");
        }
        let names: Vec<String> = series.split_whitespace().map(str::to_owned).collect();
        if names.is_empty() {
            return bad("no series is named; `*` means all of them");
        }
        if from >= to {
            return bad("the span is empty: from must be before to");
        }
        if step_s == Some(0) {
            return bad("a step is at least 1 second");
        }
        Ok(Self { names, span: (from.0 / 1_000, to.0.div_ceil(1_000)), step: step_s.map(u64::from) })
    }

    /// The series that are meant, by name.
    fn meant(&self, look: &Look) -> Result<Vec<(SeriesId, Arc<str>)>, HistoryError> {
        let mut meant = Vec::new();
        for name in &self.names {
            let pattern: Vec<char> = name.chars().collect();
            let fits = |known: &str| known == name || glob::matches(&pattern, known);
            let found = look.series.iter().filter(|(_, known, _)| fits(known));
            let before = meant.len();
            meant.extend(found.map(|(id, known, _)| (*id, Arc::clone(known))));
            if meant.len() == before && !name.contains(['*', '?']) {
                return Err(HistoryError::Unknown(name.clone()));
            }
        }
        meant.sort_by(|one, other| one.1.cmp(&other.1));
        meant.dedup();
        Ok(meant)
    }

    fn step(&self, seconds_from: Option<u64>) -> u64 {
        let span = self.span.1 - self.span.0;
        let chosen = || {
            let fits = |step: &u64| span.div_ceil(*step) <= POINTS_CHOSEN;
            STEPS_S.into_iter().find(fits).unwrap_or_else(|| span.div_ceil(POINTS_CHOSEN * DAY_S) * DAY_S)
        };
        let step = self.step.unwrap_or_else(chosen);
        let in_minutes = step > SECONDS || seconds_from.is_some_and(|from| self.span.0 < from);
        if in_minutes { step.div_ceil(SECONDS) * SECONDS } else { step }
    }
}

impl Look {
    /// Every series, by name.
    pub fn series(&self) -> Vec<SeriesInfo> {
        let info = |(_, name, current): &(SeriesId, Arc<str>, bool)| SeriesInfo {
            name: name.as_ref().into(),
            current: *current,
        };
        let mut series: Vec<SeriesInfo> = self.series.iter().map(info).collect();
        series.sort_by(|one, other| one.name.cmp(&other.name));
        series
    }

    /// Answers a question.
    ///
    /// # Errors
    /// [`HistoryError`] if it cannot be answered.
    pub fn history(&self, question: &Question) -> Result<History, HistoryError> {
        let meant = question.meant(self)?;
        let step = question.step(self.seconds_from()?);
        let (from, to) = whole_steps(question.span, step);
        let points_max = POINTS_MAX / meant.len().max(1);
        if (to - from) / step > points_max as u64 {
            let least = (to - from).div_ceil(points_max.max(1) as u64);
            let (series, least_s) = (meant.len(), least.div_ceil(SECONDS) * SECONDS);
            return Err(HistoryError::TooMany { series, step_s: step, least_s });
        }
        let mut answer = Answer::new(meant.iter().map(|(id, _)| *id), question.span, step);
        // Records that are summed up in between are found twice this way, which no minimum, mean or maximum
        // shows; the other way round they would be a gap.
        self.add_records(&mut answer)?;
        if step >= SECONDS {
            self.add_blocks(&mut answer, &meant)?;
        }
        let series = answer.into_points().filter(|(_, points)| !points.is_empty());
        let mut series: Vec<SeriesHistory> = series
            .filter_map(|(id, points)| {
                let (_, name) = meant.iter().find(|(known, _)| *known == id)?;
                Some(SeriesHistory { name: name.as_ref().into(), points: points.iter().map(point).collect() })
            })
            .collect();
        series.sort_by(|one, other| one.name.cmp(&other.name));
        let at = |second: u64| UnixMillis(second * 1_000);
        let step_s = u32::try_from(step).unwrap_or(u32::MAX);
        Ok(History { from: at(from), to: at(to), step_s, series })
    }

    /// From when on every second is kept; `None` if that is from the beginning.
    fn seconds_from(&self) -> Result<Option<u64>, HistoryError> {
        if !self.store.has_blocks()? {
            return Ok(None);
        }
        Ok(self.store.starts(u64::MAX)?.first().map(|(_, start)| *start))
    }

    fn add_blocks(&self, answer: &mut Answer, meant: &[(SeriesId, Arc<str>)]) -> Result<(), HistoryError> {
        let steps = answer.steps();
        for (id, name) in meant {
            let mut strange = 0;
            self.store.read_blocks(id.0, |bytes| {
                let read = block::read(bytes, steps, |second, bucket| answer.add(*id, second, bucket));
                strange += usize::from(read.is_none());
            })?;
            if strange > 0 {
                tracing::error!(series = %name, strange, "blocks of the history cannot be read: they are gaps");
            }
        }
        Ok(())
    }

    fn add_records(&self, answer: &mut Answer) -> Result<(), HistoryError> {
        let ((from, to), step) = answer.steps();
        let newer = self.open.first().map_or(u64::MAX, |(seq, _)| *seq);
        let mut starts = self.store.starts(newer)?;
        starts.retain(|(_, start)| *start < to && *start + SECONDS > from);
        let mut strange = 0;
        let mut values = Vec::new();
        self.store.read_records_of(starts.iter().map(|(seq, _)| *seq), |_, bytes| {
            let read = MinuteView::parse(bytes).and_then(|view| {
                if step >= SECONDS {
                    let mut sums = Vec::new();
                    view.sums(|id| answer.wants(id), |id, sum| sums.push((id, *sum)))?;
                    sums.iter().for_each(|(id, sum)| answer.add(*id, view.start, sum));
                    return Some(());
                }
                values.clear();
                view.read(|id| answer.wants(id), |id, second, value| values.push((id, second, value)))?;
                values.iter().for_each(|&(id, second, value)| answer.add(id, second, &Bucket::of(value)));
                Some(())
            });
            strange += usize::from(read.is_none());
        })?;
        if strange > 0 {
            tracing::error!(strange, "records of the history cannot be read: they are gaps");
        }
        for (_, minute) in &self.open {
            for &(id, _, _) in &self.series {
                minute.values(id).for_each(|(second, value)| answer.add(id, second, &Bucket::of(value)));
            }
        }
        Ok(())
    }

    /// The look at the processes that is closest to `at`.
    ///
    /// # Errors
    /// If the database cannot be read.
    pub fn busiest(&self, at: UnixMillis) -> Result<Option<Busiest>, HistoryError> {
        let span = (at.0.saturating_sub(BUSIEST_NEAR_MS), at.0.saturating_add(BUSIEST_NEAR_MS));
        let mut found: Vec<Busiest> = self.busiest.clone();
        self.store.read_busiest(|_, bytes| found.extend(keeping::from_bytes(bytes, span)))?;
        let distance = |look: &Busiest| look.at.0.abs_diff(at.0);
        found.retain(|look| distance(look) <= BUSIEST_NEAR_MS);
        Ok(found.into_iter().min_by_key(distance))
    }
}

fn point((second, bucket): &(u64, Bucket)) -> HistoryPoint {
    let [min, mean, max] = bucket.parts();
    HistoryPoint { at: UnixMillis(second * 1_000), count: bucket.count(), min, mean, max }
}
