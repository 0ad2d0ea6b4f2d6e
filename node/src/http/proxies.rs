//! Who asks behind a reverse proxy.
//!
//! The address of a connection and the headers of a request enter; the address of the client leaves. Only a proxy
//! that the owner named is believed, and of what it passes on only as much as those proxies wrote: the rest is
//! what the client wrote. Pure.

use std::net::{IpAddr, SocketAddr};

use axum::http::HeaderMap;

use crate::config::http::Network;

/// What proxies append the address of their client to.
const FORWARDED_FOR: &str = "x-forwarded-for";

/// The proxies that are believed.
#[derive(Clone, Debug, Default)]
pub struct Proxies(Vec<Network>);

impl Proxies {
    /// These.
    pub const fn new(networks: Vec<Network>) -> Self {
        Self(networks)
    }

    /// Where a request comes from. `from` is the other end of its connection.
    pub(super) fn client(&self, from: SocketAddr, headers: &HeaderMap) -> SocketAddr {
        if self.0.is_empty() {
            return from;
        }
        let mut client = from;
        let lines = headers.get_all(FORWARDED_FOR).iter().rev();
        let mut hops = lines.flat_map(|line| line.to_str().unwrap_or_default().rsplit(','));
        // From the last proxy back to the first that nobody vouches for.
        while self.are(client.ip()) {
            let Some(hop) = hops.next().and_then(|hop| address(hop.trim())) else { break };
            client = SocketAddr::new(hop, 0);
        }
        client
    }

    fn are(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }
}

/// As proxies write it: some with a port.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    bare.parse().ok().or_else(|| text.parse::<SocketAddr>().ok().map(|address| address.ip()))
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderName, HeaderValue};

    use super::*;

    fn client(proxies: &[&str], from: &str, lines: &[&str]) -> String {
        let proxies = Proxies::new(proxies.iter().map(|text| text.parse().unwrap()).collect());
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(HeaderName::from_static(FORWARDED_FOR), HeaderValue::from_str(line).unwrap());
        }
        proxies.client(from.parse().unwrap(), &headers).ip().to_string()
    }

    #[test]
    fn nobody_is_believed_but_the_proxies_that_are_named() {
        let written = ["203.0.113.9"];
        assert_eq!(client(&[], "127.0.0.1:9", &written), "127.0.0.1");
        assert_eq!(client(&["10.0.0.0/8"], "192.0.2.1:9", &written), "192.0.2.1");
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1:9", &written), "203.0.113.9");
        assert_eq!(client(&["127.0.0.1"], "127.0.0.1:9", &[]), "127.0.0.1");
    }

    #[test]
    fn what_the_client_wrote_itself_counts_for_nothing() {
        let proxies = ["127.0.0.1", "10.0.0.0/8"];
        assert_eq!(client(&proxies, "127.0.0.1:9", &["1.1.1.1, 203.0.113.9, 10.0.0.2"]), "203.0.113.9");
        assert_eq!(client(&proxies, "127.0.0.1:9", &["1.1.1.1", "203.0.113.9:44, 10.9.9.9"]), "203.0.113.9");
        assert_eq!(client(&proxies, "127.0.0.1:9", &["1.1.1.1, nonsense"]), "127.0.0.1");
        assert_eq!(client(&["::1"], "[::1]:9", &["[2001:db8::7]"]), "2001:db8::7");
        assert_eq!(client(&["127.0.0.0/8"], "[::ffff:127.0.0.1]:9", &["203.0.113.9"]), "203.0.113.9");
    }
}
