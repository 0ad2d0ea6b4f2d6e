//! The loop around the pure core: it alone reads the clock, the keyboard and the signals.
//!
//! Keys and the mesh's messages enter the state in batches, each after a tick; commands leave to the effects, and
//! frames to the terminal when the state wants one, thirty a second at most. Nothing here waits for the network,
//! and while nothing happens it writes nothing and wakes each few seconds.

mod editor;
mod keep;
mod keyboard;
mod pacing;
mod rest;
mod signals;
mod translate;

use std::io;
use std::thread;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crossterm::event::Event as Input;
use p2p_shared::error::Exit;
use p2p_shared::time::{Millis, UnixMillis};
use tokio::sync::mpsc;
use tokio::time::sleep_until;

use crate::app::State;
use crate::command::Command;
use crate::edit::Draft;
use crate::effects::beat;
use crate::event::{Code, Event, Key, MeshEvent};
use crate::terminal::{Terminal, TerminalError};
use crate::view;
use pacing::Pacing;
use rest::Rests;
use signals::{Call, Signals};
use translate::translate;

/// Keys that wait while the console is busy; a full queue leaves the rest in the terminal.
const INPUTS_MAX: usize = 1_024;
/// Messages of the mesh taken in before keys are looked at again.
const BATCH_MAX: usize = 256;
/// Nor does a batch take longer than this, unless one message alone does.
const BATCH: Millis = Millis(10);

/// Who carries out what the console wants of the world.
pub trait Effects {
    /// Begins it and returns at once. Answers the command itself if it is not the effects' business.
    fn carry_out(&mut self, command: Command) -> Option<Command>;
}

impl<E: Effects> Effects for &mut E {
    fn carry_out(&mut self, command: Command) -> Option<Command> {
        E::carry_out(self, command)
    }
}

