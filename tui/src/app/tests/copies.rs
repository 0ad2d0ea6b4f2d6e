//! Files in two panes, copies from one to the other, and searches.

use p2p_shared::error::RpcError;
use p2p_shared::services::file::{FileContent, FileFound, FileHit, FileKind, FilePath, SearchEnd};
use p2p_shared::services::transfer::{TransferProgress, TransferSummary};

use super::files::{listed_on, orders, path, row};
use super::*;
use crate::command::{After, CopyId, CopyOrder, CopyStep, FilesOrder, SearchFor, SearchId, Spot};
use crate::event::{CopySaid, CopyTotal, FilesSaid};

/// A console whose left pane shows `/srv` of the first node by name, and its right one `/` of the next.
pub(crate) fn panes() -> Console {
    let mut console = console(3, 3);
    console.press("4");
    let (left, right) = nodes(&console);
    console.press(":files /srv<enter>");
    let rows = vec![
        row("data", FileKind::Directory),
        row("notes.txt", FileKind::File),
        row("site.conf", FileKind::File),
        row("tank", FileKind::Directory),
    ];
    listed_on(&mut console, left, "/srv", rows);
    listed_on(
        &mut console,
        right,
        "/",
        vec![row("backup", FileKind::Directory), row("vmlinuz", FileKind::File)],
    );
    console
}

/// The nodes of the panes.
fn nodes(console: &Console) -> (NodeId, NodeId) {
    let mut names: Vec<_> =
        console.state.world.fleet.iter().map(|(id, node)| (node.name().clone(), id)).collect();
    names.sort();
    (names[0].1, names[1].1)
}

/// What stands in the way of a plan, as the receiving node says it: what `taken` names.
pub(crate) fn planned(console: &mut Console, commands: &[Command], taken: &[&str]) -> Vec<Command> {
    let plan = commands.iter().find_map(|command| match command {
        Command::Files { order: FilesOrder::Plan(plan), .. } => Some(plan.clone()),
        _ => None,
    });
    let plan = plan.expect("a plan is looked at");
    let step = |from: &FilePath| {
        let name = crate::paths::last(from).unwrap();
        let to = crate::paths::below(&plan.to.path, name).unwrap();
        let name = String::from_utf8_lossy(name).into_owned();
        CopyStep {
            order: CopyOrder {
                from: Spot { node: plan.from, path: from.clone() },
                to: Spot { node: plan.to.node, path: to },
                after: plan.after,
            },
            there: taken.contains(&name.as_str()).then(|| row(&name, FileKind::File)),
        }
    };
    let steps = Ok(plan.paths.iter().map(step).collect());
    let node = plan.to.node;
    console.mesh(MeshEvent::Files { node, said: FilesSaid::Planned(plan, steps) })
}

fn begun(commands: &[Command]) -> Vec<(u64, String)> {
    let order = |command: &Command| match command {
        Command::BeginCopy { copy, order } => Some((copy.0, order.to.path.to_string())),
        _ => None,
    };
    commands.iter().filter_map(order).collect()
}

pub(crate) fn hear(console: &mut Console, copy: u64, said: CopySaid) -> Vec<Command> {
    console.mesh(MeshEvent::Copy { copy: CopyId(copy), said })
}

pub(crate) fn going(done_bytes: u64, file: &str) -> CopySaid {
    CopySaid::Progress(TransferProgress {
        entries: 120,
        done_bytes,
        received_bytes: done_bytes,
        path: path(file),
        ..TransferProgress::default()
    })
}

pub(crate) fn total(size_bytes: u64) -> CopySaid {
    CopySaid::Total(CopyTotal { entries: 1_204, size_bytes })
}

