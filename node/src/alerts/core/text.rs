//! Rules as people write them: `cpu_usage_ratio{node=~"web.*"} > 0.9 until 0.8 for 5m`.
//!
//! Text enters, an expression leaves, or a mistake with its line and column. Matchers are as in PromQL: `=`,
//! `!=`, `=~` and `!~`, expressions fit the whole label.

use std::fmt;

use p2p_shared::time::Millis;
use winnow::ascii::{digit1, float, multispace0, multispace1};
use winnow::combinator::{alt, cut_err, delimited, opt, preceded, repeat, separated};
use winnow::error::{ContextError, StrContext, StrContextValue};
use winnow::prelude::*;
use winnow::stream::LocatingSlice;
use winnow::token::{any, none_of, take_while};

use super::rule::{Expression, How, Limits, Matcher, Op};

/// Longest expression, in bytes.
pub const TEXT_BYTES_MAX: usize = 4_096;
/// Most matchers of one.
const MATCHERS_MAX: usize = 32;
/// Longest time that an expression has to hold: 30 days.
pub(super) const HOLD_MAX: Millis = Millis(30 * 86_400_000);

type Input<'a> = LocatingSlice<&'a str>;

/// Why a text is no expression.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Mistake {
    /// In which line, from 1.
    pub line: usize,
    /// At which character of it, from 1.
    pub column: usize,
    /// At which byte of the whole text, from 0.
    pub offset: usize,
    /// What is wrong.
    pub message: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl Mistake {
    pub(super) fn at(text: &str, offset: usize, message: impl Into<String>) -> Self {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        let column = before[line_start..].chars().count() + 1;
        Self { line: before.matches('\n').count() + 1, column, offset, message: message.into() }
    }
}

/// Reads an expression.
///
/// # Errors
/// [`Mistake`] says where and what is wrong.
pub fn parse(text: &str) -> Result<Expression, Mistake> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Mistake::at(text, 0, format!("an expression has at most {TEXT_BYTES_MAX} bytes")));
    }
    let parsed = expression.parse(LocatingSlice::new(text));
    let written = parsed.map_err(|error| Mistake::at(text, error.offset(), words(error.inner())))?;
    written.into_expression(text)
}

/// Reads matchers, with or without braces around them.
///
/// # Errors
/// [`Mistake`] says where and what is wrong; no matcher at all is one.
pub fn parse_matchers(text: &str) -> Result<Vec<Matcher>, Mistake> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Mistake::at(text, 0, format!("matchers have at most {TEXT_BYTES_MAX} bytes")));
    }
    let bare = separated(1.., matcher, (multispace0, ",", multispace0));
    let mut all = delimited(multispace0, alt((matchers, bare)), multispace0);
    let parsed = all.parse(LocatingSlice::new(text));
    let written = parsed.map_err(|error| Mistake::at(text, error.offset(), words(error.inner())))?;
    if written.is_empty() {
        return Err(Mistake::at(text, 0, "expected the name of a label"));
    }
    compiled(text, written)
}

/// Reads a span such as `90s` or `5m`.
pub fn parse_span(text: &str) -> Option<Millis> {
    span.parse(LocatingSlice::new(text)).ok()
}

fn compiled(text: &str, written: Vec<(usize, String, How, String)>) -> Result<Vec<Matcher>, Mistake> {
    if let Some((place, ..)) = written.get(MATCHERS_MAX) {
        return Err(Mistake::at(text, *place, format!("there are at most {MATCHERS_MAX} matchers")));
    }
    let one = |(place, label, how, value): (usize, String, How, String)| {
        Matcher::new(&label, how, &value).map_err(|error| Mistake::at(text, place, error.to_string()))
    };
    written.into_iter().map(one).collect()
}

/// What was written, with the places of what may still be wrong with it.
struct Written {
    metric: String,
    matchers: Vec<(usize, String, How, String)>,
    op: Op,
    threshold: f64,
    until: Option<(usize, f64)>,
    hold: (usize, Millis),
}

impl Written {
    fn into_expression(self, text: &str) -> Result<Expression, Mistake> {
        let matchers = compiled(text, self.matchers)?;
        let (place, hold) = self.hold;
        if hold > HOLD_MAX {
            return Err(Mistake::at(text, place, "it can hold for 30d at most"));
        }
        let limits = Limits { threshold: self.threshold, until: self.until.map(|(_, until)| until), hold };
        let place = self.until.map_or(0, |(place, _)| place);
        let limits = limits.check(self.op).map_err(|error| Mistake::at(text, place, error.to_string()))?;
        Ok(Expression { metric: self.metric, matchers, op: self.op, limits })
    }
}

