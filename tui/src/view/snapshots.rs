//! The whole screen as text with a hash of its styles: every state, at three sizes.

use p2p_shared::error::RpcError;
use p2p_shared::services::node::MemberState;
use p2p_shared::services::shell::{ShellExit, ShellItem};

use crate::app::Options;
use crate::app::tests::{Console, console, options};
use crate::command::{Command, Errand, Follow, RunId, Source, Subscription, Topic};
use crate::event::{Entry, Link, MeshEvent, Said, ShellSaid};
use crate::testing::Simulated;
use crate::theme::Theme;

const SIZES: [(u16, u16); 3] = [(80, 24), (200, 50), (50, 15)];

/// The screen at each of the sizes.
pub(super) fn at_sizes(name: &str, console: &mut Console) {
    for (width, height) in SIZES {
        console.resize(width, height);
        insta::assert_snapshot!(format!("{name}_{width}x{height}"), console.screen());
    }
}

pub(super) fn at(name: &str, console: &mut Console, (width, height): (u16, u16)) {
    console.resize(width, height);
    insta::assert_snapshot!(format!("{name}_{width}x{height}"), console.screen());
}

/// A fleet that has lived for a while; of its nodes one is suspect, one lost, one has left.
pub(super) fn fleet() -> Console {
    let mut console = console(8, 60);
    console.live(25);
    console.set_state(3, MemberState::Suspect);
    console.set_state(4, MemberState::Lost);
    console.set_state(5, MemberState::Left);
    console.live(20);
    console
}

fn fail(console: &mut Console, index: usize, topic: Topic) {
    let subscription = Subscription { node: console.simulated.id(index), topic };
    let error = RpcError::forbidden("the role viewer may not do that on this node");
    console.mesh(MeshEvent::Failed { subscription, error });
}

#[test]
fn fleet_with_data() {
    let mut console = fleet();
    at_sizes("fleet_data", &mut console);
    console.press("jj ]");
    at_sizes("fleet_other", &mut console);
    console.press("]");
    console.resize(200, 50);
    console.press("<right> ");
    at("fleet_cards", &mut console, (120, 40));
}

#[test]
fn fleet_before_anything() {
    at("fleet_starting", &mut Console::over(Simulated::new(1, 1), options()), (80, 24));
}

#[test]
fn fleet_without_figures_yet() {
    let mut console = Console::over(Simulated::new(3, 1), options());
    console.enter();
    at_sizes("fleet_loading", &mut console);
}

#[test]
fn fleet_with_old_figures() {
    let mut console = console(3, 4);
    console.live(5);
    console.wait(75);
    at("fleet_stale", &mut console, (80, 24));
}

#[test]
fn fleet_that_refuses() {
    let mut console = Console::over(Simulated::new(3, 1), options());
    console.enter();
    fail(&mut console, 0, Topic::Sample);
    let link = Link::Failed { reason: "connection refused".into() };
    console.mesh(MeshEvent::Link { node: console.simulated.id(1), link });
    at("fleet_denied", &mut console, (80, 24));
}

#[test]
fn processes_with_data() {
    let mut console = fleet();
    console.press("<enter>");
    at_sizes("processes_one_node", &mut console);
    console.press("o jj ");
    at_sizes("processes_all_nodes", &mut console);
}

#[test]
fn processes_as_a_tree() {
    let mut console = fleet();
    console.press("ot");
    at("processes_tree", &mut console, (80, 24));
    at("processes_tree", &mut console, (200, 50));
}

#[test]
fn processes_without_data() {
    let mut console = Console::over(Simulated::new(1, 5), options());
    console.enter();
    console.press("<enter>");
    at("processes_loading", &mut console, (80, 24));
    fail(&mut console, 0, Topic::Processes);
    at("processes_denied", &mut console, (80, 24));
    console.connect();
    console.feed();
    console.press("/nobody<enter>");
    at("processes_empty", &mut console, (80, 24));
}

#[test]
fn processes_of_a_lost_node() {
    let mut console = console(2, 12);
    console.press(":ps web-1<enter>");
    console.live(4);
    console.set_state(0, MemberState::Lost);
    console.live(20);
    at("processes_lost", &mut console, (80, 24));
}

