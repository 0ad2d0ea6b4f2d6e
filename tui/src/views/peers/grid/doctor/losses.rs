//! Who loses packets: a node with most others, one way or both, and then single pairs. Pure.

use super::{Finding, Gravity, WITNESSES_MIN, finding, middle, more};
use crate::views::peers::grid::figure::{LOSS_WARN, is_one_way, share};
use crate::views::peers::grid::sight::{Pair, Sight};

/// Loss on the way from a node, on the way to it, or both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    From,
    To,
    Both,
}

/// Nodes that lose packets with most others, and then single pairs.
pub(super) fn findings(sight: &Sight) -> Vec<Finding> {
    let mut found = Vec::new();
    let lossy: Vec<_> = (0..sight.len()).map(|node| lossy(sight, node)).collect();
    for (node, (way, loss, everybody)) in lossy.iter().enumerate().filter_map(|(at, one)| Some((at, (*one)?)))
    {
        let whom = if everybody { "all others" } else { "most others" };
        let name = &sight.names[node];
        let text = match way {
            Way::Both => format!("{name} loses packets to and from {whom}: {}", share(loss)),
            Way::From => format!("what {name} sends to {whom} gets lost: {}", share(loss)),
            Way::To => format!("what {whom} send to {name} gets lost: {}", share(loss)),
        };
        found.push(finding(Gravity::Bad, text));
    }
    let way = |node: usize| lossy[node].map(|(way, ..)| way);
    let is_explained = |from: usize, to: usize| {
        matches!(way(from), Some(Way::From | Way::Both)) || matches!(way(to), Some(Way::To | Way::Both))
    };
    let worst = |pair: &Pair| pair.judged_loss().filter(|loss| *loss >= LOSS_WARN);
    let mut pairs: Vec<(f64, usize, usize)> = sight
        .told()
        .filter(|(from, to, _)| !is_explained(*from, *to))
        .filter_map(|(from, to, pair)| Some((worst(pair)?, from, to)))
        .collect();
    pairs.sort_by(|one, other| other.0.total_cmp(&one.0));
    if let Some((loss, from, to)) = pairs.first().copied() {
        let alone = is_one_way(loss, sight.pair(to, from));
        let [one, other] = [from, to].map(|at| &sight.names[at]);
        let way = if alone { ", this way alone" } else { "" };
        let more = more(pairs.len() - 1, "other way");
        found.push(finding(Gravity::Warn, format!("{} lost from {one} to {other}{way}{more}", share(loss))));
    }
    found
}

/// Which way most packets of a node get lost, how many, and whether with everybody.
fn lossy(sight: &Sight, node: usize) -> Option<(Way, f64, bool)> {
    let others = || (0..sight.len()).filter(move |other| *other != node);
    let out: Vec<f64> = others().filter_map(|other| sight.pair(node, other)?.judged_loss()).collect();
    let back: Vec<f64> = others().filter_map(|other| sight.pair(other, node)?.judged_loss()).collect();
    let most = |losses: &[f64]| {
        let usual = middle(losses.to_vec()).filter(|_| losses.len() >= WITNESSES_MIN)?;
        let lossy = losses.iter().filter(|loss| **loss >= LOSS_WARN).count();
        (usual >= LOSS_WARN && lossy * 2 > losses.len()).then_some((usual, lossy == losses.len()))
    };
    match (most(&out), most(&back)) {
        (Some((out, all)), Some((back, everybody))) => Some((Way::Both, out.max(back), all && everybody)),
        (Some((out, all)), None) => Some((Way::From, out, all)),
        (None, Some((back, all))) => Some((Way::To, back, all)),
        (None, None) => None,
    }
}
