//! One attempt to tell a receiver by HTTP: looked up, judged, connected, sent, answered or given up.
//!
//! One request a connection, no redirect, no proxy, no cookie, a limit on time and on what is read. Nothing of
//! the answer but its status and `Retry-After` is looked at.

use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::http::header::{CONTENT_TYPE, HOST, RETRY_AFTER, USER_AGENT};
use axum::http::{Request, Response, StatusCode, Uri};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use p2p_shared::time::Millis;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::core::notice::Message;
use super::core::queue::Outcome;
use super::receiver::Webhook;
use super::sign::timestamp_s;
use super::target::{self, TargetError};
use crate::clock;

/// Until it is connected, with TLS.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Until it has answered after that.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// The bundle of certificates that the system believes.
const SYSTEM_CA_FILES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/ca-bundle.pem"];

/// Why an attempt failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum WebhookError {
    /// There is nowhere to go.
    #[error(transparent)]
    Target(#[from] TargetError),
    /// The URL.
    #[error("{0} is no http or https URL with a host")]
    Url(Uri),
    /// The file of certificates.
    #[error("{0}")]
    Certificates(String),
    /// Nobody is there.
    #[error("cannot connect to {host}: {source}")]
    Connect {
        /// Where.
        host: String,
        /// What the system or TLS said.
        source: std::io::Error,
    },
    /// It was cut.
    #[error("the request broke off: {0}")]
    Http(#[from] hyper::Error),
    /// It was no request.
    #[error("the request cannot be written: {0}")]
    Request(#[from] axum::http::Error),
    /// It hangs.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// It said no.
    #[error("it answered {status}{}", advice(*status))]
    Status {
        /// Its status.
        status: StatusCode,
        /// When it wants to hear of it again.
        retry_after: Option<Millis>,
    },
}

fn advice(status: StatusCode) -> &'static str {
    if status.is_redirection() { ", and redirects are not followed: give the final URL" } else { "" }
}

impl WebhookError {
    /// What it means for the message: what may come right by itself is tried again.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::Status { status, retry_after } if may_come_right(*status) => Outcome::Failed(*retry_after),
            Self::Status { .. } | Self::Url(_) | Self::Request(_) => Outcome::Refused,
            Self::Target(_)
            | Self::Certificates(_)
            | Self::Connect { .. }
            | Self::Http(_)
            | Self::Timeout(_) => Outcome::Failed(None),
        }
    }
}

fn may_come_right(status: StatusCode) -> bool {
    let later = [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_EARLY, StatusCode::TOO_MANY_REQUESTS];
    status.is_server_error() || later.contains(&status)
}

/// Tells a receiver. Ok means that it said that it has it.
pub(super) async fn send(webhook: &Webhook, message: &Message, body: Vec<u8>) -> Result<(), WebhookError> {
    let judge = if webhook.allow_private { target::is_host } else { target::is_public };
    let connecting = connect(webhook, judge);
    let stream =
        timeout(CONNECT_TIMEOUT, connecting).await.map_err(|_| WebhookError::Timeout(CONNECT_TIMEOUT))??;
    let request = request(webhook, message, body)?;
    let answer = timeout(ANSWER_TIMEOUT, exchange(stream, request)).await;
    let answer = answer.map_err(|_| WebhookError::Timeout(ANSWER_TIMEOUT))??;
    match answer.status() {
        status if status.is_success() => Ok(()),
        status => Err(WebhookError::Status { status, retry_after: retry_after(&answer) }),
    }
}

fn retry_after(answer: &Response<Incoming>) -> Option<Millis> {
    let text = answer.headers().get(RETRY_AFTER)?.to_str().ok()?;
    text.trim().parse().ok().map(Millis::from_secs)
}

fn request(
    webhook: &Webhook,
    message: &Message,
    body: Vec<u8>,
) -> Result<Request<Full<Bytes>>, WebhookError> {
    let url = &webhook.url;
    let bad_url = || WebhookError::Url(url.clone());
    let authority = url.authority().ok_or_else(bad_url)?;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let timestamp = timestamp_s(clock::wall());
    let mut request = Request::post(path)
        .header(HOST, authority.as_str())
        .header(CONTENT_TYPE, "application/json")
        .header(USER_AGENT, concat!("p2p-node/", env!("CARGO_PKG_VERSION")))
        .header("webhook-id", &message.id)
        .header("webhook-timestamp", timestamp);
    if let Some(key) = &webhook.key {
        request = request.header("webhook-signature", key.sign(&message.id, timestamp, &body));
    }
    Ok(request.body(Full::new(body.into()))?)
}

/// One request over a connection that is then closed.
async fn exchange(
    stream: Box<dyn Stream>,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, hyper::Error> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let sending = sender.send_request(request);
    tokio::pin!(connection, sending);
    tokio::select! {
        answer = &mut sending => answer,
        // It ended first: what was sent has its answer by now, or a reason.
        ended = &mut connection => {
            ended?;
            sending.await
        }
    }
}

/// What a request goes over.
trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

async fn connect(webhook: &Webhook, judge: fn(IpAddr) -> bool) -> Result<Box<dyn Stream>, WebhookError> {
    let url = &webhook.url;
    let host = url.host().ok_or_else(|| WebhookError::Url(url.clone()))?;
    let is_tls = url.scheme_str() == Some("https");
    let port = url.port_u16().unwrap_or(if is_tls { 443 } else { 80 });
    let failed = |source| WebhookError::Connect { host: format!("{host}:{port}"), source };
    let addresses = target::addresses((host, port), judge).await?;
    let stream = TcpStream::connect(addresses.as_slice()).await.map_err(failed)?;
    if !is_tls {
        return Ok(Box::new(stream));
    }
    let name = ServerName::try_from(host.trim_matches(['[', ']']).to_owned());
    let name = name.map_err(|_| WebhookError::Url(url.clone()))?;
    let tls = TlsConnector::from(Arc::new(tls(webhook.ca_file.as_deref())?));
    Ok(Box::new(tls.connect(name, stream).await.map_err(failed)?))
}

fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, WebhookError> {
    let system = || SYSTEM_CA_FILES.iter().map(Path::new).find(|path| path.is_file());
    let file = ca_file.or_else(system).ok_or_else(|| {
        let text = "this system has no bundle of CA certificates: install ca-certificates, or give ca_file";
        WebhookError::Certificates(text.into())
    })?;
    let bad =
        |error: &dyn std::fmt::Display| WebhookError::Certificates(format!("{}: {error}", file.display()));
    let pems = std::fs::read(file).map_err(|error| bad(&error))?;
    let pems = pem::parse_many(pems).map_err(|error| bad(&error))?;
    let mut roots = RootCertStore::empty();
    let certificates = pems.into_iter().map(|pem| pem.into_contents().into());
    if roots.add_parsable_certificates(certificates).0 == 0 {
        return Err(bad(&"no CA certificate is in it"));
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|error| bad(&error))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

#[cfg(test)]
mod tests;