#[test]
fn services_with_data() {
    let mut console = fleet();
    console.press("2");
    console.feed();
    at_sizes("services_one_node", &mut console);
    console.press("o jj ");
    console.feed();
    at_sizes("services_all_nodes", &mut console);
    console.press("x");
    at("menu_services", &mut console, (80, 24));
    console.press("n");
    at_sizes("form_empty", &mut console);
    console.press("backup<down>rsync<down>-a '/srv/with blanks' /mnt<down><down>a:b<down><down><down>1.5G^s");
    at_sizes("form_mistakes", &mut console);
    console.press("^u1G<up><up>^s");
    at("form_checked", &mut console, (80, 24));
    console.press("^uwww^s");
    at("confirm_define", &mut console, (80, 24));
    console.press("<esc><esc>");
    at("form_leaving", &mut console, (80, 24));
}

#[test]
fn services_without_data() {
    let mut console = Console::over(Simulated::new(1, 5), options());
    console.enter();
    console.press("2");
    at("services_loading", &mut console, (80, 24));
    fail(&mut console, 0, Topic::Programs);
    fail(&mut console, 0, Topic::Units);
    at("services_denied", &mut console, (80, 24));
    let node = console.simulated.id(0);
    console.mesh(MeshEvent::Programs { node, programs: Vec::new() });
    let subscription = Subscription { node, topic: Topic::Units };
    let error = RpcError::unsupported("this machine is not run by systemd");
    console.mesh(MeshEvent::Failed { subscription, error });
    at("services_unsupported", &mut console, (80, 24));
    console.connect();
    console.feed();
    console.set_state(0, MemberState::Lost);
    at("services_lost", &mut console, (80, 24));
}

#[test]
fn descriptions_of_services() {
    let mut console = fleet();
    console.press("2/nginx or importer<enter>");
    console.feed();
    for name in ["describe_program", "describe_unit"] {
        let Some(Command::Describe { node, subject }) = console.press("d").pop() else {
            panic!("no question")
        };
        let index = console.simulated.index_of(node).unwrap();
        let result = console.simulated.described(index, &subject).map(Box::new);
        console.mesh(MeshEvent::Described { node, subject, result });
        at(name, &mut console, (80, 24));
        console.press("<esc>j");
    }
}

#[test]
fn journals() {
    let mut console = fleet();
    console.press(":logs all<enter>");
    at("journal_loading", &mut console, (80, 24));
    console.live(12);
    at_sizes("journal_all_nodes", &mut console);
    console.press("d");
    at("journal_line", &mut console, (80, 24));
    console.press("<esc>x");
    at("menu_journal", &mut console, (80, 24));
    console.press("<esc>/level<4<enter>");
    at("journal_filtered", &mut console, (80, 24));
    console.press("<esc>");
    console.wait(4);
    at("journal_lags", &mut console, (80, 24));
    console.press(":logs web-1<enter>");
    let follow = Follow { node: console.simulated.id(0), source: Source::default() };
    let said = Said::Failed(RpcError::unsupported("this machine is not run by systemd"));
    console.mesh(MeshEvent::Log { follow: follow.clone(), said: Said::Began });
    console.mesh(MeshEvent::Log { follow, said });
    at("journal_unsupported", &mut console, (80, 24));
}

#[test]
fn jobs() {
    let mut console = Console::over(Simulated::new(3, 2), options());
    console.enter();
    console.press(":jobs all<enter>");
    at("jobs_loading", &mut console, (80, 24));
    console.feed();
    at_sizes("jobs_all_nodes", &mut console);
    console.press("x");
    at("menu_jobs", &mut console, (80, 24));
    console.press("<esc>");
    let Some(Command::Describe { node, subject }) = console.press("d").pop() else { panic!("no question") };
    let index = console.simulated.index_of(node).unwrap();
    let result = console.simulated.described(index, &subject).map(Box::new);
    console.mesh(MeshEvent::Described { node, subject, result });
    at("describe_job", &mut console, (80, 24));
    console.press("<esc>8/nothing<enter>");
    at("jobs_empty", &mut console, (80, 24));
    console.press("<esc>");
    fail(&mut console, 1, Topic::Jobs);
    at("jobs_denied", &mut console, (80, 24));
}