/// A console that copies: one goes on, one was cut, one is done, one failed.
pub(crate) fn copying() -> Console {
    let mut console = panes();
    let plan = console.press("ac");
    planned(&mut console, &plan, &["notes.txt"]);
    console.press("y");
    let done =
        TransferProgress { entries: 31, done_bytes: 5 << 20, received_bytes: 2 << 20, ..Default::default() };
    let summary = TransferSummary { progress: done, failed: Vec::new(), elapsed_ms: 1_500 };
    hear(&mut console, 3, CopySaid::Ended(Ok(Box::new(summary))));
    hear(
        &mut console,
        4,
        CopySaid::Ended(Err(RpcError::forbidden("denied: file roots: /tank is outside of /srv"))),
    );
    hear(&mut console, 2, total(300 << 20));
    hear(&mut console, 2, going(100 << 20, "a/evil\u{1b}[2J\u{202e}"));
    hear(&mut console, 2, CopySaid::Ended(Err(RpcError::unavailable("web-1 is gone"))));
    hear(&mut console, 1, total(300 << 20));
    hear(&mut console, 1, going(60 << 20, "2024/01/access.log"));
    console.wait(1);
    hear(&mut console, 1, going(135 << 20, "2024/02/access.log"));
    console
}

#[test]
fn the_panes_are_on_nodes_of_their_own_and_keys_go_to_one() {
    let mut console = panes();
    let (left, right) = nodes(&console);
    let name = |console: &Console, node| console.state.world.fleet.name_of(node);
    let (left_name, right_name) = (name(&console, left), name(&console, right));
    for text in ["notes.txt", "vmlinuz", &format!("{left_name}:/srv"), &format!("{right_name}:/")] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    assert_eq!(console.name_under_cursor(), "/srv/data");
    console.press("<tab>");
    assert_eq!(console.name_under_cursor(), "/backup");
    assert_eq!(orders(&console.press("<enter>")), [FilesOrder::List(path("/backup"))]);
    console.press("<tab>j");
    assert_eq!(console.name_under_cursor(), "/srv/tank", "the other pane kept its cursor");
    // The next node of this pane alone, and a place that is written.
    assert_eq!(orders(&console.press("]")), [FilesOrder::List(path("/"))]);
    let asked = console.press(&format!(":files {right_name}:/etc<enter>"));
    assert_eq!(asked, [Command::Files { node: right, order: FilesOrder::List(path("/etc")) }]);
    assert!(console.shows(&format!("{right_name}:/etc")));
    console.press(":files nobody:/etc<enter>");
    assert!(console.shows("no node is called nobody"));
}

#[test]
fn the_other_pane_comes_here_and_they_change_sides() {
    let mut console = panes();
    let (left, _) = nodes(&console);
    let asked = console.press("i");
    assert_eq!(asked, [Command::Files { node: left, order: FilesOrder::List(path("/srv")) }]);
    listed_on(&mut console, left, "/srv", vec![row("fresh", FileKind::File)]);
    assert_eq!(console.screen().matches(":/srv").count(), 2, "{}", console.screen());
    let mut console = panes();
    let left_of = |console: &mut Console, text: &str| {
        let screen = console.screen();
        screen.lines().find_map(|line| line.find(text)).expect(text)
    };
    assert!(left_of(&mut console, "notes.txt") < left_of(&mut console, "vmlinuz"));
    console.press("I");
    assert!(left_of(&mut console, "notes.txt") > left_of(&mut console, "vmlinuz"));
    assert_eq!(console.name_under_cursor(), "/backup", "keys go to the side that they went to");
}

#[test]
fn where_there_is_no_room_one_pane_is_shown() {
    let mut console = panes();
    console.resize(50, 15);
    assert!(console.shows("notes.txt") && !console.shows("vmlinuz"), "{}", console.screen());
    console.press("<tab>");
    assert!(!console.shows("notes.txt") && console.shows("vmlinuz"), "{}", console.screen());
}

#[test]
fn what_is_marked_goes_to_the_other_pane_after_a_question_that_names_what_it_takes_the_place_of() {
    let mut console = panes();
    let plan = console.press("j  c");
    assert!(begun(&planned(&mut console, &plan, &["notes.txt"])).is_empty());
    for text in ["over 1 that stand there", "/notes.txt: OVERWRITES 2.0K", "/tank"] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    let names = [(1, "/notes.txt".to_owned()), (2, "/tank".to_owned())];
    assert_eq!(begun(&console.press("y")), names);
    assert!(
        console.shows("copying (W shows more): 2 copies") && console.shows("2 copies begun"),
        "{}",
        console.screen()
    );
    // Not meant.
    let plan = console.press("c");
    planned(&mut console, &plan, &[]);
    assert!(begun(&console.press("<enter>")).is_empty());
}

