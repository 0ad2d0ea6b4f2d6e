//! Which figure of each pair the grid shows, how it is written in five columns, and what marks it as odd. Pure.

use super::sight::{Between, Pair, Sight};
use crate::theme::Role;

/// Loss that is worth a look, and loss that hurts.
pub(super) const LOSS_WARN: f64 = 0.01;
const LOSS_BAD: f64 = 0.05;
/// A clock that is worth a look, and one that makes trouble.
pub(super) const CLOCK_WARN_MS: i64 = 500;
const CLOCK_BAD_MS: i64 = 5_000;
/// A round trip is far if it is so many times what is usual, and so much longer.
pub(super) const FAR_TIMES: f64 = 3.0;
pub(super) const FAR_MS: f64 = 20.0;
/// Loss of one way alone: the other way loses less than this share of it.
const ONE_WAY_SHARE: f64 = 0.25;

/// Columns of a figure; behind it stands its sign.
pub(super) const FIGURE_COLUMNS: u16 = 5;
/// What marks a figure that is unlike the others, and one that holds of one way alone.
pub(super) const ODD: &str = "!";
pub(super) const ONE_WAY: &str = ">";

/// What is shown of each pair.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Figure {
    /// Round trip.
    #[default]
    Rtt,
    /// Packets lost of those sent.
    Loss,
    /// How far the clock looked at is ahead.
    Clock,
}

impl Figure {
    /// The next one, around the end.
    pub(super) const fn next(self) -> Self {
        match self {
            Self::Rtt => Self::Loss,
            Self::Loss => Self::Clock,
            Self::Clock => Self::Rtt,
        }
    }

    /// In a word or two.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Rtt => "round trip, ms",
            Self::Loss => "packets lost of late",
            Self::Clock => "clock ahead",
        }
    }

    /// As short as it can be said.
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Rtt => "rtt",
            Self::Loss => "loss",
            Self::Clock => "clock",
        }
    }
}

/// What stands in one cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// At most [`FIGURE_COLUMNS`] wide.
    pub(super) text: String,
    /// Nothing, [`ODD`] or [`ONE_WAY`].
    pub(super) sign: &'static str,
    /// What it is for the eye.
    pub(super) role: Role,
}

impl Shown {
    fn plain(text: impl Into<String>, role: Role) -> Self {
        Self { text: text.into(), sign: "", role }
    }
}

/// The cell of a pair; `usual_ms` is the usual round trip, `dot` stands for a node's view of itself.
pub(super) fn shown(
    sight: &Sight,
    (from, to): (usize, usize),
    figure: Figure,
    (usual_ms, dot): (Option<f64>, &str),
) -> Shown {
    let pair = match sight.between(from, to) {
        Between::Same => return Shown::plain(dot, Role::Dim),
        Between::Untold => return Shown::plain("?", Role::Dim),
        Between::Nothing => return Shown::plain("-", Role::Dim),
        Between::OneSided => return Shown { text: "none".to_owned(), sign: ODD, role: Role::Bad },
        Between::Seen(pair) => pair,
    };
    let back = sight.pair(to, from);
    let cell = match figure {
        Figure::Rtt => rtt_cell(pair, usual_ms),
        Figure::Loss => loss_cell(pair, back),
        Figure::Clock => clock_cell(pair),
    };
    match (sight.is_fresh(from), sight.between(to, from)) {
        // The other one says that there is no such connection.
        (true, Between::OneSided) => Shown { sign: ONE_WAY, role: Role::Bad, ..cell },
        // What is not heard of is not measured either.
        (true, _) if pair.is_silent() => Shown { sign: ODD, role: Role::Warn, ..cell },
        (true, _) => cell,
        (false, _) => Shown { role: Role::Dim, ..cell },
    }
}

fn rtt_cell(pair: Pair, usual_ms: Option<f64>) -> Shown {
    let far = usual_ms.is_some_and(|usual| is_far(pair.rtt_ms, usual));
    let (sign, role) = if far { (ODD, Role::Warn) } else { ("", Role::Text) };
    Shown { text: rtt(pair.rtt_ms), sign, role }
}

