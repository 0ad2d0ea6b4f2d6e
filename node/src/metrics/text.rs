//! The text formats of metrics: that of Prometheus, version 0.0.4, and OpenMetrics, version 1.0.0.
//!
//! Families and values enter, text leaves. Label values are escaped whatever they hold, a series is written once, and
//! there is a limit on how many there are.

use std::collections::HashSet;
use std::fmt::{self, Write};

use p2p_shared::counters::{DURATION_BOUNDS, DurationsSeen};

use super::families::{Family, Kind, SERIES_DROPPED};

/// Most series of one answer.
const SERIES_MAX: usize = 10_000;
/// Longest value of a label, in bytes.
const VALUE_BYTES_MAX: usize = 256;

/// In which form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// The text format of Prometheus.
    Prometheus,
    /// OpenMetrics.
    OpenMetrics,
}

impl Format {
    /// The one that an `Accept` header asks for; Prometheus's own where it does not care.
    pub fn of_accept(accept: &str) -> Self {
        let (mut open, mut plain) = (0.0_f32, None::<f32>);
        for range in accept.split(',') {
            let mut parts = range.split(';').map(str::trim);
            let kind = parts.next().unwrap_or_default().to_ascii_lowercase();
            let (mut quality, mut version) = (1.0_f32, None);
            for (name, value) in parts.filter_map(|part| part.split_once('=')) {
                match name.trim().to_ascii_lowercase().as_str() {
                    "q" => quality = value.trim().parse().unwrap_or(0.0),
                    "version" => version = Some(value.trim().trim_matches('"')),
                    _ => {}
                }
            }
            match kind.as_str() {
                "application/openmetrics-text" if version.is_none_or(|version| version == "1.0.0") => {
                    open = open.max(quality);
                }
                "text/plain" | "text/*" | "*/*" => plain = Some(plain.unwrap_or(0.0).max(quality)),
                _ => {}
            }
        }
        if open > 0.0 && open >= plain.unwrap_or(0.0) { Self::OpenMetrics } else { Self::Prometheus }
    }

    /// Its media type.
    pub const fn content_type(self) -> &'static str {
        match self {
            Self::Prometheus => "text/plain; version=0.0.4; charset=utf-8",
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// A value. Single precision is written as short as it is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole one.
    Whole(u64),
    /// Of double precision.
    Double(f64),
    /// Of single precision.
    Single(f32),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Double(value)
    }
}

impl From<f32> for Number {
    fn from(value: f32) -> Self {
        Self::Single(value)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => write!(f, "{value}"),
            Self::Double(value) if value.is_finite() => write!(f, "{value}"),
            Self::Single(value) if value.is_finite() => write!(f, "{value}"),
            Self::Double(_) | Self::Single(_) => f.write_str("NaN"),
        }
    }
}

/// The text as it grows.
#[derive(Debug)]
pub struct Text {
    format: Format,
    out: String,
    series: usize,
    dropped: u64,
}

impl Text {
    /// Nothing yet.
    pub fn new(format: Format) -> Self {
        Self { format, out: String::with_capacity(16 * 1024), series: 0, dropped: 0 }
    }

    /// A family without labels.
    pub fn one(&mut self, family: &'static Family, value: impl Into<Number>) {
        self.family(family).put(&[], value);
    }

    /// A family; without a series nothing of it is written.
    pub fn family(&mut self, family: &'static Family) -> Series<'_> {
        Series { text: self, family, known: HashSet::new(), begun: false }
    }

    /// The whole.
    pub fn finish(mut self) -> String {
        let dropped = self.dropped;
        self.one(&SERIES_DROPPED, dropped);
        if self.format == Format::OpenMetrics {
            self.out.push_str("# EOF\n");
        }
        self.out
    }

    fn head(&mut self, family: &Family) {
        let open = self.format == Format::OpenMetrics;
        let name = if open { family.bare() } else { family.name };
        let kind = match family.kind {
            Kind::Gauge => "gauge",
            Kind::Counter => "counter",
            Kind::Histogram => "histogram",
            Kind::Info if open => "info",
            Kind::Info => "gauge",
        };
        // Writing to a string cannot fail.
        let _ = writeln!(self.out, "# HELP {name} {}\n# TYPE {name} {kind}", family.help);
        if let (true, Some(unit)) = (open, family.unit()) {
            let _ = writeln!(self.out, "# UNIT {name} {unit}");
        }
    }
}

/// The series of one family.
#[derive(Debug)]
pub struct Series<'a> {
    text: &'a mut Text,
    family: &'static Family,
    known: HashSet<String>,
    begun: bool,
}

impl Series<'_> {
    /// One series: the values of the family's labels in their order, and its value. The same one again is not written.
    pub fn put(&mut self, labels: &[&str], value: impl Into<Number>) {
        debug_assert_eq!(labels.len(), self.family.labels.len(), "{}", self.family.name);
        if self.known.len() >= self.family.series_max() || self.text.series >= SERIES_MAX {
            self.text.dropped += 1;
            return;
        }
        let labels = block(self.family.labels, labels);
        if labels.is_empty() || self.known.insert(labels.clone()) {
            self.line("", &labels, value.into());
        }
    }

    /// The series of a histogram without labels.
    pub fn durations(&mut self, seen: &DurationsSeen) {
        let bounds = DURATION_BOUNDS.iter().map(|bound| format!("{:?}", bound.as_secs_f64()));
        let bounds = bounds.chain(["+Inf".to_owned()]);
        for (bound, count) in bounds.zip(seen.within) {
            self.line("_bucket", &block(&["le"], &[&bound]), count.into());
        }
        self.line("_sum", "", seen.sum.as_secs_f64().into());
        self.line("_count", "", seen.within[DURATION_BOUNDS.len()].into());
    }

    fn line(&mut self, suffix: &str, labels: &str, value: Number) {
        if !std::mem::replace(&mut self.begun, true) {
            self.text.head(self.family);
        }
        self.text.series += 1;
        let _ = writeln!(self.text.out, "{}{suffix}{labels} {value}", self.family.name);
    }
}

