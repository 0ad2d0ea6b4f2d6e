//! `ca revoke`, `ca push`, `ca crl` and `ca issue --replace`: keys out of the mesh, and the word of it to the nodes.
//!
//! The list is on disk before anybody hears of it, and a node that cannot be reached changes nothing about it:
//! any other one will do, and `ca push` hands the same list over.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use clap::Args;
use futures::future::join_all;
use p2p_shared::error::Exit;
use p2p_shared::id::NodeName;
use p2p_shared::mesh::endpoint::ClientEndpoint;
use p2p_shared::mesh::link::Local;
use p2p_shared::mesh::{Mesh, Resolve, Target};
use p2p_shared::services::Services;
use p2p_shared::services::revocation::{Adopted, Verdict};
use p2p_shared::tls::{Credentials, RevokedReason, SignedRevoked};
use tokio::net::lookup_host;
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

use super::{CliError, now, open};
use crate::pki::{
    self, Authority, CRL_DAYS_DEFAULT, CRL_DER, CRL_PEM, CaCertificate, Endpoint, Kind, PkiError, REVOKED,
    Revocation, Revoked,
};

/// How long a node has to take a list; dialling included.
const PUSH_TIMEOUT: Duration = Duration::from_secs(10);
/// What to do about a node that is not reached.
const ANY_OTHER: &str = "any other node will do: ca.sh push HOST:PORT";
/// The longest that tools may use one CRL.
const CRL_DAYS_MAX: u64 = 398;

#[derive(Debug, Args)]
pub struct RevokeArgs {
    /// Name of the node or operator whose key is thrown out.
    name: NodeName,
    /// For people to read: unspecified, key-compromise, affiliation-changed, superseded,
    /// cessation-of-operation or privilege-withdrawn.
    #[arg(long, default_value = "unspecified", value_name = "REASON")]
    reason: RevokedReason,
    /// A node to hand the list to, which tells all the others; may be repeated.
    #[arg(long, value_name = "HOST:PORT")]
    push: Vec<Endpoint>,
}

#[derive(Debug, Args)]
pub struct PushArgs {
    /// A node of the mesh; one is enough.
    #[arg(required = true, value_name = "HOST:PORT")]
    to: Vec<Endpoint>,
}

#[derive(Debug, Args)]
pub struct CrlArgs {
    /// After so many days tools ask for a new one.
    #[arg(long, default_value_t = CRL_DAYS_DEFAULT, value_parser = clap::value_parser!(u64).range(1..=CRL_DAYS_MAX))]
    days: u64,
}

pub(super) fn revoke(dir: &Path, args: RevokeArgs) -> anyhow::Result<()> {
    pki::find(dir, &args.name)?;
    let authority = open(dir)?;
    let revoked = out(&authority, Revocation { name: args.name, reason: args.reason })?;
    if args.push.is_empty() {
        eprintln!("No node hears of it by itself: ca.sh push HOST:PORT, to any one of them but the revoked.");
        return Ok(());
    }
    send(&authority, &revoked.list, &args.push)
}

pub(super) fn push(dir: &Path, args: &PushArgs) -> anyhow::Result<()> {
    let list = CaCertificate::read(dir)?.revoked()?;
    let list =
        list.ok_or_else(|| CliError::new(Exit::Data, "nothing was ever revoked in this mesh".to_owned()))?;
    send(&open(dir)?, &list, &args.to)
}

fn send(authority: &Authority, list: &SignedRevoked, to: &[Endpoint]) -> anyhow::Result<()> {
    let courier = authority.courier(now())?;
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(push_all(&courier, list, to))
}

pub(super) fn crl(dir: &Path, args: &CrlArgs) -> anyhow::Result<()> {
    let crl = open(dir)?.write_crl(args.days, now())?;
    let (der, pem) = (dir.join(CRL_DER), dir.join(CRL_PEM));
    eprintln!(
        "Wrote {} and {}: {} certificates revoked, to be written anew before {}.",
        der.display(),
        pem.display(),
        crl.certificates,
        crl.next
    );
    Ok(())
}

/// Whose key has to go before a new one can be issued under `name`: nobody's if the name is free. A name that is
/// taken is refused unless its holder, of this kind, is to be replaced.
pub(super) fn replaced(
    dir: &Path,
    name: &NodeName,
    replace: Option<Kind>,
) -> Result<Option<NodeName>, PkiError> {
    match (pki::refuse_taken(dir, name), replace) {
        (Ok(()), _) => Ok(None),
        (Err(PkiError::NameTaken { kind, .. }), Some(asked)) if kind == asked => Ok(Some(name.clone())),
        (Err(PkiError::NameTaken { kind: found, .. }), Some(asked)) => {
            Err(PkiError::OtherKind { name: name.clone(), found, asked })
        }
        (Err(error), _) => Err(error),
    }
}

