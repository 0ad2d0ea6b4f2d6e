//! Shells through a node: what is typed and shown, and what is found again by who was cut off.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use p2p_shared::access::Role;
use p2p_shared::error::{Code, RpcError};
use p2p_shared::mesh::NodeHandle;
use p2p_shared::rpc::client::Duplex;
use p2p_shared::services::Services;
use p2p_shared::services::exec::Variable;
use p2p_shared::services::shell::{
    AHEAD_BYTES, SHELLS_OF_CALLER_MAX, ShellAttach, ShellCommand, ShellExit, ShellInfo, ShellInput,
    ShellItem, ShellRequest, ShellSize, ShellState,
};

use crate::audit::policy;
use crate::cluster::{Cluster, LONG, eventually};
use crate::echo::soon;
use crate::revocation::push;

fn request(program: &str, arguments: &[&str]) -> ShellRequest {
    let arguments = arguments.iter().map(|&word| word.to_owned()).collect();
    ShellRequest {
        command: Some(ShellCommand { program: program.to_owned(), arguments }),
        user: None,
        directory: Some("/".into()),
        environment: vec![Variable { name: "PS1".into(), value: "ready> ".into() }],
        term: "xterm".into(),
        size: ShellSize { rows: 24, columns: 80 },
    }
}

fn sh() -> ShellRequest {
    request("/bin/sh", &[])
}

/// Somebody attached, and all that was shown so far.
struct Attached {
    call: Duplex<ShellInput, ShellItem, NodeHandle>,
    info: ShellInfo,
    scrollback: String,
    shown: String,
    resized: Option<ShellSize>,
}

impl Attached {
    async fn to(node: &NodeHandle, id: &str, size: Option<ShellSize>) -> Result<Self, RpcError> {
        let mut call = node.shell().attach(ShellAttach { id: id.to_owned(), size }).await?;
        match soon("the first item", call.output.next()).await? {
            Some(ShellItem::Attached(info)) => {
                Ok(Self { call, info: *info, scrollback: String::new(), shown: String::new(), resized: None })
            }
            other => panic!("{other:?}"),
        }
    }

    async fn send(&mut self, input: ShellInput) {
        self.call.send(&input).await.unwrap();
    }

    async fn type_in(&mut self, text: &str) {
        self.send(ShellInput::Bytes(text.as_bytes().to_vec())).await;
    }

    /// The next item; what it shows is added to what was shown.
    async fn next(&mut self) -> Result<Option<ShellItem>, RpcError> {
        let item = soon("an item", self.call.output.next()).await?;
        match &item {
            Some(ShellItem::Scrollback(bytes)) => self.scrollback += &String::from_utf8_lossy(bytes),
            Some(ShellItem::Output(bytes)) => self.shown += &String::from_utf8_lossy(bytes),
            Some(ShellItem::Resized(size)) => self.resized = Some(*size),
            _ => {}
        }
        Ok(item)
    }

    /// Until this was shown, from where the last wait ended.
    async fn until(&mut self, text: &str) {
        let waited = async {
            while !self.shown.contains(text) {
                let item = self.next().await.unwrap();
                assert!(
                    matches!(
                        item,
                        Some(ShellItem::Scrollback(_) | ShellItem::Output(_) | ShellItem::Resized(_))
                    ),
                    "{item:?}"
                );
            }
        };
        if tokio::time::timeout(LONG, waited).await.is_err() {
            panic!("{text:?} is not shown: {:?} and then {:?}", self.scrollback, self.shown);
        }
        let end = self.shown.find(text).unwrap() + text.len();
        self.shown.drain(..end);
    }

    async fn exit(&mut self) -> ShellExit {
        loop {
            match self.next().await.unwrap() {
                Some(ShellItem::Exit(exit)) => {
                    assert_eq!(self.next().await.unwrap(), None, "it is the last");
                    return exit;
                }
                Some(_) => {}
                None => panic!("it does not say how it ended"),
            }
        }
    }
}

async fn opened(node: &NodeHandle, request: ShellRequest) -> (ShellInfo, Attached) {
    let info = soon("opening", node.shell().open(request)).await.unwrap();
    let attached = Attached::to(node, &info.id, None).await.unwrap();
    (info, attached)
}

async fn list(node: &NodeHandle) -> Vec<ShellInfo> {
    soon("the list", node.shell().list()).await.unwrap()
}

