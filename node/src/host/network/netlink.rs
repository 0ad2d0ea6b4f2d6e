//! Dumps of the kernel's tables by rtnetlink, and their pieces: messages, and attributes within them.
//!
//! A request goes out, the payloads of its answer come back. Nothing is ever set through it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::net::{recv, send, socket_with};

use super::error::NetworkError;

/// A table of the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TableKind {
    Links,
    Addresses,
    Routes,
    Neighbours,
}

impl TableKind {
    /// The request for it, the kind of its rows, and the length of what stands before their attributes.
    const fn numbers(self) -> (u16, u16, usize) {
        match self {
            Self::Links => (18, 16, 16),
            Self::Addresses => (22, 20, 8),
            Self::Routes => (26, 24, 12),
            Self::Neighbours => (30, 28, 12),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Links => "interfaces",
            Self::Addresses => "addresses",
            Self::Routes => "routes",
            Self::Neighbours => "neighbours",
        }
    }
}

/// Rows beyond are left out: a router with all routes of the internet has a million.
const ROWS_MAX: usize = 20_000;
/// The kernel's messages are shorter.
const BUFFER_BYTES: usize = 64 << 10;
/// The kernel answers at once.
const PATIENCE: Duration = Duration::from_secs(2);
const HEADER_BYTES: usize = 16;
const REQUEST: u16 = 0x1;
const DUMP: u16 = 0x300;
const ERROR: u16 = 2;
const DONE: u16 = 3;
/// Flags of an attribute's kind, which are no part of the kind.
const KIND_MASK: u16 = 0x3fff;
const IPV4: u8 = 2;
const IPV6: u8 = 10;

/// One row: what stands before its attributes, and they.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Message {
    bytes: Vec<u8>,
    fixed: usize,
}

impl Message {
    /// A byte of the fixed part.
    pub(super) fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().unwrap_or_default()
    }

    /// A short of the fixed part.
    pub(super) fn short(&self, at: usize) -> u16 {
        self.bytes.get(at..at + 2).and_then(short).unwrap_or_default()
    }

    /// A word of the fixed part.
    pub(super) fn word(&self, at: usize) -> u32 {
        self.bytes.get(at..at + 4).and_then(word).unwrap_or_default()
    }

    /// Its attributes.
    pub(super) fn attributes(&self) -> impl Iterator<Item = (u16, &[u8])> {
        attributes(self.bytes.get(self.fixed..).unwrap_or_default())
    }

    #[cfg(test)]
    pub(super) const fn of(bytes: Vec<u8>, kind: TableKind) -> Self {
        Self { bytes, fixed: kind.numbers().2 }
    }
}

/// The rows of a table.
pub(super) fn dump(kind: TableKind) -> Result<Vec<Message>, NetworkError> {
    ask(kind).map_err(|source| NetworkError::Tables { what: kind.name(), source })
}

fn ask(kind: TableKind) -> Result<Vec<Message>, Errno> {
    let socket = socket_with(AddressFamily::NETLINK, SocketType::RAW, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Recv, Some(PATIENCE))?;
    let (request, _, fixed) = kind.numbers();
    let length = HEADER_BYTES + fixed;
    let mut bytes = Vec::with_capacity(length);
    bytes.extend_from_slice(&u32::try_from(length).unwrap_or_default().to_ne_bytes());
    bytes.extend_from_slice(&request.to_ne_bytes());
    bytes.extend_from_slice(&(REQUEST | DUMP).to_ne_bytes());
    bytes.resize(length, 0);
    send(&socket, &bytes, SendFlags::empty())?;
    receive(&socket, kind)
}

fn receive(socket: &OwnedFd, kind: TableKind) -> Result<Vec<Message>, Errno> {
    let mut buffer = vec![0; BUFFER_BYTES];
    let mut rows = Vec::new();
    loop {
        let length = match recv(socket, &mut buffer[..], RecvFlags::empty()) {
            Ok((length, _)) => length,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error),
        };
        if take(&buffer[..length], kind, &mut rows)? || length == 0 || rows.len() >= ROWS_MAX {
            return Ok(rows);
        }
    }
}

/// Takes the messages of one reading; whether the last one was among them.
fn take(mut bytes: &[u8], kind: TableKind, rows: &mut Vec<Message>) -> Result<bool, Errno> {
    let (_, row, fixed) = kind.numbers();
    while let (Some(length), Some(sort)) = (bytes.get(..4).and_then(word), bytes.get(4..6).and_then(short)) {
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let Some(payload) = bytes.get(HEADER_BYTES..length) else { break };
        match sort {
            DONE => return Ok(true),
            ERROR => {
                let number = payload.get(..4).and_then(word).unwrap_or_default().cast_signed();
                return Err(Errno::from_raw_os_error(number.saturating_neg()));
            }
            sort if sort == row => rows.push(Message { bytes: payload.to_vec(), fixed }),
            _ => {}
        }
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
    }
    Ok(false)
}

/// The attributes that stand one behind the other.
pub(super) fn attributes(mut bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    std::iter::from_fn(move || {
        let length = usize::from(bytes.get(..2).and_then(short)?);
        let kind = bytes.get(2..4).and_then(short)?;
        let value = bytes.get(4..length)?;
        bytes = bytes.get(aligned(length)..).unwrap_or_default();
        Some((kind & KIND_MASK, value))
    })
}

/// The length that a piece takes up.
pub(super) const fn aligned(length: usize) -> usize {
    length.saturating_add(3) & !3
}

fn short(bytes: &[u8]) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.try_into().ok()?))
}

/// Four bytes as a number.
pub(super) fn word(bytes: &[u8]) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

/// Text that ends in NUL.
pub(super) fn text(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|&byte| byte == 0).unwrap_or(bytes.len());
    crate::host::text::lossy(&bytes[..end], 64)
}

/// An address by its length.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).into()),
        _ => None,
    }
}

/// The address that stands for all of a family; `None` of families besides IPv4 and IPv6.
pub(super) const fn unspecified(family: u8) -> Option<IpAddr> {
    match family {
        IPV4 => Some(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
        IPV6 => Some(IpAddr::V6(Ipv6Addr::UNSPECIFIED)),
        _ => None,
    }
}

/// A hardware address: `02:42:ac:11:00:02`; `None` if it is empty, or all zero as the loopback's.
pub(super) fn hardware(bytes: &[u8]) -> Option<String> {
    if bytes.is_empty() || bytes.len() > 32 || bytes.iter().all(|&byte| byte == 0) {
        return None;
    }
    Some(bytes.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn every_table_is_read_to_its_end() {
        assert!(!dump(TableKind::Links).unwrap().is_empty(), "there is always a loopback");
        for kind in [TableKind::Addresses, TableKind::Routes, TableKind::Neighbours] {
            dump(kind).unwrap();
        }
    }

    #[test]
    fn an_error_of_the_kernel_is_one() {
        let mut bytes = vec![0; 20];
        bytes[0] = 20;
        bytes[4] = 2;
        bytes[16..].copy_from_slice(&(-1_i32).to_ne_bytes());
        assert_eq!(take(&bytes, TableKind::Links, &mut Vec::new()), Err(Errno::PERM));
    }

    proptest! {
        #[test]
        fn any_bytes_are_taken_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut rows = Vec::new();
            let _ = take(&bytes, TableKind::Routes, &mut rows);
            for row in &rows {
                let _ = (row.byte(3), row.short(4), row.word(8));
                prop_assert!(row.attributes().count() <= bytes.len());
            }
            prop_assert!(attributes(&bytes).count() <= bytes.len());
        }
    }
}
