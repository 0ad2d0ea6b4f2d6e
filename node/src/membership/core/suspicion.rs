//! How long a silent member has before it counts as lost (Lifeguard, Dadgar et al. 2018).
//!
//! The start, confirmations and signs of life enter, a deadline leaves. It starts long and shrinks with
//! every other member that finds the same silence, so that one node with a bad link decides slowly.

use p2p_shared::id::NodeId;
use p2p_shared::time::Millis;

/// Bounds of one suspicion.
#[derive(Clone, Copy, Debug)]
pub(super) struct Span {
    pub(super) min: Millis,
    pub(super) max: Millis,
    /// Confirmations that shrink it to `min`; with none possible it begins there.
    pub(super) needed: usize,
}

/// A suspicion of this node, about one member.
#[derive(Debug)]
pub(super) struct Suspicion {
    started: Millis,
    span: Span,
    accusers: Vec<NodeId>,
    /// Not before this, because the member was heard of.
    held: Option<Millis>,
    /// When the member is pinged again.
    pub(super) ping_at: Millis,
    /// From the disk: nobody is told, because nothing is known.
    pub(super) silent: bool,
}

impl Suspicion {
    pub(super) fn new(now: Millis, span: Span) -> Self {
        Self { started: now, span, accusers: Vec::new(), held: None, ping_at: now, silent: false }
    }

    /// Another member finds the same. Each counts once.
    pub(super) fn confirm(&mut self, accuser: NodeId) {
        if self.accusers.len() < self.span.needed && !self.accusers.contains(&accuser) {
            self.accusers.push(accuser);
        }
    }

    /// The member was heard of, though it has not refuted yet: it gets the shortest time anew.
    pub(super) fn hold(&mut self, now: Millis) {
        self.held = Some(now + self.span.min);
    }

    pub(super) const fn is_held(&self) -> bool {
        self.held.is_some()
    }

    /// This process was stopped for `span`, which says nothing about the member.
    pub(super) fn delay(&mut self, span: Millis) {
        self.started = self.started + span;
    }

    /// When the member counts as lost.
    pub(super) fn deadline(&self) -> Millis {
        let Span { min, max, needed } = self.span;
        let share = if needed == 0 {
            1.0
        } else {
            ((self.accusers.len() + 1) as f64).ln() / ((needed + 1) as f64).ln()
        };
        let saved = (max.since(min).0 as f64 * share) as u64;
        let natural = self.started + Millis(max.0.max(min.0).saturating_sub(saved));
        self.held.map_or(natural, |held| natural.max(held))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPAN: Span = Span { min: Millis(4_000), max: Millis(6_000), needed: 3 };

    fn id(byte: u8) -> NodeId {
        NodeId::new([byte; 32])
    }

    #[test]
    fn confirmations_shrink_it_to_its_minimum() {
        let mut suspicion = Suspicion::new(Millis(1_000), SPAN);
        assert_eq!(suspicion.deadline(), Millis(7_000));
        suspicion.confirm(id(1));
        suspicion.confirm(id(1));
        assert_eq!(suspicion.deadline(), Millis(6_000));
        suspicion.confirm(id(2));
        suspicion.confirm(id(3));
        suspicion.confirm(id(4));
        assert_eq!(suspicion.deadline(), Millis(5_000));
    }

    #[test]
    fn a_sign_of_life_puts_it_off() {
        let mut suspicion = Suspicion::new(Millis(0), Span { needed: 0, ..SPAN });
        assert_eq!(suspicion.deadline(), Millis(4_000));
        suspicion.hold(Millis(3_900));
        assert_eq!(suspicion.deadline(), Millis(7_900));
    }
}
