//! Points in time as RFC 3339 writes them, and back.
//!
//! Milliseconds since 1970 enter and text leaves, always in UTC and by the proleptic Gregorian calendar; text enters
//! and milliseconds leave. What lies outside of 1970 to 9999 is cut to that. Pure.

use std::fmt::{self, Display, Formatter};

const MS_A_DAY: u64 = 86_400_000;
/// The last millisecond of the year 9999.
const LAST_MS: u64 = 253_402_300_799_999;
/// Days from 0000-03-01 to 1970-01-01: years begin in March, so that a leap day is the last of them.
const DAYS_BEFORE_1970: u64 = 719_468;
const DAYS_AN_ERA: u64 = 146_097;
const YEARS_AN_ERA: u64 = 400;

/// How much of a second is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Precision {
    Seconds,
    Millis,
}

/// A point in time, to be written.
#[derive(Clone, Copy)]
pub struct Utc {
    unix_ms: u64,
    precision: Precision,
}

impl Utc {
    /// As `2026-11-26T06:52:37.123Z`.
    pub(super) const fn to_the_millisecond(unix_ms: u64) -> Self {
        Self { unix_ms, precision: Precision::Millis }
    }

    /// As `2026-11-26T06:52:37Z`.
    pub(super) const fn to_the_second(unix_ms: u64) -> Self {
        Self { unix_ms, precision: Precision::Seconds }
    }
}

impl Display for Utc {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let ms = self.unix_ms.min(LAST_MS);
        let (year, month, day) = date(ms / MS_A_DAY);
        let (hour, minute, second) = (ms / 3_600_000 % 24, ms / 60_000 % 60, ms / 1_000 % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        match self.precision {
            Precision::Seconds => f.write_str("Z"),
            Precision::Millis => write!(f, ".{:03}Z", ms % 1_000),
        }
    }
}

/// Year, month and day of a day since 1970: Howard Hinnant's `civil_from_days`.
const fn date(days: u64) -> (u64, u64, u64) {
    let days = days + DAYS_BEFORE_1970;
    let (era, day_of_era) = (days / DAYS_AN_ERA, days % DAYS_AN_ERA);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    (year_of_era + era * YEARS_AN_ERA + (month <= 2) as u64, month, day)
}

/// The way back, `days_from_civil`, for years from 0 on: days since 1970, below 0 before it.
const fn days((year, month, day): (u64, u64, u64)) -> i64 {
    // One era later, so that January of the year 0 lies in a year of this count too.
    let year = year + YEARS_AN_ERA - (month <= 2) as u64;
    let (era, year_of_era) = (year / YEARS_AN_ERA, year % YEARS_AN_ERA);
    let month_from_march = (month + 9) % 12;
    let day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * DAYS_AN_ERA + day_of_era) as i64 - (DAYS_BEFORE_1970 + DAYS_AN_ERA) as i64
}

