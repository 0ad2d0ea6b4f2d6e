//! What a rule is: an expression over one figure, how long it has to hold, and what is said then.

use std::collections::BTreeMap;
use std::fmt;

use p2p_shared::time::Millis;
use regex::{Regex, RegexBuilder};
use serde::{Deserialize, Serialize};

/// Largest compiled expression of a matcher.
const REGEX_BYTES_MAX: usize = 64 << 10;

/// Labels by name.
pub type Labels = BTreeMap<String, String>;

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// Its name, which no other rule has.
    pub name: String,
    /// When it holds.
    pub expression: Expression,
    /// How grave it is.
    pub severity: Severity,
    /// Labels of every alert of it, beside those of the figure.
    pub labels: Labels,
    /// What is different for some figures; the first that fits counts.
    pub overrides: Vec<Override>,
    /// What is said of an alert, with `{LABEL}` and `{value}` in it; empty for the expression itself.
    pub summary: String,
    /// Whether its alerts leave the node.
    pub telling: Telling,
}

/// Whether alerts leave the node.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Telling {
    /// They are told to whoever the node tells alerts.
    #[default]
    Told,
    /// They are shown, and nobody is told.
    Shown,
}

/// How grave an alert is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Severity {
    /// Good to know.
    Info,
    /// Somebody should look.
    Warning,
    /// Somebody must act now.
    Critical,
}

/// `METRIC{MATCHERS} OP THRESHOLD until CLEAR for SPAN`.
#[derive(Clone, Debug, PartialEq)]
pub struct Expression {
    /// The figure's name, without labels.
    pub metric: String,
    /// What its labels have to be, all of them.
    pub matchers: Vec<Matcher>,
    /// How it is compared.
    pub op: Op,
    /// With what.
    pub limits: Limits,
}

/// With what a figure is compared, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// An alert begins when the figure is on the wrong side of this.
    pub threshold: f64,
    /// It ends when the figure is on the right side of this (hysteresis); the threshold if it is `None`.
    pub until: Option<f64>,
    /// How long the figure has to be on the wrong side.
    pub hold: Millis,
}

/// A comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
}

/// Other limits and another severity for some figures.
#[derive(Clone, Debug, PartialEq)]
pub struct Override {
    /// For those whose labels fit.
    pub matchers: Vec<Matcher>,
    /// Their limits.
    pub limits: Limits,
    /// Their severity.
    pub severity: Severity,
}

/// What one label has to be. A label that is not there is empty.
#[derive(Clone, Debug)]
pub struct Matcher {
    /// Which label.
    pub label: String,
    /// How it is compared.
    pub how: How,
    /// With what.
    pub value: String,
    regex: Option<Regex>,
}

/// How a label is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum How {
    /// `=`
    Is,
    /// `!=`
    IsNot,
    /// `=~`: the whole of it fits a regular expression.
    Fits,
    /// `!~`
    FitsNot,
}

/// Why something is no rule.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// A regular expression.
    #[error("{value:?} is no regular expression: {detail}")]
    Regex {
        /// What was written.
        value: String,
        /// What is wrong with it.
        detail: String,
    },
    /// Hysteresis that would never end an alert, or end it at once.
    #[error("`until` must lie where the figure is well again: for {op} it is {side} the threshold")]
    Until {
        /// The comparison.
        op: Op,
        /// Where it should be.
        side: &'static str,
    },
}

impl Matcher {
    /// A matcher.
    ///
    /// # Errors
    /// [`RuleError::Regex`] if the value is none, or too large.
    pub fn new(label: &str, how: How, value: &str) -> Result<Self, RuleError> {
        let regex = match how {
            How::Is | How::IsNot => None,
            How::Fits | How::FitsNot => {
                let mut builder = RegexBuilder::new(&format!("^(?:{value})$"));
                let built = builder.size_limit(REGEX_BYTES_MAX).dfa_size_limit(REGEX_BYTES_MAX).build();
                let detail = |error: regex::Error| {
                    // The last line of it says what is wrong, those before show where in our longer text.
                    error
                        .to_string()
                        .lines()
                        .last()
                        .unwrap_or_default()
                        .trim_start_matches("error: ")
                        .to_owned()
                };
                let failed = |error| RuleError::Regex { value: value.to_owned(), detail: detail(error) };
                Some(built.map_err(failed)?)
            }
        };
        Ok(Self { label: label.to_owned(), how, value: value.to_owned(), regex })
    }

    /// Whether labels fit.
    pub fn fits(&self, labels: &Labels) -> bool {
        let found = labels.get(&self.label).map_or("", String::as_str);
        let fits_regex = || self.regex.as_ref().is_some_and(|regex| regex.is_match(found));
        match self.how {
            How::Is => found == self.value,
            How::IsNot => found != self.value,
            How::Fits => fits_regex(),
            How::FitsNot => !fits_regex(),
        }
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        (&self.label, self.how, &self.value) == (&other.label, other.how, &other.value)
    }
}