#[test]
fn alerts() {
    let mut console = Console::over(Simulated::new(3, 2), options());
    console.enter();
    console.press(":alerts all<enter>");
    at("alerts_loading", &mut console, (80, 24));
    console.feed();
    at_sizes("alerts_all_nodes", &mut console);
    console.press("<enter>");
    at("alert_facts", &mut console, (80, 24));
    console.press("<esc>x");
    at("menu_alerts", &mut console, (80, 24));
    console.press("s");
    at("ask_silence", &mut console, (80, 24));
    console.press("<esc>/nothing<enter>");
    at("alerts_empty", &mut console, (80, 24));
    console.press("<esc>]");
    at("alerts_history", &mut console, (80, 24));
    console.press("]");
    at("alerts_rules", &mut console, (120, 24));
    console.press("]");
    fail(&mut console, 1, Topic::Alerts);
    at("alerts_denied", &mut console, (80, 24));
}

#[test]
fn network() {
    let mut console = Console::over(Simulated::new(3, 2), options());
    console.enter();
    console.press(":network all<enter>");
    at("network_loading", &mut console, (80, 24));
    console.feed();
    at_sizes("network_interfaces", &mut console);
    console.press("d");
    at("network_detail", &mut console, (80, 24));
    console.press("<esc>]");
    at_sizes("network_sockets", &mut console);
    console.press("]");
    at("network_routes", &mut console, (80, 24));
    console.press("]x");
    at("menu_network", &mut console, (80, 24));
    probes(&mut console);
    console.press("/nothing<enter>");
    at("network_empty", &mut console, (80, 24));
    console.press("<esc>");
    fail(&mut console, 1, Topic::Network);
    at("network_denied", &mut console, (80, 24));
}

/// Over a neighbour, with the menu open.
fn probes(console: &mut Console) {
    use crate::app::tests::network::{found, reply};
    console.press("s");
    at("ask_scan", console, (80, 24));
    console.press("<enter>");
    at("confirm_scan", console, (80, 24));
    console.press("y");
    console.mesh(MeshEvent::Probe { run: RunId(1), said: found(22..25, None) });
    at("scan_running", console, (80, 24));
    let result = Err(RpcError::unavailable("web-1 went away"));
    console.mesh(MeshEvent::Outcome { errand: Errand { run: RunId(1), target: 0 }, result });
    at("scan_failed", console, (80, 24));
    console.press("<esc>xp<enter>");
    for seq in 0..40 {
        console.mesh(MeshEvent::Probe { run: RunId(2), said: reply(seq, (seq != 37).then_some(0.25)) });
    }
    at_sizes("ping_running", console);
    console.press("^c");
    at("ping_stopped", console, (80, 24));
    console.press("<esc>");
}

#[test]
fn shells() {
    let mut console = Console::over(Simulated::new(2, 2), options());
    console.enter();
    console.press(":shell<enter>");
    at("shells_loading", &mut console, (80, 24));
    console.feed();
    at_sizes("shells_all_nodes", &mut console);
    let ordered = console.press("<enter>").into_iter().find_map(|command| match command {
        Command::Shell { terminal, .. } => Some(terminal),
        _ => None,
    });
    let terminal = ordered.expect("it attaches");
    at("shell_waiting", &mut console, (80, 24));
    let said = |console: &mut Console, item| {
        console.mesh(MeshEvent::Shell { terminal, said: ShellSaid::Item(item) });
    };
    let info = console.simulated.shells(0).remove(0);
    said(&mut console, ShellItem::Attached(Box::new(info)));
    let text = "\x1b[1;32mroot@web-1\x1b[0m:\x1b[34m~\x1b[0m# ls\r\n日本  \x1b[7mdone\x1b[0m\r\n# ";
    said(&mut console, ShellItem::Output(text.as_bytes().to_vec()));
    at_sizes("shell_attached", &mut console);
    said(&mut console, ShellItem::Lagged);
    at("shell_broken", &mut console, (80, 24));
    said(
        &mut console,
        ShellItem::Exit(ShellExit { code: None, signal: Some(9), why: Some("bob ended it".into()) }),
    );
    at("shell_over", &mut console, (50, 15));
}

#[test]
fn hostile_lines() {
    let mut console = Console::over(Simulated::new(1, 2).with_hostile_names(), options());
    console.enter();
    console.press("3");
    console.live(6);
    at("journal_hostile", &mut console, (80, 24));
    console.press("2");
    console.feed();
    at("services_hostile", &mut console, (80, 24));
    console.press("8");
    console.feed();
    at("jobs_hostile", &mut console, (80, 24));
}

