//! What a look-up in the DHT did, as far as one was asked for: the last one.

use p2p_shared::error::RpcError;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::node::LookUp;

use super::Fleet;

/// Questions that are kept of one; an honest node asks no more.
const QUESTIONS_MAX: usize = 150;

/// A look-up that was asked for.
#[derive(Clone, Debug)]
pub struct LookedUp {
    /// Who looks.
    pub node: NodeId,
    /// For what.
    pub name: NodeName,
    /// What it did, once it is told.
    pub told: Option<Result<LookUp, RpcError>>,
}

impl Fleet {
    /// A node is asked to look a name up.
    pub fn begin_look_up(&mut self, node: NodeId, name: NodeName) {
        self.looked_up = Some(LookedUp { node, name, told: None });
    }

    /// What it did; of another one than the last nothing is kept.
    pub fn set_look_up(&mut self, node: NodeId, name: &NodeName, result: Result<LookUp, RpcError>) {
        let Some(asked) = &mut self.looked_up else { return };
        if (asked.node, &asked.name) == (node, name) {
            asked.told = Some(result.map(|mut told| {
                told.questions.truncate(QUESTIONS_MAX);
                told
            }));
        }
    }

    /// The last look-up, if this node did it.
    pub fn look_up(&self, node: NodeId) -> Option<&LookedUp> {
        self.looked_up.as_ref().filter(|asked| asked.node == node)
    }

    /// The last look-up, whoever did it.
    pub const fn looked_up(&self) -> Option<&LookedUp> {
        self.looked_up.as_ref()
    }
}
