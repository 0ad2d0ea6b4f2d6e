//! What a check found, and the report of all of them: lines for people, JSON for scripts, an exit code.

use std::fmt::Write;

use p2p_shared::error::Exit;
use serde::Serialize;

use crate::logging::escape;

/// Whether something is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is.
    Ok,
    /// It works, or could not be looked at, and somebody should know.
    Warn,
    /// It does not work; the code is the node's own for it.
    Fail(Exit),
}

impl Verdict {
    /// The word of its line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail(_) => "FAIL",
        }
    }
}

/// One line of the report.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// Which check; several lines may be of one.
    pub check: &'static str,
    /// How it went.
    pub verdict: Verdict,
    /// What was looked at, and what was found.
    pub found: String,
    /// What to do: a command or a clear step. Always there unless all is well.
    pub action: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(check: &'static str, found: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Ok, found: found.into(), action: None }
    }

    /// Somebody should know.
    pub fn warn(check: &'static str, found: impl Into<String>, action: impl Into<String>) -> Self {
        Self { check, verdict: Verdict::Warn, found: found.into(), action: Some(action.into()) }
    }

    /// A failure becomes a warning: something else does what this was for.
    pub fn soften(&mut self) {
        if let Verdict::Fail(_) = self.verdict {
            self.verdict = Verdict::Warn;
        }
    }

    /// It does not work.
    pub fn fail(
        check: &'static str,
        exit: Exit,
        found: impl Into<String>,
        action: impl Into<String>,
    ) -> Self {
        Self { check, verdict: Verdict::Fail(exit), found: found.into(), action: Some(action.into()) }
    }
}

/// Every finding, in the order of the checks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// One line each.
    pub findings: Vec<Finding>,
}

#[derive(Serialize)]
struct JsonReport<'a> {
    exit: u8,
    findings: Vec<JsonFinding<'a>>,
}

#[derive(Serialize)]
struct JsonFinding<'a> {
    check: &'a str,
    verdict: String,
    found: &'a str,
    #[serde(rename = "do")]
    action: Option<&'a str>,
}

impl Report {
    /// How the program ends: the code of the first failure.
    pub fn exit(&self) -> Exit {
        let failed = self.findings.iter().find_map(|finding| match finding.verdict {
            Verdict::Fail(exit) => Some(exit),
            Verdict::Ok | Verdict::Warn => None,
        });
        failed.unwrap_or(Exit::Ok)
    }

    /// For people. What others wrote cannot steer the terminal.
    pub fn table(&self) -> String {
        let width = self.findings.iter().map(|finding| finding.check.len()).max().unwrap_or_default();
        let mut text = String::new();
        for Finding { check, verdict, found, action } in &self.findings {
            // Writing to a String cannot fail.
            let _ = writeln!(text, "{:<5} {check:<width$}  {}", verdict.as_str(), escape(found));
            if let Some(action) = action {
                let _ = writeln!(text, "      {:width$}  do: {}", "", escape(action));
            }
        }
        text
    }

    /// For scripts: an object with the exit code and the findings.
    pub fn json(&self) -> String {
        let findings = self.findings.iter().map(JsonFinding::new).collect();
        let report = JsonReport { exit: self.exit().code(), findings };
        let mut text = serde_json::to_string_pretty(&report).expect("strings and numbers can be written");
        text.push('\n');
        text
    }
}

impl<'a> JsonFinding<'a> {
    fn new(finding: &'a Finding) -> Self {
        let Finding { check, verdict, found, action } = finding;
        Self { check, verdict: verdict.as_str().to_lowercase(), found, action: action.as_deref() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report() -> Report {
        Report {
            findings: vec![
                Finding::ok("clock", "2026-11-25T13:00:00Z"),
                Finding::warn("store", "web\x1b[2J", "look"),
                Finding::fail("port", Exit::Unavailable, "taken", "stop it"),
                Finding::fail("certificate", Exit::Config, "expired", "`ca.sh renew web-1`"),
            ],
        }
    }

    #[test]
    fn the_first_failure_gives_the_exit_code_and_warnings_give_none() {
        assert_eq!(report().exit(), Exit::Unavailable);
        let mut report = report();
        report.findings.truncate(2);
        assert_eq!(report.exit(), Exit::Ok);
        assert_eq!(Report::default().exit(), Exit::Ok);
    }

    #[test]
    fn a_line_says_how_what_and_what_to_do_and_nothing_steers_the_terminal() {
        let text = report().table();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "ok    clock        2026-11-25T13:00:00Z");
        assert_eq!(lines[2], "                   do: look");
        assert_eq!(lines[3], "FAIL  port         taken");
        assert_eq!(lines.len(), 7);
        assert!(!text.contains('\x1b'));
    }

    #[test]
    fn the_json_has_the_same() {
        let json: serde_json::Value = serde_json::from_str(&report().json()).unwrap();
        assert_eq!(json["exit"], 69);
        assert_eq!(json["findings"][3]["verdict"], "fail");
        assert_eq!(json["findings"][3]["do"], "`ca.sh renew web-1`");
        assert!(json["findings"][0]["do"].is_null());
    }
}
