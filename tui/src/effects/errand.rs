//! One target of one action: a call that ends in exactly one outcome, whatever happens.

use std::sync::Arc;

use p2p_shared::error::RpcError;
use p2p_shared::id::{NodeId, NodeName};
use p2p_shared::services::Services;
use p2p_shared::services::exec::ExecRequest;
use p2p_shared::services::job::JobId;
use p2p_shared::services::node::Label;
use p2p_shared::services::process::{ProcessRef, Signal};
use p2p_shared::tls::Credentials;
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::control;
use super::exec;
use super::files;
use super::probe;
use super::way::Way;
use crate::command::{AlertVerb, Defined, Errand, FileDeed, JobVerb, Probe, RunId, ServiceKey, Verb};
use crate::event::MeshEvent;

/// What is to be done, and where.
#[derive(Clone, Debug, PartialEq)]
pub enum Deed {
    /// Send a signal to exactly that process.
    Signal {
        /// Its node.
        node: NodeId,
        /// Which process.
        target: ProcessRef,
        /// Which signal.
        signal: Signal,
    },
    /// Set the nice value of exactly that process.
    Renice {
        /// Its node.
        node: NodeId,
        /// Which process.
        target: ProcessRef,
        /// -20 to 19.
        nice: i32,
    },
    /// Set and remove labels.
    SetLabels {
        /// Whose.
        node: NodeId,
        /// Those to set.
        set: Vec<Label>,
        /// Keys of those to remove.
        remove: Vec<String>,
    },
    /// Do something with a service.
    Control {
        /// Its node.
        node: NodeId,
        /// Which.
        service: ServiceKey,
        /// What.
        verb: Verb,
    },
    /// Do something with a job.
    Job {
        /// Its node.
        node: NodeId,
        /// Which.
        id: JobId,
        /// What.
        verb: JobVerb,
    },
    /// Do something with an alert or a silence.
    Alert {
        /// Its node.
        node: NodeId,
        /// What.
        verb: AlertVerb,
    },
    /// End a shell and all that runs in it.
    EndShell {
        /// Its node.
        node: NodeId,
        /// Which.
        id: String,
    },
    /// Define a program.
    Define {
        /// Where.
        node: NodeId,
        /// What.
        defined: Box<Defined>,
    },
    /// Do something with a file.
    File {
        /// Its node.
        node: NodeId,
        /// What.
        deed: FileDeed,
    },
    /// Run a command.
    Exec {
        /// By which its answer is known.
        errand: Errand,
        /// Where.
        node: NodeId,
        /// What.
        request: Box<ExecRequest>,
    },
    /// Send a probe.
    Probe {
        /// By which its answers are known.
        run: RunId,
        /// From where.
        node: NodeId,
        /// Which.
        probe: Probe,
    },
    /// Forget a member on every node; the entry node is asked.
    Forget {
        /// Whom.
        node: NodeId,
    },
}

impl Deed {
    /// Whom it is about.
    const fn node(&self) -> NodeId {
        match self {
            Self::Signal { node, .. }
            | Self::Renice { node, .. }
            | Self::SetLabels { node, .. }
            | Self::Control { node, .. }
            | Self::Job { node, .. }
            | Self::Alert { node, .. }
            | Self::EndShell { node, .. }
            | Self::Define { node, .. }
            | Self::File { node, .. }
            | Self::Exec { node, .. }
            | Self::Probe { node, .. }
            | Self::Forget { node } => *node,
        }
    }
}

/// What every errand needs.
#[derive(Clone, Debug)]
pub struct Means {
    /// How it connects.
    pub way: Way,
    /// The node by which the console is in.
    pub entry: watch::Receiver<Option<NodeName>>,
    /// Errands under way at a time.
    pub permits: Arc<Semaphore>,
    /// With what this operator signs; `None` for who came without a key.
    pub credentials: Option<Arc<Credentials>>,
    /// Who hears how far an errand is.
    pub events: mpsc::Sender<MeshEvent>,
}

impl Means {
    /// Does it; how it ended. Giving it up does not undo what the node already did.
    pub async fn run(&self, deed: Deed, given_up: &CancellationToken) -> Result<(), RpcError> {
        let (kept, _use) = (kept(&deed), self.way.uses.begin(deed.node()));
        let whole = async {
            // The semaphore is never closed.
            let _permit = self.permits.acquire().await.ok();
            self.call(deed).await
        };
        let done = given_up.run_until_cancelled(whole).await;
        done.unwrap_or_else(|| {
            Err(RpcError::cancelled(format!("given up here; it may have happened all the same{kept}")))
        })
    }

    async fn call(&self, deed: Deed) -> Result<(), RpcError> {
        match deed {
            Deed::Signal { node, target, signal } => {
                self.way.node(node).await?.process().signal(target, signal).await
            }
            Deed::Renice { node, target, nice } => {
                self.way.node(node).await?.process().renice(target, nice).await
            }
            Deed::SetLabels { node, set, remove } => {
                self.way.node(node).await?.node().set_labels(set, remove).await.map(drop)
            }
            Deed::Control { node, service, verb } => {
                control::control(&self.way.node(node).await?, service, verb).await
            }
            Deed::Job { node, id, verb } => {
                let job = self.way.node(node).await?.job();
                match verb {
                    JobVerb::Cancel => job.cancel(id).await.map(drop),
                    JobVerb::Retry => job.retry(id).await.map(drop),
                    JobVerb::Remove => job.remove(id).await,
                }
            }
            Deed::Alert { node, verb } => {
                let alert = self.way.node(node).await?.alert();
                match verb {
                    AlertVerb::Acknowledge(id) => alert.acknowledge(id, String::new()).await.map(drop),
                    AlertVerb::Silence { matchers, reason, span_s } => {
                        alert.silence(matchers, reason, span_s).await.map(drop)
                    }
                    AlertVerb::Unsilence(id) => alert.unsilence(id).await,
                }
            }
            Deed::EndShell { node, id } => self.way.node(node).await?.shell().end(id).await,
            Deed::Define { node, defined } => {
                let Defined { definition, replace } = *defined;
                self.way.node(node).await?.program().define(definition, replace).await.map(drop)
            }
            Deed::File { node, deed } => files::act(self, node, deed).await,
            Deed::Exec { errand, node, request } => exec::run(self, (errand, node), *request).await,
            Deed::Probe { run, node, probe } => probe::run(self, (run, node), probe).await,
            Deed::Forget { node } => self.entry_node()?.node().forget(node).await,
        }
    }

    fn entry_node(&self) -> Result<p2p_shared::mesh::NodeHandle, RpcError> {
        let nobody = || RpcError::unavailable("the console is not connected to any node now; try again");
        let name = self.entry.borrow().clone().ok_or_else(nobody)?;
        Ok(self.way.mesh.node(&name))
    }
}

/// Where a text of the user's stays if nobody says that it was written.
fn kept(deed: &Deed) -> String {
    match deed {
        Deed::File { deed: FileDeed::Write(edited), .. } => {
            format!("; your text is in {}", edited.kept.display())
        }
        _ => String::new(),
    }
}
