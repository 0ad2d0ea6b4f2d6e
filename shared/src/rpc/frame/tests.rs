use proptest::prelude::*;

use super::*;

fn head() -> RequestHead {
    RequestHead {
        method: "process.list".into(),
        request_id: RequestId([7; 16]),
        deadline: Some(Duration::from_secs(10)),
        encoding: Encoding::Json,
        trace_id: Some([9; 16]),
        proof: Proof::Token(b"a.b.c".to_vec()),
    }
}

fn decoder(bytes: &[u8]) -> FrameDecoder {
    let mut decoder = FrameDecoder::default();
    decoder.push(bytes);
    decoder
}

#[test]
fn a_head_reads_back() {
    assert_eq!(RequestHead::from_bytes(&head().to_bytes()), Ok(head()));
    let bare = RequestHead { deadline: None, trace_id: None, proof: Proof::Connection, ..head() };
    assert_eq!(RequestHead::from_bytes(&bare.to_bytes()), Ok(bare));
}

#[test]
fn a_head_of_another_version_is_refused() {
    let mut bytes = head().to_bytes();
    bytes[0] = 9;
    assert_eq!(RequestHead::from_bytes(&bytes), Err(TlvError::Version(9)));
    assert_eq!(RequestHead::from_bytes(&[]), Err(TlvError::Version(0)));
}

#[test]
fn unknown_odd_fields_are_skipped_and_even_ones_refused() {
    let with = |kind: u8| [head().to_bytes(), vec![kind, 0, 1, 5]].concat();
    assert_eq!(RequestHead::from_bytes(&with(201)), Ok(head()));
    assert_eq!(RequestHead::from_bytes(&with(202)), Err(TlvError::Unknown(202)));
}

#[test]
fn a_field_twice_is_refused() {
    let twice = [head().to_bytes(), vec![11, 0, 0]].concat();
    assert_eq!(RequestHead::from_bytes(&twice), Err(TlvError::Order));
}

#[test]
fn a_claim_of_four_gibibytes_allocates_nothing() {
    let mut decoder = decoder(&[0xff, 0xff, 0xff, 0xff, 2]);
    assert_eq!(decoder.next_frame(), Err(FrameError::TooLarge { claimed: u32::MAX, limit: BULK_BYTES_MAX }));
    assert!(decoder.buffer.capacity() < 1_024);
}

#[test]
fn control_frames_have_the_lower_limit() {
    let mut out = BytesMut::new();
    let long = vec![0; CONTROL_BYTES_MAX + 1];
    assert!(put_frame(&mut out, FrameKind::Head, &long).is_err());
    assert!(put_frame(&mut out, FrameKind::Args, &long).is_ok());
}

#[test]
fn an_unknown_type_is_refused() {
    assert_eq!(decoder(&[0, 0, 0, 0, 99]).next_frame(), Err(FrameError::UnknownKind(99)));
}

proptest! {
    #[test]
    fn frames_come_out_however_the_bytes_were_cut(
        payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..64), 1..8),
        cut in 1usize..16,
    ) {
        let mut wire = BytesMut::new();
        for payload in &payloads {
            put_frame(&mut wire, FrameKind::Item, payload).unwrap();
        }
        let (mut decoder, mut seen) = (FrameDecoder::default(), Vec::new());
        for chunk in wire.chunks(cut) {
            decoder.push(chunk);
            while let Some(frame) = decoder.next_frame().unwrap() {
                seen.push(frame.payload.to_vec());
            }
        }
        prop_assert_eq!(seen, payloads);
        prop_assert!(decoder.is_empty());
    }

    #[test]
    fn any_bytes_end_in_a_head_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        if let Ok(head) = RequestHead::from_bytes(&bytes) {
            prop_assert_eq!(RequestHead::from_bytes(&head.to_bytes()), Ok(head));
        }
    }

    #[test]
    fn any_bytes_end_in_frames_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let mut decoder = decoder(&bytes);
        while let Ok(Some(_)) = decoder.next_frame() {}
    }
}
