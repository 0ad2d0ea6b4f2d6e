//! What the console orders of recordings, over a real node: they are played in time, and back and forth.

use std::fs;

use p2p_shared::error::Code;
use p2p_shared::services::shell::ShellSize;
use p2p_shared::time::Millis;
use p2p_tui::command::{Command, ReplayOrder, TerminalId};
use p2p_tui::event::{MeshEvent, ReplaySaid};

use crate::behind::Behind;
use crate::cluster::Cluster;

const PLAYER: TerminalId = TerminalId(7);
const RECORDING: &str = "abcd2345";
/// An hour of silence lies in it.
const LINES: &str = r#"{"version":2,"width":90,"height":30}
[0.1,"o","one"]
[3600.1,"o","two"]
[3600.2,"i","secret"]
[3600.5,"r","100x40"]
[3600.9,"o","three"]
"#;

/// What stands behind a console's screen, and a node with a recording.
struct Desk {
    behind: Behind,
    cluster: Cluster,
}

impl Desk {
    async fn new() -> Self {
        let cluster = Cluster::start(1).await;
        let directory = cluster.data(0).join("recordings");
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join(format!("{RECORDING}.cast")), LINES).unwrap();
        let behind = Behind::enter(&cluster).await;
        Self { behind, cluster }
    }

    fn order(&mut self, order: ReplayOrder) {
        self.behind.order(Command::Replay { player: PLAYER, order });
    }

    fn play(&mut self, id: &str) {
        self.order(ReplayOrder::Play { node: self.cluster.id(0), id: id.into() });
    }

    /// The next word of the recording, besides how far it is.
    async fn said(&mut self) -> ReplaySaid {
        let said = |event| match event {
            MeshEvent::Replay { said: ReplaySaid::Shown { bytes, .. }, .. } if bytes.is_empty() => None,
            MeshEvent::Replay { player, said } => (player == PLAYER).then_some(said),
            _ => None,
        };
        self.behind.hear("a word of the recording", said).await
    }
}

fn shown(at: u64, text: &str) -> ReplaySaid {
    ReplaySaid::Shown { at: Millis(at), bytes: text.into() }
}

#[tokio::test]
async fn a_recording_is_played_without_its_silence_and_once_more() {
    let mut desk = Desk::new().await;
    desk.play(RECORDING);
    assert_eq!(desk.said().await, ReplaySaid::Began);
    assert_eq!(desk.said().await, ReplaySaid::Size(ShellSize { columns: 90, rows: 30 }));
    desk.order(ReplayOrder::Speed(1_600));
    assert_eq!(desk.said().await, shown(100, "one"));
    assert_eq!(desk.said().await, shown(3_600_100, "two"));
    assert_eq!(desk.said().await, ReplaySaid::Size(ShellSize { columns: 100, rows: 40 }));
    assert_eq!(desk.said().await, shown(3_600_900, "three"));
    assert_eq!(desk.said().await, ReplaySaid::Over(Millis(3_600_900)));
    desk.order(ReplayOrder::Seek(Millis::ZERO));
    assert_eq!(desk.said().await, ReplaySaid::Began);
}

#[tokio::test]
async fn forth_is_played_unseen_and_back_from_the_beginning() {
    let mut desk = Desk::new().await;
    desk.play(RECORDING);
    desk.order(ReplayOrder::Pause);
    desk.order(ReplayOrder::Seek(Millis(3_600_200)));
    let whole = async |desk: &mut Desk| {
        let mut text = Vec::new();
        while !text.ends_with(b"two") {
            if let ReplaySaid::Shown { bytes, .. } = desk.said().await {
                text.extend(bytes);
            }
        }
        String::from_utf8(text).unwrap()
    };
    assert_eq!(whole(&mut desk).await, "onetwo", "though it stands still");
    desk.order(ReplayOrder::Seek(Millis(3_600_150)));
    assert_eq!(desk.said().await, ReplaySaid::Began);
    assert_eq!(whole(&mut desk).await, "onetwo");
}

#[tokio::test]
async fn what_is_not_there_is_said() {
    let mut desk = Desk::new().await;
    desk.play("nothing");
    match desk.said().await {
        ReplaySaid::Failed(error) => assert_eq!(error.code, Code::NotFound),
        other => panic!("{other:?}"),
    }
}
