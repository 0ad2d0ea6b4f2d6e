use p2p_shared::error::RpcError;
use p2p_shared::services::shell::ShellState;
use p2p_shared::time::UnixMillis;
use proptest::prelude::*;

use super::*;
use crate::event::Code;
use crate::testing::painted;

const AREA: Rect = Rect { x: 0, y: 0, width: 20, height: 5 };

fn info() -> ShellInfo {
    ShellInfo {
        id: "a1".into(),
        user: "root".into(),
        command: vec!["/bin/bash".into()],
        opened_by: "alice".into(),
        is_own: true,
        opened: UnixMillis(0),
        active: UnixMillis(0),
        attached: 1,
        size: ShellSize::default(),
        is_recorded: false,
        state: ShellState::Running,
        exit: None,
    }
}

fn attached() -> Terminal {
    let mut terminal = Terminal::new(TerminalId(1), NodeId::new([1; 32]), size_of(AREA));
    terminal.hear(ShellSaid::Item(ShellItem::Attached(Box::new(info()))));
    terminal
}

fn output(terminal: &mut Terminal, bytes: &[u8]) -> Reaction {
    terminal.hear(ShellSaid::Item(ShellItem::Output(bytes.to_vec())))
}

fn drawn(terminal: &Terminal) -> String {
    let mut buffer = Buffer::empty(AREA);
    terminal.draw(&Theme::default(), AREA, &mut buffer);
    painted(&buffer)
}

#[test]
fn what_is_missed_is_shown_again_and_no_old_question_answered() {
    let mut terminal = attached();
    output(&mut terminal, b"old");
    terminal.hear(ShellSaid::Lost { error: RpcError::unavailable("gone"), again: true });
    assert!(drawn(&terminal).contains("the line broke"));
    terminal.hear(ShellSaid::Item(ShellItem::Attached(Box::new(info()))));
    terminal.hear(ShellSaid::Item(ShellItem::Scrollback(b"new\x1b[6n".to_vec())));
    let screen = drawn(&terminal);
    assert!(screen.contains("new") && !screen.contains("old"));
    assert_eq!(output(&mut terminal, b"x"), Reaction::default());
}

#[test]
fn a_terminal_answers_who_and_where_it_is_and_nothing_else() {
    let mut terminal = attached();
    assert_eq!(output(&mut terminal, b"ab\x1b[6n").answer, b"\x1b[1;3R");
    assert_eq!(output(&mut terminal, b"\x1b[c").answer, b"\x1b[?62;22c");
    assert_eq!(output(&mut terminal, b"\x1b]52;c;?\x07\x1b[21t\x1b[18t").answer, b"");
    let flood = output(&mut terminal, &b"\x1b[6n".repeat(10_000)).answer;
    assert!(flood.len() <= ANSWER_BYTES_MAX);
}

#[test]
fn the_node_is_told_now_and_then_what_was_shown() {
    let mut terminal = attached();
    let half = vec![b'y'; usize::try_from(SEEN_BYTES).unwrap() / 2];
    assert_eq!(output(&mut terminal, &half).seen, None);
    assert_eq!(output(&mut terminal, &half).seen, Some(SEEN_BYTES));
    assert_eq!(output(&mut terminal, &half).seen, None);
}

#[test]
fn a_paste_is_bracketed_where_that_was_asked_for_and_cannot_end_its_brackets() {
    let mut terminal = attached();
    assert_eq!(terminal.type_paste("a\r\nb\n"), b"a\rb\r");
    output(&mut terminal, b"\x1b[?2004h");
    assert_eq!(terminal.type_paste("a\x1b[201~b"), b"\x1b[200~a[201~b\x1b[201~");
}

#[test]
fn a_key_goes_back_to_where_things_happen() {
    let mut terminal = attached();
    output(&mut terminal, "line\r\n".repeat(30).as_bytes());
    assert!(terminal.cursor(AREA).is_some());
    terminal.scroll(3, Direction::Back);
    assert!(terminal.cursor(AREA).is_none());
    terminal.scroll(1_000_000, Direction::Back);
    assert_eq!(terminal.status(), "26 lines back");
    assert_eq!(terminal.type_key(Key::plain(Code::Char('x'))), b"x");
    assert_eq!(terminal.status(), "");
}

#[test]
fn an_end_is_said() {
    let mut terminal = attached();
    let exit = ShellExit { code: Some(3), signal: None, why: None };
    terminal.hear(ShellSaid::Item(ShellItem::Exit(exit)));
    assert_eq!(terminal.stage, Stage::Over("exit 3".into()));
}

fn piece() -> impl Strategy<Value = Vec<u8>> {
    let sequence = "(\x1b(\\[[?>]?[0-9;]{0,8}[@-~]|[ -~])|[ -~\n\r\t\u{8}日👩е\u{301}\u{202e}]){0,40}";
    prop_oneof![prop::collection::vec(any::<u8>(), 0..80), sequence.prop_map(String::into_bytes)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    /// Whatever a remote program writes, at whatever size: it is drawn, and never a control character.
    #[test]
    fn no_output_makes_it_panic(
        pieces in prop::collection::vec((piece(), 0..30_u16, 0..30_u16, 0..50_usize), 1..12),
    ) {
        let mut terminal = attached();
        for (bytes, width, height, back) in pieces {
            output(&mut terminal, &bytes);
            terminal.fit(Rect::new(0, 0, width, height));
            terminal.scroll(back, Direction::Back);
            let area = Rect::new(0, 0, 25, 12);
            let mut buffer = Buffer::empty(Rect::new(0, 0, 22, 10));
            terminal.draw(&Theme::default(), area, &mut buffer);
            let clean = |cell: &ratatui::buffer::Cell| !cell.symbol().chars().any(is_hostile);
            prop_assert!(buffer.content().iter().all(clean));
            let _ = terminal.cursor(area);
        }
    }
}
