//! Network interfaces, from `/proc/net/dev`, and whether they are up, from `/sys/class/net`.

use std::collections::HashMap;

use p2p_shared::services::monitor::Interface;
use p2p_shared::time::Millis;

use crate::host::Roots;
use crate::host::rates::per_second;
use crate::host::source::KeptFile;

/// Most interfaces of a sample: a host of containers has hundreds, in the order of the kernel.
const INTERFACES_MAX: usize = 256;

/// The files, and the counters of the sample before.
#[derive(Debug)]
pub(super) struct Interfaces {
    devices: KeptFile,
    sys: std::path::PathBuf,
    known: HashMap<String, Known>,
    sampled: Millis,
}

#[derive(Debug)]
struct Known {
    state: KeptFile,
    received: u64,
    sent: u64,
}

/// One line of `/proc/net/dev`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Counters<'a> {
    name: &'a str,
    received: u64,
    sent: u64,
    errors: u64,
}

impl Interfaces {
    pub(super) fn new(roots: &Roots) -> Self {
        Self {
            devices: KeptFile::new(roots.proc.join("net/dev")),
            sys: roots.sys.join("class/net"),
            known: HashMap::new(),
            sampled: Millis::ZERO,
        }
    }

    /// All of them, by name; rates are since the call before.
    pub(super) fn sample(&mut self, buffer: &mut Vec<u8>, now: Millis) -> Vec<Interface> {
        let text = self.devices.read(buffer).map(|text| text.into_owned()).unwrap_or_default();
        let span = now.since(self.sampled);
        self.sampled = now;
        let mut before = std::mem::take(&mut self.known);
        let mut found = Vec::new();
        for counters in text.lines().filter_map(parse).take(INTERFACES_MAX) {
            let known = before.remove(counters.name);
            found.push(self.note(known, counters, span, buffer));
        }
        found.sort_unstable_by(|a, b| a.name.cmp(&b.name));
        found
    }

    fn note(
        &mut self,
        known: Option<Known>,
        counters: Counters<'_>,
        span: Millis,
        buffer: &mut Vec<u8>,
    ) -> Interface {
        let Counters { name, received, sent, errors } = counters;
        let mut known = known.unwrap_or_else(|| {
            let state = KeptFile::new(self.sys.join(name).join("operstate"));
            Known { state, received, sent }
        });
        // The loopback and tunnels are of state `unknown` while they are up. Without sysfs, traffic tells.
        let state = known.state.read(buffer);
        let up = state.map_or(received + sent > 0, |state| matches!(state.trim(), "up" | "unknown"));
        let interface = Interface {
            name: name.into(),
            up,
            received_bytes_per_s: per_second(known.received, received, span),
            sent_bytes_per_s: per_second(known.sent, sent, span),
            received_bytes_total: received,
            sent_bytes_total: sent,
            errors_total: errors,
        };
        (known.received, known.sent) = (received, sent);
        self.known.insert(name.into(), known);
        interface
    }
}

/// `name: bytes packets errs drop fifo frame compressed multicast bytes packets errs drop ...`; the two
/// lines of titles are none.
fn parse(line: &str) -> Option<Counters<'_>> {
    let (name, rest) = line.rsplit_once(':')?;
    let mut fields = rest.split_ascii_whitespace().map(|field| field.parse::<u64>().ok());
    let mut next = |skip| fields.nth(skip).flatten();
    let received = next(0)?;
    let receive_errors = next(1)?.saturating_add(next(0)?);
    let sent = next(4)?;
    let send_errors = next(1)?.saturating_add(next(0)?);
    let errors = receive_errors.saturating_add(send_errors);
    let name = name.trim();
    (!name.is_empty() && !name.contains('/')).then_some(Counters { name, received, sent, errors })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_found_in_their_columns() {
        let line = "  eth0: 74020985    3179    1    2    3     0          0         0   207498    1898    4    8    0     0       0          0";
        let expected = Counters { name: "eth0", received: 74_020_985, sent: 207_498, errors: 15 };
        assert_eq!(parse(line), Some(expected));
        let alias = "eth0:1:100 0 0 0 0 0 0 0 50 0 0 0 0 0 0 0";
        assert_eq!(parse(alias).map(|found| (found.name, found.received)), Some(("eth0:1", 100)));
    }

    #[test]
    fn titles_and_garbage_are_no_interfaces() {
        for line in
            ["Inter-|   Receive  |  Transmit", " face |bytes packets errs", "", ":", "a: b", "../x: 1 2 3"]
        {
            assert_eq!(parse(line), None, "{line}");
        }
    }
}
