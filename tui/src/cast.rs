//! The lines of a recording (asciicast v2), and how long to wait before each. Pure.
//!
//! Whatever else a line holds is passed over: what was typed, marks, and what newer recorders write.

use std::time::Duration;

use serde::Deserialize;

/// Longer pauses are cut to this.
pub const PAUSE_MAX: Duration = Duration::from_secs(2);

/// The first line.
#[derive(Debug, Deserialize)]
pub struct Header {
    /// Characters of a line of the terminal.
    pub width: u16,
    /// Its lines.
    pub height: u16,
    /// What ran.
    #[serde(default)]
    pub title: String,
}

/// What another line says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Happened {
    /// This was written.
    Output(String),
    /// The terminal has these columns and rows now.
    Resize(u16, u16),
}

/// The first line of a recording; `None` if it is none.
pub fn header(line: &str) -> Option<Header> {
    serde_json::from_str(line).ok()
}

/// What a line says, and how long after the beginning it happened.
pub fn moment(line: &str) -> Option<(Duration, Happened)> {
    let (at, kind, text): (f64, String, String) = serde_json::from_str(line).ok()?;
    let at = Duration::try_from_secs_f64(at).ok()?;
    let happened = match kind.as_str() {
        "o" => Happened::Output(text),
        "r" => {
            let (columns, rows) = text.split_once('x')?;
            Happened::Resize(columns.parse().ok()?, rows.parse().ok()?)
        }
        _ => return None,
    };
    Some((at, happened))
}

/// How long to wait for what happened at `at` when everything up to `shown` is shown.
pub fn pause(shown: Duration, at: Duration) -> Duration {
    at.saturating_sub(shown).min(PAUSE_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_shown_and_resized_is_told_and_nothing_else() {
        let at = Duration::from_millis(1_500);
        assert_eq!(moment(r#"[1.5, "o", "a\u001b"]"#), Some((at, Happened::Output("a\u{1b}".into()))));
        assert_eq!(moment(r#"[1.5, "r", "80x24"]"#), Some((at, Happened::Resize(80, 24))));
        let nothing = [
            r#"[1.5, "i", "secret"]"#,
            r#"[1.5, "r", "80"]"#,
            r#"[1.5, "r", "99999x1"]"#,
            r#"[-1, "o", "x"]"#,
            "{}",
            "",
            r#"{"version": 2}"#,
        ];
        for line in nothing {
            assert_eq!(moment(line), None, "{line}");
        }
    }

    #[test]
    fn long_pauses_are_cut_and_none_is_negative() {
        let pause = |shown, at| pause(Duration::from_millis(shown), Duration::from_millis(at)).as_millis();
        assert_eq!(
            [pause(0, 500), pause(500, 600), pause(600, 60_600), pause(600, 500)],
            [500, 100, 2_000, 0]
        );
    }
}
