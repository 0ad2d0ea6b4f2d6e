//! A CA's signatures that were found good, so that the same certificate costs its arithmetic once.
//!
//! Key, message and signature enter; whether they fit leaves, as the arithmetic would say each time. Dates, names,
//! revocation and whatever else makes a certificate good are judged anew at every handshake: none of it is here.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use rustls::pki_types::{AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm};

/// So many are remembered: a large fleet's. Each takes 32 bytes; the oldest makes room.
const REMEMBERED_MAX: usize = 1_024;

/// An algorithm that remembers what it found good.
#[derive(Debug)]
pub(super) struct Remembering {
    algorithm: &'static dyn SignatureVerificationAlgorithm,
    // A short look from any thread, never held across the arithmetic.
    good: Mutex<VecDeque<[u8; 32]>>,
}

impl Remembering {
    pub(super) const fn new(algorithm: &'static dyn SignatureVerificationAlgorithm) -> Self {
        Self { algorithm, good: Mutex::new(VecDeque::new()) }
    }
}

impl SignatureVerificationAlgorithm for Remembering {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        let whole = digest([public_key, message, signature]);
        let good = || self.good.lock().unwrap_or_else(PoisonError::into_inner);
        if good().contains(&whole) {
            return Ok(());
        }
        self.algorithm.verify_signature(public_key, message, signature)?;
        let mut good = good();
        if good.len() >= REMEMBERED_MAX {
            good.pop_front();
        }
        good.push_back(whole);
        Ok(())
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.public_key_alg_id()
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.algorithm.signature_alg_id()
    }
}

/// Of the parts with their lengths, so that none can be read as the end of another.
fn digest(parts: [&[u8]; 3]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes()).update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

    use rustls::pki_types::alg_id;

    use super::*;

    /// Takes a signature that is the message again, and counts how often it is asked.
    #[derive(Debug, Default)]
    struct Counting(AtomicUsize);

    impl SignatureVerificationAlgorithm for Counting {
        fn verify_signature(
            &self,
            _: &[u8],
            message: &[u8],
            signature: &[u8],
        ) -> Result<(), InvalidSignature> {
            self.0.fetch_add(1, SeqCst);
            if message == signature { Ok(()) } else { Err(InvalidSignature) }
        }

        fn public_key_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ECDSA_P256
        }

        fn signature_alg_id(&self) -> AlgorithmIdentifier {
            alg_id::ECDSA_SHA256
        }
    }

    fn remembering() -> (Remembering, &'static Counting) {
        let counting: &'static Counting = Box::leak(Box::default());
        (Remembering::new(counting), counting)
    }

    #[test]
    fn a_good_signature_is_computed_once_and_a_bad_one_each_time() {
        let (algorithm, counting) = remembering();
        for _ in 0..3 {
            assert!(algorithm.verify_signature(b"key", b"leaf", b"leaf").is_ok());
        }
        assert_eq!(counting.0.load(SeqCst), 1);
        for _ in 0..3 {
            assert!(algorithm.verify_signature(b"key", b"leaf", b"other").is_err());
        }
        assert_eq!(counting.0.load(SeqCst), 4);
    }

    #[test]
    fn another_key_or_another_cut_between_the_parts_is_another_signature() {
        let (algorithm, counting) = remembering();
        for (key, message) in [("key", "ab"), ("yek", "ab"), ("ke", "ab"), ("keya", "b")] {
            let _ = algorithm.verify_signature(key.as_bytes(), message.as_bytes(), message.as_bytes());
        }
        assert_eq!(counting.0.load(SeqCst), 4);
    }

    #[test]
    fn the_oldest_makes_room() {
        let (algorithm, counting) = remembering();
        for index in 0..=REMEMBERED_MAX {
            let message = index.to_be_bytes();
            assert!(algorithm.verify_signature(b"key", &message, &message).is_ok());
        }
        assert_eq!(algorithm.good.lock().unwrap().len(), REMEMBERED_MAX);
        let asked = counting.0.load(SeqCst);
        assert!(algorithm.verify_signature(b"key", &1_usize.to_be_bytes(), &1_usize.to_be_bytes()).is_ok());
        assert_eq!(counting.0.load(SeqCst), asked);
        assert!(algorithm.verify_signature(b"key", &0_usize.to_be_bytes(), &0_usize.to_be_bytes()).is_ok());
        assert_eq!(counting.0.load(SeqCst), asked + 1);
    }
}
