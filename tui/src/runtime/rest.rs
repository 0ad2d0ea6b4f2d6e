//! The keyboard's rest: while another program has the terminal, nothing here reads its keys.
//!
//! The keyboard's thread waits in a read for the next key. An order is put before it and the read woken, and only
//! once the thread has said that it rests the terminal may be lent. It goes on when the [`Rest`] is dropped.

use std::io;
use std::sync::mpsc as blocking;
use std::time::Duration;

use crossterm::event::Event as Input;
use rustix::process::{Signal, getpid, kill_process};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

/// A thread that does not rest by then does not read any more.
pub const PATIENCE: Duration = Duration::from_secs(1);

/// An order to rest.
#[derive(Debug)]
struct Order {
    rests: oneshot::Sender<()>,
    over: blocking::Receiver<()>,
}

/// The thread's end: it looks here before each read.
#[derive(Debug)]
pub struct Orders(blocking::Receiver<Order>);

/// The console's end.
#[derive(Debug)]
pub struct Rests {
    orders: blocking::SyncSender<Order>,
    patience: Duration,
}

/// The keyboard rests while this lives.
#[derive(Debug)]
pub struct Rest(
    #[expect(dead_code, reason = "its end is what the thread waits for")] blocking::SyncSender<()>,
);

/// Both ends. So long a rest is waited for.
pub fn channel(patience: Duration) -> (Rests, Orders) {
    let (orders_tx, orders) = blocking::sync_channel(1);
    (Rests { orders: orders_tx, patience }, Orders(orders))
}

impl Orders {
    /// Rests for as long as it is told to.
    pub fn obey(&self) {
        while let Ok(order) = self.0.try_recv() {
            // Whoever gave up waiting for it does not want it any more.
            if order.rests.send(()).is_ok() {
                let _ = order.over.recv();
            }
        }
    }
}

impl Rests {
    /// Has the keyboard rest; `wake` ends the read in which it waits. What it had read before is dropped from
    /// `inputs`. `None` if it does not answer.
    pub async fn begin(
        &self,
        inputs: &mut mpsc::Receiver<io::Result<Input>>,
        wake: impl FnOnce(),
    ) -> Option<Rest> {
        let (rests_tx, mut rests) = oneshot::channel();
        let (over_tx, over) = blocking::sync_channel(1);
        self.orders.try_send(Order { rests: rests_tx, over }).ok()?;
        wake();
        let rested = timeout(self.patience, async {
            loop {
                tokio::select! {
                    rested = &mut rests => return rested.is_ok(),
                    // A full queue would hold the thread up.
                    input = inputs.recv() => if input.is_none() { return false },
                }
            }
        });
        if !rested.await.unwrap_or(false) {
            return None;
        }
        while inputs.try_recv().is_ok() {}
        Some(Rest(over_tx))
    }
}

/// Ends the read of the terminal: it takes a change of size for an event, whether the size changed or not.
pub fn wake() {
    // It cannot fail for this process itself.
    let _ = kill_process(getpid(), Signal::WINCH);
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    type Inputs = mpsc::Receiver<io::Result<Input>>;

    /// A keyboard that reads already, and whose keys come from a channel, as the thread's from the terminal.
    fn keyboard(patience: Duration) -> (blocking::SyncSender<u16>, Rests, Inputs) {
        let (reads_tx, reads) = blocking::sync_channel(1);
        let (keys_tx, keys) = blocking::sync_channel::<u16>(8);
        let (rests, orders) = channel(patience);
        let (input_tx, inputs) = mpsc::channel(2);
        thread::spawn(move || {
            super::super::keyboard::read_all(&input_tx, &orders, || {
                // Only the first time somebody waits for it.
                let _ = reads_tx.try_send(());
                let key = keys.recv().map_err(io::Error::other)?;
                Ok(vec![Input::Resize(key, 1)])
            });
        });
        reads.recv().unwrap();
        (keys_tx, rests, inputs)
    }

    async fn next(inputs: &mut Inputs) -> Input {
        inputs.recv().await.unwrap().unwrap()
    }

    #[tokio::test]
    async fn a_resting_keyboard_leaves_its_keys_and_goes_on_afterwards() {
        let (keys, rests, mut inputs) = keyboard(PATIENCE);
        // More than the queue holds were read before and are dropped, as is what wakes it.
        for key in 1..=5 {
            keys.send(key).unwrap();
        }
        let rest = rests.begin(&mut inputs, || keys.send(0).unwrap()).await.unwrap();
        // The thread has said that it rests, so that nothing takes this one.
        keys.send(7).unwrap();
        assert!(inputs.try_recv().is_err());
        drop(rest);
        let mut seen = next(&mut inputs).await;
        while seen != Input::Resize(7, 1) {
            // Those which were read before the rest are gone; those that were not come in their order.
            assert!(matches!(seen, Input::Resize(0..=5, 1)), "{seen:?}");
            seen = next(&mut inputs).await;
        }
    }

    #[tokio::test]
    async fn a_keyboard_that_does_not_answer_is_not_waited_for_and_not_stopped_later() {
        let (keys, rests, mut inputs) = keyboard(Duration::ZERO);
        // Nothing wakes it.
        assert!(rests.begin(&mut inputs, || {}).await.is_none());
        keys.send(1).unwrap();
        keys.send(2).unwrap();
        assert_eq!(next(&mut inputs).await, Input::Resize(1, 1));
        assert_eq!(next(&mut inputs).await, Input::Resize(2, 1));
    }

    #[tokio::test]
    async fn a_keyboard_that_ended_does_not_rest() {
        let (keys, rests, mut inputs) = keyboard(PATIENCE);
        drop(keys);
        assert!(next_error(&mut inputs).await);
        assert!(inputs.recv().await.is_none());
        assert!(rests.begin(&mut inputs, || {}).await.is_none());
    }

    async fn next_error(inputs: &mut Inputs) -> bool {
        inputs.recv().await.is_some_and(|input| input.is_err())
    }
}
