//! Tests on hosts with a systemd, a disk, a network and packages of their own: what an administrator installs.
//!
//! They need root, Debian packages and minutes, so `cargo test` lists them as skipped, with the reason, and
//! `scripts/check.sh --lab` runs them. Each makes its hosts by `scripts/lab.sh` and leaves nothing behind.

mod api;
mod console;
mod docker;
mod fleet;
mod host;
mod install;
mod mesh;
mod metrics;
mod network;
mod packages;
mod readme;
mod run;
mod service;
mod units;
mod vm;

use libtest_mimic::{Arguments, Failed, Trial};

/// Set to 1 where the tests may make hosts of this machine.
const SWITCH: &str = "P2P_LAB";
/// Set to 1 where what takes minutes more may run too.
const FULL: &str = "P2P_FULL";

type Test = fn() -> anyhow::Result<()>;

/// The tests, in the order in which they run: one at a time, as they all use the machine's network.
const TESTS: [(&str, Test); 21] = [
    ("five_hosts_are_set_up_by_the_commands_of_the_readme", fleet::the_readme),
    ("a_host_that_reboots_freezes_or_is_cut_off_comes_back", fleet::comes_back),
    ("with_every_bootstrap_address_dead_a_node_remembers", fleet::remembers),
    ("the_service_manager_and_the_journal_are_told", service::systemd_is_told),
    ("the_restricted_profile_works_and_is_tight", service::restricted),
    ("units_and_journals_are_seen_and_controlled_from_another_node", units::seen_and_controlled),
    ("a_transient_unit_outlives_who_started_it", units::transient),
    ("a_program_of_another_node_goes_on_when_that_node_does_not", run::programs),
    ("a_command_outlives_its_node_and_nodes_upgrade_themselves_one_by_one", run::commands),
    ("a_shell_is_found_again_after_its_console_and_its_node_are_gone", run::shells),
    ("the_console_is_walked_through_on_a_real_terminal", console::walked),
    ("a_stuck_node_is_started_anew_by_the_watchdog", service::watchdog),
    ("a_bad_certificate_is_named_and_nothing_starts", install::bad_certificates),
    ("installing_again_interrupted_or_wrongly_is_harmless", install::again_and_wrongly),
    ("an_upgrade_keeps_everything_and_restarts_the_node", install::upgrade),
    ("a_disk_that_fills_during_an_upgrade_breaks_nothing", install::full_disk),
    ("removal_stops_and_purge_deletes", install::removal),
    ("a_package_without_a_certificate_says_what_to_do", install::without_certificate),
    ("in_three_namespaces_a_trace_shows_both_hops_and_a_scan_the_open_port", network::three_in_a_line),
    ("prometheus_follows_three_nodes_and_nginx_stands_before_a_fourth", metrics::prometheus_and_nginx),
    ("compose_brings_three_nodes_that_see_each_other", docker::compose),
];

/// Those that take minutes more, or a package from PyPI, and come last.
const LONG: [(&str, Test); 2] = [
    ("the_http_api_agrees_with_its_description", api::agrees_with_its_description),
    ("limits_are_enforced_by_the_kernel_and_the_node_lives", vm::limits_are_real),
];

fn main() {
    if let Some(scene) = std::env::var_os(units::INSIDE) {
        return units::inside(&scene.to_string_lossy());
    }
    if let Some(what) = std::env::var_os(network::INSIDE) {
        return network::inside(&what.to_string_lossy());
    }
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    let missing = missing();
    let mut trials: Vec<Trial> =
        TESTS.into_iter().map(|(name, test)| trial(name, test, missing.as_deref())).collect();
    let missing = missing.or_else(not_full);
    trials.extend(LONG.into_iter().map(|(name, test)| trial(name, test, missing.as_deref())));
    libtest_mimic::run(&arguments, trials).exit();
}

fn trial(name: &str, test: Test, missing: Option<&str>) -> Trial {
    let run = move || test().map_err(|error| Failed::from(format!("{error:#}")));
    match missing {
        Some(reason) => {
            Trial::test(name, run).with_kind(format!("skipped: {reason}")).with_ignored_flag(true)
        }
        None => Trial::test(name, run),
    }
}

/// Why those are not run here, where hosts may be made.
fn not_full() -> Option<String> {
    (!is_set(FULL)).then(|| "takes minutes more: scripts/check.sh --full".into())
}

/// Why hosts cannot be made here.
fn missing() -> Option<String> {
    if !is_set(SWITCH) {
        return Some("needs root and Debian packages: scripts/check.sh --lab".into());
    }
    (!rustix::process::geteuid().is_root()).then(|| "needs root".into())
}

fn is_set(switch: &str) -> bool {
    std::env::var_os(switch).is_some_and(|value| value == "1")
}
