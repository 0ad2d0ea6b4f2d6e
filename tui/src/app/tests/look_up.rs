//! A look-up in the DHT, from the line that asks for it to the hops on the screen.

use p2p_shared::error::RpcError;
use p2p_shared::id::NodeName;

use super::*;

fn order(console: &Console, index: usize, name: &str) -> Command {
    Command::LookUp { node: console.simulated.id(index), name: name.parse().unwrap() }
}

fn answer(console: &mut Console, index: usize, name: &str) {
    let name: NodeName = name.parse().unwrap();
    let (node, told) = (console.simulated.id(index), console.simulated.look_up(index, &name));
    console.mesh(MeshEvent::LookedUp { node, name, result: Ok(Box::new(told)) });
}

#[test]
fn a_name_is_looked_up_by_a_line_and_the_hops_are_shown() {
    let mut console = console(8, 1);
    let commands = console.press(":lookup queue-1 db-1<enter>");
    assert!(commands.contains(&order(&console, 1, "queue-1")), "{commands:?}");
    assert!(console.shows("db-1 looks up queue-1 ..."), "{}", console.screen());
    answer(&mut console, 1, "web-2");
    assert!(console.shows("db-1 looks up queue-1 ..."), "an old answer is none");
    answer(&mut console, 1, "queue-1");
    assert!(console.shows("found queue-1 at"), "{}", console.screen());
    // Nobody says who looks: the node that looked last.
    let commands = console.press(":lookup nobody-7<enter>");
    assert!(commands.contains(&order(&console, 1, "nobody-7")), "{commands:?}");
    answer(&mut console, 1, "nobody-7");
    assert!(console.shows("no record of nobody-7 was found"), "{}", console.screen());
    console.press("q");
    assert_eq!(console.state.current(), ViewId::Fleet);
}

#[test]
fn the_menu_of_the_grid_looks_up_who_is_looked_at_from_who_looks() {
    let mut console = console(8, 1);
    let commands = console.press("9xu");
    let ordered = commands.iter().filter(|command| matches!(command, Command::LookUp { .. })).count();
    assert_eq!(ordered, 1, "{commands:?}");
}

#[test]
fn what_cannot_be_looked_up_is_said() {
    let mut console = console(3, 1);
    console.press(":lookup web-1 nobody<enter>");
    assert!(console.shows("no node is called nobody"), "{}", console.screen());
    console.press(":lookup no_name!<enter>");
    assert!(console.shows("no_name!"), "{}", console.screen());
    console.press(":lookup web-1 web-1<enter>");
    let node = console.simulated.id(0);
    let error = RpcError::unsupported("there is no method node.look_up on this node");
    console.mesh(MeshEvent::LookedUp { node, name: "web-1".parse().unwrap(), result: Err(error) });
    assert!(console.shows("did not look up web-1: there is no method"), "{}", console.screen());
}
