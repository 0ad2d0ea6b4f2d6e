//! What is asked of the journal, judged and written as arguments. Pure.

use std::ffi::OsString;

use p2p_shared::time::UnixMillis;

use super::JournalError;
use crate::host::systemd::name::UnitName;

/// Longest pattern, identifier or cursor, in bytes.
const TEXT_BYTES_MAX: usize = 1_024;
/// Gravest to least grave.
const PRIORITY_MAX: u8 = 7;

/// Which entries are meant; everything that is `Some` has to fit.
#[derive(Clone, Debug, Default)]
pub struct Question {
    /// An exact name.
    pub unit: Option<String>,
    /// What the program calls itself.
    pub identifier: Option<String>,
    /// That or graver.
    pub priority: Option<u8>,
    /// Not before.
    pub since: Option<UnixMillis>,
    /// Not after.
    pub until: Option<UnixMillis>,
    /// Stands in the message.
    pub text: Option<String>,
    /// Fits the message (PCRE2).
    pub regex: Option<String>,
    /// Of one boot: 0, -1, ... or an id.
    pub boot: Option<String>,
    /// Past this entry.
    pub cursor: Option<String>,
}

impl Question {
    /// Judges it: what comes of it can be given to `journalctl`.
    ///
    /// # Errors
    /// [`JournalError::Invalid`] says what is wrong.
    pub fn judged(mut self) -> Result<Self, JournalError> {
        let invalid = |words: &str| Err(JournalError::Invalid(words.to_owned()));
        if let Some(unit) = &self.unit {
            let name = UnitName::new(unit).map_err(|error| JournalError::Invalid(error.to_string()))?;
            self.unit = Some(name.to_string());
        }
        if self.priority.is_some_and(|priority| priority > PRIORITY_MAX) {
            return invalid("a priority is 0 (emergency) to 7 (debug)");
        }
        if self.text.is_some() && self.regex.is_some() {
            return invalid("text and regex cannot both be asked for");
        }
        for text in [&self.identifier, &self.text, &self.regex].into_iter().flatten() {
            if text.is_empty() || text.len() > TEXT_BYTES_MAX || text.contains(['\0', '\n']) {
                return invalid("identifier, text and regex are 1 to 1,024 bytes on one line");
            }
        }
        let in_cursor = |byte: u8| byte.is_ascii_alphanumeric() || b"=;_-".contains(&byte);
        if let Some(cursor) = &self.cursor
            && (cursor.is_empty() || cursor.len() > TEXT_BYTES_MAX || !cursor.bytes().all(in_cursor))
        {
            return invalid("that is no cursor of a journal: take one from an entry as it is");
        }
        if let Some(boot) = &self.boot {
            let is_id = boot.len() == 32 && boot.bytes().all(|byte| byte.is_ascii_hexdigit());
            if !is_id && boot.parse::<i32>().is_err() {
                return invalid("a boot is 0 for this one, -1 for the one before, or an id of 32 hex digits");
            }
        }
        Ok(self)
    }

    /// The arguments, each with its value in one item, so that no value can be read as an option.
    pub(super) fn arguments(&self) -> Vec<OsString> {
        let mut arguments: Vec<OsString> =
            ["--output=json", "--no-pager", "--quiet", "--all"].map(OsString::from).into();
        let mut add = |name: &str, value: Option<String>| {
            arguments.extend(value.map(|value| OsString::from(format!("--{name}={value}"))));
        };
        add("unit", self.unit.clone());
        add("identifier", self.identifier.clone());
        // One value is a greatest one: 0 to it.
        add("priority", self.priority.map(|priority| format!("0..{priority}")));
        add("since", self.since.map(stamp));
        add("until", self.until.map(stamp));
        add("grep", self.regex.clone().or_else(|| self.text.as_deref().map(literal)));
        add("boot", self.boot.clone());
        add("after-cursor", self.cursor.clone());
        arguments
    }
}

fn stamp(at: UnixMillis) -> String {
    format!("@{}.{:03}", at.0 / 1_000, at.0 % 1_000)
}

/// A pattern that fits exactly this text.
fn literal(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len() * 2);
    for letter in text.chars() {
        if letter.is_ascii_punctuation() {
            pattern.push('\\');
        }
        pattern.push(letter);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    fn some(text: &str) -> Option<String> {
        Some(text.to_owned())
    }

    #[test]
    fn every_value_is_one_argument() {
        let question = Question {
            unit: some("nginx"),
            identifier: some("--flush"),
            priority: Some(3),
            since: Some(UnixMillis(1_500)),
            text: some("a.b $(x)"),
            cursor: some("s=1;i=2"),
            boot: some("-1"),
            ..Question::default()
        };
        let expected = [
            "--output=json",
            "--no-pager",
            "--quiet",
            "--all",
            "--unit=nginx.service",
            "--identifier=--flush",
            "--priority=0..3",
            "--since=@1.500",
            "--grep=a\\.b \\$\\(x\\)",
            "--boot=-1",
            "--after-cursor=s=1;i=2",
        ];
        assert_eq!(question.judged().unwrap().arguments(), expected);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        let question = Question::default;
        for bad in [
            Question { unit: some("ng*"), ..question() },
            Question { priority: Some(8), ..question() },
            Question { text: some("a"), regex: some("b"), ..question() },
            Question { text: some(""), ..question() },
            Question { regex: some("a\0"), ..question() },
            Question { cursor: some("s=1 --flush"), ..question() },
            Question { boot: some("yesterday"), ..question() },
        ] {
            assert!(matches!(bad.clone().judged(), Err(JournalError::Invalid(_))), "{bad:?}");
        }
    }
}