/// Why the console ended before it was asked to.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The terminal failed.
    #[error(transparent)]
    Terminal(#[from] TerminalError),
    /// There are no signals to be had.
    #[error("cannot listen for signals: {0}")]
    Signals(#[source] io::Error),
    /// The keyboard cannot be read.
    #[error("cannot read the keyboard: {0}")]
    Input(#[source] io::Error),
}

impl RuntimeError {
    /// How the program exits.
    pub const fn exit(&self) -> Exit {
        match self {
            Self::Terminal(error) => error.exit(),
            Self::Signals(_) | Self::Input(_) => Exit::Failed,
        }
    }
}

/// Runs the console until the operator or a signal ends it, and gives the terminal back. Pass `&mut effects` to
/// keep them and close them afterwards.
///
/// # Errors
/// If the terminal goes away or fails.
pub async fn run(
    state: State,
    effects: impl Effects,
    events: mpsc::Receiver<MeshEvent>,
    terminal: Terminal,
) -> Result<(), RuntimeError> {
    let (input_tx, inputs) = mpsc::channel(INPUTS_MAX);
    let (rests, orders) = rest::channel(rest::PATIENCE);
    let signals = Signals::listen().map_err(RuntimeError::Signals)?;
    thread::Builder::new()
        .name("keyboard".to_owned())
        .spawn(move || keyboard::run(&input_tx, &orders))
        .map_err(RuntimeError::Input)?;
    let console = Console {
        state,
        effects,
        terminal,
        inputs,
        rests,
        events,
        signals,
        begin: beat::begin(),
        pacing: Pacing::default(),
        stop: false,
        draft: None,
        over: false,
    };
    console.run().await
}

/// Why the loop woke.
enum Wake {
    Input(Option<io::Result<Input>>),
    /// `None` if the effects are gone; then nothing more comes.
    Mesh(Option<MeshEvent>),
    Call(Call),
    Time,
}

struct Console<E> {
    state: State,
    effects: E,
    terminal: Terminal,
    inputs: mpsc::Receiver<io::Result<Input>>,
    rests: Rests,
    events: mpsc::Receiver<MeshEvent>,
    signals: Signals,
    begin: Instant,
    pacing: Pacing,
    /// Whether to stop as ^Z does, before the next wait.
    stop: bool,
    /// What the user is to edit, before the next wait.
    draft: Option<Box<Draft>>,
    over: bool,
}

impl<E: Effects> Console<E> {
    async fn run(mut self) -> Result<(), RuntimeError> {
        self.tick()?;
        self.measure()?;
        self.pacing.mark_stale();
        for letter in self.terminal.typed().chars() {
            let code = if letter == '\r' { Code::Enter } else { Code::Char(letter) };
            self.update(Event::Key(Key::plain(code)))?;
        }
        while !self.over {
            if std::mem::take(&mut self.stop) {
                self.suspend().await?;
            }
            if let Some(draft) = self.draft.take() {
                self.edit(*draft).await?;
                continue;
            }
            self.present()?;
            let wake = self.wait().await;
            match wake {
                Wake::Time => self.pacing.mark_idle(),
                _ => self.pacing.mark_busy(),
            }
            self.tick()?;
            self.handle(wake)?;
        }
        Ok(())
    }

    async fn wait(&mut self) -> Wake {
        let wake_at = self.begin + self.pacing.wake_at().to_duration();
        tokio::select! {
            biased;
            call = self.signals.next() => Wake::Call(call),
            input = self.inputs.recv() => Wake::Input(input),
            event = self.events.recv(), if !self.events.is_closed() || !self.events.is_empty() => Wake::Mesh(event),
            () = sleep_until(wake_at.into()) => Wake::Time,
        }
    }

    fn handle(&mut self, wake: Wake) -> Result<(), RuntimeError> {
        match wake {
            Wake::Call(Call::End) => self.over = true,
            Wake::Call(Call::Continue) => self.resume()?,
            Wake::Input(Some(input)) => self.take_input(input)?,
            Wake::Input(None) => return Err(RuntimeError::Input(io::ErrorKind::UnexpectedEof.into())),
            Wake::Mesh(event) => {
                if let Some(event) = event {
                    self.update(Event::Mesh(event))?;
                }
            }
            Wake::Time => self.terminal.check()?,
        }
        self.take_waiting()
    }

    /// Takes in what else came: every key, and as many messages as do not make the next key wait.
    fn take_waiting(&mut self) -> Result<(), RuntimeError> {
        let until = self.now() + BATCH;
        while !self.is_leaving()
            && let Ok(input) = self.inputs.try_recv()
        {
            self.take_input(input)?;
        }
        for _ in 0..BATCH_MAX {
            if self.is_leaving() || self.now() > until {
                break;
            }
            let Ok(event) = self.events.try_recv() else { break };
            self.update(Event::Mesh(event))?;
        }
        Ok(())
    }

    const fn is_leaving(&self) -> bool {
        self.over || self.stop || self.draft.is_some()
    }

    fn take_input(&mut self, input: io::Result<Input>) -> Result<(), RuntimeError> {
        match translate(input.map_err(RuntimeError::Input)?) {
            Some(event) => self.update(event),
            None => Ok(()),
        }
    }

    fn update(&mut self, event: Event) -> Result<(), RuntimeError> {
        if let Event::Resize { width, height } = event {
            self.terminal.resize(width, height);
            self.pacing.mark_stale();
        }
        for command in self.state.update(event) {
            if let Some(command) = self.effects.carry_out(command) {
                self.obey(command)?;
            }
        }
        Ok(())
    }

    /// Does what concerns the terminal; whatever else the effects did not take is nobody's business.
    fn obey(&mut self, command: Command) -> Result<(), RuntimeError> {
        match command {
            Command::Quit => self.over = true,
            Command::Suspend => self.stop = true,
            Command::Edit(draft) => self.draft = Some(draft),
            Command::Keep { file, text } => {
                if let Err(error) = keep::write(&file, &text) {
                    let what = format!("{}: it cannot be written: {error}", file.display());
                    self.update(Event::Mesh(MeshEvent::Notice(what)))?;
                }
            }
            Command::Discard(kept) => crate::edit::scratch::discard(&kept),
            Command::Mouse(on) => self.terminal.capture_mouse(on)?,
            Command::Redraw => self.redraw(),
            Command::Copy(text) => match self.terminal.copy(&text) {
                Err(error @ TerminalError::TooLong(_)) => {
                    self.update(Event::Mesh(MeshEvent::Notice(error.to_string())))?;
                }
                other => other?,
            },
            _ => {}
        }
        Ok(())
    }

    fn redraw(&mut self) {
        self.terminal.redraw();
        self.pacing.mark_stale();
    }

    async fn suspend(&mut self) -> Result<(), RuntimeError> {
        self.terminal.give_back();
        self.signals.stop_job().await.map_err(TerminalError::from)?;
        self.resume()
    }

    /// The terminal belonged to others meanwhile: everything is set anew.
    fn resume(&mut self) -> Result<(), RuntimeError> {
        self.terminal.give_back();
        self.terminal.take()?;
        self.tick()?;
        self.redraw();
        self.measure()
    }

    /// Tells the state how large the terminal is.
    fn measure(&mut self) -> Result<(), RuntimeError> {
        let (width, height) = Terminal::size()?;
        self.update(Event::Resize { width, height })
    }

    /// The time comes before everything else that the state is told.
    fn tick(&mut self) -> Result<(), RuntimeError> {
        let now = self.now();
        self.pacing.mark_tick(now);
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let wall = UnixMillis(Millis::from(since).0);
        self.update(Event::Tick { now, wall })
    }

    fn now(&self) -> Millis {
        self.begin.elapsed().into()
    }

    fn present(&mut self) -> Result<(), RuntimeError> {
        if self.state.wants_frame() {
            self.pacing.mark_stale();
        }
        if self.over || !self.pacing.is_frame_due(self.now()) {
            return Ok(());
        }
        let state = &self.state;
        self.terminal.draw(state.cursor(), |area, buffer| view::draw(state, area, buffer))?;
        // After the frame: a slow one leaves time for keys before the next.
        self.pacing.mark_frame(self.now());
        Ok(())
    }
}
