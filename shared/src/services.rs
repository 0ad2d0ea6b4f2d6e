//! The contracts: one file a service, each with its types and its `service!` block.
//!
//! Adding one: its file, and its line in `services!` below. Every surface (RPC, HTTP, OpenAPI, `p2p-tui call`)
//! follows from [`ALL`]; every [`Call`] gets its accessor from [`Services`].

use std::collections::{BTreeMap, HashMap};
use std::sync::LazyLock;

use crate::rpc::client::Call;
use crate::rpc::service::{MethodSpec, ServiceSpec};

pub mod alert;
pub mod audit;
pub mod exec;
pub mod file;
pub mod job;
pub mod journal;
pub mod monitor;
pub mod network;
pub mod node;
pub mod process;
pub mod program;
pub mod revocation;
pub mod shell;
pub mod transfer;
pub mod unit;

macro_rules! services {
    ($($module:ident),+ $(,)?) => {
        /// Every service.
        pub static ALL: &[&ServiceSpec] = &[$(&$module::SPEC),+];

        /// The typed clients of every way to a node: `mesh.node("web-1").process().list(None)`.
        pub trait Services: Call {
            $(
                #[doc = concat!("Client of the service `", stringify!($module), "`.")]
                fn $module(&self) -> $module::Client<Self> {
                    $module::Client::new(self.clone())
                }
            )+
        }
    };
}

services!(
    node, process, monitor, revocation, audit, unit, journal, program, exec, shell, job, file, transfer,
    network, alert
);

impl<C: Call> Services for C {}

/// Every method of every service.
pub fn methods() -> impl Iterator<Item = &'static MethodSpec> {
    ALL.iter().flat_map(|service| service.methods.iter().copied())
}

/// The method of a name.
pub fn method(name: &str) -> Option<&'static MethodSpec> {
    static METHODS: LazyLock<HashMap<&'static str, &'static MethodSpec>> =
        LazyLock::new(|| methods().map(|method| (method.name, method)).collect());
    METHODS.get(name).copied()
}

/// The schema hash of every method, by name: what a hello carries.
pub fn schema_hashes() -> &'static BTreeMap<&'static str, u64> {
    static HASHES: LazyLock<BTreeMap<&'static str, u64>> =
        LazyLock::new(|| methods().map(|method| (method.name, (method.schemas)().hash())).collect());
    &HASHES
}

#[cfg(test)]
mod tests;
