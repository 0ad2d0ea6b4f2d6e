//! The certificates: do they load as at a start, and for how long are they good.
//!
//! A directory enters, dates or the node's own complaint leave. Keys are read and forgotten; nothing of one is
//! kept or said.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use p2p_shared::error::Exit;
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::{Credentials, CredentialsError, CredentialsProblem, certificates_file};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::version::TLS13;
use x509_parser::prelude::{FromDer, X509Certificate};

use super::Looked;
use super::finding::Finding;
use super::plan::Plan;
use super::words::{span, utc};

const CHECK: &str = "certificate";
const HTTP_CHECK: &str = "http certificate";
/// One that ends sooner is to be renewed, unless its whole life is short: then in the last third of it.
const RENEW_BEFORE: Millis = Millis::from_secs(14 * 86_400);

/// What the directory holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFacts {
    /// Which.
    pub directory: PathBuf,
    /// The node's certificate, or the complaint that a start would end with.
    pub node: Result<Leaf, Complaint>,
    /// When the node's certificate begins, also if it does not load.
    pub begins: Option<UnixMillis>,
    /// The certificate of the HTTP face; `None` where none is needed.
    pub http: Option<Result<Leaf, Complaint>>,
}

/// A certificate that loads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    /// Whose it is.
    pub holder: String,
    /// The first moment it is good for.
    pub from: UnixMillis,
    /// The last one.
    pub until: UnixMillis,
}

/// Why one does not load.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Complaint {
    /// How the node would end.
    pub exit: Exit,
    /// What it would say.
    pub message: String,
    /// What it would say is to be done, if it knows.
    pub action: Option<String>,
    /// Whether only the system forbids to look.
    pub hidden: bool,
}

impl CertificateFacts {
    /// Reads the directory; `http` is where the HTTP face listens.
    pub fn look(directory: &Path, http: Option<SocketAddr>) -> Self {
        let chain = certificates_file(&directory.join("node.crt")).ok();
        let dates = chain.as_ref().and_then(|chain| dates(chain.first()?));
        let node =
            Credentials::load_node(directory, crate::clock::wall()).map_err(|error| Complaint::of(&error));
        let node = node.map(|credentials| {
            let identity = credentials.identity();
            let from = dates.map_or(UnixMillis(0), |(from, _)| from);
            Leaf {
                holder: format!("{} of mesh {}", identity.name, identity.mesh),
                from,
                until: identity.not_after,
            }
        });
        let needs_http = http.is_some_and(|http| !http.ip().to_canonical().is_loopback());
        Self {
            directory: directory.to_owned(),
            node,
            begins: dates.map(|(from, _)| from),
            http: needs_http.then(|| http_leaf(directory)),
        }
    }
}

impl Complaint {
    fn of(error: &CredentialsError) -> Self {
        let hidden = matches!(&error.problem, CredentialsProblem::Unreadable(source)
            if source.kind() == std::io::ErrorKind::PermissionDenied);
        let problem = error.problem.to_string();
        let (problem, action) = match split(&error.problem).and_then(|mark| problem.rsplit_once(mark)) {
            Some((problem, action)) => (problem, Some(action.to_owned())),
            None => (problem.as_str(), None),
        };
        let message = format!("{}: {problem}", error.file.display());
        Self { exit: error.exit(), message, action, hidden }
    }
}

/// What stands before the advice in the text of a problem; `None` if it gives none.
const fn split(problem: &CredentialsProblem) -> Option<&'static str> {
    match problem {
        CredentialsProblem::Missing | CredentialsProblem::Unreadable(_) | CredentialsProblem::Refused(_) => {
            Some("; ")
        }
        CredentialsProblem::OthersCanRead { .. }
        | CredentialsProblem::NotACertificate
        | CredentialsProblem::ForeignSection(_)
        | CredentialsProblem::NotAKey
        | CredentialsProblem::KeyType
        | CredentialsProblem::KeyMismatch => Some(": "),
        _ => None,
    }
}

