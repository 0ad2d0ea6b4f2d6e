//! Who works with which node: what nobody works with is not looked at as often, and is hung up after a while.
//!
//! A task that waits for something of a node holds a [`Use`] of it meanwhile. Calls that are answered at once need none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use p2p_shared::id::NodeId;

/// The nodes in use. Clones are the same ones.
#[derive(Clone, Debug, Default)]
// Short look-ups by tasks of any node, never held across an await.
pub struct Uses(Arc<Mutex<HashMap<NodeId, usize>>>);

/// One use of one node; it ends when it is dropped.
#[derive(Debug)]
pub struct Use {
    uses: Uses,
    node: NodeId,
}

impl Uses {
    /// Somebody works with this node from now on.
    #[must_use]
    pub fn begin(&self, node: NodeId) -> Use {
        *self.counts().entry(node).or_default() += 1;
        Use { uses: self.clone(), node }
    }

    /// Whether somebody works with this node.
    pub fn is_used(&self, node: NodeId) -> bool {
        self.counts().contains_key(&node)
    }

    /// Whether nobody works with any.
    pub fn is_empty(&self) -> bool {
        self.counts().is_empty()
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<NodeId, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        let mut counts = self.uses.counts();
        if let Some(count) = counts.get_mut(&self.node) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.node);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_used_until_the_last_one_has_left_it() {
        let (uses, node) = (Uses::default(), NodeId::new([1; 32]));
        let (first, second) = (uses.begin(node), uses.begin(node));
        drop(first);
        assert!(uses.is_used(node) && !uses.is_used(NodeId::new([2; 32])));
        drop(second);
        assert!(!uses.is_used(node) && uses.is_empty());
    }
}
