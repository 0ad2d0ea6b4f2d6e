//! The console's probes over a real node: what is told while they run, how they end, and that a stop reaches the
//! node.

use std::net::TcpListener;
use std::time::Duration;

use p2p_shared::access::Role;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::services::network::TraceEnd;
use p2p_tui::command::{Command, Errand, Probe, ProbeKind, RunId};
use p2p_tui::effects::Effects;
use p2p_tui::event::{MeshEvent, ProbeSaid};
use tokio::sync::mpsc;

use crate::cluster::{Cluster, eventually};
use crate::echo::soon;

/// Scans that a node runs at a time.
const SCANS_MAX: usize = 2;
/// A scan that would take an hour.
const LONG: &str = "127.0.0.1 1-36000 10";

/// What stands behind a console's screen.
struct Desk {
    cluster: Cluster,
    effects: Effects,
    events: mpsc::Receiver<MeshEvent>,
    last: u64,
}

impl Desk {
    /// Knows its node.
    async fn new(role: Role) -> Self {
        let cluster = Cluster::whole(1).await;
        let (told, mut events) = mpsc::channel(1_024);
        let given = vec![cluster.address(0).to_string().parse().unwrap()];
        let effects = Effects::start(&cluster.operator_credentials(role), given, told).unwrap();
        let fleet = async { while !matches!(events.recv().await.unwrap(), MeshEvent::Fleet(_)) {} };
        soon("the directory", fleet).await;
        Self { cluster, effects, events, last: 0 }
    }

    fn begin(&mut self, kind: ProbeKind, line: &str) -> RunId {
        self.last += 1;
        let (run, probe) = (RunId(self.last), Probe::parse(kind, line).unwrap());
        let errand = Errand { run, target: 0 };
        let left = self.effects.carry_out(Command::Probe { errand, node: self.cluster.id(0), probe });
        assert_eq!(left, None);
        run
    }

    /// The next that is heard of a run: something said, or how it ended.
    async fn hear(&mut self, of: RunId) -> Result<ProbeSaid, Result<(), RpcError>> {
        let heard = async {
            loop {
                match self.events.recv().await.unwrap() {
                    MeshEvent::Probe { run, said } if run == of => return Ok(said),
                    MeshEvent::Outcome { errand, result } if errand.run == of => return Err(result),
                    _ => {}
                }
            }
        };
        soon("a word of a probe", heard).await
    }

    /// All that is said of a run, and how it ended.
    async fn run(&mut self, kind: ProbeKind, line: &str) -> (Vec<ProbeSaid>, Result<(), RpcError>) {
        let run = self.begin(kind, line);
        let mut said = Vec::new();
        loop {
            match self.hear(run).await {
                Ok(more) => said.push(more),
                Err(result) => return (said, result),
            }
        }
    }
}

#[tokio::test]
async fn what_a_node_finds_is_told_and_then_that_it_is_over() {
    let mut desk = Desk::new(Role::Admin).await;
    let (said, result) = desk.run(ProbeKind::Trace, "127.0.0.1").await;
    result.unwrap();
    assert!(matches!(&said[..], [ProbeSaid::Trace(step)] if step.end == Some(TraceEnd::Reached)), "{said:?}");

    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let (said, result) = desk.run(ProbeKind::Scan, &format!("127.0.0.1 {port}")).await;
    result.unwrap();
    let found = said.iter().filter_map(|said| match said {
        ProbeSaid::Scan(found) => Some(found.open.iter().map(|open| open.port)),
        _ => None,
    });
    assert_eq!(found.flatten().collect::<Vec<_>>(), [port]);
}

#[tokio::test]
async fn who_stops_a_scan_stops_it_on_the_node() {
    let mut desk = Desk::new(Role::Admin).await;
    // More than there are places for: each has to leave its own.
    for _ in 0..=SCANS_MAX {
        let runs = eventually("a place for a scan", Duration::from_secs(20), async || {
            let run = desk.begin(ProbeKind::Scan, LONG);
            match desk.hear(run).await {
                Ok(_) => Some(run),
                Err(full) => {
                    assert_eq!(full.unwrap_err().code, Code::RateLimited);
                    None
                }
            }
        });
        let run = runs.await;
        assert_eq!(desk.effects.carry_out(Command::Cancel(run)), None);
        let ended = loop {
            if let Err(ended) = desk.hear(run).await {
                break ended;
            }
        };
        assert_eq!(ended.unwrap_err().code, Code::Cancelled);
    }
}

#[tokio::test]
async fn a_role_and_a_local_policy_refuse_in_their_own_words() {
    let mut desk = Desk::new(Role::Admin).await;
    let (said, result) = desk.run(ProbeKind::Scan, "192.0.2.7 22").await;
    let refused = result.unwrap_err();
    assert!(said.is_empty() && refused.message.contains("scan_targets"), "{refused:?}");

    let mut desk = Desk::new(Role::Viewer).await;
    for (kind, line) in [(ProbeKind::Ping, "127.0.0.1"), (ProbeKind::Scan, "127.0.0.1 22")] {
        let (said, result) = desk.run(kind, line).await;
        let refused = result.unwrap_err();
        assert!(said.is_empty() && refused.message.starts_with("denied: role"), "{refused:?}");
    }
}
