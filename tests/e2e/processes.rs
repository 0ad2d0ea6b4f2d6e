//! Processes of this machine through a node: seen, signalled, gone.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use p2p_shared::access::Role;
use p2p_shared::error::Code;
use p2p_shared::rpc::client::{ItemSource, Subscription};
use p2p_shared::services::Services;
use p2p_shared::services::process::{ProcessDelta, ProcessInfo, ProcessRef, Signal};
use tokio::time::timeout;

use crate::cluster::Cluster;

/// A new process is in a watch within this.
const SEEN: Duration = Duration::from_secs(2);

/// A process of our own, ended and reaped with the test.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        Self(Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn until<T, S: ItemSource>(
    watch: &mut Subscription<ProcessDelta, S>,
    what: &str,
    found: impl Fn(&ProcessDelta) -> Option<T>,
) -> T {
    let looked = async {
        loop {
            let delta = watch.next().await.unwrap().expect("a watch has no end");
            if let Some(found) = found(&delta) {
                return found;
            }
        }
    };
    timeout(SEEN, looked).await.unwrap_or_else(|_| panic!("not within {SEEN:?}: {what}"))
}

#[tokio::test]
async fn a_process_appears_takes_a_signal_and_is_gone() {
    let cluster = Cluster::start(1).await;
    let processes = cluster.operator(Role::Operator).node(cluster.name(0)).process();
    let mut watch = processes.watch(250).await.unwrap();
    let first = watch.next().await.unwrap().unwrap();
    assert!(first.full && first.seq == 0);

    let mut sleeper = Sleeper::start();
    let pid = sleeper.0.id();
    let (info, boot_id) = until(&mut watch, "the process appears", |delta| {
        let info: Option<&ProcessInfo> = delta.appeared.iter().find(|info| info.key.pid == pid);
        // A fork shows its parent's name until it has become another program.
        info.filter(|info| info.name == "sleep").map(|info| (info.clone(), delta.boot_id.clone()))
    })
    .await;
    assert_eq!(info.command, "sleep 600");

    let target = ProcessRef { boot_id, pid, start_ticks: info.key.start_ticks };
    let other = ProcessRef { start_ticks: target.start_ticks + 1, ..target.clone() };
    let error = processes.signal(other, Signal::Term).await.unwrap_err();
    assert_eq!(error.code, Code::Conflict, "{error}");
    assert!(sleeper.0.try_wait().unwrap().is_none(), "it took a signal for another process");

    processes.signal(target, Signal::Term).await.unwrap();
    let status = tokio::task::spawn_blocking(move || sleeper.0.wait().unwrap()).await.unwrap();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
    until(&mut watch, "the process is gone", |delta| delta.gone.contains(&info.key).then_some(())).await;
}

#[tokio::test]
async fn figures_of_the_host_come_each_second() {
    let cluster = Cluster::start(1).await;
    let monitor = cluster.operator(Role::Viewer).node(cluster.name(0)).monitor();
    let mut watch = monitor.watch(1_000).await.unwrap();
    let mut next = async || watch.next().await.unwrap().expect("a watch has no end");
    let (one, two) = (next().await, next().await);
    assert!(one.memory.total_bytes > 0 && one.processes > 0);
    assert!(two.at > one.at);
    let error = monitor.watch(1).await.unwrap().next().await.unwrap_err();
    assert_eq!(error.code, Code::BadRequest, "{error}");
}
