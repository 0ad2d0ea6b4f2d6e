//! Descriptors that systemd keeps for this node while it is started anew (systemd.service(5),
//! `FileDescriptorStoreMax`; sd_notify(3), `FDSTORE`).
//!
//! What an earlier life gave there is inherited at the start and taken by name. Outside of a service of systemd
//! nothing is kept and nothing found.

use std::collections::HashMap;
use std::os::fd::{BorrowedFd, OwnedFd};
use std::sync::{Mutex, OnceLock, PoisonError};

use rustix::io::{FdFlags, fcntl_setfd};
use sd_notify::{NotifyState, notify, notify_with_fds};

type Inherited = Mutex<HashMap<String, OwnedFd>>;

/// What this process inherited: it is read once, since each descriptor has one owner.
fn inherited() -> &'static Inherited {
    static INHERITED: OnceLock<Inherited> = OnceLock::new();
    INHERITED.get_or_init(|| {
        let found = sd_listen_fds::get().unwrap_or_else(|error| {
            tracing::error!(%error, "what systemd kept for this node cannot be taken");
            Vec::new()
        });
        let mut by_name = HashMap::new();
        for (name, descriptor) in found {
            let descriptor = descriptor.into_std();
            // It is not for what this node starts.
            let private = fcntl_setfd(&descriptor, FdFlags::CLOEXEC);
            if let (Some(name), Ok(())) = (name, private) {
                by_name.insert(name, descriptor);
            }
        }
        Mutex::new(by_name)
    })
}

/// Takes what an earlier life of this process gave; systemd has it still.
pub(super) fn take(name: &str) -> Option<OwnedFd> {
    let inherited = inherited().lock().unwrap_or_else(PoisonError::into_inner);
    inherited.get(name).and_then(|descriptor| descriptor.try_clone().ok())
}

/// Gives systemd a descriptor to keep until [`forget`].
pub(super) fn give(name: &str, descriptor: BorrowedFd<'_>) {
    // Not polled: a pipe whose writers are gone still holds what they wrote.
    let states = [NotifyState::FdStore, NotifyState::FdName(name), NotifyState::Custom("FDPOLL=0")];
    if let Err(error) = notify_with_fds(&states, &[descriptor]) {
        tracing::warn!(name, %error, "systemd does not keep a descriptor for this node");
    }
}

/// Has systemd let go of it.
pub(super) fn forget(name: &str) {
    let taken = inherited().lock().unwrap_or_else(PoisonError::into_inner).remove(name);
    drop(taken);
    if let Err(error) = notify(&[NotifyState::FdStoreRemove, NotifyState::FdName(name)]) {
        tracing::debug!(name, %error, "systemd keeps a descriptor of this node");
    }
}
