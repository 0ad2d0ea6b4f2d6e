//! What the console orders of files, commands and processes, over two real nodes: how far copies are, what stands in
//! their way, what a search finds, what a command wrote, and which process something leads to.

use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use p2p_shared::error::RpcError;
use p2p_shared::services::exec::{CommandLine, ExecRequest};
use p2p_shared::services::file::{FileFound, FilePath};
use p2p_shared::services::process::{ProcessInfo, ProcessKey};
use p2p_shared::services::transfer::TransferSummary;
use p2p_shared::time::UnixMillis;
use p2p_tui::command::{
    After, Below, Command, CopyId, CopyOrder, CopyPlan, CopyStep, Errand, FilesOrder, RunId, SearchFor,
    SearchId, SearchOrder, Sought, Spot,
};
use p2p_tui::event::{Answer, CopySaid, FilesSaid, MeshEvent, Previewed};
use tempfile::TempDir;

use crate::behind::Behind;
use crate::cluster::Cluster;

/// What stands behind a console's screen, and a tree of files that both nodes see.
struct Desk {
    cluster: Cluster,
    behind: Behind,
    top: TempDir,
}

impl Desk {
    async fn new() -> Self {
        let cluster = Cluster::whole(2).await;
        let top = tempfile::tempdir().unwrap();
        fs::create_dir_all(top.path().join("from/tree")).unwrap();
        fs::create_dir(top.path().join("to")).unwrap();
        fs::write(top.path().join("from/tree/large.bin"), vec![7; 1 << 20]).unwrap();
        fs::write(top.path().join("from/site.conf"), "listen = 80\nname = web\n").unwrap();
        let behind = Behind::enter(&cluster).await;
        Self { cluster, behind, top }
    }

    fn spot(&self, index: usize, name: &str) -> Spot {
        Spot { node: self.cluster.id(index), path: path(self.top.path().join(name)) }
    }

    async fn plan(&mut self, from: &str, to: Spot, below: Below, after: After) -> Vec<CopyStep> {
        let Spot { node, path } = self.spot(0, from);
        let plan = Box::new(CopyPlan { from: node, paths: vec![path], to, below, after });
        self.behind.order(Command::Files { node: plan.to.node, order: FilesOrder::Plan(plan.clone()) });
        let planned = |event| match event {
            MeshEvent::Files { said: FilesSaid::Planned(_, steps), .. } => Some(steps),
            _ => None,
        };
        self.behind.hear("a plan", planned).await.unwrap()
    }

    async fn copy(&mut self, copy: u64, order: CopyOrder) -> Result<Box<TransferSummary>, RpcError> {
        self.behind.order(Command::BeginCopy { copy: CopyId(copy), order: Box::new(order) });
        let ended = |event| match event {
            MeshEvent::Copy { copy: of, said: CopySaid::Ended(ended) } if of == CopyId(copy) => Some(ended),
            _ => None,
        };
        self.behind.hear("the end of a copy", ended).await
    }

    async fn search(&mut self, search: u64, what: SearchFor) -> Vec<FileFound> {
        let Spot { node, path } = self.spot(0, "from");
        let order = Box::new(SearchOrder { node, path, what });
        self.behind.order(Command::Search { search: SearchId(search), order });
        let mut all: Vec<FileFound> = Vec::new();
        while all.last().is_none_or(|found| found.end.is_none()) {
            let found = |event| match event {
                MeshEvent::Found { search: of, found } if of == SearchId(search) => Some(found.unwrap()),
                _ => None,
            };
            all.push(self.behind.hear("a word of a search", found).await);
        }
        all
    }

    async fn seek(&mut self, sought: Sought) -> Option<ProcessInfo> {
        self.behind.order(Command::Seek(Box::new(sought)));
        let told = |event| match event {
            MeshEvent::Sought { result, .. } => Some(result),
            _ => None,
        };
        self.behind.hear("a process", told).await.unwrap().map(|(_, info)| *info)
    }
}

fn path(path: impl AsRef<Path>) -> FilePath {
    FilePath::new(path.as_ref().as_os_str().as_bytes()).unwrap()
}

#[tokio::test]
async fn what_stands_in_the_way_is_told_before_and_a_copy_takes_its_place() {
    let mut desk = Desk::new().await;
    let to = desk.spot(1, "to");
    let [step] = &desk.plan("from/tree", to.clone(), Below::Always, After::Keep).await[..] else {
        panic!("one step")
    };
    assert_eq!((&step.order.to, &step.there), (&desk.spot(1, "to/tree"), &None));
    let order = step.order.clone();
    let summary = desk.copy(1, order.clone()).await.unwrap();
    assert_eq!((summary.progress.entries, summary.progress.done_bytes), (2, 1 << 20));
    let copied = fs::read(desk.top.path().join("to/tree/large.bin")).unwrap();
    assert_eq!(copied.len(), 1 << 20);
    // Now something stands there; the same again sends nothing.
    let [step] = &desk.plan("from/tree", to.clone(), Below::Directory, After::Keep).await[..] else {
        panic!("one step")
    };
    assert!(step.there.is_some() && step.order == order);
    assert_eq!(desk.copy(2, order).await.unwrap().progress.received_bytes, 0);
    // What is no directory is the name itself.
    let named = desk.spot(1, "to/other.conf");
    let [step] = &desk.plan("from/site.conf", named.clone(), Below::Directory, After::Keep).await[..] else {
        panic!("one step")
    };
    assert_eq!(step.order.to, named);
}

