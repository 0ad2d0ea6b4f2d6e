//! The nodes to join through: does each address resolve, answer over UDP, and let this node in.
//!
//! Addresses and the node's credentials enter, what each address answered leaves. Each is dialled from a port
//! of its own, as far as the peer's verdict on our certificate and not a step farther: there is no hello, so
//! no connection of the running node is replaced. A peer that refuses notes it, as it does for every dial.

mod knock;

use std::net::SocketAddr;
use std::time::Duration;

use futures::future::join_all;
use p2p_shared::error::Exit;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::mesh::failure::{LinkError, RefusedBy};
use p2p_shared::tls::{Credentials, RefusalReason};
use tokio::net::lookup_host;
use tokio::time::timeout;

use super::finding::Finding;
use super::words::count;
pub use knock::Knocker;

const CHECK: &str = "peer";
/// How long a name may take to be resolved, and an address to answer.
const RESOLVE_MAX: Duration = Duration::from_secs(3);
/// See above.
pub const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Addresses of one name that are tried, and names in all.
const ADDRESSES_MAX: usize = 4;
const NAMES_MAX: usize = 64;

/// What came of one `HOST:PORT`.
#[derive(Clone, Debug, PartialEq)]
pub struct Reached {
    /// As the configuration has it.
    pub target: String,
    /// Each of its addresses with its answer, or why there is none.
    pub answers: Result<Vec<(SocketAddr, Answer)>, String>,
}

/// What an address answered.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A node of our mesh, which took our certificate.
    Accepted(Met),
    /// One side did not take the other, or the other end has no place.
    Turned(LinkError),
    /// Something speaks QUIC there; more cannot be told without a certificate of our own.
    Quic,
    /// Something speaks QUIC there, and the handshake does not get through.
    Stuck,
    /// The machine is there, and nothing listens.
    Nobody,
    /// The packet does not leave, or comes back.
    NoWay(String),
    /// Nothing came back.
    Silent,
}

/// Who answered.
#[derive(Clone, Debug, PartialEq)]
pub struct Met {
    /// Identity of its key.
    pub id: NodeId,
    /// Name in its certificate.
    pub name: NodeName,
    /// How long a packet takes there and back.
    pub round_trip: Duration,
}

/// What the judgement of addresses depends on besides them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// Our own identity.
    pub own: Option<NodeId>,
    /// Whether the configuration cannot be read by who looks.
    pub hidden: bool,
    /// Whether it is too wrong to say anything.
    pub blind: bool,
    /// Where this node is or would be reached.
    pub here: Vec<SocketAddr>,
    /// Whether this node runs on this machine.
    pub runs_here: bool,
    /// Others that it sees alive, if it says so.
    pub members_alive: Option<u32>,
    /// Peers that are remembered, if they could be counted.
    pub remembered: Option<usize>,
}

/// Tries all of them side by side.
pub(super) async fn all(targets: &[String], credentials: Option<&Credentials>) -> Vec<Reached> {
    let knocker = Knocker::new(credentials);
    let reached = join_all(targets.iter().take(NAMES_MAX).map(|target| one(&knocker, target))).await;
    knocker.close().await;
    reached
}

async fn one(knocker: &Knocker, target: &str) -> Reached {
    let resolved = match timeout(RESOLVE_MAX, lookup_host(target)).await {
        Ok(Ok(addresses)) => Ok(addresses.take(ADDRESSES_MAX).collect::<Vec<_>>()),
        Ok(Err(error)) => Err(error.to_string()),
        Err(_) => Err(format!("the name server does not answer within {} s", RESOLVE_MAX.as_secs())),
    };
    let answers = match resolved {
        Ok(addresses) => {
            let knock = |address| async move { (address, knocker.knock(address).await) };
            Ok(join_all(addresses.into_iter().map(knock)).await)
        }
        Err(error) => Err(error),
    };
    Reached { target: target.to_owned(), answers }
}

impl Answer {
    /// The better it is, the more it says about the target.
    const fn rank(&self) -> u8 {
        match self {
            Self::Accepted(_) => 6,
            Self::Turned(_) => 5,
            Self::Quic => 4,
            Self::Stuck => 3,
            Self::Nobody => 2,
            Self::NoWay(_) => 1,
            Self::Silent => 0,
        }
    }
}

/// What is to be said of the peers.
pub fn judge(reached: &[Reached], around: &Around) -> Vec<Finding> {
    if reached.is_empty() {
        return vec![judge_alone(around)];
    }
    let is_peer = |answer: &Answer| matches!(answer, Answer::Accepted(met) if Some(met.id) != around.own);
    let answers = |target: &Reached| target.answers.iter().flatten().any(|(_, answer)| is_peer(answer));
    // One that answers is enough to join; then the others are not what keeps this node out.
    let joined = reached.iter().any(answers) || around.members_alive.is_some_and(|members| members > 0);
    let mut findings: Vec<Finding> = reached.iter().map(|target| judge_target(target, around)).collect();
    if joined {
        for finding in &mut findings {
            finding.soften();
        }
    } else if findings.iter().all(|finding| finding.action.is_none()) {
        let found = "every address leads back to this node itself: it joins nobody";
        findings.push(Finding::warn(CHECK, found, "add the HOST:PORT of another node to `bootstrap`"));
    }
    findings
}

