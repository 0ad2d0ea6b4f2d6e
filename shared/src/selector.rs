//! Selectors: a text that says which nodes are meant.
//!
//! `web-1,web-2` (comma is or, and binds tightest), globs `web-*`, labels `role=web`, `all` or `@all`, and
//! `and`, `or`, `not` with parentheses. Text of a person enters, a [`Selector`] or an error that says what
//! to write leaves; [`Selector::select`] applies one to members. Pure. An empty text is an error and never
//! means all; a name that nobody bears is told and never passed over in silence.

mod parse;

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::services::node::Member;

use crate::glob;

pub use parse::SelectorError;

/// Deepest nesting of parentheses and `not`.
pub const DEPTH_MAX: usize = 16;
/// Longest text, in bytes: five hundred full names and more.
pub const TEXT_BYTES_MAX: usize = 64 << 10;

/// A parsed selector.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selector(Expr);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Expr {
    All,
    /// One name or one id, without wildcards.
    Exactly(String),
    /// A name with wildcards.
    Like(String),
    /// A label whose value fits.
    Label {
        key: String,
        value: String,
    },
    Not(Box<Self>),
    And(Vec<Self>),
    Or(Vec<Self>),
}

/// What a selector means for the members that are known.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selection<'a> {
    /// The members that fit, in the order given.
    pub members: Vec<&'a Member>,
    /// Names and ids in the text that nobody bears, by name.
    pub unknown: Vec<&'a str>,
}

impl Selector {
    /// Whether one member is meant.
    pub fn fits(&self, member: &Member) -> bool {
        self.0.fits(member)
    }

    /// Everybody.
    pub const fn all() -> Self {
        Self(Expr::All)
    }

    /// The name (or whole id), if the text is exactly one and nothing else.
    pub fn literal(&self) -> Option<&str> {
        match &self.0 {
            Expr::Exactly(text) => Some(text),
            _ => None,
        }
    }

    /// Applies it. Nothing is asked and nobody is contacted.
    pub fn select<'a>(&'a self, members: &'a [Member]) -> Selection<'a> {
        let mut named = BTreeSet::new();
        self.0.names(&mut named);
        let known = |text: &str| members.iter().any(|member| is(member, text));
        Selection {
            members: members.iter().filter(|member| self.0.fits(member)).collect(),
            unknown: named.into_iter().filter(|text| !known(text)).collect(),
        }
    }
}

impl FromStr for Selector {
    type Err = SelectorError;

    fn from_str(text: &str) -> Result<Self, SelectorError> {
        parse::parse(text).map(Self)
    }
}

impl Expr {
    fn fits(&self, member: &Member) -> bool {
        match self {
            Self::All => true,
            Self::Exactly(text) => is(member, text),
            Self::Like(pattern) => like(pattern, member.name.as_str()),
            Self::Label { key, value } => {
                member.labels.iter().any(|label| label.key == *key && like(value, &label.value))
            }
            Self::Not(inner) => !inner.fits(member),
            Self::And(parts) => parts.iter().all(|part| part.fits(member)),
            Self::Or(parts) => parts.iter().any(|part| part.fits(member)),
        }
    }

    fn names<'a>(&'a self, found: &mut BTreeSet<&'a str>) {
        match self {
            Self::Exactly(text) => {
                found.insert(text);
            }
            Self::Not(inner) => inner.names(found),
            Self::And(parts) | Self::Or(parts) => parts.iter().for_each(|part| part.names(found)),
            Self::All | Self::Like(_) | Self::Label { .. } => {}
        }
    }
}

/// Whether a text without wildcards is the name of a member, or its whole id.
fn is(member: &Member, text: &str) -> bool {
    member.name.as_str() == text || (text.len() == 64 && member.id.to_string() == text)
}

fn like(pattern: &str, text: &str) -> bool {
    glob::matches(&pattern.chars().collect::<Vec<_>>(), text)
}

#[cfg(test)]
mod tests;
