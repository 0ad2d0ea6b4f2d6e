//! The addresses that the mesh is told: can those who are meant to join use them.

use std::net::{IpAddr, SocketAddr};

use super::finding::Finding;
use super::plan::Plan;
use crate::host::machine;

const CHECK: &str = "addresses";
/// Most that are named in a line.
const NAMED_MAX: usize = 4;

/// What this node tells, and whom it joins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Addresses {
    /// What the mesh is told.
    pub own: Vec<IpAddr>,
    /// Literal addresses of the nodes it joins through; names are not looked at here.
    pub others: Vec<IpAddr>,
    /// Where they come from.
    pub source: Source,
}

/// Where the own addresses come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// `advertise`.
    Advertise,
    /// `--host`, `NODE_HOST` or `host`.
    Host,
    /// The machine.
    #[default]
    Interfaces,
}

/// From where an address can be reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    Machine,
    Site,
    World,
}

impl Addresses {
    pub(super) fn look(plan: &Plan) -> Self {
        let listen = plan.quic.map(|address| address.ip()).filter(|ip| !ip.is_unspecified());
        let (own, source) = match (plan.advertise.is_empty(), listen) {
            (false, _) => (plan.advertise.clone(), Source::Advertise),
            (true, Some(ip)) => (vec![ip], Source::Host),
            (true, None) => (machine::addresses(), Source::Interfaces),
        };
        let literal = |text: &String| text.parse::<SocketAddr>().ok().map(|address| address.ip());
        let others = plan.bootstrap.iter().filter_map(literal).collect();
        Self { own, others, source }
    }

    /// Where this node is or would be dialled.
    pub(super) fn with_port(&self, quic: Option<SocketAddr>) -> Vec<SocketAddr> {
        let port = quic.map(|quic| quic.port());
        port.into_iter().flat_map(|port| self.own.iter().map(move |&ip| (ip, port).into())).collect()
    }
}

fn reach(ip: &IpAddr) -> Reach {
    match ip.to_canonical() {
        ip if ip.is_loopback() => Reach::Machine,
        IpAddr::V4(ip) if ip.is_private() || ip.is_link_local() || is_shared(ip.octets()) => Reach::Site,
        IpAddr::V6(ip) if ip.is_unique_local() || ip.is_unicast_link_local() => Reach::Site,
        _ => Reach::World,
    }
}

/// 100.64.0.0/10, behind a carrier's NAT.
const fn is_shared([first, second, ..]: [u8; 4]) -> bool {
    first == 100 && second & 0xc0 == 64
}

/// What is to be said of them.
pub fn judge(addresses: &Addresses) -> Option<Finding> {
    let own = addresses.own.iter().map(reach).max()?;
    let named: Vec<String> = addresses.own.iter().take(NAMED_MAX).map(ToString::to_string).collect();
    let more = addresses.own.len().saturating_sub(NAMED_MAX);
    let mut text = named.join(", ");
    if more > 0 {
        text.push_str(&format!(" and {more} more"));
    }
    let source = match addresses.source {
        Source::Advertise => "advertise",
        Source::Host => "the address to listen on",
        Source::Interfaces => "the interfaces",
    };
    let text = format!("{text} (from {source})");
    let farthest = addresses.others.iter().map(reach).max();
    let advice = match addresses.source {
        Source::Host => {
            "listen on all addresses (no --host, NODE_HOST or `host`), or on one that others reach"
        }
        Source::Advertise | Source::Interfaces => {
            "set `advertise` in node.toml to the address that the others reach this machine at"
        }
    };
    Some(match (own, farthest) {
        (Reach::Machine, Some(Reach::Machine)) => Finding::ok(CHECK, text),
        (Reach::Machine, _) => {
            Finding::warn(CHECK, format!("{text}: no other machine can dial this node"), advice)
        }
        (Reach::Site, Some(Reach::World)) => Finding::warn(
            CHECK,
            format!("{text}: private, and it joins through a public address: who is there may not dial back"),
            advice,
        ),
        _ => Finding::ok(CHECK, text),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    #[test]
    fn an_address_that_others_cannot_use_is_told() {
        for (own, others, verdict) in [
            (vec!["10.0.0.1"], vec!["10.0.0.2"], Verdict::Ok),
            (vec!["127.0.0.1"], vec!["10.0.0.2"], Verdict::Warn),
            (vec!["127.0.0.1", "::1"], vec![], Verdict::Warn),
            (vec!["127.0.0.1"], vec!["127.0.0.1"], Verdict::Ok),
            (vec!["192.168.1.5"], vec!["8.8.8.8"], Verdict::Warn),
            (vec!["100.64.3.4", "fd00::1"], vec!["2600::1"], Verdict::Warn),
            (vec!["192.168.1.5", "2600::2"], vec!["8.8.8.8"], Verdict::Ok),
            (vec!["192.168.1.5"], vec![], Verdict::Ok),
        ] {
            let parse = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
            let addresses =
                Addresses { own: parse(&own), others: parse(&others), source: Source::Interfaces };
            let finding = judge(&addresses).unwrap();
            assert_eq!(finding.verdict, verdict, "{finding:?}");
        }
        assert_eq!(judge(&Addresses::default()), None);
    }
}
