use p2p_shared::error::Code;

use super::*;
use crate::host::Roots;
use crate::services::testing::{context, items, next};

#[tokio::test]
async fn a_snapshot_is_the_latest_sample() {
    let sampler = Sampler::start(Roots::default()).unwrap();
    let service = MonitorService::new(&sampler);
    let sample = service.snapshot(&context()).await.unwrap();
    assert!(!sample.cpu.cores.is_empty() && sample.memory.total_bytes > 0);
}

#[tokio::test]
async fn a_watch_gives_the_latest_at_once_and_then_the_next() {
    let sampler = Sampler::start(Roots::default()).unwrap();
    let service = MonitorService::new(&sampler);
    let (sink, mut received) = items();
    let read = async {
        let first: HostSample = next(&mut received).await;
        let second: HostSample = next(&mut received).await;
        drop(received);
        (first, second)
    };
    let context = context();
    let (ended, (first, second)) = tokio::join!(service.watch(&context, 1_000, sink), read);
    assert_eq!(ended.unwrap_err().code, Code::Cancelled);
    assert!(second.at > first.at);
}

#[tokio::test]
async fn intervals_out_of_range_are_refused() {
    let service = MonitorService::new(&Sampler::start(Roots::default()).unwrap());
    for interval_ms in [0, 999, 60_001, u32::MAX] {
        let refused = service.watch(&context(), interval_ms, items().0).await.unwrap_err();
        assert_eq!(refused.code, Code::BadRequest, "{}", refused.message);
    }
}
