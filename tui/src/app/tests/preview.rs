//! What is under the cursor, beside the panes: when it is asked for, and what is shown of it.

use p2p_shared::error::RpcError;
use p2p_shared::services::file::{FileChunk, FileContent, FileKind, FilePage, FilePath, FileVersion};

use super::files::{listed_on, path, row};
use super::*;
use crate::command::FilesOrder;
use crate::event::{FilesSaid, MeshEvent, Previewed};

/// A console that shows a directory, wide enough for three panes.
pub(crate) fn beside() -> Console {
    let mut console = console(2, 3);
    console.press("4");
    let kinds = [FileKind::Directory, FileKind::File, FileKind::File, FileKind::Fifo];
    let rows = ["etc", "motd", "photo", "pipe"].into_iter().zip(kinds).map(|(name, kind)| row(name, kind));
    let node = console.simulated.id(1);
    listed_on(&mut console, node, "/", rows.collect());
    console
}

fn asked(commands: &[Command]) -> Vec<FilePath> {
    let path = |command: &Command| match command {
        Command::Files { order: FilesOrder::Preview(path), .. } => Some(path.clone()),
        _ => None,
    };
    commands.iter().filter_map(path).collect()
}

pub(crate) fn tell(console: &mut Console, of: &str, result: Result<Previewed, RpcError>) {
    let node = console.simulated.id(1);
    let said = FilesSaid::Previewed(path(of), result);
    console.mesh(MeshEvent::Files { node, said });
}

pub(crate) fn part(content: &[u8], is_end: bool) -> Result<Previewed, RpcError> {
    let version = FileVersion { inode: 1, size_bytes: 2_048, modified_ns: 0 };
    let content = FileContent(content.to_vec());
    Ok(Previewed::Part(FileChunk { offset: 0, content, is_end, version }))
}

#[test]
fn what_the_cursor_stands_on_is_asked_for_once_and_shown_harmless() {
    let mut console = beside();
    assert_eq!(asked(&console.press("j")), [path("/motd")]);
    assert!(asked(&console.wait(2)).is_empty(), "nothing is asked for twice");
    assert!(console.shows("reading"));
    tell(&mut console, "/etc", part(b"of another one", true));
    assert!(!console.shows("of another one"), "the cursor has left that");
    tell(&mut console, "/motd", part(b"welcome\n\x1b[2Jevil\n", false));
    assert!(console.shows("welcome") && console.shows("^[[2Jevil"), "{}", console.screen());
    assert!(console.shows("motd  2.0K, text, the first 1"), "{}", console.screen());
    assert_eq!(asked(&console.press("R")), [path("/motd")], "it may be another one now");
}

#[test]
fn a_directory_is_names_what_is_no_text_is_said_and_a_refusal_too() {
    let mut console = beside();
    let rows = vec![row("ssh", FileKind::Directory), row("fstab", FileKind::File)];
    tell(&mut console, "/etc", Ok(Previewed::Names(FilePage { rows, next: None })));
    assert!(console.shows("directory, 2 names") && console.shows("ssh/") && console.shows("fstab"));
    console.press("jj");
    tell(&mut console, "/photo", part(b"\x89PNG\0", true));
    assert!(console.shows("no text") && console.shows("89 50 4e 47"), "{}", console.screen());
    tell(&mut console, "/photo", Err(RpcError::forbidden("denied: file roots")));
    assert!(console.shows("denied: file roots"));
    assert!(asked(&console.press("j")).is_empty(), "a pipe is not read");
    assert!(console.shows("neither a file nor a directory"));
}

#[test]
fn nothing_is_read_where_it_has_no_room_or_is_not_wanted() {
    let mut console = beside();
    console.press("V");
    assert!(asked(&console.press("j")).is_empty());
    assert_eq!(asked(&console.press("V")), [path("/motd")]);
    console.resize(119, 40);
    assert!(asked(&console.press("j")).is_empty());
    console.press("V");
    assert!(console.shows("from 120 columns on"));
}
