//! Names in the DHT: each node publishes its signed facts under its name, and anybody finds them there.
//!
//! Facts leave as records and come back as [`Found`]; what does not verify is not found. The directory is
//! the usual way to a node; this one works from the first contact on.

use p2p_shared::error::RpcError;
use p2p_shared::id::{MeshName, NodeName};
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::services::node::Found;
use p2p_shared::time::{Millis, UnixMillis};

use crate::dht::core::key::Key;
use crate::dht::core::message::Record;
use crate::dht::core::output::{Outcome, QueryStats};
use crate::dht::handle::{DhtHandle, Ended};
use crate::membership::core::record::{SharedFacts, SignedFacts};
use crate::membership::driver::Verify;

/// How long published facts are believed elsewhere, unless they are signed again.
pub const FACTS_LIFE: Millis = Millis::from_secs(24 * 3_600);

/// Domain of the hash that makes a name a key.
const KEY_DOMAIN: &[u8] = b"p2p-admin/dht-name/v1";

/// What a look-up of a name did.
#[derive(Clone, Debug)]
pub struct Traced {
    /// Where the name is kept.
    pub key: Key,
    /// How it ended, with its questions.
    pub ended: Ended,
    /// What was found.
    pub found: Option<Found>,
    /// Why a record that came is not believed.
    pub disbelieved: Option<String>,
}

/// Publishes and finds names.
#[derive(Clone)]
pub struct Naming {
    dht: DhtHandle,
    mesh: MeshName,
    verify: Verify,
}

impl std::fmt::Debug for Naming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Naming").field("mesh", &self.mesh).finish_non_exhaustive()
    }
}

impl Naming {
    /// Names of `mesh` in `dht`, believed if `verify` does.
    pub fn new(dht: DhtHandle, mesh: MeshName, verify: Verify) -> Self {
        Self { dht, mesh, verify }
    }

    /// The DHT underneath.
    pub const fn dht(&self) -> &DhtHandle {
        &self.dht
    }

    /// Publishes the own facts; from how many nodes they can be had then.
    pub async fn publish(&self, facts: &SharedFacts) {
        let Some(record) = record(&self.mesh, facts) else { return };
        match self.dht.put(record).await {
            Ok(outcome) => tracing::debug!(?outcome, sequence = facts.facts.sequence, "published"),
            Err(error) => tracing::debug!(%error, "not published"),
        }
    }

    /// Finds a node by its name.
    ///
    /// # Errors
    /// `not_found` if nobody has a record of that name that verifies.
    pub async fn find(&self, name: &NodeName) -> Result<Found, RpcError> {
        let looked = self.dht.get(key(&self.mesh, name)).await;
        let looked = looked.map_err(|error| RpcError::unavailable(error.to_string()))?;
        let nobody = || RpcError::not_found(format!("nobody in the DHT knows a node {name}"));
        let record = looked.record.ok_or_else(nobody)?;
        let facts = judge(&self.mesh, &record, &self.verify).map_err(|_| nobody())?;
        Ok(found(&facts, looked.stats))
    }

    /// Looks a name up, and tells every question that was asked.
    ///
    /// # Errors
    /// `unavailable` if the DHT has stopped or has too much to do.
    pub async fn look_up(&self, name: &NodeName) -> Result<Traced, RpcError> {
        let key = key(&self.mesh, name);
        let ended = self.dht.trace(key).await;
        let ended = ended.map_err(|error| RpcError::unavailable(error.to_string()))?;
        let judged = match &ended.outcome {
            Outcome::Busy => {
                return Err(RpcError::unavailable("too many look-ups wait on this node already"));
            }
            Outcome::Found { record, .. } => Some(judge(&self.mesh, record, &self.verify)),
            _ => None,
        };
        let (found, disbelieved) = match judged {
            Some(Ok(facts)) => (Some(found(&facts, ended.stats)), None),
            Some(Err(why)) => (None, Some(why)),
            None => (None, None),
        };
        Ok(Traced { key, ended, found, disbelieved })
    }
}

/// Facts that were found at this cost.
fn found(known: &SharedFacts, stats: QueryStats) -> Found {
    let facts = &known.facts;
    Found {
        id: known.id,
        name: facts.name.clone(),
        addresses: facts.addresses.clone(),
        labels: facts.labels.clone(),
        version: facts.version.clone(),
        sequence: facts.sequence,
        hops: stats.hops,
        messages: stats.messages,
    }
}

/// Where the facts of a name are kept.
fn key(mesh: &MeshName, name: &NodeName) -> Key {
    let bytes = [KEY_DOMAIN, &[0], mesh.as_str().as_bytes(), &[0], name.as_str().as_bytes()].concat();
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &bytes);
    let mut key = [0; 32];
    key.copy_from_slice(digest.as_ref());
    Key::from(key)
}

/// Facts as a record; `None` for those that do not expire, which are not for publishing.
fn record(mesh: &MeshName, facts: &SharedFacts) -> Option<Record> {
    Some(Record {
        key: key(mesh, &facts.facts.name),
        publisher: facts.id,
        seq: facts.facts.sequence,
        expires: facts.facts.expires?,
        value: codec::encode(&facts.signed, Encoding::Bincode).ok()?.to_vec(),
    })
}

/// The facts in a record, if they are signed by whom and for what the record says.
///
/// # Errors
/// What does not fit, for the log.
pub fn judge(mesh: &MeshName, record: &Record, verify: &Verify) -> Result<SharedFacts, String> {
    let signed: SignedFacts =
        codec::decode(&record.value, Encoding::Bincode).map_err(|error| error.to_string())?;
    let facts = verify(&signed).ok_or("the facts do not verify")?;
    let said = (facts.id, facts.facts.sequence, facts.facts.expires, key(mesh, &facts.facts.name));
    if said != (record.publisher, record.seq, Some(record.expires), record.key) {
        return Err("the record is not the one that its publisher signed".into());
    }
    Ok(facts)
}

/// When facts that are signed now expire elsewhere.
pub fn expiry(now: UnixMillis) -> UnixMillis {
    now.plus(FACTS_LIFE)
}
