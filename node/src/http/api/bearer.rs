//! The caller of a request: the token of its `Authorization` header, judged, or else the certificate of its client.
//!
//! A header enters, who it is leaves. A token in a URL, which ends up in logs, is never looked for. A certificate is
//! shown to this node alone, and counts here alone; a page of another site cannot use it, since a browser would say so.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{AUTHORIZATION, HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum_server::tls::TlsInfo;
use p2p_shared::access::Caller;
use p2p_shared::tls::{self, PeerIdentity};

use super::Api;
use crate::auth::Identified;
use crate::http::Problem;

/// Who asks, from where, and with which token; a client with a certificate needs none.
#[derive(Clone, Debug)]
pub(super) struct Bearer {
    pub(super) who: Identified,
    pub(super) from: SocketAddr,
    token: Option<String>,
}

impl Bearer {
    /// The token, if other nodes take it too: the one that an operator signed.
    pub(super) fn portable(&self) -> Option<Vec<u8>> {
        let token = self.token.as_ref().filter(|_| matches!(self.who.caller, Caller::Operator { .. }));
        token.map(|token| token.clone().into_bytes())
    }

    /// Whether it is a certificate that says who asks.
    pub(super) const fn is_certified(&self) -> bool {
        self.token.is_none()
    }
}

/// Who showed a certificate in the handshake of this connection.
fn certified(parts: &Parts) -> Option<PeerIdentity> {
    let shown = parts.extensions.get::<Arc<TlsInfo>>()?.peer_certificates.first()?;
    tls::identity(shown).ok()
}

/// Whether a page of another site asks: a browser that shows a certificate shows it to whoever makes it ask.
fn is_foreign(parts: &Parts) -> bool {
    let headers = &parts.headers;
    let origin = headers.get(ORIGIN).and_then(|origin| origin.to_str().ok());
    // HTTP/2 has it in the target.
    let target = parts.uri.authority().map(Authority::as_str);
    let host = target.or_else(|| headers.get(HOST)?.to_str().ok()).unwrap_or_default();
    origin.is_some_and(|origin| origin.strip_prefix("https://") != Some(host))
}

/// The token of a request.
pub(super) fn token(headers: &HeaderMap) -> Option<&str> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let (scheme, token) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

impl FromRequestParts<Api> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        let missing = || {
            let words = "this takes a token: Authorization: Bearer TOKEN, from POST /api/v1/auth/token or `p2p-tui token`; \
                 over TLS an operator's client certificate does too";
            Problem::new(StatusCode::UNAUTHORIZED, words)
        };
        let token = token(&parts.headers).map(str::to_owned);
        let who = match (&token, certified(parts)) {
            (Some(token), _) => api.0.auth.identify(token)?,
            (None, Some(peer)) if !parts.headers.contains_key(AUTHORIZATION) => {
                if is_foreign(parts) {
                    let words = "denied: a page of another site asks under the certificate of its visitor";
                    return Err(Problem::new(StatusCode::FORBIDDEN, words));
                }
                api.0.auth.of_certificate(&peer)?
            }
            (None, _) => return Err(missing()),
        };
        let ConnectInfo(from) = ConnectInfo::<SocketAddr>::from_request_parts(parts, api)
            .await
            .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the client has no address"))?;
        Ok(Self { who, from, token })
    }
}
