//! What a process belongs to, and so what started it in the end.
//!
//! Its cgroup and its ancestors enter, an [`Origin`] leaves; nothing is read here. systemd puts every service,
//! session and container into a cgroup of its own, whose name survives when the parents are long gone
//! (`systemd.unit(5)`, `systemd.slice(5)`); where there is no such name the ancestors tell.

use p2p_shared::services::process::{Ancestor, Origin, OriginKind};

/// Programs that run what somebody typed.
const SHELLS: [&str; 8] = ["bash", "sh", "zsh", "fish", "dash", "ksh", "ash", "busybox"];
/// The process that is the parent of every kernel thread.
const KTHREADD: u32 = 2;

/// What started a process with this cgroup and these ancestors, the parent first.
pub(super) fn origin(pid: u32, cgroup: Option<&str>, ancestors: &[Ancestor]) -> Origin {
    let kernel = pid == KTHREADD || ancestors.iter().any(|ancestor| ancestor.key.pid == KTHREADD);
    if kernel {
        return Origin { kind: OriginKind::Kernel, name: String::new() };
    }
    let parts = || cgroup.unwrap_or_default().split('/').filter(|part| !part.is_empty());
    if let Some(name) = parts().find_map(container) {
        return Origin { kind: OriginKind::Container, name };
    }
    if let Some(session) = parts().rfind(|part| part.starts_with("session-") && part.ends_with(".scope")) {
        let over_ssh = ancestors.iter().any(|ancestor| ancestor.name.starts_with("sshd"));
        let kind = if over_ssh { OriginKind::Ssh } else { OriginKind::Session };
        return Origin { kind, name: session.to_owned() };
    }
    // The innermost one: of a user's own services that is not user@1000.service.
    if let Some(unit) = parts().rfind(|part| is_unit(part)) {
        return Origin { kind: OriginKind::Unit, name: unit.to_owned() };
    }
    if let Some(shell) = ancestors.iter().find(|ancestor| SHELLS.contains(&ancestor.name.as_str())) {
        return Origin { kind: OriginKind::Shell, name: format!("{} {}", shell.name, shell.key.pid) };
    }
    Origin { kind: OriginKind::Unknown, name: String::new() }
}

fn is_unit(part: &str) -> bool {
    [".service", ".scope", ".socket", ".mount"].iter().any(|kind| part.ends_with(kind))
        && part != "init.scope"
}

/// The name or id that the engine of a container has put into its cgroup.
fn container(part: &str) -> Option<String> {
    let scope = part.strip_suffix(".scope").unwrap_or(part);
    let engine = ["docker-", "libpod-", "crio-", "cri-containerd-", "lxc.payload.", "machine-"];
    let named = engine.iter().find_map(|prefix| scope.strip_prefix(prefix)).filter(|name| !name.is_empty());
    // Docker without systemd: /docker/ID.
    let is_id = scope.len() == 64 && scope.bytes().all(|byte| byte.is_ascii_hexdigit());
    named.or_else(|| is_id.then_some(scope)).map(|name| match name.len() {
        64 => name[..12].to_owned(),
        _ => name.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use p2p_shared::services::process::ProcessKey;

    use super::*;

    fn told(cgroup: &str, ancestors: &[&str]) -> (OriginKind, String) {
        let ancestor = |(index, name): (usize, &&str)| Ancestor {
            key: ProcessKey { pid: 100 - u32::try_from(index).unwrap(), start_ticks: 1 },
            name: (*name).to_owned(),
        };
        let ancestors: Vec<Ancestor> = ancestors.iter().enumerate().map(ancestor).collect();
        let Origin { kind, name } = origin(1_000, Some(cgroup), &ancestors);
        (kind, name)
    }

    #[test]
    fn the_innermost_unit_is_it() {
        use OriginKind::{Container, Session, Shell, Ssh, Unit, Unknown};
        let id = "0123456789abcdef".repeat(4);
        let short = &id[..12];
        let user = "/user.slice/user-1000.slice";
        for (cgroup, ancestors, kind, name) in [
            ("/system.slice/nginx.service", &["nginx", "systemd"][..], Unit, "nginx.service"),
            ("/system.slice/system-getty.slice/getty@tty1.service", &[], Unit, "getty@tty1.service"),
            (
                "/p2p.slice/p2p-admin.slice/p2p-admin-managed.slice/p2p-exec-1.service",
                &[],
                Unit,
                "p2p-exec-1.service",
            ),
            (&format!("{user}/user@1000.service/app.slice/sync.service"), &[], Unit, "sync.service"),
            (
                &format!("{user}/session-3.scope"),
                &["bash", "sshd", "sshd", "systemd"],
                Ssh,
                "session-3.scope",
            ),
            (&format!("{user}/session-4.scope"), &["bash", "login", "systemd"], Session, "session-4.scope"),
            (&format!("/system.slice/docker-{id}.scope"), &[], Container, short),
            (&format!("/docker/{id}"), &[], Container, short),
            ("/machine.slice/libpod-web.scope", &[], Container, "web"),
            ("/lxc.payload.db/system.slice/cron.service", &[], Container, "db"),
            ("/", &["make", "bash", "tmux"], Shell, "bash 99"),
            ("/init.scope", &[], Unknown, ""),
            ("", &[], Unknown, ""),
        ] {
            assert_eq!(told(cgroup, ancestors), (kind, name.to_owned()), "{cgroup} {ancestors:?}");
        }
    }

    #[test]
    fn threads_of_the_kernel_are_its_own() {
        let kthreadd = Ancestor { key: ProcessKey { pid: 2, start_ticks: 0 }, name: "kthreadd".into() };
        assert_eq!(origin(77, Some("/"), &[kthreadd]).kind, OriginKind::Kernel);
        assert_eq!(origin(2, None, &[]).kind, OriginKind::Kernel);
    }
}