#[tokio::test]
async fn what_is_moved_goes_from_its_place_only_if_all_of_it_is_there() {
    let mut desk = Desk::new().await;
    let to = desk.spot(1, "to");
    let [step] = &desk.plan("from/tree", to.clone(), Below::Always, After::Remove).await[..] else {
        panic!("one step")
    };
    desk.copy(1, step.order.clone()).await.unwrap();
    assert!(!desk.top.path().join("from/tree").exists());
    assert_eq!(fs::read(desk.top.path().join("to/tree/large.bin")).unwrap().len(), 1 << 20);
    // A pipe is not copied: then the source stays, with all that is in it.
    fs::create_dir(desk.top.path().join("from/odd")).unwrap();
    fs::write(desk.top.path().join("from/odd/file"), "x").unwrap();
    let pipe = desk.top.path().join("from/odd/pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let [step] = &desk.plan("from/odd", to, Below::Always, After::Remove).await[..] else {
        panic!("one step")
    };
    let error = desk.copy(2, step.order.clone()).await.unwrap_err();
    assert!(error.message.contains("was not removed, for pipe is not copied"), "{error:?}");
    assert!(pipe.exists() && desk.top.path().join("from/odd/file").exists());
    assert!(desk.top.path().join("to/odd/file").exists());
}

#[tokio::test]
async fn a_search_tells_names_and_lines_and_how_it_ended() {
    let mut desk = Desk::new().await;
    let names = desk.search(1, SearchFor::names("site")).await;
    let hits: Vec<_> = names.iter().flat_map(|found| &found.hits).map(|hit| hit.path.clone()).collect();
    assert_eq!(hits, [desk.spot(0, "from/site.conf").path]);
    let lines = desk.search(2, SearchFor::Lines("^name".into())).await;
    let hits: Vec<_> = lines.iter().flat_map(|found| &found.hits).collect();
    assert!(matches!(&hits[..], [hit] if hit.line == Some(2) && hit.text.0 == b"name = web"), "{hits:?}");
}

#[tokio::test]
async fn what_a_command_wrote_is_told_before_how_it_ended() {
    let mut desk = Desk::new().await;
    let errand = Errand { run: RunId(1), target: 0 };
    let request = Box::new(ExecRequest {
        command: CommandLine::Shell { line: "echo err >&2; echo out; exit 3".into() },
        directory: None,
        user: None,
        environment: Vec::new(),
        timeout_ms: None,
        output_bytes_max: Some(1_024),
    });
    let node = desk.cluster.id(1);
    desk.behind.order(Command::Exec { errand, node, request });
    let answer = |event| match event {
        MeshEvent::Answer { answer, .. } => Some(*answer),
        MeshEvent::Outcome { .. } => panic!("it ended before it answered"),
        _ => None,
    };
    let answer = desk.behind.hear("an answer", answer).await;
    assert_eq!(answer, Answer { text: "out\nerr\n".into(), is_cut: false });
    let ended = |event| match event {
        MeshEvent::Outcome { result, .. } => Some(result),
        _ => None,
    };
    assert_eq!(desk.behind.hear("the outcome", ended).await.unwrap_err().message, "exit code 3");
}

#[tokio::test]
async fn a_connection_leads_to_the_process_at_its_other_end_and_a_past_one_only_if_it_lives() {
    let mut desk = Desk::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let here = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (_there, _) = listener.accept().unwrap();
    let (remote, local) = (here.local_addr().unwrap(), here.peer_addr().unwrap());
    let node = desk.cluster.id(0);
    let holder = Sought::Holder { nodes: vec![node], protocol: "tcp".into(), local, remote };
    let info = desk.seek(holder).await.expect("this process holds both ends");
    assert_eq!(info.key.pid, std::process::id());
    let living = |start_ticks, at| Sought::Living {
        node,
        key: ProcessKey { start_ticks, ..info.key },
        at,
        name: "e2e".into(),
    };
    let after = UnixMillis(info.started.0 + 1);
    assert!(desk.seek(living(info.key.start_ticks, after)).await.is_some());
    assert_eq!(desk.seek(living(info.key.start_ticks + 1, after)).await, None);
    assert_eq!(desk.seek(living(info.key.start_ticks, UnixMillis(0))).await, None, "it began later");
}

#[tokio::test]
async fn what_the_cursor_has_left_is_not_read() {
    let mut desk = Desk::new().await;
    let mut preview = async |names: &[&str]| {
        for name in names {
            let Spot { node, path } = desk.spot(0, name);
            desk.behind.order(Command::Files { node, order: FilesOrder::Preview(path) });
        }
        let told = |event| match event {
            MeshEvent::Files { said: FilesSaid::Previewed(path, previewed), .. } => Some((path, previewed)),
            _ => None,
        };
        let (path, previewed) = desk.behind.hear("what is under the cursor", told).await;
        assert_eq!(path, desk.spot(0, names.last().unwrap()).path, "the first that is told of");
        previewed.unwrap()
    };
    match preview(&["from/tree/large.bin", "from/site.conf"]).await {
        Previewed::Part(chunk) => assert!(chunk.content.0.starts_with(b"listen = 80") && chunk.is_end),
        other => panic!("{other:?}"),
    }
    match preview(&["from"]).await {
        Previewed::Names(page) => assert_eq!(page.rows.len(), 2),
        other => panic!("{other:?}"),
    }
    match preview(&["from/tree/large.bin"]).await {
        Previewed::Part(chunk) => assert_eq!((chunk.content.0.len(), chunk.is_end), (64 << 10, false)),
        other => panic!("{other:?}"),
    }
}
