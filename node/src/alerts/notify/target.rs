//! Where a webhook may go: its address is looked up once, every address that is found is judged, and one of
//! those that were judged is connected to. So no second look-up can lead elsewhere.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::lookup_host;

/// Most addresses of one name that are tried.
pub(super) const ADDRESSES_MAX: usize = 8;

/// Why there is no address to connect to.
#[derive(Debug, thiserror::Error)]
pub(super) enum TargetError {
    /// The name is not known, or nobody says.
    #[error("{host} cannot be looked up: {source}")]
    LookUp {
        /// Which name.
        host: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// It has no address.
    #[error("{0} has no address")]
    None(String),
    /// An address of it is not one of the internet.
    #[error(
        "{host} is at {address}, which is private to this network or machine: allow_private = true in its [[alerts.receivers]] lets it go there"
    )]
    Private {
        /// Which name.
        host: String,
        /// The address.
        address: IpAddr,
    },
}

/// The addresses of a host. All of them are judged: one that may not be is reason enough.
pub(super) async fn addresses(
    (host, port): (&str, u16),
    judge: fn(IpAddr) -> bool,
) -> Result<Vec<SocketAddr>, TargetError> {
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let found = lookup_host((host, port)).await;
    let found = found.map_err(|source| TargetError::LookUp { host: host.to_owned(), source })?;
    let mut addresses: Vec<SocketAddr> = found.collect();
    if let Some(refused) = addresses.iter().find(|address| !judge(address.ip())) {
        return Err(TargetError::Private { host: host.to_owned(), address: refused.ip() });
    }
    addresses.truncate(ADDRESSES_MAX);
    if addresses.is_empty() { Err(TargetError::None(host.to_owned())) } else { Ok(addresses) }
}

/// Whether an address is one of the internet: not of this machine, not of a private network, not of the link
/// (where clouds keep their metadata), not of a group, not reserved. One inside another counts as itself.
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded(address) {
            Some(inner) => is_public_v4(inner),
            None => is_public_v6(address),
        },
    }
}

/// Whether an address can be one of a receiver at all.
pub(super) fn is_host(address: IpAddr) -> bool {
    let address = address.to_canonical();
    !address.is_unspecified() && !address.is_multicast() && address != IpAddr::V4(Ipv4Addr::BROADCAST)
}

const fn is_public_v4(address: Ipv4Addr) -> bool {
    let [first, second, third, _] = address.octets();
    let is_shared = first == 100 && second & 0xc0 == 64;
    let is_for_protocols = first == 192 && second == 0 && third == 0;
    let is_for_benches = first == 198 && second & 0xfe == 18;
    let is_relay = first == 192 && second == 88 && third == 99;
    !(first == 0
        || first >= 224
        || address.is_loopback()
        || address.is_private()
        || address.is_link_local()
        || address.is_documentation()
        || is_shared
        || is_for_protocols
        || is_for_benches
        || is_relay)
}

/// Only what is given out as global unicast, without what stands for something else.
const fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    let is_global = first & 0xe000 == 0x2000;
    let is_for_protocols = first == 0x2001 && second < 0x200;
    let is_for_books = (first == 0x2001 && second == 0xdb8) || (first == 0x3fff && second < 0x1000);
    is_global && !is_for_protocols && !is_for_books
}

/// The IPv4 address that is meant by a mapped one, or by one of NAT64 or 6to4.
fn embedded(address: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = address.segments();
    let inner = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match segments {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] => Some(inner(high, low)),
        [0x2002, high, low, ..] => Some(inner(high, low)),
        _ => address.to_ipv4_mapped(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_internet_are_public() {
        for text in ["1.1.1.1", "8.8.8.8", "192.0.1.1", "100.128.0.1", "2606:4700::1111", "64:ff9b::808:808"]
        {
            assert!(is_public(text.parse().unwrap()), "{text}");
        }
        for text in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.8.8.8",
            "169.254.169.254",
            "172.16.0.1",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::a9fe:a9fe",
            "64:ff9b:1::1",
            "2002:7f00:1::",
            "2001:0:1::1",
            "2001:db8::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn what_is_allowed_to_be_private_is_a_host_all_the_same() {
        for text in ["127.0.0.1", "10.0.0.1", "::1", "fe80::1"] {
            assert!(is_host(text.parse().unwrap()), "{text}");
        }
        for text in ["0.0.0.0", "::", "255.255.255.255", "224.0.0.1", "ff02::1", "::ffff:0.0.0.0"] {
            assert!(!is_host(text.parse().unwrap()), "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_in_the_url_is_judged_as_well() {
        let refused = addresses(("127.0.0.1", 80), is_public).await.unwrap_err();
        assert!(matches!(refused, TargetError::Private { .. }), "{refused}");
        let refused = addresses(("[::1]", 80), is_public).await.unwrap_err();
        assert!(refused.to_string().contains("allow_private"), "{refused}");
        let allowed = addresses(("127.0.0.1", 80), is_host).await.unwrap();
        assert_eq!(allowed, ["127.0.0.1:80".parse().unwrap()]);
    }
}
