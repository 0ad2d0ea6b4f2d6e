//! What this node says of itself, signed; what others say, verified.
//!
//! Closures leave that the drivers call: they hold the key, the trust and the store, and the drivers none of them.

use std::sync::Arc;

use futures::FutureExt;
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::tls::Credentials;
use tokio::task::spawn_blocking;

use super::{Settings, StartError};
use crate::clock;
use crate::membership::core::record::{Facts, SharedFacts, SignedFacts};
use crate::membership::driver::{Sign, Verify};
use crate::membership::facts;
use crate::naming;
use crate::store::Store;

/// Signs what this node says of itself, with a sequence that is on disk first.
pub(super) fn sign(settings: &Settings, store: &Store) -> Sign {
    let (credentials, store, started) = (Arc::clone(&settings.credentials), store.clone(), clock::wall());
    let http = settings.http;
    Arc::new(move |portrayal, above| {
        let (credentials, store) = (Arc::clone(&credentials), store.clone());
        let signing = spawn_blocking(move || {
            let sequence = store.next_sequence(above).map_err(|error| error.to_string())?;
            let facts = Facts {
                name: credentials.identity().name.clone(),
                addresses: portrayal.addresses,
                labels: portrayal.labels,
                version: env!("CARGO_PKG_VERSION").into(),
                started,
                expires: Some(naming::expiry(clock::wall())),
                sequence,
                left: portrayal.left,
                http,
            };
            facts::sign(&credentials, facts).map_err(|error| error.to_string())
        });
        async move {
            match signing.await {
                Ok(Ok(facts)) => Some(Arc::new(facts)),
                Ok(Err(error)) => {
                    tracing::error!(%error, "own facts cannot be signed");
                    None
                }
                // The runtime is shutting down.
                Err(_) => None,
            }
        }
        .boxed()
    })
}

/// Judges what members say of themselves.
pub(super) fn verify(credentials: &Arc<Credentials>) -> Verify {
    let trust = credentials.trust();
    Arc::new(move |signed| match facts::verify(&trust, clock::wall(), signed) {
        Ok(facts) => Some(Arc::new(facts)),
        Err(error) => {
            tracing::debug!(%error, "facts refused");
            None
        }
    })
}

/// The members that an earlier run knew, as far as they can still be believed.
pub(super) fn remembered(store: &Store, credentials: &Credentials) -> Result<Vec<SharedFacts>, StartError> {
    let (trust, now) = (credentials.trust(), clock::wall());
    let signed = store.members()?.into_iter();
    let signed = signed.filter_map(|bytes| codec::decode::<SignedFacts>(&bytes, Encoding::Bincode).ok());
    Ok(signed.filter_map(|signed| facts::verify_kept(&trust, now, &signed).ok()).map(Arc::new).collect())
}
