//! When a connection counts as dead, long before QUIC's idle timeout says so.
//!
//! How many datagrams have come enters, once a second; whether to give the connection up leaves. There is no
//! clock: looks are counted and not seconds, so that a process that was stopped does not blame its peers.
//!
//! Why not a shorter idle timeout: each ping of our own starts it anew, so a peer that was killed would be missed
//! after a keep-alive and the timeout, 25 s. By then the fleet has shown it lost for 15 s.

use std::time::Duration;

/// How often to look.
pub const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Looks without a datagram after which nobody is there: a living peer answers a ping every 5 s, and a killed one is
/// shown lost within 10 s.
const LOOKS_MAX: u32 = 8;

/// How long nothing was heard over one connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    datagrams: u64,
    looks: u32,
}

/// What a look shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Something came since the last one.
    Heard,
    /// Nothing did.
    Silent,
    /// Nothing did for so long that it is to be given up.
    Dead,
}

impl Silence {
    /// Looks, with how many datagrams have come in all.
    pub const fn look(&mut self, datagrams: u64) -> Look {
        if datagrams != self.datagrams {
            *self = Self { datagrams, looks: 0 };
            return Look::Heard;
        }
        self.looks += 1;
        if self.looks < LOOKS_MAX { Look::Silent } else { Look::Dead }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_heard_every_few_seconds_lives_and_who_is_not_is_given_up_within_ten() {
        let mut silence = Silence::default();
        for datagrams in 1..100 {
            assert_eq!(silence.look(datagrams), Look::Heard);
            for _ in 0..6 {
                assert_eq!(silence.look(datagrams), Look::Silent, "the next ping is on its way");
            }
        }
        let looks = (1..).find(|_| silence.look(99) == Look::Dead).unwrap();
        assert!(LOOK_EVERY * (6 + looks) < Duration::from_secs(10), "{looks}");
    }
}
