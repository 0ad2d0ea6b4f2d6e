//! What usually listens on a port: `/etc/services`, or a short list where there is none.

use std::collections::HashMap;

use rustix::fs::CWD;

use crate::host::Roots;
use crate::host::source::read_at;

/// The file of Debian has 13 KB.
const FILE_BYTES_MAX: usize = 1 << 20;
const NAME_BYTES_MAX: usize = 32;
const USUAL: [(u16, &str); 34] = [
    (21, "ftp"),
    (22, "ssh"),
    (23, "telnet"),
    (25, "smtp"),
    (53, "domain"),
    (80, "http"),
    (110, "pop3"),
    (111, "sunrpc"),
    (143, "imap2"),
    (389, "ldap"),
    (443, "https"),
    (445, "microsoft-ds"),
    (465, "submissions"),
    (514, "shell"),
    (587, "submission"),
    (631, "ipp"),
    (636, "ldaps"),
    (873, "rsync"),
    (993, "imaps"),
    (995, "pop3s"),
    (1433, "ms-sql-s"),
    (1883, "mqtt"),
    (2049, "nfs"),
    (2379, "etcd"),
    (3306, "mysql"),
    (3389, "ms-wbt-server"),
    (5432, "postgresql"),
    (5671, "amqps"),
    (5672, "amqp"),
    (6379, "redis"),
    (6443, "kubernetes"),
    (9090, "prometheus"),
    (9200, "elasticsearch"),
    (27017, "mongodb"),
];

/// Names by port.
#[derive(Debug, Default)]
pub(super) struct Services(HashMap<u16, String>);

impl Services {
    pub(super) fn read(roots: &Roots) -> Self {
        let mut names: HashMap<u16, String> =
            USUAL.iter().map(|(port, name)| (*port, (*name).to_owned())).collect();
        let mut buffer = Vec::new();
        if read_at(CWD, roots.etc.join("services"), &mut buffer, FILE_BYTES_MAX).is_ok() {
            names.extend(String::from_utf8_lossy(&buffer).lines().filter_map(entry));
        }
        Self(names)
    }

    pub(super) fn name(&self, port: u16) -> Option<String> {
        self.0.get(&port).cloned()
    }
}

/// `ssh 22/tcp aliases # comment`.
fn entry(line: &str) -> Option<(u16, String)> {
    let mut words = line.split('#').next()?.split_whitespace();
    let (name, port) = (words.next()?, words.next()?);
    let port = port.strip_suffix("/tcp")?.parse().ok()?;
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.+".contains(&byte);
    (name.len() <= NAME_BYTES_MAX && name.bytes().all(is_plain)).then(|| (port, name.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_tcp_give_names() {
        assert_eq!(entry("ssh\t\t22/tcp\t\t# SSH"), Some((22, "ssh".into())));
        for line in ["", "# x 1/tcp", "tftp 69/udp", "a b/tcp", "x 70000/tcp", "\x1b[2J 1/tcp"] {
            assert_eq!(entry(line), None, "{line:?}");
        }
        assert_eq!(Services::read(&Roots::default()).name(22).as_deref(), Some("ssh"));
    }
}
