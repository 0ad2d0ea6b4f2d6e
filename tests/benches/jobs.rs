//! What ten thousand queued jobs cost the real program: to take them on, to hold them, to list them meanwhile, and
//! to run them all.
//!
//! Takes some minutes; prints one line a goal.

#[expect(dead_code, clippy::unwrap_used, reason = "the tests need more of it, and a bench without a CA ends")]
#[path = "../e2e/ca.rs"]
mod ca;
#[expect(dead_code, reason = "the other benches need more of it")]
mod support;

use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt, TryStreamExt};
use p2p_shared::access::Role;
use p2p_shared::error::Code;
use p2p_shared::mesh::NodeHandle;
use p2p_shared::services::Services;
use p2p_shared::services::exec::{CommandLine, ExecRequest};
use p2p_shared::services::job::{JobInfo, JobRequest, JobWork};
use tokio::runtime::Builder;
use tokio::time::sleep;

use ca::TestCa;
use support::{Program, at_least, at_most, handle};

const JOBS: usize = 10_000;
/// Jobs that run at the same time on a node.
const RUNNING: usize = 4;
/// Calls at a time.
const AT_ONCE: usize = 64;
/// Between two lists.
const LOOK: Duration = Duration::from_millis(10);

async fn submit(
    node: &NodeHandle,
    program: &str,
    argument: &str,
) -> Result<JobInfo, p2p_shared::error::RpcError> {
    let command = CommandLine::Program { program: program.into(), arguments: vec![argument.into()] };
    let request = ExecRequest {
        command,
        directory: Some("/".into()),
        user: None,
        environment: Vec::new(),
        timeout_ms: None,
        output_bytes_max: None,
    };
    node.job().submit(JobRequest::new(JobWork::Command(request))).await
}

/// Does something while somebody else lists jobs; what the slowest of a hundred lists took, in milliseconds.
async fn while_listed(
    node: &NodeHandle,
    work: impl Future<Output = anyhow::Result<()>>,
) -> anyhow::Result<f64> {
    let mut took = Vec::new();
    let lists = async {
        loop {
            let began = Instant::now();
            node.job().list(Some("state:queued".into()), None, Some(100)).await?;
            took.push(began.elapsed().as_secs_f64() * 1e3);
            sleep(LOOK).await;
        }
    };
    tokio::select! {
        done = work => done?,
        failed = lists => {
            let failed: anyhow::Result<()> = failed;
            failed?;
        }
    }
    took.sort_by(f64::total_cmp);
    Ok(took.get(took.len() * 99 / 100).copied().unwrap_or(f64::NAN))
}

async fn drained(node: &NodeHandle) -> anyhow::Result<()> {
    loop {
        let counts = node.node().stats().await?.jobs;
        if counts.queued + counts.running == 0 {
            return Ok(());
        }
        sleep(Duration::from_millis(50)).await;
    }
}

fn main() -> anyhow::Result<()> {
    let ca = TestCa::new("bench");
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let program = Program::start(&ca.node_files("web-1"), &[])?;
        let node = handle(&ca.operator("ann", Role::Admin), "web-1", program.quic)?;
        let looker = handle(&ca.operator("bob", Role::Viewer), "web-1", program.quic)?;
        let mut blockers = Vec::new();
        for _ in 0..RUNNING {
            blockers.push(submit(&node, "sleep", "3600").await?.id);
        }
        let before = program.status_kib("VmRSS")?;
        let began = Instant::now();
        let work = async {
            let one = |index: usize| {
                let node = node.clone();
                async move { submit(&node, "test", &index.to_string()).await }
            };
            stream::iter(0..JOBS).map(one).buffer_unordered(AT_ONCE).try_collect::<Vec<_>>().await?;
            Ok(())
        };
        let p99 = while_listed(&looker, work).await?;
        at_least("jobs_submitted_and_kept_per_s", JOBS as f64 / began.elapsed().as_secs_f64(), 200.0);
        at_most("jobs_list_p99_ms_while_10000_are_submitted", p99, 50.0);
        at_most("jobs_10000_queued_MiB", (program.status_kib("VmRSS")? - before) / 1_024.0, 64.0);
        let full = submit(&node, "true", "").await.map(|_| Code::Unknown).unwrap_or_else(|error| error.code);
        println!("# one more is answered {full}");

        let began = Instant::now();
        let work = async {
            for id in blockers {
                node.job().cancel(id).await?;
            }
            drained(&node).await
        };
        let p99 = while_listed(&looker, work).await?;
        println!("# all of them ran in {:.1} s", began.elapsed().as_secs_f64());
        at_most("jobs_list_p99_ms_while_10000_run", p99, 50.0);
        let left = node.node().stats().await?.jobs;
        at_most("jobs_remembered_of_those_that_ended", left.total() as f64, 1_000.0);
        println!("# peak memory {:.1} MiB", program.status_kib("VmHWM")? / 1_024.0);
        Ok(())
    })
}
