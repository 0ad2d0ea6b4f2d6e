//! Random secrets, and what is kept of them.
//!
//! A secret leaves as text once, to whoever it is made for; its SHA-256 is all that stays. That is enough for
//! 32 random bytes: a password needs more, see `password`.

use std::fmt;

use aws_lc_rs::constant_time::verify_slices_are_equal;
use aws_lc_rs::digest::{SHA256, digest};
use p2p_shared::id::hex;
use serde::{Deserialize, Serialize};

/// SHA-256 of a secret, as hex where it is written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// That of a text.
    pub fn of(text: &str) -> Self {
        Self(hex(digest(&SHA256, text.as_bytes()).as_ref()))
    }

    /// Whether it is that of `text`, in constant time.
    pub fn is_of(&self, text: &str) -> bool {
        verify_slices_are_equal(self.0.as_bytes(), Self::of(text).0.as_bytes()).is_ok()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

/// Random bytes.
///
/// # Panics
/// If the system gives none.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes).expect("the system has randomness");
    bytes
}

/// A new secret of 32 random bytes behind a prefix that says what it is.
pub fn new(prefix: &str) -> String {
    format!("{prefix}{}", hex(&random::<32>()))
}
