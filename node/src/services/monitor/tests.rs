use p2p_shared::error::Code;
use p2p_shared::services::monitor::HistoryPoint;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::*;
use crate::history::driver::{self, Wiring};
use crate::history::figures::MeshSample;
use crate::host::Roots;
use crate::services::testing::{context, items, next};

/// A service over the real host, as long as it lives.
struct Running {
    service: MonitorService,
    host: watch::Receiver<Arc<HostSample>>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Running {
    fn start(data: &TempDir) -> Self {
        let sampler = Sampler::start(Roots::default()).unwrap();
        let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
        let history = driver::start(Wiring {
            data: data.path().to_owned(),
            sampler: sampler.clone(),
            mesh: Box::new(MeshSample::default),
            tasks: tasks.clone(),
            stopping: stopping.clone(),
        });
        let service = MonitorService::new(&sampler, history);
        Self { service, host: sampler.host(), tasks, stopping }
    }

    /// The points of a series, once there are so many.
    async fn points(&mut self, series: &str, count: usize) -> Vec<HistoryPoint> {
        loop {
            let (from, to) = (UnixMillis(0), UnixMillis(u64::from(u32::MAX) * 1_000));
            let answer = self.service.history(&context(), series.to_owned(), from, to, None).await;
            let found = answer.map(|mut history| history.series.pop()).unwrap_or_default();
            let points = found.map(|series| series.points).unwrap_or_default();
            let samples: u32 = points.iter().map(|point| point.count).sum();
            if samples as usize >= count {
                return points;
            }
            self.host.changed().await.unwrap();
        }
    }

    async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

#[tokio::test]
async fn a_snapshot_is_the_latest_sample() {
    let data = TempDir::new().unwrap();
    let service = Running::start(&data).service;
    let sample = service.snapshot(&context()).await.unwrap();
    assert!(!sample.cpu.cores.is_empty() && sample.memory.total_bytes > 0);
}

#[tokio::test]
async fn a_watch_gives_the_latest_at_once_and_then_the_next() {
    let data = TempDir::new().unwrap();
    let service = Running::start(&data).service;
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
    let data = TempDir::new().unwrap();
    let service = Running::start(&data).service;
    for interval_ms in [0, 999, 60_001, u32::MAX] {
        let refused = service.watch(&context(), interval_ms, items().0).await.unwrap_err();
        assert_eq!(refused.code, Code::BadRequest, "{}", refused.message);
    }
}

#[tokio::test]
async fn what_was_sampled_is_there_after_a_restart() {
    let data = TempDir::new().unwrap();
    let mut first = Running::start(&data);
    first.points("memory_available_bytes", 1).await;
    first.stop().await;
    let mut second = Running::start(&data);
    let points = second.points("memory_available_bytes", 2).await;
    assert!(points.iter().all(|point| point.min <= point.mean && point.mean <= point.max && point.min > 0.0));
    let listed = second.service.series(&context()).await.unwrap();
    assert!(listed.iter().any(|series| series.name == "memory_available_bytes" && series.current));
    second.stop().await;
}

#[tokio::test]
async fn questions_without_sense_are_refused_and_unknown_series_named() {
    let data = TempDir::new().unwrap();
    let mut running = Running::start(&data);
    running.points("load1", 1).await;
    let ask = |series: &str, from, to, step_s| {
        let (service, series) = (&running.service, series.to_owned());
        async move { service.history(&context(), series, UnixMillis(from), UnixMillis(to), step_s).await }
    };
    for (series, from, to, step_s, words) in [
        ("", 0, 1_000, None, "no series is named"),
        ("load1", 5, 5, None, "the span is empty"),
        ("load1", 0, 1_000, Some(0), "at least 1 second"),
        ("load1", 0, 1_000_000_000, Some(1), "ask for a step of at least"),
    ] {
        let refused = ask(series, from, to, step_s).await.unwrap_err();
        assert_eq!(refused.code, Code::BadRequest, "{}", refused.message);
        assert!(refused.message.contains(words), "{}", refused.message);
    }
    let unknown = ask("nothing", 0, 1_000, None).await.unwrap_err();
    assert_eq!((unknown.code, unknown.message.contains("nothing")), (Code::NotFound, true));
    assert!(ask("noth*", 0, 1_000, None).await.unwrap().series.is_empty());
    running.stop().await;
}

#[tokio::test]
async fn a_node_that_cannot_keep_a_history_says_so_and_goes_on() {
    let data = TempDir::new().unwrap();
    std::fs::create_dir(data.path().join("history.redb")).unwrap();
    let running = Running::start(&data);
    let refused = running.service.series(&context()).await.unwrap_err();
    assert_eq!(refused.code, Code::Unavailable);
    assert!(refused.message.contains("history.redb"), "{}", refused.message);
    running.service.snapshot(&context()).await.unwrap();
    running.stop().await;
}
