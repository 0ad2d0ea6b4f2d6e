use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::*;

#[derive(Debug, confique::Config, PartialEq)]
struct Settings {
    /// A name.
    #[config(env = "T_NAME")]
    name: Option<String>,
    /// A list.
    #[config(env = "T_PEERS", default = [])]
    peers: Vec<String>,
    /// A map.
    #[config(env = "T_LABELS", default = {})]
    labels: BTreeMap<String, String>,
    /// A table.
    #[config(nested)]
    http: Http,
}

#[derive(Debug, confique::Config, PartialEq)]
struct Http {
    /// A port.
    #[config(env = "T_PORT", default = 8000, validate(*port > 9, "must be above 9"))]
    port: u16,
    /// A switch.
    #[config(env = "T_TLS", default = false)]
    tls: bool,
}

#[derive(Default)]
struct Case {
    flag: Option<&'static str>,
    env: Vec<(&'static str, &'static [u8])>,
    dotenv: Option<&'static str>,
    file: Option<&'static str>,
}

impl Case {
    fn load(&self) -> Result<Loaded<Settings>, Vec<String>> {
        let document = |path: &str, text: &str| Document::from_bytes(Path::new(path), text.into()).unwrap();
        let env: BTreeMap<_, _> = self.env.iter().copied().collect();
        let flag = |text: &str| Flag { key: "http.port", name: "--port", text: text.to_owned() };
        let dotenv = self.dotenv.map(|text| document(".env", text));
        let file = self.file.map(|text| document("node.toml", text));
        let sources = Sources {
            flags: &self.flag.map(flag).into_iter().collect::<Vec<_>>(),
            env: &|name| env.get(name).map(|value| OsString::from_vec(value.to_vec())),
            dotenv: dotenv.as_ref(),
            file: file.as_ref(),
        };
        load(&sources).map_err(|problems| problems.iter().map(ToString::to_string).collect())
    }

    fn problem(&self) -> String {
        self.load().unwrap_err().join("|")
    }
}

#[test]
fn the_higher_source_wins_and_is_named() {
    let file = Some("# first\n[http]\n  port = 1001\n");
    let dotenv = Some("OTHER=1\nexport T_PORT=1002\n");
    let env: Vec<(&str, &[u8])> = vec![("T_PORT", b"1003")];
    let table = [
        (Case::default(), 8000, "default"),
        (Case { file, ..Case::default() }, 1001, "node.toml:3:3"),
        (Case { file, dotenv, ..Case::default() }, 1002, ".env:2 T_PORT"),
        (Case { file, dotenv, env: env.clone(), ..Case::default() }, 1003, "environment T_PORT"),
        (Case { file, dotenv, env, flag: Some("1004") }, 1004, "flag --port"),
    ];
    for (case, port, origin) in table {
        let loaded = case.load().unwrap();
        assert_eq!(
            (loaded.settings.http.port, loaded.origin("http.port").to_string().as_str()),
            (port, origin)
        );
    }
}

#[test]
fn lists_maps_and_switches_are_read_from_text() {
    let env: Vec<(&str, &[u8])> =
        vec![("T_PEERS", b" a:1, b:2 ,"), ("T_LABELS", b"role=web, site = x"), ("T_TLS", b"Yes")];
    let settings = Case { env, ..Case::default() }.load().unwrap().settings;
    assert_eq!(settings.peers, ["a:1", "b:2"]);
    assert_eq!(settings.labels, [("role", "web"), ("site", "x")].map(|(k, v)| (k.into(), v.into())).into());
    assert!(settings.http.tls);
}

#[test]
fn an_empty_variable_is_unset() {
    let env: Vec<(&str, &[u8])> = vec![("T_PORT", b""), ("T_NAME", b"  ")];
    let case = Case { env, dotenv: Some("T_NAME=\n"), file: Some("name = 'f'"), ..Case::default() };
    assert_eq!(case.load().unwrap().settings.name.as_deref(), Some("f"));
}

#[test]
fn problems_name_line_column_and_key() {
    let table = [
        ("[http]\nprot = 1", "node.toml:2:1: http.prot: unknown key; did you mean http.port?"),
        ("a = 1\nport = 1", "node.toml:1:1: a: unknown key; `config template`"),
        ("\nport = 1", "node.toml:2:1: port: unknown key; did you mean http.port?"),
        ("[http]\nport = 'abc'", "node.toml:2:1: http.port: invalid type: string \"abc\", expected u16"),
        ("[http]\nport = 65536", "node.toml:2:1: http.port: "),
        ("http.port = 9", "node.toml:1:6: http.port: must be above 9"),
        ("http = 3", "node.toml:1:1: http: is a section: write [http]"),
        ("name = 'a'\nname = 'b'", "node.toml:2:1: duplicate key"),
        ("name = \n", "node.toml:1:"),
        ("[[http]]\nport = 1", "node.toml:1:3: http: is a section"),
    ];
    for (file, expected) in table {
        let problem = Case { file: Some(file), ..Case::default() }.problem();
        assert!(problem.starts_with(expected) && !problem.contains('\n'), "{file}: {problem}");
    }
}

