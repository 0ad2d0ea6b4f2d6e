use p2p_shared::rng::Rng;

use super::*;

/// Members, what each of them sees, and the questions on their way. All time is in milliseconds.
struct World {
    now: u64,
    rng: Rng,
    cores: BTreeMap<NodeId, Deaths>,
    dead: BTreeSet<NodeId>,
    /// Nobody of one side reaches anybody of the other.
    cut: BTreeSet<NodeId>,
    events: BTreeMap<(u64, u64), Event>,
    count: u64,
    told: Vec<(u64, NodeId, Death)>,
    lives: Vec<(NodeId, NodeId)>,
}

enum Event {
    Sees { who: NodeId, of: NodeId, life: Life },
    Asked { by: NodeId, about: NodeId, whom: NodeId },
    Timer(NodeId),
}

/// When everybody is known to live.
const START: u64 = PROOF.0;

fn id(number: u8) -> NodeId {
    NodeId::new([number; 32])
}

fn seen(id: NodeId, life: Life) -> Seen {
    let name = format!("n{}", id.as_bytes()[0]).parse().unwrap();
    Seen { id, name, life, since: UnixMillis(7) }
}

impl World {
    fn new(count: u8, seed: u64) -> Self {
        let ids: Vec<NodeId> = (1..=count).map(id).collect();
        let mut world = Self {
            now: 0,
            rng: Rng::new(seed),
            cores: ids.iter().map(|&id| (id, Deaths::new(id))).collect(),
            dead: BTreeSet::new(),
            cut: BTreeSet::new(),
            events: BTreeMap::new(),
            count: 0,
            told: Vec::new(),
            lives: Vec::new(),
        };
        for &who in &ids {
            let others = ids.iter().filter(|other| **other != who).map(|&other| seen(other, Life::Lives));
            world.handle(who, Input::Members(others.collect()));
        }
        world.run(START);
        world.lives.clear();
        world
    }

    fn at(&mut self, after: u64, event: Event) {
        self.count += 1;
        self.events.insert((self.now + after, self.count), event);
    }

    fn reaches(&self, one: NodeId, other: NodeId) -> bool {
        !self.dead.contains(&other) && self.cut.contains(&one) == self.cut.contains(&other)
    }

    /// Everybody that no longer reaches `of` finds it within fifteen seconds.
    fn lose(&mut self, of: NodeId) {
        let mut watchers: Vec<NodeId> = self.cores.keys().copied().filter(|who| *who != of).collect();
        watchers.retain(|&who| !self.reaches(who, of));
        for who in watchers {
            let after = 4_000 + self.rng.below(4_000);
            self.at(after, Event::Sees { who, of, life: Life::Lost });
        }
    }

    fn kill(&mut self, numbers: impl IntoIterator<Item = u8>) {
        let dead: Vec<NodeId> = numbers.into_iter().map(id).collect();
        self.dead.extend(&dead);
        dead.into_iter().for_each(|of| self.lose(of));
    }

    fn handle(&mut self, who: NodeId, input: Input) {
        let now = Millis(self.now);
        let core = self.cores.get_mut(&who).unwrap();
        core.handle(now, input);
        let outputs: Vec<Output> = std::iter::from_fn(|| core.poll_output()).collect();
        let due = core.poll_timeout();
        for output in outputs {
            match output {
                Output::Ask { about, whom } => {
                    let after = 50 + self.rng.below(1_000);
                    self.at(after, Event::Asked { by: who, about, whom });
                }
                Output::Tell(death) => self.told.push((self.now, who, death)),
                Output::Lives(of, _) => self.lives.push((who, of)),
            }
        }
        if let Some(due) = due {
            self.at(due.0.saturating_sub(self.now), Event::Timer(who));
        }
    }

    fn run(&mut self, until: u64) {
        while let Some(((at, count), event)) = self.events.pop_first() {
            if at > until {
                self.events.insert((at, count), event);
                break;
            }
            self.now = at;
            match event {
                Event::Sees { who, .. } | Event::Timer(who) if self.dead.contains(&who) => {}
                Event::Asked { by, .. } if self.dead.contains(&by) => {}
                Event::Timer(who) => self.handle(who, Input::Time),
                Event::Sees { who, of, life } => {
                    let mut members: Vec<Seen> =
                        self.cores[&who].members.values().map(|known| known.seen.clone()).collect();
                    members.iter_mut().filter(|seen| seen.id == of).for_each(|seen| seen.life = life);
                    self.handle(who, Input::Members(members));
                }
                Event::Asked { by, about, whom } => {
                    let reached = self.reaches(by, whom).then(|| self.reaches(whom, about));
                    self.handle(by, Input::Heard { about, from: whom, reached });
                }
            }
        }
        self.now = until;
    }

    fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.told.iter().map(|(_, _, death)| death.name.to_string()).collect();
        names.sort();
        names
    }

    /// Who tells in a world where all live.
    fn messengers(&self) -> Vec<u8> {
        let mut ids: Vec<NodeId> = self.cores.keys().copied().collect();
        ids.sort_by_key(|id| std::cmp::Reverse(weight(id)));
        ids.iter().map(|id| id.as_bytes()[0]).collect()
    }
}

#[test]
fn a_death_is_told_once_by_one_with_three_witnesses_whoever_died() {
    for seed in 0..40 {
        for dead in 1..=5 {
            let mut world = World::new(5, seed);
            world.kill([dead]);
            world.run(START + 200_000);
            assert_eq!(world.names(), [format!("n{dead}")], "seed {seed}");
            let (at, _, death) = &world.told[0];
            assert_eq!(death.witnesses.len(), WITNESSES - 1, "seed {seed}");
            assert!(*at <= START + 20_000, "seed {seed}: {at}");
        }
    }
}

#[test]
fn of_few_members_all_there_are_are_witnesses() {
    for (count, others) in [(2, 0), (3, 1), (4, 2)] {
        let mut world = World::new(count, 1);
        world.kill([1]);
        world.run(START + 200_000);
        assert_eq!(world.told.len(), 1, "{count}");
        assert_eq!(world.told[0].2.witnesses.len(), others, "{count}");
    }
}

#[test]
fn many_deaths_behind_one_cut_are_one_incident_on_each_side() {
    for seed in 0..20 {
        let mut world = World::new(20, seed);
        world.cut = (1..=5).map(id).collect();
        (1..=20).for_each(|number| world.lose(id(number)));
        world.run(START + 200_000);
        let mut incidents: BTreeMap<NodeId, BTreeSet<u64>> = BTreeMap::new();
        world.told.iter().for_each(|(at, who, _)| {
            incidents.entry(*who).or_default().insert(*at);
        });
        assert_eq!(incidents.len(), 2, "seed {seed}: one a side");
        assert!(incidents.values().all(|times| times.len() == 1), "seed {seed}: {incidents:?}");
        assert_eq!(world.told.len(), 20, "seed {seed}: each side tells the other");
    }
}

#[test]
fn a_successor_takes_over_when_the_messenger_dies() {
    for seed in 0..40 {
        let mut world = World::new(7, seed);
        let [first, second, third, ..] = world.messengers()[..] else { panic!("seven") };
        world.kill([third]);
        // It dies too, before it can tell.
        world.run(START + 6_000);
        world.kill([first]);
        world.run(START + 200_000);
        let mut names: Vec<String> = world.names();
        names.dedup();
        let mut expected = vec![format!("n{first}"), format!("n{third}")];
        expected.sort();
        assert_eq!(names, expected, "seed {seed}");
        assert!(world.told.iter().any(|(_, who, _)| *who == id(second)), "seed {seed}");
    }
}

#[test]
fn a_member_that_others_reach_is_not_dead() {
    let mut world = World::new(5, 3);
    let messenger = id(world.messengers()[0]);
    let other = id(world.messengers()[1]);
    // Only the messenger's own way to it is broken.
    world.at(1_000, Event::Sees { who: messenger, of: other, life: Life::Lost });
    world.run(START + 60_000);
    assert!(world.told.is_empty());
    world.at(0, Event::Sees { who: messenger, of: other, life: Life::Lives });
    world.run(START + 300_000);
    assert!(world.told.is_empty() && world.lives == [(messenger, other)]);
}

#[test]
fn who_comes_back_for_good_or_leaves_is_told_and_who_was_not_known_to_live_does_not_die() {
    let mut core = Deaths::new(id(1));
    let mut at = |ms, life| {
        core.handle(Millis(ms), Input::Members(vec![seen(id(2), life)]));
        core.handle(Millis(ms + 9_999), Input::Time);
        std::iter::from_fn(|| core.poll_output()).collect::<Vec<_>>()
    };
    let lives = [Output::Lives(id(2), "n2".parse().unwrap())];
    // Remembered from the disk, and then not there.
    assert_eq!(at(0, Life::Suspect), []);
    assert_eq!(at(10_000, Life::Lives), []);
    assert_eq!(at(20_000 - 1, Life::Suspect), []);
    assert_eq!(at(30_000, Life::Lost), []);
    assert_eq!(at(60_000, Life::Lives), []);
    assert_eq!(at(70_000, Life::Lives), lives);
    assert_eq!(at(80_000, Life::Suspect), []);
    assert!(matches!(at(90_000, Life::Lost)[..], [Output::Tell(_)]));
    assert_eq!(at(100_000, Life::Left), lives);
}
