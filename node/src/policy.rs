//! The local fuse: what `policy.toml` lets anybody do on this machine, administrators from afar included.
//!
//! A file of root's enters in [`Policy::read`], at the start and on SIGHUP; verdicts leave. Nothing here writes
//! it, and no call can: what a policy stops is stopped until somebody on the machine itself changes the file.

mod pattern;
mod settings;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use p2p_shared::access::{Caller, Role};
use p2p_shared::error::RpcError;
use p2p_shared::rpc::service::MethodSpec;
use p2p_shared::services;

use crate::host::network::cidr::Network;
use crate::shells::limits::ShellLimits;

pub use pattern::{CommandPattern, MethodPattern};
pub use settings::template;

/// Whose file it has to be.
pub const ROOT: u32 = 0;
/// How many bits of IPv4 and IPv6 say that an address is link-local.
const LINK_LOCAL_BITS: (u8, u8) = (16, 10);
/// Its name beside `node.toml`.
pub const FILE: &str = "policy.toml";

/// What may be done here. The one without a file, the default, stops nothing but scans of other hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Policy {
    path: PathBuf,
    role_max: Option<Role>,
    /// Known methods that the two lists stop: most calls find it empty.
    stopped: BTreeSet<&'static str>,
    commands: Option<Vec<CommandPattern>>,
    run_as: Option<Vec<String>>,
    shells: ShellLimits,
    file_roots: Option<Vec<PathBuf>>,
    scan_targets: Option<Vec<Network>>,
}

impl Policy {
    /// Whether `caller` may call `method` here. The role was asked before, and is not asked again.
    ///
    /// # Errors
    /// `forbidden`, with words that begin `denied: local policy`.
    pub fn judge(&self, method: &MethodSpec, caller: &Caller) -> Result<(), RpcError> {
        if let Some(most) = self.role_max.filter(|most| !most.has(method.permission)) {
            let (needs, name) = (method.permission.role(), method.name);
            return Err(
                self.denied(&format!("{name} needs role {needs}, and {caller} has {most} here at most"))
            );
        }
        if self.stopped.contains(method.name) {
            return Err(self.denied(&format!("{} is not allowed on this node", method.name)));
        }
        Ok(())
    }

    /// Whether a command may be run: its first word has to be a path that the policy names. Whoever runs it
    /// hands in the path that is really run, with symbolic links resolved.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn command(&self, command: &[String]) -> Result<(), RpcError> {
        let Some(allowed) = &self.commands else { return Ok(()) };
        let program = command.first().map(String::as_str).unwrap_or_default();
        if allowed.iter().any(|pattern| pattern.fits(program)) {
            return Ok(());
        }
        Err(self.denied(&format!("{program:?} is not among the commands that may be run here")))
    }

    /// Whether something may be run as `user`.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn run_as(&self, user: &str) -> Result<(), RpcError> {
        match &self.run_as {
            Some(allowed) if !allowed.iter().any(|name| name == user) => {
                Err(self.denied(&format!("nothing may be run as {user:?} here")))
            }
            _ => Ok(()),
        }
    }

    /// What shells are bounded by.
    pub const fn shells(&self) -> ShellLimits {
        self.shells
    }

    /// Directories that calls may reach; `None`: no limit but the caller's permission.
    pub fn file_roots(&self) -> Option<&[PathBuf]> {
        self.file_roots.as_deref()
    }

    /// Whether ports of `address` may be scanned from here: in one of the networks that the policy names, or, where
    /// it names none, this machine itself, whose addresses are `own`.
    ///
    /// # Errors
    /// As [`Self::judge`].
    pub fn scan(&self, address: IpAddr, own: &[IpAddr]) -> Result<(), RpcError> {
        let address = address.to_canonical();
        if !is_one_host(address) {
            return Err(
                self.denied(&format!("{address} is not the address of one host, and is never scanned"))
            );
        }
        // Metadata of a cloud, with its keys, answers there: a network around all does not mean it.
        let bits_min = match address {
            _ if !is_link_local(address) => 0,
            IpAddr::V4(_) => LINK_LOCAL_BITS.0,
            IpAddr::V6(_) => LINK_LOCAL_BITS.1,
        };
        let means = |network: &Network| network.has(address) && network.bits() >= bits_min;
        match &self.scan_targets {
            Some(allowed) if allowed.iter().any(means) => Ok(()),
            Some(_) => {
                let hint = if is_link_local(address) {
                    ", and for a link-local one that has to be its own"
                } else {
                    ""
                };
                Err(self.denied(&format!("{address} is in none of the scan_targets of this node{hint}")))
            }
            None if address.is_loopback() || own.contains(&address) => Ok(()),
            None => Err(self.denied(&format!(
                "without scan_targets this node scans itself alone, and {address} is another host: let \
                 scan_targets in its {FILE} name the network"
            ))),
        }
    }

    fn denied(&self, what: &str) -> RpcError {
        let path = self.path.display();
        let place = if self.path.as_os_str().is_empty() { String::new() } else { format!(" ({path})") };
        RpcError::forbidden(format!("denied: local policy: {what}{place}"))
    }

    fn stops(allow: Option<&[MethodPattern]>, deny: &[MethodPattern]) -> BTreeSet<&'static str> {
        let named =
            |patterns: &[MethodPattern], name: &str| patterns.iter().any(|pattern| pattern.fits(name));
        let stopped = |name: &&str| named(deny, name) || allow.is_some_and(|allow| !named(allow, name));
        services::methods().map(|method| method.name).filter(stopped).collect()
    }

    fn path_in(directory: &Path) -> PathBuf {
        directory.join(FILE)
    }
}

/// Whether it can be that of one machine.
fn is_one_host(address: IpAddr) -> bool {
    let is_set_aside =
        matches!(address, IpAddr::V4(address) if address.octets()[0] >= 240 || address.octets()[0] == 0);
    !(is_set_aside || address.is_unspecified() || address.is_multicast())
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// The policy in force. Clones are the same one; a reload changes it for all of them.
#[derive(Clone, Debug, Default)]
pub struct Fuse(Arc<ArcSwap<Policy>>);

impl Fuse {
    /// A fuse with this policy.
    pub fn new(policy: Policy) -> Self {
        Self(Arc::new(ArcSwap::from_pointee(policy)))
    }

    /// The policy in force now.
    pub fn policy(&self) -> Arc<Policy> {
        self.0.load_full()
    }

    /// As [`Policy::judge`], of the policy in force: the check of every call.
    ///
    /// # Errors
    /// As there.
    pub fn judge(&self, method: &MethodSpec, caller: &Caller) -> Result<(), RpcError> {
        self.0.load().judge(method, caller)
    }

    /// Whether `program`, the file that is really run, may be run as `user`.
    ///
    /// # Errors
    /// As [`Policy::command`] and [`Policy::run_as`].
    pub fn judge_command(&self, program: String, user: &str) -> Result<(), RpcError> {
        let policy = self.0.load();
        policy.command(&[program])?;
        policy.run_as(user)
    }

    /// Puts another policy in force. Answers whether it differs.
    pub fn replace(&self, policy: Policy) -> bool {
        let policy = Arc::new(policy);
        *self.0.swap(Arc::clone(&policy)) != *policy
    }
}