impl Limits {
    /// The same, if an alert under `op` can both begin and end.
    ///
    /// # Errors
    /// [`RuleError::Until`] if it cannot.
    pub fn check(self, op: Op) -> Result<Self, RuleError> {
        let Some(until) = self.until else { return Ok(self) };
        let (is_well, side) = match op {
            Op::Greater | Op::GreaterOrEqual => (until <= self.threshold, "at most"),
            Op::Less | Op::LessOrEqual => (until >= self.threshold, "at least"),
            Op::Equal | Op::NotEqual => (false, "not allowed beside"),
        };
        if is_well { Ok(self) } else { Err(RuleError::Until { op, side }) }
    }
}

impl Op {
    /// Whether a figure is on the wrong side.
    pub fn holds(self, value: f64, threshold: f64) -> bool {
        match self {
            Self::Greater => value > threshold,
            Self::GreaterOrEqual => value >= threshold,
            Self::Less => value < threshold,
            Self::LessOrEqual => value <= threshold,
            Self::Equal => value == threshold,
            Self::NotEqual => value != threshold,
        }
    }
}

impl Rule {
    /// Whether it is about a figure of this name and these labels.
    pub fn is_about(&self, metric: &str, labels: &Labels) -> bool {
        self.expression.metric == metric
            && self.expression.matchers.iter().all(|matcher| matcher.fits(labels))
    }

    /// Whether an alert of it would be one of `other` too: the figures and the labels are the same.
    pub fn is_of(&self, other: &Self) -> bool {
        self.name == other.name
            && self.labels == other.labels
            && self.expression.metric == other.expression.metric
            && self.expression.matchers == other.expression.matchers
            && self.expression.op == other.expression.op
    }

    /// Whether a figure is on the wrong side.
    pub fn is_wrong(&self, value: f64, labels: &Labels) -> bool {
        self.expression.op.holds(value, self.limits(labels).0.threshold)
    }

    /// The limits and the severity for a figure with these labels.
    pub fn limits(&self, labels: &Labels) -> (Limits, Severity) {
        let fits = |other: &&Override| other.matchers.iter().all(|matcher| matcher.fits(labels));
        let other = self.overrides.iter().find(fits);
        other.map_or((self.expression.limits, self.severity), |other| (other.limits, other.severity))
    }
}

impl Severity {
    /// The word for it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        }
    }
}

impl std::str::FromStr for Severity {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        [Self::Info, Self::Warning, Self::Critical].into_iter().find(|one| one.as_str() == text).ok_or(())
    }
}

impl fmt::Display for Op {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Equal => "==",
            Self::NotEqual => "!=",
        })
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Is => "=",
            Self::IsNot => "!=",
            Self::Fits => "=~",
            Self::FitsNot => "!~",
        })
    }
}

impl fmt::Display for Matcher {
    /// As it is written.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
        write!(f, "{}{}\"{value}\"", self.label, self.how)
    }
}

impl fmt::Display for Expression {
    /// As it is written; reading it gives the same expression.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.metric)?;
        for (index, matcher) in self.matchers.iter().enumerate() {
            let before = if index == 0 { "{" } else { ", " };
            write!(f, "{before}{matcher}")?;
        }
        if !self.matchers.is_empty() {
            f.write_str("}")?;
        }
        write!(f, " {} {}", self.op, self.limits.threshold)?;
        if let Some(until) = self.limits.until {
            write!(f, " until {until}")?;
        }
        let units = [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s"), (1, "ms")];
        match (self.limits.hold.0, units.iter().find(|(unit, _)| self.limits.hold.0.is_multiple_of(*unit))) {
            (0, _) | (_, None) => Ok(()),
            (ms, Some((unit, word))) => write!(f, " for {}{word}", ms / unit),
        }
    }
}

impl Override {
    /// In one line: for whom, and what is different.
    pub fn words(&self, rule: &Rule) -> String {
        let matchers: Vec<String> = self.matchers.iter().map(ToString::to_string).collect();
        let when = Expression { matchers: Vec::new(), limits: self.limits, ..rule.expression.clone() };
        format!("{}: {when}, {}", matchers.join(", "), self.severity.as_str())
    }
}

impl fmt::Display for Rule {
    /// All of it in one line, so that rules with the same line are the same rule.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {}", self.expression, self.severity.as_str())?;
        for (name, value) in &self.labels {
            write!(f, ", {name}={value:?}")?;
        }
        if !self.summary.is_empty() {
            write!(f, ", {:?}", self.summary)?;
        }
        if self.telling == Telling::Shown {
            f.write_str(", told to nobody")?;
        }
        for other in &self.overrides {
            write!(f, "; {}", other.words(self))?;
        }
        Ok(())
    }
}
