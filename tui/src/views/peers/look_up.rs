//! What is said above the hops of a look-up: whether the name was found, at which cost, and where it is kept. Pure.

use p2p_shared::services::node::LookUp;

use crate::fleet::{LookedUp, Node};
use crate::format::plural;
use crate::theme::{Glyphs, Role};

/// Said where nothing was looked up.
pub(super) fn invitation(node: &Node) -> String {
    format!(
        ":lookup NAME shows how {} finds a node of that name in the DHT, hop by hop; x offers it for what is under the \
         cursor",
        node.name()
    )
}

/// A mark, what came of it, and how that looks.
pub(super) fn verdict(node: &Node, looked: &LookedUp, glyphs: &Glyphs) -> (String, Role) {
    let [well, _, wrong, ..] = glyphs.states;
    let (asker, name) = (node.name(), &looked.name);
    let told = match &looked.told {
        None => return (format!("{asker} looks up {name} ..."), Role::Dim),
        Some(Err(error)) => {
            return (format!("{wrong} {asker} did not look up {name}: {}", error.message), Role::Bad);
        }
        Some(Ok(told)) => told,
    };
    if let Some(why) = &told.disbelieved {
        return (format!("{wrong} a record of {name} came that is not believed: {why}"), Role::Bad);
    }
    let Some(found) = &told.found else {
        return (format!("{wrong} no record of {name} was found: {}", cost(told)), Role::Bad);
    };
    let at = found.addresses.first().map_or_else(String::new, |address| format!(" at {address}"));
    (format!("{well} found {name}{at}: {}", cost(told)), Role::Good)
}

fn cost(told: &LookUp) -> String {
    let silent = match told.failures {
        0 => String::new(),
        number => format!(", {number} silent"),
    };
    let asked = told.questions.len();
    format!("{asked} asked{silent}, {}, {} ms", plural(told.rounds as usize, "hop"), told.elapsed_ms)
}

/// Where the record of the name is kept, and how near the look-up began and came.
pub(super) fn place(node: &Node, looked: &LookedUp) -> String {
    let Some(Ok(told)) = &looked.told else { return String::new() };
    let held = if told.held_here { ", and it holds the record" } else { "" };
    let bits = plural(told.own_bits as usize, "bit");
    let own = format!("key {}: {} shares {bits}{held}", short(&told.key), node.name());
    let nearest = told.questions.iter().map(|question| question.shared_bits).max();
    nearest.map_or_else(|| own.clone(), |bits| format!("{own}; the nearest asked {bits}"))
}

/// The head of a key.
fn short(key: &str) -> String {
    key.chars().take(8).collect()
}
