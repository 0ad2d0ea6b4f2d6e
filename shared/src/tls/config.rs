//! rustls configurations for both ends of a connection of the mesh.
//!
//! Credentials and trust enter, a configuration leaves. TLS 1.3 alone; never resumption, tickets or early
//! data: with them a revoked peer comes back and the verifier is not asked.

use std::sync::Arc;

use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;
use rustls::{CipherSuite, ClientConfig, ConfigBuilder, ServerConfig, WantsVerifier};

use super::credentials::Credentials;
use super::trust::Trust;
use super::verifier::Verifier;

const NO_PROVIDER_GAP: &str = "aws-lc-rs has cipher suites and key exchanges for TLS 1.3";

/// How a node answers: it asks everybody for a certificate of `trust`'s mesh and speaks `alpn` alone.
pub fn server_config(credentials: &Credentials, trust: Arc<Trust>, alpn: &[u8]) -> ServerConfig {
    let builder: ConfigBuilder<ServerConfig, WantsVerifier> = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect(NO_PROVIDER_GAP);
    let mut config = builder
        .with_client_cert_verifier(Arc::new(Verifier::new(trust)))
        .with_cert_resolver(credentials.resolver());
    config.alpn_protocols = vec![alpn.to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    config
}

/// How a node or a console dials: it shows its own certificate and accepts nodes of `trust`'s mesh. Which
/// node answered is for the caller to compare afterwards.
pub fn client_config(credentials: &Credentials, trust: Arc<Trust>, alpn: &[u8]) -> ClientConfig {
    let builder: ConfigBuilder<ClientConfig, WantsVerifier> = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .expect(NO_PROVIDER_GAP);
    let mut config = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Verifier::new(trust)))
        .with_client_cert_resolver(credentials.resolver());
    config.alpn_protocols = vec![alpn.to_vec()];
    config.resumption = Resumption::disabled();
    config.enable_early_data = false;
    config.enable_sni = false;
    config
}

/// The default one, that prefers AES-128 with SHA-256: processors have instructions for it, while the SHA-384 of its
/// first choice was a twentieth of what a connection costs.
fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.sort_by_key(|suite| suite.suite() != CipherSuite::TLS13_AES_128_GCM_SHA256);
    Arc::new(provider)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suite_that_processors_have_instructions_for_comes_first() {
        let suites = &provider().cipher_suites;
        assert_eq!(suites[0].suite(), CipherSuite::TLS13_AES_128_GCM_SHA256);
        assert!(suites.len() > 1, "the others remain");
    }
}
