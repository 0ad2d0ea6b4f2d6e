//! Text for cells: figures in few characters, and foreign text made harmless. Pure.
//!
//! Everything that a remote machine named passes through [`clean`] on its way to the screen; `widgets::paint`
//! sees to that. Nothing here knows a colour or a position.

pub mod probe;

use std::borrow::Cow;
use std::fmt::Write as _;

use p2p_shared::services::process::ProcessState;
use p2p_shared::time::UnixMillis;
use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// The last second of the year 9999.
const LAST: UnixMillis = UnixMillis(253_402_300_799_999);
/// Longer remote texts are cut before anything looks at them.
const TEXT_BYTES_MAX: usize = 4_096;

/// Whether a character can change what its neighbours look like, or the terminal itself.
pub fn is_hostile(letter: char) -> bool {
    letter.is_control()
        || matches!(letter,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

/// The text with control characters, bidi overrides and invisible ones written out; cut at 4 KiB with a mark.
pub fn clean(text: &str) -> Cow<'_, str> {
    let cut = text.len() > TEXT_BYTES_MAX;
    let head = &text[..text.floor_char_boundary(TEXT_BYTES_MAX)];
    if !cut && !head.chars().any(is_hostile) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(head.len() + 16);
    for letter in head.chars() {
        match letter {
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\u{0}'..='\u{1f}' => {
                out.push('^');
                out.push(char::from(letter as u8 + b'@'));
            }
            '\u{7f}' => out.push_str("^?"),
            _ if is_hostile(letter) => {
                // Writing to a String cannot fail.
                let _ = write!(out, "<{:x}>", u32::from(letter));
            }
            _ => out.push(letter),
        }
    }
    if cut {
        let _ = write!(out, " [cut, {} bytes]", text.len());
    }
    Cow::Owned(out)
}

/// Columns that a text takes on the screen.
pub fn width(text: &str) -> usize {
    if text.is_ascii() { text.len() } else { text.width() }
}

/// The longest head of `text` that fits into `columns`, never splitting a grapheme.
pub fn head(text: &str, columns: usize) -> &str {
    if text.is_ascii() {
        return &text[..text.len().min(columns)];
    }
    let mut used = 0;
    for (at, grapheme) in text.grapheme_indices(true) {
        used += grapheme.width();
        if used > columns {
            return &text[..at];
        }
    }
    text
}

/// `text` without its first `columns` columns.
pub fn tail_from(text: &str, columns: usize) -> &str {
    &text[head(text, columns).len()..]
}

/// `text` in at most `columns`; what is cut off is shown by `mark`.
pub fn fit<'a>(text: &'a str, columns: usize, mark: &str) -> Cow<'a, str> {
    if width(text) <= columns {
        return Cow::Borrowed(text);
    }
    let room = columns.saturating_sub(width(mark));
    if room == 0 {
        return Cow::Borrowed(head(text, columns));
    }
    Cow::Owned(format!("{}{mark}", head(text, room)))
}

/// Bytes in at most five columns: `0B`, `512K`, `3.4G`.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 7] = ["B", "K", "M", "G", "T", "P", "E"];
    let mut value = count as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1_024.0;
        unit += 1;
    }
    if unit == 0 || value >= 9.95 {
        format!("{value:.0}{}", UNITS[unit])
    } else {
        format!("{value:.1}{}", UNITS[unit])
    }
}

/// Bytes a second.
pub fn rate(bytes_per_s: u64) -> String {
    format!("{}/s", bytes(bytes_per_s))
}

/// A share as a percentage without decimals; what is no number is `-`.
pub fn percent(ratio: f32) -> String {
    if ratio.is_finite() { format!("{:.0}%", f64::from(ratio) * 100.0) } else { "-".to_owned() }
}

/// Processor use of one process in percent of one core, `0.0` to `99.9`, then without decimals.
pub fn cpu(ratio: f32) -> String {
    let value = f64::from(ratio) * 100.0;
    match value {
        _ if !value.is_finite() => "-".to_owned(),
        _ if value >= 99.95 => format!("{value:.0}"),
        _ => format!("{value:.1}"),
    }
}

/// A span in at most six columns: `12s`, `5m03s`, `7h20m`, `3d04h`, `412d`.
pub fn span_ms(ms: u64) -> String {
    let seconds = ms / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{minutes}m{:02}s", seconds % 60),
        3_600..86_400 => format!("{hours}h{:02}m", minutes % 60),
        86_400..8_640_000 => format!("{days}d{:02}h", hours % 24),
        _ => format!("{days}d"),
    }
}

