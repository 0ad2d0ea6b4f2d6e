use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::timeout;

use super::*;
use crate::host::testing::{FakeHost, Sleeper};

/// Far more than anything here takes: only a defect lets it pass.
const DEADLINE: Duration = Duration::from_secs(30);

fn sampler() -> Sampler {
    Sampler::start(Roots::default()).unwrap()
}

fn sees(snapshot: &ProcessSnapshot, pid: u32) -> bool {
    snapshot.rows.iter().any(|row| row.identity.key.pid == pid)
}

#[tokio::test]
async fn whoever_asks_sees_what_was_there_when_it_asked() {
    let sampler = sampler();
    sampler.processes().await.unwrap();
    let child = Sleeper::start();
    let pid = child.0.id();
    assert!(sees(&sampler.processes().await.unwrap(), pid));
    drop(child);
    assert!(!sees(&sampler.processes().await.unwrap(), pid));
}

#[tokio::test]
async fn a_watch_goes_on_by_itself() {
    let mut watch = sampler().watch_processes(Millis(250));
    let first = watch.next().await.unwrap();
    let second = timeout(DEADLINE, watch.next()).await.unwrap().unwrap();
    let apart = second.at.monotonic.since(first.at.monotonic);
    assert!(apart >= Millis(200), "{apart:?}");
}

#[tokio::test]
async fn a_watch_that_ends_is_no_demand_any_more() {
    let sampler = sampler();
    let (one, two) = (sampler.watch_processes(Millis(250)), sampler.watch_processes(Millis(250)));
    let watchers = || sampler.demand.0.lock().watchers.clone();
    assert_eq!(watchers(), BTreeMap::from([(Millis(250), 2)]));
    drop(one);
    assert_eq!(watchers(), BTreeMap::from([(Millis(250), 1)]));
    drop(two);
    assert!(watchers().is_empty());
}

#[tokio::test]
async fn the_host_is_sampled_each_second() {
    let host = sampler().host();
    let first = Arc::clone(&host.borrow());
    assert!(!first.cpu.cores.is_empty() && first.processes > 0);
}

#[tokio::test]
async fn samples_keep_coming() {
    let sampler = sampler();
    let mut host = sampler.host();
    timeout(DEADLINE, host.changed()).await.unwrap().unwrap();
}

#[tokio::test]
async fn the_thread_ends_with_the_last_handle() {
    let sampler = sampler();
    let mut host = sampler.host();
    drop(sampler);
    let ended = async { while host.changed().await.is_ok() {} };
    timeout(DEADLINE, ended).await.unwrap();
}

#[tokio::test]
async fn a_watch_keeps_sampling_alive_and_stop_ends_it() {
    let sampler = sampler();
    let mut watch = sampler.watch_processes(Millis(60_000));
    watch.next().await.unwrap();
    sampler.stop();
    assert_eq!(timeout(DEADLINE, watch.next()).await.unwrap().unwrap_err(), HostError::Stopped);
    assert_eq!(sampler.processes().await.unwrap_err(), HostError::Stopped);
}

#[tokio::test]
async fn without_proc_figures_are_empty_and_processes_an_error() {
    let host = FakeHost::new();
    let sampler = Sampler::start(Roots { proc: host.path("nothing"), ..host.roots() }).unwrap();
    assert!(sampler.host().borrow().cpu.cores.is_empty());
    assert!(matches!(sampler.processes().await, Err(HostError::Unreadable { .. })));
    assert!(matches!(sampler.watch_processes(Millis(250)).next().await, Err(HostError::Unreadable { .. })));
}
