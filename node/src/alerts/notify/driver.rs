//! The delivery's loop: offers into the core, what it keeps to the disk, what it sends to the receivers.
//!
//! What is kept is on disk before anything is sent and before who offered is told. Each receiver has at most one
//! message under way, so their number bounds the tasks. When the node stops, what is under way is given up: the
//! next run sends it again, with the same id.

use std::collections::BTreeMap;
use std::sync::Arc;

use p2p_shared::id::NodeName;
use p2p_shared::time::Millis;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::body::body;
use super::command;
use super::core::notice::Message;
use super::core::outbox::{Input, Outbox, Output, Saved};
use super::core::queue::Outcome;
use super::handle::{Inlet, Notifier, NotifyError, Offer, ReceiverState};
use super::keeping;
use super::receiver::{Receiver, Way};
use super::webhook;
use crate::store::Store;

/// Offers that are kept together.
const OFFERS_AT_ONCE: usize = 64;
/// Answers of receivers that wait; more cannot be under way.
const ANSWERS_QUEUE: usize = 64;

/// What the delivery is given.
#[derive(Debug)]
pub struct Wiring {
    /// Where everything that is on its way is kept.
    pub store: Store,
    /// Who is told.
    pub receivers: Vec<Receiver>,
    /// Whose alerts these are.
    pub node: NodeName,
    /// Seed of ids and back-off.
    pub seed: u64,
    /// Its tasks.
    pub tasks: TaskTracker,
    /// When they end.
    pub stopping: CancellationToken,
}

/// Starts the delivery.
pub fn start(wiring: Wiring) -> Notifier {
    let (notifier, inlet) = Notifier::to(wiring.receivers.clone());
    wiring.tasks.clone().spawn(run(wiring, inlet));
    notifier
}

async fn run(wiring: Wiring, inlet: Inlet) {
    let store = wiring.store.clone();
    let saved = match spawn_blocking(move || keeping::read(&store)).await {
        Ok(Ok(saved)) => saved,
        Ok(Err(error)) => {
            tracing::error!(%error, "alerts that were on their way when the node stopped are lost");
            Saved::default()
        }
        // The runtime is shutting down.
        Err(_) => return,
    };
    let Inlet { offers, receivers, states } = inlet;
    Driver::new(wiring, saved, states).run(offers, receivers).await;
}

/// What a task says of its attempt.
struct Answer {
    receiver: String,
    outcome: Outcome,
    problem: Option<String>,
}

