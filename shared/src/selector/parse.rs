//! The grammar: `or` over `and` over `not` over lists with commas. Each level is one function; the depth is
//! counted where the text can go deeper.

use super::{DEPTH_MAX, Expr, TEXT_BYTES_MAX};

/// Why a text is no selector, and what to write instead.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Nothing in it.
    #[error("the selector is empty, which means nobody: write a name, a label such as role=web, or all")]
    Empty,
    /// Longer than any that makes sense.
    #[error("the selector is longer than {TEXT_BYTES_MAX} bytes: write a glob or a label")]
    TooLong,
    /// Nested too deeply.
    #[error("the selector is nested deeper than {DEPTH_MAX}")]
    TooDeep,
    /// Something else belongs here.
    #[error("{wanted} should stand where {found} does in the selector")]
    Unexpected {
        /// What belongs here.
        wanted: &'static str,
        /// What is there.
        found: String,
    },
    /// Neither a name, a glob nor a label.
    #[error("{0:?} is no name, glob or label: names are a-z 0-9 . - with * and ?, labels are key=value")]
    Word(String),
}

pub(super) fn parse(text: &str) -> Result<Expr, SelectorError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(SelectorError::TooLong);
    }
    let tokens = tokens(text);
    if tokens.is_empty() {
        return Err(SelectorError::Empty);
    }
    let mut parser = Parser { tokens: &tokens, depth: 0 };
    let expr = parser.either()?;
    match parser.tokens {
        [] => Ok(expr),
        _ => Err(parser.unexpected("and, or, or the end")),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Token<'a> {
    Open,
    Close,
    Comma,
    And,
    Or,
    Not,
    Word(&'a str),
}

fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    let mut rest = text.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '(' | ')' | ',' => 1,
            _ => rest
                .find(|letter: char| letter.is_whitespace() || "(),".contains(letter))
                .unwrap_or(rest.len()),
        };
        let (token, behind) = rest.split_at(length);
        tokens.push(match token {
            "(" => Token::Open,
            ")" => Token::Close,
            "," => Token::Comma,
            "and" => Token::And,
            "or" => Token::Or,
            "not" => Token::Not,
            word => Token::Word(word),
        });
        rest = behind.trim_start();
    }
    tokens
}

struct Parser<'a> {
    tokens: &'a [Token<'a>],
    depth: usize,
}

impl<'a> Parser<'a> {
    fn take(&mut self, token: Token<'_>) -> bool {
        let found = self.tokens.first() == Some(&token);
        if found {
            self.tokens = &self.tokens[1..];
        }
        found
    }

    fn separated(
        &mut self,
        separator: Token<'_>,
        part: fn(&mut Self) -> Result<Expr, SelectorError>,
    ) -> Result<Vec<Expr>, SelectorError> {
        let mut parts = vec![part(self)?];
        while self.take(separator) {
            parts.push(part(self)?);
        }
        Ok(parts)
    }

    fn either(&mut self) -> Result<Expr, SelectorError> {
        Ok(joined(self.separated(Token::Or, Self::both)?, Expr::Or))
    }

    fn both(&mut self) -> Result<Expr, SelectorError> {
        Ok(joined(self.separated(Token::And, Self::negated)?, Expr::And))
    }

    fn negated(&mut self) -> Result<Expr, SelectorError> {
        if self.take(Token::Not) {
            return Ok(Expr::Not(Box::new(self.deeper(Self::negated)?)));
        }
        Ok(joined(self.separated(Token::Comma, Self::single)?, Expr::Or))
    }

    fn single(&mut self) -> Result<Expr, SelectorError> {
        if self.take(Token::Open) {
            let inner = self.deeper(Self::either)?;
            return if self.take(Token::Close) { Ok(inner) } else { Err(self.unexpected(")")) };
        }
        match self.tokens.first() {
            Some(&Token::Word(text)) => {
                self.tokens = &self.tokens[1..];
                word(text)
            }
            _ => Err(self.unexpected("a name, a glob or a label")),
        }
    }

    fn deeper(&mut self, part: fn(&mut Self) -> Result<Expr, SelectorError>) -> Result<Expr, SelectorError> {
        if self.depth == DEPTH_MAX {
            return Err(SelectorError::TooDeep);
        }
        self.depth += 1;
        let expr = part(self);
        self.depth -= 1;
        expr
    }

    fn unexpected(&self, wanted: &'static str) -> SelectorError {
        let found = match self.tokens.first() {
            None => "its end".to_owned(),
            Some(Token::Open) => "(".to_owned(),
            Some(Token::Close) => ")".to_owned(),
            Some(Token::Comma) => "a comma".to_owned(),
            Some(Token::And) => "and".to_owned(),
            Some(Token::Or) => "or".to_owned(),
            Some(Token::Not) => "not".to_owned(),
            Some(Token::Word(word)) => format!("{word:?}"),
        };
        SelectorError::Unexpected { wanted, found }
    }
}

fn joined(mut parts: Vec<Expr>, many: fn(Vec<Expr>) -> Expr) -> Expr {
    match (parts.pop(), parts.is_empty()) {
        (Some(only), true) => only,
        (last, _) => {
            parts.extend(last);
            many(parts)
        }
    }
}

fn word(text: &str) -> Result<Expr, SelectorError> {
    let bad = || SelectorError::Word(text.to_owned());
    if matches!(text, "all" | "@all") {
        return Ok(Expr::All);
    }
    let is_name = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '.' | '-' | '*' | '?');
    if let Some((key, value)) = text.split_once('=') {
        let is_key = |letter: char| matches!(letter, 'a'..='z' | '0'..='9' | '.' | '-' | '_' | '/');
        let is_value = |letter: char| is_name(letter) || matches!(letter, 'A'..='Z' | '_');
        if key.is_empty() || !key.chars().all(is_key) || !value.chars().all(is_value) {
            return Err(bad());
        }
        return Ok(Expr::Label { key: key.to_owned(), value: value.to_owned() });
    }
    if text == "self" || !text.chars().all(is_name) {
        return Err(bad());
    }
    let text = text.to_owned();
    Ok(if text.contains(['*', '?']) { Expr::Like(text) } else { Expr::Exactly(text) })
}
