//! What is meant for this side of what is typed: `~` at the start of a line and a letter, as in ssh.

/// What becomes of something typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Typed {
    /// It is for the shell.
    Send(Vec<u8>),
    /// `~.`
    Detach,
    /// `~?`
    Help,
}

/// What `~?` shows, in a terminal in raw mode.
pub(super) const HELP: &str = "~?\r\n\
    Behind a new line:\r\n\
    \x20~.  detach; the shell goes on, and --attach finds it again\r\n\
    \x20~~  send one ~\r\n\
    \x20~?  this\r\n";

/// Where in the line the typing stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    #[default]
    LineStart,
    /// A `~` that was not sent yet.
    Tilde,
    Within,
}

/// Follows what is typed.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Escape(Place);

impl Escape {
    /// Takes what was typed apart.
    pub(super) fn typed(&mut self, bytes: &[u8]) -> Vec<Typed> {
        let (mut parts, mut plain) = (Vec::new(), Vec::new());
        for &byte in bytes {
            let command = match (self.0, byte) {
                (Place::LineStart, b'~') => {
                    self.0 = Place::Tilde;
                    continue;
                }
                (Place::Tilde, b'.') => Some(Typed::Detach),
                (Place::Tilde, b'?') => Some(Typed::Help),
                _ => None,
            };
            if let Some(command) = command {
                self.0 = Place::LineStart;
                if !plain.is_empty() {
                    parts.push(Typed::Send(std::mem::take(&mut plain)));
                }
                parts.push(command);
                continue;
            }
            if self.0 == Place::Tilde && byte != b'~' {
                plain.push(b'~');
            }
            plain.push(byte);
            self.0 = if matches!(byte, b'\r' | b'\n') { Place::LineStart } else { Place::Within };
        }
        if !plain.is_empty() {
            parts.push(Typed::Send(plain));
        }
        parts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn send(text: &str) -> Typed {
        Typed::Send(text.as_bytes().to_vec())
    }

    #[test]
    fn only_a_tilde_at_the_start_of_a_line_is_ours() {
        for (typed, expected) in [
            ("ls ~/x\r", vec![send("ls ~/x\r")]),
            ("~.", vec![Typed::Detach]),
            ("a~.\r", vec![send("a~.\r")]),
            ("a\r~.", vec![send("a\r"), Typed::Detach]),
            ("~?~.", vec![Typed::Help, Typed::Detach]),
            ("~~.", vec![send("~.")]),
            ("~x~.", vec![send("~x~.")]),
            ("~\r~.", vec![send("~\r"), Typed::Detach]),
            ("~", vec![]),
        ] {
            assert_eq!(Escape::default().typed(typed.as_bytes()), expected, "{typed:?}");
        }
    }

    #[test]
    fn keys_come_one_by_one_too() {
        let mut escape = Escape::default();
        let mut all = Vec::new();
        for byte in b"a\r~.".chunks(1) {
            all.extend(escape.typed(byte));
        }
        assert_eq!(all, [send("a"), send("\r"), Typed::Detach]);
    }
}
