//! Handshakes over real QUIC on loopback, at a fixed time: what each side is told.

use std::collections::HashSet;
use std::net::{Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{ConnectionError, Endpoint};
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, KeyPair};
use rustls::pki_types::{PrivatePkcs8KeyDer, UnixTime};
use rustls::time_provider::TimeProvider;
use rustls::{ClientConfig, ServerConfig};

use super::super::config::{client_config, server_config};
use super::super::credentials::Credentials;
use super::super::profile::identity;
use super::super::refusal::{Refusal, RefusalReason};
use super::super::testing::{NOW, TestCa, ca_key, mesh_key, node_params, operator_params};
use super::super::verifier::Verifier;

const ALPN: &[u8] = b"p2p-admin/1";

#[derive(Debug)]
struct FixedClock;

impl TimeProvider for FixedClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_millis(NOW.0)))
    }
}

fn credentials(ca: &TestCa, params: CertificateParams, key: &KeyPair) -> Credentials {
    let leaf = ca.leaf(key, params, |_| ());
    Credentials::from_parts(vec![leaf], &[ca.der()], key.serialized_der(), NOW).unwrap()
}

fn node(ca: &TestCa) -> Credentials {
    credentials(ca, node_params(), &mesh_key())
}

fn server_of(node: &Credentials, alpn: &[u8]) -> ServerConfig {
    let mut config = server_config(node, node.trust(), alpn);
    config.time_provider = Arc::new(FixedClock);
    config
}

fn client_of(who: &Credentials, alpn: &[u8]) -> ClientConfig {
    let mut config = client_config(who, who.trust(), alpn);
    config.time_provider = Arc::new(FixedClock);
    config
}

/// How the handshake ended for the node and for who dialled it.
struct Outcome {
    server: Result<quinn::Connection, ConnectionError>,
    client: Result<quinn::Connection, ConnectionError>,
}

async fn shake(server: ServerConfig, client: ClientConfig) -> Outcome {
    let loopback = SocketAddr::from((Ipv6Addr::LOCALHOST, 0));
    let server = quinn::ServerConfig::with_crypto(Arc::new(QuicServerConfig::try_from(server).unwrap()));
    let listening = Endpoint::server(server, loopback).unwrap();
    let dialling = Endpoint::client(loopback).unwrap();
    let client = quinn::ClientConfig::new(Arc::new(QuicClientConfig::try_from(client).unwrap()));
    let connecting = dialling.connect_with(client, listening.local_addr().unwrap(), "mesh").unwrap();
    let accept = async { listening.accept().await.unwrap().accept()?.await };
    let dial = async {
        // A client believes itself connected before the node has judged it: one round trip tells.
        let connection = connecting.await?;
        let opened = connection.open_bi().await;
        if let Ok((mut send, mut receive)) = opened {
            let _ = send.write_all(b"?").await;
            let _ = receive.read(&mut [0]).await;
        }
        connection.close_reason().map_or(Ok(connection), Err)
    };
    let answer = async {
        let connection: quinn::Connection = accept.await?;
        let (mut send, _receive) = connection.accept_bi().await?;
        let _ = send.write_all(b"!").await;
        Ok(connection)
    };
    let (server, client) = tokio::join!(answer, dial);
    Outcome { server, client }
}

/// The reason that a side reads from its own error or from the close that the other side sent.
fn reason<T>(result: Result<T, ConnectionError>) -> RefusalReason {
    match result {
        Ok(_) => panic!("the handshake went through"),
        Err(ConnectionError::TransportError(error)) => Refusal::from_close_text(&error.reason),
        Err(ConnectionError::ConnectionClosed(close)) => {
            Refusal::from_close_text(&String::from_utf8_lossy(&close.reason))
        }
        Err(other) => panic!("{other}"),
    }
}

async fn refused_on_both_sides(server: ServerConfig, client: ClientConfig, expected: RefusalReason) {
    let outcome = shake(server, client).await;
    assert_eq!(reason(outcome.server), expected);
    assert_eq!(reason(outcome.client), expected);
}

#[tokio::test]
async fn nodes_and_operators_of_a_mesh_connect() {
    let ca = TestCa::new();
    let operator = credentials(&ca, operator_params("admin"), &mesh_key());
    for dialler in [node(&ca), operator] {
        let outcome = shake(server_of(&node(&ca), ALPN), client_of(&dialler, ALPN)).await;
        assert!(outcome.client.is_ok(), "{:?}", outcome.client);
        let shown = outcome.server.unwrap().peer_identity().unwrap();
        let chain = shown.downcast::<Vec<rustls::pki_types::CertificateDer<'static>>>().unwrap();
        assert_eq!(&identity(&chain[0]).unwrap(), dialler.identity());
    }
}

