use proptest::prelude::*;

use super::*;

fn spec() -> TransientSpec {
    TransientSpec {
        name: TransientName::new("exec", "7").unwrap(),
        description: "a command".into(),
        file: "/bin/echo".into(),
        arguments: vec!["/bin/echo".into(), "$HOME %i; rm".into()],
        working_directory: None,
        user: None,
        group: None,
        environment: Vec::new(),
        limits: Limits::default(),
        streams: [Stream::Null, Stream::Journal, Stream::Journal],
        stop_signal: 15,
        stop_timeout: Duration::from_secs(10),
        run_timeout: None,
    }
}

fn value(properties: &[Property<'_>], name: &str) -> Option<String> {
    let found = properties.iter().find(|(found, _)| *found == name);
    found.map(|(_, value)| format!("{} {value:?}", value.value_signature()))
}

#[test]
fn a_unit_is_whole_in_the_slice_and_leaves_its_end_to_be_read() {
    let properties = spec().properties();
    for (name, part) in [
        ("Slice", "p2p-admin-managed.slice"),
        ("KillMode", "control-group"),
        ("RemainAfterExit", "true"),
        ("CollectMode", "inactive"),
        ("TimeoutStopUSec", "10000000"),
        ("WorkingDirectory", "\"/\""),
        ("StandardInput", "null"),
        ("StandardOutput", "journal"),
    ] {
        let value = value(&properties, name).unwrap_or_default();
        assert!(value.contains(part), "{name}: {value}");
    }
    for absent in ["User", "Environment", "MemoryMax", "RuntimeMaxUSec", "StandardInputFileDescriptor"] {
        assert_eq!(value(&properties, absent), None, "{absent}");
    }
}

#[test]
fn arguments_are_taken_as_they_are() {
    let command = value(&spec().properties(), "ExecStart").unwrap();
    assert!(command.starts_with("a(sasb) ") && command.contains("$$HOME %i; rm"), "{command}");
    assert!(command.contains("$HOME %i; rm"), "{command}");
}

#[test]
fn limits_and_streams_are_in_the_units_of_systemd() {
    let mut spec = spec();
    spec.limits = Limits {
        memory_bytes_max: Some(1 << 20),
        cpu_ratio_max: Some(1.5),
        tasks_max: Some(9),
        files_max: Some(64),
    };
    spec.environment = vec![("A".into(), "b c".into())];
    spec.streams[1] = Stream::Descriptor(std::fs::File::open("/dev/null").unwrap().into());
    let properties = spec.properties();
    for (name, expected) in [
        ("MemoryMax", "t U64(1048576)"),
        ("CPUQuotaPerSecUSec", "t U64(1500000)"),
        ("TasksMax", "t U64(9)"),
        ("LimitNOFILE", "t U64(64)"),
    ] {
        assert_eq!(value(&properties, name).as_deref(), Some(expected), "{name}");
    }
    assert!(value(&properties, "Environment").unwrap().contains("A=b c"));
    assert!(value(&properties, "StandardOutputFileDescriptor").unwrap().starts_with("h "));
    assert_eq!(value(&properties, "StandardOutput"), None);
}

#[test]
fn what_cannot_be_run_is_refused_before_systemd_is_asked() {
    let arguments = |list: &[&str]| list.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    for bad in [
        TransientSpec { arguments: Vec::new(), ..spec() },
        TransientSpec { file: String::new(), ..spec() },
        TransientSpec { file: "bin/x".into(), ..spec() },
        TransientSpec { arguments: arguments(&["x", "a\0b"]), ..spec() },
        TransientSpec { working_directory: Some("tmp".into()), ..spec() },
        TransientSpec { environment: vec![("A=B".into(), String::new())], ..spec() },
        TransientSpec { streams: [Stream::Journal, Stream::Null, Stream::Null], ..spec() },
    ] {
        assert!(matches!(bad.judge(), Err(SystemdError::Invalid(_))), "{bad:?}");
    }
    assert!(spec().judge().is_ok());
}

#[test]
fn the_node_is_no_transient_unit() {
    assert_eq!(TransientName::parse("p2p-node.service"), None);
    assert_eq!(TransientName::parse("p2p-node-1.service"), None);
    assert!(TransientName::new("node", "1").is_err());
}

proptest! {
    #[test]
    fn a_name_is_found_again(kind in "[a-z]{1,8}", id in "[A-Za-z0-9_.-]{1,20}") {
        prop_assume!(kind != "node");
        let name = TransientName::new(&kind, &id).unwrap();
        prop_assert_eq!(TransientName::parse(name.unit().unwrap().as_str()), Some(name));
    }
}
