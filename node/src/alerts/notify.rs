//! Alerts on their way to people: receivers of webhooks, and commands.
//!
//! Notices enter through [`handle::Notifier`]; [`core`] decides, as a pure function, what becomes one message,
//! when it is sent and how often. Nothing here decides whether an alert fires.

pub mod core;
pub mod handle;
