//! What simulated nodes have to do, and the shells that live on them.

use p2p_shared::error::RpcError;
use p2p_shared::services::exec::{CommandLine, ExecRequest};
use p2p_shared::services::job::{
    JobCounts, JobDelta, JobExit, JobId, JobInfo, JobKind, JobOwner, JobPriority, JobProgress, JobRequest,
    JobState, JobStatus, JobWork,
};
use p2p_shared::services::shell::{ShellExit, ShellInfo, ShellRecording, ShellSize, ShellState};
use p2p_shared::time::UnixMillis;

use super::HOSTILE;

const JOBS: [(&str, &str, JobState); 5] = [
    ("rsync -a /srv /mnt/backup", "nightly", JobState::Running),
    ("apt-get install -y ./p2p-node.deb", "", JobState::Queued),
    ("/opt/report/make --month 10", "report", JobState::Failed),
    ("true", "", JobState::Succeeded),
    ("sleep 1000", "", JobState::Cancelled),
];

fn job((index, node): (usize, usize), begin: UnixMillis, hostile: bool) -> JobInfo {
    let (work, label, state) = JOBS[index];
    let at = |ago: u64| UnixMillis(begin.0 - ago * 1_000);
    let over = state.is_final();
    let exit = JobExit {
        attempt: 1,
        started: at(40),
        ended: at(30),
        code: Some(if state == JobState::Succeeded { 0 } else { 3 }),
        signal: None,
        out_of_memory: None,
        timed_out: false,
        problem: None,
    };
    let text = |text: &str| if hostile { HOSTILE[index].to_owned() } else { text.to_owned() };
    JobInfo {
        id: format!("1kd3f{node}x{index}").parse().expect("the ids here are good"),
        state,
        since: at(30),
        detail: String::new(),
        kind: JobKind::Command,
        work: text(work),
        label: text(label),
        owner: JobOwner { name: "alice".into(), id: None, role: None },
        submitted: at(60 + index as u64 * 100),
        priority: JobPriority::Normal,
        start_by: None,
        again_at: None,
        started: (state != JobState::Queued).then(|| at(40)),
        ended: over.then(|| at(30)),
        attempts: u32::from(state != JobState::Queued),
        attempts_max: 1,
        progress: (state == JobState::Running)
            .then(|| JobProgress { ratio: Some(0.42), words: Some(text("/srv/a")) }),
        exit: over.then_some(exit),
    }
}

pub fn delta(node: usize, begin: UnixMillis, hostile: bool) -> JobDelta {
    let changed: Vec<JobInfo> = (0..JOBS.len()).map(|index| job((index, node), begin, hostile)).collect();
    let mut counts = JobCounts::default();
    for job in &changed {
        if let Some(count) = counts.get_mut(job.state) {
            *count += 1;
        }
    }
    JobDelta { full: true, more: false, changed, removed: Vec::new(), counts }
}

pub fn status(node: usize, id: &JobId, begin: UnixMillis) -> Result<JobStatus, RpcError> {
    let found = delta(node, begin, false).changed.into_iter().find(|job| job.id == *id);
    let info = found.ok_or_else(|| RpcError::not_found(format!("there is no job {id}")))?;
    let command = ExecRequest {
        command: CommandLine::Program { program: info.work.clone(), arguments: Vec::new() },
        directory: None,
        user: None,
        environment: Vec::new(),
        timeout_ms: None,
        output_bytes_max: None,
    };
    let request = JobRequest::new(JobWork::Command(command));
    let exits = info.exit.iter().cloned().collect();
    Ok(JobStatus {
        info,
        request,
        process: None,
        exits,
        asked_by: None,
        output_bytes: 812,
        output_dropped: false,
    })
}

pub fn shells(node: usize, begin: UnixMillis, hostile: bool) -> Vec<ShellInfo> {
    let shell = |index: usize| {
        let ended = index == 2;
        ShellInfo {
            id: format!("s{node}{index}"),
            user: if index == 0 { "root" } else { "deploy" }.to_owned(),
            command: vec![if hostile { HOSTILE[index].to_owned() } else { "-bash".to_owned() }],
            opened_by: if index == 0 { "alice" } else { "bob" }.to_owned(),
            is_own: index == 0,
            opened: UnixMillis(begin.0 - 3_700_000),
            active: UnixMillis(begin.0 - 90_000 * (index as u64 + 1)),
            attached: u32::from(index == 1),
            size: ShellSize::default(),
            is_recorded: index == 1,
            state: if ended { ShellState::Ended } else { ShellState::Running },
            exit: ended.then_some(ShellExit { code: Some(130), signal: None, why: None }),
        }
    };
    (0..3).map(shell).collect()
}

pub fn recordings(node: usize, begin: UnixMillis, hostile: bool) -> Vec<ShellRecording> {
    let recording = |index: usize| ShellRecording {
        id: format!("r{node}{index}"),
        user: "root".to_owned(),
        command: vec![if hostile { HOSTILE[index].to_owned() } else { "-bash".to_owned() }],
        opened_by: if index == 0 { "alice" } else { "bob" }.to_owned(),
        opened: UnixMillis(begin.0 - 86_400_000 * (index as u64 + 1)),
        written: UnixMillis(begin.0 - 86_400_000 * (index as u64 + 1) + 65_000),
        size_bytes: 20_000 * (index as u64 + 1),
    };
    (0..2).map(recording).collect()
}