/// Revokes the key of a holder that is replaced.
pub(super) fn replace(authority: &Authority, replaced: Option<NodeName>) -> anyhow::Result<()> {
    if let Some(name) = replaced {
        out(authority, Revocation { name, reason: RevokedReason::Superseded })?;
        eprintln!("Nodes take the old key until they hear of it: ca.sh push HOST:PORT, to any one of them.");
    }
    Ok(())
}

fn out(authority: &Authority, revocation: Revocation) -> anyhow::Result<Revoked> {
    let revoked = authority.revoke(&revocation, now())?;
    let (kind, name, id, list) = (revoked.kind, &revocation.name, revoked.id.short(), &revoked.list.list);
    if revoked.before {
        eprintln!(
            "{kind} {name}, id {id}, is revoked already, since {}: the list stays as it is.",
            revoked.at
        );
    } else {
        let file = authority.certificate().directory().join(REVOKED);
        eprintln!("Revoked {kind} {name}, id {id} ({}).", revocation.reason);
        eprintln!("{} is list {} with {} keys.", file.display(), list.epoch, list.keys.len());
        // The mesh does not wait for a file that other tools read.
        if let Err(error) = authority.write_crl(CRL_DAYS_DEFAULT, now()) {
            eprintln!("{CRL_PEM} and {CRL_DER} are not written anew: {error}");
        }
    }
    Ok(revoked)
}

async fn push_all(courier: &Credentials, list: &SignedRevoked, to: &[Endpoint]) -> anyhow::Result<()> {
    // Side by side: whoever is out of reach does not hold up the others.
    let pushes = to.iter().map(|endpoint| async move {
        let pushed = timeout(PUSH_TIMEOUT, hand_over(courier, list, endpoint)).await;
        (endpoint, pushed.unwrap_or_else(|_| Err(format!("no answer in time; {ANY_OTHER}"))))
    });
    let mut failures = Vec::new();
    for (endpoint, pushed) in join_all(pushes).await {
        match pushed {
            Ok(said) => eprintln!("{endpoint}: {said}"),
            Err(why) => failures.push(format!("{endpoint}: {why}")),
        }
    }
    if failures.is_empty() {
        return Ok(());
    }
    let text = format!("the list is signed, and not everywhere handed over: {}", failures.join("; "));
    Err(CliError::new(Exit::Unavailable, text).into())
}

async fn hand_over(courier: &Credentials, list: &SignedRevoked, to: &Endpoint) -> Result<String, String> {
    let resolved = lookup_host(to.to_string()).await;
    let addresses = resolved.map_err(|error| format!("{error}; {ANY_OTHER}"))?.collect();
    let local = Local::new(courier.identity().mesh.clone());
    let endpoint =
        ClientEndpoint::new(courier, local, Handle::current()).map_err(|error| error.to_string())?;
    let mesh = Mesh::new(Whoever(addresses), endpoint.clone());
    let asked = mesh.node(&courier.identity().name).revocation().adopt(list.bytes.clone()).await;
    drop(mesh);
    let adopted = asked.map_err(|error| format!("{error}; {ANY_OTHER}"));
    endpoint.close().await;
    judged(&adopted?, list.list.epoch)
}

fn judged(adopted: &Adopted, ours: u64) -> Result<String, String> {
    let kept = if adopted.kept { "" } else { ", but its disk has not taken it yet" };
    match adopted.verdict {
        Verdict::Adopted => Ok(format!("took list {ours}, and tells the others{kept}")),
        Verdict::Known => Ok(format!("had list {ours} already{kept}")),
        Verdict::Older => Err(format!(
            "it has list {}, and this directory only {ours}: an old copy of the CA; work with the newest one",
            adopted.epoch
        )),
        Verdict::Fork => Err(format!(
            "it has another list {ours}: there are two copies of the CA; work with the one whose list it has"
        )),
        Verdict::Unknown => Err("it answers what this version does not know".to_owned()),
    }
}

/// Whoever answers at these addresses: its certificate shows that it is a node of the mesh.
struct Whoever(Vec<SocketAddr>);

impl Resolve for Whoever {
    async fn resolve(&self, _: &NodeName) -> Option<Target> {
        Some(Target { name: None, id: None, addresses: self.0.clone() })
    }
}
