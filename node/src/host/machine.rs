//! What the machine is, and what this program costs it.
//!
//! Read from the kernel when asked; nothing is kept. What cannot be read is empty, or zero.

use std::fs;
use std::net::IpAddr;

use p2p_shared::time::Millis;
use sysinfo::Networks;

use super::Roots;
use super::processes;
use super::rates::ticks_to_millis;
use super::stat;

/// The machine, as it stays until the next boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The host's name.
    pub hostname: String,
    /// The operating system, as in `/etc/os-release`.
    pub os: String,
    /// The kernel's release.
    pub kernel: String,
    /// The architecture.
    pub arch: String,
    /// Processor cores that this program may use.
    pub cores: u32,
    /// The present boot.
    pub boot_id: String,
}

impl Machine {
    /// Reads it.
    pub fn read(roots: &Roots) -> Self {
        let uname = rustix::system::uname();
        let os = fs::read_to_string(roots.etc.join("os-release")).unwrap_or_default();
        Self {
            hostname: uname.nodename().to_string_lossy().into_owned(),
            os: pretty_name(&os).unwrap_or_else(|| "Linux".into()),
            kernel: uname.release().to_string_lossy().into_owned(),
            arch: uname.machine().to_string_lossy().into_owned(),
            cores: std::thread::available_parallelism().map_or(1, |cores| cores.get() as u32),
            boot_id: processes::boot_id(roots).map(|id| id.to_string()).unwrap_or_default(),
        }
    }
}

/// What this program uses now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnUsage {
    /// Resident memory in bytes.
    pub rss_bytes: u64,
    /// Processor time since its start.
    pub cpu_time: Millis,
    /// Open descriptors.
    pub open_files: u32,
}

impl OwnUsage {
    /// Reads it.
    pub fn read(roots: &Roots) -> Self {
        let own = roots.proc.join("self");
        let stat = fs::read(own.join("stat")).ok();
        let stat = stat.as_deref().and_then(stat::Stat::parse);
        let open_files = fs::read_dir(own.join("fd")).map_or(0, |entries| entries.count() as u32);
        let page = rustix::param::page_size() as u64;
        let ticks_per_s = rustix::param::clock_ticks_per_second();
        Self {
            rss_bytes: stat.as_ref().map_or(0, |stat| stat.rss_pages * page),
            cpu_time: Millis(stat.as_ref().map_or(0, |stat| ticks_to_millis(stat.cpu_ticks, ticks_per_s))),
            open_files,
        }
    }
}

/// Addresses of the machine's interfaces that another machine can use; those of loopback only if there is
/// nothing else.
pub fn addresses() -> Vec<IpAddr> {
    let networks = Networks::new_with_refreshed_list().ok();
    let mut all: Vec<IpAddr> = networks
        .iter()
        .flat_map(|networks| networks.values())
        .flat_map(|network| network.ip_networks())
        .map(|network| network.addr)
        .filter(|address| !is_link_local(address))
        .collect();
    all.sort_by_key(|address| (address.is_ipv6(), *address));
    all.dedup();
    let outside: Vec<IpAddr> = all.iter().copied().filter(|address| !address.is_loopback()).collect();
    if outside.is_empty() { all } else { outside }
}

/// Addresses that mean something only on their own link, or to nobody.
fn is_link_local(address: &IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => v4.is_link_local() || v4.is_unspecified(),
        IpAddr::V6(v6) => v6.is_unicast_link_local() || v6.is_unspecified(),
    }
}

fn pretty_name(os_release: &str) -> Option<String> {
    let value = os_release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="))?;
    Some(value.trim().trim_matches('"').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pretty_name_is_found_without_its_quotes() {
        let text = "NAME=\"Debian\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
        assert_eq!(pretty_name(text).as_deref(), Some("Debian GNU/Linux 12 (bookworm)"));
        assert_eq!(pretty_name(""), None);
    }

    #[test]
    fn this_program_has_memory_and_descriptors() {
        let usage = OwnUsage::read(&Roots::default());
        assert!(usage.rss_bytes > 1 << 20, "{usage:?}");
        assert!(usage.open_files > 2, "{usage:?}");
    }

    #[test]
    fn a_machine_has_an_address() {
        assert!(!addresses().is_empty());
    }
}
