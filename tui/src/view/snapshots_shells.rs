//! Shells side by side and recordings, as text with a hash of their styles.

use p2p_shared::services::shell::{ShellExit, ShellItem, ShellSize};
use p2p_shared::time::Millis;

use super::snapshots::{at, at_sizes};
use crate::app::tests::{Console, options};
use crate::command::TerminalId;
use crate::event::{MeshEvent, ReplaySaid, ShellSaid};
use crate::testing::Simulated;

#[test]
fn shells_side_by_side() {
    let mut console = Console::over(Simulated::new(2, 2), options());
    console.enter();
    console.feed();
    console.press(":shell<enter>");
    let said = |console: &mut Console, terminal, item| {
        console.mesh(MeshEvent::Shell { terminal: TerminalId(terminal), said: ShellSaid::Item(item) });
    };
    console.press("<enter>");
    let info = console.simulated.shells(1).remove(0);
    said(&mut console, 1, ShellItem::Attached(Box::new(info)));
    console.press("^]j<enter>");
    let info = console.simulated.shells(1).remove(1);
    said(&mut console, 2, ShellItem::Attached(Box::new(info)));
    said(&mut console, 2, ShellItem::Output(b"top - 12:00:01 up 3 days".to_vec()));
    said(&mut console, 1, ShellItem::Output(b"make: done\r\n".to_vec()));
    at_sizes("shell_one_of_two", &mut console);
    console.press("^]");
    said(&mut console, 1, ShellItem::Exit(ShellExit { code: Some(2), signal: None, why: None }));
    at_sizes("shells_with_two_open", &mut console);
    console.press("j");
    at("shells_with_two_open_later", &mut console, (80, 24));
}

#[test]
fn recordings() {
    let mut console = Console::over(Simulated::new(2, 2), options());
    console.enter();
    console.press(":shell<enter>]");
    at("recordings_loading", &mut console, (80, 24));
    console.feed();
    at_sizes("recordings", &mut console);
    console.press("<enter>");
    at("replay_waiting", &mut console, (80, 24));
    let said = |console: &mut Console, said| {
        console.mesh(MeshEvent::Replay { player: TerminalId(1), said });
    };
    said(&mut console, ReplaySaid::Began);
    said(&mut console, ReplaySaid::Size(ShellSize { rows: 30, columns: 100 }));
    let bytes = b"\x1b[1;32mroot@web-1\x1b[0m:~# ls\r\n\x1b[30;80Hbottom".to_vec();
    said(&mut console, ReplaySaid::Shown { at: Millis(12_000), bytes });
    console.press("+");
    at_sizes("replay_playing", &mut console);
    said(&mut console, ReplaySaid::Over(Millis(64_000)));
    at("replay_over", &mut console, (80, 24));
}
