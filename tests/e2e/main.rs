//! Tests of the whole: real certificates, real QUIC on loopback, whole nodes in one process.
//!
//! Each test makes its own throw-away CA in a temporary directory and binds port 0. Nothing waits for a
//! fixed time: conditions are awaited with a deadline.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod alerts;
mod audit;
mod behind;
mod binary;
mod ca;
mod cluster;
mod console_files;
mod console_shells;
mod dashboards;
mod doctor;
mod echo;
mod exec;
mod face;
mod files;
mod golden;
mod heads;
mod hellos;
mod hostile;
mod http;
mod import;
mod jobs;
mod layers;
mod local;
mod mesh;
mod permissions;
mod probes;
mod processes;
mod programs;
mod refusals;
mod reload;
mod revocation;
mod scans;
mod scraping;
mod shell_command;
mod shells;
mod throughput;
mod transfers;
mod units;
mod wire;
mod ws;
