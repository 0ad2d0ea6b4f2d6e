//! What the screen orders of the nodes, and what it shows of those that do not tell, or not any more.

use p2p_shared::error::RpcError;

use super::*;

fn subscribe(node: NodeId, topic: Topic) -> Command {
    Command::Subscribe(Subscription { node, topic })
}

fn unsubscribe(node: NodeId, topic: Topic) -> Command {
    Command::Unsubscribe(Subscription { node, topic })
}

/// Orders without their order.
fn sorted(mut commands: Vec<Command>) -> Vec<String> {
    commands.sort_by_key(|command| format!("{command:?}"));
    commands.iter().map(|command| format!("{command:?}")).collect()
}

fn ids(console: &Console) -> Vec<NodeId> {
    (0..console.simulated.len()).map(|index| console.simulated.id(index)).collect()
}

#[test]
fn the_screen_orders_what_it_shows_and_no_more() {
    let mut console = Console::over(Simulated::new(3, 5), options());
    let commands = console.enter();
    let ids = ids(&console);
    let topics = |id: &NodeId| [subscribe(*id, Topic::Sample), subscribe(*id, Topic::Alerts)];
    assert_eq!(sorted(commands), sorted(ids.iter().flat_map(topics).collect()));
    console.connect();
    console.feed();
    console.press("*cache<enter>");
    let cache = console.simulated.id(2);
    let mut opened: Vec<Command> = ids.iter().map(|id| unsubscribe(*id, Topic::Alerts)).collect();
    opened.push(subscribe(cache, Topic::Processes));
    assert_eq!(sorted(console.press("<enter>")), sorted(opened));
    let others = vec![subscribe(ids[0], Topic::Processes), subscribe(ids[1], Topic::Processes)];
    assert_eq!(sorted(console.press("o")), sorted(others));
    let lost = vec![unsubscribe(ids[0], Topic::Processes), unsubscribe(ids[0], Topic::Sample)];
    assert_eq!(sorted(console.set_state(0, MemberState::Lost)), sorted(lost));
    let mut left = vec![unsubscribe(ids[1], Topic::Processes), unsubscribe(cache, Topic::Processes)];
    left.extend([subscribe(ids[1], Topic::Alerts), subscribe(cache, Topic::Alerts)]);
    assert_eq!(sorted(console.press("0")), sorted(left));
    let again: Vec<Command> = [ids[1], cache].iter().flat_map(topics).collect();
    let mut refreshed = console.press("R");
    assert_eq!(refreshed.pop(), Some(Command::Redraw));
    assert_eq!(sorted(refreshed), sorted(again));
}

#[test]
fn a_large_fleet_is_followed_only_as_far_as_it_is_seen() {
    let mut console = Console::over(Simulated::new(200, 0), options());
    console.enter();
    console.state.wants_frame();
    let ordered = console.wait(1);
    let subscribed = ordered.iter().filter(|command| matches!(command, Command::Subscribe(_))).count();
    assert!((60..=80).contains(&subscribed), "figures and alerts of a screen: {subscribed}");
    let commands = console.press("G");
    let count = |wanted: fn(&Command) -> bool| commands.iter().filter(|command| wanted(command)).count();
    assert_eq!(count(|command| matches!(command, Command::Unsubscribe(_))), subscribed);
    assert_eq!(count(|command| matches!(command, Command::Subscribe(_))), subscribed);
}

#[test]
fn frozen_data_waits_and_all_of_it_comes_in_at_the_thaw() {
    let mut console = console(3, 20);
    console.press("o");
    console.feed();
    let count = |console: &Console| console.state.world.fleet.processes.len();
    let before = count(&console);
    let history = |console: &Console| {
        let fleet = &console.state.world.fleet;
        fleet.iter().map(|(_, node)| node.history.points().count()).collect::<Vec<_>>()
    };
    let points = history(&console);
    console.press("f");
    assert!(console.shows("frozen"));
    console.live(5);
    console.set_state(1, MemberState::Suspect);
    assert_eq!(history(&console), points);
    assert_eq!(console.state.world.fleet.health().suspect, 0);
    assert_eq!(count(&console), before);
    console.press("f");
    assert!(history(&console).iter().zip(&points).all(|(now, then)| *now > *then));
    assert_eq!(console.state.world.fleet.health().suspect, 1);
    assert!(!console.shows("frozen"));
}

#[test]
fn a_lost_node_keeps_its_last_values() {
    let mut console = console(2, 5);
    console.live(3);
    let id = console.simulated.id(0);
    let before = console.state.world.fleet.get(id).unwrap().sample.value.clone();
    console.set_state(0, MemberState::Lost);
    console.wait(90);
    let node = console.state.world.fleet.get(id).unwrap();
    assert_eq!(node.sample.value, before);
    assert!(console.shows("lost") && console.shows("1m30s ago"), "{}", console.screen());
    console.press(":ps web-1<enter>");
    assert!(console.shows("old data") && console.shows("/sbin/init splash"), "{}", console.screen());
    console.set_state(0, MemberState::Alive);
    console.feed();
    assert!(!console.shows("old data"));
}

#[test]
fn silent_figures_are_marked_old_after_three_intervals() {
    let mut console = console(1, 1);
    console.wait(3);
    assert!(!console.shows("ago"));
    console.wait(1);
    assert!(console.shows("4s ago"), "{}", console.screen());
}

#[test]
fn a_lost_entry_is_a_banner_until_another_is_found() {
    let mut console = console(3, 1);
    console.mesh(MeshEvent::Entry(Entry::Lost { reason: "web-1 went away".into() }));
    assert!(console.shows("cut off from the mesh: web-1 went away"));
    assert!(console.shows("3 nodes"), "what is known stays");
    console.mesh(MeshEvent::Entry(Entry::Connecting { address: "10.20.0.12:5678".into() }));
    assert!(console.shows("cut off from the mesh: web-1 went away; trying 10.20.0.12:5678"));
    console.mesh(MeshEvent::Entry(console.entry(1)));
    assert!(!console.shows("cut off"));
    assert!(console.shows("prod via db-1") && console.shows("in the mesh again, through db-1"));
}

#[test]
fn a_denied_topic_says_why() {
    let mut console = Console::over(Simulated::new(1, 5), options());
    console.enter();
    console.press("<enter>");
    assert!(console.shows("waiting for the processes of web-1"));
    let subscription = Subscription { node: console.simulated.id(0), topic: Topic::Processes };
    let error = RpcError::forbidden("process_read is not yours on web-1");
    console.mesh(MeshEvent::Failed { subscription, error });
    assert!(console.shows("process_read is not yours on web-1"));
}
