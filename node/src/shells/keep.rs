//! The two ends of a shell towards the node: how one begins, how one of an earlier life is found again, and what is
//! cleared away when it is over.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::services::process::Signal;
use p2p_shared::services::shell::ShellExit;
use tokio::task::spawn_blocking;

use super::facts::{Facts, Opener};
use super::life::{Life, grace};
use super::recording::Recording;
use super::request::Wanted;
use super::ring::Ring;
use super::session::Session;
use super::{Shells, Wiring};
use crate::clock;
use crate::host::run::{Ends, Kind, Leash, RunId, Running};
use crate::host::session;
use crate::host::terminal::Terminal;

/// What shells may take to end while the node stops, which has ten seconds in all.
const GRACE_STOPPING: Duration = Duration::from_secs(1);

fn run_id(id: &str) -> RunId {
    RunId { kind: Kind::Shell, id: id.to_owned() }
}

fn out_of(what: &str) -> impl Fn(io::Error) -> RpcError {
    move |error| RpcError::unavailable(format!("{what} of a shell cannot be made: {error}"))
}

/// What an interactive shell leaves in groups of its own dies with it. A unit is cleared away as a whole.
async fn clear_away(facts: &Facts, is_unit: bool) {
    if let Some(process) = facts.process.as_ref().filter(|_| !is_unit) {
        let leader = process.pid;
        let _ = spawn_blocking(move || session::kill_all(leader)).await;
    }
}

impl Shells {
    /// Starts a shell: what is known of it is on disk before.
    pub(super) async fn begin(
        &self,
        id: String,
        opener: Opener,
        wanted: Wanted,
    ) -> Result<Arc<Session>, RpcError> {
        let Wiring { runner, fuse, .. } = &self.0.wiring;
        fuse.judge_command(wanted.file().to_string_lossy().into_owned(), &wanted.user)?;
        let facts = Facts {
            id: id.clone(),
            opener,
            user: wanted.user.clone(),
            command: wanted.words(),
            opened: clock::wall(),
            size: wanted.size,
            term: wanted.term.clone(),
            is_recorded: fuse.policy().shells().record,
            process: None,
        };
        let recording = self.record(&facts).await?;
        let ring = Ring::new(facts.size).map_err(out_of("the scrollback"))?;
        self.keep(id.clone(), Some(facts.clone())).await?;
        let started = match runner.start(wanted.work(run_id(&id), &facts)).await {
            Ok(running) => self.found(facts, running, ring),
            Err(error) => Err(error.into()),
        };
        let (session, leash) = match started {
            Ok(started) => started,
            Err(error) => {
                // That it is not there is what the caller has to know, whatever the disk says.
                if let Err(error) = self.keep(id, None).await {
                    tracing::warn!(%error, "a shell that never began is still on record");
                }
                return Err(error);
            }
        };
        self.keep(id, Some(session.facts.clone())).await?;
        self.live(Arc::clone(&session), leash, recording);
        Ok(session)
    }

    async fn record(&self, facts: &Facts) -> Result<Option<Recording>, RpcError> {
        if !facts.is_recorded {
            return Ok(None);
        }
        let (data, facts) = (self.0.wiring.data.clone(), facts.clone());
        let begun = spawn_blocking(move || {
            Recording::begin(&data, &facts.id, &facts.subject(), (facts.size, &facts.term))
        });
        let begun = begun.await.map_err(|error| RpcError::internal(error.to_string()))?;
        begun.map(Some).map_err(|error| {
            RpcError::unavailable(format!(
                "local policy: shells are recorded here, and this one cannot be: {error}"
            ))
        })
    }

    fn found(
        &self,
        mut facts: Facts,
        Running { process, ends, leash }: Running,
        ring: Ring,
    ) -> Result<(Arc<Session>, Arc<dyn Leash>), RpcError> {
        let Ends::Terminal(master) = ends else {
            return Err(RpcError::internal("a shell was started without a terminal"));
        };
        let terminal = Terminal::new(master).map_err(out_of("the terminal"))?;
        self.0.wiring.runner.keep(&facts.ring_name(), ring.descriptor().as_fd());
        facts.process = process;
        Ok((Arc::new(Session::new(facts, Some(terminal), ring)), leash))
    }

