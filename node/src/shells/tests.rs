//! Shells over a runner that starts nothing: a terminal whose other side the test holds, and a clock that it winds.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use p2p_shared::config::Document;
use p2p_shared::rpc::codec::{self, Encoding};
use p2p_shared::rpc::service::{Io, Payload};
use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::services::program::Limit;
use p2p_shared::services::shell::{ShellExit, ShellRequest, ShellSize, ShellState};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use tempfile::TempDir;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use super::*;
use crate::host::run::account::Account;
use crate::host::run::{End, Ends, Kind, Leash, Limits, RunError, RunId, Running, Work};
use crate::policy::Policy;

const PATIENCE: Duration = Duration::from_secs(3_600);

/// The side of a terminal that a program has, and how that program ended.
#[derive(Debug)]
struct Stage {
    slave: OwnedFd,
    master: OwnedFd,
    end: watch::Sender<Option<End>>,
}

#[derive(Debug)]
struct Hold(Arc<Stage>);

impl Leash for Hold {
    fn signal(&self, signal: Signal) -> BoxFuture<'_, Result<(), RunError>> {
        if signal == Signal::Hup {
            self.0.end.send_replace(Some(End { code: None, signal: Some(1), ..End::default() }));
        }
        std::future::ready(Ok(())).boxed()
    }

    fn ended(&self) -> BoxFuture<'_, End> {
        let mut end = self.0.end.subscribe();
        async move { end.wait_for(Option::is_some).await.ok().and_then(|end| *end).unwrap_or_default() }
            .boxed()
    }

    fn release(&self) -> BoxFuture<'_, ()> {
        std::future::ready(()).boxed()
    }
}

/// What outlives a node.
#[derive(Debug, Default)]
struct Fake {
    runs: Mutex<BTreeMap<String, Arc<Stage>>>,
    kept: Mutex<BTreeMap<String, OwnedFd>>,
}

impl Fake {
    fn stage(&self) -> Arc<Stage> {
        self.runs.lock().unwrap().values().next().unwrap().clone()
    }

    fn running(stage: &Arc<Stage>) -> Running {
        let terminal = stage.master.try_clone().unwrap();
        Running { process: None, ends: Ends::Terminal(terminal), leash: Arc::new(Hold(Arc::clone(stage))) }
    }
}

impl Runner for Fake {
    fn start(&self, work: Work) -> BoxFuture<'static, Result<Running, RunError>> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave = rustix::fs::open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        let stage = Arc::new(Stage { slave, master, end: watch::Sender::new(None) });
        let running = Self::running(&stage);
        self.runs.lock().unwrap().insert(work.id.id, stage);
        std::future::ready(Ok(running)).boxed()
    }

    fn take_up(&self, id: &RunId, _: Option<ProcessRef>) -> BoxFuture<'static, Option<Running>> {
        let running = self.runs.lock().unwrap().get(&id.id).map(Self::running);
        std::future::ready(running).boxed()
    }

    fn left(&self, kind: Kind) -> BoxFuture<'static, Vec<RunId>> {
        let ids = self.runs.lock().unwrap().keys().map(|id| RunId { kind, id: id.clone() }).collect();
        std::future::ready(ids).boxed()
    }

    fn outlives(&self) -> bool {
        true
    }

    fn unenforced(&self, _: &Limits, _: Option<&Account>) -> Vec<Limit> {
        Vec::new()
    }

    fn keep(&self, name: &str, descriptor: BorrowedFd<'_>) {
        self.kept.lock().unwrap().insert(name.to_owned(), descriptor.try_clone_to_owned().unwrap());
    }

    fn kept(&self, name: &str) -> Option<OwnedFd> {
        self.kept.lock().unwrap().get(name).map(|kept| kept.try_clone().unwrap())
    }

    fn unkeep(&self, name: &str) {
        self.kept.lock().unwrap().remove(name);
    }
}

/// One life of a node with shells.
struct Life {
    shells: Shells,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Life {
    async fn begin(data: &Path, fake: &Arc<Fake>, policy: &str) -> Self {
        let document = Document::from_bytes(Path::new("/policy.toml"), policy.into()).unwrap();
        let (tasks, stopping) = (TaskTracker::new(), CancellationToken::new());
        let shells = Shells::new(Wiring {
            fuse: Fuse::new(Policy::parse(&document).unwrap()),
            runner: Arc::clone(fake) as Arc<dyn Runner>,
            store: Store::open(data).unwrap(),
            data: data.to_owned(),
            handle: Handle::current(),
            tasks: tasks.clone(),
            stopping: stopping.clone(),
        });
        shells.clone().take_up().await.unwrap();
        Self { shells, tasks, stopping }
    }

    async fn open(&self) -> String {
        let request = ShellRequest {
            command: None,
            user: None,
            directory: None,
            environment: Vec::new(),
            term: "xterm".into(),
            size: ShellSize { rows: 24, columns: 80 },
        };
        self.shells.open(Opener::User("ann".into()), Wanted::new(request).unwrap()).await.unwrap().id
    }

    fn attach(&self, id: &str) -> Attached {
        let (output, items) = mpsc::channel(64);
        let (inputs, input) = mpsc::channel(16);
        let mut payload =
            Payload { args: Bytes::new(), encoding: Encoding::Json, io: Some(Io { output, input }) };
        let streams = payload.duplex().unwrap();
        let (shells, to) = (self.shells.clone(), ShellAttach { id: id.to_owned(), size: None });
        self.tasks.spawn(async move { drop(shells.attach(None, to, streams).await) });
        Attached { items, inputs }
    }

    /// How the only shell ended, and after how long.
    async fn end_of(&self, id: &str) -> (ShellExit, Duration) {
        let began = Instant::now();
        let session = self.shells.session(id).unwrap();
        let mut over = session.over.subscribe();
        let waited = tokio::time::timeout(PATIENCE, over.wait_for(Option::is_some)).await;
        (waited.expect("it ends").unwrap().clone().unwrap(), began.elapsed())
    }

    async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}

struct Attached {
    items: mpsc::Receiver<Bytes>,
    inputs: mpsc::Sender<Bytes>,
}

impl Attached {
    async fn until(&mut self, text: &str) -> String {
        let mut shown = String::new();
        while !shown.contains(text) {
            let item = self.items.recv().await.expect("more");
            match codec::decode(&item, Encoding::Json).unwrap() {
                ShellItem::Scrollback(bytes) | ShellItem::Output(bytes) => {
                    shown += &String::from_utf8(bytes).unwrap();
                }
                ShellItem::Attached(_) => {}
                other => panic!("{other:?} after {shown:?}"),
            }
        }
        shown
    }

