//! `p2p-node manuals DIR`: the manual pages, made from the definitions of the commands. Packages are its caller.
//!
//! Commands enter, one page for each leaves. What no definition knows (exit codes, files, variables, examples) is
//! written in `manuals.roff`, and stands in the page of the program.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::Command;
use clap_mangen::Man;

/// Section of administrators' programs and daemons.
const SECTION: &str = "8";
const PROGRAM_SECTIONS: &str = include_str!("manuals.roff");
const SEE_ALSO: &str = ".SH \"SEE ALSO\"\n.BR p2p\\-node (8)\n";

/// Writes the pages of the program and of everything below it.
pub(super) fn write(directory: &Path, program: Command) -> io::Result<()> {
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
    let man = Man::new(command.clone()).section(SECTION);
    let mut page = title(man.get_filename().trim_end_matches(".8"), program).into_bytes();
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if command.get_subcommands().any(|below| !below.is_hide_set()) {
        man.render_subcommands_section(&mut page)?;
    }
    if command.get_name() != program {
        page.extend(notes(command).into_bytes());
    }
    page.extend(sections.as_bytes());
    fs::File::create(directory.join(man.get_filename()))?.write_all(&page)
}

/// No date: the same sources give the same page. (Of an empty date clap_mangen makes none at all.)
fn title(page: &str, program: &str) -> String {
    format!(".TH \"{page}\" {SECTION} \"\" \"{program} {}\" \"P2P Admin\"\n", env!("CARGO_PKG_VERSION"))
}

/// What follows the help of a command, as it is laid out there; a first line that ends in a colon is its title.
fn notes(command: &Command) -> String {
    let Some(text) = command.get_after_help().map(ToString::to_string) else { return String::new() };
    let (title, body) = match text.split_once('\n') {
        Some((title, body)) if title.ends_with(':') => (title.trim_end_matches(':').to_uppercase(), body),
        _ => ("NOTES".to_owned(), text.as_str()),
    };
    let body = body.replace('\\', "\\e").replace('-', "\\-");
    // The zero-width character keeps a line from being read as a request.
    let lines: String = body.lines().map(|line| format!("\\&{line}\n")).collect();
    format!(".SH \"{title}\"\n.nf\n{lines}.fi\n")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::super::Cli;
    use super::*;
    use crate::config;

    #[test]
    fn every_command_has_a_page_and_the_program_names_every_variable() {
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), Cli::command()).unwrap();
        let page = |name: &str| fs::read_to_string(directory.path().join(name)).unwrap();
        let program = page("p2p-node.8");
        for section in ["EXIT STATUS", "FILES", "ENVIRONMENT", "EXAMPLES", "SEE ALSO"] {
            assert!(program.contains(&format!(".SH \"{section}\"")), "{section}");
        }
        let template = config::template();
        for line in template.lines().filter(|line| line.contains("environment variable")) {
            let variable = line.split('`').nth(1).unwrap();
            assert!(program.contains(&format!(".B {variable}\n")), "manuals.roff does not name {variable}");
        }
        assert!(page("p2p-node-ca-issue-node.8").contains("\\-\\-address"));
        assert!(page("p2p-node-ca.8").contains(".SH \"EXAMPLES\"\n.nf\n"));
        assert!(!directory.path().join("p2p-node-manuals.8").exists());
        assert!(!program.contains("manuals"));
    }
}
