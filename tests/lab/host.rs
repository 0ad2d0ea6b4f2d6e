//! A lab of hosts as a test sees it, gone when it is dropped.
//!
//! Commands enter, their output and exit code leave. All that touches the machine is `scripts/lab.sh`.

use std::ffi::OsStr;
use std::fmt;
use std::fs::File;
use std::io::{Read, Seek};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use rustix::process::{Pid, Signal};

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(100);
/// No command in a host takes longer.
const COMMAND_MAX: Duration = Duration::from_secs(120);
/// No verb of the lab does; the longest tries an API for ten minutes.
const VERB_MAX: Duration = Duration::from_secs(900);
/// How often one is continued: a systemd that reboots stops all processes before it kills them, then `nsenter` stops
/// itself as its child did, and nobody else would continue it.
const CONTINUED: Duration = Duration::from_secs(1);
/// How often it is looked at whether one has ended.
const ENDED: Duration = Duration::from_millis(5);

/// The hosts of one test.
pub struct Lab {
    names: Vec<String>,
}

/// How a command ended.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "exit code {}\n-- stdout\n{}\n-- stderr\n{}", self.code, self.out, self.err)
    }
}

impl Answer {
    /// Both streams.
    pub fn text(&self) -> String {
        format!("{}{}", self.out, self.err)
    }

    /// It ended with `code` and said `words`.
    pub fn expect(self, code: i32, words: &[&str]) -> Result<Self> {
        let text = self.text();
        let silent = words.iter().find(|word| !text.contains(**word));
        ensure!(self.code == code, "{code} was expected: {self}");
        if let Some(word) = silent {
            bail!("{word:?} was expected: {self}");
        }
        Ok(self)
    }
}

impl From<Output> for Answer {
    fn from(output: Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            code: output.status.code().unwrap_or(-1),
            out: text(&output.stdout),
            err: text(&output.stderr),
        }
    }
}

impl Lab {
    /// Hosts of these names, running.
    pub fn up(names: &[&str]) -> Result<Self> {
        let lab = Self { names: names.iter().map(|name| (*name).to_owned()).collect() };
        lab.verb("up", names)?;
        Ok(lab)
    }

    /// `scripts/lab.sh VERB ARGUMENTS`.
    pub fn verb(&self, verb: &str, arguments: &[&str]) -> Result<String> {
        let answer = script([verb].iter().chain(arguments), VERB_MAX)?;
        ensure!(answer.code == 0, "lab.sh {verb} {arguments:?}: {answer}");
        Ok(answer.out)
    }

    /// Runs lines of a shell on a host, as root, and says how they ended.
    pub fn attempt(&self, host: &str, lines: &str) -> Result<Answer> {
        script(["exec", host, "bash", "-euo", "pipefail", "-c", lines], COMMAND_MAX)
    }

    /// Runs lines of a shell that have to end well; what they print.
    pub fn run(&self, host: &str, lines: &str) -> Result<String> {
        let answer = self.attempt(host, lines)?;
        ensure!(answer.code == 0, "{host}: {lines}: {answer}");
        Ok(answer.out)
    }

    /// Copies files into a directory of a host.
    pub fn push(&self, files: &[&Path], host: &str, directory: &str) -> Result<()> {
        let target = format!("{host}:{directory}");
        let arguments = [OsStr::new("push")].into_iter().chain(files.iter().map(|file| file.as_os_str()));
        let answer = script(arguments.chain([OsStr::new(&target)]), COMMAND_MAX)?;
        ensure!(answer.code == 0, "push to {target}: {answer}");
        Ok(())
    }

    /// What is needed to understand a failure: the journals of all hosts that answer.
    fn journals(&self) -> String {
        let journal = |name: &String| {
            let lines = "journalctl -n 40 --no-pager -u p2p-node 2>&1 || true";
            let said =
                self.attempt(name, lines).map_or_else(|error| error.to_string(), |answer| answer.text());
            format!("---- {name}\n{said}")
        };
        self.names.iter().map(journal).collect()
    }

    /// Runs the body of a test; a failure comes with the journals of the hosts.
    pub fn test(self, body: impl FnOnce(&Self) -> Result<()>) -> Result<()> {
        body(&self).map_err(|error| {
            let journals = self.journals();
            anyhow!("{error:#}\n{journals}")
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Err(error) = self.verb("down", &[]) {
            eprintln!("{error:#}");
        }
    }
}

/// The tree of Debian 12 that hosts are made of.
pub fn base_tree() -> Result<PathBuf> {
    let answer = script(["base"], VERB_MAX)?.expect(0, &[])?;
    Ok(answer.out.trim_end().into())
}

/// The top of the checkout.
pub fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Runs `scripts/lab.sh`. One that does not end within `within` is killed, and the error shows what ran then.
///
/// What it prints goes to files: a process that is left in the background does not hold them open for us.
fn script<A: AsRef<OsStr>>(arguments: impl IntoIterator<Item = A>, within: Duration) -> Result<Answer> {
    let script = top().join("scripts/lab.sh");
    let mut command = Command::new(&script);
    let (mut out, mut err) = (tempfile::tempfile()?, tempfile::tempfile()?);
    command.args(arguments).env("P2P_LAB_OWNER", std::process::id().to_string()).process_group(0);
    command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(err.try_clone()?);
    let mut child = command.spawn().with_context(|| format!("{} cannot be run", script.display()))?;
    let (begun, group) = (Instant::now(), Pid::from_child(&child));
    let mut continued = begun;
    let status = loop {
        if let Some(status) = child.try_wait()? {
            break Some(status);
        }
        if begun.elapsed() > within {
            break None;
        }
        if continued.elapsed() > CONTINUED {
            continued = Instant::now();
            rustix::process::kill_process_group(group, Signal::CONT)?;
        }
        thread::park_timeout(ENDED);
    };
    let picture = if status.is_none() { processes()? } else { String::new() };
    if status.is_none() {
        rustix::process::kill_process_group(group, Signal::KILL)?;
        child.wait()?;
    }
    let answer = Answer {
        code: status.and_then(|status| status.code()).unwrap_or(-1),
        out: text(&mut out)?,
        err: text(&mut err)?,
    };
    ensure!(status.is_some(), "{command:?} did not end within {within:?}: {answer}\n-- processes\n{picture}");
    Ok(answer)
}

/// What was written to a file from its beginning.
fn text(file: &mut File) -> Result<String> {
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// All processes of this machine and of the hosts on it, as a tree, with what they wait for.
fn processes() -> Result<String> {
    let columns = "pid,etimes,stat,wchan:20,args";
    let output = Command::new("ps").args(["--ppid", "2", "-N", "-ww", "--forest", "-o", columns]).output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(|line| line.chars().take(200).chain(['\n']).collect::<String>()).collect())
}

/// Waits until `look` finds something; how long it took stands beside it. An error of `look` is a no.
pub fn eventually<T>(
    what: &str,
    within: Duration,
    mut look: impl FnMut() -> Result<T>,
) -> Result<(T, Duration)> {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return Ok((found, begun.elapsed())),
            Err(error) if begun.elapsed() > within => {
                return Err(error.context(format!("not within {within:?}: {what}")));
            }
            Err(_) => thread::park_timeout(POLL),
        }
    }
}