#[tokio::test]
async fn a_shell_shows_what_it_writes_takes_what_is_typed_and_says_how_it_ended() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let (info, mut shell) = opened(&node, sh()).await;
    assert_eq!((info.state, info.attached, info.is_own), (ShellState::Running, 0, true));
    assert_eq!((info.opened_by.as_str(), &info.command[..]), ("operator admin", &["/bin/sh".to_owned()][..]));
    assert_eq!(shell.info.attached, 1);
    shell.type_in("test -t 0 && test -t 1 && echo is_a_\"terminal\" $TERM; tty\n").await;
    shell.until("is_a_terminal xterm").await;
    shell.until("/dev/pts/").await;
    shell.type_in("echo \"<$(env | cut -d= -f1 | grep -v ^P2P_ADMIN_RUN | sort | tr '\\n' ' ')>\"\n").await;
    shell.until("<HOME LANG LOGNAME PATH PS1 PWD SHELL TERM USER >").await;
    shell.type_in("exit 7\n").await;
    assert_eq!(shell.exit().await, ShellExit { code: Some(7), signal: None, why: None });

    let listed = list(&node).await;
    assert_eq!((listed.len(), listed[0].state, listed[0].attached), (1, ShellState::Ended, 0));
    assert_eq!(listed[0].exit.as_ref().unwrap().code, Some(7));
    let mut late = Attached::to(&node, &info.id, None).await.unwrap();
    assert_eq!(late.exit().await.code, Some(7), "its end can still be read");
    assert!(late.scrollback.contains("is_a_terminal xterm"), "{}", late.scrollback);

    let (_, mut killed) = opened(&node, request("/bin/sh", &["-c", "kill -9 $$"])).await;
    assert_eq!(killed.exit().await.signal, Some(9));
}

#[tokio::test]
async fn who_was_cut_off_finds_the_shell_again_with_all_that_it_showed() {
    let cluster = Cluster::start(1).await;
    let (first, second) = (cluster.admin(0), cluster.as_seen_by(&cluster.ca.operator("ben", Role::Admin)));
    let (info, mut shell) = opened(&first, sh()).await;
    shell.type_in("i=0; while [ $i -lt 100 ]; do i=$((i+1)); echo line $i; done; X=kept\n").await;
    shell.until("line 100\r\n").await;
    // Without a good-bye, as a console that is killed.
    drop(shell);
    eventually("nobody is attached", LONG, async || (list(&first).await[0].attached == 0).then_some(()))
        .await;

    let other = second.node(cluster.name(0));
    let seen = list(&other).await;
    assert_eq!((seen[0].is_own, seen[0].opened_by.as_str()), (false, "operator admin"));
    let mut again = Attached::to(&other, &info.id, Some(ShellSize { rows: 30, columns: 100 })).await.unwrap();
    again.type_in("echo $X; stty size\n").await;
    again.until("kept\r\n30 100").await;
    for line in ["line 1\r\n", "line 50\r\n", "line 100"] {
        assert!(again.scrollback.contains(line), "{line}: {}", again.scrollback);
    }
    again.type_in("exit\n").await;
    assert_eq!(again.exit().await.code, Some(0));
}

#[tokio::test]
async fn several_see_the_same_and_the_last_size_counts() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let (info, mut one) = opened(&node, sh()).await;
    let mut other = Attached::to(&node, &info.id, None).await.unwrap();
    one.type_in("echo from_\"one\"\n").await;
    other.until("from_one").await;
    one.until("from_one").await;
    for (asked, expected) in [((0, 0), "1 1"), ((65_535, 65_535), "1000 1000"), ((50, 132), "50 132")] {
        let size = ShellSize { rows: asked.0, columns: asked.1 };
        one.send(ShellInput::Resize(size)).await;
        while other.resized.take() != Some(size.clamped()) {
            other.next().await.unwrap();
        }
        other.type_in("stty size\n").await;
        one.until(expected).await;
        other.until(expected).await;
    }
    assert_eq!(one.resized, None, "who asked knows");
    node.shell().end(info.id.clone()).await.unwrap();
    let exits = [one.exit().await, other.exit().await];
    assert_eq!(exits[0], exits[1]);
    assert_eq!(exits[0].why.as_deref(), Some("by operator admin"));
}

