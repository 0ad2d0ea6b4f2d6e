//! Who is refused, and that both sides can say why.

use std::collections::HashSet;
use std::sync::Arc;

use p2p_shared::access::Role;
use p2p_shared::mesh::failure::{LinkError, RefusedBy};
use p2p_shared::mesh::link::{Expected, Link, Local};
use p2p_shared::time::{Millis, UnixMillis};
use p2p_shared::tls::{Credentials, RefusalReason, client_config};
use quinn::crypto::rustls::QuicClientConfig;

use crate::ca::{DAY, TestCa, now};
use crate::echo::{Server, client_endpoint, dial, dial_as, soon};

/// What the dialler is told, and what the server notes.
async fn reasons(server: &Server, dialled: Result<Link, LinkError>) -> (RefusalReason, RefusalReason) {
    let told = dialled.expect_err("refused").refusal().expect("a refusal");
    let noted = soon("the server's record", async {
        loop {
            if let Some(entry) = server.transport.refused().first() {
                return entry.reason.clone();
            }
            tokio::task::yield_now().await;
        }
    })
    .await;
    let noted = RefusalReason::ALL.into_iter().find(|reason| reason.as_str() == noted).unwrap();
    (told, noted)
}

async fn both(server: &Server, credentials: &Credentials) -> (RefusalReason, RefusalReason) {
    let dialled = soon("dialling", dial(credentials, server.address)).await;
    reasons(server, dialled).await
}

#[tokio::test]
async fn a_certificate_of_another_ca_is_refused_on_both_sides() {
    let (ours, theirs) = (TestCa::new("home"), TestCa::new("home"));
    let server = Server::start(&ours.node("web-1"));
    let stranger = theirs.operator("eve", Role::Admin);
    assert_eq!(both(&server, &stranger).await, (RefusalReason::WrongCa, RefusalReason::WrongCa));
}

#[tokio::test]
async fn an_expired_certificate_is_refused_by_name() {
    let ca = TestCa::since("home", UnixMillis(now().0 - 100 * DAY.0));
    let server = Server::start(&ca.node("web-1"));
    let old = ca.operator_at("ann", Role::Admin, UnixMillis(now().0 - 40 * DAY.0));
    assert_eq!(both(&server, &old).await, (RefusalReason::Expired, RefusalReason::Expired));
}

#[tokio::test]
async fn a_certificate_of_the_future_is_refused_by_name() {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    let early = ca.operator_at("ann", Role::Admin, now().plus(Millis(2 * DAY.0)));
    assert_eq!(both(&server, &early).await, (RefusalReason::NotYetValid, RefusalReason::NotYetValid));
}

#[tokio::test]
async fn a_revoked_key_is_refused_by_name() {
    let ca = TestCa::new("home");
    let node = ca.node("web-1");
    let thief = ca.operator("ann", Role::Admin);
    node.trust().replace_revoked(HashSet::from([thief.identity().id]));
    let server = Server::start(&node);
    assert_eq!(both(&server, &thief).await, (RefusalReason::Revoked, RefusalReason::Revoked));
}

#[tokio::test]
async fn a_revoked_peer_loses_its_connection() {
    let ca = TestCa::new("home");
    let node = ca.node("web-1");
    let server = Server::start(&node);
    let thief = ca.operator("ann", Role::Admin);
    let link = dial(&thief, server.address).await.unwrap();
    node.trust().replace_revoked(HashSet::from([thief.identity().id]));
    assert!(server.transport.close_revoked().is_empty(), "an operator needs no last word");
    let error = LinkError::from(soon("the close", link.connection().closed()).await);
    assert_eq!(error.refusal(), Some(RefusalReason::Revoked));
}

#[tokio::test]
async fn a_hello_of_another_mesh_is_refused_by_name() {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    let confused = Local::new("work".parse().unwrap());
    let dialled = dial_as(&ca.operator("ann", Role::Admin), server.address, &confused).await;
    assert_eq!(reasons(&server, dialled).await, (RefusalReason::WrongMesh, RefusalReason::WrongMesh));
}

async fn dial_with(server: &Server, tls: rustls::ClientConfig) -> Result<Link, LinkError> {
    let config = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(tls).unwrap()));
    let local = Local::new("home".parse().unwrap());
    let endpoint = client_endpoint();
    soon("dialling", Link::dial(&endpoint, config, server.address, &Expected::default(), &local)).await
}

#[tokio::test]
async fn another_major_version_is_refused_by_name() {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    let operator = ca.operator("ann", Role::Admin);
    let tls = client_config(&operator, operator.trust(), b"p2p-admin/2");
    let dialled = dial_with(&server, tls).await;
    assert_eq!(reasons(&server, dialled).await, (RefusalReason::WrongVersion, RefusalReason::WrongVersion));
}

#[tokio::test]
async fn nobody_comes_in_without_a_certificate() {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    let operator = ca.operator("ann", Role::Admin);
    let mut tls = client_config(&operator, operator.trust(), p2p_shared::rpc::frame::ALPN);
    tls.client_auth_cert_resolver = Arc::new(Nobody);
    let dialled = dial_with(&server, tls).await;
    let expected = (RefusalReason::NoCertificate, RefusalReason::NoCertificate);
    assert_eq!(reasons(&server, dialled).await, expected);
}

#[tokio::test]
async fn a_dialler_refuses_whom_it_did_not_mean() {
    let ca = TestCa::new("home");
    let server = Server::start(&ca.node("web-1"));
    let operator = ca.operator("ann", Role::Admin);
    let expected = Expected { name: Some("web-2".parse().unwrap()), id: None };
    let config = p2p_shared::mesh::endpoint::client_config(&operator, operator.trust());
    let local = Local::new("home".parse().unwrap());
    let dialled = Link::dial(&client_endpoint(), config, server.address, &expected, &local).await;
    let Err(LinkError::Refused { by, reason, .. }) = dialled else { panic!("{dialled:?}") };
    assert_eq!((by, reason), (RefusedBy::Us, RefusalReason::WrongPeer));
}

/// Has no certificate to show.
#[derive(Debug)]
struct Nobody;

impl rustls::client::ResolvesClientCert for Nobody {
    fn resolve(&self, _: &[&[u8]], _: &[rustls::SignatureScheme]) -> Option<Arc<rustls::sign::CertifiedKey>> {
        None
    }

    fn has_certs(&self) -> bool {
        false
    }
}
