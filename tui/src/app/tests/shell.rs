//! Shells and jobs: whose keys are whose, and what is asked of the nodes.

use p2p_shared::error::RpcError;
use p2p_shared::services::shell::{ShellExit, ShellItem, ShellSize};

use super::acting::{acts, errand};
use super::*;
use crate::command::{JobVerb, ShellOrder, Source, Subject, TerminalId};
use crate::event::{MeshEvent, ShellSaid};

fn shell(terminal: u64, order: ShellOrder) -> Command {
    Command::Shell { terminal: TerminalId(terminal), order }
}

fn typed(bytes: &[u8]) -> Command {
    shell(1, ShellOrder::Type(bytes.to_vec()))
}

/// A console whose first terminal shows a shell.
fn attached() -> Console {
    let mut console = console(2, 3);
    let node = console.simulated.id(0);
    let size = ShellSize { rows: 37, columns: 120 };
    let commands = console.press("Ns");
    assert!(
        commands.contains(&shell(1, ShellOrder::Open { node: node_of(&commands).unwrap_or(node), size }))
    );
    let info = console.simulated.shells(0).remove(0);
    tell(&mut console, ShellItem::Attached(Box::new(info)));
    console
}

fn node_of(commands: &[Command]) -> Option<NodeId> {
    commands.iter().find_map(|command| match command {
        Command::Shell { order: ShellOrder::Open { node, .. } | ShellOrder::Attach { node, .. }, .. } => {
            Some(*node)
        }
        _ => None,
    })
}

fn tell(console: &mut Console, item: ShellItem) -> Vec<Command> {
    console.mesh(MeshEvent::Shell { terminal: TerminalId(1), said: ShellSaid::Item(item) })
}

#[test]
fn every_key_is_the_shells_but_the_one_that_leaves() {
    let mut console = attached();
    tell(&mut console, ShellItem::Output(b"root@web-1:~# ".to_vec()));
    assert!(console.shows("root@web-1:~#") && console.shows("^] leaves"), "{}", console.screen());
    assert_eq!(console.state.cursor(), Some((14, 2)));
    for (keys, bytes) in [
        ("q", &b"q"[..]),
        ("^c", b"\x03"),
        (":", b":"),
        ("<esc>", b"\x1b"),
        ("<up>", b"\x1b[A"),
        ("<enter>", b"\r"),
        ("0", b"0"),
        ("^z", b"\x1a"),
        ("<pgup>", b"\x1b[5~"),
        ("ж", "ж".as_bytes()),
    ] {
        assert_eq!(console.press(keys), [typed(bytes)], "{keys}");
    }
    let paste = console.state.update(Event::Paste("ls\n".into()));
    assert_eq!(paste, [typed(b"ls\r")]);
    assert!(!console.press("^]").iter().any(|command| matches!(command, Command::Shell { .. })));
    assert_eq!(console.state.current(), ViewId::Shell);
    assert!(!console.state.is_typing());
    console.press("q");
    assert_eq!(console.state.current(), ViewId::Fleet);
}

#[test]
fn what_is_left_stays_open_and_goes_on_reading() {
    let mut console = attached();
    console.press("^]");
    let much = vec![b'y'; 20_000];
    let told = tell(&mut console, ShellItem::Output(much));
    assert_eq!(told, [shell(1, ShellOrder::Seen(20_000))], "its shell waits for nobody");
    assert!(console.shows(" 1* db-1 bash"), "{}", console.screen());
    console.press("q");
    assert!(opened(&console.press("^]")).is_empty(), "from anywhere, and nothing is attached to anew");
    assert!(console.state.is_typing() && console.shows("yyyy"));
    assert!(console.press("^]d").contains(&shell(1, ShellOrder::Leave)));
    assert!(console.shows("detached: s00 lives on at"));
    assert_eq!(tell(&mut console, ShellItem::Output(b"late".to_vec())), []);
    console.press("^]");
    assert!(console.shows("no shell is open here"));
}

