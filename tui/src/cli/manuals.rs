//! `p2p-tui manuals DIR`: the manual pages, made from the definitions of the commands. Packages are its caller.
//!
//! Commands enter, one page for each leaves. What no definition knows (exit codes, files, variables, examples) is
//! written in `manuals.roff`, and stands in the page of the program.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

const PROGRAM_SECTIONS: &str = include_str!("manuals.roff");
const SEE_ALSO: &str = ".SH \"SEE ALSO\"\n.BR p2p\\-tui (1)\n";

/// Writes the pages of the program and of everything below it.
pub fn write(directory: &Path, program: Command) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let mut program = program.disable_help_subcommand(true);
    program.build();
    let name = program.get_name().to_owned();
    write_all(directory, &program, &name)
}

fn write_all(directory: &Path, command: &Command, program: &str) -> io::Result<()> {
    for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
        write_all(directory, below, program)?;
    }
    let sections = if command.get_name() == program { PROGRAM_SECTIONS } else { SEE_ALSO };
    let man = Man::new(command.clone());
    let mut page = title(man.get_filename().trim_end_matches(".1"), program).into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    page.extend(sections.as_bytes());
    fs::File::create(directory.join(man.get_filename()))?.write_all(&page)
}

/// No date: the same sources give the same page. (Of an empty date clap_mangen makes none at all.)
fn title(page: &str, program: &str) -> String {
    format!(".TH \"{page}\" 1 \"\" \"{program} {}\" \"P2P Admin\"\n", env!("CARGO_PKG_VERSION"))
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Options;
    use super::*;

    /// Every command that is shown, with those above it.
    fn commands() -> Vec<String> {
        fn walk(command: &Command, above: &str, all: &mut Vec<String>) {
            for below in command.get_subcommands().filter(|below| !below.is_hide_set()) {
                let name = format!("{above} {}", below.get_name()).trim().to_owned();
                walk(below, &name, all);
                all.push(name);
            }
        }
        let mut all = Vec::new();
        walk(&Options::command(), "", &mut all);
        all
    }

    #[test]
    fn every_shell_completes_every_command() {
        let known = commands();
        assert!(known.len() > 40 && known.iter().any(|name| name == "programs define"), "{known:?}");
        for shell in [clap_complete::Shell::Bash, clap_complete::Shell::Zsh, clap_complete::Shell::Fish] {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Options::command(), "p2p", &mut script);
            let script = String::from_utf8(script).unwrap();
            for name in &known {
                let last = name.rsplit(' ').next().unwrap();
                assert!(script.contains(last), "{shell} knows nothing of {name}");
            }
        }
    }

    #[test]
    fn every_command_has_a_page() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), Options::command()).unwrap();
        let page = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        let program = page("p2p-tui.1");
        for section in ["EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES", "SEE ALSO"] {
            assert!(program.contains(&format!(".SH \"{section}\"")), "{section}");
        }
        assert!(page("p2p-tui-ps.1").contains("\\-\\-on"));
        for name in commands() {
            let page = page(&format!("p2p-tui-{}.1", name.replace(' ', "-")));
            assert!(page.contains(".SH NAME") && page.contains(".SH SYNOPSIS"), "{name}");
        }
        assert!(!program.contains("manuals") && !directory.path().join("p2p-tui-manuals.1").exists());
    }
}
