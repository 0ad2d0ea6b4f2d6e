//! The caller of a request: the token of its `Authorization` header, judged, or else the certificate of its client.
//!
//! A header enters, who it is leaves. A token in a URL, which ends up in logs, is never looked for. A certificate is
//! shown to this node alone, and counts here alone; a page of another site cannot use it, since a browser would say so.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::header::{AUTHORIZATION, HOST, HeaderValue};
use axum::http::request::Parts;
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode};
use axum_server::tls::TlsInfo;
use bytes::Bytes;
use p2p_shared::access::Caller;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::time::Millis;
use p2p_shared::tls::{self, PeerIdentity};
use tokio::time::Instant;

use super::Api;
use super::call::Where;
use crate::auth::Identified;
use crate::http::Problem;
use crate::http::callers::{Turn, Wait};
use crate::http::guard::CallerKind;
use crate::http::origin;

/// Largest answer that counts no longer once it is made.
const UNHELD_BYTES_MAX: usize = 4 << 10;

/// How often it is asked whether who began what goes on is still there.
pub(super) const ASK_EVERY: Duration = Duration::from_secs(1);

/// Who asks, from where, and what shows it.
#[derive(Clone)]
pub(super) struct Bearer {
    pub(super) who: Identified,
    pub(super) from: SocketAddr,
    shown: Shown,
    /// What it counts as while it runs.
    turn: Option<Arc<Turn>>,
}

/// What says who asks.
#[derive(Clone)]
enum Shown {
    /// In a message, or the header of a request: many are too long to be copied for each.
    Token(String),
    Header(HeaderValue),
    /// In the handshake of the connection.
    Certificate(Box<PeerIdentity>),
}

impl Shown {
    fn judged(&self, api: &Api) -> Result<Identified, RpcError> {
        match self {
            Self::Token(token) => api.0.auth.identify(token),
            Self::Header(value) => api.0.auth.identify(of_header(value).unwrap_or_default()),
            Self::Certificate(peer) => api.0.auth.of_certificate(peer),
        }
    }

    fn token(&self) -> Option<&str> {
        match self {
            Self::Token(token) => Some(token),
            Self::Header(value) => of_header(value),
            Self::Certificate(_) => None,
        }
    }
}

/// One more request of a caller.
pub(super) fn charge(api: &Api, name: &Arc<str>) -> Result<Arc<Turn>, Problem> {
    charge_many(api, name, (1, 1))
}

fn charge_many(api: &Api, name: &Arc<str>, many: (u32, u32)) -> Result<Arc<Turn>, Problem> {
    let now = Millis::from(BEGUN.elapsed());
    api.0.callers.take_many(name, many, now).map_err(|Wait(wait)| {
        let seconds = wait.0.div_ceil(1_000);
        let why = format!("too many requests of one caller: try again in {seconds} s");
        Problem::from(RpcError::new(Code::RateLimited, why)).after(seconds)
    })
}

/// One more connection of a caller that stands.
pub(super) fn stand(api: &Api, name: &Arc<str>) -> Result<Turn, RpcError> {
    let too_many = || RpcError::new(Code::RateLimited, "too many WebSockets of one caller: close some");
    api.0.callers.stand(name, Millis::from(BEGUN.elapsed())).ok_or_else(too_many)
}

/// An answer and the request that it counts as, for as long as it is not sent.
struct Held {
    answer: Bytes,
    _turn: Arc<Turn>,
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.answer
    }
}

/// `answer`, which counts as a request that runs until all of it is sent or thrown away: a caller who asks for much
/// and reads nothing has so much of the node's memory, and no more.
pub(super) fn held(answer: Bytes, turn: Option<Arc<Turn>>) -> Bytes {
    match turn {
        Some(turn) if answer.len() > UNHELD_BYTES_MAX => Bytes::from_owner(Held { answer, _turn: turn }),
        _ => answer,
    }
}

/// From when on time is counted here.
static BEGUN: LazyLock<Instant> = LazyLock::new(Instant::now);

impl std::fmt::Debug for Bearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Bearer").field("who", &self.who).finish_non_exhaustive()
    }
}

/// Where a request comes from.
pub(super) fn address(parts: &Parts) -> Result<SocketAddr, Problem> {
    let none = || Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the client has no address");
    parts.extensions.get().map(|&ConnectInfo(from)| from).ok_or_else(none)
}

/// Who showed a certificate in the handshake of this connection.
fn certified(parts: &Parts) -> Option<PeerIdentity> {
    let shown = parts.extensions.get::<Arc<TlsInfo>>()?.peer_certificates.first()?;
    tls::identity(shown).ok()
}

/// Whether a page of another site asks: a browser that shows a certificate shows it to whoever makes it ask.
fn is_foreign(parts: &Parts) -> bool {
    // HTTP/2 has it in the target.
    let target = parts.uri.authority().map(Authority::as_str);
    let host = target.or_else(|| parts.headers.get(HOST)?.to_str().ok());
    !origin::is_own(&parts.headers, host, &["https://"])
}

impl Bearer {
    /// The bearer of a token.
    pub(super) fn of(api: &Api, token: String, from: SocketAddr) -> Result<Self, RpcError> {
        Self::new(api, Shown::Token(token), from)
    }

