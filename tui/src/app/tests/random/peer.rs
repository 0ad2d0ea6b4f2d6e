//! What nodes would answer to whatever a console of random keys asks of them.

use super::*;

/// The definition that a node has of a program.
fn define(console: &mut Console, node: NodeId, name: String) {
    let definition = name.parse().map(|name| ProgramDefinition::new(name, "/bin/b"));
    let result = definition.map(Box::new).map_err(|_| RpcError::forbidden("not for you"));
    console.mesh(MeshEvent::Definition { node, name, result });
}

/// What the nodes would answer to what was ordered.
pub(super) fn answer(console: &mut Console, commands: Vec<Command>) {
    for command in commands {
        match command {
            Command::Inspect { node, target } => {
                let index = console.simulated.index_of(node).unwrap();
                let result = console.simulated.details(index, &target).map(Box::new);
                console.mesh(MeshEvent::Inspected { node, target, result });
            }
            Command::Describe { node, subject } => {
                let index = console.simulated.index_of(node).unwrap();
                let result = console.simulated.described(index, &subject).map(Box::new);
                console.mesh(MeshEvent::Described { node, subject, result });
            }
            Command::Definition { node, name } => define(console, node, name),
            Command::Past { node, order } => {
                let index = console.simulated.index_of(node).unwrap();
                let result = Ok(Box::new(console.simulated.past(index, order)));
                console.mesh(MeshEvent::Past { node, order, result });
            }
            Command::Files { node, order } => files(console, node, order),
            Command::BeginCopy { copy, .. } => go_on_with(console, copy.0),
            Command::Seek(sought) => {
                let result = match *sought {
                    Sought::Living { node, .. } | Sought::Numbered { node, .. } => {
                        Ok(jumps::some_process(console, node).map(|info| (node, Box::new(info))))
                    }
                    Sought::Holder { .. } => Err(RpcError::unavailable("gone\u{1b}[2J")),
                };
                console.mesh(MeshEvent::Sought { sought, result });
            }
            Command::Shell { terminal, order } => talk(console, terminal, &order),
            Command::Replay { player, order } => play(console, player, order),
            Command::Search { search, order } => {
                let hit = FileHit {
                    path: order.path,
                    kind: FileKind::File,
                    line: None,
                    text: FileContent(Vec::new()),
                };
                let found = copies::found(vec![hit; 90], None);
                console.mesh(MeshEvent::Found { search, found: Ok(found) });
            }
            Command::LookUp { node, name } => look_up::answer_of(console, node, name),
            Command::Exec { errand, .. } => {
                let text = ["a\n\u{1b}[2J\u{202e}b\n", "", "日本\tx"][errand.target as usize % 3].to_owned();
                let answer = Box::new(crate::event::Answer { text, is_cut: errand.target == 1 });
                console.mesh(MeshEvent::Answer { errand, answer });
                console.mesh(MeshEvent::Outcome { errand, result: Ok(()) });
            }
            Command::Control { errand, .. }
            | Command::Define { errand, .. }
            | Command::Job { errand, .. }
            | Command::EndShell { errand, .. } => {
                console.mesh(MeshEvent::Outcome { errand, result: Ok(()) });
            }
            Command::Signal { errand, node, target, signal } => {
                let index = console.simulated.index_of(node).unwrap();
                let result = console.simulated.signal(index, &target, signal);
                console.mesh(MeshEvent::Outcome { errand, result });
            }
            _ => {}
        }
    }
}

/// A shell that is opened or attached to is there.
fn talk(console: &mut Console, terminal: TerminalId, order: &ShellOrder) {
    if let ShellOrder::Open { node, .. } | ShellOrder::Attach { node, .. } = order {
        let index = console.simulated.index_of(*node).unwrap();
        let shell = console.simulated.shells(index).remove(terminal.0 as usize % 3);
        let attached = ShellItem::Attached(Box::new(shell));
        console.mesh(MeshEvent::Shell { terminal, said: ShellSaid::Item(attached) });
    }
}

/// A recording that harms, as far as it is asked for.
fn play(console: &mut Console, player: TerminalId, order: ReplayOrder) {
    let size = ShellSize { rows: player.0 as u16 % 70, columns: player.0 as u16 * 7 % 300 };
    let said = match order {
        ReplayOrder::Play { .. } => vec![ReplaySaid::Began, ReplaySaid::Size(size)],
        ReplayOrder::Seek(at) => {
            let bytes = "\u{1b}[2J\u{1b}[5;9H日\u{202e}\r\n".repeat(9).into_bytes();
            vec![ReplaySaid::Began, ReplaySaid::Shown { at, bytes }]
        }
        ReplayOrder::Speed(100) => vec![ReplaySaid::Failed(RpcError::unavailable("gone\u{1b}[2J"))],
        ReplayOrder::Speed(_) => vec![ReplaySaid::Over(Millis(9))],
        ReplayOrder::Pause | ReplayOrder::Go | ReplayOrder::Leave => Vec::new(),
    };
    for said in said {
        console.mesh(MeshEvent::Replay { player, said });
    }
}

/// A copy gets as far as its number says.
fn go_on_with(console: &mut Console, copy: u64) {
    let said = [
        copies::total(9),
        copies::going(copy % 12, "\u{202e}a"),
        CopySaid::Ended(Err(RpcError::unavailable("gone\u{1b}[2J"))),
        CopySaid::Ended(Ok(Box::default())),
    ];
    for said in said.into_iter().take(copy as usize % 5) {
        copies::hear(console, copy, said);
    }
}

/// A directory with names that harm, and what stands where something is copied to.
fn files(console: &mut Console, node: NodeId, order: FilesOrder) {
    match order {
        FilesOrder::List(directory) => {
            let rows =
                ["evil\u{1b}[2J\u{202e}", "日本", "x"].map(|name| files::row(name, FileKind::Directory));
            files::listed_on(console, node, &directory.to_text(), rows.to_vec());
        }
        FilesOrder::Plan(plan) => {
            let command = Command::Files { node, order: FilesOrder::Plan(plan) };
            copies::planned(console, &[command], &["x"]);
        }
        _ => {}
    }
}
