//! The simulated world: many nodes in one process, driven only through the public methods of the cores.
//!
//! A seed and a scenario enter, an assertion leaves. There is no clock and no socket: one heap of events is
//! all time there is. `P2P_SEED=N` runs another world, `P2P_FULL=1` a larger one.

mod dht;
mod membership;
mod world;