#[test]
fn a_move_says_so_and_both_panes_are_listed_anew() {
    let mut console = panes();
    let plan = console.press("m");
    planned(&mut console, &plan, &[]);
    assert!(console.shows("Move from"), "{}", console.screen());
    let moved = console.press("y");
    let after = |command: &Command| match command {
        Command::BeginCopy { order, .. } => Some(order.after),
        _ => None,
    };
    assert_eq!(moved.iter().find_map(after), Some(After::Remove));
    let asked = hear(&mut console, 1, CopySaid::Ended(Ok(Box::default())));
    assert_eq!(orders(&asked), [FilesOrder::List(path("/srv")), FilesOrder::List(path("/"))]);
}

#[test]
fn nothing_is_copied_into_itself_nor_asked_about_too_late() {
    let mut console = panes();
    console.press("i");
    let (left, _) = nodes(&console);
    listed_on(&mut console, left, "/srv", vec![row("data", FileKind::Directory), row("x", FileKind::File)]);
    let plan = console.press("c");
    planned(&mut console, &plan, &["data"]);
    assert!(console.shows("cannot be copied into itself"), "{}", console.screen());
    let mut console = panes();
    let plan = console.press("c?");
    planned(&mut console, &plan, &[]);
    console.press("<esc>");
    assert!(console.shows("too late"), "{}", console.screen());
    let plan = console.press("c");
    console.press("jc");
    planned(&mut console, &plan, &[]);
    assert!(console.state.layers.is_empty(), "an older plan");
}

#[test]
fn a_copy_is_watched_stopped_and_taken_up_again() {
    let mut console = copying();
    let banner = "copying (W shows more): 2 copies, 75M/s, 1 cut: web-1 is gone";
    assert!(console.shows(banner), "{}", console.screen());
    let plan = console.press("ggc");
    planned(&mut console, &plan, &[]);
    assert!(console.shows("a copy to /data is under way already"), "{}", console.screen());
    // Another view: they go on, and it is said.
    console.press("0");
    assert!(console.shows("2 copies, 75M/s"));
    console.press("W");
    for text in [
        "45%",
        "135M of 300M",
        "75M/s",
        "2s left",
        "2024/02/access.log",
        "done: 31 entries",
        "of which 2.0M had to be sent",
        "denied: file roots",
    ] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    assert!(!console.screen().contains('\u{1b}') && !console.screen().contains('\u{202e}'));
    // Its time comes.
    assert_eq!(begun(&console.wait(4)), [(2, "/data".to_owned())]);
    assert_eq!(console.press("^c"), [Command::EndCopy(CopyId(1))]);
    assert!(console.shows("stopped; what is there stays"), "{}", console.screen());
    assert_eq!(begun(&console.press("r")), [(5, "/notes.txt".to_owned())]);
    console.press("r");
    assert!(console.shows("only what was cut, failed or was stopped"));
}

#[test]
fn the_listing_that_a_copy_changed_is_asked_for_anew() {
    let mut console = panes();
    let plan = console.press("c");
    planned(&mut console, &plan, &[]);
    console.press("y");
    console.press("<tab>j ");
    let asked = hear(&mut console, 1, CopySaid::Ended(Ok(Box::default())));
    assert_eq!(orders(&asked), [FilesOrder::List(path("/"))]);
    assert!(console.shows(": all of it is there") && !console.shows("copying ("), "{}", console.screen());
    assert!(console.shows("vmlinuz"), "what is known is shown until the new comes");
    let (_, right) = nodes(&console);
    let names = ["backup", "data", "initrd", "vmlinuz", "vmlinuz.old"];
    listed_on(&mut console, right, "/", names.map(|name| row(name, FileKind::File)).to_vec());
    assert_eq!(console.name_under_cursor(), "/vmlinuz", "the mark is on its name, and no other");
}