    async fn type_in(&self, text: &str) {
        let input = ShellInput::Bytes(text.as_bytes().to_vec());
        self.inputs.send(codec::encode(&input, Encoding::Json).unwrap()).await.unwrap();
    }
}

fn write(stage: &Stage, text: &str) {
    assert_eq!(rustix::io::write(stage.slave.as_fd(), text.as_bytes()).unwrap(), text.len());
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

#[tokio::test(start_paused = true)]
async fn a_shell_that_nobody_types_into_ends_whatever_it_shows() {
    let (data, fake) = (TempDir::new().unwrap(), Arc::new(Fake::default()));
    let life = Life::begin(data.path(), &fake, "shell_idle_minutes = 10").await;
    let id = life.open().await;
    let attached = life.attach(&id);
    tokio::time::sleep(minutes(9)).await;
    attached.type_in("x").await;
    let session = life.shells.session(&id).unwrap();
    for _ in 0..9 {
        tokio::time::sleep(minutes(1)).await;
        session.push(b"top").unwrap();
    }
    let (exit, took) = life.end_of(&id).await;
    assert!(exit.why.unwrap().contains("shell_idle_minutes"));
    assert!(took > Duration::from_secs(50) && took < minutes(2), "{took:?}");
    assert_eq!(life.shells.list(None)[0].state, ShellState::Ended);
    life.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_shell_ends_when_its_time_is_over_and_is_forgotten_later() {
    let (data, fake) = (TempDir::new().unwrap(), Arc::new(Fake::default()));
    let life = Life::begin(data.path(), &fake, "shell_total_minutes = 30").await;
    let id = life.open().await;
    let (exit, took) = life.end_of(&id).await;
    assert_eq!(exit.signal, Some(1));
    assert!(exit.why.unwrap().contains("shell_total_minutes"));
    assert!(took >= minutes(29) && took < minutes(31), "{took:?}");
    tokio::time::sleep(ENDED_KEPT + minutes(1)).await;
    assert_eq!(life.shells.list(None), []);
    life.stop().await;
}

#[tokio::test]
async fn a_shell_that_outlives_the_node_goes_on_with_its_scrollback_and_its_recording() {
    let (data, fake) = (TempDir::new().unwrap(), Arc::new(Fake::default()));
    let life = Life::begin(data.path(), &fake, "shell_record = true").await;
    let id = life.open().await;
    let mut attached = life.attach(&id);
    write(&fake.stage(), "before\r\n");
    attached.until("before").await;
    drop(attached);
    life.stop().await;
    // While nobody is there to read it.
    write(&fake.stage(), "meanwhile\r\n");

    let life = Life::begin(data.path(), &fake, "shell_record = true").await;
    let listed = life.shells.list(Some(&Opener::User("ann".into())));
    assert_eq!((listed.len(), &listed[0].id, listed[0].is_own), (1, &id, true));
    assert_eq!((listed[0].state, listed[0].is_recorded), (ShellState::Running, true));
    let mut attached = life.attach(&id);
    let shown = attached.until("meanwhile").await;
    assert!(shown.contains("before"), "{shown:?}");
    write(&fake.stage(), "after\r\n");
    attached.until("after").await;
    life.shells.end(&id, "ann").await.unwrap();
    life.stop().await;
    let text = std::fs::read_to_string(data.path().join(format!("recordings/{id}.cast"))).unwrap();
    for word in ["before", "meanwhile", "after"] {
        assert!(text.contains(word), "{text}");
    }
    assert_eq!(Store::open(data.path()).unwrap().shells().unwrap(), [], "nothing is left on record");
    assert!(fake.kept.lock().unwrap().is_empty());
}

#[tokio::test]
async fn what_ended_while_the_node_was_away_is_said_and_what_nobody_knows_is_ended() {
    let (data, fake) = (TempDir::new().unwrap(), Arc::new(Fake::default()));
    let life = Life::begin(data.path(), &fake, "").await;
    let id = life.open().await;
    let mut attached = life.attach(&id);
    write(&fake.stage(), "last words\r\n");
    attached.until("last words").await;
    drop(attached);
    life.stop().await;
    let stage = fake.runs.lock().unwrap().remove(&id).unwrap();
    fake.runs.lock().unwrap().insert("stranger".into(), stage);

    let life = Life::begin(data.path(), &fake, "").await;
    let listed = life.shells.list(None);
    assert_eq!((listed.len(), &listed[0].id, listed[0].state), (1, &id, ShellState::Ended));
    life.attach(&id).until("last words").await;
    life.stop().await;
}