/// The numbers of the terminals that are opened by keys.
fn opened(commands: &[Command]) -> Vec<u64> {
    let number = |command: &Command| match command {
        Command::Shell { terminal, order: ShellOrder::Open { .. } | ShellOrder::Attach { .. } } => {
            Some(terminal.0)
        }
        _ => None,
    };
    commands.iter().filter_map(number).collect()
}

#[test]
fn one_key_behind_the_one_that_leaves_names_another_shell() {
    let mut console = attached();
    console.press("^]q");
    assert_eq!(opened(&console.press("js")), [2]);
    let info = console.simulated.shells(1).remove(1);
    let said = ShellSaid::Item(ShellItem::Attached(Box::new(info)));
    console.mesh(MeshEvent::Shell { terminal: TerminalId(2), said });
    let second = |bytes: &[u8]| shell(2, ShellOrder::Type(bytes.to_vec()));
    assert_eq!(console.press("a"), [second(b"a")]);
    let size = ShellSize { rows: 36, columns: 120 };
    let commands = console.press("^]1");
    assert_eq!(commands.last(), Some(&shell(1, ShellOrder::Resize(size))), "it fits below the line");
    assert_eq!(console.press("b"), [typed(b"b")]);
    console.press("^]n");
    assert_eq!(console.press("c"), [second(b"c")]);
    console.press("^]p");
    assert!(console.press("^]]").contains(&typed(b"\x1d")), "for those who need the key itself");
    console.press("^]^]");
    assert_eq!(console.press("1"), [typed(b"1")]);
    console.press("^]7");
    assert!(console.shows("there is no shell 7: 2 are open here"));
    console.press("1");
    assert_eq!(console.state.current(), ViewId::Processes, "later a number is a view again");
}

#[test]
fn no_more_shells_are_open_than_are_kept_and_an_ended_one_makes_room() {
    let mut console = attached();
    for number in 2..=8 {
        assert_eq!(opened(&console.press("^]qs")), [number]);
    }
    assert!(opened(&console.press("^]qs")).is_empty());
    assert!(console.shows("8 shells are open here"));
    tell(&mut console, ShellItem::Exit(ShellExit::default()));
    assert_eq!(opened(&console.press("s")), [9]);
}

#[test]
fn a_name_in_the_line_is_clicked() {
    let mut console = attached();
    console.press("^]");
    let body = console.state.areas().body;
    console.click(body.x + 10, body.y);
    assert!(console.state.is_typing());
}

#[test]
fn every_tab_of_the_console_has_the_same_shells() {
    let mut console = attached();
    console.press("^]q^t^]");
    assert!(console.state.is_typing());
    tell(&mut console, ShellItem::Output(b"here".to_vec()));
    assert!(console.shows("here"));
}

#[test]
fn as_crossterm_names_the_key_it_leaves_too() {
    let mut console = attached();
    let key = Key { code: Code::Char('5'), ctrl: true, alt: false };
    for typing in [false, true, false] {
        console.state.update(Event::Key(key));
        assert_eq!(console.state.is_typing(), typing);
    }
}

#[test]
fn a_terminal_has_the_size_of_the_body() {
    let mut console = attached();
    let commands = console.state.update(Event::Resize { width: 80, height: 24 });
    let size = ShellSize { rows: 21, columns: 80 };
    assert_eq!(commands, [shell(1, ShellOrder::Resize(size))]);
}

#[test]
fn a_question_of_a_program_is_answered_and_what_was_shown_is_told() {
    let mut console = attached();
    assert_eq!(tell(&mut console, ShellItem::Output(b"\x1b[6n".to_vec())), [typed(b"\x1b[1;1R")]);
    let much = vec![b'y'; 20_000];
    assert_eq!(tell(&mut console, ShellItem::Output(much)), [shell(1, ShellOrder::Seen(20_004))]);
}

