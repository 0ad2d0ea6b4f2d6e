//! What stands behind a console's screen, in a mesh: orders enter, and what is told of them is waited for.

use p2p_shared::access::Role;
use p2p_tui::command::Command;
use p2p_tui::effects::Effects;
use p2p_tui::event::MeshEvent;
use tokio::sync::mpsc;

use crate::cluster::Cluster;
use crate::echo::soon;

/// A console without its screen.
pub struct Behind {
    effects: Effects,
    events: mpsc::Receiver<MeshEvent>,
}

impl Behind {
    /// An administrator's, which knows the directory of the first node.
    pub async fn enter(cluster: &Cluster) -> Self {
        let (told, events) = mpsc::channel(1_024);
        let given = vec![cluster.address(0).to_string().parse().unwrap()];
        let effects = Effects::start(&cluster.operator_credentials(Role::Admin), given, told).unwrap();
        let mut behind = Self { effects, events };
        let fleet = |event| matches!(event, MeshEvent::Fleet(_)).then_some(());
        behind.hear("the directory", fleet).await;
        behind
    }

    pub fn order(&mut self, command: Command) {
        assert_eq!(self.effects.carry_out(command), None);
    }

    /// The first thing that `wanted` takes of what is told.
    pub async fn hear<T>(&mut self, what: &str, wanted: impl Fn(MeshEvent) -> Option<T>) -> T {
        let heard = async {
            loop {
                if let Some(heard) = wanted(self.events.recv().await.unwrap()) {
                    return heard;
                }
            }
        };
        soon(what, heard).await
    }
}
