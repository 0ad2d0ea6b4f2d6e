//! Who is told, as it is configured and as it is used.

use std::path::PathBuf;

use axum::http::Uri;

use super::core::outbox::Route;
use super::sign::SigningKey;
use crate::alerts::core::rule::{How, Matcher};

/// A receiver that can be used.
#[derive(Clone, Debug)]
pub struct Receiver {
    /// Its name, and what it is told.
    pub route: Route,
    /// How it is told.
    pub way: Way,
}

/// How somebody is told.
#[derive(Clone, Debug)]
pub enum Way {
    /// By HTTP.
    Webhook(Box<Webhook>),
    /// By a program of this machine, which reads the same body from its standard input.
    Command(Vec<String>),
}

/// A receiver of webhooks.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Where.
    pub url: Uri,
    /// What it is signed with; `None`: it is not.
    pub key: Option<SigningKey>,
    /// Whether it may be at an address that is private to a network or machine.
    pub allow_private: bool,
    /// The file of certificates that it is believed by; `None` for the system's.
    pub ca_file: Option<PathBuf>,
}

/// Reads `LABEL=VALUE`, `LABEL!=VALUE`, `LABEL=~REGEX` or `LABEL!~REGEX`; the value may stand in quotes.
///
/// # Errors
/// What is wrong with it.
pub fn matcher(text: &str) -> Result<Matcher, String> {
    let is_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let end = text.find(|letter| !is_name(letter)).unwrap_or(text.len());
    let (label, rest) = text.split_at(end);
    let ways = [("=~", How::Fits), ("!~", How::FitsNot), ("!=", How::IsNot), ("=", How::Is)];
    let found = ways.iter().find_map(|(sign, how)| Some((*how, rest.strip_prefix(sign)?)));
    let Some((how, value)) = found.filter(|_| !label.is_empty()) else {
        return Err(format!(
            "{text:?} is no matcher: write label=value, label!=value, label=~regex or label!~regex"
        ));
    };
    let quoted = value.strip_prefix('"').and_then(|value| value.strip_suffix('"'));
    Matcher::new(label, how, quoted.unwrap_or(value)).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matchers_are_read_and_what_is_none_is_told() {
        let labels = [("severity".to_owned(), "critical".to_owned())].into();
        for (text, fits) in [
            ("severity=critical", true),
            ("severity=\"critical\"", true),
            ("severity!=critical", false),
            ("severity=~crit.*|warning", true),
            ("severity!~crit.*", false),
            ("team=", true),
        ] {
            assert_eq!(matcher(text).unwrap().fits(&labels), fits, "{text}");
        }
        for text in ["", "severity", "=critical", "severity~x", "sever ity=x", "severity=~("] {
            assert!(matcher(text).is_err(), "{text}");
        }
    }
}
