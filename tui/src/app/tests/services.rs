//! Services and journals: what is asked of whom, and what is shown of the answers.

use p2p_shared::error::RpcError;
use p2p_shared::services::journal::JournalBatch;

use super::acting::{acts, errand};
use super::*;
use crate::command::{JournalQuestion, ServiceKey, ServiceKind, Source, Subject, Verb};
use crate::event::Said;

/// A console in the services of all nodes.
fn services(nodes: usize) -> Console {
    let mut console = console(nodes, 3);
    console.press(":services all<enter>");
    console.feed();
    console
}

fn key(kind: ServiceKind, name: &str) -> ServiceKey {
    ServiceKey { kind, name: name.into() }
}

fn follow(console: &Console, index: usize, source: &Source) -> Follow {
    Follow { node: console.simulated.id(index), source: source.clone() }
}

#[test]
fn services_are_followed_only_while_they_are_shown_and_only_of_nodes_in_scope() {
    let mut console = console(3, 3);
    let of = |commands: &[Command], topic| {
        let is_it =
            |command: &&Command| matches!(command, Command::Subscribe(wanted) if wanted.topic == topic);
        commands.iter().filter(is_it).count()
    };
    let commands = console.press("2");
    assert_eq!((of(&commands, Topic::Programs), of(&commands, Topic::Units)), (1, 1), "{commands:?}");
    let commands = console.press("o");
    assert_eq!((of(&commands, Topic::Programs), of(&commands, Topic::Units)), (2, 2));
    let commands = console.press("q");
    let ended = |command: &&Command| matches!(command, Command::Unsubscribe(it) if matches!(it.topic, Topic::Programs | Topic::Units));
    assert_eq!(commands.iter().filter(ended).count(), 6);
}

#[test]
fn what_failed_stands_first_and_is_counted() {
    let mut console = services(2);
    assert!(console.shows("4 failed"), "{}", console.screen());
    let screen = console.screen();
    let lines: Vec<&str> = screen.lines().skip(3).take(4).collect();
    assert!(lines.iter().all(|line| line.contains("failed")), "{screen}");
    assert!(!console.shows("multi-user.target"));
    console.press("]");
    assert!(console.shows("multi-user.target") && console.shows("every unit"));
}

#[test]
fn a_verb_goes_to_every_marked_service_and_asks_first() {
    let mut console = services(2);
    console.press("/nginx<enter>a");
    assert_eq!(console.press("xr"), [], "it asks first");
    assert!(console.shows("Restart 2 targets:") && console.shows("nginx.service on web-1"));
    assert_eq!(console.press("<enter>"), [], "Enter alone cancels");
    console.press("a");
    let commands = console.press("xry");
    let service = key(ServiceKind::Unit, "nginx.service");
    let mut nodes = Vec::new();
    for (at, command) in commands.into_iter().enumerate() {
        let Command::Control { errand: given, node, service: named, verb } = command else { panic!() };
        assert_eq!((given, named, verb), (errand(1, at as u32), service.clone(), Verb::Restart));
        nodes.push(node);
    }
    assert_eq!(nodes.len(), 2);
    console.mesh(MeshEvent::Outcome { errand: errand(1, 0), result: Ok(()) });
    let error = RpcError::conflict("systemd says failed: exit 1");
    console.mesh(MeshEvent::Outcome { errand: errand(1, 1), result: Err(error) });
    assert!(console.shows("1 done") && console.shows("systemd says failed"));
}

#[test]
fn what_does_not_fit_a_service_is_refused_with_the_reason() {
    let mut console = services(1);
    console.press("/queue-worker<enter>x");
    assert!(!console.shows("reload"), "a program cannot do that");
    console.press("<esc><esc>u/backup or queue<enter>ax");
    console.press("e");
    assert!(console.shows("only for units, and there is a program among these"));
}

#[test]
fn a_program_is_defined_on_another_node_in_one_line() {
    let mut console = console(3, 3);
    assert_eq!(console.press(":define db-1 myservice /usr/bin/sleep 1000<enter>"), []);
    assert!(console.shows("Define myservice = /usr/bin/sleep 1000 (restarted on failure) on:"));
    assert!(console.shows("myservice on db-1"));
    let commands = console.press("y");
    let [Command::Define { node, defined, .. }] = commands.as_slice() else { panic!("{commands:?}") };
    let index = console.simulated.index_of(*node).unwrap();
    assert_eq!(console.simulated.fleet().changed[index].name.as_str(), "db-1");
    assert_eq!(
        (defined.definition.command.as_str(), defined.definition.arguments.as_slice()),
        ("/usr/bin/sleep", &["1000".to_owned()][..])
    );
    console.press("<esc>");
    for wrong in [":define<enter>", ":define nobody a /b<enter>", ":define db-1 a<enter>"] {
        assert!(!console.press(wrong).iter().any(acts), "{wrong}");
        assert!(console.state.layers.is_empty() && console.state.message().is_some(), "{wrong}");
    }
}

