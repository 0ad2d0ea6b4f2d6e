//! A pair in words: the line below the grid, the facts of `d`, the fields for the clipboard. Pure.

use p2p_shared::services::node::{Direction, Peer};

use super::doctor::findings;
use super::figure::{ahead_of, rtt, share};
use super::peer_of;
use super::sight::{Between, Pair, Sight, Standing};
use crate::command::Topic;
use crate::event::Link;
use crate::format::{bytes, count, plural, span_ms};
use crate::theme::Role;
use crate::views::Scene;

/// What one side of a pair says, in short pieces with their roles; the address comes last.
pub(super) fn side(scene: &Scene<'_>, sight: &Sight, (from, to): (usize, usize)) -> Vec<(String, Role)> {
    let pair = match sight.between(from, to) {
        Between::Same => return vec![(own(sight, from), Role::Dim)],
        Between::Untold => return vec![silence(scene, sight, from)],
        Between::Nothing => return vec![("no connection".to_owned(), Role::Dim)],
        Between::OneSided => {
            let text = format!("no connection, though {} holds one", sight.names[to]);
            return vec![(text, Role::Bad)];
        }
        Between::Seen(pair) => pair,
    };
    let role = if sight.is_fresh(from) { Role::Text } else { Role::Dim };
    let mut pieces = vec![(format!("{} ms", rtt(pair.rtt_ms)), role), (lost(&pair), role)];
    let clock = pair.ahead_ms.map_or_else(|| "?".to_owned(), ahead_of);
    pieces.push((format!("clock {clock}"), role));
    if pair.is_silent() {
        pieces.push((format!("silent for {}", span_ms(pair.silent_ms)), Role::Warn));
    }
    if let Some(peer) = peer_of(scene, sight.ids[from], sight.ids[to]) {
        pieces.push((format!("{} {} ago", dialled(peer.direction), span_ms(peer.age_ms)), role));
        pieces.push((peer.address.to_string(), Role::Dim));
    }
    pieces
}

fn own(sight: &Sight, node: usize) -> String {
    let held = (0..sight.len()).filter(|other| sight.pair(node, *other).is_some()).count();
    format!("itself; it holds {} with these nodes", plural(held, "connection"))
}

/// Why a node has told nothing.
fn silence(scene: &Scene<'_>, sight: &Sight, node: usize) -> (String, Role) {
    let name = &sight.names[node];
    let known = scene.fleet.get(sight.ids[node]);
    let reason = known.and_then(|node| match (node.error(Topic::Peers), &node.link) {
        (Some(error), _) => Some(error.message.clone()),
        (None, Link::Failed { reason }) => Some(reason.clone()),
        _ => None,
    });
    match (sight.standings[node], reason) {
        (Standing::Lost, _) => (format!("{name} is lost, and has said nothing of it"), Role::Bad),
        (_, Some(reason)) => (format!("{name} does not say: {reason}"), Role::Bad),
        _ => (format!("waiting for the first answer of {name}"), Role::Dim),
    }
}

fn lost(pair: &Pair) -> String {
    pair.loss().map_or_else(|| format!("{} lost", pair.lost), |loss| format!("{} lost", share(loss)))
}

const fn dialled(direction: Direction) -> &'static str {
    match direction {
        Direction::Outbound => "dialled",
        Direction::Inbound => "was dialled",
        Direction::Unknown => "dialled by ?",
    }
}

/// What was found of the mesh, and below it both sides of a pair with all figures: a title, names and values.
pub(super) fn facts(
    scene: &Scene<'_>,
    sight: &Sight,
    (from, to): (usize, usize),
) -> (String, Vec<(String, String)>) {
    let line = |name: &str, value: String| (name.to_owned(), value);
    let found = findings(sight).into_iter().enumerate();
    let found = found.map(|(at, found)| line(if at == 0 { "the mesh" } else { "" }, found.text));
    let mut lines: Vec<(String, String)> = found.collect();
    let sides = if from == to { vec![(from, to)] } else { vec![(from, to), (to, from)] };
    for (from, to) in sides {
        let [one, other] = [from, to].map(|at| &sight.names[at]);
        let said = if from == to { one.clone() } else { format!("{one} sees {other}") };
        lines.extend([line("", String::new()), line("", said)]);
        match (sight.between(from, to), peer_of(scene, sight.ids[from], sight.ids[to])) {
            (Between::Seen(pair), Some(peer)) => lines.extend(figures(&pair, peer, [one, other])),
            _ => lines.extend(side(scene, sight, (from, to)).into_iter().map(|(text, _)| line("", text))),
        }
    }
    let title = match from == to {
        true => sight.names[from].clone(),
        false => format!("{} and {}", sight.names[from], sight.names[to]),
    };
    (title, lines)
}

/// All figures of a connection.
fn figures(pair: &Pair, peer: &Peer, [from, to]: [&String; 2]) -> Vec<(String, String)> {
    let number = |value: u64| count(usize::try_from(value).unwrap_or(usize::MAX));
    let clock = |ahead: i64| match ahead {
        0 => "agrees".to_owned(),
        1.. => format!("{ahead} ms ahead"),
        _ => format!("{} ms behind", ahead.unsigned_abs()),
    };
    let of = |lost: u64, sent: u64| match sent {
        0 => format!("{} lost", number(lost)),
        sent => {
            let share = share((lost as f64 / sent as f64).clamp(0.0, 1.0));
            format!("{} of {} lost ({share})", number(lost), number(sent))
        }
    };
    let recent = pair.counted.map(|span| format!("{}, in {}", of(pair.lost, pair.sent), span_ms(span.0)));
    let dialler = match peer.direction {
        Direction::Outbound => from.as_str(),
        Direction::Inbound => to.as_str(),
        Direction::Unknown => "?",
    };
    let rows = [
        ("round trip", format!("{} ms", rtt(pair.rtt_ms))),
        ("of late", recent.unwrap_or_else(|| "too few packets to say".to_owned())),
        ("packets", of(peer.lost_packets, peer.sent_packets)),
        ("its clock", pair.ahead_ms.map_or_else(|| "not told".to_owned(), clock)),
        ("address", peer.address.to_string()),
        ("dialled by", dialler.to_owned()),
        ("stands", span_ms(peer.age_ms)),
        ("silent", span_ms(peer.silent_ms)),
        ("bytes", format!("{} sent, {} received", bytes(peer.sent_bytes), bytes(peer.received_bytes))),
    ];
    rows.into_iter().map(|(name, value)| (format!("  {name}"), value)).collect()
}

/// One line of fields for the clipboard.
pub(super) fn fields(scene: &Scene<'_>, sight: &Sight, (from, to): (usize, usize)) -> String {
    let said = side(scene, sight, (from, to)).into_iter().map(|(text, _)| text);
    let names = [sight.names[from].clone(), sight.names[to].clone()];
    names.into_iter().chain(said).collect::<Vec<_>>().join("\t")
}
