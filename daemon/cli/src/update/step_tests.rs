//! Whole updates of made-up clusters, with failures and with runs that are cut off.

use super::*;
use proptest::prelude::*;

const NEW: &str = "2";

fn board(name: &str, manager: bool, leader: bool) -> Board {
    Board {
        id: format!("id-{name}"),
        name: name.to_owned(),
        manager,
        leader,
        ready: true,
        availability: Availability::Active,
        version: Some("1".to_owned()),
        trial: false,
        impossible: None,
        failed: None,
        mark: None,
        tasks: 1,
    }
}

/// Three managers, the first of which leads, and workers.
fn cluster(workers: usize) -> Cluster {
    let mut boards: Vec<Board> = ["a", "b", "c"].map(|name| board(name, true, name == "a")).into();
    boards.extend((0..workers).map(|number| board(&format!("w{number}"), false, false)));
    Cluster {
        boards,
        lacking: Vec::new(),
    }
}

/// Carries steps out at once. `bad`: the board that comes back as it was.
struct World {
    cluster: Cluster,
    bad: Option<String>,
    order: Vec<String>,
}

impl World {
    fn board(&mut self, id: &str) -> &mut Board {
        self.cluster
            .boards
            .iter_mut()
            .find(|board| board.id == id)
            .unwrap()
    }

    /// Runs until the end, or until so many steps are done: then the run is cut off.
    fn run(&mut self, most: usize) -> Option<Step> {
        let mut progress = Progress::default();
        for _ in 0..most {
            let step = next_step(&self.cluster, &progress, NEW);
            self.check(&step);
            match &step {
                Step::Begin(id) => {
                    let board = self.board(id);
                    board.mark = board.mark.or(Some(board.availability));
                    board.availability = Availability::Drain;
                }
                Step::AwaitEmpty(id) => self.board(id).tasks = 0,
                Step::Send(id) => {
                    self.order.push(id.clone());
                    let board = self.board(id);
                    let before = board.failed.clone();
                    board.ready = false;
                    progress.sent.insert(id.clone(), before);
                }
                Step::AwaitReturn(id) => {
                    let bad = self.bad.as_ref() == Some(id);
                    let turn = self.order.len();
                    let board = self.board(id);
                    match (board.ready, board.trial, bad) {
                        (false, ..) => (board.ready, board.trial) = (true, !bad),
                        (true, true, _) => (board.version, board.trial) = (Some(NEW.to_owned()), false),
                        (true, false, _) => panic!("nothing to wait for"),
                    }
                    if bad {
                        board.failed = Some(format!("it did not start ({turn})"));
                    }
                }
                Step::Restore(id) => {
                    let board = self.board(id);
                    board.availability = board.mark.take().unwrap();
                    board.tasks = usize::from(board.availability == Availability::Active);
                }
                Step::Fail(id, why) => progress.failed = Some((id.clone(), why.clone())),
                Step::AwaitAnswer(id) => self.board(id).ready = true,
                Step::AwaitWhole => self.cluster.lacking.clear(),
                Step::AwaitManagers(_) => {
                    for board in self.cluster.boards.iter_mut().filter(|board| board.manager) {
                        board.ready = true;
                    }
                }
                Step::Stop(_) | Step::Done => return Some(step),
            }
        }
        None
    }

    /// What must hold whenever a step is chosen.
    fn check(&self, step: &Step) {
        let away: Vec<&Board> = self
            .cluster
            .boards
            .iter()
            .filter(|board| board.mark.is_some())
            .collect();
        assert!(away.len() <= 1, "more than one board is away: {away:?}");
        if let Step::Begin(id) | Step::Send(id) = step {
            let board = self.cluster.boards.iter().find(|board| board.id == *id).unwrap();
            assert!(
                away.is_empty() || away[0].id == *id,
                "{id} while {away:?} is away"
            );
            let managers = self.cluster.boards.iter().filter(|board| board.manager);
            let (all, there) = (
                managers.clone().count(),
                managers.filter(|board| board.ready && board.id != *id).count(),
            );
            assert!(
                !board.manager || all == 1 || there > all / 2,
                "no quorum without {id}"
            );
            let stale = |other: &&Board| !other.is_at(NEW) && other.id != *id;
            let others: Vec<&Board> = self.cluster.boards.iter().filter(stale).collect();
            assert!(
                board.mark.is_some() || !board.leader || others.is_empty(),
                "the leader before {others:?}"
            );
            let worker = others.iter().any(|other| !other.manager);
            assert!(
                board.mark.is_some() || !board.manager || !worker,
                "a manager before a worker"
            );
        }
    }
}

fn world(cluster: Cluster) -> World {
    World {
        cluster,
        bad: None,
        order: Vec::new(),
    }
}

#[test]
fn workers_then_managers_then_the_leader() {
    let mut world = world(cluster(2));
    assert_eq!(world.run(100), Some(Step::Done));
    assert_eq!(world.order, ["id-w0", "id-w1", "id-b", "id-c", "id-a"]);
    assert_eq!(world.run(1), Some(Step::Done));
}

