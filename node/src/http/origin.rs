//! Which pages of browsers may speak with this node.
//!
//! The `Origin` header enters, which a page cannot choose; a verdict leaves. A browser opens a WebSocket to any
//! address for any page, so it is up to the node to look. Programs that are no browsers send no such header. Pure.

use std::collections::BTreeSet;

use axum::http::header::{HOST, HeaderValue, ORIGIN};
use axum::http::{HeaderMap, StatusCode};

use super::Problem;

/// The pages that are let in besides those of the node itself.
#[derive(Clone, Debug, Default)]
pub struct Origins(BTreeSet<String>);

impl Origins {
    /// These as well, as `https://admin.example.org`.
    pub fn new(allowed: impl IntoIterator<Item = String>) -> Self {
        Self(allowed.into_iter().map(|origin| origin.to_ascii_lowercase()).collect())
    }

    /// The origin of a request, if its owner let it in.
    pub(super) fn allowed<'a>(&self, headers: &'a HeaderMap) -> Option<&'a HeaderValue> {
        let origin = headers.get(ORIGIN)?;
        let text = origin.to_str().ok()?.to_ascii_lowercase();
        self.0.contains(&text).then_some(origin)
    }

    /// Refuses a request that a page of another origin makes.
    pub(super) fn check(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok());
        let is_one = headers.get_all(ORIGIN).iter().count() == 1;
        if is_own(headers, host, &["https://", "http://"]) || is_one && self.allowed(headers).is_some() {
            return Ok(());
        }
        let why = "a page of another origin may not speak with this node, unless http.cors_origins names it";
        Err(Problem::new(StatusCode::FORBIDDEN, why))
    }
}

/// Whether a request comes from no page, or from one of the very `host` that is asked, by one of `schemes`.
pub(super) fn is_own(headers: &HeaderMap, host: Option<&str>, schemes: &[&str]) -> bool {
    let mut origins = headers.get_all(ORIGIN).iter();
    match (origins.next(), origins.next()) {
        (None, _) => true,
        (Some(_), Some(_)) => false,
        (Some(origin), None) => {
            let origin = origin.to_str().unwrap_or_default();
            let site = schemes.iter().find_map(|scheme| origin.strip_prefix(scheme));
            site.zip(host).is_some_and(|(site, host)| site.eq_ignore_ascii_case(host))
        }
    }
}

/// What a browser asks before it lets a page ask something (CORS).
pub(super) mod preflight {
    use axum::http::header::{
        ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_MAX_AGE,
        ACCESS_CONTROL_REQUEST_METHOD,
    };
    use axum::http::request::Parts;
    use axum::http::{Method, StatusCode};
    use axum::response::{IntoResponse, Response};

    /// Whether it is such a question.
    pub(in crate::http) fn is(parts: &Parts) -> bool {
        parts.method == Method::OPTIONS && parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
    }

    /// The answer to a page that may.
    pub(in crate::http) fn answer() -> Response {
        let headers = [
            (ACCESS_CONTROL_ALLOW_METHODS, "GET, POST"),
            (ACCESS_CONTROL_ALLOW_HEADERS, "authorization, content-type, idempotency-key"),
            (ACCESS_CONTROL_MAX_AGE, "600"),
        ];
        (StatusCode::NO_CONTENT, headers).into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_of_other_origins_are_refused_and_programs_are_not() {
        let origins = Origins::new(["https://Admin.example.org".to_owned()]);
        let says = |origin: &str| {
            let headers = [(HOST, "web-1:8000"), (ORIGIN, origin)];
            let headers = headers.map(|(name, value)| (name, HeaderValue::from_str(value).unwrap()));
            origins.check(&HeaderMap::from_iter(headers)).is_ok()
        };
        for own in ["http://web-1:8000", "https://WEB-1:8000", "https://admin.example.org"] {
            assert!(says(own), "{own}");
        }
        for other in ["https://evil.example", "null", "", "web-1:8000", "http://web-1", "file://web-1:8000"] {
            assert!(!says(other), "{other}");
        }
        assert!(origins.check(&HeaderMap::new()).is_ok());
        let mut twice = HeaderMap::from_iter([(HOST, HeaderValue::from_static("web-1"))]);
        twice.append(ORIGIN, HeaderValue::from_static("http://web-1"));
        twice.append(ORIGIN, HeaderValue::from_static("http://web-1"));
        assert!(origins.check(&twice).is_err());
    }
}
