//! Scans: judged as a whole before anything is sent, then run on the main runtime and told as they go.

use std::net::IpAddr;
use std::time::Duration;

use p2p_shared::error::RpcError;
use p2p_shared::rpc::service::{Inputs, Items};
use p2p_shared::services::network::{SCAN_PORTS_MAX, ScanFound, ScanOrder, ScanRequest};
use tokio::sync::mpsc;

use super::{NetworkService, gone, millis, number, place};
use crate::host::network::interfaces::own_addresses;
use crate::host::network::resolve;
use crate::host::network::scan::Target;
use crate::host::network::scan::{self, Plan};
use crate::policy::{Fuse, Policy};

/// Ports, unless told.
const PORTS: &str = "1-1024";
/// Connections a second to other hosts, unless told.
const RATE_PER_S: u32 = 1_000;
const RATE_PER_S_MAX: u32 = 1_000_000;
/// Messages that wait for a caller; beyond, the scan waits.
const QUEUE: usize = 4;

/// Whether a scan would be begun, as far as that shows without resolving names.
pub fn judge_request(fuse: &Fuse, request: &ScanRequest) -> Result<(), RpcError> {
    terms(request)?;
    let (policy, own) = (fuse.policy(), own_addresses()?);
    for target in scan::targets(&request.targets)? {
        if let Target::Network(network) = target {
            network.hosts().try_for_each(|address| policy.scan(address, &own))?;
        }
    }
    Ok(())
}

/// Everything of a request but whom it is about.
fn terms(request: &ScanRequest) -> Result<(Vec<u16>, Option<u32>, Duration), RpcError> {
    let ports = scan::ports(request.ports.as_deref().unwrap_or(PORTS))?;
    let rate = request.rate_per_s.map(|rate| number("rate_per_s", Some(rate), 1, (1, RATE_PER_S_MAX)));
    let patience = millis("timeout_ms", request.timeout_ms, 1_000, (10, 10_000))?;
    Ok((ports, rate.transpose()?, patience))
}

impl NetworkService {
    pub(super) async fn scanned(
        &self,
        request: ScanRequest,
        mut orders: Inputs<ScanOrder>,
        items: &Items<ScanFound>,
    ) -> Result<(), RpcError> {
        let own = self.read(own_addresses).await?;
        let plan = plan(&self.fuse.policy(), &request, &own).await?;
        let place = place(&self.scans, scan::RUNNING_MAX, "scan")?;
        let stop = self.stopping.child_token();
        let _guard = stop.clone().drop_guard();
        let (told, mut news) = mpsc::channel(QUEUE);
        let (roots, ordered) = (self.sampler.roots(), stop.clone());
        let run = async move {
            let _place = place;
            scan::run(&roots, plan, told, ordered).await
        };
        let running = self.tasks.spawn_on(run, &self.runtime);
        let mut listens = true;
        loop {
            tokio::select! {
                found = news.recv() => match found {
                    Some(found) => items.send(&found).await?,
                    None => break,
                },
                order = orders.next(), if listens => match order? {
                    Some(ScanOrder::Stop) => stop.cancel(),
                    Some(ScanOrder::Unknown) => {}
                    None => listens = false,
                },
                () = items.closed() => return Err(gone()),
            }
        }
        let ended = running.await;
        Ok(ended.map_err(|error| RpcError::internal(format!("the scan failed: {error}")))??)
    }
}

/// The plan of a request, of which the local policy allows every address to this machine, whose addresses are `own`.
///
/// # Errors
/// `forbidden` for an address that it does not allow, `bad_request` for what is no request, or as the resolver says.
pub async fn plan(policy: &Policy, request: &ScanRequest, own: &[IpAddr]) -> Result<Plan, RpcError> {
    let (ports, rate, patience) = terms(request)?;
    let mut addresses: Vec<IpAddr> = Vec::new();
    for target in scan::targets(&request.targets)? {
        match target {
            Target::Network(network) => {
                for address in network.hosts() {
                    policy.scan(address, own)?;
                    addresses.push(address);
                }
            }
            // The addresses that were judged are connected to, never the name.
            Target::Name(name) => {
                for address in resolve::resolve(&name).await?.addresses {
                    policy.scan(address, own)?;
                    addresses.push(address);
                }
            }
        }
    }
    addresses.sort_unstable();
    addresses.dedup();
    let is_here = addresses.iter().all(|address| address.is_loopback() || own.contains(address));
    let rate_per_s = if is_here { rate } else { rate.or(Some(RATE_PER_S)) };
    let plan = Plan { addresses, ports, rate_per_s, patience, banner: request.banner };
    if plan.total() > SCAN_PORTS_MAX {
        let text = format!("a scan has at most {SCAN_PORTS_MAX} ports in all, not {}", plan.total());
        return Err(RpcError::bad_request(text));
    }
    Ok(plan)
}
