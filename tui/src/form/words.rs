//! Words on one line: separated by blanks, held together by quotes. No shell ever sees them.
//!
//! What [`join`] writes, [`split`] reads back as it was, whatever is in it.

/// The words of a line. Single quotes hold everything as it is; in double quotes `\n`, `\t`, `\r`, `\\` and `\"`
/// stand for what they stand for everywhere.
///
/// # Errors
/// If a quote is not closed.
pub fn split(text: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        match (quote, letter) {
            (Some(open), letter) if letter == open => quote = None,
            (Some('"'), '\\') => {
                let escaped = letters.peek().copied().and_then(unescape);
                if escaped.is_some() {
                    letters.next();
                }
                word.get_or_insert_default().push(escaped.unwrap_or('\\'));
            }
            (Some(_), letter) => word.get_or_insert_default().push(letter),
            (None, '"' | '\'') => {
                quote = Some(letter);
                word.get_or_insert_default();
            }
            (None, letter) if letter.is_whitespace() => words.extend(word.take()),
            (None, letter) => word.get_or_insert_default().push(letter),
        }
    }
    if let Some(open) = quote {
        return Err(format!("the quote {open} is not closed"));
    }
    words.extend(word);
    Ok(words)
}

const fn unescape(letter: char) -> Option<char> {
    match letter {
        'n' => Some('\n'),
        't' => Some('\t'),
        'r' => Some('\r'),
        '\\' | '"' => Some(letter),
        _ => None,
    }
}

/// The line of these words.
pub fn join<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    words.into_iter().map(quoted).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    if !word.is_empty() && !word.contains(|letter: char| letter.is_whitespace() || "\"'".contains(letter)) {
        return word.to_owned();
    }
    let mut text = String::from("\"");
    for letter in word.chars() {
        match letter {
            '\n' => text.push_str("\\n"),
            '\t' => text.push_str("\\t"),
            '\r' => text.push_str("\\r"),
            '\\' | '"' => text.extend(['\\', letter]),
            letter => text.push(letter),
        }
    }
    text.push('"');
    text
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn quotes_hold_a_word_together() {
        assert_eq!(split("a 'b c' \"d\\n\\\"e\" '' \\d").unwrap(), ["a", "b c", "d\n\"e", "", "\\d"]);
        assert_eq!(join(["a", "b c", ""]), "a \"b c\" \"\"");
        assert!(split("a 'b").is_err());
    }

    proptest! {
        #[test]
        fn whatever_is_written_is_read_back(words in proptest::collection::vec(".{0,12}|[\\\\\"' \n\ta]{0,8}", 0..6)) {
            let line = join(words.iter().map(String::as_str));
            prop_assert_eq!(split(&line).unwrap(), words);
        }
    }
}
