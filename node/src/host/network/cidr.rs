//! Networks: an address and how many of its bits count. Pure.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// `10.0.0.0/8`, `2001:db8::/32`, or one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

/// A text that is no network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("is no network such as \"10.0.0.0/8\", and no address")]
pub struct NoNetwork;

impl FromStr for Network {
    type Err = NoNetwork;

    fn from_str(text: &str) -> Result<Self, NoNetwork> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| NoNetwork)?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let is_number = |bits: &&str| bits.bytes().all(|byte| byte.is_ascii_digit());
        let bits = match bits {
            None => most,
            Some(bits) => Some(bits).filter(is_number).and_then(|bits| bits.parse().ok()).ok_or(NoNetwork)?,
        };
        if bits > most { Err(NoNetwork) } else { Ok(Self { address, bits }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

impl Network {
    /// Whether an address is in it; one of IPv4 in the clothes of IPv6 counts as one of IPv4.
    pub fn has(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                self.first_bits(own.to_bits().into(), 32) == self.first_bits(other.to_bits().into(), 32)
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                self.first_bits(own.to_bits(), 128) == self.first_bits(other.to_bits(), 128)
            }
            _ => false,
        }
    }

    fn first_bits(&self, value: u128, width: u32) -> u128 {
        value.checked_shr(width - u32::from(self.bits)).unwrap_or(0)
    }

    /// How many bits of the address count.
    pub const fn bits(&self) -> u8 {
        self.bits
    }

    /// How many addresses it has; `None` of more than a u64 holds.
    pub fn count(&self) -> Option<u64> {
        let width = if self.address.is_ipv4() { 32 } else { 128 };
        1_u64.checked_shl(width - u32::from(self.bits))
    }

    /// Its addresses but those that mean all of it: of an IPv4 network of four and more the first and the last.
    pub fn hosts(&self) -> impl Iterator<Item = IpAddr> + use<> {
        let count = self.count().unwrap_or(u64::MAX);
        let edges = u64::from(self.address.is_ipv4() && count > 2);
        let address = self.address;
        let shift = self.bits;
        (edges..count - edges).map(move |index| match address {
            IpAddr::V4(own) => {
                let mask = u32::MAX.checked_shl(32 - u32::from(shift)).unwrap_or(0);
                Ipv4Addr::from_bits((own.to_bits() & mask) | u32::try_from(index).unwrap_or(0)).into()
            }
            IpAddr::V6(own) => {
                let mask = u128::MAX.checked_shl(128 - u32::from(shift)).unwrap_or(0);
                Ipv6Addr::from_bits((own.to_bits() & mask) | u128::from(index)).into()
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap()
    }

    #[test]
    fn addresses_are_in_it_by_its_bits() {
        for (text, inside, outside) in [
            ("10.1.2.3/8", "10.255.0.1", "11.0.0.1"),
            ("0.0.0.0/0", "192.0.2.1", "::1"),
            ("192.0.2.7", "192.0.2.7", "192.0.2.6"),
            ("127.0.0.0/8", "::ffff:127.0.0.1", "::1"),
            ("2001:db8::/32", "2001:db8:7::1", "2001:db9::1"),
            ("::/0", "fe80::1", "10.0.0.1"),
        ] {
            assert!(network(text).has(inside.parse().unwrap()), "{inside} in {text}");
            assert!(!network(text).has(outside.parse().unwrap()), "{outside} in {text}");
        }
    }

    #[test]
    fn what_is_no_network_is_none() {
        for text in [
            "",
            "/",
            "10.0.0.0/33",
            "10.0.0.0/",
            "10.0.0.0/-1",
            "10.0.0.0/+8",
            "::/129",
            "a/8",
            "10.0.0.0/8/8",
        ] {
            assert_eq!(text.parse::<Network>(), Err(NoNetwork), "{text}");
        }
    }

    #[test]
    fn hosts_are_all_but_those_that_mean_the_whole() {
        let hosts = |text: &str| network(text).hosts().map(|host| host.to_string()).collect::<Vec<_>>();
        assert_eq!(hosts("192.0.2.5/30"), ["192.0.2.5", "192.0.2.6"]);
        assert_eq!(hosts("192.0.2.4/31"), ["192.0.2.4", "192.0.2.5"]);
        assert_eq!(hosts("192.0.2.4"), ["192.0.2.4"]);
        assert_eq!(hosts("::1"), ["::1"]);
        assert_eq!(network("10.0.0.0/20").hosts().count(), (1 << 12) - 2);
        assert_eq!((network("::/0").count(), network("::/64").count()), (None, None));
    }

    proptest! {
        #[test]
        fn every_host_of_a_network_is_in_it(bits in 24_u8..=32, address: u32) {
            let network: Network = format!("{}/{bits}", Ipv4Addr::from_bits(address)).parse().unwrap();
            prop_assert!(network.hosts().all(|host| network.has(host)));
            prop_assert_eq!(network.to_string().parse(), Ok(network));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[0-9a-f./:]{0,40}") {
            if let Ok(network) = text.parse::<Network>() {
                prop_assert!(network.hosts().next().is_none_or(|host| network.has(host)));
            }
        }
    }
}
