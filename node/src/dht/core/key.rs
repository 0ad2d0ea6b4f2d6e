//! Keys, and how far apart they are.
//!
//! Node identities and hashes of names enter; keys, distances and bucket numbers leave. Nothing here hashes:
//! whoever makes a key from a name brings the 32 bytes.

use std::fmt;

use p2p_shared::id::{NodeId, hex};
use p2p_shared::rng::Rng;
use serde::{Deserialize, Serialize};

/// Length of a key in bytes.
pub const KEY_BYTES: usize = 32;

/// A place in the 256-bit key space: of a node, or of a record.
///
/// Held as two machine words, the most significant first, so that a distance is two instructions; on the
/// wire it is 32 bytes.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "[u8; KEY_BYTES]", into = "[u8; KEY_BYTES]")]
pub struct Key {
    high: u128,
    low: u128,
}

/// XOR of two keys, ordered as a number: smaller is nearer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance {
    high: u128,
    low: u128,
}

/// How many leading bits the keys of a bucket share with our own: 0 is the far half of the key space.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BucketIndex(pub u8);

impl Key {
    /// How far `other` is.
    pub const fn distance(self, other: Self) -> Distance {
        Distance { high: self.high ^ other.high, low: self.low ^ other.low }
    }

    /// A random key of the bucket `index`, seen from this key.
    pub fn random_in(self, index: BucketIndex, rng: &mut Rng) -> Self {
        let bit = u32::from(index.0);
        let (flip, free) = if bit < 128 {
            ((1 << (127 - bit), 0), (u128::MAX.checked_shr(bit + 1).unwrap_or(0), u128::MAX))
        } else {
            ((0, 1 << (255 - bit)), (0, u128::MAX.checked_shr(bit - 127).unwrap_or(0)))
        };
        let mut word = || u128::from(rng.next_u64()) << 64 | u128::from(rng.next_u64());
        Self { high: self.high ^ flip.0 ^ (word() & free.0), low: self.low ^ flip.1 ^ (word() & free.1) }
    }
}

impl Distance {
    /// The bucket of a key at this distance; `None` for our own key, which has none.
    pub fn bucket(self) -> Option<BucketIndex> {
        let zeros = if self.high == 0 { 128 + self.low.leading_zeros() } else { self.high.leading_zeros() };
        u8::try_from(zeros).ok().map(BucketIndex)
    }

    /// Whether the bit that distinguishes bucket `index` is set.
    pub const fn has_bit(self, index: BucketIndex) -> bool {
        let bit = index.0 as u32;
        if bit < 128 { self.high >> (127 - bit) & 1 == 1 } else { self.low >> (255 - bit) & 1 == 1 }
    }
}

impl From<[u8; KEY_BYTES]> for Key {
    fn from(bytes: [u8; KEY_BYTES]) -> Self {
        let word = |half: Option<&[u8; KEY_BYTES / 2]>| half.map_or(0, |half| u128::from_be_bytes(*half));
        Self { high: word(bytes.first_chunk()), low: word(bytes.last_chunk()) }
    }
}

impl From<Key> for [u8; KEY_BYTES] {
    fn from(key: Key) -> Self {
        let mut bytes = [0; KEY_BYTES];
        let (high, low) = bytes.split_at_mut(KEY_BYTES / 2);
        high.copy_from_slice(&key.high.to_be_bytes());
        low.copy_from_slice(&key.low.to_be_bytes());
        bytes
    }
}

/// An identity is already a hash, so it is its own key.
impl From<NodeId> for Key {
    fn from(id: NodeId) -> Self {
        Self::from(*id.as_bytes())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&<[u8; KEY_BYTES]>::from(*self)))
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key({:08x})", self.high >> 96)
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::rng::Rng;
    use proptest::prelude::*;

    use super::*;

    fn key() -> impl Strategy<Value = Key> {
        any::<[u8; KEY_BYTES]>().prop_map(Key::from)
    }

    proptest! {
        #[test]
        fn distance_is_the_xor_of_the_bytes(a: [u8; KEY_BYTES], b: [u8; KEY_BYTES], c: [u8; KEY_BYTES]) {
            let xor = |x: [u8; KEY_BYTES], y: [u8; KEY_BYTES]| -> [u8; KEY_BYTES] {
                std::array::from_fn(|index| x[index] ^ y[index])
            };
            let [ka, kb, kc] = [a, b, c].map(Key::from);
            prop_assert_eq!(xor(a, b).cmp(&xor(a, c)), ka.distance(kb).cmp(&ka.distance(kc)));
            prop_assert_eq!(ka.distance(kb), kb.distance(ka));
        }

        #[test]
        fn keys_read_back_what_they_write(bytes: [u8; KEY_BYTES]) {
            prop_assert_eq!(<[u8; KEY_BYTES]>::from(Key::from(bytes)), bytes);
        }

        #[test]
        fn a_random_key_falls_in_its_bucket(own in key(), index: u8, seed: u64) {
            let found = own.random_in(BucketIndex(index), &mut Rng::new(seed));
            prop_assert_eq!(own.distance(found).bucket(), Some(BucketIndex(index)));
            prop_assert!(own.distance(found).has_bit(BucketIndex(index)));
        }
    }

    #[test]
    fn our_own_key_has_no_bucket() {
        let key = Key::from([7; KEY_BYTES]);
        assert_eq!(key.distance(key).bucket(), None);
    }
}
