//! Values of the HTTP face that are text in a file: networks of proxies, and origins of pages.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::values::BadValue;

/// An address, or all addresses that begin alike, as `10.0.0.0/8`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether `address` is in it. An IPv4 address is the same however it is written.
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                let shift = 32 - u32::from(self.prefix);
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                let shift = 128 - u32::from(self.prefix);
                (own.to_bits() ^ other.to_bits()).checked_shr(shift).unwrap_or(0) == 0
            }
            _ => false,
        }
    }
}

impl FromStr for Network {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let wrong =
            || BadValue::new(format!("{text:?} is neither an IP address nor a network as 10.0.0.0/8"));
        let (address, prefix) = match text.trim().split_once('/') {
            Some((address, prefix)) => (address, Some(prefix.parse::<u8>().map_err(|_| wrong())?)),
            None => (text.trim(), None),
        };
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let prefix = prefix.unwrap_or(most);
        if prefix > most { Err(wrong()) } else { Ok(Self { address, prefix }) }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

/// The origin of a page, as `https://admin.example.org`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PageOrigin(String);

impl FromStr for PageOrigin {
    type Err = BadValue;

    fn from_str(text: &str) -> Result<Self, BadValue> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_host = |host: &str| {
            !host.is_empty()
                && host.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte))
        };
        if host.is_some_and(is_host) {
            return Ok(Self(text.to_ascii_lowercase()));
        }
        Err(BadValue::new(format!("{text:?} is no origin as https://admin.example.org, without a path")))
    }
}

impl fmt::Display for PageOrigin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

macro_rules! as_text {
    ($($value:ty),+) => {$(
        impl TryFrom<String> for $value {
            type Error = BadValue;

            fn try_from(text: String) -> Result<Self, BadValue> {
                text.parse()
            }
        }

        impl From<$value> for String {
            fn from(value: $value) -> Self {
                value.to_string()
            }
        }
    )+};
}

as_text!(Network, PageOrigin);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_is_its_addresses_and_no_others() {
        let is_in = |network: &str, address: &str| {
            network.parse::<Network>().unwrap().contains(address.parse().unwrap())
        };
        assert!(is_in("10.0.0.0/8", "10.255.1.2") && !is_in("10.0.0.0/8", "11.0.0.1"));
        assert!(is_in("127.0.0.1", "127.0.0.1") && !is_in("127.0.0.1", "127.0.0.2"));
        assert!(is_in("127.0.0.1", "::ffff:127.0.0.1") && is_in("0.0.0.0/0", "8.8.8.8"));
        assert!(is_in("2001:db8::/32", "2001:db8:7::1") && !is_in("2001:db8::/32", "2001:db9::1"));
        assert!(is_in("::/0", "::1") && !is_in("::/0", "127.0.0.1"));
        for broken in ["", "10.0.0.0/33", "10.0.0/8", "::1/129", "10.0.0.0/-1", "host", "10.0.0.0/8/8"] {
            assert!(broken.parse::<Network>().is_err(), "{broken}");
        }
    }

    #[test]
    fn an_origin_has_a_scheme_and_no_path() {
        assert_eq!(
            "https://A.example:8443".parse::<PageOrigin>().unwrap().to_string(),
            "https://a.example:8443"
        );
        for broken in
            ["*", "null", "a.example", "https://", "https://a.example/", "ftp://a.example", "https://a b"]
        {
            assert!(broken.parse::<PageOrigin>().is_err(), "{broken}");
        }
    }
}
