use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use p2p_shared::config::Document;
use p2p_shared::error::Code;
use p2p_shared::id::NodeId;
use proptest::prelude::*;

use super::*;

fn parsed(text: &str) -> Result<Policy, String> {
    let document = Document::from_bytes(Path::new("/etc/p2p-admin/policy.toml"), text.into()).unwrap();
    let told = |problems: Vec<p2p_shared::config::Problem>| {
        problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("|")
    };
    Policy::parse(&document).map_err(told)
}

fn admin() -> Caller {
    Caller::Operator { id: NodeId::new([1; 32]), name: "ann".parse().unwrap(), role: Role::Admin }
}

fn denied(policy: &Policy, method: &str) -> Option<String> {
    let error = policy.judge(services::method(method).unwrap(), &admin()).err()?;
    assert_eq!(error.code, Code::Forbidden);
    assert!(error.message.starts_with("denied: local policy: "), "{error}");
    Some(error.message)
}

#[test]
fn without_a_file_nothing_is_stopped() {
    let empty = tempfile::tempdir().unwrap();
    let policy = Policy::read(empty.path()).unwrap();
    assert!(services::methods().all(|method| policy.judge(method, &admin()).is_ok()));
    assert!(policy.command(&["rm".into()]).is_ok() && policy.run_as("root").is_ok());
}

#[test]
fn a_ceiling_makes_an_administrator_an_operator() {
    let policy = parsed("role_max = \"operator\"").unwrap();
    assert_eq!(denied(&policy, "process.signal"), None);
    assert_eq!(
        denied(&policy, "node.set_labels").unwrap(),
        "denied: local policy: node.set_labels needs role admin, and operator ann (admin) has operator here at \
         most (/etc/p2p-admin/policy.toml)"
    );
}

#[test]
fn deny_wins_over_allow_and_what_allow_lacks_is_stopped() {
    let policy = parsed("allow = [\"node.*\", \"process.list\"]\ndeny = [\"node.forget\"]").unwrap();
    for (method, is_stopped) in [
        ("node.info", false),
        ("node.forget", true),
        ("process.list", false),
        ("process.signal", true),
        ("monitor.watch", true),
    ] {
        assert_eq!(denied(&policy, method).is_some(), is_stopped, "{method}");
    }
    let nothing = parsed("allow = []").unwrap();
    assert!(services::methods().all(|method| nothing.judge(method, &admin()).is_err()));
}

#[test]
fn what_is_wrong_is_told_with_file_line_and_key() {
    for (text, words) in [
        ("\ndenny = []", "policy.toml:2:1: denny: unknown key; did you mean deny?"),
        ("deny = [\"node.forgt\"]", "policy.toml:1:1: deny: \"node.forgt\" names no method of this version"),
        ("deny = [\"no*.x\"]", "write \"service.method\", \"service.*\" or \"*\""),
        ("role_max = \"root\"", "policy.toml:1:1: role_max: "),
        ("commands = [\"uptime\"]", "commands: \"uptime\" is no absolute path"),
        ("commands = [\"/usr/../bin/sh\"]", "is no absolute path"),
        ("file_roots = [\"srv\"]", "policy.toml:1:1: file_roots: \"srv\" is no absolute path"),
        ("scan_targets = [\"10.0.0.0/33\"]", "scan_targets: \"10.0.0.0/33\" is no network"),
        ("deny = 7", "policy.toml:1:1: deny: "),
        ("deny = [", "policy.toml:1:"),
    ] {
        let told = parsed(text).unwrap_err();
        assert!(told.starts_with("/etc/p2p-admin/policy.toml:") && told.contains(words), "{text}: {told}");
    }
}

#[test]
fn commands_and_users_are_those_of_the_lists() {
    let text = "commands = [\"/usr/bin/systemd-*\", \"/bin/*a*b\"]\nrun_as = [\"www-data\"]";
    let policy = parsed(text).unwrap();
    let may = |program: &str| policy.command(&[program.to_owned(), "-x".to_owned()]).is_ok();
    for program in ["/usr/bin/systemd-analyze", "/usr/bin/systemd-", "/bin/ab", "/bin/xaxxb", "/bin/aab"] {
        assert!(may(program), "{program}");
    }
    for program in [
        "systemd-analyze",
        "/usr/bin/systemd",
        "/usr/bin/systemd-x/../sh",
        "/usr/bin/systemd-x/y",
        "",
        "/bin/ba",
    ] {
        assert!(!may(program), "{program}");
    }
    assert!(policy.command(&[]).is_err());
    assert!(policy.run_as("www-data").is_ok());
    let error = policy.run_as("root").unwrap_err();
    assert!(error.message.starts_with("denied: local policy: nothing may be run as \"root\""), "{error}");
}

