//! The caller of a request: the token of its `Authorization` header, judged.
//!
//! A header enters, who it is leaves. A token in a URL, which ends up in logs, is never looked for.

use std::net::SocketAddr;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode};
use p2p_shared::access::Caller;
use p2p_shared::error::RpcError;

use super::Api;
use super::call::Where;
use crate::auth::Identified;
use crate::http::Problem;

/// Who asks, from where, and with which token.
#[derive(Clone)]
pub(super) struct Bearer {
    pub(super) who: Identified,
    pub(super) from: SocketAddr,
    token: String,
}

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearer").field("who", &self.who).finish_non_exhaustive()
    }
}

impl Bearer {
    /// The token, if other nodes take it too: the one that an operator signed.
    pub(super) fn portable(&self) -> Option<Vec<u8>> {
        matches!(self.who.caller, Caller::Operator { .. }).then(|| self.token.clone().into_bytes())
    }
}

impl Bearer {
    /// The bearer of a token.
    pub(super) fn of(api: &Api, token: String, from: SocketAddr) -> Result<Self, RpcError> {
        let who = api.0.auth.identify(&token)?;
        Ok(Self { who, from, token })
    }

    /// Who the token is of by now.
    pub(super) fn ask_again(&self, api: &Api) -> Result<Identified, RpcError> {
        api.0.auth.identify(&self.token)
    }

    /// What a call at `node` rests on, for who shares what: here the caller, elsewhere the very token.
    pub(super) fn authority(&self, node: &Where) -> String {
        match node {
            Where::Here => format!("{:?}", self.who.caller),
            Where::There(_) => blake3::hash(self.token.as_bytes()).to_string(),
        }
    }
}

/// Whether a request has a header that says who asks, whatever is in it.
pub(super) fn is_given(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
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
            let words = "this takes a token: Authorization: Bearer TOKEN, from POST /api/v1/auth/token or `p2p-tui token`";
            Problem::new(StatusCode::UNAUTHORIZED, words)
        };
        let token = token(&parts.headers).ok_or_else(missing)?.to_owned();
        let ConnectInfo(from) = ConnectInfo::<SocketAddr>::from_request_parts(parts, api)
            .await
            .map_err(|_| Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the client has no address"))?;
        Ok(Self::of(api, token, from)?)
    }
}
