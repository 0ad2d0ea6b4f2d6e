//! What a look at a connection shows: somebody is there, nobody is, or nobody here wants anything of it.
//!
//! What its counters say enters at each look, and a verdict leaves. There is no clock: each look says how long after
//! the last one it is meant to be, so that a console that was stopped does not blame its nodes.

use p2p_shared::mesh::link::Link;
use p2p_shared::time::Millis;

use super::beat::{BEAT, beats};

/// Silence after which nobody is there: a living node sends a ping every 5 s, and a killed one is to be missed
/// within 10 s.
const SILENCE: Millis = beats(8);
/// How long an unused connection is kept.
const UNUSED: Millis = beats(16);
/// Silence after which the entrance is asked whether it lives.
const QUIET: Millis = beats(2);

/// How often to look while somebody waits for something.
pub(super) const LOOK: Millis = BEAT;
/// How often while nobody does.
pub(super) const LOOK_AT_REST: Millis = beats(4);

/// What the counters of a connection say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counters {
    /// Datagrams that came.
    pub datagrams: u64,
    /// Parts of streams that came and went.
    pub streamed: u64,
    /// Parts of streams and pings that came: what a node sends by itself or as an answer.
    pub said: u64,
}

impl Counters {
    /// What they are now.
    pub(super) fn of(link: &Link) -> Self {
        let stats = link.connection().stats();
        let said = stats.frame_rx.stream + stats.frame_rx.ping;
        let streamed = stats.frame_rx.stream + stats.frame_tx.stream;
        Self { datagrams: stats.udp_rx.datagrams, streamed, said }
    }
}

/// What to do with a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Keep it.
    Fine,
    /// Give it up: nobody is there.
    Dead,
    /// Hang up: nobody here needs it.
    Unused,
}

/// What is remembered of one connection.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Looks {
    last: Counters,
    silent: Millis,
    unused: Millis,
}

impl Looks {
    /// A look `after` so long.
    pub(super) fn look(&mut self, now: Counters, after: Millis, is_used: bool) -> Look {
        let before = std::mem::replace(&mut self.last, now);
        self.silent = if now.datagrams == before.datagrams { self.silent + after } else { Millis::ZERO };
        let rests = !is_used && now.streamed == before.streamed;
        self.unused = if rests { self.unused + after } else { Millis::ZERO };
        match () {
            () if self.silent >= SILENCE => Look::Dead,
            () if self.unused >= UNUSED => Look::Unused,
            () => Look::Fine,
        }
    }
}

/// How long the entrance has said nothing.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Entrance {
    said: u64,
    quiet: Millis,
}

impl Entrance {
    /// Whether it is to be asked, at a look `after` so long.
    pub(super) fn look(&mut self, now: Counters, after: Millis) -> bool {
        self.quiet = if now.said == self.said { self.quiet + after } else { Millis::ZERO };
        self.said = now.said;
        self.quiet >= QUIET
    }

    /// It has answered.
    pub(super) const fn answered(&mut self, now: Counters) {
        (self.said, self.quiet) = (now.said, Millis::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn datagrams(datagrams: u64) -> Counters {
        Counters { datagrams, streamed: datagrams, said: datagrams }
    }

    #[test]
    fn who_is_heard_every_few_seconds_lives_and_who_is_not_is_given_up_within_ten() {
        let mut looks = Looks::default();
        for count in 1..100 {
            assert_eq!(looks.look(datagrams(count), LOOK, true), Look::Fine);
            for _ in 0..6 {
                assert_eq!(
                    looks.look(datagrams(count), LOOK, true),
                    Look::Fine,
                    "the next ping is on its way"
                );
            }
        }
        let more = (1..).find(|_| looks.look(datagrams(99), LOOK, true) == Look::Dead).unwrap();
        // The last word came up to one look before the first one that heard it.
        assert!(LOOK.0 * (1 + 6 + more) < 10_000, "{more}");
    }

    #[test]
    fn only_what_nobody_uses_and_nothing_goes_over_is_hung_up() {
        let ping = |count| Counters { datagrams: count, streamed: 7, said: count };
        let mut used = Looks::default();
        assert!((1..100).all(|count| used.look(ping(count), LOOK, true) == Look::Fine));
        let mut called = Looks::default();
        assert!((1..100).all(|count| called.look(datagrams(count), LOOK, false) == Look::Fine));
        let mut unused = Looks::default();
        let after = (1..).find(|&count| unused.look(ping(count), LOOK_AT_REST, false) == Look::Unused);
        assert_eq!(after, Some(UNUSED.0 / LOOK_AT_REST.0 + 1));
    }

    #[test]
    fn a_quiet_entrance_is_asked_in_time_to_miss_it_within_five_seconds() {
        let mut entrance = Entrance::default();
        assert!(!entrance.look(datagrams(1), LOOK));
        assert!(!entrance.look(datagrams(1), LOOK));
        assert!(
            entrance.look(datagrams(1), LOOK),
            "three seconds after its last word, and it has 1.5 to answer"
        );
        entrance.answered(datagrams(3));
        assert!(!entrance.look(datagrams(3), LOOK));
        assert!(!entrance.look(datagrams(4), LOOK));
    }

    #[test]
    fn an_entrance_at_rest_is_asked_at_each_look_and_one_that_talks_never() {
        let mut entrance = Entrance::default();
        entrance.answered(datagrams(1));
        assert!(entrance.look(datagrams(1), LOOK_AT_REST));
        assert!((2..100).all(|count| !entrance.look(datagrams(count), LOOK_AT_REST)));
    }
}