#[test]
fn hostile_names() {
    let mut console = Console::over(Simulated::new(1, 20).with_hostile_names(), options());
    console.enter();
    console.feed();
    console.press("<enter>PP");
    at("processes_hostile", &mut console, (80, 24));
}

#[test]
fn help() {
    let mut console = fleet();
    console.press("?");
    at_sizes("help", &mut console);
    console.press("G");
    at("help_end", &mut console, (80, 24));
}

#[test]
fn palette() {
    let mut console = fleet();
    console.press(":");
    at("palette", &mut console, (80, 24));
    console.press("pr");
    at("palette_typed", &mut console, (50, 15));
    console.press("<bs><bs>ps web-*");
    at("palette_word", &mut console, (80, 24));
}

#[test]
fn menus() {
    let mut console = fleet();
    console.press("x");
    at("menu_fleet", &mut console, (80, 24));
    console.press("<esc><enter>x");
    at("menu_processes", &mut console, (80, 24));
    console.press("n");
    at("ask_nice", &mut console, (80, 24));
    console.press("99<enter>");
    at("ask_nice_mistake", &mut console, (80, 24));
}

#[test]
fn confirms_and_outcomes() {
    let mut console = fleet();
    console.press("<enter>P^k");
    at("confirm_one", &mut console, (80, 24));
    console.press("<esc>            ^k");
    at_sizes("confirm_twelve", &mut console);
    at("confirm_twelve", &mut console, (40, 10));
    let commands = console.press("12<enter>");
    assert_eq!(commands.iter().filter(|command| matches!(command, Command::Signal { .. })).count(), 12);
    let outcome = |target, result| MeshEvent::Outcome { errand: Errand { run: RunId(1), target }, result };
    for target in 0..8 {
        console.mesh(outcome(target, Ok(())));
    }
    console.mesh(outcome(8, Err(RpcError::conflict("that process has ended; nothing was signalled"))));
    console
        .mesh(outcome(9, Err(RpcError::forbidden("the local policy of this node forbids process.signal"))));
    at("outcomes", &mut console, (80, 24));
    at("outcomes", &mut console, (50, 15));
}

#[test]
fn details() {
    let mut console = fleet();
    console.press("<enter>P");
    console.press("jjj");
    let Some(Command::Inspect { node, target }) = console.press("d").pop() else { panic!("no question") };
    at("details_asking", &mut console, (80, 24));
    let index = console.simulated.index_of(node).unwrap();
    let result = console.simulated.details(index, &target).map(Box::new);
    console.mesh(MeshEvent::Inspected { node, target, result });
    at("details", &mut console, (80, 24));
    at("details", &mut console, (200, 50));
}

#[test]
fn filters_and_searches() {
    let mut console = fleet();
    console.press("/state:alive and cpu>");
    at("filter_mistake", &mut console, (80, 24));
    console.press("5<enter>*web<enter>");
    at("filter_and_search", &mut console, (80, 24));
}

#[test]
fn banners() {
    let given = Options { readonly: true, banner: Some("staging: do what you like".into()), ..options() };
    let mut console = Console::over(Simulated::new(2, 3), given);
    console.enter();
    console.feed();
    at("banner_readonly", &mut console, (80, 24));
    console.press("f");
    console.mesh(MeshEvent::Entry(Entry::Lost { reason: "web-1: it does not answer any more".into() }));
    at("banners", &mut console, (80, 24));
}

#[test]
fn other_themes() {
    for (name, theme) in [
        ("ascii", Theme::default().ascii()),
        ("mono", Theme::named("mono").unwrap()),
        ("ascii_mono", Theme::named("mono").unwrap().ascii()),
    ] {
        let mut console = fleet();
        console.state.options.theme = theme;
        at(&format!("theme_{name}_fleet"), &mut console, (80, 24));
        console.press("ot ");
        at(&format!("theme_{name}_tree"), &mut console, (80, 24));
    }
}

#[test]
fn audit() {
    let mut console = fleet();
    console.press(":audit<enter>");
    console.feed();
    at_sizes("audit", &mut console);
    console.press("jj<enter>");
    at("audit_entry", &mut console, (80, 24));
    let mut waiting = Console::over(Simulated::new(1, 1), options());
    waiting.enter();
    waiting.press(":audit<enter>");
    at("audit_loading", &mut waiting, (80, 24));
}
