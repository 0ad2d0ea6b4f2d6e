//! A file of rules, in TOML: each rule is taken or refused by itself.
//!
//! Text enters; rules and mistakes with their lines and columns leave. A rule with a mistake does not stop the
//! others; a text that is no TOML has no rules at all.

use std::collections::BTreeSet;
use std::ops::Range;

use p2p_shared::time::Millis;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::alert::NAME_LABEL;
use super::catalogue;
use super::rule::{Expression, Labels, Limits, Matcher, Override, Rule, Severity, Telling};
use super::text::{self, HOLD_MAX, Mistake};

/// Longest file, in bytes.
pub const FILE_BYTES_MAX: usize = 256 << 10;
/// Most rules of a file.
pub const RULES_MAX: usize = 500;
/// Most exceptions of a rule.
const EXCEPTIONS_MAX: usize = 64;
/// Most labels of a rule.
const LABELS_MAX: usize = 16;
/// Longest name of a rule or a label, in bytes.
const NAME_BYTES_MAX: usize = 64;
/// Longest other text, in bytes.
const WORDS_BYTES_MAX: usize = 512;
/// The label that holds how grave an alert is, for who is told.
pub const SEVERITY_LABEL: &str = "severity";
const KEYS: &str = "name, when, severity, summary, labels, notify, except, off";
const EXCEPT_KEYS: &str = "where, threshold, until, for, severity";

/// What a file says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RuleFile {
    /// Its rules, in their order.
    pub rules: Vec<FileRule>,
    /// What is wrong with it.
    pub mistakes: Vec<Mistake>,
    /// It could not be read at all: `rules` is empty because of that.
    pub is_broken: bool,
}

/// One rule of a file.
#[derive(Clone, Debug, PartialEq)]
pub enum FileRule {
    /// A rule.
    On(Box<Rule>),
    /// There is no rule of this name, whatever stands below this file.
    Off(String),
}

impl FileRule {
    /// Its name.
    pub fn name(&self) -> &str {
        match self {
            Self::On(rule) => &rule.name,
            Self::Off(name) => name,
        }
    }
}

type Value<'t> = Spanned<DeValue<'t>>;

/// Reads a file.
pub fn read(text: &str) -> RuleFile {
    let broken = |mistake| RuleFile { mistakes: vec![mistake], is_broken: true, ..RuleFile::default() };
    if text.len() > FILE_BYTES_MAX {
        return broken(Mistake::at(text, 0, format!("a file of rules has at most {FILE_BYTES_MAX} bytes")));
    }
    let table = match DeTable::parse(text) {
        Ok(table) => table,
        Err(error) => {
            let message = error.message().lines().collect::<Vec<_>>().join(", ");
            return broken(Mistake::at(text, error.span().map_or(0, |span| span.start), message));
        }
    };
    let reader = Reader { text };
    let mut file = RuleFile::default();
    let mut names = BTreeSet::new();
    for (key, value) in table.get_ref() {
        match (key.get_ref().as_ref(), value.get_ref()) {
            ("rule", DeValue::Array(rules)) => {
                for value in rules.iter() {
                    match reader.rule(value).and_then(|rule| reader.take(rule, value, &mut names)) {
                        Ok(rule) => file.rules.push(rule),
                        Err(mistake) => file.mistakes.push(mistake),
                    }
                }
            }
            ("rule", _) => file.mistakes.push(reader.at(&key.span(), "write [[rule]] above each rule")),
            _ => file.mistakes.push(reader.at(&key.span(), "a file of rules has only [[rule]]")),
        }
    }
    file.mistakes.sort_by_key(|mistake| mistake.offset);
    file
}

struct Reader<'t> {
    text: &'t str,
}

