//! An `sshd` of a bench's own on loopback, with keys and a port of its own, and the options to reach it by.

use std::fs;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tempfile::TempDir;

const START_MAX: Duration = Duration::from_secs(10);

/// It, ended when it is dropped.
pub struct Sshd {
    child: Child,
    directory: TempDir,
    port: u16,
}

impl Sshd {
    pub fn start() -> anyhow::Result<Self> {
        let directory = TempDir::new()?;
        let path = directory.path().to_str().context("a path that is no text")?.to_owned();
        for key in ["host", "user"] {
            let mut keygen = Command::new("ssh-keygen");
            let made =
                keygen.args(["-q", "-t", "ed25519", "-N", "", "-f", &format!("{path}/{key}")]).status()?;
            ensure!(made.success(), "ssh-keygen failed");
        }
        fs::copy(directory.path().join("user.pub"), directory.path().join("authorized"))?;
        // Free a moment ago; sshd says so if it no longer is.
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {path}/host\nPidFile {path}/pid\nUsePAM no\n\
             AuthorizedKeysFile {path}/authorized\nStrictModes no\nPasswordAuthentication no\n\
             MaxStartups 200\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n"
        );
        fs::write(directory.path().join("config"), config)?;
        // Where it leaves what runs unprivileged.
        fs::create_dir_all("/run/sshd")?;
        let mut command = Command::new("/usr/sbin/sshd");
        command
            .args(["-D", "-e", "-f", &format!("{path}/config")])
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        let sshd = Self { child: command.spawn()?, directory, port };
        let began = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            ensure!(began.elapsed() < START_MAX, "sshd does not answer");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(sshd)
    }

    /// Its own directory, gone with it.
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// The private key that it lets in.
    pub fn key(&self) -> PathBuf {
        self.directory.path().join("user")
    }

    pub const fn port(&self) -> u16 {
        self.port
    }

    /// What `scp` and `ssh` take to get there without asking; the port has another letter in each.
    pub fn options(&self, port_flag: &str) -> Vec<String> {
        let key = self.key().display().to_string();
        let options = ["StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "BatchMode=yes"];
        let mut all = vec![port_flag.to_owned(), self.port.to_string(), "-i".into(), key];
        all.extend(options.iter().flat_map(|option| ["-o".to_owned(), (*option).to_owned()]));
        all
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
