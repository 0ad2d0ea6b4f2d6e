//! What is tried from a node: ping, trace, scan, and the line that asks for it.

use p2p_shared::services::network::ScanRequest;

/// Which kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeKind {
    /// Echo requests, until it is stopped.
    Ping,
    /// The way to a target.
    Trace,
    /// Which ports are open: asked about first.
    Scan,
}

impl ProbeKind {
    /// The word of the `:` line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Ping => "ping",
            Self::Trace => "trace",
            Self::Scan => "scan",
        }
    }

    /// What is written, for the dialog.
    pub const fn usage(self) -> &'static str {
        match self {
            Self::Ping | Self::Trace => "TARGET: an address or a name",
            Self::Scan => "TARGET PORTS [RATE], such as: 10.0.0.7 22,80,8000-8100",
        }
    }

    /// The line that stands there at first, for a target that the cursor is on.
    pub fn line(self, target: &str) -> String {
        match self {
            _ if target.is_empty() => String::new(),
            Self::Ping | Self::Trace => target.to_owned(),
            Self::Scan => format!("{target} 1-1024"),
        }
    }
}

/// What is tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// Echo requests to this target, until it is stopped.
    Ping(String),
    /// The way to this target.
    Trace(String),
    /// Ports of a target.
    Scan(ScanRequest),
}

impl Probe {
    /// What a line says; what is wrong with it, if something is.
    ///
    /// # Errors
    /// With how it is written.
    pub fn parse(kind: ProbeKind, text: &str) -> Result<Self, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        match (kind, words.as_slice()) {
            (ProbeKind::Ping, [target]) => Ok(Self::Ping((*target).to_owned())),
            (ProbeKind::Trace, [target]) => Ok(Self::Trace((*target).to_owned())),
            (ProbeKind::Scan, [target, ports]) => scan(target, ports, None),
            (ProbeKind::Scan, [target, ports, rate]) => scan(target, ports, Some(rate)),
            (ProbeKind::Scan, _) => Err("write TARGET PORTS [RATE]".to_owned()),
            (ProbeKind::Ping | ProbeKind::Trace, _) => Err("write one address or name".to_owned()),
        }
    }

    /// `scan 10.0.0.7 1-1024`.
    pub fn title(&self) -> String {
        match self {
            Self::Ping(target) => format!("ping {target}"),
            Self::Trace(target) => format!("trace {target}"),
            Self::Scan(request) => {
                format!("scan {} {}", request.targets.join(" "), request.ports.as_deref().unwrap_or_default())
            }
        }
    }

    /// What is agreed to, in front of the node's name.
    pub fn verb(&self) -> String {
        match self {
            Self::Ping(target) => format!("Ping {target} from"),
            Self::Trace(target) => format!("Trace {target} from"),
            Self::Scan(request) => {
                let (targets, ports) = (request.targets.join(" "), request.ports.as_deref());
                let rate = request.rate_per_s.map(|rate| format!(", {rate} a second,")).unwrap_or_default();
                format!("Scan ports {} of {targets}{rate} from", ports.unwrap_or_default())
            }
        }
    }
}

fn scan(target: &str, ports: &str, rate: Option<&str>) -> Result<Probe, String> {
    if !ports.chars().all(|letter| letter.is_ascii_digit() || matches!(letter, ',' | '-')) {
        return Err(format!("{ports}: ports are written 22,80,8000-8100"));
    }
    let number = |text: &str| match text.parse() {
        Ok(rate @ 1..=1_000_000) => Ok(rate),
        _ => Err(format!("{text}: a rate is 1 to 1000000 a second")),
    };
    Ok(Probe::Scan(ScanRequest {
        targets: vec![target.to_owned()],
        ports: Some(ports.to_owned()),
        rate_per_s: rate.map(number).transpose()?,
        ..ScanRequest::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_a_target_and_for_a_scan_its_ports() {
        assert_eq!(Probe::parse(ProbeKind::Ping, " web-2 "), Ok(Probe::Ping("web-2".into())));
        assert_eq!(Probe::parse(ProbeKind::Trace, "::1"), Ok(Probe::Trace("::1".into())));
        let request = ScanRequest {
            targets: vec!["10.0.0.0/24".into()],
            ports: Some("22,80-90".into()),
            rate_per_s: Some(500),
            ..ScanRequest::default()
        };
        let scan = Probe::parse(ProbeKind::Scan, "10.0.0.0/24 22,80-90 500").unwrap();
        assert_eq!(scan, Probe::Scan(request));
        assert_eq!(scan.verb(), "Scan ports 22,80-90 of 10.0.0.0/24, 500 a second, from");
        for kind in [ProbeKind::Ping, ProbeKind::Trace, ProbeKind::Scan] {
            assert!(Probe::parse(kind, &kind.line("10.0.0.7")).is_ok());
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for wrong in ["", "a b"] {
            assert!(Probe::parse(ProbeKind::Ping, wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "a", "a b", "a 1 0", "a 1 x", "a 1 2 3"] {
            assert!(Probe::parse(ProbeKind::Scan, wrong).is_err(), "{wrong}");
        }
    }
}
