//! Where a machine is reached, as a person writes it.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr};
use std::str::FromStr;

/// The longest DNS name and the longest part of one, in bytes.
const DNS_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// A host without a port: what a browser's certificate vouches for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Address {
    Ip(IpAddr),
    /// A DNS name in lower case.
    Dns(String),
}

/// A host and a UDP port: where a node is dialled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    host: Address,
    port: u16,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    #[error("an address is an IP address or a DNS name, without scheme, port or wildcard")]
    Host,
    #[error("an endpoint is HOST:PORT with a port of 1 to 65535, an IPv6 address in brackets: [::1]:5678")]
    Endpoint,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        if let Ok(ip) = text.parse() {
            return Ok(Self::Ip(ip));
        }
        let name = text.to_ascii_lowercase();
        // All digits and dots would be a mistyped IP address, and no top-level domain is a number.
        let numeric = name.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        if name.len() > DNS_BYTES_MAX || numeric || !name.split('.').all(is_label) {
            return Err(AddressError::Host);
        }
        Ok(Self::Dns(name))
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Dns(name) => f.write_str(name),
        }
    }
}

impl FromStr for Endpoint {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let (host, port) = text.rsplit_once(':').ok_or(AddressError::Endpoint)?;
        let host = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
            Some(inside) => inside.parse::<Ipv6Addr>().map(|ip| Address::Ip(ip.into())).ok(),
            None => host.parse().ok().filter(|host| !matches!(host, Address::Ip(IpAddr::V6(_)))),
        };
        let plain = port.bytes().all(|byte| byte.is_ascii_digit());
        match (host, port.parse()) {
            (Some(host), Ok(port)) if port != 0 && plain => Ok(Self { host, port }),
            _ => Err(AddressError::Endpoint),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Address::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]:{}", self.port),
            host => write!(f, "{host}:{}", self.port),
        }
    }
}

fn is_label(label: &str) -> bool {
    let edge = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = label.as_bytes();
    bytes.len() <= LABEL_BYTES_MAX
        && edge(bytes.first())
        && edge(bytes.last())
        && bytes.iter().all(|byte| byte.is_ascii_alphanumeric() || *byte == b'-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_addresses_or_names() {
        for (text, shown) in
            [("10.0.0.1", "10.0.0.1"), ("::1", "::1"), ("Web-1.Example", "web-1.example"), ("a", "a")]
        {
            assert_eq!(text.parse::<Address>().unwrap().to_string(), shown);
        }
        for bad in ["", "a:80", "https://a", "*.a", "-a", "a-", "a..b", "a.", "1.2.3", "a b", "a\n", "é"] {
            assert_eq!(bad.parse::<Address>(), Err(AddressError::Host), "{bad}");
        }
    }

    #[test]
    fn endpoints_have_a_port_and_brackets_around_ipv6() {
        for good in ["10.0.0.1:5678", "[::1]:5678", "web-1:1"] {
            assert_eq!(good.parse::<Endpoint>().unwrap().to_string(), good);
        }
        for bad in ["web-1", "web-1:", "web-1:0", "web-1:65536", "web-1:+1", "::1:5678", "[web-1]:1", ":1"] {
            assert_eq!(bad.parse::<Endpoint>(), Err(AddressError::Endpoint), "{bad}");
        }
    }
}
