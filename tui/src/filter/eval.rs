//! A filter's tree, and whether a row passes it.

use std::cell::RefCell;

use nucleo_matcher::pattern::{Atom, AtomKind, CaseMatching, Normalization};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use regex::Regex;

use super::{Field, Record};
use crate::glob;

/// A condition, or several.
#[derive(Clone, Debug)]
pub(super) enum Expr {
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Not(Box<Expr>),
    /// Any word field contains it; folded.
    Word(String),
    /// Any word field matches it fuzzily.
    Fuzzy(Atom),
    /// A field contains it (folded), or matches a glob.
    Has(usize, String),
    Glob(usize, Vec<char>),
    /// A field is it, folded.
    Is(usize, String),
    Regex(usize, Regex),
    Compare(usize, Order, f64),
}

impl Expr {
    /// Whether a field that is named in it passes a test.
    pub(super) fn any_field(&self, test: &dyn Fn(usize) -> bool) -> bool {
        match self {
            Self::And(parts) | Self::Or(parts) => parts.iter().any(|part| part.any_field(test)),
            Self::Not(inner) => inner.any_field(test),
            Self::Word(_) | Self::Fuzzy(_) => false,
            Self::Has(field, _)
            | Self::Glob(field, _)
            | Self::Is(field, _)
            | Self::Regex(field, _)
            | Self::Compare(field, ..) => test(*field),
        }
    }
}

/// How numbers are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Equal,
}

impl Order {
    fn holds(self, value: f64, wanted: f64) -> bool {
        match self {
            Self::Less => value < wanted,
            Self::LessEqual => value <= wanted,
            Self::Greater => value > wanted,
            Self::GreaterEqual => value >= wanted,
            // Figures are shown rounded: equal is what looks equal.
            Self::Equal => (value - wanted).abs() < 0.05,
        }
    }
}

pub(super) fn matches(expr: &Expr, fields: &[Field], record: &impl Record) -> bool {
    let any_word = |test: &mut dyn FnMut(&str) -> bool| {
        (0..fields.len()).filter(|&field| fields[field].in_words).any(|field| test(&record.text(field)))
    };
    match expr {
        Expr::And(all) => all.iter().all(|one| matches(one, fields, record)),
        Expr::Or(some) => some.iter().any(|one| matches(one, fields, record)),
        Expr::Not(inner) => !matches(inner, fields, record),
        Expr::Word(word) => any_word(&mut |text| contains_folded(text, word)),
        Expr::Fuzzy(atom) => any_word(&mut |text| fuzzy(atom, text)),
        Expr::Has(field, word) => contains_folded(&record.text(*field), word),
        Expr::Glob(field, pattern) => glob::matches(pattern, &fold(&record.text(*field))),
        Expr::Is(field, wanted) => fold(&record.text(*field)) == *wanted,
        Expr::Regex(field, regex) => regex.is_match(&record.text(*field)),
        Expr::Compare(field, order, wanted) => {
            record.number(*field).is_some_and(|value| order.holds(value, *wanted))
        }
    }
}

pub(super) fn fuzzy_atom(text: &str) -> Atom {
    Atom::new(text, CaseMatching::Ignore, Normalization::Smart, AtomKind::Fuzzy, false)
}

fn fuzzy(atom: &Atom, text: &str) -> bool {
    thread_local! {
        static MATCHER: RefCell<(Matcher, Vec<char>)> = RefCell::new((Matcher::new(Config::DEFAULT), Vec::new()));
    }
    MATCHER.with_borrow_mut(|(matcher, buffer)| {
        buffer.clear();
        atom.score(Utf32Str::new(text, buffer), matcher).is_some()
    })
}

/// The text in the form in which all cases of a letter are equal.
pub fn fold(text: &str) -> String {
    fn one(letter: char) -> impl Iterator<Item = char> {
        letter.to_lowercase().map(|letter| if letter == 'ς' { 'σ' } else { letter })
    }
    if text.is_ascii() { text.to_ascii_lowercase() } else { text.chars().flat_map(one).collect() }
}

/// Whether `text` contains `needle`, which is folded already.
pub fn contains_folded(text: &str, needle: &str) -> bool {
    if !text.is_ascii() {
        return fold(text).contains(needle);
    }
    let (text, needle) = (text.as_bytes(), needle.as_bytes());
    let Some((&first, rest)) = needle.split_first() else { return true };
    let Some(last_start) = text.len().checked_sub(needle.len()) else { return false };
    let starts = memchr::memchr2_iter(first, first.to_ascii_uppercase(), &text[..=last_start]);
    starts.map(|at| &text[at + 1..at + needle.len()]).any(|behind| behind.eq_ignore_ascii_case(rest))
}
