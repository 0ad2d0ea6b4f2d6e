//! Which time is looked at: now, or a moment of the node's past, and how long before it the charts begin.
//!
//! Up to ten minutes until now are what was watched anyway; everything else is asked of the node, one question at a
//! time. Pure.

use p2p_shared::id::NodeId;
use p2p_shared::time::{Millis, UnixMillis};

use super::super::Scene;
use crate::command::PastOrder;
use crate::fleet::{Node, Past};
use crate::format::date;

/// The spans that the charts can show, and how far one key goes back in each; in seconds.
pub(super) const SPANS: [(u64, u64); 11] = [
    (60, 10),
    (120, 10),
    (300, 30),
    (600, 60),
    (1_800, 300),
    (3_600, 600),
    (10_800, 1_800),
    (21_600, 3_600),
    (86_400, 10_800),
    (604_800, 86_400),
    (2_592_000, 259_200),
];
/// Place of the span in which a time is shown that something else leads to: ten minutes.
const VISITED: usize = 3;
/// Spans up to this one are watched.
const WATCHED_S: u64 = 600;
/// How far back nodes remember.
const KEPT: Millis = Millis(30 * 86_400_000);
/// How often a long span until now is asked for anew: so many times in it, within these limits.
const RENEWALS: u64 = 240;
const RENEWED_MS: std::ops::RangeInclusive<u64> = 10_000..=60_000;

/// The time that is looked at, and what was asked of whom.
#[derive(Clone, Debug)]
pub(super) struct Looking {
    /// Place in [`SPANS`].
    zoom: usize,
    /// The end of the charts by the node's clock; `None` is now.
    at: Option<UnixMillis>,
    /// The question that has no answer yet.
    asked: Option<(NodeId, PastOrder)>,
    /// Ask again although the answer is there.
    again: bool,
}

impl Default for Looking {
    fn default() -> Self {
        Self { zoom: 1, at: None, asked: None, again: false }
    }
}

/// What a node's clock shows, as far as its last figures tell.
pub(super) fn clock_of(node: &Node, scene: &Scene<'_>) -> UnixMillis {
    let sample = node.sample.value.as_ref();
    sample.map_or(scene.wall, |sample| sample.at.plus(scene.now.since(node.sample.at)))
}

impl Looking {
    pub(super) const fn span(&self) -> Millis {
        Millis::from_secs(SPANS[self.zoom].0)
    }

    pub(super) const fn at(&self) -> Option<UnixMillis> {
        self.at
    }

    pub(super) const fn zoom_in(&mut self) {
        self.zoom = self.zoom.saturating_sub(1);
    }

    pub(super) fn zoom_out(&mut self) {
        self.zoom = (self.zoom + 1).min(SPANS.len() - 1);
    }

    /// Back to the round time before; answers whether there is one that is kept.
    pub(super) fn earlier(&mut self, now: UnixMillis) -> bool {
        let step = SPANS[self.zoom].1 * 1_000;
        let before = self.at.unwrap_or(now).0.saturating_sub(1) / step * step;
        let kept = now.since(UnixMillis(before)) <= KEPT;
        if kept {
            self.at = Some(UnixMillis(before));
        }
        kept
    }

    /// To the round time after, and at last to now; answers whether that was not now already.
    pub(super) fn later(&mut self, now: UnixMillis) -> bool {
        let step = SPANS[self.zoom].1 * 1_000;
        let Some(at) = self.at else { return false };
        let after = UnixMillis((at.0 / step + 1) * step);
        self.at = (after < now).then_some(after);
        true
    }

    /// To a time, with some of what came before and after in sight.
    pub(super) fn visit(&mut self, at: UnixMillis) {
        self.zoom = VISITED;
        let step = SPANS[self.zoom].1 * 1_000;
        self.at = Some(UnixMillis((at.0 / step + 1) * step));
    }