#[test]
fn only_its_owner_may_have_written_it() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join(FILE);
    fs::write(&path, "deny = [\"node.forget\"]\n").unwrap();
    let own = rustix::process::geteuid().as_raw();
    let read = |owner| Policy::read_of(directory.path(), owner).map_err(|problems| problems[0].to_string());
    for (mode, is_good) in [(0o600, true), (0o644, true), (0o664, false), (0o646, false)] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let read = read(own);
        assert_eq!(read.is_ok(), is_good, "{mode:o}: {read:?}");
    }
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(read(own + 1).unwrap_err().contains("belongs to "), "another's file");
}

#[test]
fn a_fuse_takes_another_policy_for_all_its_clones() {
    let fuse = Fuse::default();
    let clone = fuse.clone();
    let method = services::method("node.forget").unwrap();
    assert!(clone.judge(method, &admin()).is_ok());
    let policy = parsed("deny = [\"node.*\"]").unwrap();
    assert!(fuse.replace(policy.clone()) && !fuse.replace(policy));
    assert!(clone.judge(method, &admin()).is_err());
}

#[test]
fn scans_reach_this_machine_or_what_the_list_names() {
    let own = ["192.0.2.7".parse().unwrap()];
    let may = |policy: &Policy, address: &str| policy.scan(address.parse().unwrap(), &own);
    let silent = parsed("").unwrap();
    for address in ["127.0.0.1", "127.9.9.9", "::1", "192.0.2.7", "::ffff:192.0.2.7"] {
        assert!(may(&silent, address).is_ok(), "{address}");
    }
    let refused = may(&silent, "192.0.2.8").unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
    assert!(refused.message.starts_with("denied: local policy: without scan_targets"), "{refused:?}");
    assert!(may(&Policy::default(), "169.254.169.254").is_err());
    let listed = parsed("scan_targets = [\"10.0.0.0/8\", \"2001:db8::/32\"]").unwrap();
    assert!(may(&listed, "10.9.9.9").is_ok() && may(&listed, "2001:db8::1").is_ok());
    for address in ["127.0.0.1", "192.0.2.7", "11.0.0.1", "::1"] {
        assert!(may(&listed, address).is_err(), "{address}");
    }
    assert!(may(&parsed("scan_targets = []").unwrap(), "127.0.0.1").is_err());
    let all = parsed("scan_targets = [\"0.0.0.0/0\", \"::/0\"]").unwrap();
    assert!(may(&all, "8.8.8.8").is_ok() && may(&all, "2001:db8::1").is_ok());
    let nobodys = [
        "0.0.0.0",
        "0.1.2.3",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "ff02::1",
        "::ffff:224.0.0.1",
    ];
    for address in nobodys {
        assert!(may(&all, address).unwrap_err().message.contains("not the address of one host"), "{address}");
    }
    for address in ["169.254.169.254", "::ffff:169.254.169.254", "fe80::1"] {
        assert!(may(&all, address).is_err(), "{address}");
    }
    let named = parsed("scan_targets = [\"169.254.0.0/16\", \"fe80::/10\"]").unwrap();
    assert!(may(&named, "169.254.169.254").is_ok() && may(&named, "fe80::1").is_ok());
}

#[test]
fn the_template_stops_nothing() {
    assert!(!parsed(&template()).unwrap().stopped.iter().any(|_| true));
    for key in ["role_max", "allow", "deny", "commands", "run_as", "file_roots", "scan_targets"] {
        assert!(template().contains(&format!("\n#{key} =")), "{key}");
    }
}

proptest! {
    #[test]
    fn a_pattern_without_stars_fits_itself_alone(path in "(/[a-z.]{1,4}){1,3}", other in "(/[a-z.]{1,4}){1,3}") {
        if let Ok(pattern) = CommandPattern::try_from(path.clone()) {
            prop_assert!(pattern.fits(&path));
            prop_assert_eq!(pattern.fits(&other), path == other);
        }
    }

    #[test]
    fn a_star_never_leaves_its_directory(text in "/usr/bin/[a-z/.]{0,12}") {
        let pattern = CommandPattern::try_from("/usr/bin/*".to_owned()).unwrap();
        let name = &text["/usr/bin/".len()..];
        prop_assert_eq!(pattern.fits(&text), !name.is_empty() && !name.contains('/') && name != "." && name != "..");
    }
}

#[test]
fn shells_are_bounded_as_the_file_says() {
    let limits =
        parsed("shell_record = true\nshell_idle_minutes = 10\nshell_total_minutes = 600").unwrap().shells();
    assert_eq!(limits, ShellLimits { record: true, idle_minutes: Some(10), total_minutes: Some(600) });
    assert_eq!(parsed("").unwrap().shells(), ShellLimits::default());
    let told = parsed("shell_idle_minutes = 0\nshell_total_minutes = 0").unwrap_err();
    assert!(
        told.contains("shell_idle_minutes: is at least 1") && told.contains("shell_total_minutes"),
        "{told}"
    );
}
