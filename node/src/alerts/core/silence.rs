//! Silences: alerts that fit are not told, until an end.
//!
//! The end that an operator names is a time of the wall clock. It is turned into a span when the silence
//! begins, and again when the node starts: a clock that jumps neither ends a silence nor keeps it. After a
//! restart under a clock that is far behind, it lasts no longer than it was to last at all.

use p2p_shared::time::{Millis, UnixMillis};

use serde::{Deserialize, Serialize};

use super::rule::{Labels, Matcher};

/// Longest silence: what is never to be told is a rule too many.
pub const SILENCE_MAX: Millis = Millis(366 * 86_400_000);
/// Most silences.
pub const SILENCES_MAX: usize = 256;

/// Number of a silence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SilenceId(pub u64);

/// What an operator asked for.
#[derive(Clone, Debug, PartialEq)]
pub struct Silence {
    /// What an alert's labels have to be, all of them; its rule is the label `alertname`.
    pub matchers: Vec<Matcher>,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// When it began.
    pub starts: UnixMillis,
    /// When it ends.
    pub ends: UnixMillis,
}

impl Silence {
    /// Its matchers, as they are written.
    pub fn words(&self) -> String {
        let matchers: Vec<String> = self.matchers.iter().map(ToString::to_string).collect();
        matchers.join(", ")
    }

    /// Whether it is about an alert.
    pub fn fits(&self, labels: &Labels) -> bool {
        self.matchers.iter().all(|matcher| matcher.fits(labels))
    }
}

/// A silence with its end on the monotonic clock.
#[derive(Clone, Debug)]
pub(super) struct Running {
    pub(super) id: SilenceId,
    pub(super) silence: Silence,
    pub(super) ends: Millis,
}

/// Why there is no such silence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SilenceError {
    /// It would silence everything.
    #[error("a silence needs at least one matcher")]
    Everything,
    /// Nobody would know why.
    #[error("a silence needs a reason")]
    NoReason,
    /// It is over already.
    #[error("the end of the silence is past")]
    Over,
    /// It would be forgotten.
    #[error("a silence ends within a year; what is never to be told is better switched off in the rules")]
    TooLong,
    /// There are too many.
    #[error("there are {SILENCES_MAX} silences already; end one first")]
    TooMany,
}
