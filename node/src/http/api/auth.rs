//! Logging in, going on, and logging out.
//!
//! Passwords and tokens enter in a body, never in a URL; new tokens leave, as OAuth 2.0 (RFC 6749, 5.1) has them.

use std::net::SocketAddr;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use super::{Api, bearer};
use crate::auth::Grant;
use crate::http::Problem;

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

type Body<T> = Result<Json<T>, JsonRejection>;

/// The body, or what is wrong with it.
pub(super) fn body<T>(body: Body<T>) -> Result<T, Problem> {
    body.map(|Json(value)| value).map_err(|rejection| {
        let status = match rejection.status() {
            // Not our distinction: a body that is no such request is a bad request.
            StatusCode::UNPROCESSABLE_ENTITY => StatusCode::BAD_REQUEST,
            status => status,
        };
        Problem::new(status, rejection.body_text())
    })
}

pub(super) async fn token(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    login: Body<Login>,
) -> Result<Json<Tokens>, Problem> {
    let Login { username, password } = body(login)?;
    let grant = api.0.auth.login(&username, Zeroizing::new(password), from.ip()).await?;
    Ok(Json(grant.into()))
}

pub(super) async fn refresh(
    State(api): State<Api>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    refresh: Body<Refresh>,
) -> Result<Json<Tokens>, Problem> {
    let grant = api.0.auth.refresh(&body(refresh)?.refresh_token, from.ip()).await?;
    Ok(Json(grant.into()))
}

/// Ends the session of the token in the header, or of the refresh token in the body.
pub(super) async fn logout(
    State(api): State<Api>,
    headers: HeaderMap,
    refresh: Body<Refresh>,
) -> Result<StatusCode, Problem> {
    let named = match refresh {
        // No body: then it is the session of the token in the header.
        Err(JsonRejection::MissingJsonContentType(_)) if bearer::token(&headers).is_some() => None,
        refresh => Some(body(refresh)?.refresh_token),
    };
    let token = named.or_else(|| bearer::token(&headers).map(str::to_owned)).unwrap_or_default();
    api.0.auth.logout(&token).await?;
    Ok(StatusCode::NO_CONTENT)
}
