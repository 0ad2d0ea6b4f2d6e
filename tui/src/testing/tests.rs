use std::collections::BTreeSet;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::*;

#[test]
fn the_same_calls_give_the_same_fleet() {
    let tell = || {
        let mut simulated = Simulated::new(5, 40);
        let mut told = vec![simulated.processes(1)];
        for _ in 0..20 {
            simulated.step();
            told.push(simulated.processes(1));
        }
        (told, simulated.sample(3), simulated.peers(2), simulated.routing(4), simulated.refused(3))
    };
    assert_eq!(tell(), tell());
}

#[test]
fn a_watch_tells_differences_that_add_up() {
    let mut simulated = Simulated::new(1, 60);
    let first = simulated.processes(0);
    assert!(first.full && first.appeared.len() == 60);
    let mut known: BTreeSet<_> = first.appeared.iter().map(|row| row.key).collect();
    let (mut appeared, mut changed, mut gone) = (0, 0, 0);
    for _ in 0..40 {
        simulated.step();
        let delta = simulated.processes(0);
        assert!(!delta.full);
        assert!(delta.appeared.iter().all(|row| known.insert(row.key)), "a new one was known");
        assert!(delta.changed.iter().all(|change| known.contains(&change.key)), "a stranger changed");
        assert!(delta.gone.iter().all(|key| known.remove(key)), "a stranger went");
        appeared += delta.appeared.len();
        changed += delta.changed.len();
        gone += delta.gone.len();
    }
    assert!(appeared > 3 && changed > 40 && gone > 3, "{appeared} {changed} {gone}");
    simulated.restart_watch(0);
    let again: BTreeSet<_> = simulated.processes(0).appeared.iter().map(|row| row.key).collect();
    assert_eq!(again, known);
}

#[test]
fn pids_and_ids_are_unique_and_names_are_as_told() {
    let mut simulated = Simulated::new(8, 300);
    let rows = simulated.processes(7).appeared;
    assert_eq!(rows.iter().map(|row| row.key.pid).collect::<BTreeSet<_>>().len(), 300);
    let pids: BTreeSet<u32> = rows.iter().map(|row| row.key.pid).collect();
    assert!(rows.iter().all(|row| row.ppid == 0 || pids.contains(&row.ppid)));
    let fleet = simulated.fleet().changed;
    assert_eq!(fleet.iter().map(|member| member.id).collect::<BTreeSet<_>>().len(), 8);
    assert_eq!((fleet[0].name.as_str(), fleet[1].name.as_str()), ("web-1", "db-1"));
    assert_eq!(fleet[6].name.as_str(), "web-2");
}

#[test]
fn figures_are_plausible() {
    let mut simulated = Simulated::new(24, 3);
    for _ in 0..30 {
        simulated.step();
        for index in 0..simulated.len() {
            let sample = simulated.sample(index);
            assert!(sample.cpu.cores.iter().all(|ratio| (0.0..=1.0).contains(ratio)));
            assert!(sample.memory.available_bytes <= sample.memory.total_bytes);
            assert!(sample.disks.len() >= 2 && sample.interfaces.len() >= 2);
            assert!(sample.disks.iter().all(|disk| disk.available_bytes <= disk.total_bytes));
        }
    }
}

#[test]
fn a_killed_process_is_gone_and_killing_it_again_is_a_conflict() {
    let mut simulated = Simulated::new(1, 20);
    let list = simulated.processes(0);
    let ProcessRefParts { target, key } = parts(&list, 9);
    assert_eq!(simulated.details(0, &target).unwrap().info.key, key);
    simulated.signal(0, &target, Signal::Kill).unwrap();
    let error = simulated.signal(0, &target, Signal::Kill).unwrap_err();
    assert_eq!(error.code, p2p_shared::error::Code::Conflict);
    simulated.step();
    assert!(simulated.processes(0).gone.contains(&key));
}

struct ProcessRefParts {
    target: ProcessRef,
    key: p2p_shared::services::process::ProcessKey,
}

fn parts(list: &ProcessDelta, at: usize) -> ProcessRefParts {
    let key = list.appeared[at].key;
    let target = ProcessRef { boot_id: list.boot_id.clone(), pid: key.pid, start_ticks: key.start_ticks };
    ProcessRefParts { target, key }
}

#[test]
fn hostile_names_are_there_when_asked_for() {
    let mut simulated = Simulated::new(2, 30).with_hostile_names();
    let rows = simulated.processes(0).appeared;
    assert!(rows.iter().any(|row| row.command.len() > 64_000));
    assert!(rows.iter().any(|row| row.name.contains('\u{1b}')));
    assert!(rows.iter().any(|row| row.command.contains('\u{202e}')));
    assert!(simulated.processes(1).appeared.iter().all(|row| row.command.is_ascii()));
}

#[test]
fn a_painted_screen_knows_text_and_styles_apart() {
    let area = Rect::new(0, 0, 8, 2);
    let mut plain = Buffer::empty(area);
    plain.set_string(0, 0, "日本 x", Style::new());
    let mut coloured = plain.clone();
    coloured.set_style(Rect::new(1, 1, 2, 1), Style::new().fg(Color::Red));
    let (plain, coloured) = (painted(&plain), painted(&coloured));
    assert!(plain.starts_with("日本 x\n\nstyle "), "{plain}");
    assert_eq!(plain.lines().take(2).collect::<Vec<_>>(), coloured.lines().take(2).collect::<Vec<_>>());
    assert_ne!(plain.lines().last(), coloured.lines().last());
}