    /// Lets it live, and clears away what it leaves.
    fn live(&self, session: Arc<Session>, leash: Arc<dyn Leash>, recording: Option<Recording>) {
        let (this, shell) = (self.clone(), Arc::clone(&session));
        let Wiring { fuse, runner, stopping, .. } = self.0.wiring.clone();
        let living = async move {
            let grace = if stopping.is_cancelled() { GRACE_STOPPING } else { grace() };
            let life =
                Life { session: Arc::clone(&shell), leash: Arc::clone(&leash), recording, fuse, grace };
            let life = life.run();
            tokio::pin!(life);
            tokio::select! {
                () = &mut life => {}
                () = stopping.cancelled() => {
                    if runner.outlives() {
                        // It goes on without this node, and the next one takes it up.
                        return;
                    }
                    shell.end("this node is stopping".to_owned());
                    let _ = tokio::time::timeout(GRACE_STOPPING, &mut life).await;
                    if shell.is_running() && let Err(error) = leash.signal(Signal::Kill).await {
                        tracing::warn!(shell = shell.facts.id, %error, "a shell cannot be killed");
                    }
                    life.await;
                }
            }
            clear_away(&shell.facts, runner.outlives()).await;
            // First what nobody would find once the run is gone.
            runner.unkeep(&shell.facts.ring_name());
            leash.release().await;
            if let Err(error) = this.keep(shell.facts.id.clone(), None).await {
                tracing::warn!(shell = shell.facts.id, %error, "a shell that is over is still on record");
            }
        };
        self.admit(session, living);
    }

    /// Takes up what an earlier life of this node left.
    ///
    /// # Errors
    /// If what was kept cannot be read.
    pub async fn take_up(self) -> Result<(), crate::store::StoreError> {
        let runner = Arc::clone(&self.0.wiring.runner);
        let mut strange = runner.left(Kind::Shell).await;
        for (id, record) in self.0.wiring.store.shells()? {
            strange.retain(|left| left.id != id);
            match serde_json::from_slice::<Facts>(&record) {
                Ok(facts) => self.take_up_one(facts).await,
                Err(error) => tracing::warn!(shell = id, %error, "what is known of a shell cannot be read"),
            }
        }
        for id in strange {
            tracing::warn!(shell = id.id, "a shell of which nothing is known is ended");
            if let Some(Running { leash, .. }) = runner.take_up(&id, None).await {
                let _ = leash.signal(Signal::Kill).await;
                leash.release().await;
            }
        }
        Ok(())
    }

    async fn take_up_one(&self, facts: Facts) {
        let Wiring { runner, data, .. } = &self.0.wiring;
        let kept = runner.kept(&facts.ring_name()).map(Ring::take_up);
        let ring = match kept {
            Some(Ok(ring)) => Ok(ring),
            _ => Ring::new(facts.size),
        };
        let ring = match ring {
            Ok(ring) => ring,
            Err(error) => return tracing::warn!(shell = facts.id, %error, "a shell cannot be taken up"),
        };
        let running = match runner.take_up(&run_id(&facts.id), facts.process.clone()).await {
            Some(running @ Running { ends: Ends::Terminal(_), .. }) => running,
            Some(Running { leash, .. }) => {
                // Its terminal went with the node that held it: nobody can use it any more.
                let _ = leash.signal(Signal::Kill).await;
                leash.release().await;
                return self.gone(facts, ring).await;
            }
            None => return self.gone(facts, ring).await,
        };
        let (data, id, is_recorded) = (data.clone(), facts.id.clone(), facts.is_recorded);
        let going_on = spawn_blocking(move || is_recorded.then(|| Recording::go_on(&data, &id)).transpose());
        let recording = going_on.await.unwrap_or_else(|error| Err(io::Error::other(error)));
        match self.found(facts, running, ring) {
            Ok((session, leash)) => {
                tracing::info!(shell = session.facts.id, "a shell goes on");
                let recording = recording.unwrap_or_else(|error| {
                    session.end(format!("local policy: it can be recorded no longer: {error}"));
                    None
                });
                self.live(session, leash, recording);
            }
            Err(error) => tracing::warn!(%error, "a shell cannot be taken up"),
        }
    }

    /// It ended while nobody looked: that can be read for a while.
    async fn gone(&self, facts: Facts, ring: Ring) {
        let id = facts.id.clone();
        self.0.wiring.runner.unkeep(&facts.ring_name());
        let session = Arc::new(Session::new(facts, None, ring));
        session.ended(ShellExit {
            code: None,
            signal: None,
            why: Some("it was gone when this node started".into()),
        });
        self.admit(session, std::future::ready(()));
        if let Err(error) = self.keep(id, None).await {
            tracing::warn!(%error, "a shell that is over is still on record");
        }
    }
}