fn judge_alone(around: &Around) -> Finding {
    match (around.members_alive, around.remembered) {
        _ if around.blind => Finding::warn(
            CHECK,
            "whom this node joins through is not known: the configuration is wrong",
            "mend the configuration first",
        ),
        _ if around.hidden => Finding::warn(
            CHECK,
            "whom this node joins through is not to be read by this user",
            "sudo p2p-node doctor",
        ),
        (Some(members), _) if members > 0 => Finding::ok(
            CHECK,
            format!("no bootstrap address; connected with {} all the same", count(members, "member")),
        ),
        (_, Some(remembered)) if remembered > 0 => Finding::ok(
            CHECK,
            format!("no bootstrap address; {} remembered", count(remembered as u64, "peer")),
        ),
        (None, None) => Finding::warn(
            CHECK,
            "no bootstrap address; whether peers are remembered cannot be told here",
            "give --bootstrap HOST:PORT, or `bootstrap` in node.toml, of any other node",
        ),
        _ => Finding::warn(
            CHECK,
            "no bootstrap address and no remembered peer: this node is alone until another one joins through it",
            "give --bootstrap HOST:PORT, or `bootstrap` in node.toml, of any other node",
        ),
    }
}

fn judge_target(reached: &Reached, around: &Around) -> Finding {
    let target = &reached.target;
    let fail = |found: String, action: String| {
        Finding::fail(CHECK, Exit::Unavailable, format!("{target}: {found}"), action)
    };
    let answers = match &reached.answers {
        Ok(answers) => answers,
        Err(error) => {
            return fail(
                format!("the name is not resolved: {error}"),
                "check the name, and /etc/resolv.conf".into(),
            );
        }
    };
    let Some((address, answer)) = answers.iter().max_by_key(|(_, answer)| answer.rank()) else {
        return fail("the name has no address".into(), "check the name".into());
    };
    let port = address.port();
    match answer {
        Answer::Nobody | Answer::Silent if around.here.contains(address) && !around.runs_here => {
            Finding::ok(CHECK, format!("{target}: this node's own address, where it does not run now"))
        }
        Answer::Accepted(met) => judge_met(target, met, around),
        Answer::Turned(error) => judge_turned(target, error),
        Answer::Quic => Finding::warn(
            CHECK,
            format!("{target}: answers over UDP; who it is cannot be told without a certificate"),
            "mend the certificate first",
        ),
        Answer::Stuck => fail(
            "answers over UDP, and the handshake does not get through".into(),
            format!("look for a path that drops large packets: `ping -M do -s 1200 {}`", address.ip()),
        ),
        Answer::Nobody => fail(
            format!("nothing listens on UDP {port} there, or a firewall rejects it"),
            "start p2p-node there (`p2p-node doctor` there says why it does not run), or check the port"
                .into(),
        ),
        Answer::NoWay(error) => fail(
            format!("no way there: {error}"),
            format!("check `ip route get {}`, and firewalls", address.ip()),
        ),
        Answer::Silent => fail(
            format!("no answer over UDP within {} s", ANSWER_MAX.as_secs()),
            format!("open UDP {port} in its firewall and those between, or start p2p-node there"),
        ),
    }
}

fn judge_met(target: &str, met: &Met, around: &Around) -> Finding {
    let Met { id, name, round_trip } = met;
    let ms = round_trip.as_secs_f64() * 1_000.0;
    if Some(*id) != around.own {
        return Finding::ok(
            CHECK,
            format!("{target}: {name} answers in {ms:.1} ms and takes our certificate"),
        );
    }
    if around.runs_here {
        return Finding::ok(CHECK, format!("{target}: leads back to this node itself"));
    }
    Finding::warn(
        CHECK,
        format!("{target}: another machine runs with the certificate and key of this node ({name})"),
        format!(
            "stop one of the two, and give it a name and key of its own: p2p-ca issue node NAME (not {name})"
        ),
    )
}

fn judge_turned(target: &str, error: &LinkError) -> Finding {
    let (found, action) = match error {
        LinkError::Refused { by: RefusedBy::Us, reason: RefusalReason::WrongCa, .. } => (
            "the certificate there is of another mesh".to_owned(),
            "check the address; if it is right, issue both nodes' certificates with the same CA".to_owned(),
        ),
        LinkError::Refused { by: RefusedBy::Us, reason, detail } => {
            (format!("its certificate is not good: {detail}"), format!("there: {}", reason.advice()))
        }
        LinkError::Refused { by: RefusedBy::Peer, reason: RefusalReason::WrongVersion, .. } => (
            "something else than p2p-node of this version speaks QUIC there".to_owned(),
            "check the port, and upgrade the older of the two".to_owned(),
        ),
        LinkError::Refused { by: RefusedBy::Peer, reason, .. } => {
            (format!("it refuses our certificate: {reason}"), reason.advice().to_owned())
        }
        other => {
            (other.to_string(), "try again; its log says more: `journalctl -u p2p-node` there".to_owned())
        }
    };
    Finding::fail(CHECK, Exit::Unavailable, format!("{target}: {found}"), action)
}

#[cfg(test)]
mod tests;
