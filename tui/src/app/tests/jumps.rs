//! Jumps: from what is under the cursor to what is related, and back by q.

use std::net::SocketAddr;

use p2p_shared::error::RpcError;

use super::files::{orders, path};
use super::*;
use crate::command::{FilesOrder, JournalQuestion, Sought, Source};
use crate::views::Scope;

fn shown(keys: &str) -> Console {
    let mut console = Console::over(Simulated::new(2, 40), options());
    console.enter();
    console.connect();
    console.press(keys);
    console.feed();
    console.feed();
    console
}

fn sought(commands: &[Command]) -> Sought {
    match commands.iter().rev().find(|command| matches!(command, Command::Seek(_))) {
        Some(Command::Seek(sought)) => (**sought).clone(),
        _ => panic!("no process is asked for: {commands:?}"),
    }
}

/// A process of a node, as the console knows it.
pub(super) fn some_process(
    console: &Console,
    node: NodeId,
) -> Option<p2p_shared::services::process::ProcessInfo> {
    let processes = &console.state.world.fleet.processes;
    processes.of(node).find_map(|id| processes.get(id)).map(|process| process.info.clone())
}

fn filter(console: &Console) -> Option<String> {
    console.state.view().filter().map(|filter| filter.text().to_owned())
}

/// The details of the process under the cursor, as its node answers.
fn details(console: &mut Console) -> p2p_shared::services::process::ProcessDetails {
    let Some(Command::Inspect { node, target }) = console.press("d").pop() else { panic!("no details") };
    let index = console.simulated.index_of(node).unwrap();
    let details = console.simulated.details(index, &target).unwrap();
    console.mesh(MeshEvent::Inspected { node, target, result: Ok(Box::new(details.clone())) });
    details
}

#[test]
fn a_process_leads_to_its_sockets_and_its_open_files() {
    let mut console = shown("0<enter>P");
    let pid = details(&mut console).info.key.pid;
    console.press("<esc>Jn");
    assert_eq!((console.state.current(), filter(&console)), (ViewId::Network, Some(format!("pid={pid}"))));
    assert!(console.shows("[Sockets"), "{}", console.screen());
    console.press("q");
    assert_eq!(console.state.current(), ViewId::Processes, "back by q");
    // From its details, and the details are not left lying over the files.
    let mut own = shown("0<enter>P");
    let known = (0..40).map(|_| {
        let details = details(&mut own);
        own.press("<esc>j");
        details
    });
    let known: Vec<_> = known.collect();
    let at = known.iter().position(|details| details.files.is_some()).expect("a process of one's own");
    own.press("gg");
    own.press(&"j".repeat(at));
    details(&mut own);
    assert!(own.shows("open files, f goes to one"), "{}", own.screen());
    own.press("f");
    assert!(own.shows("files of"), "{}", own.screen());
    let asked = own.press("1");
    assert_eq!((own.state.current(), own.state.layers.len()), (ViewId::Files, 0));
    assert!(!orders(&asked).is_empty());
}

#[test]
fn a_socket_leads_to_its_process_and_to_the_one_at_the_other_end() {
    let mut console = shown("5]");
    console.press("/established<enter>");
    console.press("J");
    assert!(console.shows("the process at its other end"), "{}", console.screen());
    console.press("e");
    assert!(console.shows("203.0.113.9 is no node of the mesh"), "{}", console.screen());
    console.press("o");
    assert_eq!((console.state.current(), filter(&console)), (ViewId::Processes, Some("pid=812".into())));
}

#[test]
fn the_other_end_is_asked_of_the_node_that_has_the_address() {
    let mut console = shown("5]");
    let (here, there) = (console.simulated.id(0), console.simulated.id(1));
    let address = console.simulated.fleet().changed[1].addresses[0].ip();
    let mut tables = console.simulated.network(0);
    tables.sockets.truncate(2);
    tables.sockets[1].remote = Some((address, 5_432).into());
    let local = tables.sockets[1].local;
    console.mesh(MeshEvent::Network { node: here, tables: Box::new(tables) });
    console.press(":network web-1<enter>/established<enter>");
    let asked = sought(&console.press("Je"));
    let remote = SocketAddr::from((address, 5_432));
    let expected =
        Sought::Holder { nodes: vec![there], protocol: "tcp".into(), local: remote, remote: local };
    assert_eq!(asked, expected);
    let info = some_process(&console, there).unwrap();
    let pid = info.key.pid;
    let result = Ok(Some((there, Box::new(info))));
    console.mesh(MeshEvent::Sought { sought: Box::new(asked.clone()), result });
    assert_eq!((console.state.current(), filter(&console)), (ViewId::Processes, Some(format!("pid={pid}"))));
    assert_eq!(console.state.view().scope(), Some(Scope::one(there)));
    console.press("q");
    assert_eq!(console.state.current(), ViewId::Network);
    let again = sought(&console.press("Je"));
    console.mesh(MeshEvent::Sought { sought: Box::new(again), result: Ok(None) });
    assert!(console.shows("no process is seen to hold"), "{}", console.screen());
    // Nobody asked for it any more.
    console.mesh(MeshEvent::Sought { sought: Box::new(asked), result: Err(RpcError::forbidden("no")) });
    assert_eq!(console.state.current(), ViewId::Network);
}

