//! What a request must be before it is taken on.

use p2p_shared::services::exec::{CommandLine, ExecRequest};
use p2p_shared::services::job::{
    ATTEMPTS_MAX, JobPriority, JobRequest, JobWork, KEY_BYTES_MAX, LABEL_BYTES_MAX, START_WITHIN_MAX,
};
use p2p_shared::services::network::ScanRequest;
use p2p_shared::time::Millis;

use super::input::Refusal;
use crate::audit::mask;

/// Most bytes of one request.
pub const REQUEST_BYTES_MAX: u64 = 64 << 10;
/// The shortest first wait before another attempt.
pub const DELAY_MIN: Millis = Millis(100);
/// The longest wait before another attempt.
pub const DELAY_MAX: Millis = Millis::from_secs(86_400);
/// What stands for a value of an environment.
const MASK: &str = "***";
/// What a job costs beside its texts.
const JOB_BYTES: usize = 512;
/// Longest text that says what a job does.
const WORDS_BYTES_MAX: usize = 256;

/// Whether a request makes sense.
pub(super) fn request(request: &JobRequest) -> Result<(), Refusal> {
    let bad = |text: String| Err(Refusal::Bad(text));
    let long = |text: &Option<String>, most| text.as_ref().is_some_and(|text| text.len() > most);
    if request.priority == JobPriority::Unknown {
        return bad("this node does not know that priority: low, normal or high".into());
    }
    if long(&request.label, LABEL_BYTES_MAX) {
        return bad(format!("a label has at most {LABEL_BYTES_MAX} bytes"));
    }
    if long(&request.key, KEY_BYTES_MAX) || request.key.as_ref().is_some_and(String::is_empty) {
        return bad(format!("a key has 1 to {KEY_BYTES_MAX} bytes"));
    }
    if let Some(retry) = request.retry {
        if !(1..=ATTEMPTS_MAX).contains(&retry.attempts) {
            return bad(format!("attempts is 1 to {ATTEMPTS_MAX}, not {}", retry.attempts));
        }
        let delays = DELAY_MIN.0..=DELAY_MAX.0;
        if !delays.contains(&retry.delay_ms) || !delays.contains(&retry.delay_max_ms) {
            return bad(format!("waits before another attempt are {} ms to {} ms", DELAY_MIN.0, DELAY_MAX.0));
        }
    }
    if request.start_within_ms.is_some_and(|span| !(1..=START_WITHIN_MAX.0).contains(&span)) {
        return bad(format!("a job waits for 1 ms to {} ms to begin", START_WITHIN_MAX.0));
    }
    if size(request) > REQUEST_BYTES_MAX {
        return bad(format!("a job has at most {REQUEST_BYTES_MAX} bytes: put the rest into a file there"));
    }
    Ok(())
}

/// What a request costs in memory and on disk, about.
pub(super) fn size(request: &JobRequest) -> u64 {
    let work = match &request.work {
        JobWork::Command(exec) => command_size(exec),
        JobWork::Scan(scan) => scan_size(scan),
    };
    let texts: usize = [&request.label, &request.key].into_iter().flatten().map(String::len).sum();
    (work + texts + JOB_BYTES) as u64
}

fn scan_size(scan: &ScanRequest) -> usize {
    let ports = scan.ports.as_ref().map_or(0, String::len);
    scan.targets.iter().map(|target| target.len() + size_of::<String>()).sum::<usize>() + ports
}

fn command_size(exec: &ExecRequest) -> usize {
    let ExecRequest { command, directory, user, environment, .. } = exec;
    let words: usize = match command {
        CommandLine::Program { program, arguments } => {
            program.len() + arguments.iter().map(|word| word.len() + size_of::<String>()).sum::<usize>()
        }
        CommandLine::Shell { line } => line.len(),
    };
    let variables: usize = environment.iter().map(|one| one.name.len() + one.value.len() + 64).sum();
    let texts: usize = [directory, user].into_iter().flatten().map(String::len).sum();
    words + variables + texts
}

/// A request as others may see it: without its secrets.
pub(super) fn masked(request: &JobRequest) -> JobRequest {
    let mut request = request.clone();
    let JobWork::Command(exec) = &mut request.work else { return request };
    exec.environment.iter_mut().for_each(|one| MASK.clone_into(&mut one.value));
    if let CommandLine::Program { arguments, .. } = &mut exec.command {
        *arguments = mask::words(arguments);
    }
    request
}

/// What a job does, in one line, without its secrets.
pub(super) fn words(work: &JobWork) -> String {
    match work {
        JobWork::Command(exec) => match &exec.command {
            CommandLine::Program { program, arguments } => {
                let arguments = mask::words(arguments);
                joined(std::iter::once(program).chain(&arguments))
            }
            CommandLine::Shell { line } => joined([line]),
        },
        JobWork::Scan(scan) => {
            let (verb, ports) =
                (["scan".to_owned()], scan.ports.as_ref().map(|ports| format!("ports {ports}")));
            joined(verb.iter().chain(&scan.targets).chain(&ports))
        }
    }
}

/// As much of these words as one line may have.
fn joined<'a>(words: impl IntoIterator<Item = &'a String>) -> String {
    let mut line = String::new();
    for word in words {
        if line.len() > WORDS_BYTES_MAX {
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.push_str(&word[..word.floor_char_boundary(WORDS_BYTES_MAX)]);
    }
    line.truncate(line.floor_char_boundary(WORDS_BYTES_MAX));
    line
}
