//! The network of this host: its tables as the kernel has them, and probes that are sent from here.
//!
//! Tables come by netlink and from `/proc/net`; answers of others come from sockets, and are data of somebody
//! hostile: bounded, checked against what was asked, never trusted for a length. Whether something may be
//! probed at all was decided above. Everything here ends by itself within its bounds, and when it is dropped.

pub mod cidr;
pub mod error;
pub mod interfaces;
pub mod ping;
pub mod resolve;
pub mod routes;
pub mod scan;
pub mod sockets;
pub mod trace;

mod icmp;
mod names;
mod netlink;
