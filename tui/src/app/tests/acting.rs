//! What changes something on a node: who is asked, what is sent, and what came of it.

use p2p_shared::error::RpcError;
use p2p_shared::services::node::Label;
use p2p_shared::services::process::Signal;

use super::*;
use crate::app::runs::Tally;
use crate::command::{Errand, RunId};

/// Whether a command can change something on a node.
pub(super) fn acts(command: &Command) -> bool {
    matches!(
        command,
        Command::Signal { .. }
            | Command::Renice { .. }
            | Command::SetLabels { .. }
            | Command::Forget { .. }
            | Command::Control { .. }
            | Command::Define { .. }
            | Command::Job { .. }
            | Command::EndShell { .. }
            | Command::Shell { .. }
            | Command::File { .. }
            | Command::BeginCopy { .. }
            | Command::Exec { .. }
            | Command::Probe { probe: crate::command::Probe::Scan(_), .. }
    )
}

pub(super) fn errand(run: u64, target: u32) -> Errand {
    Errand { run: RunId(run), target }
}

/// A console in the processes of its first node, by name and pid.
fn processes(count: usize) -> Console {
    let mut console = console(1, count);
    console.press("<enter>P");
    console
}

#[test]
fn a_signal_goes_to_exactly_the_marked_processes() {
    let mut console = processes(20);
    let mut wanted = Vec::new();
    for _ in 0..2 {
        wanted.push(console.process_under_cursor().unwrap());
        console.press(" ");
    }
    assert!(console.press("^k").is_empty(), "it asks first");
    let commands = console.press("y");
    let mut expected: Vec<Command> = wanted
        .into_iter()
        .map(|(node, target)| Command::Signal { errand: errand(1, 0), node, target, signal: Signal::Term })
        .collect();
    // Which of the two is the first errand is not promised; that both have one of their own is.
    for (at, command) in expected.iter_mut().enumerate() {
        if let Command::Signal { errand, .. } = command {
            errand.target = at as u32;
        }
    }
    assert_eq!(commands, expected);
    console.press("<esc>^k");
    assert!(console.shows("Send SIGTERM to:"), "without marks it is the one under the cursor");
}

#[test]
fn enter_alone_and_escape_do_nothing() {
    let mut console = processes(5);
    for keys in ["^k<enter>", "^k<esc>", "^kn", "^kq", "^k^c", "^kll<enter>", "xt<enter>", "x<esc>", "xq"] {
        assert_eq!(console.press(keys), [], "{keys}");
        assert!(console.state.layers.is_empty(), "{keys}");
    }
    assert_eq!(console.press("^kl<enter>").len(), 1, "chosen and agreed to");
}

#[test]
fn five_targets_want_their_count_typed() {
    let mut console = processes(20);
    console.press("     ^k");
    assert!(console.shows("type 5 to go on"));
    assert_eq!(console.press("y<enter>"), []);
    assert_eq!(console.press("<bs>4<enter>"), []);
    let commands = console.press("<bs>5<enter>");
    assert_eq!(commands.iter().filter(|command| acts(command)).count(), 5);
}

#[test]
fn targets_are_frozen_while_the_list_reorders_under_the_dialog() {
    let mut console = console(1, 200);
    console.press("<enter>CC");
    let before = console.process_under_cursor().unwrap();
    console.press("^k");
    let order = console.state.view().copy(&console.state.scene(), true);
    for _ in 0..30 {
        console.live(1);
    }
    console.state.wants_frame();
    let commands = console.press("y");
    let [Command::Signal { node, target, .. }] = commands.as_slice() else { panic!("{commands:?}") };
    assert_eq!((*node, target.clone()), before);
    assert!(order.is_some());
}

