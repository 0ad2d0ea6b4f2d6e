//! A recording that is played: what its keys order, and how it ends.

use p2p_shared::error::RpcError;
use p2p_shared::services::shell::ShellSize;

use super::*;
use crate::command::{ReplayOrder, TerminalId};
use crate::event::{MeshEvent, ReplaySaid};

fn order(order: ReplayOrder) -> Command {
    Command::Replay { player: TerminalId(1), order }
}

fn tell(console: &mut Console, said: ReplaySaid) {
    console.mesh(MeshEvent::Replay { player: TerminalId(1), said });
}

/// A console that plays the first recording of its only node, 12 s of it.
fn playing() -> Console {
    let mut console = console(1, 3);
    console.press(":shell<enter>]");
    console.feed();
    assert!(console.shows("2 recordings of web-1"), "{}", console.screen());
    let node = console.simulated.id(0);
    let begun = console.press("<enter>");
    assert!(begun.contains(&order(ReplayOrder::Play { node, id: "r00".into() })), "{begun:?}");
    assert!(console.shows("waiting  0:00 / 1:05"), "{}", console.screen());
    tell(&mut console, ReplaySaid::Began);
    tell(&mut console, ReplaySaid::Size(ShellSize { rows: 24, columns: 80 }));
    tell(&mut console, ReplaySaid::Shown { at: Millis(12_000), bytes: b"root@web-1:~# ".to_vec() });
    console
}

#[test]
fn keys_pause_it_and_change_its_speed_and_lead_back_and_forth() {
    let mut console = playing();
    assert!(console.shows("playing  0:12 / 1:05") && console.shows("root@web-1:~#"));
    for (keys, wanted) in [
        (" ", ReplayOrder::Pause),
        (" ", ReplayOrder::Go),
        ("+", ReplayOrder::Speed(200)),
        ("-", ReplayOrder::Speed(100)),
        (".", ReplayOrder::Seek(Millis(22_000))),
        ("<right>", ReplayOrder::Seek(Millis(32_000))),
        ("<left>", ReplayOrder::Seek(Millis(22_000))),
        (",", ReplayOrder::Seek(Millis(12_000))),
        ("gg", ReplayOrder::Seek(Millis::ZERO)),
    ] {
        assert_eq!(console.press(keys), [order(wanted)], "{keys}");
    }
    assert_eq!(console.press("/j*"), [], "there is no list to move in or to filter");
    assert!(console.press("q").contains(&order(ReplayOrder::Leave)));
    assert!(console.shows("2 recordings of web-1"));
    tell(&mut console, ReplaySaid::Over(Millis(1)));
    assert!(!console.state.is_replaying());
}

#[test]
fn it_is_played_once_more_from_its_end_and_left_with_enter() {
    let mut console = playing();
    tell(&mut console, ReplaySaid::Over(Millis(64_000)));
    assert!(console.shows("the end  1:04 / 1:04") && console.shows("once more"));
    assert_eq!(console.press("."), [], "there is nothing in front");
    assert_eq!(console.press(" "), [order(ReplayOrder::Seek(Millis::ZERO))]);
    tell(&mut console, ReplaySaid::Began);
    assert!(console.shows("playing  0:00"));
    tell(&mut console, ReplaySaid::Failed(RpcError::unavailable("web-1 went away")));
    assert!(console.shows("it cannot be played: web-1 went away"));
    assert!(console.press("<enter>").contains(&order(ReplayOrder::Leave)));
}

#[test]
fn nothing_is_played_that_nobody_sees() {
    let mut console = playing();
    assert!(console.press("1").contains(&order(ReplayOrder::Pause)));
    console.press("q");
    assert!(console.shows("paused  0:12"));
    assert!(console.press("^]").is_empty());
}

#[test]
fn a_shell_that_is_opened_takes_its_place() {
    let mut console = playing();
    let commands = console.press(":shell web-1<enter>");
    assert!(commands.contains(&order(ReplayOrder::Leave)), "{commands:?}");
    assert!(console.state.is_typing());
}
