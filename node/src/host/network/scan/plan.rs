//! What is scanned: the texts of a request as addresses and ports. Pure.

use std::net::IpAddr;
use std::time::Duration;

use super::super::cidr::Network;
use super::super::error::NetworkError;

/// Most addresses of one scan.
const ADDRESSES_MAX: u64 = 65_536;
/// Most targets as they are written.
const TARGETS_MAX: usize = 1_024;
/// Longest list of ports as it is written.
const PORTS_BYTES_MAX: usize = 64 << 10;

/// What is scanned, and how.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Whom; each once.
    pub addresses: Vec<IpAddr>,
    /// Which ports; each once.
    pub ports: Vec<u16>,
    /// Connections a second; `None` for no bound.
    pub rate_per_s: Option<u32>,
    /// How long one is waited for, and then its banner.
    pub patience: Duration,
    /// Wait for what open ports say.
    pub banner: bool,
}

impl Plan {
    /// How many connections that is.
    pub fn total(&self) -> u64 {
        (self.addresses.len() as u64).saturating_mul(self.ports.len() as u64)
    }

    /// The connection of a number: every address gets the first port, then every one the second.
    pub(super) fn at(&self, index: u64) -> (IpAddr, u16) {
        let index = usize::try_from(index).unwrap_or(usize::MAX);
        let count = self.addresses.len().max(1);
        (self.addresses[index % count], self.ports[index / count])
    }
}

/// A target as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// Addresses.
    Network(Network),
    /// A name, to be resolved.
    Name(String),
}

/// The targets of a request, before names are resolved.
///
/// # Errors
/// If there is none, or they are too many.
pub fn targets(texts: &[String]) -> Result<Vec<Target>, NetworkError> {
    if texts.is_empty() || texts.len() > TARGETS_MAX {
        let text = format!("a scan has 1 to {TARGETS_MAX} targets, not {}", texts.len());
        return Err(NetworkError::Invalid(text));
    }
    let mut count = 0_u64;
    let mut found = Vec::new();
    for text in texts {
        let target = match text.parse::<Network>() {
            Ok(network) => Target::Network(network),
            Err(no) if text.contains('/') => {
                return Err(NetworkError::Invalid(format!(
                    "{:?} {no}",
                    text.chars().take(64).collect::<String>()
                )));
            }
            Err(_) => Target::Name(text.clone()),
        };
        count = count.saturating_add(match &target {
            Target::Network(network) => network.count().unwrap_or(u64::MAX),
            Target::Name(_) => 1,
        });
        found.push(target);
    }
    if count > ADDRESSES_MAX {
        return Err(NetworkError::Invalid(format!(
            "a scan has at most {ADDRESSES_MAX} addresses, not {count}"
        )));
    }
    Ok(found)
}

/// Ports such as `22,80,8000-8100`, in their order, each once.
///
/// # Errors
/// If a part is none, with that part.
pub fn ports(text: &str) -> Result<Vec<u16>, NetworkError> {
    let bad = |part: &str| {
        let part: String = part.chars().take(32).collect();
        NetworkError::Invalid(format!(
            "{part:?} is no port (1 to 65535) and no range of ports such as 8000-8100"
        ))
    };
    if text.len() > PORTS_BYTES_MAX {
        return Err(NetworkError::Invalid(format!("a list of ports has at most {PORTS_BYTES_MAX} bytes")));
    }
    let mut wanted = vec![false; 1 << 16];
    for part in text.split(',').map(str::trim) {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let port = |text: &str| text.trim().parse::<u16>().ok().filter(|port| *port > 0);
        let (Some(first), Some(last)) = (port(first), port(last)) else { return Err(bad(part)) };
        if first > last {
            return Err(bad(part));
        }
        wanted[usize::from(first)..=usize::from(last)].fill(true);
    }
    Ok((1..=u16::MAX).filter(|port| wanted[usize::from(*port)]).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn ports_are_read_once_each_and_in_order() {
        assert_eq!(ports("443, 22,80-82,81").unwrap(), [22, 80, 81, 82, 443]);
        assert_eq!(ports("1-65535").unwrap().len(), 65_535);
        for text in ["", "0", "65536", "-", "1-", "5-4", "a", "1,,2", "0-5", "1-2-3"] {
            assert!(ports(text).is_err(), "{text}");
        }
    }

    #[test]
    fn too_many_addresses_are_refused_before_any_is_made() {
        let of = |texts: &[&str]| targets(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(
            of(&["10.0.0.0/16", "web-1"]).map_err(|error| error.to_string()).unwrap_err(),
            "a scan has at most 65536 addresses, not 65537"
        );
        assert!(of(&["10.0.0.0/16"]).is_ok());
        for text in ["::/0", "0.0.0.0/0", "10.0.0.0/8", "web/24", "10.0.0.0/40"] {
            assert!(of(&[text]).is_err(), "{text}");
        }
        assert!(of(&[]).is_err());
    }

    proptest! {
        #[test]
        fn every_port_of_every_address_is_connected_to_once(addresses in 1_u8..9, ports in 1_u16..40) {
            let plan = Plan {
                addresses: (0..addresses).map(|last| IpAddr::from([10, 0, 0, last])).collect(),
                ports: (1..=ports).collect(),
                rate_per_s: None,
                patience: Duration::from_secs(1),
                banner: false,
            };
            let all: std::collections::BTreeSet<_> = (0..plan.total()).map(|index| plan.at(index)).collect();
            prop_assert_eq!(all.len(), usize::from(addresses) * usize::from(ports));
        }

        #[test]
        fn any_text_is_read_without_panic(text in "[0-9,\\- a]{0,40}") {
            if let Ok(ports) = ports(&text) {
                prop_assert!(ports.is_sorted() && !ports.is_empty());
            }
        }
    }
}
