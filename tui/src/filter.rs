//! The `/` language, one parser for every view: words, `!`, `~fuzzy`, `field:value`, `cpu>50`, `name=~regex`,
//! `and`, `or`, `not`, parentheses. Case is folded in any script.
//!
//! Text enters with the fields that the view offers; a tree that matches [`Record`]s leaves, or a mistake with
//! its position. Pure. Limits on length, depth and the size of a regex keep hostile or clumsy input cheap.

mod eval;
mod parse;

use std::borrow::Cow;

pub use eval::{contains_folded, fold};
pub use parse::Mistake;

/// Longest filter in bytes.
pub const TEXT_BYTES_MAX: usize = 1_024;

/// What kind of value a field has, and so what it may be compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// A plain number.
    Number,
    /// Bytes: `1g`, `300m`.
    Bytes,
    /// A share, compared in percent: `50` or `50%`.
    Percent,
    /// Seconds: `5m`, `2h`, `3d`.
    Span,
}

/// A field that a view offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// What one writes.
    pub name: &'static str,
    /// What it holds.
    pub kind: Kind,
    /// Whether a bare word looks there too.
    pub in_words: bool,
}

impl Field {
    /// A field that bare words look at too.
    pub const fn word(name: &'static str) -> Self {
        Self { name, kind: Kind::Text, in_words: true }
    }

    /// A field that only its name reaches.
    pub const fn of(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, in_words: false }
    }
}

/// A row, as a filter sees it. `field` is the place in the list that the filter was parsed with.
pub trait Record {
    /// The value as text.
    fn text(&self, field: usize) -> Cow<'_, str>;
    /// The value as a number, in the unit of its kind; `None` if it is unknown.
    fn number(&self, field: usize) -> Option<f64>;
}

/// A parsed filter.
#[derive(Clone, Debug)]
pub struct Filter {
    text: String,
    root: eval::Expr,
    fields: &'static [Field],
}

impl Filter {
    /// Parses `text` over the fields of a view; `Ok(None)` if there is nothing in it.
    pub fn parse(text: &str, fields: &'static [Field]) -> Result<Option<Self>, Mistake> {
        let root = parse::parse(text, fields)?;
        Ok(root.map(|root| Self { text: text.trim().to_owned(), root, fields }))
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Whether it asks for a span: that changes with the time alone.
    pub fn is_of_time(&self) -> bool {
        self.root.any_field(&|field| self.fields[field].kind == Kind::Span)
    }

    /// Whether a row passes.
    pub fn matches(&self, record: &impl Record) -> bool {
        eval::matches(&self.root, self.fields, record)
    }
}

#[cfg(test)]
mod tests;
