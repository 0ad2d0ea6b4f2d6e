//! Membership messages to bytes and back: a version byte, then the message.
//!
//! Bytes of a peer enter [`decode`]; what is longer than a message may be, of another version, or followed
//! by more is an error and costs nothing. Nothing here looks at what a message says.

use p2p_shared::rpc::codec::{self, CodecError, Encoding};

use super::core::message::{MESSAGE_BYTES_MAX, Message};

/// The version that this program speaks.
pub const VERSION: u8 = 2;

/// Why bytes are no message, or a message has no bytes.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Of a newer or an older program.
    #[error("membership message of unknown version {0}")]
    Version(u8),
    /// Longer than [`MESSAGE_BYTES_MAX`].
    #[error("membership message of {0} bytes, the most is {MESSAGE_BYTES_MAX}")]
    TooLarge(usize),
    /// Malformed, or with a body of a newer program.
    #[error("membership message: {0}")]
    Malformed(#[from] CodecError),
}

/// Writes a message.
///
/// # Errors
/// [`WireError::TooLarge`] if it passes the limit, which the core keeps to.
pub fn encode(message: &Message) -> Result<Vec<u8>, WireError> {
    let body = codec::encode(message, Encoding::Bincode)?;
    if body.len() >= MESSAGE_BYTES_MAX {
        return Err(WireError::TooLarge(body.len() + 1));
    }
    let mut bytes = Vec::with_capacity(body.len() + 1);
    bytes.push(VERSION);
    bytes.extend_from_slice(&body);
    Ok(bytes)
}

/// Reads exactly one message.
///
/// # Errors
/// As [`WireError`] says.
pub fn decode(bytes: &[u8]) -> Result<Message, WireError> {
    if bytes.len() > MESSAGE_BYTES_MAX {
        return Err(WireError::TooLarge(bytes.len()));
    }
    match bytes.split_first() {
        Some((&VERSION, body)) => Ok(codec::decode(body, Encoding::Bincode)?),
        found => Err(WireError::Version(found.map_or(0, |(&version, _)| version))),
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::id::NodeId;
    use proptest::prelude::*;

    use super::*;
    use crate::membership::core::message::{Body, Claim, Doubt, Entry, Gossip, PAGE_ENTRIES, View};

    fn message(body: Body) -> Message {
        Message {
            view: View { sequence: u64::MAX, fingerprint: u64::MAX, revoked: u64::MAX },
            body,
            gossip: Gossip::default(),
        }
    }

    #[test]
    fn a_message_reads_back_and_nothing_may_follow_it() {
        let mut sent = message(Body::PingOther { target: NodeId::new([7; 32]) });
        sent.gossip.claims.push(Claim {
            subject: NodeId::new([1; 32]),
            sequence: 4,
            doubt: Doubt::Lost,
            accuser: NodeId::new([2; 32]),
        });
        let mut bytes = encode(&sent).unwrap();
        assert_eq!(decode(&bytes).unwrap(), sent);
        bytes.push(0);
        assert!(matches!(decode(&bytes), Err(WireError::Malformed(_))));
    }

    #[test]
    fn a_full_page_fits_a_message() {
        let entry = Entry { id: NodeId::new([255; 32]), sequence: u64::MAX, lost: true };
        let page = message(Body::Page { entries: vec![entry; PAGE_ENTRIES], more: true });
        assert!(encode(&page).unwrap().len() < MESSAGE_BYTES_MAX);
    }

    #[test]
    fn another_version_and_no_bytes_are_told_apart_from_garbage() {
        assert!(matches!(decode(&[]), Err(WireError::Version(0))));
        assert!(matches!(decode(&[9, 1]), Err(WireError::Version(9))));
        assert!(matches!(decode(&vec![1; MESSAGE_BYTES_MAX + 1]), Err(WireError::TooLarge(_))));
    }

    #[test]
    fn a_doubt_of_a_newer_version_is_read_as_unknown() {
        let doubt: Doubt = codec::decode(&[9], Encoding::Bincode).unwrap();
        assert_eq!(doubt, Doubt::Unknown);
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_a_message_or_an_error(mut bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            if let Some(first) = bytes.first_mut() {
                *first = VERSION;
            }
            if let Ok(message) = decode(&bytes) {
                prop_assert_eq!(decode(&encode(&message).unwrap()).unwrap(), message);
            }
        }
    }
}
