//! The whole screen in files and copies, over the answers of commands, and where jumps begin.

use p2p_shared::error::RpcError;

use super::snapshots::{at, at_sizes, fleet};
use crate::command::{Errand, RunId};
use crate::event::MeshEvent;

#[test]
fn files_in_two_panes() {
    let mut console = crate::app::tests::copies::panes();
    console.press("j ");
    at_sizes("files_panes", &mut console);
    console.resize(80, 24);
    let plan = console.press("uac");
    crate::app::tests::copies::planned(&mut console, &plan, &["notes.txt"]);
    at_sizes("files_copy", &mut console);
    let mut copying = crate::app::tests::copies::copying();
    at("files_copying", &mut copying, (80, 24));
    copying.press("W");
    at_sizes("files_copies", &mut copying);
    at_sizes("files_search", &mut crate::app::tests::copies::searching());
}

#[test]
fn files_with_what_is_under_the_cursor() {
    use crate::app::tests::preview::{beside, part, tell};
    let mut console = beside();
    console.resize(200, 50);
    console.press("j");
    tell(&mut console, "/motd", part("welcome to web-1\n日本\n".as_bytes(), false));
    at("files_preview", &mut console, (200, 50));
    at("files_preview", &mut console, (120, 30));
}

#[test]
fn an_edited_file_that_somebody_else_changed() {
    let mut console = crate::app::tests::files::clashing();
    at_sizes("files_conflict", &mut console);
    console.press("d");
    at("files_difference", &mut console, (80, 24));
    console.press("<esc>w");
    at("files_overwrite", &mut console, (80, 24));
}

#[test]
fn answers_of_commands() {
    let mut console = fleet();
    console.press(":exec all df -h /<enter>8<enter>");
    for target in 0..8 {
        let errand = Errand { run: RunId(1), target };
        let used = if target == 3 { "97%" } else { "41%" };
        let text = format!("Filesystem  Size  Use%  Mounted on\n/dev/vda1    40G   {used}  /\n");
        let answer = Box::new(crate::event::Answer { text, is_cut: target == 3 });
        let result = match target {
            5 => Err(RpcError::unavailable("it has left")),
            6 => Err(RpcError::conflict("exit code 1")),
            _ => Ok(()),
        };
        if target != 5 {
            console.mesh(MeshEvent::Answer { errand, answer });
        }
        console.mesh(MeshEvent::Outcome { errand, result });
    }
    at_sizes("answers", &mut console);
    console.press("d");
    at_sizes("answers_differing", &mut console);
}

#[test]
fn what_is_related() {
    let mut console = fleet();
    console.press("1J");
    at_sizes("related_process", &mut console);
    console.press("<esc>7");
    console.feed();
    console.press("J");
    at("related_alert", &mut console, (80, 24));
    console.press("<esc>3");
    console.live(4);
    console.press("J");
    at("related_line", &mut console, (80, 24));
}
