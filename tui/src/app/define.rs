//! A program in one line: `NAME [restart=never|on-failure|always] [user=U] [boot=yes] [replace=yes] COMMAND ARG...`.
//!
//! Words are separated by blanks; what stands in quotes is one word. No shell ever sees the line.

use std::iter::Peekable;
use std::vec;

use p2p_shared::services::program::{ProgramDefinition, ProgramName, RestartMode};

use crate::command::Defined;
use crate::form::words;

/// How it is written, for who got it wrong.
const USAGE: &str = "write NAME [restart=always] [user=U] COMMAND ARG...";

/// The definition that a line says; what is wrong with it, if something is.
pub fn definition(text: &str) -> Result<Defined, String> {
    let words = words::split(text)?;
    let mut words = words.into_iter().peekable();
    let mut options = Vec::new();
    take_options(&mut words, &mut options);
    let name = words.next().ok_or(USAGE)?;
    let name: ProgramName = name.parse().map_err(|error| format!("{name}: {error}"))?;
    take_options(&mut words, &mut options);
    let command = words.next().ok_or_else(|| format!("the command of {name} is missing: {USAGE}"))?;
    let mut definition =
        ProgramDefinition { arguments: words.collect(), ..ProgramDefinition::new(name, command) };
    let mut replace = false;
    for (key, value) in options {
        match (key.as_str(), value.as_str()) {
            ("restart", "never") => definition.restart.mode = RestartMode::Never,
            ("restart", "on-failure") => definition.restart.mode = RestartMode::OnFailure,
            ("restart", "always") => definition.restart.mode = RestartMode::Always,
            ("restart", _) => return Err("restart= is never, on-failure or always".to_owned()),
            ("user", user) if !user.is_empty() => definition.user = Some(user.to_owned()),
            ("replace", "yes") => replace = true,
            ("boot", "yes") => definition.at_boot = true,
            ("boot", "no") => definition.at_boot = false,
            _ => return Err(format!("{key}= is none of restart=, user=, boot=, replace=")),
        }
    }
    Ok(Defined { definition, replace })
}

/// Takes the words with `=` that come next: no name holds one, and hardly a command.
fn take_options(words: &mut Peekable<vec::IntoIter<String>>, options: &mut Vec<(String, String)>) {
    while let Some((key, value)) = words.peek().and_then(|word| word.split_once('=')) {
        options.push((key.to_owned(), value.to_owned()));
        words.next();
    }
}

/// The definition in words, to be agreed to.
pub fn words(Defined { definition, replace }: &Defined) -> String {
    let arguments = definition.arguments.iter().map(String::as_str);
    let command = words::join(std::iter::once(definition.command.as_str()).chain(arguments));
    let restart = match definition.restart.mode {
        RestartMode::Never => "never restarted",
        RestartMode::Always => "always restarted",
        RestartMode::OnFailure | RestartMode::Unknown => "restarted on failure",
    };
    let user = definition.user.as_ref().map(|user| format!(", as {user}")).unwrap_or_default();
    let boot = if definition.at_boot { ", started at boot" } else { "" };
    let place = if *replace { ", in the place of what there is" } else { "" };
    format!("{} = {} ({restart}{user}{boot}{place})", definition.name, command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_program_and_its_arguments() {
        let defined = definition("restart=always user=www  web /usr/bin/env A=1 'two words' \"\"").unwrap();
        let read = &defined.definition;
        assert_eq!((read.name.as_str(), read.command.as_str()), ("web", "/usr/bin/env"));
        assert_eq!(read.arguments, ["A=1", "two words", ""]);
        assert_eq!((read.restart.mode, read.user.as_deref()), (RestartMode::Always, Some("www")));
        let text = "web = /usr/bin/env A=1 \"two words\" \"\" (always restarted, as www)";
        assert_eq!(words(&defined), text);
        let same = definition("web restart=always user=www /usr/bin/env A=1 'two words' ''");
        assert_eq!(same, Ok(defined));
        assert!(definition("web replace=yes x").is_ok_and(|defined| defined.replace));
    }

    #[test]
    fn what_is_wrong_is_said() {
        for wrong in
            ["", "web", "restart=no web x", "usr=a web x", "user= web x", "../web x", "web 'x", "a=b"]
        {
            assert!(definition(wrong).is_err(), "{wrong}");
        }
    }
}
