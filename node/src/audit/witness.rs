//! What this node holds of the audit records of others, so that a record that was cut or written anew is found
//! by what the machine that it belongs to cannot reach. Pure.
//!
//! Verified heads enter, verdicts leave. A head that contradicts what is held never takes its place: it is kept
//! beside it, as evidence that the node itself signed.

use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::time::UnixMillis;
use p2p_shared::witness::{AuditHead, Statement};
use serde::{Deserialize, Serialize};

/// Heads that are held of one member: the newest ones close together, older ones further apart.
pub const HEADS_MAX: usize = 12;

/// A head, with what proves it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// What it says.
    pub head: AuditHead,
    /// As it was signed.
    pub statement: Statement,
    /// When it was taken, by the clock of this node.
    pub taken: UnixMillis,
}

/// All that is held of one member.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The member.
    pub id: NodeId,
    /// Its name.
    pub name: NodeName,
    /// Heads that followed each other, by their numbers.
    pub heads: Vec<Kept>,
    /// The last head that cannot follow them.
    pub contradiction: Option<Kept>,
}

/// What became of a head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the newest one now.
    Taken,
    /// It is held already.
    Known,
    /// A later one is held, or another one of its number.
    Contradicts,
}

impl Held {
    /// Nothing, of a member.
    pub const fn nothing(id: NodeId, name: NodeName) -> Self {
        Self { id, name, heads: Vec::new(), contradiction: None }
    }

    /// The newest head that is held.
    pub fn newest(&self) -> Option<&Kept> {
        self.heads.last()
    }

    /// Takes a head that the member signed.
    pub fn take(&mut self, kept: Kept) -> Verdict {
        let newest = self.newest().map_or(0, |newest| newest.head.seq);
        if kept.head.seq > newest {
            self.heads.push(kept);
            self.thin();
            return Verdict::Taken;
        }
        let alike = |held: &Kept| held.head.seq == kept.head.seq && held.head.link == kept.head.link;
        if self.newest().is_some_and(alike) {
            return Verdict::Known;
        }
        self.contradiction = Some(kept);
        Verdict::Contradicts
    }

    /// Drops the head that is missed least: the one with the smallest gap around it for its age.
    fn thin(&mut self) {
        let Some(newest) = self.newest().map(|newest| newest.head.seq) else { return };
        while self.heads.len() > HEADS_MAX {
            let gaps = self.heads.windows(3).map(|near| {
                let (before, here, after) = (near[0].head.seq, near[1].head.seq, near[2].head.seq);
                u128::from(after - before) * u128::from(u32::MAX) / u128::from(newest - here + 1)
            });
            let least = gaps.enumerate().min_by_key(|&(_, gap)| gap).map(|(index, _)| index + 1);
            self.heads.remove(least.unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn kept(seq: u64, link: &str) -> Kept {
        let head = AuditHead { seq, link: link.into(), at: UnixMillis(seq) };
        let statement = Statement { certificate: Vec::new(), payload: Vec::new(), signature: Vec::new() };
        Kept { head, statement, taken: UnixMillis(seq) }
    }

    fn held(seqs: impl IntoIterator<Item = u64>) -> Held {
        let mut held = Held::nothing(NodeId::new([1; 32]), "web-1".parse().unwrap());
        seqs.into_iter().for_each(|seq| assert_eq!(held.take(kept(seq, "a")), Verdict::Taken));
        held
    }

    #[test]
    fn a_later_head_is_taken_and_an_earlier_one_is_evidence() {
        let mut held = held([5, 9]);
        assert_eq!(held.take(kept(9, "a")), Verdict::Known);
        assert_eq!(held.take(kept(7, "a")), Verdict::Contradicts);
        assert_eq!(held.contradiction, Some(kept(7, "a")));
        assert_eq!(held.newest(), Some(&kept(9, "a")), "what is held stays");
    }

    #[test]
    fn another_head_of_the_same_number_is_evidence() {
        let mut held = held([9]);
        assert_eq!(held.take(kept(9, "b")), Verdict::Contradicts);
        assert_eq!(held.newest(), Some(&kept(9, "a")));
    }

    #[test]
    fn old_heads_stay_in_ever_larger_steps() {
        let held = held(1..=10_000);
        let seqs: Vec<u64> = held.heads.iter().map(|kept| kept.head.seq).collect();
        assert_eq!((seqs.len(), seqs[0], seqs[HEADS_MAX - 1]), (HEADS_MAX, 1, 10_000));
        // Whatever is written anew from some record on, a head not far behind it is held.
        for from in [100, 5_000, 9_000, 9_900] {
            let behind = seqs.iter().find(|&&seq| seq >= from).unwrap();
            assert!(behind - from <= 10_000 - from + 1, "{from}: {seqs:?}");
        }
        assert!(seqs.windows(2).all(|pair| pair[1] - pair[0] < 7_500), "{seqs:?}");
    }

    proptest! {
        #[test]
        fn what_is_held_is_bounded_and_in_order(steps in proptest::collection::vec(0..50_u64, 1..300)) {
            let mut held = Held::nothing(NodeId::new([1; 32]), "web-1".parse().unwrap());
            let mut seq = 0;
            for step in steps {
                seq += step;
                held.take(kept(seq, "a"));
                prop_assert!(held.heads.len() <= HEADS_MAX);
                prop_assert!(held.heads.windows(2).all(|pair| pair[0].head.seq < pair[1].head.seq));
                prop_assert_eq!(held.newest().map_or(0, |kept| kept.head.seq), seq);
            }
        }
    }
}