const fn days_of((year, month): (u64, u64)) -> u64 {
    match month {
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// The milliseconds since 1970 of a text; `None` if it is not as RFC 3339 has it. A leap second is the one after it.
pub(super) fn read(text: &str) -> Option<u64> {
    let mut rest = Rest(text.as_bytes());
    let year = rest.number(4)?;
    rest.sign(b"-")?;
    let month = rest.number(2).filter(|month| (1..=12).contains(month))?;
    rest.sign(b"-")?;
    let day = rest.number(2).filter(|day| (1..=days_of((year, month))).contains(day))?;
    rest.sign(b"Tt ")?;
    let hour = rest.number(2).filter(|hour| *hour < 24)?;
    rest.sign(b":")?;
    let minute = rest.number(2).filter(|minute| *minute < 60)?;
    rest.sign(b":")?;
    let second = rest.number(2).filter(|second| *second <= 60)?;
    let ms = rest.fraction_ms()?;
    let ahead_minutes = rest.offset()?;
    let of_day = ((hour * 60 + minute) * 60 + second) * 1_000 + ms;
    let ms = days((year, month, day)) * MS_A_DAY as i64 + of_day as i64 - ahead_minutes * 60_000;
    rest.0.is_empty().then(|| u64::try_from(ms).unwrap_or_default().min(LAST_MS))
}

/// What is not yet read of a text.
struct Rest<'a>(&'a [u8]);

impl Rest<'_> {
    /// A number of exactly so many digits.
    fn number(&mut self, digits: usize) -> Option<u64> {
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        number
            .iter()
            .try_fold(0, |sum, digit| digit.is_ascii_digit().then(|| sum * 10 + u64::from(digit - b'0')))
    }

    /// One of these signs.
    fn sign(&mut self, signs: &[u8]) -> Option<u8> {
        let (&sign, rest) = self.0.split_first()?;
        self.0 = rest;
        signs.contains(&sign).then_some(sign)
    }

    /// A fraction of a second, if there is one; what is finer than a millisecond is cut off.
    fn fraction_ms(&mut self) -> Option<u64> {
        if !self.0.starts_with(b".") {
            return Some(0);
        }
        let length = self.0[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (digits, rest) = self.0[1..].split_at(length);
        self.0 = rest;
        let ms = [100, 10, 1].into_iter().zip(digits).map(|(unit, digit)| unit * u64::from(digit - b'0'));
        (length > 0).then(|| ms.sum())
    }

    /// By how many minutes the clock that was read is ahead of UTC.
    fn offset(&mut self) -> Option<i64> {
        let sign = match self.sign(b"Zz+-")? {
            b'+' => 1,
            b'-' => -1,
            _ => return Some(0),
        };
        let hours = self.number(2).filter(|hours| *hours < 24)?;
        self.sign(b":")?;
        let minutes = self.number(2).filter(|minutes| *minutes < 60)?;
        Some(sign * (hours * 60 + minutes) as i64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(unix_ms: u64) -> String {
        Utc::to_the_millisecond(unix_ms).to_string()
    }

    #[test]
    fn every_day_follows_the_one_before_and_comes_back() {
        let last = LAST_MS / MS_A_DAY;
        let (mut year, mut month, mut day) = (1970, 1, 1);
        for number in 0..=last {
            assert_eq!(date(number), (year, month, day));
            assert_eq!(days((year, month, day)), number as i64);
            (year, month, day) = match (month, day == days_of((year, month))) {
                (12, true) => (year + 1, 1, 1),
                (_, true) => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
        assert_eq!((year, month, day), (10_000, 1, 1));
        // Before 1970 only the count matters: it is cut to 1970.
        assert_eq!([days((0, 1, 1)), days((0, 3, 1)), days((1969, 12, 31))], [-719_528, -719_468, -1]);
    }

    #[test]
    fn known_points_are_written_and_read() {
        for (unix_ms, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_795_675_957_123, "2026-11-26T06:52:37.123Z"),
            (LAST_MS, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!((written(unix_ms).as_str(), read(text)), (text, Some(unix_ms)));
        }
        assert_eq!(Utc::to_the_second(1_795_675_957_123).to_string(), "2026-11-26T06:52:37Z");
        assert_eq!(written(u64::MAX), "9999-12-31T23:59:59.999Z");
    }

    #[test]
    fn any_offset_and_any_fraction_is_read() {
        let at = Some(1_795_675_957_000);
        for text in [
            "2026-11-26T06:52:37Z",
            "2026-11-26t06:52:37z",
            "2026-11-26 06:52:37.0Z",
            "2026-11-26T06:52:37-00:00",
            "2026-11-26T09:52:37+03:00",
            "2026-11-25T23:22:37.0009-07:30",
        ] {
            assert_eq!(read(text), at, "{text}");
        }
        assert_eq!(read("2026-11-26T06:52:37.12345678901234567890Z"), Some(1_795_675_957_123));
        assert_eq!(read("2016-12-31T23:59:60Z"), read("2017-01-01T00:00:00Z"));
        assert_eq!(read("1969-12-31T23:59:59Z"), Some(0));
        assert_eq!(read("0000-01-01T00:00:00+23:59"), Some(0));
        assert_eq!(read("9999-12-31T23:59:59-23:59"), Some(LAST_MS));
    }

    #[test]
    fn what_is_no_point_in_time_is_not_read() {
        for text in [
            "",
            "1795675957123",
            "2026-11-26",
            "2026-11-26T06:52:37",
            "2026-11-26T06:52Z",
            "2026-11-26T06:52:37.Z",
            "2026-11-26T06:52:37Z ",
            "2026-11-26T06:52:37+0300",
            "2026-11-26T06:52:37+24:00",
            "2026-11-26T24:00:00Z",
            "2026-11-26T06:60:00Z",
            "2026-11-26T06:52:61Z",
            "2026-13-01T00:00:00Z",
            "2026-00-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2100-02-29T00:00:00Z",
            "+2026-11-26T06:52:37Z",
            "2026-11-26T06:52:37ß",
            "２026-11-26T06:52:37Z",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(unix_ms in 0..=LAST_MS) {
            prop_assert_eq!(read(&written(unix_ms)), Some(unix_ms));
        }

        #[test]
        fn text_sorts_as_time_does(one in 0..=LAST_MS, other in 0..=LAST_MS) {
            prop_assert_eq!(written(one).cmp(&written(other)), one.cmp(&other));
        }

        #[test]
        fn nothing_makes_it_panic(text in "\\PC*") {
            let _ = read(&text);
        }

        #[test]
        fn nothing_of_this_shape_makes_it_panic(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\\.[0-9]{0,30})?(Z|[+-][0-9]{2}:[0-9]{2})") {
            let _ = read(&text);
        }
    }
}
