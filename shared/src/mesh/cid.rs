//! The ids by which packets find their connection, with more room than quinn's own ids have.
//!
//! Nothing enters; an id leaves, and of an id that comes, whether it can be one of ours. Never anything that tells one
//! connection from another.
//!
//! quinn draws 24 bits for an id, a connection has several, and the id that a Retry proposes is drawn without a look
//! at those that are taken. It then belongs to two: everything that the newcomer sends goes to the other connection,
//! which drops it, and whoever dials hears nothing until it gives up. With a thousand connections that was one
//! dial of some three thousand.

use std::hash::{BuildHasher, RandomState};

use aws_lc_rs::rand;
use quinn::{ConnectionId, ConnectionIdGenerator};
use quinn_proto::InvalidCid;

/// What is drawn of an id: with a million ids taken, one dial of 280 million meets one of them.
const DRAWN_BYTES: usize = 6;
/// What is computed from it, so that other datagrams than QUIC's get no answer.
const SEAL_BYTES: usize = 2;
const ID_BYTES: usize = DRAWN_BYTES + SEAL_BYTES;

/// Draws ids for one endpoint.
#[derive(Clone, Debug, Default)]
pub(super) struct Ids {
    key: RandomState,
}

impl Ids {
    fn seal(&self, drawn: &[u8]) -> [u8; SEAL_BYTES] {
        let [first, second, ..] = self.key.hash_one(drawn).to_be_bytes();
        [first, second]
    }
}

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut id = [0; ID_BYTES];
        let (drawn, seal) = id.split_at_mut(DRAWN_BYTES);
        rand::fill(drawn).expect("the system has randomness");
        seal.copy_from_slice(&self.seal(drawn));
        ConnectionId::new(&id)
    }

    fn validate(&self, id: &ConnectionId) -> Result<(), InvalidCid> {
        match id.split_at_checked(DRAWN_BYTES) {
            Some((drawn, seal)) if seal == self.seal(drawn) => Ok(()),
            _ => Err(InvalidCid),
        }
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    /// What some 2,500 connections hold.
    const MANY: usize = 20_000;

    #[test]
    fn ids_of_thousands_of_connections_never_meet() {
        let mut ids = Ids::default();
        let drawn: HashSet<ConnectionId> = (0..MANY).map(|_| ids.generate_cid()).collect();
        assert_eq!(drawn.len(), MANY, "an id that is taken makes a dial silent");
    }

    #[test]
    fn an_id_is_known_to_the_endpoint_that_drew_it_and_to_no_other() {
        let (mut ours, theirs) = (Ids::default(), Ids::default());
        let drawn: Vec<ConnectionId> = (0..100).map(|_| ours.generate_cid()).collect();
        assert!(drawn.iter().all(|id| id.len() == ours.cid_len() && ours.validate(id).is_ok()));
        assert!(drawn.iter().filter(|id| theirs.validate(id).is_ok()).count() < 3);
        assert!(ours.validate(&ConnectionId::new(&[1; 3])).is_err(), "too short for one");
    }
}
