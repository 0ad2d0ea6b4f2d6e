//! Text to a filter's tree. Every mistake says where it is, in characters from 0.

use std::fmt;

use regex::RegexBuilder;

use super::eval::{Expr, Order, fold, fuzzy_atom};
use super::{Field, Kind, TEXT_BYTES_MAX};

/// Deepest nesting of parentheses and negations.
const DEPTH_MAX: usize = 32;
/// Most memory that a compiled regex may take.
const REGEX_BYTES_MAX: usize = 1 << 20;
/// Operators, longest first.
const OPERATORS: [&str; 10] = ["!=", "!~", ">=", "<=", "=~", ":", "=", ">", "<", "~"];

/// What is wrong with a filter, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Characters before it.
    pub at: usize,
    /// What is wrong, as a sentence without a stop.
    pub what: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (at {})", self.what, self.at + 1)
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Open,
    Close,
    Not,
    And,
    Or,
    /// A word as it stands.
    Word(String),
    /// A text in quotes: never an operator.
    Quoted(String),
}

pub(super) fn parse(text: &str, fields: &'static [Field]) -> Result<Option<Expr>, Mistake> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(Mistake { at: 0, what: format!("a filter has at most {TEXT_BYTES_MAX} bytes") });
    }
    let tokens = tokens(text)?;
    if tokens.is_empty() {
        return Ok(None);
    }
    let mut parser = Parser { tokens: &tokens, at: 0, end: text.chars().count(), depth: 0, fields };
    let expr = parser.any()?;
    match parser.tokens.get(parser.at) {
        None => Ok(Some(expr)),
        Some((at, _)) => Err(Mistake { at: *at, what: "a ) without its (".to_owned() }),
    }
}

fn tokens(text: &str) -> Result<Vec<(usize, Token)>, Mistake> {
    let letters: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let mut at = 0;
    while at < letters.len() {
        let start = at;
        let token = match letters[at] {
            letter if letter.is_whitespace() => {
                at += 1;
                continue;
            }
            '(' => Token::Open,
            ')' => Token::Close,
            '!' => Token::Not,
            '"' => {
                let close = letters[at + 1..].iter().position(|&letter| letter == '"');
                let Some(length) = close else {
                    return Err(Mistake { at, what: "a \" that is not closed".to_owned() });
                };
                at += length + 2;
                tokens.push((start, Token::Quoted(letters[start + 1..at - 1].iter().collect())));
                continue;
            }
            _ => {
                at = word_end(&letters, at);
                tokens.push((start, word(letters[start..at].iter().collect())));
                continue;
            }
        };
        at += 1;
        tokens.push((start, token));
    }
    Ok(tokens)
}

/// Where a word ends: at a blank or at a parenthesis that it did not open; quotes and parentheses inside a
/// word, as in `name=~(a|b)` or `user:"x y"`, belong to it.
fn word_end(letters: &[char], from: usize) -> usize {
    let (mut open, mut quoted, mut at) = (0usize, false, from);
    while at < letters.len() {
        match letters[at] {
            '"' => quoted = !quoted,
            _ if quoted => {}
            '(' => open += 1,
            ')' if open == 0 => break,
            ')' => open -= 1,
            letter if letter.is_whitespace() => break,
            _ => {}
        }
        at += 1;
    }
    at
}

fn word(text: String) -> Token {
    match text.as_str() {
        "and" | "&&" => Token::And,
        "or" | "||" => Token::Or,
        "not" => Token::Not,
        _ => Token::Word(text),
    }
}

struct Parser<'a> {
    tokens: &'a [(usize, Token)],
    at: usize,
    end: usize,
    depth: usize,
    fields: &'static [Field],
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(_, token)| token)
    }

    fn position(&self) -> usize {
        self.tokens.get(self.at).map_or(self.end, |(at, _)| *at)
    }

    fn mistake<T>(&self, what: impl Into<String>) -> Result<T, Mistake> {
        Err(Mistake { at: self.position(), what: what.into() })
    }

    fn any(&mut self) -> Result<Expr, Mistake> {
        let mut some = vec![self.all()?];
        while self.peek() == Some(&Token::Or) {
            self.at += 1;
            some.push(self.all()?);
        }
        Ok(one_or(some, Expr::Or))
    }

    fn all(&mut self) -> Result<Expr, Mistake> {
        let mut all = vec![self.one()?];
        loop {
            match self.peek() {
                Some(Token::And) => self.at += 1,
                None | Some(Token::Or | Token::Close) => return Ok(one_or(all, Expr::And)),
                _ => {}
            }
            all.push(self.one()?);
        }
    }

    fn one(&mut self) -> Result<Expr, Mistake> {
        if self.depth >= DEPTH_MAX {
            return self.mistake(format!("nested deeper than {DEPTH_MAX}"));
        }
        self.depth += 1;
        let expr = self.one_deeper();
        self.depth -= 1;
        expr
    }

    fn one_deeper(&mut self) -> Result<Expr, Mistake> {
        let start = self.position();
        let token = self.peek().cloned();
        match token {
            None => self.mistake("something is missing here"),
            Some(Token::Not) => {
                self.at += 1;
                Ok(Expr::Not(Box::new(self.one()?)))
            }
            Some(Token::Open) => {
                self.at += 1;
                let inner = self.any()?;
                if self.peek() != Some(&Token::Close) {
                    return self.mistake("a ) is missing");
                }
                self.at += 1;
                Ok(inner)
            }
            Some(Token::Close) => self.mistake("something is missing before this )"),
            Some(Token::And | Token::Or) => self.mistake("a condition is missing before this"),
            Some(Token::Quoted(text)) => {
                self.at += 1;
                Ok(Expr::Word(fold(&text)))
            }
            Some(Token::Word(text)) => {
                self.at += 1;
                condition(&text, start, self.fields)
            }
        }
    }
}

