//! What is revoked in the mesh and in force on this node.
//!
//! Bytes that claim to be a list enter, verified lists leave; the list in force is what `Trust` asks at every
//! handshake and every request, and what watchers keep on disk and clean up after. Which list is in force is
//! the core's decision; it is put in force here and nowhere else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use p2p_shared::id::NodeId;
use p2p_shared::tls::{RevokedError, RevokedKey, Trust};
use tokio::sync::watch;
use tokio::time::Instant;

use super::core::record::SharedRevoked;
use crate::clock;

/// The list in force, if there is one.
pub type InForce = Option<SharedRevoked>;

/// The list in force, and what is known of its age.
#[derive(Debug)]
pub struct Revocations {
    own: NodeId,
    trust: Arc<Trust>,
    in_force: watch::Sender<InForce>,
    /// The epoch that is on disk.
    kept: watch::Sender<u64>,
    // Written for every message of a peer, read for a call: never held across an await.
    heard: Mutex<Option<Instant>>,
    /// When this run began, and for how long nothing had been heard then.
    began: (Instant, Mutex<Duration>),
    strict: AtomicBool,
}

impl Revocations {
    /// Of a node that starts: what `kept` holds is in force when this returns.
    ///
    /// If what was kept is no list of this mesh's CA, that is said beside it: nothing is in force then, and the
    /// mesh tells it again.
    pub fn restore(own: NodeId, trust: Arc<Trust>, kept: Option<&[u8]>) -> (Self, Result<(), RevokedError>) {
        let restored = kept.map(|bytes| trust.verify_revoked(bytes)).transpose();
        let (list, outcome) = match restored {
            Ok(list) => (list.map(Arc::new), Ok(())),
            Err(error) => (None, Err(error)),
        };
        let epoch = list.as_ref().map_or(0, |signed: &SharedRevoked| signed.list.epoch);
        let (in_force, _) = watch::channel(None);
        let (kept, _) = watch::channel(epoch);
        let began = (Instant::now(), Mutex::default());
        let (heard, strict) = (Mutex::new(None), AtomicBool::new(false));
        let this = Self { own, trust, in_force, kept, heard, began, strict };
        if let Some(list) = &list {
            this.enforce(list);
        }
        (this, outcome)
    }

    /// At the start: a list that came with the certificate, in force if it is newer than what was kept. Whether
    /// it was.
    ///
    /// # Errors
    /// If it is no list of this mesh's CA.
    pub fn offer(&self, bytes: &[u8]) -> Result<bool, RevokedError> {
        let offered = self.verify(bytes)?;
        let is_newer = offered.list.epoch > self.epoch();
        if is_newer {
            self.enforce(&offered);
        }
        Ok(is_newer)
    }

    /// Judges bytes that somebody handed over.
    ///
    /// # Errors
    /// As [`RevokedError`] says.
    pub fn verify(&self, bytes: &[u8]) -> Result<SharedRevoked, RevokedError> {
        // Every push comes from several peers: what is in force is known by its bytes.
        let known = self.in_force().filter(|signed| signed.bytes == bytes);
        known.map_or_else(|| self.trust.verify_revoked(bytes).map(Arc::new), Ok)
    }

    /// The same of a message of a peer, which is told nothing.
    pub(super) fn verify_news(&self, bytes: &[u8]) -> Option<SharedRevoked> {
        let judged = self.verify(bytes);
        judged.inspect_err(|error| tracing::debug!(%error, "a peer sent a revocation list that is none")).ok()
    }

