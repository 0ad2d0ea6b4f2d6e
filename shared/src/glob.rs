//! Patterns of names: `*` for any characters, `?` for one. The one matcher of selectors and filters.

/// Whether `pattern` is the whole of `text`. Takes at most the product of both lengths in steps.
pub fn matches(pattern: &[char], text: &str) -> bool {
    let text: Vec<char> = text.chars().collect();
    let (mut at, mut read) = (0, 0);
    // Where the last star was, and how much of the text it swallows so far.
    let mut star: Option<(usize, usize)> = None;
    while read < text.len() {
        match pattern.get(at) {
            Some('*') => {
                star = Some((at, read));
                at += 1;
            }
            Some(&wanted) if wanted == '?' || wanted == text[read] => {
                at += 1;
                read += 1;
            }
            _ => match star {
                Some((back, swallowed)) => {
                    star = Some((back, swallowed + 1));
                    (at, read) = (back + 1, swallowed + 1);
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|&left| left == '*')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    fn matches(pattern: &str, text: &str) -> bool {
        super::matches(&pattern.chars().collect::<Vec<_>>(), text)
    }

    #[test]
    fn wildcards_match_names() {
        for (pattern, name) in
            [("web-*", "web-1"), ("*", ""), ("*-1", "web-1"), ("w*b*1", "web-1"), ("web-?", "web-1")]
        {
            assert!(matches(pattern, name), "{pattern} {name}");
        }
        for (pattern, name) in [("web-*", "db-1"), ("", "a"), ("a", "ab"), ("?", ""), ("a?", "a")] {
            assert!(!matches(pattern, name), "{pattern} {name}");
        }
    }

    proptest! {
        #[test]
        fn a_text_matches_itself_with_any_part_starred(text in "[a-z]{0,12}", cut in 0usize..13) {
            let cut = cut.min(text.len());
            prop_assert!(matches(&text, &text));
            let starred = format!("{}*", &text[..cut]);
            prop_assert!(matches(&starred, &text));
        }
    }
}
