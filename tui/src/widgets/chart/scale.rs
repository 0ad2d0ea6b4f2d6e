//! The scale of a chart: what the values are, round ceilings, and labels. Pure.

use crate::format::{bytes, percent};

/// What the values of a chart are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// Shares of 0 to 1; the scale always ends at 100 %.
    Percent,
    /// Bytes a second.
    Rate,
    /// Plain numbers.
    Number,
}

/// Beyond this the scale grows no more; nothing that is measured comes near.
const CEILING_MAX: f64 = 1e18;

impl Unit {
    /// The round number at or above `highest` at which the scale ends.
    pub fn ceiling(self, highest: f64) -> f64 {
        match self {
            Self::Percent => 1.0,
            Self::Rate => round_up(highest, 1_024.0, 1_024.0),
            Self::Number => round_up(highest, 1.0, 1_000.0),
        }
    }

    /// A value for the scale, in at most five columns.
    pub fn label(self, value: f64) -> String {
        match self {
            Self::Percent => percent(value as f32),
            Self::Rate if value < 1.0 => "0".to_owned(),
            Self::Rate => bytes(value as u64),
            Self::Number if !(0.05..10.0).contains(&value) => format!("{value:.0}"),
            Self::Number => format!("{value:.1}"),
        }
    }
}

/// The least of 1, 2, 5, 10, 20 ... times a power of `base` that is not below `value`, from `least` up.
fn round_up(value: f64, least: f64, base: f64) -> f64 {
    const STEPS: [f64; 9] = [1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0];
    let mut unit = least;
    while unit < CEILING_MAX {
        if let Some(step) = STEPS.iter().find(|step| unit * **step >= value) {
            return unit * step;
        }
        unit *= base;
    }
    unit
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scale_ends_at_a_round_number() {
        assert_eq!(Unit::Percent.ceiling(0.1), 1.0);
        assert_eq!(Unit::Rate.ceiling(0.0), 1_024.0);
        assert_eq!(Unit::Rate.ceiling(3.0 * 1_048_576.0), 5.0 * 1_048_576.0);
        assert_eq!(Unit::Rate.ceiling(501.0 * 1_024.0), 1_048_576.0);
        assert_eq!(Unit::Number.ceiling(3.2), 5.0);
        for odd in [f64::NAN, f64::INFINITY, f64::MAX, -1.0] {
            assert!(Unit::Rate.ceiling(odd).is_finite());
        }
    }

    #[test]
    fn labels_are_short() {
        for value in [0.0, 1.0, 512.0, 1_024.0, 1e6, 5e9, 1e18] {
            assert!(Unit::Rate.label(value).len() <= 5, "{}", Unit::Rate.label(value));
        }
        assert_eq!(Unit::Percent.label(0.5), "50%");
        assert_eq!(Unit::Number.label(2.5), "2.5");
    }
}
