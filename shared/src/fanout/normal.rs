//! Output without what differs for no reason: the node's own name, times and process ids.
//!
//! Text enters, text leaves; what was replaced reads `<node>`, `<time>`, `<date>` or `<pid>`.

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// The text as it would be on any node at any time.
pub fn normalize(text: &str, node: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let short = node.split('.').next().unwrap_or(node);
    // What stood before the present word, for those that a word before them explains.
    let mut before = String::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let is_word =
            |letter: char| letter.is_alphanumeric() || matches!(letter, ':' | '-' | '.' | '+' | '_');
        if !is_word(first) {
            let length = first.len_utf8();
            out.push(first);
            rest = &rest[length..];
            continue;
        }
        let length = rest.find(|letter| !is_word(letter)).unwrap_or(rest.len());
        let (word, behind) = rest.split_at(length);
        // A colon or full stop at its end belongs to the sentence.
        let bare = word.trim_end_matches([':', '.', '-', '+']);
        match replacement(bare, (node, short), (&before, &out, behind)) {
            Some(instead) => out.push_str(instead),
            None => out.push_str(bare),
        }
        out.push_str(&word[bare.len()..]);
        bare.clone_into(&mut before);
        rest = behind;
    }
    out
}

fn replacement(
    word: &str,
    (node, short): (&str, &str),
    (before, out, behind): (&str, &str, &str),
) -> Option<&'static str> {
    if word.eq_ignore_ascii_case(node) || word.eq_ignore_ascii_case(short) {
        return Some("<node>");
    }
    let domain = word.len() > node.len() && word.as_bytes()[node.len()] == b'.';
    if domain && word.is_char_boundary(node.len()) && word[..node.len()].eq_ignore_ascii_case(node) {
        return Some("<node>");
    }
    if is_time(word) {
        return Some("<time>");
    }
    let is_number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    if is_date(word) || (is_number && word.len() <= 2 && MONTHS.contains(&before)) {
        return Some("<date>");
    }
    let in_brackets = out.ends_with('[') && behind.starts_with(']');
    let named = before.eq_ignore_ascii_case("pid") && (out.ends_with([' ', '=', ':']));
    (is_number && (in_brackets || named)).then_some("<pid>")
}

/// `12:34`, `12:34:56.789`, and both behind a date and a `T`, with or without a zone.
fn is_time(word: &str) -> bool {
    let clock = match word.split_once('T') {
        Some((date, clock)) if is_date(date) => clock,
        Some(_) => return false,
        None => word,
    };
    let clock = clock.trim_end_matches('Z').split('+').next().unwrap_or_default();
    let parts: Vec<&str> = clock.split(':').collect();
    let two = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    match parts.as_slice() {
        [hours, minutes] => two(hours) && two(minutes),
        [hours, minutes, seconds] => {
            let whole = seconds.split(['.', '-']).next().unwrap_or_default();
            let more = seconds[whole.len()..].bytes();
            two(hours)
                && two(minutes)
                && two(&whole)
                && more.into_iter().all(|byte| !byte.is_ascii_alphabetic())
        }
        _ => false,
    }
}

/// `2026-11-25`.
fn is_date(word: &str) -> bool {
    let lengths: Vec<usize> = word.split('-').map(str::len).collect();
    lengths == [4, 2, 2] && word.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn names_times_and_pids_are_the_same_everywhere() {
        for (text, expected) in [
            ("web-1", "<node>"),
            ("on WEB-1.example.org: up", "on <node>: up"),
            ("web-10 web-1x", "web-10 web-1x"),
            (" 14:06:39 up  1:24,  0 user", " <time> up  1:24,  0 user"),
            ("2026-11-25T14:06:39.123+01:00 a", "<time> a"),
            ("2026-11-25T14:06:39Z", "<time>"),
            ("2026-11-25 14:06:39,5", "<date> <time>,5"),
            (
                "Nov 25 14:06:39 web-1 sshd[1234]: pid 77, PID=8",
                "Nov <date> <time> <node> sshd[<pid>]: pid <pid>, PID=<pid>",
            ),
            ("10.0.0.1:5678 [::1]:80 a[0x1] 1234", "10.0.0.1:5678 [::1]:80 a[0x1] 1234"),
            ("fe80::1 aa:bb:cc 12:345", "fe80::1 aa:bb:cc 12:345"),
        ] {
            assert_eq!(normalize(text, "web-1"), expected);
        }
    }

    proptest! {
        #[test]
        fn any_text_has_a_normal_form(text in "\\PC{0,64}|[a-zT:0-9. \\[\\]-]{0,40}") {
            normalize(&text, "a");
        }
    }
}
