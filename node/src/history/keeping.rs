//! What is kept of the busiest processes of a minute, as bytes.
//!
//! A version byte, the first and the last time, then JSON: a field that a later version adds takes its default
//! in what an earlier one wrote.

use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::services::monitor::Busiest;

/// The layout.
const VERSION: u8 = 1;
const HEAD_BYTES: usize = 1 + 8 + 8;

/// As it is stored; empty if there is nothing, or it cannot be written.
pub fn to_bytes(looks: &[Busiest]) -> Vec<u8> {
    let times = || looks.iter().map(|look| look.at.0);
    let (Some(first), Some(last)) = (times().min(), times().max()) else { return Vec::new() };
    let Ok(json) = codec::encode(&looks, Encoding::Json) else { return Vec::new() };
    [&[VERSION][..], &first.to_be_bytes(), &last.to_be_bytes(), &json].concat()
}

/// What was stored, if any of it may lie in `from..=to` (milliseconds since 1970).
pub fn from_bytes(bytes: &[u8], (from, to): (u64, u64)) -> Vec<Busiest> {
    let read = || {
        let (head, json) = bytes.split_at_checked(HEAD_BYTES)?;
        let first = u64::from_be_bytes(head[1..9].try_into().ok()?);
        let last = u64::from_be_bytes(head[9..].try_into().ok()?);
        let meant = head[0] == VERSION && first <= to && last >= from;
        meant.then(|| codec::decode(json, Encoding::Json).ok())?
    };
    read().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::monitor::BusyProcess;
    use p2p_shared::services::process::ProcessKey;
    use p2p_shared::time::UnixMillis;

    use super::*;

    #[test]
    fn looks_read_back_where_they_are_meant_and_strange_bytes_are_none() {
        let process = BusyProcess {
            key: ProcessKey { pid: 7, start_ticks: 9 },
            name: "stress".into(),
            user: "root".into(),
            cpu_ratio: 1.5,
            rss_bytes: 4_096,
        };
        let look = |at| Busiest { at: UnixMillis(at), span_ms: 10_000, processes: vec![process.clone()] };
        let looks = [look(10_000), look(20_000)];
        let bytes = to_bytes(&looks);
        assert_eq!(from_bytes(&bytes, (20_000, 30_000)), looks);
        assert!(from_bytes(&bytes, (20_001, 30_000)).is_empty() && from_bytes(&bytes, (0, 9_999)).is_empty());
        assert!(to_bytes(&[]).is_empty() && from_bytes(&[], (0, u64::MAX)).is_empty());
        assert!(from_bytes(&bytes[..bytes.len() - 1], (0, u64::MAX)).is_empty());
    }
}