#[test]
fn leaving_asks_while_copies_go_on() {
    for keys in ["q", ":q<enter>", "^c^c"] {
        let mut console = copying();
        console.press("0qqqqqqq");
        console.press("<esc>");
        assert!(!console.press(keys).contains(&Command::Quit), "{keys}");
        assert!(console.shows("Leave, and end"), "{keys}: {}", console.screen());
        assert!(!console.press("<enter>").contains(&Command::Quit), "it stays");
        console.press(":q<enter>");
        assert_eq!(console.press("y"), [Command::Quit], "{keys}");
    }
    let mut idle = panes();
    assert!(idle.press("qqq").contains(&Command::Quit));
}

fn hit(text: &str, line: Option<u64>) -> FileHit {
    let content = line.map_or_else(Vec::new, |_| b"port = 80\x1b[2J".to_vec());
    FileHit { path: path(text), kind: FileKind::File, line, text: FileContent(content) }
}

pub(crate) fn found(hits: Vec<FileHit>, end: Option<SearchEnd>) -> FileFound {
    FileFound { hits, entries: 1_300, read_bytes: 5 << 20, skipped: 2, end }
}

pub(crate) fn searching() -> Console {
    let mut console = panes();
    console.press("^flport<enter>");
    let hits = vec![hit("/srv/site.conf", Some(12)), hit("/srv/data/evil\u{202e}", Some(3))];
    console.mesh(MeshEvent::Found { search: SearchId(1), found: Ok(found(hits, None)) });
    console
}

#[test]
fn a_search_streams_is_stopped_and_leads_to_the_file() {
    let mut console = searching();
    for text in ["lines with port", "/srv/site.conf:12", "port = 80", "2 hits in 1,300 names", "it goes on"] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    assert!(!console.screen().contains('\u{1b}') && !console.screen().contains('\u{202e}'));
    assert_eq!(console.press("^c"), [Command::EndSearch(SearchId(1))]);
    assert!(console.shows("stopped"));
    let late = found(vec![hit("/late", None)], None);
    console.mesh(MeshEvent::Found { search: SearchId(1), found: Ok(late) });
    assert!(!console.shows("/late"));
    let (left, _) = nodes(&console);
    let asked = console.press("j<enter>");
    assert_eq!(asked, [Command::Files { node: left, order: FilesOrder::List(path("/srv/data")) }]);
    listed_on(
        &mut console,
        left,
        "/srv/data",
        vec![row("a", FileKind::File), row("evil\u{202e}", FileKind::File)],
    );
    assert_eq!(console.name_under_cursor(), "/srv/data/evil\u{202e}");
}

#[test]
fn a_search_by_name_takes_a_part_or_a_pattern_and_says_how_it_ended() {
    let mut console = panes();
    let what = |commands: &[Command]| match commands {
        [Command::Search { order, .. }] => order.what.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(what(&console.press("^fnsite<enter>")), SearchFor::Names("*site*".into()));
    let last = found(vec![hit("/srv/site.conf", None)], Some(SearchEnd::Hits));
    console.mesh(MeshEvent::Found { search: SearchId(1), found: Ok(last) });
    assert!(console.shows("there are more"), "{}", console.screen());
    console.press("<esc>");
    assert_eq!(what(&console.press("xf*.conf<enter>")), SearchFor::Names("*.conf".into()));
    let error = RpcError::bad_request("no such glob");
    console.mesh(MeshEvent::Found { search: SearchId(2), found: Err(error) });
    assert!(console.shows("no such glob"));
    assert!(console.press("<esc>").is_empty(), "it has ended already");
}

#[test]
fn the_way_back_from_a_hit_leads_to_what_was_found() {
    let mut console = searching();
    let before = console.screen();
    console.press("<enter>");
    assert!(console.state.layers.is_empty());
    assert!(console.shows("q returns to what was found"));
    console.press("q");
    assert!(matches!(console.state.layers.as_slice(), [Layer::Search(found)] if !found.hits.is_empty()));
    assert_eq!(before.contains("hits"), console.shows("hits"));
    console.press("<esc>");
    assert!(console.state.layers.is_empty() && console.state.current() == ViewId::Files);
}