#[tokio::test]
async fn both_sides_learn_why_the_node_refuses() {
    let ca = TestCa::new();
    let server = node(&ca);
    let revoked = node(&ca);
    server.trust().replace_revoked(HashSet::from([revoked.identity().id]));
    let client = client_of(&revoked, ALPN);
    refused_on_both_sides(server_of(&server, ALPN), client, RefusalReason::Revoked).await;

    let other_mesh = credentials(
        &ca,
        {
            let mut params = node_params();
            params.subject_alt_names = vec![super::super::testing::uri("spiffe://mesh-2/node/web-1")];
            params
        },
        &mesh_key(),
    );
    let mut client = client_config(&other_mesh, server.trust(), ALPN);
    client.time_provider = Arc::new(FixedClock);
    refused_on_both_sides(server_of(&server, ALPN), client, RefusalReason::WrongMesh).await;
}

#[tokio::test]
async fn both_sides_learn_why_the_dialler_refuses() {
    let ca = TestCa::new();
    let foreign = node(&TestCa::named("foreign"));
    let client = client_of(&node(&ca), ALPN);
    refused_on_both_sides(server_of(&foreign, ALPN), client, RefusalReason::WrongCa).await;
}

#[tokio::test]
async fn a_client_without_a_certificate_is_told_so() {
    let ca = TestCa::new();
    let server = node(&ca);
    let mut client =
        ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .unwrap()
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Verifier::new(server.trust())))
            .with_no_client_auth();
    client.time_provider = Arc::new(FixedClock);
    client.alpn_protocols = vec![ALPN.to_vec()];
    refused_on_both_sides(server_of(&server, ALPN), client, RefusalReason::NoCertificate).await;
}

#[tokio::test]
async fn another_major_version_is_told_so() {
    let ca = TestCa::new();
    let client = client_of(&node(&ca), b"p2p-admin/2");
    refused_on_both_sides(server_of(&node(&ca), ALPN), client, RefusalReason::WrongVersion).await;
}

#[tokio::test]
async fn an_operator_is_no_node_to_dial() {
    let ca = TestCa::new();
    let operator = credentials(&ca, operator_params("admin"), &mesh_key());
    let client = client_of(&node(&ca), ALPN);
    refused_on_both_sides(server_of(&operator, ALPN), client, RefusalReason::WrongPeer).await;
}

#[tokio::test]
async fn a_certificate_without_its_key_is_worth_nothing() {
    let ca = TestCa::new();
    let server = node(&ca);
    let stolen = ca.node(|_| ());
    let thief = mesh_key();
    let key =
        rustls::crypto::aws_lc_rs::sign::any_eddsa_type(&PrivatePkcs8KeyDer::from(thief.serialized_der()));
    let certified = rustls::sign::CertifiedKey::new(vec![stolen], key.unwrap());
    let mut client = client_of(&node(&ca), ALPN);
    client.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
    refused_on_both_sides(server_of(&server, ALPN), client, RefusalReason::BadSignature).await;
}

#[tokio::test]
async fn another_kind_of_key_signs_no_handshake() {
    let ca = TestCa::new();
    let key = ca_key();
    let leaf = ca.leaf(&key, node_params(), |leaf| {
        leaf.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ServerAuth, ExtendedKeyUsagePurpose::ClientAuth];
    });
    let signer = rustls::crypto::aws_lc_rs::sign::any_ecdsa_type(
        &PrivatePkcs8KeyDer::from(key.serialized_der()).into(),
    );
    let certified = rustls::sign::CertifiedKey::new(vec![leaf], signer.unwrap());
    let mut client = client_of(&node(&ca), ALPN);
    client.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(certified));
    let outcome = shake(server_of(&node(&ca), ALPN), client).await;
    assert!(outcome.server.is_err() && outcome.client.is_err());
}

#[test]
fn nothing_is_ever_resumed() {
    let ca = TestCa::new();
    let server = server_of(&node(&ca), ALPN);
    assert_eq!((server.send_tls13_tickets, server.max_early_data_size), (0, 0));
    assert!(!server.session_storage.can_cache() && !server.ticketer.enabled());
    assert!(!client_of(&node(&ca), ALPN).enable_early_data);
}
