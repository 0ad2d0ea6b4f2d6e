//! The certificate of the HTTP face: `http.crt` and `http.key` of the certificate directory.
//!
//! Reads these two files; a rustls configuration leaves: TLS 1.3 alone, without resumption. It asks clients for a
//! certificate of the mesh, which they need not have: one that is shown is judged as that of any peer. No key enters a
//! message.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum_server::tls_rustls::RustlsConfig;
use p2p_shared::error::Exit;
use p2p_shared::tls::{Trust, Verifier};
use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;
use rustls::version::TLS13;

use crate::program::StartError;

/// What a face on the network shows, and whom it believes.
#[derive(Clone, Debug)]
pub struct FaceCertificates {
    /// Where `http.crt` and `http.key` lie.
    pub directory: PathBuf,
    /// Whose certificates clients may show; `None` asks them for none.
    pub trust: Option<Arc<Trust>>,
}

impl From<&Path> for FaceCertificates {
    fn from(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), trust: None }
    }
}

impl FaceCertificates {
    /// The configuration with the files as they are now.
    pub(super) fn load(&self) -> Result<RustlsConfig, StartError> {
        read(self).map(|config| RustlsConfig::from_config(Arc::new(config)))
    }

    /// Puts the files as they are now in place of the older ones.
    pub(super) fn reload(&self, config: &RustlsConfig) -> Result<(), StartError> {
        config.reload_from_config(Arc::new(read(self)?));
        Ok(())
    }
}

fn read(certs: &FaceCertificates) -> Result<ServerConfig, StartError> {
    let (certificate, key) = (certs.directory.join("http.crt"), certs.directory.join("http.key"));
    let failed = |path: &Path, error: &dyn std::fmt::Display| {
        let hint = "issue the node's certificates again, or listen on 127.0.0.1";
        StartError::new(Exit::Config, format!("HTTP over TLS: {}: {error}: {hint}", path.display()))
    };
    let chain: Vec<_> = CertificateDer::pem_file_iter(&certificate)
        .and_then(Iterator::collect)
        .map_err(|error| failed(&certificate, &error))?;
    let private = PrivateKeyDer::from_pem_file(&key).map_err(|error| failed(&key, &error))?;
    let builder = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_protocol_versions(&[&TLS13])
        .map_err(|error| failed(&certificate, &error))?;
    let builder = match &certs.trust {
        Some(trust) => builder.with_client_cert_verifier(Arc::new(Verifier::of_face(Arc::clone(trust)))),
        None => builder.with_no_client_auth(),
    };
    let mut config =
        builder.with_single_cert(chain, private).map_err(|error| failed(&certificate, &error))?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