fn loss_cell(pair: Pair, back: Option<&Pair>) -> Shown {
    let Some(loss) = pair.loss() else { return Shown::plain("-", Role::Dim) };
    let judged = pair.judged_loss().unwrap_or(0.0);
    let role = match judged {
        LOSS_BAD.. => Role::Bad,
        LOSS_WARN.. => Role::Warn,
        // Too few packets to say anything.
        _ if pair.judged_loss().is_none() => Role::Dim,
        _ => Role::Text,
    };
    let sign = match judged {
        _ if judged < LOSS_WARN => "",
        _ if is_one_way(judged, back) => ONE_WAY,
        _ => ODD,
    };
    Shown { text: share(loss), sign, role }
}

fn clock_cell(pair: Pair) -> Shown {
    let Some(ahead) = pair.ahead_ms else { return Shown::plain("-", Role::Dim) };
    let (sign, role) = match i64::try_from(ahead.unsigned_abs()).unwrap_or(i64::MAX) {
        CLOCK_BAD_MS.. => (ODD, Role::Bad),
        CLOCK_WARN_MS.. => (ODD, Role::Warn),
        _ => ("", Role::Text),
    };
    Shown { text: ahead_of(ahead), sign, role }
}

/// Whether a round trip is unlike what is usual.
pub(super) fn is_far(rtt_ms: f64, usual_ms: f64) -> bool {
    rtt_ms > usual_ms * FAR_TIMES && rtt_ms > usual_ms + FAR_MS
}

/// Whether packets get lost this way, and the way back they do not.
pub(super) fn is_one_way(loss: f64, back: Option<&Pair>) -> bool {
    let back = back.and_then(Pair::judged_loss);
    loss >= LOSS_WARN && back.is_some_and(|back| back < loss * ONE_WAY_SHARE)
}

/// Milliseconds in at most five columns.
pub(super) fn rtt(ms: f64) -> String {
    match ms {
        _ if !ms.is_finite() || ms < 0.0 => "-".to_owned(),
        _ if ms < 9.995 => format!("{ms:.2}"),
        _ if ms < 99.95 => format!("{ms:.1}"),
        _ if ms < 99_999.5 => format!("{ms:.0}"),
        _ => "long".to_owned(),
    }
}

/// A share as a percentage in at most five columns; a little is not nothing.
pub(super) fn share(ratio: f64) -> String {
    let percent = ratio * 100.0;
    match percent {
        _ if !percent.is_finite() => "-".to_owned(),
        _ if percent <= 0.0 => "0%".to_owned(),
        _ if percent < 0.1 => "<.1%".to_owned(),
        _ if percent < 9.95 => format!("{percent:.1}%"),
        _ => format!("{percent:.0}%"),
    }
}

/// How far a clock is ahead (or behind) in at most five columns.
pub(super) fn ahead_of(ms: i64) -> String {
    let sign = match ms {
        0 => "",
        1.. => "+",
        _ => "-",
    };
    format!("{sign}{}", time(ms.unsigned_abs()))
}

/// A span in at most four columns: `0ms`, `95ms`, `0.9s`, `12s`, `59m`, `23h`, `999d`.
pub(super) fn time(ms: u64) -> String {
    match ms {
        0..100 => format!("{ms}ms"),
        100..9_950 => format!("{:.1}s", ms as f64 / 1_000.0),
        9_950..99_500 => format!("{:.0}s", ms as f64 / 1_000.0),
        99_500..5_970_000 => format!("{}m", ms / 60_000),
        5_970_000..360_000_000 => format!("{}h", ms / 3_600_000),
        360_000_000..86_400_000_000 => format!("{}d", ms / 86_400_000),
        _ => "999d".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_figure_fits_its_columns(ms: f64, ratio in -1.0f64..2.0, ahead: i64) {
            for text in [rtt(ms), share(ratio), ahead_of(ahead)] {
                prop_assert!(text.len() <= usize::from(FIGURE_COLUMNS), "{text}");
            }
        }
    }

    #[test]
    fn figures_are_as_exact_as_there_is_room() {
        assert_eq!([0.214, 9.996, 45.25, 182.4].map(rtt), ["0.21", "10.0", "45.2", "182"]);
        assert_eq!([0.0, 0.0004, 0.0123, 0.4, 1.0].map(share), ["0%", "<.1%", "1.2%", "40%", "100%"]);
        assert_eq!([0, 3, -95, 1_200, -86_400_000].map(ahead_of), ["0ms", "+3ms", "-95ms", "+1.2s", "-24h"]);
    }
}