    /// Every key of the list is refused from now on.
    pub(super) fn enforce(&self, signed: &SharedRevoked) {
        let list = &signed.list;
        if let Some(before) = self.in_force() {
            check_sequel(&before, signed);
        }
        self.trust.replace_revoked(list.keys.iter().map(|key| key.id).collect());
        tracing::info!(epoch = list.epoch, keys = list.keys.len(), "revocation list in force");
        self.in_force.send_replace(Some(Arc::clone(signed)));
        // What the CA says is word of the state of revocation too, of the time when it signed that.
        let age = Duration::from_millis(clock::wall().since(list.issued).0);
        if age < self.silence() {
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now().checked_sub(age);
        }
        if let Some(key) = self.own_revoked() {
            tracing::error!(
                reason = %key.reason,
                "THIS NODE IS REVOKED: every member refuses its key, and it dials nobody any more; what runs on \
                 this machine goes on. If it should come back: `ca.sh issue node NAME`, `ca.sh bundle`, and \
                 `p2p-node import` here"
            );
        }
    }

    /// The list in force.
    pub fn in_force(&self) -> InForce {
        self.in_force.borrow().clone()
    }

    /// Its epoch; 0 for none.
    pub fn epoch(&self) -> u64 {
        self.in_force.borrow().as_ref().map_or(0, |signed| signed.list.epoch)
    }

    /// The list in force, now and whenever it changes.
    pub fn watch(&self) -> watch::Receiver<InForce> {
        self.in_force.subscribe()
    }

    /// This node's own key, if it is revoked.
    pub fn own_revoked(&self) -> Option<RevokedKey> {
        self.in_force.borrow().as_ref().and_then(|signed| signed.list.get(&self.own).copied())
    }

    /// Waits while this node's own key is revoked: refused everywhere, it has nothing to join.
    pub async fn until_not_own(&self) {
        let own = |list: &InForce| list.as_ref().is_some_and(|signed| signed.list.get(&self.own).is_some());
        // The sender lives as long as this.
        let _ = self.watch().wait_for(|list| !own(list)).await;
    }

    /// This epoch is on disk.
    pub fn note_kept(&self, epoch: u64) {
        self.kept.send_replace(epoch);
    }

    /// Waits until this epoch is on disk.
    pub async fn until_kept(&self, epoch: u64) {
        // The sender lives as long as this.
        let _ = self.kept.subscribe().wait_for(|kept| *kept >= epoch).await;
    }

    /// A member showed that it knows no higher epoch.
    pub(crate) fn note_heard(&self) {
        *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    /// Whether this node refuses what it can no longer vouch for: `revocation_strict`.
    pub fn is_strict(&self) -> bool {
        self.strict.load(Ordering::Relaxed)
    }

    /// Sets that.
    pub fn set_strict(&self, strict: bool) {
        self.strict.store(strict, Ordering::Relaxed);
    }

    /// At the start: an earlier run had heard nothing for so long.
    pub fn note_silent_before(&self, silent: Duration) {
        *self.began.1.lock().unwrap_or_else(PoisonError::into_inner) = silent;
    }

    /// How long nobody has shown that the list in force is the newest; runs of this node before count too.
    pub fn silence(&self) -> Duration {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let before = || *self.began.1.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map_or_else(|| self.began.0.elapsed().saturating_add(before()), |at| at.elapsed())
    }

    /// How long since a member last showed that it knows no higher epoch, in milliseconds; `None` if none did
    /// since the start.
    pub fn heard_ms(&self) -> Option<u64> {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard.map(|at| u64::try_from(at.elapsed().as_millis()).unwrap_or(u64::MAX))
    }
}

/// The higher epoch is in force in any case. But a list that does not follow from the one before is an alarm: a
/// second copy of the CA signs, and may have let a revoked key back in.
fn check_sequel(before: &SharedRevoked, signed: &SharedRevoked) {
    let (old, new) = (&before.list, &signed.list);
    let back = old.keys.iter().filter(|key| new.get(&key.id).is_none()).count();
    let follows = new.epoch != old.epoch.saturating_add(1) || new.previous == before.digest;
    if back > 0 || !follows {
        tracing::error!(
            epoch = new.epoch,
            back,
            "ALARM: this revocation list is not the sequel of the one before: there are two copies of the CA; \
             keys that it left out are let in again"
        );
    }
}