/// The innermost thing that was expected.
fn words(error: &ContextError) -> String {
    let expected: Vec<String> = error
        .context()
        .filter_map(|context| match context {
            StrContext::Expected(StrContextValue::Description(what)) => Some((*what).to_owned()),
            _ => None,
        })
        .collect();
    let what = expected.first().map_or("the end", String::as_str);
    format!("expected {what}")
}

fn expected(what: &'static str) -> StrContext {
    StrContext::Expected(StrContextValue::Description(what))
}

fn expression(input: &mut Input<'_>) -> ModalResult<Written> {
    let metric = delimited(multispace0, name, multispace0)
        .context(expected("the name of a figure, such as cpu_usage_ratio"))
        .parse_next(input)?;
    let matchers = opt(matchers).parse_next(input)?.unwrap_or_default();
    let op = delimited(multispace0, op, multispace0)
        .context(expected("a comparison: > >= < <= == !="))
        .parse_next(input)?;
    let threshold = number.context(expected("a number")).parse_next(input)?;
    let until = opt(preceded(
        (multispace1, "until", multispace1),
        cut_err((place, number).context(expected("a number behind `until`"))),
    ))
    .parse_next(input)?;
    let hold = opt(preceded(
        (multispace1, "for", multispace1),
        cut_err((place, span).context(expected("a span behind `for`, such as 30s, 5m, 2h or 1d"))),
    ))
    .parse_next(input)?;
    multispace0.parse_next(input)?;
    let hold = hold.unwrap_or((0, Millis::ZERO));
    Ok(Written { metric: metric.to_owned(), matchers, op, threshold, until, hold })
}

fn place(input: &mut Input<'_>) -> ModalResult<usize> {
    use winnow::stream::Location;
    Ok(input.current_token_start())
}

fn name<'a>(input: &mut Input<'a>) -> ModalResult<&'a str> {
    (
        take_while(1, |letter: char| letter.is_ascii_alphabetic() || letter == '_'),
        take_while(0.., |letter: char| letter.is_ascii_alphanumeric() || letter == '_' || letter == ':'),
    )
        .take()
        .parse_next(input)
}

fn op(input: &mut Input<'_>) -> ModalResult<Op> {
    alt((
        ">=".value(Op::GreaterOrEqual),
        "<=".value(Op::LessOrEqual),
        "==".value(Op::Equal),
        "!=".value(Op::NotEqual),
        ">".value(Op::Greater),
        "<".value(Op::Less),
    ))
    .parse_next(input)
}

fn number(input: &mut Input<'_>) -> ModalResult<f64> {
    float.verify(|number: &f64| number.is_finite()).parse_next(input)
}

fn span(input: &mut Input<'_>) -> ModalResult<Millis> {
    let unit = alt((
        "ms".value(1),
        "s".value(1_000),
        "m".value(60_000),
        "h".value(3_600_000),
        "d".value(86_400_000),
    ));
    (digit1.parse_to::<u64>(), unit)
        .verify_map(|(count, unit): (u64, u64)| count.checked_mul(unit).map(Millis))
        .parse_next(input)
}

fn matchers(input: &mut Input<'_>) -> ModalResult<Vec<(usize, String, How, String)>> {
    let comma = (multispace0, ",", multispace0);
    let all = separated(0.., matcher, comma);
    let close = (opt((multispace0, ",")), multispace0, "}").context(expected("`,` or `}` behind a matcher"));
    preceded(("{", multispace0), winnow::combinator::terminated(all, cut_err(close))).parse_next(input)
}

fn matcher(input: &mut Input<'_>) -> ModalResult<(usize, String, How, String)> {
    let label = name.context(expected("the name of a label")).parse_next(input)?;
    let how = delimited(multispace0, how, multispace0);
    let how = cut_err(how.context(expected("a comparison of a label: = != =~ !~"))).parse_next(input)?;
    let value = (place, quoted).context(expected("a value in double quotes"));
    let (place, value) = cut_err(value).parse_next(input)?;
    Ok((place, label.to_owned(), how, value))
}

fn how(input: &mut Input<'_>) -> ModalResult<How> {
    alt(("=~".value(How::Fits), "!~".value(How::FitsNot), "!=".value(How::IsNot), "=".value(How::Is)))
        .parse_next(input)
}

fn quoted(input: &mut Input<'_>) -> ModalResult<String> {
    let escaped = preceded('\\', any).map(|letter| match letter {
        'n' => '\n',
        letter => letter,
    });
    let letters = repeat(0.., alt((none_of(['"', '\\']), escaped))).fold(String::new, |mut text, letter| {
        text.push(letter);
        text
    });
    delimited('"', letters, '"').parse_next(input)
}

#[cfg(test)]
mod tests;