#[tokio::test]
async fn what_cannot_be_opened_is_said() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    for (bad, code) in [
        (ShellRequest { user: Some("no-such-user".into()), ..sh() }, Code::NotFound),
        (request("/no/such/program", &[]), Code::NotFound),
        (ShellRequest { directory: Some("/no/such/directory".into()), ..sh() }, Code::Conflict),
        (request("", &[]), Code::BadRequest),
        (request("/bin/sh", &["a\0b"]), Code::BadRequest),
        (ShellRequest { term: "xterm\n".into(), ..sh() }, Code::BadRequest),
        (ShellRequest { term: String::new(), ..sh() }, Code::BadRequest),
        (
            ShellRequest { environment: vec![Variable { name: "A=".into(), value: "".into() }], ..sh() },
            Code::BadRequest,
        ),
    ] {
        let error = soon("opening", node.shell().open(bad.clone())).await.unwrap_err();
        assert_eq!(error.code, code, "{bad:?}: {error}");
    }
    assert_eq!(list(&node).await, []);
    let error = Attached::to(&node, "nobody", None).await.err().unwrap();
    assert_eq!(error.code, Code::NotFound);
}

#[tokio::test]
async fn only_so_many_shells_are_opened_and_the_local_policy_judges_each() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let mut open = Vec::new();
    for _ in 0..SHELLS_OF_CALLER_MAX {
        open.push(node.shell().open(request("cat", &[])).await.unwrap().id);
    }
    let error = node.shell().open(request("cat", &[])).await.unwrap_err();
    assert_eq!(error.code, Code::RateLimited, "{error}");
    let other = cluster.as_seen_by(&cluster.ca.operator("ben", Role::Admin)).node(cluster.name(0));
    let bens = other.shell().open(request("cat", &[])).await.unwrap();
    open.push(bens.id);
    for id in open {
        soon("its end", node.shell().end(id)).await.unwrap();
    }
    assert!(list(&node).await.iter().all(|shell| shell.state == ShellState::Ended));

    let cat = fs::canonicalize("/bin/cat").unwrap();
    cluster.fuse(0).replace(policy(&format!("commands = [{:?}]", cat.to_str().unwrap())));
    let allowed = node.shell().open(request("cat", &[])).await.unwrap();
    node.shell().end(allowed.id).await.unwrap();
    for stopped in [sh(), ShellRequest { command: None, ..sh() }] {
        let error = node.shell().open(stopped).await.unwrap_err();
        assert!(error.message.starts_with("denied: local policy"), "{error}");
    }
    cluster.fuse(0).replace(policy("run_as = [\"nobody\"]"));
    assert_eq!(node.shell().open(request("cat", &[])).await.unwrap_err().code, Code::Forbidden);
}

