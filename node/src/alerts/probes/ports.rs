//! Ports that rules name: whether somebody accepts a connection there, and how soon.
//!
//! Addresses are numbers, not names. Those of other machines are looked at only as far as `scan_targets` of the
//! local policy goes. Nothing is sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use super::super::core::alert::Figure;
use super::super::core::catalogue::PORT_LABEL;
use super::super::core::wanted::Wanted;
use super::super::figures::{labelled, truth};
use super::{Told, pause, tell};
use crate::host::machine;
use crate::policy::Fuse;

/// How often they are looked at.
const PERIOD: Duration = Duration::from_secs(15);
/// Who has not accepted by then does not.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many are connected to at a time.
const AT_ONCE: usize = 16;

pub(super) async fn run(fuse: Fuse, mut wanted: watch::Receiver<Arc<Wanted>>, told: Told) {
    loop {
        let ports: Vec<String> = wanted.borrow_and_update().ports.iter().cloned().collect();
        let period = if ports.is_empty() { Duration::MAX } else { PERIOD };
        let looks = stream::iter(ports).map(|text| look(&fuse, text)).buffered(AT_ONCE);
        tell(&told, looks.map(stream::iter).flatten().collect().await);
        if !pause(period, &mut wanted).await {
            return;
        }
    }
}

async fn look(fuse: &Fuse, text: String) -> Vec<Figure> {
    let Ok(address) = text.parse::<SocketAddr>() else { return Vec::new() };
    if !is_allowed(fuse, address) {
        return Vec::new();
    }
    let begun = Instant::now();
    let is_open = match timeout(PATIENCE, TcpStream::connect(address)).await {
        // A port that nobody listens on may connect with itself.
        Ok(Ok(stream)) => stream.local_addr().ok() != Some(address),
        Ok(Err(_)) | Err(_) => false,
    };
    let label = (PORT_LABEL, text.as_str());
    let mut found = vec![labelled("port_open", label, truth(is_open))];
    if is_open {
        found.push(labelled("port_connect_seconds", label, begun.elapsed().as_secs_f64()));
    }
    found
}

/// This machine's own ports may always be looked at; another's as far as the local policy lets them be scanned.
fn is_allowed(fuse: &Fuse, address: SocketAddr) -> bool {
    let ip = address.ip().to_canonical();
    ip.is_loopback() || fuse.policy().scan(ip, &machine::addresses()).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_is_open_while_somebody_listens_there() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let open = look(&Fuse::default(), address.clone()).await;
        assert_eq!((open.len(), open[0].value), (2, 1.0));
        drop(listener);
        let closed = look(&Fuse::default(), address).await;
        assert_eq!((closed.len(), closed[0].value), (1, 0.0));
        assert_eq!(look(&Fuse::default(), "example:1".into()).await, []);
    }

    #[test]
    fn another_host_is_looked_at_only_where_the_policy_lets_it_be_scanned() {
        assert!(is_allowed(&Fuse::default(), "127.0.0.1:22".parse().unwrap()));
        assert!(!is_allowed(&Fuse::default(), "192.0.2.7:22".parse().unwrap()));
    }
}
