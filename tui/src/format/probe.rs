//! What probes say, in lines: an echo, a hop, how far a scan is. Pure, and the same on the command line and in the
//! console.

use p2p_shared::services::network::{PingOutcome, PingReply, ScanEnd, ScanFound, TraceEnd, TraceHop};

use super::{clean, count, span_ms};

/// What requests of one node came to.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Tally {
    sent: u32,
    answered: u32,
    /// Least, sum and most of the round trips, in milliseconds.
    rtts: (f32, f32, f32),
}

impl Tally {
    /// One more.
    pub fn add(&mut self, reply: &PingReply) {
        self.sent += 1;
        let Some(rtt) = reply.rtt_ms else { return };
        let (least, sum, most) = self.rtts;
        let least = if self.answered == 0 { rtt } else { least.min(rtt) };
        self.rtts = (least, sum + rtt, most.max(rtt));
        self.answered += 1;
    }

    /// Nobody answered.
    pub const fn is_silent(&self) -> bool {
        self.answered == 0
    }

    /// `4 sent, 2 answered, 50% lost, round trip min/avg/max 1.00/2.00/3.00 ms`.
    pub fn line(&self) -> String {
        let Self { sent, answered, rtts: (least, sum, most) } = *self;
        let lost = (sent - answered) as f32 / sent.max(1) as f32 * 100.0;
        let mut line = format!("{sent} sent, {answered} answered, {lost:.0}% lost");
        if answered > 0 {
            let mean = sum / answered as f32;
            line.push_str(&format!(", round trip min/avg/max {least:.2}/{mean:.2}/{most:.2} ms"));
        }
        line
    }
}

/// `10.0.0.7 seq=3 time=0.31 ms`.
pub fn ping(reply: &PingReply) -> String {
    let PingReply { seq, address, outcome, rtt_ms, note } = reply;
    match (outcome, rtt_ms) {
        (PingOutcome::Reply, Some(rtt)) => format!("{address} seq={seq} time={rtt:.2} ms"),
        (PingOutcome::Unreachable, _) => format!("{address} seq={seq} not sent: {}", clean(note)),
        _ => format!("{address} seq={seq} no answer"),
    }
}

/// ` 2  10.0.2.2  0.31 ms  0.28 ms  *  33% lost`.
pub fn hop(hop: &TraceHop) -> String {
    let mut line = format!("{:>2}  ", hop.ttl);
    let mut last = None;
    let mut notes: Vec<&str> = Vec::new();
    for probe in &hop.probes {
        if let Some(address) = probe.address.filter(|address| last != Some(*address)) {
            last = Some(address);
            line.push_str(&format!("{address}  "));
        }
        match probe.rtt_ms {
            Some(rtt) => line.push_str(&format!("{rtt:.2} ms  ")),
            None => line.push_str("*  "),
        }
        if !probe.note.is_empty() && !notes.contains(&probe.note.as_str()) {
            notes.push(&probe.note);
        }
    }
    if hop.loss_ratio > 0.0 {
        line.push_str(&format!("{:.0}% lost  ", hop.loss_ratio * 100.0));
    }
    line.push_str(&clean(&notes.join(", ")));
    line.truncate(line.trim_end().len());
    line
}

/// Why a trace ended before its target; `None` where it was reached.
pub const fn dead_end(end: TraceEnd) -> Option<&'static str> {
    match end {
        TraceEnd::Reached => None,
        TraceEnd::Unreachable => Some("the way ends here"),
        TraceEnd::HopsMax | TraceEnd::Unknown => Some("not reached within these hops"),
    }
}

/// `12,000 of 65,535 ports in 1.2 s: 3 open, 11,990 closed, 7 silent`.
pub fn progress(found: &ScanFound) -> String {
    let count = |number: u64| count(usize::try_from(number).unwrap_or(usize::MAX));
    let open = found.done.saturating_sub(found.closed).saturating_sub(found.silent);
    let stopped = if found.end == Some(ScanEnd::Stopped) { "stopped: " } else { "" };
    format!(
        "{stopped}{} of {} ports in {}: {} open, {} closed, {} silent",
        count(found.done),
        count(found.total),
        seconds(found.elapsed_ms),
        count(open),
        count(found.closed),
        count(found.silent)
    )
}

/// Short spans are what scans are about.
fn seconds(ms: u64) -> String {
    if ms < 60_000 { format!("{:.1} s", ms as f32 / 1_000.0) } else { span_ms(ms) }
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::network::TraceProbe;

    use super::*;

    #[test]
    fn a_hop_reads_like_traceroute() {
        let probe = |address: Option<&str>, rtt_ms, note: &str| TraceProbe {
            address: address.map(|address| address.parse().unwrap()),
            rtt_ms,
            note: note.into(),
        };
        let probes = vec![
            probe(Some("10.0.1.1"), Some(0.314), ""),
            probe(None, None, ""),
            probe(Some("10.0.1.1"), Some(12.0), "host unreachable\u{1b}"),
        ];
        let mut step = TraceHop { ttl: 2, probes, loss_ratio: 1.0 / 3.0 };
        assert_eq!(hop(&step), " 2  10.0.1.1  0.31 ms  *  12.00 ms  33% lost  host unreachable^[");
        step.probes.truncate(1);
        step.loss_ratio = 0.0;
        assert_eq!(hop(&step), " 2  10.0.1.1  0.31 ms");
    }

    #[test]
    fn a_tally_says_what_was_lost() {
        let reply = |rtt_ms: Option<f32>| PingReply {
            seq: 0,
            address: [10, 0, 0, 7].into(),
            outcome: if rtt_ms.is_some() { PingOutcome::Reply } else { PingOutcome::Lost },
            rtt_ms,
            note: String::new(),
        };
        let mut tally = Tally::default();
        for rtt in [None, None] {
            tally.add(&reply(rtt));
        }
        assert_eq!((tally.line().as_str(), tally.is_silent()), ("2 sent, 0 answered, 100% lost", true));
        for rtt in [Some(1.0), Some(3.0)] {
            tally.add(&reply(rtt));
        }
        let expected = "4 sent, 2 answered, 50% lost, round trip min/avg/max 1.00/2.00/3.00 ms";
        assert_eq!(tally.line(), expected);
    }

    #[test]
    fn progress_says_how_far_it_is_and_whether_it_was_stopped() {
        let mut found = ScanFound {
            open: Vec::new(),
            done: 12_000,
            total: 65_535,
            closed: 11_990,
            silent: 7,
            elapsed_ms: 1_240,
            end: None,
        };
        assert_eq!(progress(&found), "12,000 of 65,535 ports in 1.2 s: 3 open, 11,990 closed, 7 silent");
        found.end = Some(ScanEnd::Stopped);
        assert!(progress(&found).starts_with("stopped: "));
    }
}