#[test]
fn an_alert_leads_to_what_it_is_about_and_to_its_time() {
    let mut console = shown("7");
    let (node, alert) = (console.simulated.id(1), console.simulated.alerts(1).changed[0].clone());
    console.press("Jf");
    assert_eq!(console.state.current(), ViewId::Files);
    let spot = console.state.views.files.spot(&console.state.scene()).unwrap();
    assert_eq!((spot.node, spot.path), (node, path("/")));
    console.press("qJr");
    assert_eq!(console.state.current(), ViewId::Resources);
    let past = console.state.view().past().expect("a time that is over");
    assert!(past > alert.since && past.since(alert.since) <= Millis::from_secs(60));
    console.press("qxJh");
    assert_eq!(console.state.current(), ViewId::Resources);
    let mut delta = console.simulated.alerts(1);
    let mut changed = delta.changed.remove(0);
    changed.metric = "load15_per_core".into();
    changed.labels = [("unit".to_owned(), "nginx.service".to_owned())].into();
    delta.changed = vec![changed];
    console.press("q");
    console.mesh(MeshEvent::Alerts { node, delta });
    console.state.wants_frame();
    console.press("/state=firing<enter>gg");
    console.press("Jp");
    assert_eq!(console.state.current(), ViewId::Processes);
    console.press("qJl");
    let question = JournalQuestion { unit: Some("nginx.service".into()), ..JournalQuestion::default() };
    assert_eq!(console.state.world.log.source(), &Source::Journal(question));
}

#[test]
fn a_busy_process_of_the_past_is_found_only_if_it_still_lives() {
    let mut console = shown("6");
    for command in console.press(",,") {
        if let Command::Past { node, order } = command {
            let index = console.simulated.index_of(node).unwrap();
            let result = Ok(Box::new(console.simulated.past(index, order)));
            console.mesh(MeshEvent::Past { node, order, result });
        }
    }
    console.press("J");
    assert!(console.shows("busiest at"), "{}", console.screen());
    let asked = sought(&console.press("1"));
    let Sought::Living { name, .. } = &asked else { panic!("{asked:?}") };
    let name = name.clone();
    console.mesh(MeshEvent::Sought { sought: Box::new(asked), result: Ok(None) });
    assert!(console.shows(&format!("{name} (")) && console.shows("has ended"), "{}", console.screen());
}

#[test]
fn a_record_leads_to_what_was_done_to() {
    let mut console = shown(":audit web-1<enter>");
    let node = console.simulated.id(0);
    // By its method: unit.restart, process.signal, file.write.
    let under = |console: &mut Console, method: &str| {
        console.press(&format!("/^uwhat={method}<enter>gg"));
        console.press("J");
    };
    under(&mut console, "unit.restart");
    console.press("u");
    assert_eq!(
        (console.state.current(), filter(&console)),
        (ViewId::Services, Some("name=\"nginx.service\"".into()))
    );
    console.press("q");
    under(&mut console, "process.signal");
    console.press("p");
    assert_eq!(filter(&console), Some("pid=812".into()));
    console.press("q");
    under(&mut console, "file.write");
    let asked = console.press("f");
    assert!(asked.contains(&Command::Files { node, order: FilesOrder::List(path("/etc")) }), "{asked:?}");
    console.press("q");
    under(&mut console, "file.write");
    console.press("w");
    assert_eq!(filter(&console), Some("who=\"alice\"".into()));
}

#[test]
fn where_nothing_is_related_it_is_said() {
    let mut console = shown("5");
    console.press("J");
    assert!(console.shows("nothing is known to be related"), "{}", console.screen());
}

#[test]
fn a_line_leads_to_its_process_its_unit_and_its_time() {
    let mut console = shown(":logs web-1<enter>");
    console.live(6);
    console.press("J");
    assert!(console.shows("process 300, if it still lives"), "{}", console.screen());
    let node = console.simulated.id(0);
    match sought(&console.press("p")) {
        Sought::Numbered { node: of, pid, .. } => assert_eq!((of, pid), (node, 300)),
        other => panic!("{other:?}"),
    }
    let name = match console.press("y").as_slice() {
        [Command::Copy(_)] => console.state.world.log.lines().last().unwrap().1.unit.clone().unwrap(),
        other => panic!("{other:?}"),
    };
    console.press("Ju");
    assert_eq!(console.state.current(), ViewId::Services);
    assert_eq!(filter(&console), Some(format!("name={name:?}")));
    console.press("qJl");
    let unit = JournalQuestion { unit: Some(name), ..JournalQuestion::default() };
    assert_eq!(*console.state.world.log.source(), Source::Journal(unit));
    console.live(3);
    console.press("Jr");
    assert_eq!(console.state.current(), ViewId::Resources);
}

#[test]
fn a_process_that_took_over_a_number_is_not_taken_for_the_one_that_wrote() {
    let mut console = shown(":logs web-1<enter>");
    console.live(6);
    let asked = sought(&console.press("Jp"));
    console.mesh(MeshEvent::Sought { sought: Box::new(asked), result: Ok(None) });
    assert!(console.shows("(300) has ended: no process has that number"), "{}", console.screen());
}
