//! What simulated nodes keep running, and what their journals say.

use p2p_shared::error::RpcError;
use p2p_shared::services::journal::{JournalBatch, JournalRow};
use p2p_shared::services::process::ProcessRef;
use p2p_shared::services::program::{ProgramDefinition, ProgramExit, ProgramInfo, ProgramState};
use p2p_shared::services::program::{ProgramLog, ProgramStatus};
use p2p_shared::services::unit::{ActiveState, LoadState, UnitDelta, UnitInfo, UnitStatus};
use p2p_shared::time::UnixMillis;

use super::{HOSTILE, noise};

const UNITS: [(&str, &str, ActiveState, &str); 9] = [
    ("cron.service", "Regular background program processing daemon", ActiveState::Active, "running"),
    ("nginx.service", "A high performance web server", ActiveState::Active, "running"),
    ("backup.service", "Nightly backup", ActiveState::Failed, "failed"),
    ("ssh.service", "OpenBSD Secure Shell server", ActiveState::Active, "running"),
    ("backup.timer", "Every night at two", ActiveState::Active, "waiting"),
    ("apt-daily.service", "Daily apt download activities", ActiveState::Inactive, "dead"),
    ("postgresql.service", "PostgreSQL RDBMS", ActiveState::Activating, "start"),
    ("-.mount", "Root Mount", ActiveState::Active, "mounted"),
    ("multi-user.target", "Multi-User System", ActiveState::Active, "active"),
];
const PROGRAMS: [(&str, &str, ProgramState); 3] = [
    ("queue-worker", "/opt/queue/worker --threads 4", ProgramState::Running),
    ("mailer", "/opt/mail/mailer", ProgramState::BackingOff),
    ("importer", "/opt/import/run --once", ProgramState::Failed),
];
const SAYINGS: [(&str, u8, &str); 5] = [
    ("nginx", 6, "10.0.0.7 GET /api/orders 200 12ms"),
    ("sshd", 5, "Accepted publickey for deploy from 10.0.0.9 port 51122"),
    ("kernel", 4, "TCP: request_sock_TCP: Possible SYN flooding on port 443"),
    ("backup", 3, "cannot write /srv/backup/today.tar: No space left on device"),
    ("cron", 7, "(root) CMD (run-parts /etc/cron.hourly)"),
];

fn program((index, node): (usize, usize), begin: UnixMillis) -> ProgramInfo {
    let (name, command, state) = PROGRAMS[index];
    let exit = ProgramExit {
        at: UnixMillis(begin.0 - 5_000),
        started: Some(UnixMillis(begin.0 - 65_000)),
        code: None,
        signal: Some(9),
        out_of_memory: Some(true),
        error: None,
        asked_by: None,
    };
    let runs = state.runs();
    ProgramInfo {
        name: name.parse().expect("the names here are good"),
        state,
        since: UnixMillis(begin.0 - 4_000 * (index as u64 + 1)),
        detail: if state == ProgramState::BackingOff { "started again in 8 s".into() } else { String::new() },
        process: runs.then(|| ProcessRef {
            boot_id: format!("boot-{node}"),
            pid: 900 + index as u32,
            start_ticks: 7,
        }),
        command: command.to_owned(),
        at_boot: index == 0,
        starts: 3,
        restarts: index as u64 * 4,
        last_exit: (!runs).then_some(exit),
    }
}

pub fn programs(node: usize, begin: UnixMillis, hostile: bool) -> Vec<ProgramInfo> {
    let mut programs: Vec<ProgramInfo> =
        (0..PROGRAMS.len()).map(|index| program((index, node), begin)).collect();
    if hostile {
        programs[1].detail = HOSTILE[0].to_owned();
        programs[2].command = HOSTILE[2].to_owned();
    }
    programs
}

