//! How a fan-out is to go: how many at a time, how long, and when it is enough.

use std::str::FromStr;

use crate::time::Millis;

/// Targets at a time, whatever a plan says.
pub const AT_ONCE_MAX: usize = 64;

/// A number of targets, or a part of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Share {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(u8),
}

/// A text that is no share.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a number such as 5, or a part such as 10%")]
pub struct NoShare;

impl FromStr for Share {
    type Err = NoShare;

    fn from_str(text: &str) -> Result<Self, NoShare> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        match text.strip_suffix('%') {
            Some(part) if digits(part) => {
                part.parse().ok().filter(|part| *part <= 100).map(Self::Percent).ok_or(NoShare)
            }
            None if digits(text) => text.parse().map(Self::Count).map_err(|_| NoShare),
            _ => Err(NoShare),
        }
    }
}

impl Share {
    /// Whether it is nothing.
    pub const fn is_zero(self) -> bool {
        matches!(self, Self::Count(0) | Self::Percent(0))
    }

    /// At least one of `total`; parts are rounded up.
    pub fn at_least_one(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count.max(1),
            Self::Percent(part) => (total * usize::from(part)).div_ceil(100).max(1),
        }
    }

    /// So many of `total` at most; parts are rounded down.
    pub fn at_most(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(part) => total * usize::from(part) / 100,
        }
    }
}

/// How a fan-out is to go. The default is all, side by side, without a limit of time or failures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// Targets of one batch; the next begins when all of it have ended. `None`: one begins as another ends.
    pub batch: Option<Share>,
    /// From the end of a batch to the next.
    pub pause: Millis,
    /// Failures that are borne; with one more, what has not begun is skipped. `None`: all are.
    pub fail_max: Option<Share>,
    /// How long one target may take.
    pub target_time: Option<Millis>,
    /// How long all may take.
    pub total_time: Option<Millis>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_numbers_or_parts() {
        assert_eq!("5".parse(), Ok(Share::Count(5)));
        assert_eq!("10%".parse(), Ok(Share::Percent(10)));
        for text in ["", "%", "-1", "101%", "1.5", "+1", "5 %", "x", "99999999999999999999999", "256%"] {
            assert_eq!(text.parse::<Share>(), Err(NoShare), "{text}");
        }
        assert_eq!(Share::Percent(10).at_least_one(5), 1);
        assert_eq!(Share::Percent(34).at_least_one(3), 2);
        assert_eq!(Share::Percent(10).at_most(5), 0);
        assert_eq!(Share::Count(0).at_least_one(3), 1);
    }
}