/// The credentials to dial with: also those that have ended, so that the other side can say so.
pub(super) fn for_dialling(directory: &Path) -> Option<Credentials> {
    let now = crate::clock::wall();
    Credentials::load_node(directory, now).ok().or_else(|| {
        let chain = certificates_file(&directory.join("node.crt")).ok()?;
        let (from, until) = dates(chain.first()?)?;
        Credentials::load_node(directory, now.clamp(from, until.max(from))).ok()
    })
}

fn dates(certificate: &CertificateDer<'_>) -> Option<(UnixMillis, UnixMillis)> {
    let (_, parsed) = X509Certificate::from_der(certificate).ok()?;
    let at = |seconds: i64| Some(UnixMillis(u64::try_from(seconds).ok()?.checked_mul(1_000)?));
    let validity = parsed.validity();
    Some((at(validity.not_before.timestamp())?, at(validity.not_after.timestamp())?))
}

fn http_leaf(directory: &Path) -> Result<Leaf, Complaint> {
    let (certificate, key) = (directory.join("http.crt"), directory.join("http.key"));
    let failed = |path: &Path, error: &dyn std::fmt::Display| Complaint {
        exit: Exit::Config,
        message: format!("{}: {error}", path.display()),
        action: None,
        hidden: false,
    };
    let chain = certificates_file(&certificate).map_err(|error| Complaint::of(&error))?;
    if let Ok(metadata) = fs::metadata(&key)
        && metadata.permissions().mode() & 0o077 != 0
    {
        let action = Some(format!("chmod 600 {}", key.display()));
        return Err(Complaint { action, ..failed(&key, &"others can read this key") });
    }
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| failed(&key, &error))?;
    let (from, until) = dates(&chain[0]).ok_or_else(|| failed(&certificate, &"it is no certificate"))?;
    ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .and_then(|config| config.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| failed(&key, &error))?;
    Ok(Leaf { holder: "browsers and scripts".into(), from, until })
}

/// What is to be said of the certificates.
pub fn judge(plan: &Plan, looked: &Looked<CertificateFacts>, now: UnixMillis) -> Vec<Finding> {
    let facts = match looked {
        Looked::At(facts) => facts,
        Looked::Nowhere => {
            let found = "none is known here";
            return vec![Finding::fail(
                CHECK,
                Exit::Config,
                found,
                "copy the node's bundle here, or give --certs DIR",
            )];
        }
        Looked::Hung => {
            return vec![Finding::fail(CHECK, Exit::Config, "the disk does not answer", "look at `dmesg`")];
        }
    };
    let renew = match &plan.name {
        Some(name) => format!("p2p-ca renew {name} (where the CA is), and copy the new bundle here"),
        None => "p2p-ca renew NAME (where the CA is), and copy the new bundle here".into(),
    };
    let path = |file: &str| facts.directory.join(file).display().to_string();
    let mut findings = vec![judge_leaf((CHECK, &path("node.crt")), &facts.node, plan, (&renew, now))];
    if let Some(http) = &facts.http {
        findings.push(judge_leaf((HTTP_CHECK, &path("http.crt")), http, plan, (&renew, now)));
    }
    findings
}