struct Driver {
    outbox: Outbox,
    store: Store,
    receivers: BTreeMap<String, Way>,
    node: NodeName,
    began: Instant,
    answers: (mpsc::Sender<Answer>, mpsc::Receiver<Answer>),
    states: watch::Sender<Vec<ReceiverState>>,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Driver {
    fn new(wiring: Wiring, saved: Saved, states: watch::Sender<Vec<ReceiverState>>) -> Self {
        let Wiring { store, receivers, node, seed, tasks, stopping } = wiring;
        let routes = receivers.iter().map(|receiver| receiver.route.clone()).collect();
        let named = receivers.into_iter().map(|receiver| (receiver.route.receiver, receiver.way));
        let driver = Self {
            outbox: Outbox::new(Millis::ZERO, routes, saved, seed),
            store,
            receivers: named.collect(),
            node,
            began: Instant::now(),
            answers: mpsc::channel(ANSWERS_QUEUE),
            states,
            tasks,
            stopping,
        };
        let state = |name: &String| ReceiverState { name: name.clone(), ..ReceiverState::default() };
        driver.states.send_replace(driver.receivers.keys().map(state).collect());
        driver
    }

    async fn run(mut self, mut offers: mpsc::Receiver<Offer>, mut receivers: watch::Receiver<Vec<Receiver>>) {
        let stopping = self.stopping.clone();
        // What cannot be kept is told there.
        let _ = self.settle(vec![Input::Time]).await;
        let mut offered = Vec::new();
        loop {
            let due = self.outbox.poll_timeout().map(|due| self.began + due.to_duration());
            let waiting = due.unwrap_or_else(|| Instant::now() + FAR);
            tokio::select! {
                () = stopping.cancelled() => return,
                count = offers.recv_many(&mut offered, OFFERS_AT_ONCE) => match count {
                    0 => return,
                    _ => self.on_offers(offered.drain(..).unzip()).await,
                },
                Some(answer) = self.answers.1.recv() => self.on_answer(answer).await,
                Ok(()) = receivers.changed() => {
                    let now = receivers.borrow_and_update().clone();
                    self.on_receivers(now).await;
                }
                () = sleep_until(waiting) => drop(self.settle(vec![Input::Time]).await),
            }
        }
    }

    async fn on_offers(
        &mut self,
        (notices, waiting): (Vec<super::core::notice::Notice>, Vec<oneshot::Sender<Result<(), NotifyError>>>),
    ) {
        let kept = self.settle(notices.into_iter().map(Input::Notice).collect()).await;
        for answer in waiting {
            // Whoever went away needs no answer.
            let _ = answer.send(kept.clone().map_err(NotifyError::Store));
        }
    }

    /// Goes on with what was configured anew.
    async fn on_receivers(&mut self, receivers: Vec<Receiver>) {
        self.outbox.route(receivers.iter().map(|receiver| receiver.route.clone()).collect());
        let named = receivers.into_iter().map(|receiver| (receiver.route.receiver, receiver.way));
        self.receivers = named.collect();
        let names = self.receivers.keys();
        self.states.send_modify(|states| {
            let before = std::mem::take(states);
            let known = |name: &String| before.iter().find(|state| state.name == *name).cloned();
            let fresh = |name: &String| ReceiverState { name: name.clone(), ..ReceiverState::default() };
            *states = names.map(|name| known(name).unwrap_or_else(|| fresh(name))).collect();
        });
        tracing::info!(receivers = self.receivers.len(), "receivers of alerts were read again");
        let _ = self.settle(vec![Input::Time]).await;
    }

    async fn on_answer(&mut self, answer: Answer) {
        let Answer { receiver, outcome, problem } = answer;
        self.states.send_modify(|states| {
            for state in states.iter_mut().filter(|state| state.name == receiver) {
                state.take(outcome, problem.clone());
            }
        });
        // What cannot be forgotten on disk is sent again after a restart, with the same id.
        let _ = self.settle(vec![Input::Outcome(receiver, outcome)]).await;
    }

    /// Gives the core what happened, keeps what it wants kept, then sends what it wants sent.
    async fn settle(&mut self, inputs: Vec<Input>) -> Result<(), Arc<str>> {
        let now = Millis::from(self.began.elapsed());
        let (mut changes, mut messages) = (Vec::new(), Vec::new());
        for input in inputs {
            self.outbox.handle(now, input);
            while let Some(output) = self.outbox.poll_output() {
                match output {
                    Output::Send(message) => messages.push(message),
                    kept => changes.extend(keeping::change(kept)),
                }
            }
        }
        let kept = self.keep(changes).await;
        messages.into_iter().for_each(|message| self.send(message));
        self.count();
        kept
    }

    async fn keep(&self, changes: Vec<keeping::Change>) -> Result<(), Arc<str>> {
        if changes.is_empty() {
            return Ok(());
        }
        let store = self.store.clone();
        match spawn_blocking(move || store.put_notices(&changes)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => {
                tracing::error!(%error, "what is told of alerts is not kept: a restart would lose or repeat it");
                Err(error.to_string().into())
            }
            Err(_) => Err("the node is shutting down".into()),
        }
    }

    fn send(&self, message: Message) {
        let Some(way) = self.receivers.get(&message.receiver).cloned() else { return };
        let (node, answers) = (self.node.clone(), self.answers.0.clone());
        let attempt = async move {
            let (outcome, problem) = attempt(&way, &message, &node).await;
            // The driver is gone only when the node stops.
            let _ = answers.send(Answer { receiver: message.receiver, outcome, problem }).await;
        };
        self.tasks.spawn(self.stopping.clone().run_until_cancelled_owned(attempt));
    }

    fn count(&self) {
        let waiting: BTreeMap<&str, usize> = self.outbox.waiting().collect();
        self.states.send_if_modified(|states| {
            let mut changed = false;
            for state in states {
                let now = waiting.get(state.name.as_str()).copied().unwrap_or(0);
                changed |= std::mem::replace(&mut state.waiting, now) != now;
            }
            changed
        });
    }
}

/// Longer than anybody waits.
const FAR: std::time::Duration = std::time::Duration::from_secs(86_400);

async fn attempt(way: &Way, message: &Message, node: &NodeName) -> (Outcome, Option<String>) {
    let (receiver, id) = (&message.receiver, &message.id);
    let body = match body(message, node) {
        Ok(body) => body,
        Err(error) => return (Outcome::Refused, Some(error.to_string())),
    };
    let failed = match way {
        Way::Webhook(webhook) => {
            let sent = webhook::send(webhook, message, body).await;
            sent.err().map(|error| (error.outcome(), error.to_string()))
        }
        Way::Command(argv) => {
            let ran = command::run(argv, id, &body).await;
            ran.err().map(|error| (Outcome::Failed(None), error.to_string()))
        }
    };
    let Some((outcome, problem)) = failed else {
        tracing::info!(receiver, id, alerts = message.alerts.len(), "alerts were delivered");
        return (Outcome::Delivered, None);
    };
    match outcome {
        Outcome::Refused => tracing::error!(receiver, id, problem, "alerts were refused and are given up"),
        _ => tracing::warn!(receiver, id, problem, "alerts were not delivered; it is tried again"),
    }
    (outcome, Some(problem))
}

#[cfg(test)]
mod tests;
