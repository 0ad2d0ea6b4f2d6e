use proptest::prelude::*;

use super::super::ring::Ring;
use super::*;

fn size(rows: u16, columns: u16) -> ShellSize {
    ShellSize { rows, columns }
}

fn tail(size: ShellSize, parts: &[&[u8]]) -> Tail {
    let mut ring = Ring::new(size).unwrap();
    parts.iter().for_each(|part| ring.push(part).unwrap());
    ring.tail().unwrap()
}

/// What somebody attached sees then: all lines above the screen and those of it, and the parser itself.
fn seen(rendered: &Rendered, size: ShellSize) -> (Vec<String>, Parser) {
    let mut parser = Parser::new(size.rows, size.columns, 20_000);
    parser.process(b"a prompt of before\r\n");
    parser.process(&rendered.bytes);
    let screen = parser.screen_mut();
    let mut lines = Vec::new();
    screen.set_scrollback(usize::MAX);
    for above in (1..=screen.scrollback()).rev() {
        screen.set_scrollback(above);
        lines.extend(screen.rows(0, size.columns).next());
    }
    screen.set_scrollback(0);
    lines.extend(screen.rows(0, size.columns));
    (lines, parser)
}

#[test]
fn lines_that_scrolled_out_are_above_the_screen_in_their_order() {
    let text: String = (1..=100).map(|number| format!("line {number}\r\n")).collect();
    let size = size(10, 40);
    let rendered = rendered(&tail(size, &[text.as_bytes(), b"$ "]));
    let (lines, parser) = seen(&rendered, size);
    let expected: Vec<String> = std::iter::once("a prompt of before".to_owned())
        .chain((1..=100).map(|number| format!("line {number}")))
        .chain(["$ ".to_owned()])
        .collect();
    assert_eq!(lines, expected);
    assert_eq!(parser.screen().cursor_position(), (9, 2));
    assert!(!rendered.is_full_screen);
}

#[test]
fn a_short_output_leaves_no_lines_above() {
    let size = size(10, 40);
    let (lines, parser) = seen(&rendered(&tail(size, &[b"one\r\n$ "])), size);
    assert_eq!(lines[..2], ["one", "$ "]);
    assert_eq!(parser.screen().cursor_position(), (1, 2));
}

#[test]
fn no_question_to_the_terminal_is_asked_again() {
    let questions =
        b"\x1b[c\x1b[>c\x1b[6n\x1b[5n\x1b]11;?\x07\x1b]52;c;?\x07\x1bP+q544e\x1b\\\x1b[18t\x1bZ\x05text\x07";
    let size = size(5, 20);
    let many = questions.repeat(200);
    let bytes = rendered(&tail(size, &[&many])).bytes;
    let text = String::from_utf8(bytes).unwrap();
    for question in ["\x1b[c", "\x1b[>", "n", "]", "\x1bP", "\x1bZ", "\x05", "\x07", "18t"] {
        assert!(!text.contains(question), "{question:?} in {text:?}");
    }
    assert!(text.contains("texttext"));
}

#[test]
fn looks_are_those_of_before() {
    let size = size(2, 30);
    let text =
        "\x1b[1;31mred\x1b[0m plain \x1b[44;38;5;200mx\x1b[38;2;1;2;3my\x1b[0m \u{4e16}\u{754c} e\u{301}\r\n";
    let (lines, _) = seen(&rendered(&tail(size, &[text.as_bytes(), b"\r\n\r\n"])), size);
    assert_eq!(lines[1], "red plain xy \u{4e16}\u{754c} e\u{301}");
    let bytes = rendered(&tail(size, &[text.as_bytes(), b"\r\n\r\n"])).bytes;
    let text = String::from_utf8(bytes).unwrap();
    for part in ["\x1b[0;1;31mred", "\x1b[0m plain ", "\x1b[0;38;5;200;44mx", "\x1b[0;38;2;1;2;3;44my"] {
        assert!(text.contains(part), "{part:?} in {text:?}");
    }
}

#[test]
fn a_full_screen_program_lies_over_what_was_before_it() {
    let size = size(5, 20);
    let before: String = (1..=9).map(|number| format!("line {number}\r\n")).collect();
    let program = b"$ vim\r\n\x1b[?1049h\x1b[?1h\x1b=\x1b[?1004h\x1b[2J\x1b[3;3Hin vim";
    let rendered = rendered(&tail(size, &[before.as_bytes(), program]));
    assert!(rendered.is_full_screen);
    let (_, mut parser) = seen(&rendered, size);
    assert!(parser.screen().alternate_screen() && parser.screen().application_cursor());
    assert_eq!(parser.screen().contents(), "\n\n  in vim");
    assert!(String::from_utf8(rendered.bytes).unwrap().contains("\x1b[?1004h"));
    parser.process(b"\x1b[?1049l");
    assert_eq!(parser.screen().contents(), "line 7\nline 8\nline 9\n$ vim");
    assert_eq!(parser.screen().cursor_position(), (4, 0));
}

#[test]
fn a_program_that_took_the_screen_long_ago_still_has_it() {
    let size = size(5, 20);
    let redraw = b"\x1b[Htop\x1b[K".repeat(5_000);
    let mut parts: Vec<&[u8]> = vec![b"\x1b[?1049h"];
    parts.extend([redraw.as_slice()].repeat(40));
    let rendered = rendered(&tail(size, &parts));
    assert!(rendered.is_full_screen);
    let (_, parser) = seen(&rendered, size);
    assert!(parser.screen().alternate_screen());
    assert_eq!(parser.screen().contents(), "top");
}

#[test]
fn a_terminal_that_got_lower_keeps_the_line_that_is_typed() {
    let mut ring = Ring::new(size(10, 20)).unwrap();
    let text: String = (1..=30).map(|number| format!("line {number}\r\n")).collect();
    ring.push(text.as_bytes()).unwrap();
    ring.push(b"$ ").unwrap();
    ring.resize(size(4, 20)).unwrap();
    let (lines, parser) = seen(&rendered(&ring.tail().unwrap()), size(4, 20));
    assert_eq!(lines[28..], ["line 28", "line 29", "line 30", "$ "]);
    assert_eq!(parser.screen().cursor_position(), (3, 2));
    ring.resize(size(8, 20)).unwrap();
    let (lines, _) = seen(&rendered(&ring.tail().unwrap()), size(8, 20));
    assert_eq!(lines[28..32], ["line 28", "line 29", "line 30", "$ "]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]
    /// Also of the most hostile bytes something is made, and it fits.
    #[test]
    fn anything_can_be_shown(
        parts in proptest::collection::vec(
            ("([ -~\u{4e16}\u{301}\r\n\t\u{8}\u{7}]|\x1b[\\[\\]()?=>78cDEHM#]{1,2}[0-9;]{0,5}[@A-Za-z]|\\PC){0,60}", 1_u16..40, 1_u16..40),
            1..8,
        ),
    ) {
        let mut ring = Ring::new(size(parts[0].1, parts[0].2)).unwrap();
        for (text, rows, columns) in &parts {
            ring.push(text.as_bytes()).unwrap();
            ring.resize(size(*rows, *columns)).unwrap();
        }
        let tail = ring.tail().unwrap();
        prop_assert!(!rendered(&tail).bytes.is_empty());
    }
}
