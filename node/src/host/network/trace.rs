//! Traceroute without any right: UDP packets whose time to live ends on the way, and the error queue of their
//! sockets, in which the kernel puts who said so.
//!
//! A target and bounds go in, hops come out in their order. Two hops are asked at a time; more would make the
//! target's kernel, which limits its errors, pass over some. A black hole ends by the bounds.

mod course;
mod probe;

use std::net::IpAddr;
use std::pin::Pin;
use std::time::Duration;

use futures::stream::{FuturesUnordered, StreamExt};
use p2p_shared::services::network::TraceStep;

use super::error::NetworkError;
use course::{Answer, Course};

/// Hops that are asked at a time.
const HOPS_AT_ONCE: u32 = 2;

/// How far a trace goes.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// Most hops.
    pub hops: u32,
    /// Packets of each.
    pub probes: u32,
    /// How long one is waited for.
    pub patience: Duration,
}

type Flight = Pin<Box<dyn Future<Output = (u32, u32, Answer)> + Send>>;

/// A trace that runs while it is asked for hops.
pub struct Trace {
    target: IpAddr,
    bounds: Bounds,
    course: Course,
    flying: FuturesUnordered<Flight>,
}

impl Trace {
    /// Gets ready; nothing is sent yet.
    pub fn new(target: IpAddr, bounds: Bounds) -> Self {
        let course = Course::new(bounds.hops, bounds.probes);
        Self { target, bounds, course, flying: FuturesUnordered::new() }
    }

    /// The next hop; `None` after the last one.
    ///
    /// # Errors
    /// If the system has no socket for it.
    pub async fn next(&mut self) -> Result<Option<TraceStep>, NetworkError> {
        loop {
            if let Some((hop, end)) = self.course.take() {
                if end.is_some() {
                    // What still flies can tell nothing new.
                    self.flying.clear();
                }
                return Ok(Some(TraceStep { target: self.target, hop, end }));
            }
            let window = HOPS_AT_ONCE * self.bounds.probes;
            while u32::try_from(self.flying.len()).unwrap_or(u32::MAX) < window {
                let Some((ttl, index)) = self.course.next() else { break };
                self.flying.push(self.flight(ttl, index)?);
            }
            match self.flying.next().await {
                Some((ttl, index, answer)) => self.course.note(ttl, index, answer),
                None => return Ok(None),
            }
        }
    }

    fn flight(&self, ttl: u32, index: u32) -> Result<Flight, NetworkError> {
        let (target, patience) = (self.target, self.bounds.patience);
        let number = (ttl - 1) * self.bounds.probes + index;
        let probe = probe::Probe::new(target, ttl, number);
        let probe = probe.map_err(|source| NetworkError::Probe { address: target, source })?;
        Ok(Box::pin(async move { (ttl, index, probe.answer(patience).await) }))
    }
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::network::TraceEnd;

    use super::*;

    #[tokio::test]
    async fn the_loopback_is_one_hop_away() {
        let bounds = Bounds { hops: 5, probes: 3, patience: Duration::from_secs(5) };
        let mut trace = Trace::new("127.0.0.1".parse().unwrap(), bounds);
        let step = trace.next().await.unwrap().unwrap();
        assert_eq!(
            (step.hop.ttl, step.hop.probes.len(), step.end),
            (1, 3, Some(TraceEnd::Reached)),
            "{step:?}"
        );
        let answered = |probe: &p2p_shared::services::network::TraceProbe| {
            probe.address == Some("127.0.0.1".parse().unwrap()) && probe.rtt_ms.is_some()
        };
        assert!(step.hop.probes.iter().any(answered), "{step:?}");
        assert_eq!(trace.next().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_way_that_is_not_there_ends_at_once() {
        let bounds = Bounds { hops: 5, probes: 1, patience: Duration::from_millis(200) };
        // An address of nobody: there is no route to it, or whoever has one does not know it.
        let mut trace = Trace::new("240.0.0.1".parse().unwrap(), bounds);
        let mut last = None;
        while let Some(step) = trace.next().await.unwrap() {
            last = Some(step);
        }
        assert!(last.unwrap().end.is_some());
    }
}