impl Reader<'_> {
    fn at(&self, span: &Range<usize>, message: impl Into<String>) -> Mistake {
        Mistake::at(self.text, span.start, message)
    }

    fn take(
        &self,
        rule: FileRule,
        at: &Value<'_>,
        names: &mut BTreeSet<String>,
    ) -> Result<FileRule, Mistake> {
        if names.len() >= RULES_MAX {
            return Err(self.at(&at.span(), format!("a file has at most {RULES_MAX} rules")));
        }
        if !names.insert(rule.name().to_owned()) {
            return Err(self.at(&at.span(), format!("there is a rule {} above already", rule.name())));
        }
        Ok(rule)
    }

    fn rule(&self, value: &Value<'_>) -> Result<FileRule, Mistake> {
        let table = self.table(value)?;
        let name = table.get("name").ok_or_else(|| self.at(&value.span(), "a rule needs a name"))?;
        let name = self.name(name)?;
        let (mut when, mut exceptions, mut is_off) = (None, None, false);
        let (mut severity, mut telling) = (Severity::Warning, Telling::Told);
        let (mut summary, mut labels) = (String::new(), Labels::new());
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "name" => {}
                "off" => is_off = self.boolean(value)?,
                "when" => when = Some(self.expression(value)?),
                "severity" => severity = self.severity(value)?,
                "summary" => summary = self.words(value)?,
                "labels" => labels = self.labels(value)?,
                "notify" => telling = if self.boolean(value)? { Telling::Told } else { Telling::Shown },
                "except" => exceptions = Some(value),
                _ => return Err(self.unknown(&key.span(), KEYS)),
            }
        }
        if is_off {
            return Ok(FileRule::Off(name));
        }
        let what = "a rule needs `when`, such as when = \"load1 > 8 for 5m\"";
        let expression = when.ok_or_else(|| self.at(&value.span(), what))?;
        let mut rule = Rule { name, expression, severity, labels, overrides: Vec::new(), summary, telling };
        if let Some(exceptions) = exceptions {
            rule.overrides = self.exceptions(exceptions, &rule)?;
        }
        Ok(FileRule::On(Box::new(rule)))
    }

    fn expression(&self, value: &Value<'_>) -> Result<Expression, Mistake> {
        let expression = self.inner(value, text::parse)?;
        catalogue::check(&expression).map_err(|words| self.at(&value.span(), words))?;
        Ok(expression)
    }

    fn exceptions(&self, value: &Value<'_>, rule: &Rule) -> Result<Vec<Override>, Mistake> {
        let DeValue::Array(all) = value.get_ref() else {
            return Err(self.at(&value.span(), "write [[rule.except]] above each exception"));
        };
        if all.len() > EXCEPTIONS_MAX {
            return Err(self.at(&value.span(), format!("a rule has at most {EXCEPTIONS_MAX} exceptions")));
        }
        all.iter().map(|value| self.exception(value, rule)).collect()
    }

    fn exception(&self, value: &Value<'_>, rule: &Rule) -> Result<Override, Mistake> {
        let table = self.table(value)?;
        let mut matchers: Option<Vec<Matcher>> = None;
        let (mut threshold, mut until, mut hold) = (None, None, None);
        let mut severity = rule.severity;
        for (key, value) in table {
            match key.get_ref().as_ref() {
                "where" => {
                    let read = self.inner(value, text::parse_matchers)?;
                    let of_rule = Expression { matchers: read.clone(), ..rule.expression.clone() };
                    catalogue::check_labels(&of_rule).map_err(|words| self.at(&value.span(), words))?;
                    matchers = Some(read);
                }
                "threshold" => threshold = Some(self.number(value)?),
                "until" => until = Some(self.number(value)?),
                "for" => hold = Some(self.span(value)?),
                "severity" => severity = self.severity(value)?,
                _ => return Err(self.unknown(&key.span(), EXCEPT_KEYS)),
            }
        }
        let what = "an exception needs `where`, such as where = 'mountpoint=\"/srv\"'";
        let matchers = matchers.ok_or_else(|| self.at(&value.span(), what))?;
        let usual = rule.expression.limits;
        // The usual hysteresis says nothing about another threshold.
        let until = until.or(if threshold.is_none() { usual.until } else { None });
        let hold = hold.unwrap_or(usual.hold);
        let limits = Limits { threshold: threshold.unwrap_or(usual.threshold), until, hold };
        let checked = limits.check(rule.expression.op);
        let limits = checked.map_err(|error| self.at(&value.span(), error.to_string()))?;
        Ok(Override { matchers, limits, severity })
    }

    fn unknown(&self, span: &Range<usize>, known: &str) -> Mistake {
        self.at(span, format!("unknown key; there are {known}"))
    }

    fn table<'v, 't>(&self, value: &'v Value<'t>) -> Result<&'v DeTable<'t>, Mistake> {
        match value.get_ref() {
            DeValue::Table(table) => Ok(table),
            _ => Err(self.at(&value.span(), "expected a table")),
        }
    }

    fn string<'v>(&self, value: &'v Value<'_>) -> Result<&'v str, Mistake> {
        match value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref()),
            _ => Err(self.at(&value.span(), "expected a text in quotes")),
        }
    }

    fn boolean(&self, value: &Value<'_>) -> Result<bool, Mistake> {
        match value.get_ref() {
            DeValue::Boolean(is_set) => Ok(*is_set),
            _ => Err(self.at(&value.span(), "expected true or false")),
        }
    }

    fn number(&self, value: &Value<'_>) -> Result<f64, Mistake> {
        let text = match value.get_ref() {
            DeValue::Integer(number) if number.radix() == 10 => number.as_str(),
            DeValue::Float(number) => number.as_str(),
            _ => return Err(self.at(&value.span(), "expected a number")),
        };
        let number = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| self.at(&value.span(), "expected a number"))
    }

    fn words(&self, value: &Value<'_>) -> Result<String, Mistake> {
        let text = self.string(value)?;
        if text.len() > WORDS_BYTES_MAX {
            return Err(self.at(&value.span(), format!("it has at most {WORDS_BYTES_MAX} bytes")));
        }
        Ok(text.to_owned())
    }

    fn name(&self, value: &Value<'_>) -> Result<String, Mistake> {
        let text = self.string(value)?;
        if is_name(text) {
            return Ok(text.to_owned());
        }
        let what = "a name is letters, digits, _ and -, beginning with a letter, 64 at most";
        Err(self.at(&value.span(), what))
    }

    fn severity(&self, value: &Value<'_>) -> Result<Severity, Mistake> {
        let failed = |()| self.at(&value.span(), "severity is info, warning or critical");
        self.string(value)?.parse().map_err(failed)
    }

    fn span(&self, value: &Value<'_>) -> Result<Millis, Mistake> {
        let span = text::parse_span(self.string(value)?).filter(|span| *span <= HOLD_MAX);
        span.ok_or_else(|| self.at(&value.span(), "expected a span such as 30s, 5m, 2h or 1d, 30d at most"))
    }

    fn labels(&self, value: &Value<'_>) -> Result<Labels, Mistake> {
        let table = self.table(value)?;
        if table.len() > LABELS_MAX {
            return Err(self.at(&value.span(), format!("a rule has at most {LABELS_MAX} labels")));
        }
        let mut labels = Labels::new();
        for (name, value) in table {
            let text = name.get_ref().as_ref();
            if !is_name(text) || text.contains('-') || [NAME_LABEL, SEVERITY_LABEL].contains(&text) {
                let what = "a label is letters, digits and _, and neither alertname nor severity";
                return Err(self.at(&name.span(), what));
            }
            labels.insert(text.to_owned(), self.words(value)?);
        }
        Ok(labels)
    }

    /// Reads a text that has a form of its own; a mistake in it is told by its place in the file.
    fn inner<T>(
        &self,
        value: &Value<'_>,
        parse: impl FnOnce(&str) -> Result<T, Mistake>,
    ) -> Result<T, Mistake> {
        parse(self.string(value)?).map_err(|mistake| {
            let span = value.span();
            let written = self.text.get(span.clone()).unwrap_or_default();
            Mistake::at(self.text, span.start + place(written, mistake.offset), mistake.message)
        })
    }
}