/// Processor time as `ps` and `top` write it: `3:07.25`, then `2h14:03`.
pub fn cpu_time(ms: u64) -> String {
    let seconds = ms / 1_000;
    if seconds < 3_600 {
        format!("{}:{:02}.{:02}", seconds / 60, seconds % 60, ms % 1_000 / 10)
    } else {
        format!("{}h{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
    }
}

/// A number with thin groups of three: `150,000`.
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A point in time in UTC: `2026-11-23 03:36:13`. Behind the year 9999: `-`.
pub fn date(at: UnixMillis) -> String {
    if at > LAST {
        return "-".to_owned();
    }
    at.to_the_second().to_string().trim_end_matches('Z').replace('T', " ")
}

/// The time of day in UTC to the minute: `03:36`.
pub fn clock(at: UnixMillis) -> String {
    let minutes = at.0 / 60_000;
    format!("{:02}:{:02}", minutes / 60 % 24, minutes % 60)
}

/// What a process is doing, in one word.
pub const fn process_state(state: ProcessState) -> &'static str {
    match state {
        ProcessState::Running => "running",
        ProcessState::Sleeping => "sleeping",
        ProcessState::Uninterruptible => "uninterruptible",
        ProcessState::Stopped => "stopped",
        ProcessState::Zombie => "zombie",
        ProcessState::Idle => "idle",
        ProcessState::Unknown => "unknown",
    }
}

/// `1 node`, `3 nodes`, `2 copies`.
pub fn plural(number: usize, noun: &str) -> String {
    let (stem, ending) = match (number, noun) {
        (1, _) => (noun, ""),
        (_, noun) if noun.ends_with('s') || noun.ends_with("sh") => (noun, "es"),
        (_, noun) if noun.ends_with("py") || noun.ends_with("ry") => (&noun[..noun.len() - 1], "ies"),
        _ => (noun, "s"),
    };
    format!("{} {stem}{ending}", count(number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hostile_characters_are_written_out() {
        assert_eq!(clean("plain \u{43f}\u{440}"), "plain \u{43f}\u{440}");
        assert_eq!(clean("\x1b]0;x\x07\x1b[2J"), "^[]0;x^G^[[2J");
        assert_eq!(clean("a\u{202e}b\u{200b}"), "a<202e>b<200b>");
        assert_eq!(clean("\u{9b}31m\n\0"), "<9b>31m\\n^@");
    }

    #[test]
    fn a_huge_text_is_cut_with_a_mark() {
        let huge = "x".repeat(10_000_000);
        let shown = clean(&huge);
        assert!(shown.len() < TEXT_BYTES_MAX + 40);
        assert!(shown.ends_with("[cut, 10000000 bytes]"), "{}", &shown[shown.len() - 30..]);
    }

    #[test]
    fn wide_characters_are_never_split() {
        assert_eq!(head("日本語", 5), "日本");
        assert_eq!(fit("日本語", 5, "…"), "日本…");
        assert_eq!(fit("abc", 3, "…"), "abc");
        assert_eq!(fit("abcd", 1, "…"), "a");
        assert_eq!(head("👨‍👩‍👧x", 2), "👨‍👩‍👧");
        assert_eq!(tail_from("日本語", 2), "本語");
    }

    #[test]
    fn figures_stay_in_their_columns() {
        for value in [0, 1, 999, 1_000, 1_023, 10_188, 1 << 20, 999 << 20, u64::MAX] {
            assert!(bytes(value).len() <= 4, "{}", bytes(value));
        }
        for ms in [0, 59_999, 60_000, 3_599_999, 86_399_999, 86_400_000 * 99, 86_400_000 * 500] {
            assert!(span_ms(ms).len() <= 6, "{}", span_ms(ms));
        }
        assert_eq!(cpu(f32::NAN), "-");
        assert_eq!(cpu(12.5), "1250");
        assert_eq!(count(150_000), "150,000");
        assert_eq!(cpu_time(187_250), "3:07.25");
        assert_eq!(date(UnixMillis(u64::MAX)), "-");
        assert_eq!(date(LAST), "9999-12-31 23:59:59");
        assert_eq!(plural(1, "process"), "1 process");
        assert_eq!(plural(2, "process"), "2 processes");
    }
}