/// `{name="value"}`, or nothing.
fn block(names: &[&str], values: &[&str]) -> String {
    let mut block = String::new();
    for (name, value) in names.iter().zip(values) {
        block.push_str(if block.is_empty() { "{" } else { "," });
        block.push_str(name);
        block.push_str("=\"");
        escape(&mut block, value);
        block.push('"');
    }
    if !block.is_empty() {
        block.push('}');
    }
    block
}

fn escape(out: &mut String, value: &str) {
    for letter in value[..value.floor_char_boundary(VALUE_BYTES_MAX)].chars() {
        match letter {
            '\\' => out.push_str("\\\\"),
            '"' => out.push_str("\\\""),
            '\n' => out.push_str("\\n"),
            letter => out.push(letter),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use p2p_shared::counters::Durations;

    use super::super::families::{ALERTS, BUILD, CALL_TIME, CALLS, CPU_USAGE, NETWORK_RECEIVED};
    use super::*;

    fn text(format: Format, write: impl Fn(&mut Text)) -> String {
        let mut text = Text::new(format);
        write(&mut text);
        text.finish()
    }

    #[test]
    fn both_formats_say_the_same_in_their_own_way() {
        let write = |text: &mut Text| {
            text.family(&BUILD).put(&["0.1.0"], true);
            text.one(&CPU_USAGE, 0.05_f32);
            text.family(&NETWORK_RECEIVED).put(&["a\"\\\nb"], 7_u64);
            text.family(&ALERTS);
        };
        let tail = "p2p_admin_metrics_series_dropped";
        let plain = text(Format::Prometheus, write);
        assert_eq!(
            plain.split(&format!("# HELP {tail}")).next().unwrap(),
            "# HELP p2p_admin_build_info The program.\n\
             # TYPE p2p_admin_build_info gauge\n\
             p2p_admin_build_info{version=\"0.1.0\"} 1\n\
             # HELP p2p_admin_cpu_usage_ratio Busy share of all cores together.\n\
             # TYPE p2p_admin_cpu_usage_ratio gauge\n\
             p2p_admin_cpu_usage_ratio 0.05\n\
             # HELP p2p_admin_network_receive_bytes_total Received over an interface.\n\
             # TYPE p2p_admin_network_receive_bytes_total counter\n\
             p2p_admin_network_receive_bytes_total{interface=\"a\\\"\\\\\\nb\"} 7\n"
        );
        let open = text(Format::OpenMetrics, write);
        assert!(
            open.contains("# TYPE p2p_admin_build info\np2p_admin_build_info{version=\"0.1.0\"} 1\n"),
            "{open}"
        );
        assert!(open.contains("# UNIT p2p_admin_cpu_usage_ratio ratio\n"), "{open}");
        assert!(open.contains("# TYPE p2p_admin_network_receive_bytes counter\n"), "{open}");
        assert!(open.ends_with(&format!("\n{tail} 0\n# EOF\n")), "{open}");
    }

    #[test]
    fn a_histogram_ends_in_all() {
        let durations = Durations::default();
        durations.note(Duration::from_millis(2));
        durations.note(Duration::from_secs(20));
        let text = text(Format::OpenMetrics, |text| text.family(&CALL_TIME).durations(&durations.seen()));
        let name = "p2p_admin_call_duration_seconds";
        for line in [
            "_bucket{le=\"0.0001\"} 0",
            "_bucket{le=\"10.0\"} 1",
            "_bucket{le=\"+Inf\"} 2",
            "_sum 20.002",
            "_count 2",
        ] {
            assert!(text.contains(&format!("{name}{line}\n")), "{line}: {text}");
        }
    }

    #[test]
    fn a_series_is_written_once_and_names_of_others_only_so_often() {
        let text = text(Format::Prometheus, |text| {
            let mut interfaces = text.family(&NETWORK_RECEIVED);
            (0..300).for_each(|index| interfaces.put(&[&format!("veth{index}")], 1_u64));
            let mut calls = text.family(&CALLS);
            (0..300).for_each(|index| calls.put(&[&format!("m{}", index % 290), "ok"], 1_u64));
        });
        assert_eq!(text.matches("interface=").count(), 256);
        assert_eq!(text.matches("method=").count(), 290);
        assert!(text.contains("\np2p_admin_metrics_series_dropped 44\n"), "{text}");
        let long = block(&["mountpoint"], &[&"ä".repeat(400)]);
        assert_eq!(long, format!("{{mountpoint=\"{}\"}}", "ä".repeat(128)));
    }

    #[test]
    fn the_accept_header_chooses() {
        let open = "application/openmetrics-text;version=1.0.0;q=0.5,application/openmetrics-text;version=0.0.1;q=0.4,\
                    text/plain;version=0.0.4;q=0.3,*/*;q=0.2";
        for accept in
            [open, "application/openmetrics-text", "application/openmetrics-text; version=\"1.0.0\", */*"]
        {
            assert_eq!(Format::of_accept(accept), Format::OpenMetrics, "{accept}");
        }
        for accept in [
            "",
            "*/*",
            "text/plain",
            "application/json",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;version=0.0.1",
            "application/openmetrics-text;q=0.1,text/plain",
        ] {
            assert_eq!(Format::of_accept(accept), Format::Prometheus, "{accept}");
        }
    }
}
