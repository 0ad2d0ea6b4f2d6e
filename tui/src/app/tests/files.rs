//! Files: what is asked of a node, what is shown of it, and what is asked before something is done.

use p2p_shared::error::RpcError;
use p2p_shared::services::file::{
    FileChunk, FileContent, FileExpect, FileKind, FilePage, FilePath, FileRow, FileVersion,
};

use super::*;
use crate::command::{FileDeed, FilesOrder};
use crate::edit::{Conflict, Draft, Edited, Ended};
use crate::event::{FilesSaid, MeshEvent};

pub(crate) fn path(text: &str) -> FilePath {
    text.parse().unwrap()
}

pub(crate) fn row(name: &str, kind: FileKind) -> FileRow {
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

pub(crate) fn orders(commands: &[Command]) -> Vec<FilesOrder> {
    let order = |command: &Command| match command {
        // What is beside them is asked for wherever the cursor comes to stand.
        Command::Files { order: FilesOrder::Preview(_), .. } => None,
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
    let node = console.simulated.id(1);
    listed_on(console, node, directory, rows);
}

pub(crate) fn listed_on(console: &mut Console, node: NodeId, directory: &str, rows: Vec<FileRow>) {
    let page = FilePage { rows, next: None };
    console.mesh(MeshEvent::Files { node, said: FilesSaid::Listed(path(directory), Ok(page)) });
}

/// A console that shows `/` of the first node by name.
fn browsing() -> Console {
    let mut console = console(2, 3);
    // One for each pane.
    assert_eq!(orders(&console.press("4")), [FilesOrder::List(path("/")), FilesOrder::List(path("/"))]);
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
    // The columns want the room that a preview takes.
    console.press("V");
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
fn the_path_of_a_file_leads_to_its_directory_with_the_cursor_on_it() {
    let mut console = browsing();
    let asked = orders(&console.press(":files /etc/fstab<enter>"));
    assert!(asked.contains(&FilesOrder::List(path("/etc/fstab"))), "{asked:?}");
    let asked = orders(&say(&mut console, FilesSaid::Beside(path("/etc/fstab"))));
    assert_eq!(asked, [FilesOrder::List(path("/etc"))]);
    listed(&mut console, "/etc", vec![row("aliases", FileKind::File), row("fstab", FileKind::File)]);
    assert_eq!(orders(&console.press("<enter>")), [FilesOrder::View(path("/etc/fstab"))]);
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
    let name = console.state.world.fleet.name_of(console.simulated.id(0));
    console.press("Gxn");
    assert!(console.shows("copy /zero to"), "{}", console.screen());
    console.press(&format!("{name}:srv<enter>"));
    assert!(console.shows("absolute"), "{}", console.screen());
    console.press("^unobody<enter>");
    assert!(console.shows("no node is called nobody"), "{}", console.screen());
    let plan = console.press(&format!("^u{name}:/srv/one<enter>"));
    assert!(acts(&copies::planned(&mut console, &plan, &[])).is_empty());
    assert!(matches!(&acts(&console.press("y"))[..], [Command::BeginCopy { .. }]));
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

fn version(size_bytes: u64) -> FileVersion {
    FileVersion { inode: 7, size_bytes, modified_ns: 0 }
}

fn whole(text: &str) -> FileChunk {
    let content = FileContent(text.as_bytes().to_vec());
    FileChunk { offset: 0, content, is_end: true, version: version(text.len() as u64) }
}

fn draft(commands: &[Command]) -> Option<Draft> {
    commands.iter().find_map(|command| match command {
        Command::Edit(draft) => Some((**draft).clone()),
        _ => None,
    })
}

fn written(commands: &[Command]) -> Edited {
    match &acts(commands)[..] {
        [Command::File { deed: FileDeed::Write(edited), .. }] => (**edited).clone(),
        other => panic!("one write, not {other:?}"),
    }
}

/// A console whose user has `zero` in the editor.
fn editing(text: &str) -> (Console, Draft) {
    let mut console = browsing();
    assert_eq!(orders(&console.press("Ge")), [FilesOrder::Edit(path("/zero"))]);
    let said = FilesSaid::ToEdit(path("/zero"), Ok(whole(text)));
    let draft = draft(&say(&mut console, said)).expect("the editor opens");
    (console, draft)
}

fn edited(console: &mut Console, draft: Draft, ended: Ended) -> Vec<Command> {
    console.state.update(Event::Edited { draft: Box::new(draft), ended })
}

fn changed(text: &str) -> Ended {
    Ended::Changed { content: FileContent(text.into()), kept: "/run/user/7/p2p-edit-1-0/zero".into() }
}

/// A console whose user has edited `zero`, which somebody else changed meanwhile.
pub(crate) fn clashing() -> Console {
    let (mut console, draft) = editing("one\ntwo\n");
    let edited = written(&edited(&mut console, draft, changed("one\nmine\n")));
    let conflict = Conflict {
        edited,
        theirs: Ok(whole("one\ntheirs\n")),
        row: Some(row("zero", FileKind::File)),
        by: Some(("anna".into(), console.state.world.wall)),
    };
    say(&mut console, FilesSaid::Conflict(Box::new(conflict)));
    console
}

#[test]
fn an_edited_file_is_written_with_the_version_that_was_read() {
    let (mut console, draft) = editing("a\n");
    assert_eq!((draft.path.clone(), draft.version), (path("/zero"), version(2)));
    let edited = written(&edited(&mut console, draft, changed("b\n")));
    assert_eq!(edited.expect, FileExpect::Version(version(2)));
    assert_eq!(edited.content.0, b"b\n");
    assert!(console.shows("/zero") && console.shows("1 waiting"), "{}", console.screen());
}

#[test]
fn nothing_is_written_that_did_not_change_or_failed_and_a_text_is_named() {
    let (mut console, draft) = editing("a\n");
    assert!(acts(&edited(&mut console, draft.clone(), Ended::Unchanged)).is_empty());
    assert!(console.shows("/zero: nothing was changed"), "{}", console.screen());
    let failed = Ended::Failed { why: "there is no editor vi here".into(), kept: None };
    assert!(acts(&edited(&mut console, draft.clone(), failed)).is_empty());
    assert!(console.shows("there is no editor vi here"), "{}", console.screen());
    let failed = Ended::Failed { why: "vi ended with 1".into(), kept: Some("/tmp/p2p-edit-1-0/zero".into()) };
    assert!(acts(&edited(&mut console, draft, failed)).is_empty());
    for text in ["/zero was not written", "vi ended with 1", "/tmp/p2p-edit-1-0/zero"] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
}

#[test]
fn only_a_small_text_that_is_still_waited_for_opens_the_editor() {
    let refused = |said: Result<FileChunk, RpcError>, keys: &str, words: &str| {
        let mut console = browsing();
        console.press("Ge");
        console.press(keys);
        assert_eq!(draft(&say(&mut console, FilesSaid::ToEdit(path("/zero"), said))), None);
        assert!(console.shows(words), "{words}: {}", console.screen());
    };
    refused(Ok(FileChunk { is_end: false, ..whole("a") }), "", "too large to be edited here");
    refused(Ok(whole("\0ELF")), "", "no text");
    refused(Err(RpcError::forbidden("denied: role")), "", "/zero: denied: role");
    refused(Ok(whole("a")), "<esc>0", "came too late");
    let mut console = browsing();
    // Nobody asked for it.
    assert_eq!(draft(&say(&mut console, FilesSaid::ToEdit(path("/zero"), Ok(whole("a"))))), None);
    // A directory.
    assert!(orders(&console.press("gge")).is_empty());
}

#[test]
fn a_conflict_writes_only_over_what_it_shows_and_after_a_question() {
    let mut console = clashing();
    for text in ["changed while you edited it", "anna", "/run/user/7/p2p-edit-1-0/zero"] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    assert!(acts(&console.press("d")).is_empty());
    for text in ["  one", "- theirs", "+ mine"] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    assert!(acts(&console.press("<esc>w")).is_empty());
    assert!(console.shows("Overwrite the change of others"), "{}", console.screen());
    // Not meant: the conflict is still there.
    assert!(acts(&console.press("<esc>")).is_empty());
    assert!(console.shows("changed while you edited it"), "{}", console.screen());
    let edited = written(&console.press("wy"));
    assert_eq!(edited.expect, FileExpect::Version(version(11)));
    assert_eq!(edited.content.0, b"one\nmine\n");
    console.press("<esc>");
    assert!(!console.shows("changed while you edited it"), "{}", console.screen());
}

#[test]
fn a_conflict_that_is_left_says_where_the_text_is() {
    for key in ["k", "<esc>", "q", "^c"] {
        let mut console = clashing();
        assert!(acts(&console.press(key)).is_empty());
        assert!(console.shows("your text is in /run/user/7/p2p-edit-1-0/zero"), "{key} {}", console.screen());
    }
}

#[test]
fn a_file_that_is_gone_is_written_anew_and_one_that_nobody_can_see_is_not() {
    let (mut console, draft) = editing("a\n");
    let edited = written(&edited(&mut console, draft, changed("b\n")));
    let mut conflict = Conflict { edited, theirs: Err(RpcError::not_found("no /zero")), row: None, by: None };
    say(&mut console, FilesSaid::Conflict(Box::new(conflict.clone())));
    assert!(console.shows("no /zero"), "{}", console.screen());
    let edited = written(&console.press("wy"));
    assert_eq!(edited.expect, FileExpect::Absent);
    conflict.theirs = Err(RpcError::forbidden("denied: role"));
    say(&mut console, FilesSaid::Conflict(Box::new(conflict)));
    assert!(acts(&console.press("wy")).is_empty());
    assert!(console.shows("cannot be read: denied: role"), "{}", console.screen());
}
