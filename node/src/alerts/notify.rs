//! Alerts on their way to people: receivers of webhooks, and commands.
//!
//! Notices enter through [`handle::Notifier`]; [`core`] decides, as a pure function, what becomes one message,
//! when it is sent and how often; [`driver`] has the clock and the disk; `webhook` and `command` are one
//! attempt each. [`body`] is what receivers are told. Nothing here decides whether an alert fires, and nothing
//! that a receiver answers but its status is looked at.

pub mod body;
mod command;
pub mod core;
pub mod driver;
pub mod handle;
mod keeping;
pub mod receiver;
pub mod sign;
mod target;
#[cfg(test)]
mod testing;
mod webhook;