pub fn status(node: usize, name: &str, begin: UnixMillis) -> Result<(ProgramStatus, ProgramLog), RpcError> {
    let found = programs(node, begin, false).into_iter().find(|program| program.name.as_str() == name);
    let info = found.ok_or_else(|| RpcError::not_found(format!("there is no program {name}")))?;
    let mut words = info.command.split(' ').map(ToOwned::to_owned);
    let command = words.next().unwrap_or_default();
    let definition = ProgramDefinition {
        arguments: words.collect(),
        ..ProgramDefinition::new(info.name.clone(), command)
    };
    let exits = info.last_exit.iter().cloned().collect();
    let log = ProgramLog { stdout: "ready\n".into(), stderr: "warning: slow\n".into(), lost_bytes: 0 };
    Ok((ProgramStatus { info, definition, exits, unenforced: Vec::new(), lost_bytes: 0 }, log))
}

fn unit((index, node): (usize, usize), begin: UnixMillis) -> UnitInfo {
    let (name, description, active, sub) = UNITS[index];
    let pid = (sub == "running").then(|| 300 + 17 * index as u32);
    UnitInfo {
        name: name.to_owned(),
        description: description.to_owned(),
        load: LoadState::Loaded,
        active,
        sub: sub.to_owned(),
        file_state: Some(if index.is_multiple_of(2) { "enabled" } else { "static" }.to_owned()),
        main_pid: pid,
        memory_bytes: pid.map(|_| noise(node, 900, index as u64) % (1 << 28)),
        cpu_time_ms: pid.map(|_| noise(node, 901, index as u64) % 5_000_000),
        since: Some(UnixMillis(begin.0 - 100_000 * (index as u64 + 1))),
    }
}

pub fn units((node, step): (usize, u64), begin: UnixMillis, hostile: bool) -> UnitDelta {
    let mut changed: Vec<UnitInfo> = (0..UNITS.len()).map(|index| unit((index, node), begin)).collect();
    if hostile {
        for (at, text) in HOSTILE.iter().enumerate() {
            let mut unit = unit((0, node), begin);
            unit.name = format!("{at}{text}.service");
            unit.description = (*text).to_owned();
            changed.push(unit);
        }
    }
    let at = UnixMillis(begin.0 + step * 1_000);
    UnitDelta { seq: 0, at, full: true, changed, gone: Vec::new() }
}

pub fn unit_status(node: usize, name: &str, begin: UnixMillis) -> Result<UnitStatus, RpcError> {
    let index = UNITS.iter().position(|unit| unit.0 == name);
    let index = index.ok_or_else(|| RpcError::not_found(format!("there is no unit {name}")))?;
    let mut log = journal((node, 4), begin, false).rows;
    log.truncate(3);
    Ok(UnitStatus {
        info: unit((index, node), begin),
        fragment_path: Some(format!("/usr/lib/systemd/system/{name}")),
        drop_ins: Vec::new(),
        needs_reload: index == 1,
        triggers: Vec::new(),
        triggered_by: Vec::new(),
        result: Some("success".into()),
        exit: None,
        status_text: None,
        control_group: Some(format!("/system.slice/{name}")),
        tasks: Some(3),
        restarts: Some(0),
        documentation: Vec::new(),
        log,
        log_missing: None,
    })
}

/// What a node's journal says in the second before `step`.
pub fn journal((node, step): (usize, u64), begin: UnixMillis, hostile: bool) -> JournalBatch {
    let at = UnixMillis(begin.0 + step * 1_000);
    let row = |nth: u64| {
        let (who, priority, text) = SAYINGS[(noise(node, 910 + nth, step) % SAYINGS.len() as u64) as usize];
        let text = if hostile { HOSTILE[(nth % HOSTILE.len() as u64) as usize] } else { text };
        JournalRow {
            cursor: format!("{node}/{step}/{nth}"),
            time_us: (at.0 - 900 + 200 * nth + node as u64 * 31) * 1_000,
            unit: Some(format!("{who}.service")),
            identifier: Some(who.to_owned()),
            pid: Some(300 + node as u32),
            priority,
            message: text.to_owned(),
            is_cut: false,
            fields: Vec::new(),
        }
    };
    let rows = (0..noise(node, 920, step) % 4).map(row).collect();
    JournalBatch { seq: step, at, rows, dropped: if step.is_multiple_of(20) { 3 } else { 0 } }
}