#[test]
fn where_there_is_no_systemd_it_is_said_once() {
    let mut console = console(2, 3);
    console.press(":services all<enter>");
    for index in 0..2 {
        let node = console.simulated.id(index);
        console.mesh(MeshEvent::Programs { node, programs: console.simulated.programs(index) });
        let subscription = Subscription { node, topic: Topic::Units };
        let error = RpcError::unsupported("this machine is not run by systemd");
        console.mesh(MeshEvent::Failed { subscription, error });
    }
    // What a feed told before is not of this test.
    let screen = console.screen();
    assert_eq!(screen.matches("no systemd").count(), 1, "{screen}");
    assert!(screen.contains("queue-worker"));
}

#[test]
fn a_description_is_asked_of_the_node_of_the_row() {
    let mut console = services(1);
    console.press("/mailer<enter>");
    let node = console.simulated.id(0);
    let subject = Subject::Service(key(ServiceKind::Program, "mailer"));
    assert_eq!(console.press("<enter>"), [Command::Describe { node, subject: subject.clone() }]);
    let result = console.simulated.described(0, &subject).map(Box::new);
    console.mesh(MeshEvent::Described { node, subject, result });
    assert!(
        console.shows("signal 9, out of memory") && console.shows("warning: slow"),
        "{}",
        console.screen()
    );
}

#[test]
fn logs_are_those_of_the_service_and_end_with_the_view() {
    let mut console = services(2);
    console.press("/nginx and node:web-1<enter>");
    let unit = JournalQuestion { unit: Some("nginx.service".into()), ..JournalQuestion::default() };
    let source = Source::Journal(unit);
    let commands = console.press("l");
    let followed = follow(&console, 0, &source);
    assert!(commands.contains(&Command::Follow(followed.clone())), "{commands:?}");
    assert!(console.shows("journal of nginx.service on web-1"));
    assert!(console.press("q").contains(&Command::Unfollow(followed)));
    console.press("<esc>/mailer<enter>al");
    assert_eq!(*console.state.world.log.source(), Source::Program("mailer".into()));
    assert!(console.shows("output of mailer on 2 nodes"));
}

#[test]
fn other_questions_ask_anew_and_the_old_lines_go() {
    let mut console = console(2, 3);
    console.press(":logs all<enter>");
    console.live(4);
    assert!(console.state.world.log.lines().count() > 0);
    let commands = console.press("xe");
    let question = JournalQuestion { priority: Some(3), ..JournalQuestion::default() };
    let follows = commands.iter().filter(|command| {
        matches!(command, Command::Follow(follow) if follow.source == Source::Journal(question.clone()))
    });
    assert_eq!(follows.count(), 2, "{commands:?}");
    assert_eq!(console.state.world.log.lines().count(), 0);
    let late = follow(&console, 0, &Source::default());
    console.mesh(MeshEvent::Log { follow: late, said: Said::Journal(console.simulated.journal(0)) });
    assert_eq!(console.state.world.log.lines().count(), 0, "an answer to another question");
    console.press("xploud<enter>");
    assert!(console.shows("one of emerg alert"), "{}", console.screen());
    console.press("^uwarning<enter>");
    assert!(console.shows("warning and graver"));
}

#[test]
fn the_cursor_follows_the_end_until_it_is_moved() {
    let mut console = console(1, 3);
    console.press("3");
    console.live(30);
    assert!(!console.shows("paused"));
    console.press("kk");
    let under = console.name_under_cursor();
    console.live(9);
    assert!(console.shows("paused"));
    assert_eq!(console.name_under_cursor(), under);
    console.press("F");
    console.live(5);
    let last = console.state.world.log.lines().last().unwrap().1.text.clone();
    assert_eq!(console.name_under_cursor(), last);
}

#[test]
fn a_sign_of_life_draws_nothing() {
    let mut console = console(1, 3);
    console.press("3");
    console.live(3);
    let source = Source::default();
    let beat = |console: &mut Console| {
        let batch = JournalBatch { seq: 9, at: console.simulated.wall(), rows: Vec::new(), dropped: 0 };
        let follow = follow(console, 0, &source);
        console.mesh(MeshEvent::Log { follow, said: Said::Journal(batch) });
        console.state.wants_frame()
    };
    beat(&mut console);
    assert!(!beat(&mut console));
}