fn one_or(mut list: Vec<Expr>, several: fn(Vec<Expr>) -> Expr) -> Expr {
    match list.pop() {
        Some(only) if list.is_empty() => only,
        Some(last) => {
            list.push(last);
            several(list)
        }
        None => several(list),
    }
}

/// One word: a bare one, `~fuzzy`, or a field with an operator and a value.
fn condition(text: &str, start: usize, fields: &'static [Field]) -> Result<Expr, Mistake> {
    let name_bytes =
        text.find(|letter: char| !letter.is_alphanumeric() && letter != '_').unwrap_or(text.len());
    let (name, rest) = text.split_at(name_bytes);
    let operator = OPERATORS.iter().find(|operator| rest.starts_with(**operator));
    let Some(operator) = operator else { return Ok(Expr::Word(fold(text))) };
    if name.is_empty() {
        return match (*operator, &rest[operator.len()..]) {
            ("~", "") => Err(Mistake { at: start, what: "~ wants a text after it".to_owned() }),
            ("~", fuzzy) => Ok(Expr::Fuzzy(fuzzy_atom(fuzzy))),
            _ => Ok(Expr::Word(fold(text))),
        };
    }
    let folded = fold(name);
    let Some(field) = fields.iter().position(|field| field.name == folded) else {
        return Err(Mistake { at: start, what: unknown_field(name, fields) });
    };
    let value_at = start + name.chars().count() + operator.len();
    let value = rest[operator.len()..].trim_matches('"');
    if value.is_empty() {
        return Err(Mistake { at: value_at, what: format!("{name}{operator} wants a value") });
    }
    compare(field, fields[field].kind, operator, value).map_err(|what| Mistake { at: value_at, what })
}

fn unknown_field(name: &str, fields: &[Field]) -> String {
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    format!("no field {name} here; there are {} (put a text with such signs in quotes)", names.join(" "))
}

fn compare(field: usize, kind: Kind, operator: &str, value: &str) -> Result<Expr, String> {
    let negated = |expr: Expr| Expr::Not(Box::new(expr));
    match operator {
        "=~" => regex(value).map(|regex| Expr::Regex(field, regex)),
        "!~" => regex(value).map(|regex| negated(Expr::Regex(field, regex))),
        "~" => Err("write =~ for a regular expression".to_owned()),
        "!=" => equal(field, kind, value).map(negated),
        "=" => equal(field, kind, value),
        ":" if kind == Kind::Text && value.contains(['*', '?']) => {
            Ok(Expr::Glob(field, fold(value).chars().collect()))
        }
        ":" if kind == Kind::Text => Ok(Expr::Has(field, fold(value))),
        ":" => equal(field, kind, value),
        _ if kind == Kind::Text => Err(format!("{operator} compares numbers; this field is text")),
        _ => {
            let order = match operator {
                ">" => Order::Greater,
                ">=" => Order::GreaterEqual,
                "<" => Order::Less,
                _ => Order::LessEqual,
            };
            number(kind, value).map(|wanted| Expr::Compare(field, order, wanted))
        }
    }
}

fn equal(field: usize, kind: Kind, value: &str) -> Result<Expr, String> {
    if kind == Kind::Text {
        return Ok(Expr::Is(field, fold(value)));
    }
    number(kind, value).map(|wanted| Expr::Compare(field, Order::Equal, wanted))
}

fn regex(text: &str) -> Result<regex::Regex, String> {
    RegexBuilder::new(text)
        .case_insensitive(true)
        .size_limit(REGEX_BYTES_MAX)
        .dfa_size_limit(REGEX_BYTES_MAX)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => "this regular expression is too large".to_owned(),
            other => {
                let text = other.to_string();
                format!("no regular expression: {}", text.lines().last().unwrap_or_default())
            }
        })
}

/// A number with the suffix of its kind.
fn number(kind: Kind, text: &str) -> Result<f64, String> {
    let (digits, suffix) = match text.char_indices().next_back() {
        Some((at, letter)) if !letter.is_ascii_digit() => (&text[..at], letter.to_ascii_lowercase()),
        _ => (text, ' '),
    };
    let factor = match (kind, suffix) {
        (_, ' ') => 1.0,
        (Kind::Percent, '%') => 1.0,
        (Kind::Span, 's') => 1.0,
        (Kind::Span, 'm') => 60.0,
        (Kind::Span, 'h') => 3_600.0,
        (Kind::Span, 'd') => 86_400.0,
        (Kind::Bytes, 'b') => 1.0,
        (Kind::Bytes, 'k') => 1_024.0,
        (Kind::Bytes, 'm') => 1_048_576.0,
        (Kind::Bytes, 'g') => 1_073_741_824.0,
        (Kind::Bytes, 't') => 1_099_511_627_776.0,
        _ => return Err(wanted(kind, text)),
    };
    let value: f64 = digits.parse().map_err(|_| wanted(kind, text))?;
    if value.is_finite() { Ok(value * factor) } else { Err(wanted(kind, text)) }
}

fn wanted(kind: Kind, text: &str) -> String {
    let example = match kind {
        Kind::Bytes => "bytes such as 300m or 1g",
        Kind::Percent => "a percentage such as 50",
        Kind::Span => "a time such as 30s, 5m, 2h or 3d",
        Kind::Number | Kind::Text => "a number",
    };
    format!("{text} is not {example}")
}
