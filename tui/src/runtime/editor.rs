//! The user's editor: lent the terminal, run to its end, and its text taken in.
//!
//! A draft enters and [`Event::Edited`] leaves. The keyboard rests meanwhile, the mesh is listened to and nothing is
//! drawn. However the editor ends, the terminal is set anew and a text that differs is kept.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io::{self, Write};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use p2p_shared::services::file::FileContent;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::{Console, Effects, RuntimeError, rest};
use crate::edit::{Draft, Ended, scratch};
use crate::event::Event;

/// The editor of whoever names none.
const FALLBACK: &str = "vi";
/// How long it gets to save what it can when the console has to end.
const LAST: Duration = Duration::from_secs(2);

/// Program and arguments, from the first of `values` that says anything. No shell reads them.
fn words<'a>(values: impl IntoIterator<Item = &'a OsStr>) -> Vec<OsString> {
    let parts = |value: &OsStr| {
        let words = value.as_bytes().split(|byte| *byte == b' ').filter(|word| !word.is_empty());
        words.map(|word| OsString::from_vec(word.to_vec())).collect::<Vec<_>>()
    };
    let found = values.into_iter().map(parts).find(|words| !words.is_empty());
    found.unwrap_or_else(|| vec![FALLBACK.into()])
}

/// Where private files go.
fn directory() -> PathBuf {
    let own = env::var_os("XDG_RUNTIME_DIR").map(PathBuf::from).filter(|path| path.is_dir());
    own.unwrap_or_else(env::temp_dir)
}

fn failed(why: impl Into<String>) -> Ended {
    Ended::Failed { why: why.into(), kept: None }
}

/// What came of it: what the private file holds, against what it held.
fn outcome(draft: &Draft, kept: PathBuf, status: &io::Result<ExitStatus>, program: &OsStr) -> Ended {
    let program = program.display();
    let why = match status {
        Ok(status) if status.success() => None,
        Ok(status) => Some(format!("{program} ended with {status}: nothing was written")),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("there is no editor {program} here: name one in $VISUAL or $EDITOR"))
        }
        Err(error) => Some(format!("{program} cannot be run: {error}")),
    };
    match (scratch::read(&kept), why) {
        (Ok(content), why) if content == draft.content.0 => {
            scratch::discard(&kept);
            why.map_or(Ended::Unchanged, failed)
        }
        (Ok(content), None) => Ended::Changed { content: FileContent(content), kept },
        (Ok(_), Some(why)) => Ended::Failed { why, kept: Some(kept) },
        (Err(error), _) => {
            Ended::Failed { why: format!("the edited text cannot be taken: {error}"), kept: Some(kept) }
        }
    }
}

impl<E: Effects> Console<E> {
    /// Has the user edit a draft.
    pub(super) async fn edit(&mut self, draft: Draft) -> Result<(), RuntimeError> {
        let values = [env::var_os("VISUAL"), env::var_os("EDITOR")];
        let words = words(values.iter().flatten().map(OsString::as_os_str));
        let ended = match scratch::create(&directory(), &draft.path, &draft.content.0) {
            Err(error) => {
                failed(format!("no private file can be made in {}: {error}", directory().display()))
            }
            Ok(kept) => self.edit_in(&draft, kept, &words).await?,
        };
        if self.over {
            tell_kept(&ended);
        }
        self.tick()?;
        self.update(Event::Edited { draft: Box::new(draft), ended })
    }

    async fn edit_in(
        &mut self,
        draft: &Draft,
        kept: PathBuf,
        words: &[OsString],
    ) -> Result<Ended, RuntimeError> {
        let Some(rest) = self.rests.begin(&mut self.inputs, rest::wake).await else {
            scratch::discard(&kept);
            return Ok(failed("the keyboard does not let go: nothing was edited; try again"));
        };
        let lent = self.terminal.lend()?;
        let status = self.run_editor(words, &kept).await;
        // A terminal that is gone cannot be set; the signal that says so ends the console.
        let back = self.terminal.back(&lent);
        self.signals.forget().await;
        if !self.over {
            back?;
            self.resume()?;
        }
        drop(rest);
        Ok(outcome(draft, kept, &status, &words[0]))
    }

