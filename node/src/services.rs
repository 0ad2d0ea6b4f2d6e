//! The services of a node: each answers its contract from a snapshot of `host`, or acts through `host`.
//!
//! Calls enter through the registry, typed and permitted; results and items leave the same way. What depends
//! on the arguments is checked here. Nothing here knows a transport, HTTP, or the operating system.

pub mod alert;
pub mod audit;
pub mod exec;
pub mod file;
mod followed;
pub mod job;
pub mod journal;
mod look_up;
pub mod monitor;
pub mod network;
pub mod node;
pub mod permit;
pub mod process;
pub mod program;
pub mod revocation;
mod routing;
pub mod shell;
pub mod transfer;
pub mod unit;

#[cfg(test)]
mod testing;

use std::ops::RangeInclusive;

use p2p_shared::error::RpcError;
use p2p_shared::time::Millis;

/// The interval that a caller asked for, if it is within `range`.
fn interval(asked_ms: u32, range: RangeInclusive<u32>) -> Result<Millis, RpcError> {
    if range.contains(&asked_ms) {
        return Ok(Millis(asked_ms.into()));
    }
    let (least, most) = range.into_inner();
    Err(RpcError::bad_request(format!("interval_ms is {least} to {most}, not {asked_ms}")))
}
