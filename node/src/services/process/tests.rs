use p2p_shared::error::Code;

use super::*;
use crate::host::Roots;
use crate::host::testing::{FakeHost, Sleeper};
use crate::services::testing::{context, items, next};

fn service() -> ProcessService {
    ProcessService::new(Sampler::start(Roots::default()).unwrap())
}

#[tokio::test]
async fn a_list_is_filtered_without_regard_to_case() {
    let service = service();
    let child = Sleeper::start();
    let list = service.list(&context(), Some("SLEEP 600".into())).await.unwrap();
    assert!(list.processes.iter().any(|info| info.key.pid == child.0.id()));
    assert!(list.processes.iter().all(|info| info.command.to_lowercase().contains("sleep 600")));
    let all = service.list(&context(), None).await.unwrap();
    assert!(all.processes.len() > list.processes.len());
    assert!(service.list(&context(), Some("no such \u{1b}".into())).await.unwrap().processes.is_empty());
    let long = service.list(&context(), Some("x".repeat(2_000))).await.unwrap_err();
    assert_eq!(long.code, Code::BadRequest);
}

#[tokio::test]
async fn a_watch_tells_of_a_child_and_of_its_end() {
    let service = service();
    let (sink, mut received) = items();
    let follow = async {
        let first: ProcessDelta = next(&mut received).await;
        assert!(first.full && first.appeared.iter().any(|info| info.key.pid == std::process::id()));
        let child = Sleeper::start();
        let pid = child.0.id();
        let mut messages = vec![first];
        while !messages.iter().any(|delta| delta.appeared.iter().any(|info| info.key.pid == pid)) {
            messages.push(next(&mut received).await);
        }
        drop(child);
        while !messages.iter().any(|delta| delta.gone.iter().any(|key| key.pid == pid)) {
            messages.push(next(&mut received).await);
        }
        assert!(messages.iter().enumerate().all(|(index, delta)| delta.seq == index as u64));
        drop(received);
    };
    let context = context();
    let (ended, ()) = tokio::join!(service.watch(&context, 250, sink), follow);
    assert_eq!(ended.unwrap_err().code, Code::Cancelled);
}

#[tokio::test]
async fn a_child_is_inspected_reniced_and_ended_by_its_reference() {
    let service = service();
    let mut child = Sleeper::start();
    let target = child.reference();
    let ProcessRef { boot_id, pid, start_ticks } = target.clone();
    service.renice(&context(), target.clone(), 3).await.unwrap();
    let details = service.inspect(&context(), boot_id, pid, start_ticks).await.unwrap();
    assert_eq!((details.info.usage.nice, details.info.command.as_str()), (3, "sleep 600"));
    service.signal(&context(), target.clone(), Signal::Term).await.unwrap();
    child.0.wait().unwrap();
    let again = service.signal(&context(), target, Signal::Term).await.unwrap_err();
    assert_eq!(again.code, Code::Conflict, "{}", again.message);
}

#[tokio::test]
async fn bad_requests_are_refused() {
    let service = service();
    let child = Sleeper::start();
    let target = child.reference();
    let unknown = service.signal(&context(), target.clone(), Signal::Unknown).await.unwrap_err();
    assert_eq!(unknown.code, Code::BadRequest);
    assert_eq!(service.renice(&context(), target.clone(), 20).await.unwrap_err().code, Code::BadRequest);
    for interval_ms in [0, 249, 60_001, u32::MAX] {
        let refused = service.watch(&context(), interval_ms, items().0).await.unwrap_err();
        assert_eq!(refused.code, Code::BadRequest, "{}", refused.message);
    }
    let other = service.inspect(&context(), target.boot_id, target.pid, 1).await.unwrap_err();
    assert_eq!(other.code, Code::Conflict);
}

#[tokio::test]
async fn without_proc_calls_end_in_an_error() {
    let host = FakeHost::new();
    let roots = Roots { proc: host.path("nothing"), ..host.roots() };
    let service = ProcessService::new(Sampler::start(roots).unwrap());
    assert_eq!(service.list(&context(), None).await.unwrap_err().code, Code::Unavailable);
    assert_eq!(service.watch(&context(), 250, items().0).await.unwrap_err().code, Code::Unavailable);
    let inspected = service.inspect(&context(), "x".into(), 1, 1).await.unwrap_err();
    assert_eq!(inspected.code, Code::Unavailable);
}
