//! Bodies of requests: JSON, at most so large, at most so slow.
//!
//! A body enters as it comes from the wire; its bytes leave, or what is wrong with it. Nothing is unpacked here, so
//! that no small body becomes a large one. The size is checked where it is announced, and again as it comes.

use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{FromRequest, Request};
use axum::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use axum::http::{HeaderMap, StatusCode};
use bytes::BytesMut;
use futures::StreamExt;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, timeout_at};

use super::Problem;

/// Largest body.
pub(super) const BODY_BYTES_MAX: usize = 1024 * 1024;
/// How long a client may take for a body.
const BODY_MAX: Duration = Duration::from_secs(10);

/// A body of JSON; without bytes if there is none.
#[derive(Debug)]
pub(super) struct JsonBody(Bytes);

impl JsonBody {
    /// As it came.
    pub(super) const fn bytes(&self) -> &Bytes {
        &self.0
    }

    /// What it says.
    ///
    /// # Errors
    /// If it is no JSON, or none of that kind.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<T, Problem> {
        if self.0.is_empty() {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "this takes a body of JSON, and there is none",
            ));
        }
        if is_list(&self.0) {
            let why = "the body is a list, and this takes an object: members by their names";
            return Err(Problem::new(StatusCode::BAD_REQUEST, why));
        }
        let wrong = |error| Problem::new(StatusCode::BAD_REQUEST, format!("the body: {error}"));
        serde_json::from_slice(&self.0).map_err(wrong)
    }
}

/// Whether a text of JSON is a list, which serde would take for the members of an object in their order.
pub(super) fn is_list(text: &[u8]) -> bool {
    text.trim_ascii_start().first() == Some(&b'[')
}

impl<S: Sync> FromRequest<S> for JsonBody {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        if request.body().is_end_stream() {
            return Ok(Self(Bytes::new()));
        }
        check_kind(request.headers())?;
        whole(request.into_body()).await.map(Self)
    }
}

/// Refuses a body that announces itself as too large.
pub(super) fn check_length(headers: &HeaderMap) -> Result<(), Problem> {
    let announced = headers.get(CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    match announced.and_then(|text| text.parse::<u64>().ok()) {
        Some(length) if length > BODY_BYTES_MAX as u64 => Err(too_large(&format!("has {length} bytes"))),
        _ => Ok(()),
    }
}

fn too_large(what: &str) -> Problem {
    let why = format!("the body {what}, at most {BODY_BYTES_MAX} are read");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, why)
}

/// Refuses what is not said to be JSON in UTF-8, plainly written.
fn check_kind(headers: &HeaderMap) -> Result<(), Problem> {
    let refused = |why: &str| Err(Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    if headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"))
    {
        return refused("bodies are read as they are: send it without Content-Encoding");
    }
    let mut kinds = headers.get_all(CONTENT_TYPE).iter();
    let kind = match (kinds.next(), kinds.next()) {
        (Some(kind), None) => kind.to_str().unwrap_or_default(),
        _ => "",
    };
    if is_json(kind) {
        Ok(())
    } else {
        refused("a body is JSON: send it with Content-Type: application/json")
    }
}

fn is_json(kind: &str) -> bool {
    let mut parts = kind.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("application/json"));
    let is_utf8 = |part: &str| match part.split_once('=') {
        Some((name, value)) if name.trim().eq_ignore_ascii_case("charset") => {
            value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        }
        _ => true,
    };
    is_json && parts.all(is_utf8)
}

/// All of a body, in its time.
async fn whole(body: Body) -> Result<Bytes, Problem> {
    let deadline = Instant::now() + BODY_MAX;
    let (mut chunks, mut bytes) = (body.into_data_stream(), BytesMut::new());
    let late = || {
        let why = format!("the body was not complete within {} s", BODY_MAX.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, why)
    };
    while let Some(chunk) = timeout_at(deadline, chunks.next()).await.map_err(|_| late())? {
        let cut = |_| Problem::new(StatusCode::BAD_REQUEST, "the body ended before its announced length");
        let chunk = chunk.map_err(cut)?;
        if bytes.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(too_large("does not end"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_what_says_that_it_is_json_in_utf_8() {
        for good in
            ["application/json", "Application/JSON; charset=UTF-8", "application/json;charset=\"utf-8\""]
        {
            assert!(is_json(good), "{good}");
        }
        let others = ["", "text/plain", "application/jsonl", "application/json; charset=utf-16", "json"];
        for other in others {
            assert!(!is_json(other), "{other}");
        }
    }

    #[test]
    fn a_list_is_not_taken_for_members_in_their_order() {
        #[derive(serde::Deserialize)]
        struct One {
            #[expect(dead_code, reason = "it is only read into")]
            name: String,
        }
        let read = |text: &'static str| JsonBody(Bytes::from_static(text.as_bytes())).read::<One>();
        assert!(read(" {\"name\": \"a\"}").is_ok());
        for text in ["[\"a\"]", " \n[\"a\"]", "[", "\"a\"", ""] {
            assert_eq!(
                read(text).err().map(|problem| problem.status()),
                Some(StatusCode::BAD_REQUEST),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_packed_is_refused() {
        let says = |headers: &[(axum::http::HeaderName, &str)]| {
            let headers = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap()));
            check_kind(&headers.collect()).map_err(|problem| problem.status().as_u16())
        };
        let json = (CONTENT_TYPE, "application/json");
        assert_eq!(says(&[json.clone(), (CONTENT_ENCODING, "identity")]), Ok(()));
        for coding in ["gzip", "br", "deflate", "identity, gzip", ""] {
            assert_eq!(says(&[json.clone(), (CONTENT_ENCODING, coding)]), Err(415), "{coding}");
        }
        assert_eq!(says(&[]), Err(415));
    }
}
