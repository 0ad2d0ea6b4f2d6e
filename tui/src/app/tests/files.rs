//! Files: what is asked of a node, what is shown of it, and what is asked before something is done.

use p2p_shared::error::RpcError;
use p2p_shared::services::file::{
    FileChunk, FileContent, FileKind, FilePage, FilePath, FileRow, FileVersion,
};

use super::*;
use crate::command::{FileDeed, FilesOrder};
use crate::event::{FilesSaid, MeshEvent};

fn path(text: &str) -> FilePath {
    text.parse().unwrap()
}

fn row(name: &str, kind: FileKind) -> FileRow {
    FileRow {
        name: path(name),
        kind,
        version: FileVersion { inode: 7, size_bytes: 2_048, modified_ns: 0 },
        disk_bytes: 4_096,
        mode: 0o4755,
        uid: 0,
        gid: 0,
        owner: "root".into(),
        group: "adm".into(),
        links: 1,
        accessed_ns: 0,
        changed_ns: 0,
        created_ns: None,
        target: (kind == FileKind::Symlink).then(|| path("../x")),
    }
}

fn acts(commands: &[Command]) -> Vec<Command> {
    commands.iter().filter(|command| acting::acts(command)).cloned().collect()
}

fn orders(commands: &[Command]) -> Vec<FilesOrder> {
    let order = |command: &Command| match command {
        Command::Files { order, .. } => Some(order.clone()),
        _ => None,
    };
    commands.iter().filter_map(order).collect()
}

fn say(console: &mut Console, said: FilesSaid) -> Vec<Command> {
    // The first one by name.
    let node = console.simulated.id(1);
    console.mesh(MeshEvent::Files { node, said })
}

fn listed(console: &mut Console, directory: &str, rows: Vec<FileRow>) {
    let page = FilePage { rows, next: None };
    say(console, FilesSaid::Listed(path(directory), Ok(page)));
}

/// A console that shows `/` of the first node by name.
fn browsing() -> Console {
    let mut console = console(2, 3);
    assert_eq!(orders(&console.press("4")), [FilesOrder::List(path("/"))]);
    let rows = vec![
        row("zero", FileKind::File),
        row("evil\u{1b}[2J\u{202e}", FileKind::File),
        row("link", FileKind::Symlink),
        row("etc", FileKind::Directory),
    ];
    listed(&mut console, "/", rows);
    console
}

#[test]
fn a_directory_is_shown_entered_and_left_on_the_name_one_came_from() {
    let mut console = browsing();
    for text in ["etc/", "link -> ../x", "evil\\u{1b}[2J\\u{202e}*", "-rwsr-xr-x", "2.0K"] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    // Nothing is asked for twice.
    assert!(orders(&console.wait(2)).is_empty());
    assert_eq!(orders(&console.press("<enter>")), [FilesOrder::List(path("/etc"))]);
    assert!(console.shows("waiting for the directory"));
    // What comes too late is not what is shown.
    listed(&mut console, "/", vec![row("late", FileKind::File)]);
    assert!(!console.shows("late"));
    listed(&mut console, "/etc", vec![row("fstab", FileKind::File)]);
    assert!(console.shows("/etc") && console.shows("fstab"));
    assert_eq!(orders(&console.press("<left>")), [FilesOrder::List(path("/"))]);
    listed(&mut console, "/", vec![row("a", FileKind::Directory), row("etc", FileKind::Directory)]);
    assert_eq!(orders(&console.press("<enter>")), [FilesOrder::List(path("/etc"))]);
}

#[test]
fn a_refusal_is_said_and_a_filter_hides() {
    let mut console = browsing();
    console.press("/etc<enter>");
    assert!(console.shows("etc/") && !console.shows("zero"));
    console.press("<esc>");
    console.press("<enter>");
    let error = RpcError::forbidden("denied: file roots: /etc does not lead to anything under /srv");
    say(&mut console, FilesSaid::Listed(path("/etc"), Err(error)));
    assert!(console.shows("denied: file roots"), "{}", console.screen());
}

#[test]
fn what_is_in_a_file_is_shown_and_harmless() {
    let mut console = browsing();
    assert_eq!(orders(&console.press("G<enter>")), [FilesOrder::View(path("/zero"))]);
    let chunk = FileChunk {
        offset: 0,
        content: FileContent(b"port = 1\n\x1b]0;x\x07\n".to_vec()),
        is_end: true,
        version: FileVersion { inode: 7, size_bytes: 9, modified_ns: 0 },
    };
    say(&mut console, FilesSaid::Viewed(path("/zero"), Ok(chunk)));
    assert!(console.shows("port = 1"), "{}", console.screen());
    assert!(!console.screen().contains('\u{1b}'));
    console.press("<esc>");
    say(&mut console, FilesSaid::Viewed(path("/zero"), Err(RpcError::forbidden("denied: role"))));
    assert!(console.shows("/zero: denied: role"));
}

#[test]
fn a_copy_and_a_removal_are_asked_about_first() {
    let mut console = browsing();
    console.press("Gxc");
    assert!(console.shows("copy /zero to"), "{}", console.screen());
    console.press("web-2:srv<enter>");
    assert!(console.shows("absolute"), "{}", console.screen());
    console.press("^uweb-2:/srv/one<enter>");
    let to = "web-2".parse().unwrap();
    let copied = acts(&console.press("y"));
    let deed = FileDeed::Copy { path: path("/zero"), to, to_path: path("/srv/one") };
    assert!(matches!(&copied[..], [Command::File { deed: done, .. }] if *done == deed), "{copied:?}");
    console.press("<esc>");
    assert!(acts(&console.press("xD")).is_empty());
    let removed = acts(&console.press("y"));
    assert!(
        matches!(&removed[..], [Command::File { deed: FileDeed::Remove(gone), .. }] if *gone == path("/zero")),
        "{removed:?}"
    );
    // What is shown may differ then.
    assert_eq!(orders(&say(&mut console, FilesSaid::Changed)), [FilesOrder::List(path("/"))]);
}
