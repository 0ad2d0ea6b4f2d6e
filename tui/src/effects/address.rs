//! Where the operator says that a node is: `HOST:PORT`, as typed or as in `tui.toml`.
//!
//! Text enters, a checked [`NodeAddress`] leaves; the system's resolver turns it into socket addresses.

use std::fmt;
use std::io;
use std::net::{Ipv6Addr, SocketAddr};
use std::str::FromStr;

/// The QUIC port of a node unless told otherwise.
pub const PORT_DEFAULT: u16 = 5678;
/// Longest host name (RFC 1035), in bytes.
const HOST_BYTES_MAX: usize = 253;
/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;

/// A host and its port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    host: String,
    port: u16,
}

/// Why a text is no address of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// An IPv6 address whose port cannot be told from it.
    #[error("an IPv6 address stands in brackets: [::1]:5678")]
    Brackets,
    /// No host, or one that no machine can bear.
    #[error("a node is named as HOST:PORT, such as web-1.example.org:5678 or [::1]:5678")]
    Host,
    /// No number, or outside the range.
    #[error("the port is a number from 1 to 65535")]
    Port,
}

impl Default for NodeAddress {
    fn default() -> Self {
        Self { host: "127.0.0.1".to_owned(), port: PORT_DEFAULT }
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for NodeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = match text.strip_prefix('[') {
            Some(bracketed) => {
                let (host, rest) = bracketed.split_once(']').ok_or(AddressError::Brackets)?;
                // A zone (`fe80::1%eth0`) belongs to the address.
                let bare = host.split_once('%').map_or(host, |(bare, _)| bare);
                bare.parse::<Ipv6Addr>().map_err(|_| AddressError::Host)?;
                (host, (!rest.is_empty()).then(|| rest.strip_prefix(':').unwrap_or(rest)))
            }
            None => match text.rsplit_once(':') {
                Some((host, _)) if host.contains(':') => return Err(AddressError::Brackets),
                Some((host, port)) => (check_host(host)?, Some(port)),
                None => (check_host(text)?, None),
            },
        };
        Ok(Self { host: host.to_owned(), port: port.map_or(Ok(PORT_DEFAULT), parse_port)? })
    }
}

impl NodeAddress {
    /// What the system's resolver says; at least one address.
    pub async fn resolve(&self) -> io::Result<Vec<SocketAddr>> {
        let found = tokio::net::lookup_host((self.host.as_str(), self.port)).await?;
        let addresses: Vec<SocketAddr> = found.take(ADDRESSES_MAX).collect();
        if addresses.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, "the name has no address"));
        }
        Ok(addresses)
    }
}

fn check_host(host: &str) -> Result<&str, AddressError> {
    let good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    let fits = !host.is_empty() && host.len() <= HOST_BYTES_MAX && !host.starts_with('-');
    if fits && host.bytes().all(good) { Ok(host) } else { Err(AddressError::Host) }
}

fn parse_port(text: &str) -> Result<u16, AddressError> {
    // `parse` alone would take a sign.
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(AddressError::Port);
    }
    text.parse().ok().filter(|&port| port != 0).ok_or(AddressError::Port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_read_back() {
        for (text, shown) in [
            ("127.0.0.1:5678", "127.0.0.1:5678"),
            ("web-1.example.org:1", "web-1.example.org:1"),
            ("web-1", "web-1:5678"),
            ("[::1]:65535", "[::1]:65535"),
            ("[::1]", "[::1]:5678"),
            ("[fe80::1%eth0]:5678", "[fe80::1%eth0]:5678"),
        ] {
            assert_eq!(text.parse::<NodeAddress>().unwrap().to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_address_says_how_to_write_one() {
        for text in ["::1", "::1:5678", "fe80::1", "[::1", "a:b:1"] {
            assert_eq!(text.parse::<NodeAddress>(), Err(AddressError::Brackets), "{text}");
        }
        for text in ["", ":5678", "a b:1", "-x:1", "[a]:1", "h\u{e9}:1", &"x".repeat(254), "a/b"] {
            assert_eq!(text.parse::<NodeAddress>(), Err(AddressError::Host), "{text}");
        }
        for text in ["a:", "a:0", "a:65536", "a:+1", "a:-1", "a:x", "a: 1", "[::1]x", "[::1]:"] {
            assert_eq!(text.parse::<NodeAddress>(), Err(AddressError::Port), "{text}");
        }
    }
}