    /// To a time; `None` is now.
    pub(super) fn go_to(&mut self, at: Option<UnixMillis>, now: UnixMillis) -> Result<(), String> {
        if let Some(at) = at.filter(|at| *at > now) {
            return Err(format!("{} UTC is still to come: it is {} UTC there", date(at), date(now)));
        }
        if let Some(at) = at.filter(|at| now.since(*at) > KEPT) {
            let first = date(UnixMillis(now.0.saturating_sub(KEPT.0)));
            return Err(format!(
                "{} UTC is too long ago: nodes remember 30 days, since {first} UTC",
                date(at)
            ));
        }
        self.at = at;
        Ok(())
    }

    /// Returns to now; whether it was in the past.
    pub(super) const fn leave(&mut self) -> bool {
        self.at.take().is_some()
    }

    pub(super) const fn ask_again(&mut self) {
        self.again = true;
    }

    pub(super) const fn answered(&mut self) {
        self.asked = None;
    }

    /// What the charts are made of, where that is not what was watched.
    pub(super) fn order(&self, now: UnixMillis) -> Option<PastOrder> {
        let span = self.span();
        if let Some(at) = self.at {
            return Some(PastOrder { at, span });
        }
        let renewed = (span.0 / RENEWALS).clamp(*RENEWED_MS.start(), *RENEWED_MS.end());
        let at = UnixMillis(now.0 / renewed * renewed);
        (SPANS[self.zoom].0 > WATCHED_S).then_some(PastOrder { at, span })
    }

    /// What is to be asked now: nothing while an answer is awaited, or is there.
    pub(super) fn wanted(
        &mut self,
        (id, now): (NodeId, UnixMillis),
        past: Option<&Past>,
    ) -> Option<PastOrder> {
        let order = self.order(now)?;
        let known = past.is_some_and(|past| past.order == order) && !self.again;
        if known || self.asked.is_some() {
            return None;
        }
        self.again = false;
        self.asked = Some((id, order));
        Some(order)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_795_406_407_000);

    #[test]
    fn a_way_back_in_round_steps_and_forward_to_now() {
        let mut looking = Looking::default();
        assert!(!looking.later(NOW), "it is now");
        assert!(looking.earlier(NOW));
        assert_eq!(looking.at(), Some(UnixMillis(1_795_406_400_000)));
        assert!(looking.earlier(NOW));
        assert_eq!(looking.at(), Some(UnixMillis(1_795_406_390_000)));
        assert!(looking.later(NOW) && looking.later(NOW));
        assert_eq!(looking.at(), None);
    }

    #[test]
    fn nothing_older_than_what_is_kept_can_be_reached() {
        let mut looking = Looking::default();
        (0..20).for_each(|_| looking.zoom_out());
        while looking.earlier(NOW) {}
        assert!(NOW.since(looking.at().unwrap()) <= KEPT);
    }

    #[test]
    fn one_question_at_a_time_and_none_for_what_is_watched() {
        let mut looking = Looking::default();
        let id = NodeId::new([1; 32]);
        assert_eq!(looking.wanted((id, NOW), None), None);
        looking.earlier(NOW);
        let first = looking.wanted((id, NOW), None);
        assert!(first.is_some());
        looking.earlier(NOW);
        assert_eq!(looking.wanted((id, NOW), None), None, "the first is not answered yet");
        looking.answered();
        assert_ne!(looking.wanted((id, NOW), None), first);
    }

    #[test]
    fn a_long_span_until_now_is_asked_for_anew_as_time_goes_on() {
        let mut looking = Looking::default();
        (0..4).for_each(|_| looking.zoom_out());
        let orders: Vec<_> =
            (0..60).map(|second| looking.order(NOW.plus(Millis::from_secs(second)))).collect();
        let different: std::collections::BTreeSet<_> = orders.into_iter().collect();
        assert!((4..=6).contains(&different.len()), "{different:?}");
    }
}
