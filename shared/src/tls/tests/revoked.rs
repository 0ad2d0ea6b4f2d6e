//! The list of revoked keys: what reads back, and what nobody believes.

use proptest::prelude::*;
use rcgen::SigningKey;

use crate::id::NodeId;
use crate::time::UnixMillis;
use crate::tls::testing::{MESH, NOW, TestCa};
use crate::tls::{
    REVOKED_BYTES_MAX, REVOKED_KEYS_MAX, RevokedError, RevokedKey, RevokedList, RevokedReason, Trust,
};

fn list(keys: Vec<RevokedKey>) -> RevokedList {
    RevokedList { mesh: MESH.parse().unwrap(), epoch: 3, issued: NOW, previous: [9; 32], keys }
}

fn key(first: u8, reason: RevokedReason) -> RevokedKey {
    RevokedKey { id: NodeId::new([first; 32]), at: NOW, reason }
}

fn sign(ca: &TestCa, list: &RevokedList) -> Vec<u8> {
    let payload = list.payload().unwrap();
    let signature = ca.issuer.key().sign(&RevokedList::signing_input(&payload)).unwrap();
    [payload, signature].concat()
}

#[test]
fn a_list_reads_back_as_it_was_signed() {
    let ca = TestCa::new();
    let sent = list(vec![key(1, RevokedReason::KeyCompromise), key(2, RevokedReason::Superseded)]);
    let bytes = sign(&ca, &sent);
    let read = ca.trust().verify_revoked(&bytes).unwrap();
    assert_eq!((&read.list, &read.bytes), (&sent, &bytes));
    assert_eq!(read.list.get(&NodeId::new([2; 32])), Some(&sent.keys[1]));
    assert_eq!(read.list.get(&NodeId::new([3; 32])), None);
    // Two signatures of one list are two encodings and one list.
    let again = ca.trust().verify_revoked(&sign(&ca, &sent)).unwrap();
    assert_eq!(again.digest, read.digest);
}

#[test]
fn no_byte_of_a_list_can_be_changed_cut_off_or_added() {
    let ca = TestCa::new();
    let (trust, bytes) = (ca.trust(), sign(&ca, &list(vec![key(1, RevokedReason::Unspecified)])));
    for index in 0..bytes.len() {
        for bit in 0..8 {
            let mut changed = bytes.clone();
            changed[index] ^= 1 << bit;
            assert!(trust.verify_revoked(&changed).is_err(), "byte {index}, bit {bit}");
        }
        assert!(trust.verify_revoked(&bytes[..index]).is_err(), "cut off at {index}");
    }
    assert_eq!(trust.verify_revoked(&[&bytes[..], &[0]].concat()), Err(RevokedError::BadSignature));
}

#[test]
fn another_ca_and_another_mesh_are_not_ours() {
    let (ours, theirs) = (TestCa::new(), TestCa::new());
    let bytes = sign(&theirs, &list(vec![]));
    assert_eq!(ours.trust().verify_revoked(&bytes), Err(RevokedError::BadSignature));
    let work = Trust::new("work".parse().unwrap(), &[theirs.der()]).unwrap();
    assert!(matches!(work.verify_revoked(&bytes), Err(RevokedError::WrongMesh { .. })));
}

#[test]
fn a_leaf_of_the_ca_signs_no_list() {
    let ca = TestCa::new();
    let intermediate = ca.intermediate(|_| ());
    let bytes = sign(&intermediate, &list(vec![]));
    assert_eq!(ca.trust().verify_revoked(&bytes), Err(RevokedError::BadSignature));
}

#[test]
fn what_is_signed_and_out_of_order_is_refused_all_the_same() {
    let ca = TestCa::new();
    let (one, two) = (key(1, RevokedReason::Unspecified), key(2, RevokedReason::Unspecified));
    for keys in [vec![two, one], vec![one, one]] {
        let refused = ca.trust().verify_revoked(&sign(&ca, &list(keys)));
        assert!(matches!(refused, Err(RevokedError::Malformed(_))), "{refused:?}");
    }
    let zero = RevokedList { epoch: 0, ..list(vec![]) };
    assert!(matches!(ca.trust().verify_revoked(&sign(&ca, &zero)), Err(RevokedError::Malformed(_))));
}

#[test]
fn a_full_list_fits_and_one_more_does_not() {
    let ca = TestCa::new();
    let many = |count: usize| {
        let id = |index: usize| {
            let mut bytes = [0xff; 32];
            bytes[..8].copy_from_slice(&(index as u64).to_be_bytes());
            NodeId::new(bytes)
        };
        let of =
            |index| RevokedKey { id: id(index), at: UnixMillis(u64::MAX), reason: RevokedReason::Superseded };
        list((0..count).map(of).collect())
    };
    let full = sign(&ca, &many(REVOKED_KEYS_MAX));
    assert!(full.len() <= REVOKED_BYTES_MAX - 64, "{} bytes, and the longest name of a mesh", full.len());
    assert_eq!(ca.trust().verify_revoked(&full).unwrap().list.keys.len(), REVOKED_KEYS_MAX);
    let over = many(REVOKED_KEYS_MAX + 1).payload();
    assert_eq!(over, Err(RevokedError::TooMany));
}

#[test]
fn reasons_are_words_that_read_back() {
    for reason in RevokedReason::ALL {
        assert_eq!(reason.as_str().parse(), Ok(reason));
    }
    assert!("because".parse::<RevokedReason>().is_err());
}

proptest! {
    #[test]
    fn any_list_reads_back(epoch in 1..u64::MAX, issued: u64, previous: [u8; 32], ids in proptest::collection::btree_set(any::<[u8; 32]>(), 0..20), at: u64) {
        let ca = TestCa::new();
        let keys = ids.into_iter().enumerate().map(|(index, id)| RevokedKey {
            id: NodeId::new(id),
            at: UnixMillis(at),
            reason: RevokedReason::ALL[index % RevokedReason::ALL.len()],
        });
        let sent = RevokedList { epoch, issued: UnixMillis(issued), previous, ..list(keys.collect()) };
        prop_assert_eq!(ca.trust().verify_revoked(&sign(&ca, &sent)).unwrap().list, sent);
    }

    #[test]
    fn any_bytes_end_in_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(TestCa::new().trust().verify_revoked(&bytes).is_err());
    }
}