#[test]
fn a_failure_ends_it_and_leaves_the_rest_alone() {
    let mut world = world(cluster(2));
    world.bad = Some("id-w1".to_owned());
    let Some(Step::Stop(why)) = world.run(100) else {
        panic!("it goes on")
    };
    assert!(why.contains("did not start"), "{why}");
    assert_eq!(world.order, ["id-w0", "id-w1"]);
    let failed = world.board("id-w1");
    assert_eq!((failed.availability, failed.mark), (Availability::Active, None));
    // What it said of the first failure does not make the second try one.
    world.bad = None;
    assert_eq!(world.run(100), Some(Step::Done));
}

#[test]
fn who_was_drained_by_a_person_stays_so() {
    let mut world = world(cluster(1));
    world.board("id-w0").availability = Availability::Drain;
    world.board("id-b").availability = Availability::Pause;
    assert_eq!(world.run(100), Some(Step::Done));
    assert_eq!(world.board("id-w0").availability, Availability::Drain);
    assert_eq!(world.board("id-b").availability, Availability::Pause);
}

#[test]
fn a_manager_waits_for_the_others() {
    let mut cluster = cluster(0);
    cluster.boards[1].version = Some(NEW.to_owned());
    cluster.boards[1].ready = false;
    cluster.boards[2].version = Some(NEW.to_owned());
    assert_eq!(
        next_step(&cluster, &Progress::default(), NEW),
        Step::AwaitAnswer("id-b".to_owned())
    );
    cluster.boards[0].mark = Some(Availability::Active);
    cluster.boards[0].availability = Availability::Drain;
    cluster.boards[0].tasks = 0;
    cluster.boards[0].leader = true;
    let step = next_step(&cluster, &Progress::default(), NEW);
    assert_eq!(step, Step::AwaitManagers("id-a".to_owned()));
}

#[test]
fn what_can_t_be_updated_is_named_before_anything_begins() {
    let mut cluster = cluster(2);
    assert_eq!(objections(&cluster, NEW), Vec::<String>::new());
    cluster.boards[3].version = None;
    cluster.boards[4].ready = false;
    let said = objections(&cluster, NEW);
    assert!(
        said.len() == 2 && said[0].contains("w0 does not run") && said[1].contains("w1 does not answer"),
        "{said:?}"
    );
    cluster.boards[2].impossible = Some("its kernel can't".to_owned());
    assert!(objections(&cluster, NEW).contains(&"c: its kernel can't".to_owned()));
    cluster.boards.drain(2..);
    assert!(objections(&cluster, NEW)[0].contains("two managers"));
    cluster.boards[1].manager = false;
    assert_eq!(objections(&cluster, NEW), Vec::<String>::new());
}

#[test]
fn services_are_whole_again_before_the_next_board() {
    let mut cluster = cluster(2);
    cluster.lacking = vec!["web 1/2".to_owned()];
    assert_eq!(
        next_step(&cluster, &Progress::default(), NEW),
        Step::Begin("id-w0".to_owned())
    );
    let progress = Progress {
        sent: [("id-w1".to_owned(), None)].into(),
        failed: None,
    };
    assert_eq!(next_step(&cluster, &progress, NEW), Step::AwaitWhole);
}

proptest! {
    #[test]
    fn runs_that_are_cut_off_come_to_the_end_together(
        workers in 0usize..4,
        done in prop::collection::vec(any::<bool>(), 7),
        drained in prop::collection::vec(any::<bool>(), 7),
        cuts in prop::collection::vec(1usize..12, 0..6),
        bad in prop::option::of(0usize..7),
    ) {
        let mut cluster = cluster(workers);
        for (number, board) in cluster.boards.iter_mut().enumerate() {
            if done[number] {
                board.version = Some(NEW.to_owned());
            }
            if drained[number] {
                board.availability = Availability::Drain;
                board.tasks = 0;
            }
        }
        let before: Vec<_> = cluster.boards.iter().map(|board| board.availability).collect();
        let bad = bad.and_then(|number| cluster.boards.get(number)).map(|board| board.id.clone());
        let mut world = world(cluster);
        world.bad = bad.clone();
        for cut in cuts {
            world.run(cut);
        }
        // Whatever the cut runs left: one that is not cut ends, by success or at the bad board.
        let ended = world.run(200);
        match ended {
            Some(Step::Done) => prop_assert!(world.cluster.boards.iter().all(|board| board.is_at(NEW))),
            Some(Step::Stop(_)) => prop_assert!(bad.is_some()),
            other => prop_assert!(false, "{other:?}"),
        }
        let after: Vec<_> = world.cluster.boards.iter().map(|board| board.availability).collect();
        prop_assert_eq!(before, after);
        prop_assert!(world.cluster.boards.iter().all(|board| board.mark.is_none()));
    }
}