    fn new(api: &Api, shown: Shown, from: SocketAddr) -> Result<Self, RpcError> {
        let who = shown.judged(api)?;
        Ok(Self { who, from, shown, turn: None })
    }

    /// The token, if other nodes take it too: the one that an operator signed.
    pub(super) fn portable(&self) -> Option<Vec<u8>> {
        match (self.shown.token(), &self.who.caller) {
            (Some(token), Caller::Operator { .. }) => Some(token.as_bytes().to_vec()),
            _ => None,
        }
    }

    /// Whether it is a certificate that says who asks.
    pub(super) const fn is_certified(&self) -> bool {
        matches!(self.shown, Shown::Certificate(_))
    }

    /// The name of who asks, which no other caller has.
    pub(super) const fn name(&self) -> &Arc<str> {
        &self.who.name
    }

    /// What this request counts as, until it is dropped.
    pub(super) fn turn(&self) -> Option<Arc<Turn>> {
        self.turn.clone()
    }

    /// The same, whose request is so many in one, of which so many go on at the same time.
    ///
    /// # Errors
    /// If those are more than this caller may ask now.
    pub(super) fn counting(self, api: &Api, (requests, at_once): (u32, u32)) -> Result<Self, Problem> {
        // The one that was counted for the request itself is given back first, and paid for.
        let bearer = self.standing();
        let turn = Some(charge_many(api, bearer.name(), (requests.saturating_sub(1), at_once))?);
        Ok(Self { turn, ..bearer })
    }

    /// The same, which counts as no request that runs: it stands for a connection.
    pub(super) fn standing(self) -> Self {
        Self { turn: None, ..self }
    }

    /// Who it is by now.
    fn ask_again(&self, api: &Api) -> Result<Identified, RpcError> {
        self.shown.judged(api)
    }

    /// That who asked is still there, and still who that was.
    ///
    /// # Errors
    /// `unauthenticated` once the token has ended or was withdrawn; `forbidden` once it stands for another role.
    pub(super) fn still(&self, api: &Api) -> Result<(), RpcError> {
        let over = "the token has ended, or was withdrawn: log in again";
        let now = self.ask_again(api).map_err(|_| RpcError::unauthenticated(over))?;
        self.same(&now)
    }

    /// That it is the same caller.
    ///
    /// # Errors
    /// `forbidden` if it is another.
    pub(super) fn same(&self, now: &Identified) -> Result<(), RpcError> {
        if now.caller == self.who.caller {
            return Ok(());
        }
        Err(RpcError::forbidden(format!("{} is {} now", self.who.caller, now.caller)))
    }

    /// What a call at `node` rests on, for who shares what: here the caller, elsewhere the very token.
    pub(super) fn authority(&self, node: &Where) -> String {
        match (node, self.shown.token()) {
            (Where::There(_), Some(token)) => blake3::hash(token.as_bytes()).to_string(),
            _ => self.who.name.to_string(),
        }
    }
}

/// How a header begins that a token is in.
const SCHEME: &[u8] = b"bearer ";

/// Whether a request has a header that says who asks, whatever is in it.
pub(super) fn is_given(headers: &HeaderMap) -> bool {
    headers.contains_key(AUTHORIZATION)
}

/// The token of a request.
pub(in crate::http) fn token(headers: &HeaderMap) -> Option<&str> {
    header(headers).and_then(of_header)
}

/// The header that a token is in.
fn header(headers: &HeaderMap) -> Option<&HeaderValue> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return None };
    let scheme = value.as_bytes().get(..SCHEME.len())?;
    scheme.eq_ignore_ascii_case(SCHEME).then_some(value)
}

/// The token in such a header.
fn of_header(value: &HeaderValue) -> Option<&str> {
    str::from_utf8(value.as_bytes().get(SCHEME.len()..)?).ok().map(str::trim)
}

impl FromRequestParts<Api> for Bearer {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        Self::read(parts, api, parts.extensions.get())
    }
}

impl Bearer {
    /// The bearer of a request, who is told to `kind`.
    pub(super) fn read(parts: &Parts, api: &Api, kind: Option<&CallerKind>) -> Result<Self, Problem> {
        let missing = || {
            let words = "this takes a token: Authorization: Bearer TOKEN, from POST /api/v1/auth/token or `p2p-tui token`; \
                 over TLS an operator's client certificate does too";
            Problem::new(StatusCode::UNAUTHORIZED, words)
        };
        if parts.headers.get_all(AUTHORIZATION).iter().nth(1).is_some() {
            let why = "the Authorization header is there twice: two readers could take two of them";
            return Err(Problem::new(StatusCode::BAD_REQUEST, why));
        }
        let shown = match (header(&parts.headers), certified(parts)) {
            (Some(value), _) => Shown::Header(value.clone()),
            (None, Some(peer)) if !is_given(&parts.headers) => {
                if is_foreign(parts) {
                    let words = "denied: a page of another site asks under the certificate of its visitor";
                    return Err(Problem::new(StatusCode::FORBIDDEN, words));
                }
                Shown::Certificate(Box::new(peer))
            }
            (None, _) => return Err(missing()),
        };
        let bearer = Self::new(api, shown, address(parts)?)?;
        if let Some(kind) = kind {
            kind.is(&bearer.who.caller);
        }
        let turn = Some(charge(api, bearer.name())?);
        Ok(Self { turn, ..bearer })
    }
}
