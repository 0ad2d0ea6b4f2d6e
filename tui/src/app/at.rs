//! A time as it is written behind `:at`, by the clock of a node. Pure; all times are UTC, as the console shows them.

use p2p_shared::time::{Millis, UnixMillis};

/// How it is written, for who got it wrong.
pub const USAGE: &str = "02:30, yesterday 14:00, -3h, 2026-11-25 14:00, now";
const DAY_MS: u64 = 86_400_000;

/// The time that a text means at `now`; `None` is now itself.
///
/// # Errors
/// If it means none.
pub fn moment(text: &str, now: UnixMillis) -> Result<Option<UnixMillis>, String> {
    let text = text.trim();
    if text == "now" {
        return Ok(None);
    }
    let unknown = || format!("{text:?} is no time: {USAGE}");
    if let Some(ago) = text.strip_prefix('-') {
        let ago = span(ago).ok_or_else(unknown)?;
        return Ok(Some(UnixMillis(now.0.saturating_sub(ago.0))));
    }
    if text.is_empty() {
        return Err(unknown());
    }
    let (day, time) = match text.split_once([' ', 'T']) {
        Some((day, time)) => (day, Some(time.trim())),
        None if text.contains(':') => ("", Some(text)),
        None => (text, None),
    };
    let midnight = now.0 / DAY_MS * DAY_MS;
    let of_day = match time {
        Some(time) => clock(time).ok_or_else(unknown)?,
        None => now.0 - midnight,
    };
    let at = match day {
        // The last time that the clock showed it.
        "" if midnight + of_day > now.0 => (midnight + of_day).saturating_sub(DAY_MS),
        "" | "today" => midnight + of_day,
        "yesterday" => (midnight + of_day).saturating_sub(DAY_MS),
        date => {
            let begin: UnixMillis = format!("{date}T00:00:00Z").parse().map_err(|_| unknown())?;
            // What lies before 1970 counts as that to the reader of dates, and here it is a slip.
            if begin.0 == 0 {
                return Err(unknown());
            }
            begin.0 + if time.is_some() { of_day } else { 0 }
        }
    };
    Ok(Some(UnixMillis(at)))
}

/// `3h`, `1h30m`, `2d`, `45s`.
fn span(text: &str) -> Option<Millis> {
    let mut whole: u64 = 0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|letter: char| !letter.is_ascii_digit())?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = rest[digits..].chars().next()?;
        let factor = match unit {
            'd' => DAY_MS,
            'h' => 3_600_000,
            'm' => 60_000,
            's' => 1_000,
            _ => return None,
        };
        whole = whole.checked_add(number.checked_mul(factor)?)?;
        rest = &rest[digits + 1..];
    }
    (!text.is_empty()).then_some(Millis(whole))
}

/// `14:00` or `14:00:30`, in milliseconds of the day.
fn clock(text: &str) -> Option<u64> {
    let parts: Vec<u64> =
        text.trim_end_matches('Z').split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let (hours, minutes, seconds) = match parts.as_slice() {
        [hours, minutes] => (*hours, *minutes, 0),
        [hours, minutes, seconds] => (*hours, *minutes, *seconds),
        _ => return None,
    };
    (hours < 24 && minutes < 60 && seconds < 60).then_some(((hours * 60 + minutes) * 60 + seconds) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::date;

    /// 2026-11-23 04:00:07 UTC.
    const NOW: UnixMillis = UnixMillis(1_795_406_407_000);

    fn said(text: &str) -> String {
        match moment(text, NOW) {
            Ok(Some(at)) => date(at),
            Ok(None) => "now".into(),
            Err(what) => what,
        }
    }

    #[test]
    fn times_are_written_as_people_do() {
        assert_eq!(date(NOW), "2026-11-23 04:00:07");
        for (text, at) in [
            ("now", "now"),
            ("02:30", "2026-11-23 02:30:00"),
            ("14:00", "2026-11-22 14:00:00"),
            ("today 03:00:05", "2026-11-23 03:00:05"),
            ("yesterday 14:00", "2026-11-22 14:00:00"),
            ("yesterday", "2026-11-22 04:00:07"),
            ("-3h", "2026-11-23 01:00:07"),
            ("-1h30m", "2026-11-23 02:30:07"),
            ("-2d", "2026-11-21 04:00:07"),
            ("2026-11-20 14:00", "2026-11-20 14:00:00"),
            ("2026-11-20T14:00:01Z", "2026-11-20 14:00:01"),
            ("2026-11-20", "2026-11-20 00:00:00"),
        ] {
            assert_eq!(said(text), at, "{text}");
        }
    }

    #[test]
    fn what_is_no_time_is_told_how_to_write_one() {
        for text in [
            "",
            "soon",
            "25:00",
            "2:3:4:5",
            "-",
            "-3",
            "-3w",
            "-99999999999999999999d",
            "2026-13-01",
            "yesterday x",
            "1969-01-01",
            ":",
        ] {
            let what = said(text);
            assert!(what.contains("is no time: 02:30, yesterday"), "{text}: {what}");
        }
    }
}
