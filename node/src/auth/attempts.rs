//! How often somebody may try: a bucket of attempts for each address and each user, filled again with time.
//!
//! Pure: names and times enter, verdicts leave. What it holds is bounded; when it is full, the fullest buckets
//! (those that mean nothing any more) go first, and then nobody new may try.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};

use p2p_shared::time::Millis;

/// Attempts that may be made at once.
const BURST: u32 = 5;
/// One more attempt is had back after so long.
const REFILL: Millis = Millis::from_secs(12);
/// Most names that are remembered.
const NAMES_MAX: usize = 4_096;

/// What one client can be held responsible for: its IPv4 address, or an IPv6 network of 64 bits, in which it may take
/// any address it likes.
pub fn client_of(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) if !address.is_loopback() => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        address => address,
    }
}

/// What an attempt that comes from `address` is named by.
pub fn by_address(address: IpAddr) -> String {
    format!("address {}", client_of(address))
}

/// The buckets, by whatever names an attempt.
#[derive(Debug, Default)]
pub struct Attempts {
    /// When each bucket will be full again, on the caller's clock.
    full_at: HashMap<String, Millis>,
}

impl Attempts {
    /// Takes one attempt of every one of `names`, at `now`.
    ///
    /// # Errors
    /// How long to wait, if one of them has none left; then none is taken.
    pub fn take(&mut self, names: &[String], now: Millis) -> Result<(), Millis> {
        if self.full_at.len() + names.len() > NAMES_MAX {
            self.full_at.retain(|_, full| *full > now);
            if self.full_at.len() + names.len() > NAMES_MAX {
                return Err(REFILL);
            }
        }
        let empty = Millis(REFILL.0 * u64::from(BURST));
        let debt = |name: &String| self.full_at.get(name).map_or(0, |full| full.0.saturating_sub(now.0));
        let wait = names.iter().map(|name| (debt(name) + REFILL.0).saturating_sub(empty.0)).max();
        if let Some(wait) = wait.filter(|wait| *wait > 0) {
            return Err(Millis(wait));
        }
        for name in names {
            let full = self.full_at.entry(name.clone()).or_insert(now);
            *full = Millis(full.0.max(now.0) + REFILL.0);
        }
        Ok(())
    }

    /// Gives back what a user took who turned out to be right.
    pub fn forgive(&mut self, name: &str) {
        self.full_at.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn five_at_once_and_then_one_every_twelve_seconds() {
        let mut attempts = Attempts::default();
        let ann = names(&["ann"]);
        for _ in 0..5 {
            assert_eq!(attempts.take(&ann, Millis(1_000)), Ok(()));
        }
        assert_eq!(attempts.take(&ann, Millis(1_000)), Err(Millis(12_000)));
        assert_eq!(attempts.take(&ann, Millis(12_999)), Err(Millis(1)));
        assert_eq!(attempts.take(&ann, Millis(13_000)), Ok(()));
        assert!(attempts.take(&ann, Millis(13_000)).is_err());
        assert_eq!(attempts.take(&names(&["zoe"]), Millis(13_000)), Ok(()));
        attempts.forgive("ann");
        assert_eq!(attempts.take(&ann, Millis(13_000)), Ok(()));
    }

    #[test]
    fn an_address_that_is_used_up_costs_the_user_nothing() {
        let mut attempts = Attempts::default();
        for index in 0..5 {
            let both = names(&["address 1", &format!("user {index}")]);
            assert_eq!(attempts.take(&both, Millis(0)), Ok(()));
        }
        assert!(attempts.take(&names(&["address 1", "ann"]), Millis(0)).is_err());
        for _ in 0..5 {
            assert!(attempts.take(&names(&["address 2", "ann"]), Millis(0)).is_ok());
        }
    }

    #[test]
    fn who_has_a_network_of_addresses_has_the_attempts_of_one() {
        let by = |text: &str| by_address(text.parse().unwrap());
        assert_eq!(by("2001:db8::1"), by("2001:db8::ffff:2:3:4"));
        assert_ne!(by("2001:db8::1"), by("2001:db8:0:1::1"));
        assert_eq!(by("::ffff:192.0.2.1"), by("192.0.2.1"));
        assert_ne!(by("192.0.2.1"), by("192.0.2.2"));
        assert_eq!(by("::1"), "address ::1");
    }

    #[test]
    fn a_flood_of_names_is_bounded() {
        let mut attempts = Attempts::default();
        let taken =
            (0..10_000).filter(|n| attempts.take(&names(&[&n.to_string()]), Millis(0)).is_ok()).count();
        assert_eq!((taken, attempts.full_at.len()), (NAMES_MAX, NAMES_MAX));
        assert_eq!(attempts.take(&names(&["late"]), Millis(12_001)), Ok(()), "the old ones mean nothing now");
    }
}