#[test]
fn the_outcomes_add_up_and_say_why() {
    let mut console = processes(20);
    let commands = console.press("   ^ky");
    assert_eq!(commands.len(), 3);
    let results = [Ok(()), Err(RpcError::conflict("that process has ended"))];
    for (at, result) in results.into_iter().enumerate() {
        console.mesh(MeshEvent::Outcome { errand: errand(1, at as u32), result });
    }
    let tally = console.state.runs.get(RunId(1)).unwrap().tally();
    assert_eq!(tally, Tally { waiting: 1, done: 1, failed: 1, ..Tally::default() });
    for text in ["1 done", "1 failed", "1 waiting", "of 3", "failed (conflict): that process has ended"] {
        assert!(console.shows(text), "{text}:\n{}", console.screen());
    }
    assert_eq!(console.press("^c"), [Command::Cancel(RunId(1))]);
    let result = Err(RpcError::cancelled("given up"));
    console.mesh(MeshEvent::Outcome { errand: errand(1, 2), result });
    assert!(console.shows("0 waiting"));
    console.press("r");
    assert!(console.shows("really?"), "what is run again is asked about again");
    let again = console.press("y");
    assert!(matches!(again[..], [Command::Signal { .. }, Command::Signal { .. }]), "the failed ones only");
    console.press("<esc>w");
    assert!(console.shows("0 done") && console.shows("of 2"), "the last outcomes can be seen again");
}

#[test]
fn targets_are_gone_over_at_the_pace_that_was_chosen() {
    let mut console = processes(20);
    console.press("   ^kbbs");
    assert!(console.shows("2 at a time") && console.shows("the first failure ends it"));
    assert_eq!(console.press("y").len(), 2);
    assert!(console.shows("1 not begun"));
    let failed = Err(RpcError::unavailable("no route"));
    assert_eq!(console.mesh(MeshEvent::Outcome { errand: errand(1, 0), result: failed }), []);
    console.mesh(MeshEvent::Outcome { errand: errand(1, 1), result: Ok(()) });
    for text in ["1 done", "1 not tried", "unreachable: no route", "runs it again on the 2 targets"] {
        assert!(console.shows(text), "{text}:\n{}", console.screen());
    }
}

#[test]
fn a_command_runs_on_the_marked_nodes_and_equal_answers_stand_together() {
    let mut console = console(3, 1);
    console.press("axcuname -r<enter>");
    assert!(console.shows("Run uname -r on 3 targets"), "{}", console.screen());
    let commands = console.press("y");
    let line = |command: &Command| match command {
        Command::Exec { request, .. } => request.command.clone(),
        other => panic!("{other:?}"),
    };
    let shell = p2p_shared::services::exec::CommandLine::Shell { line: "uname -r".into() };
    assert!(commands.len() == 3 && commands.iter().map(line).all(|command| command == shell));
    for (target, text) in [(0, "6.1.0-21\n"), (1, "6.1.0-18\u{1b}[2J\n"), (2, "6.1.0-21\n")] {
        let answer = Box::new(crate::event::Answer { text: text.into(), is_cut: false });
        console.mesh(MeshEvent::Answer { errand: errand(1, target), answer });
        console.mesh(MeshEvent::Outcome { errand: errand(1, target), result: Ok(()) });
    }
    for text in ["3 done", "2 nodes, the same, done: ", "6.1.0-21", "shows how the 1 other answer differs"] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    console.press("d");
    for text in ["- 6.1.0-21", "+ 6.1.0-18^["] {
        assert!(console.shows(text), "{text}: {}", console.screen());
    }
    console.press("<esc><esc>:exec web-*<enter>");
    assert!(console.shows("a line for /bin/sh -c"), "it asks what: {}", console.screen());
}

#[test]
fn a_renice_and_labels_are_asked_for_checked_and_confirmed() {
    let mut console = processes(5);
    let (node, target) = console.process_under_cursor().unwrap();
    console.press("xn99<enter>");
    assert!(console.shows("-20 (greedy) to 19 (kind)"), "the mistake keeps the question open");
    assert_eq!(console.press("<bs><bs>5<enter>"), [], "it asks again");
    assert_eq!(console.press("y"), [Command::Renice { errand: errand(1, 0), node, target, nice: 5 }]);
    console.press("<esc>0");
    assert_eq!(console.press("xlsite=a old-<enter>"), []);
    let set = vec![Label { key: "site".into(), value: "a".into() }];
    let remove = vec!["old".to_owned()];
    assert_eq!(console.press("y"), [Command::SetLabels { errand: errand(2, 0), node, set, remove }]);
}

