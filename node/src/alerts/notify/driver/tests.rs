use p2p_shared::time::UnixMillis;
use serde_json::Value;
use tempfile::TempDir;

use super::super::core::notice::Notice;
use super::super::testing::{Fake, route};
use super::*;

/// A delivery, as long as it lives.
struct Running {
    notifier: Notifier,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Running {
    fn start(data: &TempDir, seed: u64, receiver: Receiver) -> Self {
        let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
        let notifier = start(Wiring {
            store: Store::open(data.path()).unwrap(),
            receivers: vec![receiver],
            node: "web-1".parse().unwrap(),
            seed,
            tasks: tasks.clone(),
            stopping: stopping.clone(),
        });
        Self { notifier, tasks, stopping }
    }

    async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// How it stands with the receiver, once it stands so.
    async fn until(&self, holds: impl Fn(&ReceiverState) -> bool) {
        let mut states = self.notifier.states();
        let all = states.wait_for(|states| states.first().is_some_and(&holds));
        tokio::time::timeout(std::time::Duration::from_secs(20), all).await.unwrap().unwrap();
    }
}

fn notice(ends_at: Option<u64>) -> Notice {
    Notice {
        fingerprint: "1".into(),
        labels: [("alertname".to_owned(), "DiskFull".to_owned())].into(),
        annotations: Default::default(),
        starts_at: UnixMillis(1_795_404_123_000),
        ends_at: ends_at.map(UnixMillis),
    }
}

#[tokio::test]
async fn what_was_offered_is_delivered_by_the_next_run_if_this_one_ends_and_once_by_its_id() {
    let data = TempDir::new().unwrap();
    let mut fake = Fake::start(&["500 No", "200 OK"]).await;
    let first = Running::start(&data, 1, fake.receiver());
    first.notifier.offer(notice(None)).await.unwrap();
    first.until(|state| state.failures == 1 && state.waiting == 1).await;
    first.stop().await;
    let second = Running::start(&data, 2, fake.receiver());
    second.until(|state| state.delivered == 1 && state.waiting == 0).await;
    second.notifier.offer(notice(None)).await.unwrap();
    second.notifier.offer(notice(Some(1_795_404_200_000))).await.unwrap();
    second.until(|state| state.delivered == 2 && state.waiting == 0).await;
    second.stop().await;
    let mut asked = Vec::new();
    while let Ok(request) = fake.asked.try_recv() {
        asked.push((request.header("webhook-id").unwrap().to_owned(), request.body));
    }
    let [(first_id, first), (second_id, second), (third_id, third)] = asked.as_slice() else {
        panic!("three requests: {}", asked.len());
    };
    assert!(first_id == second_id && first == second && second_id != third_id);
    let status = |body: &[u8]| serde_json::from_slice::<Value>(body).unwrap()["status"].clone();
    assert_eq!((status(second), status(third)), ("firing".into(), "resolved".into()));
    assert!(Store::open(data.path()).unwrap().notices().unwrap().is_empty());
}

#[tokio::test]
async fn a_command_is_told_the_same_body() {
    let data = TempDir::new().unwrap();
    let told = data.path().join("told");
    let script = format!("cat > {}", told.display());
    let argv = ["/bin/sh", "-c", &script].map(str::to_owned).to_vec();
    let running = Running::start(&data, 3, Receiver { route: route("pager"), way: Way::Command(argv) });
    running.notifier.offer(notice(None)).await.unwrap();
    running.until(|state| state.delivered == 1).await;
    let body: Value = serde_json::from_slice(&std::fs::read(told).unwrap()).unwrap();
    assert_eq!(body["alerts"][0]["labels"]["node"], "web-1");
    running.stop().await;
}

#[tokio::test]
async fn receivers_that_are_configured_anew_are_told_from_then_on() {
    let data = TempDir::new().unwrap();
    let (mut before, mut after) = (Fake::start(&["500 No"]).await, Fake::start(&["200 OK"]).await);
    let running = Running::start(&data, 4, before.receiver());
    running.notifier.offer(notice(None)).await.unwrap();
    running.until(|state| state.failures == 1 && state.waiting == 1).await;
    // The same name at another place: what waited for it goes there.
    running.notifier.configure(vec![after.receiver()]);
    running.until(|state| state.delivered == 1 && state.waiting == 0).await;
    assert!(after.asked.recv().await.is_some());
    running.notifier.configure(Vec::new());
    let mut states = running.notifier.states();
    states.wait_for(Vec::is_empty).await.unwrap();
    running.notifier.offer(notice(Some(1_795_404_200_000))).await.unwrap();
    running.stop().await;
    assert!(before.asked.recv().await.is_some() && before.asked.try_recv().is_err());
    assert!(after.asked.try_recv().is_err());
    assert!(Store::open(data.path()).unwrap().notices().unwrap().is_empty());
}
