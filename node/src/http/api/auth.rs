//! Logging in, going on, and logging out.
//!
//! Passwords and tokens enter in a body, never in a URL; new tokens leave, as OAuth 2.0 (RFC 6749, 5.1) has them.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Api, bearer};
use crate::auth::{Denied, Grant};
use crate::http::Problem;
use crate::http::body::JsonBody;

/// A login.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Login {
    /// A user of this node.
    username: String,
    /// The user's password.
    password: String,
}

/// A session that is to go on, or to end.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Refresh {
    /// The refresh token that was given last. It is good once.
    refresh_token: String,
}

/// Tokens of a session.
#[derive(Serialize, JsonSchema)]
pub(super) struct Tokens {
    /// For the `Authorization` header.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// For how many seconds the access token is good.
    expires_in: u64,
    /// Good once, for the next tokens.
    refresh_token: String,
}

impl From<Grant> for Tokens {
    fn from(grant: Grant) -> Self {
        let Grant { access_token, life, refresh_token } = grant;
        Self { access_token, token_type: "Bearer", expires_in: life.0 / 1_000, refresh_token }
    }
}

pub(super) async fn token(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    body: JsonBody,
) -> Result<Json<Tokens>, Problem> {
    let Login { username, password } = body.read()?;
    let grant = api.0.auth.login(&username, Zeroizing::new(password), from.ip()).await?;
    Ok(Json(grant.into()))
}

pub(super) async fn refresh(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    body: JsonBody,
) -> Result<Json<Tokens>, Problem> {
    let Refresh { refresh_token } = body.read()?;
    let grant = api.0.auth.refresh(&refresh_token, from.ip()).await?;
    Ok(Json(grant.into()))
}

impl From<Denied> for Problem {
    fn from(Denied { error, wait }: Denied) -> Self {
        let problem = Self::from(error);
        match wait {
            Some(wait) => problem.after(wait.0.div_ceil(1_000)),
            None => problem,
        }
    }
}

/// Ends the session of the token in the header, or of the refresh token in the body.
pub(super) async fn logout(
    State(api): State<Api>,
    headers: HeaderMap,
    body: JsonBody,
) -> Result<StatusCode, Problem> {
    let token = match bearer::token(&headers) {
        Some(token) if body.bytes().is_empty() => token.to_owned(),
        _ => body.read::<Refresh>()?.refresh_token,
    };
    api.0.auth.logout(&token).await?;
    Ok(StatusCode::NO_CONTENT)
}