    async fn run_editor(&mut self, words: &[OsString], kept: &Path) -> io::Result<ExitStatus> {
        let mut child = Command::new(&words[0]).args(&words[1..]).arg(kept).spawn()?;
        loop {
            tokio::select! {
                biased;
                ended = child.wait() => return ended,
                () = self.signals.end() => {
                    self.over = true;
                    return end(&mut child).await;
                }
                Some(event) = self.events.recv() => {
                    let taken = self.tick().and_then(|()| self.update(Event::Mesh(event)));
                    if let Err(error) = taken {
                        self.over = true;
                        return end(&mut child).await.and(Err(io::Error::other(error)));
                    }
                }
            }
        }
    }
}

/// Asks the editor to end: it saves what it can, and the private file stays.
async fn end(child: &mut Child) -> io::Result<ExitStatus> {
    if let Some(pid) = child.id().and_then(|id| Pid::from_raw(id.cast_signed())) {
        // If it has just ended there is nobody to ask.
        let _ = kill_process(pid, Signal::TERM);
    }
    timeout(LAST, child.wait()).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// The screen is gone, and nothing will be written any more: a line says where the text is.
fn tell_kept(ended: &Ended) {
    if let Ended::Changed { kept, .. } | Ended::Failed { kept: Some(kept), .. } = ended {
        // Nobody may be there to read it.
        let _ =
            writeln!(io::stderr(), "p2p-tui: the edited text was not written; it is in {}", kept.display());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use p2p_shared::id::NodeId;
    use p2p_shared::services::file::FileVersion;

    use super::*;

    #[test]
    fn the_first_that_says_anything_is_the_editor_and_is_split_on_spaces_alone() {
        let words = |values: &[&str]| words(values.iter().map(|value| OsStr::new(*value)));
        assert_eq!(words(&[]), ["vi"]);
        assert_eq!(words(&["", "  "]), ["vi"]);
        assert_eq!(words(&["", "sed -i  s/a/b/"]), ["sed", "-i", "s/a/b/"]);
        assert_eq!(words(&["nano", "vi"]), ["nano"]);
        assert_eq!(words(&["$(reboot);x '"]), ["$(reboot);x", "'"]);
    }

    #[test]
    fn what_was_written_is_kept_whatever_the_editor_says() {
        let root = tempfile::tempdir().unwrap();
        let version = FileVersion { inode: 1, size_bytes: 1, modified_ns: 0 };
        let path = "/etc/x".parse().unwrap();
        let content = FileContent(b"a".to_vec());
        let draft = Draft { node: NodeId::new([1; 32]), path, version, content };
        let ended = |text: &str, status: io::Result<ExitStatus>| {
            let kept = scratch::create(root.path(), &draft.path, text.as_bytes()).unwrap();
            let ended = outcome(&draft, kept.clone(), &status, OsStr::new("ed"));
            (ended, kept.exists())
        };
        let (good, bad) = (ExitStatus::from_raw(0), ExitStatus::from_raw(1 << 8));
        assert_eq!(ended("a", Ok(good)), (Ended::Unchanged, false));
        let (Ended::Changed { content, .. }, true) = ended("b", Ok(good)) else { panic!("it changed") };
        assert_eq!(content.0, b"b");
        let (Ended::Failed { why, kept: None }, false) = ended("a", Ok(bad)) else { panic!("it failed") };
        assert!(why.contains("ed ended with exit status: 1"), "{why}");
        let (Ended::Failed { kept: Some(_), .. }, true) = ended("b", Ok(bad)) else { panic!("it is kept") };
        let (Ended::Failed { why, kept: None }, false) = ended("a", Err(io::ErrorKind::NotFound.into()))
        else {
            panic!("there is none")
        };
        assert!(why.contains("there is no editor ed here: name one in $VISUAL or $EDITOR"), "{why}");
    }
}