#[test]
fn a_broken_line_is_said_and_an_end_goes_back() {
    let mut console = attached();
    let error = RpcError::unavailable("web-1: it does not answer any more");
    let said = ShellSaid::Lost { error, again: true };
    console.mesh(MeshEvent::Shell { terminal: TerminalId(1), said });
    assert!(console.shows("the line broke"));
    assert_eq!(console.press("x"), [], "nobody is there to read it");
    let info = console.simulated.shells(0).remove(0);
    tell(&mut console, ShellItem::Attached(Box::new(info)));
    assert!(!console.shows("the line broke"));
    tell(&mut console, ShellItem::Exit(ShellExit { code: Some(3), signal: None, why: None }));
    assert!(console.shows("the shell is over: exit 3") && console.shows("Enter goes back"));
    console.press("<enter>");
    assert_eq!(console.state.current(), ViewId::Fleet);
}

#[test]
fn a_shell_that_lives_is_attached_to_again_or_ended() {
    let mut console = console(1, 3);
    console.press(":shell<enter>");
    console.feed();
    assert!(console.shows("alice (you)"), "{}", console.screen());
    let node = console.simulated.id(0);
    let commands = console.press("<enter>");
    let size = ShellSize { rows: 37, columns: 120 };
    assert!(
        commands.contains(&shell(1, ShellOrder::Attach { node, id: "s00".into(), size })),
        "{commands:?}"
    );
    let info = console.simulated.shells(0).remove(0);
    tell(&mut console, ShellItem::Attached(Box::new(info)));
    console.press("^]");
    assert_eq!(console.state.current(), ViewId::Shell);
    console.press("j");
    assert!(opened(&console.press("k<enter>")).is_empty(), "it is attached to already");
    assert!(console.state.is_typing());
    assert!(!console.press("^]").contains(&shell(1, ShellOrder::Leave)));
    assert!(!console.press("^k").iter().any(acts), "it asks first");
    assert_eq!(console.press("y"), [Command::EndShell { errand: errand(1, 0), node, id: "s00".into() }]);
}

#[test]
fn a_shell_opens_on_one_node_and_not_when_read_only() {
    let mut console = console(3, 3);
    assert!(!console.press("as").iter().any(acts));
    assert!(console.shows("a shell opens on one node"));
    console.state.options.readonly = true;
    assert!(!console.press("us").iter().any(acts));
    assert!(!console.press(":shell web-1<enter>").iter().any(acts));
    assert!(console.shows("read-only"));
}

#[test]
fn jobs_are_cancelled_tried_again_and_removed_each_when_it_can_be() {
    let mut console = console(1, 3);
    console.press("8");
    console.feed();
    assert!(console.shows("1 running, 1 queued, 1 failed"), "{}", console.screen());
    let node = console.simulated.id(0);
    let jobs = console.simulated.jobs(0).changed;
    console.press("xr");
    assert!(console.shows("there is one that has not ended"));
    console.press("<esc>xc");
    assert_eq!(
        console.press("y"),
        [Command::Job { errand: errand(1, 0), node, id: jobs[0].id.clone(), verb: JobVerb::Cancel }]
    );
    console.press("<esc>/state:failed<enter>xr");
    assert_eq!(
        console.press("y"),
        [Command::Job { errand: errand(2, 0), node, id: jobs[2].id.clone(), verb: JobVerb::Retry }]
    );
    console.press("<esc>");
    let subject = Subject::Job(jobs[2].id.clone());
    assert_eq!(console.press("d"), [Command::Describe { node, subject: subject.clone() }]);
    let result = console.simulated.described(0, &subject).map(Box::new);
    console.mesh(MeshEvent::Described { node, subject, result });
    assert!(console.shows("attempt 1, 10s: exit 3"), "{}", console.screen());
    console.press("<esc><enter>");
    assert_eq!(*console.state.world.log.source(), Source::Job(jobs[2].id.clone()));
    assert!(console.shows("output of job"));
}
