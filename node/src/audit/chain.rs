//! The bytes of the record: one line a record, each bound to all before it. Pure.
//!
//! A line is `LENGTH HASH TEXT`: the length of the text in bytes as eight hexadecimal digits, SHA-256 of the
//! hash before it and the text, and the text, which is JSON on one line. There is exactly one way to write a
//! record, so whatever is changed in a line is found.

use aws_lc_rs::digest;
use p2p_shared::id::{hex, unhex};

/// Longest text of one record, in bytes.
pub const TEXT_BYTES_MAX: usize = 16 << 10;
const LENGTH_DIGITS: usize = 8;
const HASH_DIGITS: usize = 2 * HASH_BYTES;
const HASH_BYTES: usize = 32;
/// Before the text: both numbers, each with its space.
const HEAD_BYTES: usize = LENGTH_DIGITS + 1 + HASH_DIGITS + 1;

/// What a record is bound by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Link([u8; HASH_BYTES]);

impl Link {
    /// The link after this one, over `text`.
    #[must_use]
    pub fn over(&self, text: &[u8]) -> Self {
        let mut hash = digest::Context::new(&digest::SHA256);
        hash.update(&self.0);
        hash.update(text);
        let mut link = [0; HASH_BYTES];
        link.copy_from_slice(hash.finish().as_ref());
        Self(link)
    }

    /// As in a line.
    pub fn to_text(self) -> String {
        hex(&self.0)
    }

    /// The link that a text stands for.
    pub fn from_text(text: &str) -> Option<Self> {
        let mut link = [0; HASH_BYTES];
        unhex(text, &mut link).map(|()| Self(link))
    }
}

/// Why bytes are no line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// They end too early, or were never written: what a loss of power leaves.
    Torn,
    /// They are something else.
    Malformed,
}

/// One line, taken off the front.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// The record.
    pub text: &'a [u8],
    /// What it says that it is bound by.
    pub link: Link,
    /// How many bytes it takes.
    pub bytes: usize,
}

/// Appends a line behind `before`; the new link.
pub fn put(out: &mut Vec<u8>, before: Link, text: &[u8]) -> Link {
    let link = before.over(text);
    out.extend_from_slice(format!("{:08x} {} ", text.len(), link.to_text()).as_bytes());
    out.extend_from_slice(text);
    out.push(b'\n');
    link
}

/// Takes the first line of `bytes`, which are not empty.
///
/// # Errors
/// [`Fault`].
pub fn take(bytes: &[u8]) -> Result<Line<'_>, Fault> {
    // A file that grew before its content was written reads as zeros.
    if bytes.iter().all(|&byte| byte == 0) {
        return Err(Fault::Torn);
    }
    let Some((head, rest)) = bytes.split_at_checked(HEAD_BYTES) else { return Err(torn(bytes)) };
    let (length, link) = head_of(head).ok_or(Fault::Malformed)?;
    if length > TEXT_BYTES_MAX {
        return Err(Fault::Malformed);
    }
    match (rest.get(..length), rest.get(length)) {
        (Some(text), Some(b'\n')) => Ok(Line { text, link, bytes: HEAD_BYTES + length + 1 }),
        (Some(_), Some(_)) => Err(Fault::Malformed),
        _ if rest.contains(&b'\n') => Err(Fault::Malformed),
        _ => Err(Fault::Torn),
    }
}

fn head_of(head: &[u8]) -> Option<(usize, Link)> {
    let head = std::str::from_utf8(head).ok()?.strip_suffix(' ')?;
    let (length, link) = head.split_once(' ')?;
    let mut digits = [0; LENGTH_DIGITS / 2];
    unhex(length, &mut digits)?;
    Some((u32::from_be_bytes(digits) as usize, Link::from_text(link)?))
}

/// The beginning of a head, and nothing else, is one that was not finished.
fn torn(bytes: &[u8]) -> Fault {
    let begins = |(index, &byte): (usize, &u8)| match index {
        LENGTH_DIGITS => byte == b' ',
        _ if index == HEAD_BYTES - 1 => byte == b' ',
        _ => byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte),
    };
    if bytes.iter().enumerate().all(begins) { Fault::Torn } else { Fault::Malformed }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_line_reads_back_and_binds() {
        let mut out = Vec::new();
        let first = put(&mut out, Link::default(), b"{}");
        let second = put(&mut out, first, b"{\"a\":1}");
        let line = take(&out).unwrap();
        assert_eq!((line.text, line.link), (&b"{}"[..], first));
        let line = take(&out[line.bytes..]).unwrap();
        assert_eq!((line.text, line.link), (&b"{\"a\":1}"[..], second));
        assert_ne!(first, second);
        assert!(String::from_utf8(out).unwrap().starts_with("00000002 "));
    }

    #[test]
    fn what_was_never_written_is_torn() {
        let mut out = Vec::new();
        put(&mut out, Link::default(), b"{\"a\":1}");
        for end in 1..out.len() {
            assert_eq!(take(&out[..end]), Err(Fault::Torn), "{end}");
        }
        assert_eq!(take(&[0; 100]), Err(Fault::Torn));
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_line_or_a_fault(bytes in proptest::collection::vec(any::<u8>(), 1..200)) {
            prop_assert!(take(&bytes).is_err());
        }
    }
}
