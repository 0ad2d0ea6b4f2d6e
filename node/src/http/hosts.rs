//! The names that this node answers to, against DNS rebinding.
//!
//! A page of another site can point its own name at our address and then read us as if we were that site; the
//! `Host` header gives it away. Pure: header in, verdict out.

use std::collections::BTreeSet;
use std::net::{IpAddr, SocketAddr};

use axum::http::header::{HOST, HeaderValue};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, Uri};

use super::Problem;

/// The node's own names and addresses, besides the loopback ones and the one that a client connected to.
#[derive(Clone, Debug, Default)]
pub struct Hosts {
    names: BTreeSet<String>,
    addresses: BTreeSet<IpAddr>,
}

impl Hosts {
    /// Answers to these as well.
    pub fn new(names: impl IntoIterator<Item = String>, addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        let names = names.into_iter().map(|name| name.to_ascii_lowercase()).collect();
        Self { names, addresses: addresses.into_iter().map(|address| address.to_canonical()).collect() }
    }

    /// Refuses a request that is meant for somebody else. `local` is our end of its connection.
    pub(super) fn check(&self, uri: &Uri, headers: &HeaderMap, local: Option<IpAddr>) -> Result<(), Problem> {
        let refused = |status, message: &str| Err(Problem::new(status, message));
        let mut hosts = headers.get_all(HOST).iter();
        let (host, second) = (hosts.next(), hosts.next());
        if second.is_some() {
            return refused(StatusCode::BAD_REQUEST, "the Host header is there twice");
        }
        if uri.authority().is_none()
            && host.and_then(address).is_some_and(|host| self.is_own_address(host, local))
        {
            return Ok(());
        }
        let host = host.map(|host| Authority::try_from(host.as_bytes()).ok());
        // Where the target and the header name two, both are ours: others look at one of them alone.
        let mut named = uri.authority().cloned().map(Some).into_iter().chain(host).peekable();
        if named.peek().is_none() {
            return refused(StatusCode::BAD_REQUEST, "the Host header is missing");
        }
        for authority in named {
            let Some(authority) = authority.filter(is_plain) else {
                return refused(StatusCode::BAD_REQUEST, "Host is a name or an address, and a port at most");
            };
            if !self.is_own(authority.host(), local) {
                let why = "the Host header names no name or address of this node";
                return refused(StatusCode::MISDIRECTED_REQUEST, why);
            }
        }
        Ok(())
    }

    fn is_own(&self, host: &str, local: Option<IpAddr>) -> bool {
        let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if let Ok(address) = bare.parse::<IpAddr>() {
            return self.is_own_address(address, local);
        }
        let name = bare.trim_end_matches('.').to_ascii_lowercase();
        name == "localhost" || name.ends_with(".localhost") || self.names.contains(&name)
    }

    fn is_own_address(&self, address: IpAddr, local: Option<IpAddr>) -> bool {
        let address = address.to_canonical();
        let connected = local.map(|local| local.to_canonical());
        address.is_loopback() || connected == Some(address) || self.addresses.contains(&address)
    }
}

/// The address in a header of plainly an address and a port, as most are: it need not be taken apart.
fn address(host: &HeaderValue) -> Option<IpAddr> {
    let host = host.to_str().ok().filter(|host| !host.contains('%'))?;
    host.parse().ok().map(|address: SocketAddr| address.ip())
}

/// A host and a port at most: nobody's name before it, nothing behind it.
fn is_plain(authority: &Authority) -> bool {
    let port = authority.as_str().strip_prefix(authority.host());
    port.is_some_and(|port| match port.strip_prefix(':') {
        Some(digits) => {
            digits.is_empty()
                || digits.bytes().all(|byte| byte.is_ascii_digit()) && digits.parse::<u16>().is_ok()
        }
        None => port.is_empty(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_own_names_and_addresses_are_answered() {
        let hosts = Hosts::new(["Web-1".to_owned()], ["203.0.113.9".parse().unwrap()]);
        let local = Some("::ffff:192.0.2.7".parse().unwrap());
        let own =
            ["localhost", "LOCALHOST.:8000", "127.0.0.1:1", "127.9.9.9", "[::1]:8000", "web-1", "WEB-1:8000"];
        for host in own.iter().chain(&["192.0.2.7:80", "203.0.113.9", "a.localhost"]) {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            assert!(hosts.check(&Uri::from_static("/"), &headers, local).is_ok(), "{host}");
        }
        let status = |host: &str| {
            let headers = HeaderMap::from_iter([(HOST, host.parse().unwrap())]);
            hosts.check(&Uri::from_static("/"), &headers, local).unwrap_err().status()
        };
        for host in ["evil.example", "web-2", "localhost.evil.example", "198.51.100.1", "127.1", "0x7f.1"] {
            assert_eq!(status(host), StatusCode::MISDIRECTED_REQUEST, "{host}");
        }
        let junk =
            ["a b", "", "[::1", "[::1]x", "localhost:x", "localhost:65536", "localhost:-1", "localhost:+1"];
        for host in
            junk.iter().chain(&["evil.example@localhost", "a:b@localhost:80", "localhost/x", "localhost:1:1"])
        {
            assert_eq!(status(host), StatusCode::BAD_REQUEST, "{host}");
        }
    }

    #[test]
    fn the_target_of_the_request_line_counts_as_the_header_does() {
        let headers = HeaderMap::from_iter([(HOST, "localhost".parse().unwrap())]);
        let uri = Uri::from_static("http://evil.example/health");
        assert!(Hosts::default().check(&uri, &headers, None).is_err());
        let headers = HeaderMap::from_iter([(HOST, "evil.example".parse().unwrap())]);
        let uri = Uri::from_static("http://localhost/health");
        let both = Hosts::default().check(&uri, &headers, None).unwrap_err();
        assert_eq!(
            both.status(),
            StatusCode::MISDIRECTED_REQUEST,
            "a page of evil.example would be of its own origin"
        );
        assert!(Hosts::default().check(&uri, &HeaderMap::new(), None).is_ok());
        let missing = Hosts::default().check(&Uri::from_static("/"), &HeaderMap::new(), None).unwrap_err();
        assert_eq!(missing.status(), StatusCode::BAD_REQUEST);
    }
}
