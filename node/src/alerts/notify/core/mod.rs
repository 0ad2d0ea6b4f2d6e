//! The delivery of alerts as a pure core: notices and what became of messages in, messages and what is to be
//! kept out.
//!
//! [`notice`] is what is told of one alert; [`group`] gathers those that belong together into one message;
//! [`queue`] says when a message goes to its receiver, and again after a failure; [`outbox`] is all of them.
//! A message has one id for all attempts, so a receiver that got it twice can tell. No clock, no disk, no task.

pub mod group;
pub mod notice;
pub mod outbox;
pub mod queue;