fn judge_leaf(
    (check, file): (&'static str, &str),
    leaf: &Result<Leaf, Complaint>,
    plan: &Plan,
    (renew, now): (&str, UnixMillis),
) -> Finding {
    let Leaf { holder, from, until } = match leaf {
        Ok(leaf) => leaf,
        Err(complaint) if complaint.hidden && plan.service && plan.uid != 0 => {
            return Finding::warn(check, &complaint.message, "sudo p2p-node doctor");
        }
        Err(complaint) => {
            let action = complaint.action.as_deref().unwrap_or(renew);
            return Finding::fail(check, complaint.exit, &complaint.message, action);
        }
    };
    if now > *until {
        let found = format!("{file}: it ended at {}", utc(*until));
        return Finding::fail(check, Exit::Config, found, renew);
    }
    let left = until.since(now);
    let found = format!("{file}: {holder}, {} left (until {})", span(left), utc(*until));
    let limit = RENEW_BEFORE.min(Millis(until.since(*from).0 / 3));
    if left < limit { Finding::warn(check, found, renew) } else { Finding::ok(check, found) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Verdict;

    const NOW: UnixMillis = UnixMillis(1_795_404_123_000);
    const DAY: u64 = 86_400_000;

    fn leaf(life_days: u64, left_days: u64) -> Result<Leaf, Complaint> {
        let until = UnixMillis(NOW.0 + left_days * DAY);
        Ok(Leaf { holder: "web-1 of mesh home".into(), from: UnixMillis(until.0 - life_days * DAY), until })
    }

    fn complaint(message: &str, hidden: bool) -> Result<Leaf, Complaint> {
        Err(Complaint { exit: Exit::Config, message: message.into(), action: None, hidden })
    }

    fn facts(node: Result<Leaf, Complaint>, http: Option<Result<Leaf, Complaint>>) -> CertificateFacts {
        CertificateFacts { directory: "/pki".into(), node, begins: None, http }
    }

    fn verdict(plan: &Plan, node: Result<Leaf, Complaint>) -> Verdict {
        judge(plan, &Looked::At(facts(node, None)), NOW)[0].verdict
    }

    #[test]
    fn the_end_is_told_in_time_for_long_and_short_lives() {
        let plan = Plan { name: Some("web-1".parse().unwrap()), ..Plan::default() };
        for (life, left, expected) in [
            (90, 83, Verdict::Ok),
            (90, 15, Verdict::Ok),
            (90, 13, Verdict::Warn),
            (30, 11, Verdict::Ok),
            (30, 9, Verdict::Warn),
            (3, 2, Verdict::Ok),
        ] {
            assert_eq!(verdict(&plan, leaf(life, left)), expected, "{life} {left}");
        }
        let finding = judge(&plan, &Looked::At(facts(leaf(90, 5), None)), NOW).remove(0);
        assert!(finding.found.contains("5 days left"), "{finding:?}");
        assert!(finding.action.unwrap().contains("renew web-1"));
    }

    #[test]
    fn what_a_start_would_complain_of_is_a_failure_with_its_step() {
        let pki = tempfile::tempdir().unwrap();
        let facts = CertificateFacts::look(pki.path(), Some("0.0.0.0:8000".parse().unwrap()));
        let findings = judge(&Plan::default(), &Looked::At(facts), NOW);
        for finding in &findings {
            assert_eq!(finding.verdict, Verdict::Fail(Exit::Config));
            assert!(finding.found.ends_with(".crt: there is no such file"), "{finding:?}");
            assert!(finding.action.as_ref().unwrap().starts_with("`ca.sh issue` makes it"), "{finding:?}");
        }
        assert_eq!(findings.len(), 2);
        let expired = complaint("/pki/node.crt: expired", false);
        let finding = judge(&Plan::default(), &Looked::At(self::facts(expired, None)), NOW).remove(0);
        assert!(finding.action.unwrap().contains("renew NAME"));
        assert_eq!(judge(&Plan::default(), &Looked::Nowhere, NOW)[0].verdict, Verdict::Fail(Exit::Config));
        assert_eq!(judge(&Plan::default(), &Looked::Hung, NOW)[0].verdict, Verdict::Fail(Exit::Config));
    }

    #[test]
    fn what_an_ordinary_user_may_not_read_of_the_service_is_a_warning() {
        let plan = Plan { service: true, uid: 1_000, ..Plan::default() };
        assert_eq!(verdict(&plan, complaint("denied", true)), Verdict::Warn);
        assert_eq!(verdict(&Plan::default(), complaint("denied", true)), Verdict::Fail(Exit::Config));
    }

    #[test]
    fn the_http_certificate_counts_where_it_is_needed() {
        let ended = Ok(Leaf { holder: "x".into(), from: UnixMillis(0), until: UnixMillis(NOW.0 - DAY) });
        let findings = judge(&Plan::default(), &Looked::At(facts(leaf(90, 80), Some(ended))), NOW);
        assert_eq!(findings[0].verdict, Verdict::Ok);
        assert_eq!((findings[1].check, findings[1].verdict), (HTTP_CHECK, Verdict::Fail(Exit::Config)));
    }
}