#[tokio::test]
async fn who_does_not_read_holds_up_nobody_for_long_and_is_told() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let (info, mut reading) = opened(&node, sh()).await;
    let mut sleeping = Attached::to(&node, &info.id, None).await.unwrap();
    sleeping.send(ShellInput::Seen(0)).await;
    reading.type_in("yes | head -c 2000000; echo all_\"there\"\n").await;
    reading.until("all_there").await;
    let mut shown = 0;
    loop {
        match sleeping.next().await.unwrap() {
            Some(ShellItem::Output(bytes)) => shown += bytes.len() as u64,
            Some(ShellItem::Lagged) => break,
            Some(ShellItem::Scrollback(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(shown <= AHEAD_BYTES, "{shown} bytes ahead of what was said to be seen");
    assert_eq!(sleeping.next().await.unwrap(), None);
    assert_eq!(list(&node).await[0].attached, 1);
}

#[tokio::test]
async fn a_flood_both_ways_is_held_up_and_gets_through() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let (_, mut shell) = opened(
        &node,
        request("/bin/sh", &["-c", "read begin; stty raw -echo; echo go; exec head -c 3000000"]),
    )
    .await;
    shell.send(ShellInput::Seen(0)).await;
    shell.type_in("\n").await;
    shell.until("go").await;
    let (mut output, mut input) = shell.call.split();
    let typing = async {
        for _ in 0..100 {
            input.send(&ShellInput::Bytes(vec![b'x'; 30_000])).await.unwrap();
        }
        // Never said to be seen: what was typed must not wait for that.
        std::future::pending::<()>().await
    };
    let reading = async {
        let mut count = 0;
        loop {
            match output.next().await.unwrap() {
                Some(ShellItem::Output(bytes)) => {
                    count += bytes.len();
                    if count >= 2_900_000 {
                        return count;
                    }
                }
                Some(ShellItem::Exit(_)) => return count,
                other => panic!("{other:?}"),
            }
        }
    };
    let count = soon("the flood", async {
        tokio::select! {
            count = reading => count,
            () = typing => unreachable!(),
        }
    });
    assert!(count.await >= 2_900_000);
}

#[tokio::test]
async fn what_is_shown_is_recorded_where_the_local_policy_says_so_and_never_what_is_typed() {
    let cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    assert_eq!(node.shell().recordings().await.unwrap(), []);
    cluster.fuse(0).replace(policy("shell_record = true"));
    let (info, mut shell) = opened(&node, sh()).await;
    assert!(info.is_recorded);
    shell.type_in("stty -echo; echo off_\"now\"; read secret; stty echo; echo shown_\"here\"\n").await;
    shell.until("off_now").await;
    shell.type_in("hunter2\n").await;
    shell.until("shown_here").await;
    shell.send(ShellInput::Resize(ShellSize { rows: 30, columns: 90 })).await;
    shell.type_in("exit\n").await;
    shell.exit().await;
    let text = eventually("all of it is recorded", LONG, async || {
        let mut parts = node.shell().replay(info.id.clone()).await.unwrap();
        let mut text = String::new();
        while let Some(part) = parts.next().await.unwrap() {
            text += &part;
        }
        text.contains("90x30").then_some(text)
    })
    .await;
    assert!(text.starts_with("{\"version\":2,\"width\":80,\"height\":24,"), "{text}");
    assert!(text.contains("shown_here") && !text.contains("hunter2"), "{text}");
    let listed = node.shell().recordings().await.unwrap();
    assert_eq!((listed.len(), &listed[0].id, listed[0].size_bytes), (1, &info.id, text.len() as u64));
    let file = cluster.data(0).join("recordings").join(format!("{}.cast", info.id));
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn a_shell_that_cannot_be_recorded_does_not_begin() {
    let cluster = Cluster::start(1).await;
    cluster.fuse(0).replace(policy("shell_record = true"));
    fs::write(cluster.data(0).join("recordings"), "in the way").unwrap();
    let error = cluster.admin(0).shell().open(sh()).await.unwrap_err();
    assert!(error.message.contains("recorded"), "{error}");
    assert_eq!(list(&cluster.admin(0)).await, []);
}

#[tokio::test]
async fn the_shells_of_a_key_that_is_revoked_end() {
    let cluster = Cluster::start(1).await;
    let (admin, thief) = (cluster.admin(0), cluster.as_seen_by(&cluster.ca.operator("thief", Role::Admin)));
    let stolen = thief.node(cluster.name(0)).shell().open(request("cat", &[])).await.unwrap();
    let own = admin.shell().open(request("cat", &[])).await.unwrap();
    push(&cluster, 0, &cluster.ca.revoke("thief")).await;
    let ended = eventually("its shell has ended", LONG, async || {
        let shells = list(&admin).await;
        shells.into_iter().find(|shell| shell.id == stolen.id && shell.state == ShellState::Ended)
    })
    .await;
    assert_eq!(ended.exit.unwrap().why.as_deref(), Some("the key of operator thief was revoked"));
    assert!(list(&admin).await.iter().any(|shell| shell.id == own.id && shell.state == ShellState::Running));
}

#[tokio::test]
async fn a_node_that_stops_ends_its_shells_and_all_that_runs_in_them() {
    let mut cluster = Cluster::start(1).await;
    let node = cluster.admin(0);
    let (_, mut shell) = opened(&node, sh()).await;
    shell.type_in("trap '' HUP; sleep 4242 & echo pid\"=\"$!.$$.\n").await;
    shell.until("pid=").await;
    while shell.shown.matches('.').count() < 2 {
        shell.next().await.unwrap();
    }
    let pids: Vec<String> = shell.shown.split('.').take(2).map(str::to_owned).collect();
    cluster.stop(0).await;
    for pid in pids {
        assert!(pid.parse::<u32>().is_ok(), "{pid:?}");
        let path = format!("/proc/{pid}");
        eventually("it is gone", LONG, async || (!Path::new(&path).exists()).then_some(())).await;
    }
    cluster.restart(0).await;
    assert_eq!(list(&cluster.admin(0)).await, [], "nothing is left on record");
}
