//! How large a datagram may be on the way to an address, as far as the kernel knows it.
//!
//! quinn finds out by probes, up to a bound that it is given. Its default suits Ethernet; loopback and jumbo
//! frames carry more (bare quinn: 518 MiB/s for 358), and tunnels carry less, which costs lost probes.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

/// Below this no path of QUIC is (RFC 9000, section 14).
const BYTES_MIN: u32 = 1_200;
/// At 7,000 bytes and more the rate collapses to a fiftieth, without an error: ten of them, which quinn hands over at
/// a time, are more than the kernel takes.
pub(super) const BYTES_MAX: u16 = 6_500;
/// Headers of IPv4 and IPv6, each with that of UDP.
const HEADERS_V4: u32 = 20 + 8;
const HEADERS_V6: u32 = 40 + 8;

/// The largest datagram that may be tried to `address`; `None` if the kernel does not say. Nothing is sent.
pub(super) fn datagram_bytes_max(address: SocketAddr) -> Option<u16> {
    let address = SocketAddr::new(address.ip().to_canonical(), address.port());
    let any: SocketAddr = match address {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).ok()?;
    socket.connect(address).ok()?;
    let bytes = if address.is_ipv4() { mtu_v4(&socket)? } else { mtu_v6(&socket)? };
    let headers = if address.is_ipv4() { HEADERS_V4 } else { HEADERS_V6 };
    u16::try_from(bytes.saturating_sub(headers).clamp(BYTES_MIN, BYTES_MAX.into())).ok()
}

#[cfg(target_os = "linux")]
fn mtu_v4(socket: &UdpSocket) -> Option<u32> {
    rustix::net::sockopt::ip_mtu(socket).ok()
}

#[cfg(target_os = "linux")]
fn mtu_v6(socket: &UdpSocket) -> Option<u32> {
    rustix::net::sockopt::ipv6_mtu(socket).ok()
}

#[cfg(not(target_os = "linux"))]
const fn mtu_v4(_: &UdpSocket) -> Option<u32> {
    None
}

#[cfg(not(target_os = "linux"))]
const fn mtu_v6(_: &UdpSocket) -> Option<u32> {
    None
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn loopback_carries_what_is_still_fast_and_a_mapped_address_is_an_ipv4_one() {
        for address in ["127.0.0.1:9", "[::ffff:127.0.0.1]:9"] {
            assert_eq!(datagram_bytes_max(address.parse().unwrap()), Some(6_500));
        }
    }

    #[test]
    fn an_address_without_a_way_is_left_to_the_default() {
        // Broadcast is refused to a socket that did not ask for it.
        assert_eq!(datagram_bytes_max("255.255.255.255:9".parse().unwrap()), None);
    }
}