#[test]
fn only_a_lost_node_can_be_forgotten() {
    let mut console = console(2, 1);
    console.press("xf");
    assert!(console.shows("only nodes that are lost or have left"));
    console.press("<esc>");
    let name = console.name_under_cursor();
    let index = (0..2).find(|at| console.simulated.fleet().changed[*at].name.as_str() == name).unwrap();
    console.set_state(index, MemberState::Lost);
    let node = console.simulated.id(index);
    assert_eq!(console.press("xfy"), [Command::Forget { errand: errand(1, 0), node }]);
}

#[test]
fn read_only_refuses_everything_that_acts() {
    let mut console = Console::over(Simulated::new(2, 10), Options { readonly: true, ..options() });
    console.enter();
    console.connect();
    console.set_state(1, MemberState::Lost);
    console.feed();
    console.press("N");
    assert!(console.shows("read-only"), "the banner says so");
    let tries = [
        "xla=b<enter>y<enter>",
        "jxfy<enter>",
        ":label a=b<enter>y<enter>",
        "gg<enter>",
        "^ky<enter>",
        "xty<enter>",
        "x9y<enter>",
        "xhy<enter>",
        "xiy<enter>",
        "xsy<enter>",
        "xcy<enter>",
        "x1y<enter>",
        "x2y<enter>",
        "xn5<enter>y<enter>",
        "a^k10<enter>y<enter>",
        ":kill<enter>y<enter>",
        "s",
        ":shell web-1<enter>",
        ":shell<enter>",
        "<enter>",
        "^ky<enter>",
        "xay<enter>",
        "xey<enter>",
        "8<enter>",
        "8^ky<enter>",
        "xcy<enter>",
        "xry<enter>",
        "xDy<enter>",
        ":define all a /bin/b<enter>y<enter>",
        ":exec all date<enter>y<enter>",
        "0xcdate<enter>y<enter>",
        "4cy<enter>",
        "4my<enter>",
        "xmy<enter>",
        "xcy<enter>",
        "xnweb-1<enter>y<enter>",
        "2^ky<enter>",
        "xsy<enter>",
        "xna /bin/b<enter>y<enter>",
        "xty<enter>",
    ];
    for keys in tries {
        let commands = console.press(keys);
        assert!(!commands.iter().any(acts), "{keys}: {commands:?}");
        console.press("<esc><esc><esc>");
    }
    for spec in crate::action::TABLE.iter().filter(|spec| spec.acts) {
        console.state.act(spec.action);
        assert!(console.state.layers.is_empty(), "{}", spec.name);
        assert!(console.shows("read-only: start without --readonly"), "{}", spec.name);
    }
}

#[test]
fn a_paste_never_acts() {
    let mut console = processes(20);
    let paste = |console: &mut Console, text: &str| console.state.update(Event::Paste(text.into()));
    assert_eq!(paste(&mut console, "^k\ny\n"), []);
    assert!(console.state.layers.is_empty());
    console.press("^k");
    assert_eq!(paste(&mut console, "y\r\n\ny"), []);
    console.press("<esc>     ^k");
    assert_eq!(paste(&mut console, "5\n"), [], "the count is there, but nobody pressed Enter");
    assert_eq!(console.press("<enter>").len(), 5);
    console.press("<esc>:");
    assert_eq!(paste(&mut console, "quit\n"), []);
    assert!(!console.state.layers.is_empty());
    console.press("<esc>/");
    assert_eq!(paste(&mut console, "nginx\nquit\n"), []);
    assert!(console.state.editing.is_some());
}

#[test]
fn a_key_of_another_view_leaves_what_is_only_read() {
    let mut console = processes(20);
    console.press("^ky");
    console.mesh(MeshEvent::Outcome { errand: errand(1, 0), result: Ok(()) });
    assert!(console.shows("Esc closes"), "{}", console.screen());
    console.press("2");
    assert_eq!((console.state.layers.len(), console.state.current), (0, ViewId::Services));
    // A question is another matter: it stays until it is answered.
    console.press("1^k2");
    assert_eq!((console.state.layers.len(), console.state.current), (1, ViewId::Processes));
    console.press("<esc>w:");
    assert!(matches!(console.state.layers.as_slice(), [Layer::Palette(_)]));
}
