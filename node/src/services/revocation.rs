//! The service `revocation`: what is revoked here, and a door for a new list.
//!
//! A list is judged before the membership hears of it; nobody's word counts but the CA's signature.

use std::sync::Arc;
use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::registry::CallContext;
use p2p_shared::services::revocation::{Adopted, Revocation, RevocationState, RevokedEntry, Verdict};
use p2p_shared::tls::RevokedKey;
use tokio::time::timeout;

use crate::membership::core::io::Adoption;
use crate::membership::handle::MembershipHandle;
use crate::membership::revoked::Revocations;

/// How long the disk has before the answer says that the list is not kept yet.
const KEPT_TIMEOUT: Duration = Duration::from_secs(2);

/// The implementation.
#[derive(Debug)]
pub struct RevocationService {
    /// What is in force.
    pub revocations: Arc<Revocations>,
    /// Takes and spreads a new list.
    pub membership: MembershipHandle,
}

impl Revocation for RevocationService {
    async fn state(&self, _: &CallContext) -> Result<RevocationState, RpcError> {
        let in_force = self.revocations.in_force();
        let keys = in_force.iter().flat_map(|signed| &signed.list.keys);
        let entry =
            |key: &RevokedKey| RevokedEntry { id: key.id, at: key.at, reason: key.reason.to_string() };
        Ok(RevocationState {
            epoch: self.revocations.epoch(),
            issued: in_force.as_ref().map(|signed| signed.list.issued),
            heard_ms: self.revocations.heard_ms(),
            silent_ms: self.revocations.silence().as_millis() as u64,
            strict: self.revocations.is_strict(),
            own: self.revocations.own_revoked().is_some(),
            keys: keys.map(entry).collect(),
        })
    }

    async fn adopt(&self, _: &CallContext, list: Vec<u8>) -> Result<Adopted, RpcError> {
        let list =
            self.revocations.verify(&list).map_err(|error| RpcError::bad_request(error.to_string()))?;
        let adoption = self.membership.adopt_revoked(list).await;
        let adoption = adoption.ok_or_else(|| RpcError::unavailable("this node is shutting down"))?;
        let epoch = self.revocations.epoch();
        let kept = timeout(KEPT_TIMEOUT, self.revocations.until_kept(epoch)).await.is_ok();
        Ok(Adopted { verdict: verdict(adoption), epoch, kept })
    }
}

const fn verdict(adoption: Adoption) -> Verdict {
    match adoption {
        Adoption::Adopted => Verdict::Adopted,
        Adoption::Known => Verdict::Known,
        Adoption::Older => Verdict::Older,
        Adoption::Fork => Verdict::Fork,
    }
}