#[test]
fn every_problem_is_told_at_once() {
    let env: Vec<(&str, &[u8])> = vec![("T_PORT", b"0x50"), ("T_LABELS", b"web"), ("T_NAME", b"\xff")];
    let case = Case { env, dotenv: Some("T_TLS=maybe\n"), file: Some("x = 1"), ..Case::default() };
    let problems = case.load().unwrap_err();
    let expected = [
        "environment T_NAME: name: is not UTF-8",
        "node.toml:1:1: x: unknown key",
        "environment T_LABELS: labels: \"web\" is not KEY=VALUE",
        "environment T_PORT: http.port: \"0x50\" is not a whole number",
        ".env:1 T_TLS: http.tls: \"maybe\" is neither true nor false",
    ];
    assert_eq!(problems.len(), expected.len(), "{problems:?}");
    for (problem, expected) in problems.iter().zip(expected) {
        assert!(problem.starts_with(expected), "{problem}");
    }
}

#[test]
fn a_broken_line_of_another_program_in_dotenv_is_not_ours() {
    let broken = Case { dotenv: Some("T_NAME=a b\nT_PORT=77"), ..Case::default() }.problem();
    assert!(broken.starts_with(".env:1 T_NAME: name: the line cannot be read"), "{broken}");
    let foreign = Case { dotenv: Some("OTHER=a b\nT_PORT=77"), ..Case::default() };
    assert_eq!(foreign.load().unwrap().settings.http.port, 77);
}

#[test]
fn the_last_line_of_dotenv_wins() {
    let case = Case { dotenv: Some("T_PORT=70\r\nT_PORT=71\r\n"), ..Case::default() };
    let loaded = case.load().unwrap();
    assert_eq!(loaded.settings.http.port, 71);
    assert_eq!(loaded.origin("http.port").to_string(), ".env:2 T_PORT");
}

#[test]
fn sources_that_disagree_are_told_of() {
    let env: Vec<(&str, &[u8])> = vec![("T_NAME", b"a")];
    let differing = Case { env: env.clone(), file: Some("name = 'b'"), ..Case::default() }.load().unwrap();
    assert_eq!(differing.conflict("name").map(ToString::to_string).as_deref(), Some("node.toml:1:1"));
    let same = Case { env, file: Some("name = 'a'"), ..Case::default() }.load().unwrap();
    assert_eq!(same.conflict("name"), None);
}

#[test]
fn a_file_of_other_bytes_is_refused_with_its_line() {
    let table: [(&[u8], &str); 3] = [
        (b"\xef\xbb\xbfa = 1", "f:1: begins with a byte order mark"),
        (b"a = 1\nb = \0", "f:2: holds a NUL byte"),
        (b"a = 1\n\nb = '\xff'", "f:3: is not UTF-8"),
    ];
    for (bytes, expected) in table {
        let problem = Document::from_bytes(Path::new("f"), bytes.to_vec()).unwrap_err().to_string();
        assert!(problem.starts_with(expected), "{problem}");
    }
    let crlf = Case { file: Some("[http]\r\nport = 99\r\n"), ..Case::default() };
    assert_eq!(crlf.load().unwrap().settings.http.port, 99);
}

#[test]
fn a_file_that_others_could_have_written_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("node.toml");
    assert!(Document::read(&path, 0).unwrap().is_none());
    fs::write(&path, "name = 'a'").unwrap();
    let uid = fs::metadata(&path).unwrap().uid_of();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    assert!(!Document::read(&path, uid).unwrap().unwrap().open_to_others());
    fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
    assert!(Document::read(&path, uid).unwrap().unwrap().open_to_others());
    fs::set_permissions(&path, Permissions::from_mode(0o666)).unwrap();
    assert!(Document::read(&path, uid).unwrap_err().to_string().contains("chmod o-w"));
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(dir.path(), Permissions::from_mode(0o777)).unwrap();
    assert!(Document::read(&path, uid).unwrap_err().to_string().contains("move it"));
    assert!(Document::read(dir.path(), uid).unwrap_err().to_string().contains("directory"));
    assert!(Document::read(Path::new("/dev/null"), uid).unwrap().is_some());
}

trait UidOf {
    fn uid_of(&self) -> u32;
}

impl UidOf for fs::Metadata {
    fn uid_of(&self) -> u32 {
        std::os::unix::fs::MetadataExt::uid(self)
    }
}

#[test]
fn secrets_show_as_stars() {
    let secret = Secret::new("correct horse".to_owned());
    assert_eq!(format!("{secret:?}"), MASK);
    assert_eq!(toml::Value::try_from(&secret).unwrap().as_str(), Some(MASK));
    assert_eq!(secret.expose(), "correct horse");
}

#[test]
fn mutated_files_never_panic() {
    use proptest::prelude::*;
    let base = "name = 'a'\npeers = ['b']\n[http]\nport = 99\n";
    proptest!(|(at in 0..base.len(), byte in any::<u8>(), cut in 0..base.len())| {
        let mut bytes = base.as_bytes().to_vec();
        bytes[at] = byte;
        bytes.truncate(base.len() - cut / 4);
        if let Ok(document) = Document::from_bytes(Path::new("f"), bytes) {
            let sources = Sources { flags: &[], env: &|_| None, dotenv: Some(&document), file: Some(&document) };
            let _ = load::<Settings>(&sources);
        }
    });
}
