//! Which packets of a trace to send next, and which hops are complete. Pure: answers go in, hops come out in
//! their order, each once.

use std::collections::BTreeMap;
use std::net::IpAddr;

use p2p_shared::services::network::{TraceEnd, TraceHop, TraceProbe};

/// What became of one packet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Answer {
    /// Who answered; `None` if nobody did.
    pub(super) address: Option<IpAddr>,
    /// After how long.
    pub(super) rtt_ms: Option<f32>,
    /// What it means.
    pub(super) meaning: Meaning,
}

/// What an answer means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// Nothing came.
    Silence,
    /// Somebody on the way: it goes on behind.
    OnTheWay,
    /// The target.
    Target,
    /// It does not go on here, for this reason.
    NoWay(String),
}

/// A trace.
#[derive(Debug)]
pub(super) struct Course {
    hops: u32,
    probes: u32,
    /// The next packet.
    next: (u32, u32),
    answers: BTreeMap<u32, Vec<Option<Answer>>>,
    /// The next hop to hand out.
    told: u32,
    /// The nearest hop behind which nothing is.
    last: Option<u32>,
}

impl Course {
    pub(super) const fn new(hops: u32, probes: u32) -> Self {
        Self { hops, probes, next: (1, 0), answers: BTreeMap::new(), told: 1, last: None }
    }

    /// The packet to send next: time to live, and which of that hop.
    pub(super) fn next(&mut self) -> Option<(u32, u32)> {
        let (ttl, index) = self.next;
        if ttl > self.last.unwrap_or(self.hops) {
            return None;
        }
        self.next = if index + 1 < self.probes { (ttl, index + 1) } else { (ttl + 1, 0) };
        Some((ttl, index))
    }

    pub(super) fn note(&mut self, ttl: u32, index: u32, answer: Answer) {
        if matches!(answer.meaning, Meaning::Target | Meaning::NoWay(_)) {
            self.last = Some(self.last.map_or(ttl, |last| last.min(ttl)));
        }
        let empty = || vec![None; self.probes as usize];
        let answers = self.answers.entry(ttl).or_insert_with(empty);
        if let Some(place) = answers.get_mut(index as usize) {
            *place = Some(answer);
        }
    }

    /// The next hop, once all its packets are answered or given up.
    pub(super) fn take(&mut self) -> Option<(TraceHop, Option<TraceEnd>)> {
        let ttl = self.told;
        if ttl > self.last.unwrap_or(self.hops) || self.answers.get(&ttl)?.iter().any(Option::is_none) {
            return None;
        }
        let answers: Vec<Answer> = self.answers.remove(&ttl)?.into_iter().flatten().collect();
        self.told += 1;
        let silent = answers.iter().filter(|answer| answer.address.is_none()).count();
        let end = if self.last == Some(ttl) {
            let reached = answers.iter().any(|answer| answer.meaning == Meaning::Target);
            Some(if reached { TraceEnd::Reached } else { TraceEnd::Unreachable })
        } else {
            (ttl == self.hops).then_some(TraceEnd::HopsMax)
        };
        let loss_ratio = silent as f32 / answers.len().max(1) as f32;
        let probes = answers.into_iter().map(probe).collect();
        Some((TraceHop { ttl, probes, loss_ratio }, end))
    }
}

fn probe(answer: Answer) -> TraceProbe {
    let note = if let Meaning::NoWay(reason) = answer.meaning { reason } else { String::new() };
    TraceProbe { address: answer.address, rtt_ms: answer.rtt_ms, note }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(meaning: Meaning) -> Answer {
        let address = (meaning != Meaning::Silence).then(|| "192.0.2.1".parse().unwrap());
        Answer { address, rtt_ms: address.map(|_| 1.0), meaning }
    }

    proptest! {
        /// Answers in any order: hops come in theirs, up to the nearest end, and then no more.
        #[test]
        fn hops_come_in_order_and_end_once(
            hops in 1_u32..12, probes in 1_u32..4, length in 1_u32..16, silent: u64, order in any::<proptest::sample::Index>(),
        ) {
            let mut course = Course::new(hops, probes);
            let (mut flying, mut told, mut ended) = (Vec::new(), Vec::new(), 0);
            loop {
                while flying.len() < 5 {
                    match course.next() {
                        Some(packet) => flying.push(packet),
                        None => break,
                    }
                }
                if flying.is_empty() {
                    break;
                }
                let (ttl, index) = flying.swap_remove(order.index(flying.len()));
                let lost = silent & (1 << ((ttl * probes + index) % 64)) != 0 && index > 0;
                let meaning = match () {
                    () if lost => Meaning::Silence,
                    () if ttl >= length => Meaning::Target,
                    () => Meaning::OnTheWay,
                };
                course.note(ttl, index, answer(meaning));
                while let Some((hop, end)) = course.take() {
                    prop_assert_eq!(hop.probes.len(), probes as usize);
                    prop_assert!((0.0..=1.0).contains(&hop.loss_ratio));
                    told.push(hop.ttl);
                    ended += u32::from(end.is_some());
                }
            }
            prop_assert_eq!(told, (1..=hops.min(length)).collect::<Vec<_>>());
            prop_assert_eq!(ended, 1);
        }
    }

    #[test]
    fn a_black_hole_ends_with_the_hops() {
        let mut course = Course::new(2, 1);
        while let Some((ttl, index)) = course.next() {
            course.note(ttl, index, answer(Meaning::Silence));
        }
        let (first, second) = (course.take().unwrap(), course.take().unwrap());
        assert_eq!((first.0.loss_ratio, first.1), (1.0, None));
        assert_eq!((second.0.ttl, second.1), (2, Some(TraceEnd::HopsMax)));
        assert!(course.take().is_none());
    }

    #[test]
    fn who_says_that_there_is_no_way_ends_it_with_the_reason() {
        let mut course = Course::new(30, 1);
        course.next();
        course.note(1, 0, answer(Meaning::NoWay("host unreachable".into())));
        assert_eq!(course.next(), None);
        let (hop, end) = course.take().unwrap();
        assert_eq!((hop.probes[0].note.as_str(), end), ("host unreachable", Some(TraceEnd::Unreachable)));
    }
}
