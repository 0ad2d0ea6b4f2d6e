//! Who is told of alerts: `[[alerts.receivers]]`, read, checked and made usable.
//!
//! Reads the files of secrets. A secret never stands in the configuration itself, nor in a message.

use std::path::PathBuf;

use axum::http::Uri;
use p2p_shared::config::{Document, Problem};
use serde::{Deserialize, Serialize};

use super::paths::Facts;
use crate::alerts::notify::core::group::Pace;
use crate::alerts::notify::core::outbox::Route;
use crate::alerts::notify::receiver::{Receiver, Way, Webhook, matcher};
use crate::alerts::notify::sign::SigningKey;

/// Most receivers.
const RECEIVERS_MAX: usize = 16;
/// Most matchers, labels to group by and words of a command, each.
const PARTS_MAX: usize = 32;
/// Longest URL, in bytes.
const URL_BYTES_MAX: usize = 2_048;
/// Longest name, in bytes.
const NAME_BYTES_MAX: usize = 32;

/// One receiver as it is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReceiverSettings {
    /// Its name: a-z, 0-9 and hyphens.
    name: String,
    /// Where to: http or https.
    #[serde(default)]
    url: Option<String>,
    /// The file of the secret that webhooks are signed with.
    #[serde(default)]
    secret_file: Option<PathBuf>,
    /// The file of CA certificates that it is believed by.
    #[serde(default)]
    ca_file: Option<PathBuf>,
    /// Whether it may be at a private address.
    #[serde(default)]
    allow_private: bool,
    /// A program and its arguments, instead of a URL.
    #[serde(default)]
    command: Vec<String>,
    /// Which alerts: all of them have to fit.
    #[serde(default)]
    matchers: Vec<String>,
    /// Alerts that agree in these labels are one message.
    #[serde(default = "by_name")]
    group_by: Vec<String>,
}

impl ReceiverSettings {
    /// Where the secret lies that it is signed for with.
    pub fn secret_file(&self) -> Option<&std::path::Path> {
        self.secret_file.as_deref()
    }
}

fn by_name() -> Vec<String> {
    vec!["alertname".to_owned()]
}

/// The receivers, and what is wrong with those that are none.
pub(super) fn receivers(
    settings: &[ReceiverSettings],
    facts: &Facts,
    problem: impl Fn(String) -> Problem,
) -> Result<Vec<Receiver>, Vec<Problem>> {
    if settings.len() > RECEIVERS_MAX {
        return Err(vec![problem(format!("there are {}, of at most {RECEIVERS_MAX}", settings.len()))]);
    }
    let mut problems = Vec::new();
    let mut receivers: Vec<Receiver> = Vec::new();
    for one in settings {
        match receiver(one, facts) {
            Ok(found) if receivers.iter().any(|other| other.route.receiver == one.name) => {
                problems.push(problem(format!("two are called {}", found.route.receiver)));
            }
            Ok(found) => receivers.push(found),
            Err(message) => problems.push(problem(format!("{:?}: {message}", one.name))),
        }
    }
    if problems.is_empty() { Ok(receivers) } else { Err(problems) }
}

fn receiver(settings: &ReceiverSettings, facts: &Facts) -> Result<Receiver, String> {
    let ReceiverSettings { name, command, matchers, group_by, .. } = settings;
    let is_letter = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
    if name.is_empty() || name.len() > NAME_BYTES_MAX || !name.chars().all(is_letter) {
        return Err(format!("name is to be 1 to {NAME_BYTES_MAX} of a-z, 0-9 and hyphens"));
    }
    if [command.len(), matchers.len(), group_by.len()].into_iter().any(|count| count > PARTS_MAX) {
        return Err(format!("command, matchers and group_by have at most {PARTS_MAX} parts each"));
    }
    let way = match (&settings.url, command.first()) {
        (Some(url), None) => Way::Webhook(Box::new(webhook(url, settings, facts)?)),
        (None, Some(program)) if program.starts_with('/') => Way::Command(command.clone()),
        (None, Some(program)) => {
            return Err(format!("command: {program:?} is to be the whole path of a program"));
        }
        (Some(_), Some(_)) => return Err("give a url or a command, not both".into()),
        (None, None) => return Err("give a url or a command".into()),
    };
    let matchers = matchers.iter().map(|text| matcher(text)).collect::<Result<_, String>>()?;
    let route = Route { receiver: name.clone(), matchers, group_by: group_by.clone(), pace: Pace::default() };
    Ok(Receiver { route, way })
}

fn webhook(text: &str, settings: &ReceiverSettings, facts: &Facts) -> Result<Webhook, String> {
    let bad = |words: &str| format!("url: {words}");
    if text.len() > URL_BYTES_MAX || text.contains('#') {
        return Err(bad(&format!("it has at most {URL_BYTES_MAX} bytes, and no #, which no server is sent")));
    }
    let url: Uri = text.parse().map_err(|error| bad(&format!("{text:?} is none: {error}")))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err(bad(&format!("{text:?} is to begin with https:// or http:// and a host")));
    }
    // The text would show the password it may hold.
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        return Err(bad("no user and password in it, please: whoever sees the configuration sees them"));
    }
    let key = settings.secret_file.as_ref().map(|path| key(path, facts)).transpose()?;
    Ok(Webhook { url, key, allow_private: settings.allow_private, ca_file: settings.ca_file.clone() })
}

fn key(path: &std::path::Path, facts: &Facts) -> Result<SigningKey, String> {
    let path = facts.cwd.join(path);
    let document = Document::read(&path, facts.uid).map_err(|problem| format!("secret_file: {problem}"))?;
    let Some(document) = document else {
        return Err(format!("secret_file: {}: no such file", path.display()));
    };
    if document.open_to_others() {
        return Err(format!("secret_file: others can read it: chmod 600 {}", path.display()));
    }
    SigningKey::new(document.text().trim_end())
        .map_err(|words| format!("secret_file: {}: {words}", path.display()))
}
