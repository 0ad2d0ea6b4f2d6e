use p2p_shared::error::RpcError;
use p2p_shared::time::UnixMillis;
use proptest::prelude::*;

use super::*;
use crate::format::is_hostile;
use crate::testing::painted;

fn player() -> Player {
    let recording = ShellRecording {
        id: "a1".into(),
        user: "root".into(),
        command: vec!["/bin/bash".into()],
        opened_by: "alice".into(),
        opened: UnixMillis(0),
        written: UnixMillis(65_000),
        size_bytes: 10,
    };
    Player::new(TerminalId(1), NodeId::new([1; 32]), recording)
}

fn shown(player: &mut Player, at: u64, bytes: &[u8]) {
    player.hear(ReplaySaid::Shown { at: Millis(at), bytes: bytes.to_vec() });
}

fn drawn(player: &Player, width: u16, height: u16) -> String {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    player.draw(&Theme::default(), area, &mut buffer);
    painted(&buffer)
}

#[test]
fn the_line_says_how_far_it_is_and_how_fast() {
    let mut player = player();
    player.hear(ReplaySaid::Began);
    shown(&mut player, 12_300, b"hello");
    let text = drawn(&player, 60, 5);
    assert!(text.contains("hello") && text.contains("playing  0:12 / 1:05"), "{text}");
    assert_eq!([player.turn(true), player.turn(true)], [Some(200), Some(400)]);
    assert!(drawn(&player, 60, 5).contains("4x speed"));
    for _ in 0..9 {
        player.turn(false);
    }
    assert!(drawn(&player, 60, 5).contains("1/4 speed"));
    player.hear(ReplaySaid::Over(Millis(3_700_000)));
    assert!(drawn(&player, 60, 5).contains("the end  1:01:40 / 1:01:40"));
    player.hear(ReplaySaid::Failed(RpcError::not_found("no recording a1")));
    assert!(drawn(&player, 60, 5).contains("no recording a1"));
}

#[test]
fn a_step_leads_nowhere_before_the_beginning_or_behind_the_end() {
    let mut player = player();
    player.hear(ReplaySaid::Began);
    shown(&mut player, 5_000, b"");
    assert_eq!(player.step(false), Millis::ZERO);
    let steps: Vec<_> = (0..8).map(|_| player.step(true).0).collect();
    assert_eq!(steps, [10_000, 20_000, 30_000, 40_000, 50_000, 60_000, 65_000, 65_000]);
}

#[test]
fn on_its_way_it_says_where_to_and_a_step_goes_on_from_there() {
    let mut player = player();
    player.hear(ReplaySaid::Began);
    shown(&mut player, 30_000, b"");
    player.step(true);
    shown(&mut player, 31_000, b"");
    assert!(drawn(&player, 60, 5).contains("going to 0:40  0:31 / 1:05"), "{}", drawn(&player, 60, 5));
    assert_eq!(player.step(false), Millis(30_000));
    shown(&mut player, 31_500, b"late");
    assert!(!drawn(&player, 60, 5).contains("late"), "it is played from the beginning");
    player.hear(ReplaySaid::Began);
    shown(&mut player, 30_000, b"there");
    let text = drawn(&player, 60, 5);
    assert!(text.contains("playing  0:30 / 1:05") && text.contains("there"), "{text}");
}

#[test]
fn from_the_beginning_again_the_terminal_is_clear() {
    let mut player = player();
    player.hear(ReplaySaid::Began);
    shown(&mut player, 5_000, b"old");
    player.stage = Playing::Paused;
    player.hear(ReplaySaid::Began);
    assert_eq!(player.stage, Playing::Paused, "it goes on when it is told to");
    assert!(!drawn(&player, 60, 5).contains("old"));
}

#[test]
fn of_a_large_terminal_the_part_around_the_cursor_is_seen() {
    let mut player = player();
    player.hear(ReplaySaid::Began);
    player.hear(ReplaySaid::Size(ShellSize { rows: 50, columns: 200 }));
    shown(&mut player, 1, b"top\x1b[45;150Hhere");
    let text = drawn(&player, 40, 10);
    assert!(text.contains("here") && !text.contains("top"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(60))]
    /// Whatever was recorded, of whatever size: it is drawn, and never a control character.
    #[test]
    fn no_recording_makes_it_panic(
        pieces in prop::collection::vec((any::<Vec<u8>>(), any::<u16>(), 0..300_u16, any::<u64>()), 1..8),
    ) {
        let mut player = player();
        player.hear(ReplaySaid::Began);
        for (bytes, columns, rows, at) in pieces {
            shown(&mut player, at, "\x1b[999C日\x1b[1;1H".as_bytes());
            shown(&mut player, at, &bytes);
            player.hear(ReplaySaid::Size(ShellSize { rows, columns }));
            player.step(at % 2 == 0);
            let area = Rect::new(0, 0, 25, 12);
            let mut buffer = Buffer::empty(Rect::new(0, 0, 22, 10));
            player.draw(&Theme::default(), area, &mut buffer);
            let clean = |cell: &ratatui::buffer::Cell| !cell.symbol().chars().any(is_hostile);
            prop_assert!(buffer.content().iter().all(clean));
        }
    }
}
