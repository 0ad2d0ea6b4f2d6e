//! Echo requests and what answers them, as bytes. Pure.

use std::net::IpAddr;

/// Kind, code, checksum, identifier, sequence.
const HEADER_BYTES: usize = 8;
const IPV4_HEADER_BYTES_MIN: usize = 20;

/// What tells one request from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Echo {
    /// Of the one who asks; the kernel puts its own there for those without rights.
    pub(super) id: u16,
    /// Counts the requests.
    pub(super) sequence: u16,
    /// Known to nobody else.
    pub(super) token: u64,
}

impl Echo {
    /// The request, with `size` bytes of data of which the first are the token.
    pub(super) fn request(self, target: IpAddr, size: usize) -> Vec<u8> {
        let mut bytes = vec![if target.is_ipv4() { 8 } else { 128 }, 0, 0, 0];
        bytes.extend_from_slice(&self.id.to_be_bytes());
        bytes.extend_from_slice(&self.sequence.to_be_bytes());
        bytes.extend_from_slice(&self.token.to_be_bytes()[..size.min(8)]);
        bytes.resize(HEADER_BYTES + size, 0x5a);
        if target.is_ipv4() {
            let sum = checksum(&bytes);
            bytes[2..4].copy_from_slice(&sum.to_be_bytes());
        }
        bytes
    }

    /// Whether `bytes`, as they came from a socket, answer this request with the same data.
    pub(super) fn is_answered_by(self, bytes: &[u8], target: IpAddr, size: usize) -> bool {
        let Some(message) = message(bytes, target) else { return false };
        let kind = if target.is_ipv4() { 0 } else { 129 };
        let data = &message[HEADER_BYTES..];
        let token = self.token.to_be_bytes();
        message[0] == kind
            && message[6..8] == self.sequence.to_be_bytes()
            && data.len() == size
            && data.starts_with(&token[..size.min(8)])
    }
}

/// The message behind the header of IPv4 that a raw socket hands out as well.
fn message(bytes: &[u8], target: IpAddr) -> Option<&[u8]> {
    let first = *bytes.first()?;
    let is_whole = target.is_ipv4() && first >> 4 == 4 && bytes.len() >= IPV4_HEADER_BYTES_MIN;
    // A message itself begins with its kind: 0 of an answer, 8 of a request.
    let skip = if is_whole { usize::from(first & 0xf) * 4 } else { 0 };
    bytes.get(skip..).filter(|message| message.len() >= HEADER_BYTES)
}

/// The checksum of the internet.
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or(0)])))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn answer(mut request: Vec<u8>) -> Vec<u8> {
        request[0] = if request[0] == 8 { 0 } else { 129 };
        request
    }

    proptest! {
        #[test]
        fn only_the_answer_to_a_request_answers_it(
            id: u16, sequence: u16, token: u64, size in 8_usize..200, v6: bool, header: bool,
        ) {
            let target: IpAddr = if v6 { "::1".parse().unwrap() } else { "127.0.0.1".parse().unwrap() };
            let echo = Echo { id, sequence, token };
            let request = echo.request(target, size);
            prop_assert!(v6 || checksum(&request) == 0);
            prop_assert!(!echo.is_answered_by(&request, target, size), "itself is none");
            let mut bytes = answer(request);
            if header && !v6 {
                let mut whole = vec![0x45; 20];
                whole.append(&mut bytes);
                bytes = whole;
            }
            prop_assert!(echo.is_answered_by(&bytes, target, size));
            prop_assert!(!echo.is_answered_by(&bytes, target, size + 1));
            let other = Echo { sequence: sequence.wrapping_add(1), ..echo };
            prop_assert!(!other.is_answered_by(&bytes, target, size));
            let foreign = Echo { token: token.wrapping_add(1), ..echo };
            prop_assert!(!foreign.is_answered_by(&bytes, target, size));
        }

        #[test]
        fn any_bytes_are_looked_at_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80), v6: bool) {
            let target: IpAddr = if v6 { "::1".parse().unwrap() } else { "127.0.0.1".parse().unwrap() };
            let _ = Echo { id: 1, sequence: 2, token: 3 }.is_answered_by(&bytes, target, 8);
        }
    }
}
