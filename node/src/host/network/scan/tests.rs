use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr, TcpListener};

use super::*;

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn plan(ports: Vec<u16>) -> Plan {
    Plan { addresses: vec![HERE], ports, rate_per_s: None, patience: Duration::from_secs(5), banner: false }
}

/// Everything that a scan told.
async fn scanned(plan: Plan, stop: CancellationToken) -> (Vec<OpenPort>, ScanFound) {
    let (told, mut news) = mpsc::channel(4);
    let roots = Roots::default();
    let scan = run(&roots, plan, told, stop);
    let gather = async {
        let (mut open, mut last) = (Vec::new(), None);
        while let Some(found) = news.recv().await {
            open.extend(found.open.clone());
            last = Some(found);
        }
        (open, last.unwrap())
    };
    let (ended, gathered) = tokio::join!(scan, gather);
    ended.unwrap();
    gathered
}

#[tokio::test]
async fn a_listener_is_open_and_what_nobody_listens_on_is_closed() {
    let listener = TcpListener::bind((HERE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let free = TcpListener::bind((HERE, 0)).unwrap().local_addr().unwrap().port();
    let mut ports = vec![port, free];
    ports.sort_unstable();
    let (open, last) = scanned(plan(ports), CancellationToken::new()).await;
    assert_eq!(open.iter().map(|open| open.port).collect::<Vec<_>>(), [port]);
    assert_eq!((last.done, last.total, last.closed, last.end), (2, 2, 1, Some(ScanEnd::Done)));
}

/// Of the ports that the kernel gives out, connections without a listener meet themselves.
#[tokio::test]
async fn a_connection_that_meets_itself_is_no_open_port() {
    let range = std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap();
    let first: u16 = range.split_whitespace().next().unwrap().parse().unwrap();
    let ports: Vec<u16> = (first..=u16::MAX).take(20_000).collect();
    let (open, last) = scanned(plan(ports), CancellationToken::new()).await;
    // Whoever else listens there (other tests do) is seen by a second connection too, unless it has ended.
    for found in open {
        assert!(found.port != 0 && found.address == HERE);
    }
    assert_eq!((last.done, last.end), (20_000, Some(ScanEnd::Done)));
}

#[tokio::test]
async fn banners_are_one_plain_line() {
    let listener = TcpListener::bind((HERE, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let greet = std::thread::spawn(move || {
        let (mut socket, _) = listener.accept().unwrap();
        socket.write_all(b"220 \x1b[31mmail\r\nsecond").unwrap();
    });
    let (open, _) = scanned(Plan { banner: true, ..plan(vec![port]) }, CancellationToken::new()).await;
    assert_eq!(open[0].banner.as_deref(), Some("220 .[31mmail"));
    greet.join().unwrap();
}

#[tokio::test]
async fn a_scan_that_is_stopped_says_how_far_it_was() {
    let stop = CancellationToken::new();
    stop.cancel();
    let slow = Plan { rate_per_s: Some(1), ..plan((1..=1_000).collect()) };
    let (_, last) = scanned(slow, stop).await;
    assert!(last.done < 1_000 && last.end == Some(ScanEnd::Stopped), "{last:?}");
}

#[tokio::test]
async fn a_scan_that_nobody_listens_to_ends() {
    let (told, news) = mpsc::channel(1);
    drop(news);
    let slow = Plan { rate_per_s: Some(1), ..plan((1..=1_000).collect()) };
    run(&Roots::default(), slow, told, CancellationToken::new()).await.unwrap();
}
