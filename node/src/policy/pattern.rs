//! What the lists of a policy are made of: names of methods and paths of programs, each with stars.

use std::str::FromStr;

use p2p_shared::services;
use serde::{Deserialize, Serialize};

/// Longest path of a command, in bytes.
const PATH_BYTES_MAX: usize = 4_096;

/// `service.method`, `service.*` or `*`, of what this version has: a slip of the pen in `deny` would otherwise
/// allow what it was to stop.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MethodPattern(String);

impl MethodPattern {
    /// Whether it names this method.
    pub fn fits(&self, method: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(start) => method.starts_with(start),
            None => self.0 == method,
        }
    }
}

impl FromStr for MethodPattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let is_whole = !text.contains('*') || text == "*" || text.ends_with(".*");
        let pattern = Self(text.to_owned());
        if !is_whole || text.matches('*').count() > 1 {
            return Err(format!("{text:?}: write \"service.method\", \"service.*\" or \"*\""));
        }
        if services::methods().any(|method| pattern.fits(method.name)) {
            return Ok(pattern);
        }
        let names: Vec<&str> = services::ALL.iter().map(|service| service.name).collect();
        Err(format!("{text:?} names no method of this version; the services are {}", names.join(", ")))
    }
}

impl TryFrom<String> for MethodPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<MethodPattern> for String {
    fn from(pattern: MethodPattern) -> Self {
        pattern.0
    }
}

/// The absolute path of a program; `*` stands for any characters but `/`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommandPattern(String);

impl CommandPattern {
    /// Whether it names the program at `path`, which has to be plain: absolute, without `.`, `..` or `//`.
    pub fn fits(&self, path: &str) -> bool {
        is_plain(path) && {
            let (mut patterns, mut parts) = (self.0.split('/'), path.split('/'));
            loop {
                match (patterns.next(), parts.next()) {
                    (None, None) => return true,
                    (Some(pattern), Some(part)) if part_fits(pattern, part) => {}
                    _ => return false,
                }
            }
        }
    }
}

impl TryFrom<String> for CommandPattern {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if is_plain(&text) {
            return Ok(Self(text));
        }
        Err(format!("{text:?} is no absolute path such as \"/usr/bin/uptime\" or \"/opt/tools/*\""))
    }
}

impl From<CommandPattern> for String {
    fn from(pattern: CommandPattern) -> Self {
        pattern.0
    }
}

fn is_plain(path: &str) -> bool {
    let part = |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    path.len() <= PATH_BYTES_MAX && path.strip_prefix('/').is_some_and(|rest| rest.split('/').all(part))
}

/// One name against one pattern: the pieces between the stars, each at its first place.
fn part_fits(pattern: &str, part: &str) -> bool {
    let Some((first, rest)) = pattern.split_once('*') else { return pattern == part };
    let Some(mut left) = part.strip_prefix(first) else { return false };
    let (middle, last) = rest.rsplit_once('*').map_or((None, rest), |(middle, last)| (Some(middle), last));
    for piece in middle.into_iter().flat_map(|middle| middle.split('*')) {
        let Some(at) = left.find(piece) else { return false };
        left = &left[at + piece.len()..];
    }
    left.ends_with(last)
}