fn is_name(text: &str) -> bool {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    text.len() <= NAME_BYTES_MAX
        && text.bytes().all(good)
        && text.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
}

/// Where a byte of a text stands in the literal that it was written as.
fn place(literal: &str, offset: usize) -> usize {
    let quotes = if literal.starts_with("\"\"\"") || literal.starts_with("'''") { 3 } else { 1 };
    let escapes = literal.starts_with('"');
    // A line that ends right behind three quotes is no part of the text.
    let skipped = usize::from(quotes == 3 && literal.get(3..).is_some_and(|rest| rest.starts_with('\n')));
    let begin = quotes + skipped;
    let mut letters = literal.get(begin..).unwrap_or_default().char_indices();
    let mut left = offset;
    while let Some((at, letter)) = letters.next() {
        if left == 0 {
            return begin + at;
        }
        if escapes && letter == '\\' {
            let more = match letters.next().map(|(_, letter)| letter) {
                Some('u') => 4,
                Some('U') => 8,
                Some('x') => 2,
                _ => 0,
            };
            letters.by_ref().take(more).for_each(drop);
            left = left.saturating_sub(1);
        } else {
            left = left.saturating_sub(letter.len_utf8());
        }
    }
    literal.len().saturating_sub(quotes)
}

#[cfg(test)]
mod tests;
