//! A cluster's life in a moment: users change their minds, boards come and go, tasks fail, leaders change, and time
//! passes in jumps. `world` plays the boards and looks at the laws after every step.
//!
//! `BRAMBLE_DAYS=365 BRAMBLE_SEEDS=20 cargo test -p bramble-plan --test simulation -- --nocapture` lives longer than CI
//! has time for; a life that goes wrong names its seed, and `BRAMBLE_SEED=n` lives that one again.

#![allow(clippy::unwrap_used, reason = "a test may stop where it finds nonsense")]

mod world;

use bramble_plan::plan;
use jiff::SignedDuration;
use model::{Ailment, Availability, NodeState, TaskState};
use proptest::prelude::*;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use state::Transaction;
use world::{World, laws, spec};

const BOARDS: usize = 4;

#[derive(Clone, Debug)]
enum Event {
    Scale(u64),
    Image(u8),
    RollBack,
    Down(usize),
    Up(usize),
    Drain(usize, bool),
    Ail(usize, bool),
    Fail(usize),
    Leader,
    Pass(u8),
}

fn events() -> impl proptest::strategy::Strategy<Value = Vec<Event>> {
    let one = prop_oneof![
        (0..8u64).prop_map(Event::Scale),
        (0..4u8).prop_map(Event::Image),
        Just(Event::RollBack),
        (1..=BOARDS).prop_map(Event::Down),
        (1..=BOARDS).prop_map(Event::Up),
        (1..=BOARDS, any::<bool>()).prop_map(|(board, drain)| Event::Drain(board, drain)),
        (1..=BOARDS, any::<bool>()).prop_map(|(board, ails)| Event::Ail(board, ails)),
        (0..20usize).prop_map(Event::Fail),
        Just(Event::Leader),
        (1..120u8).prop_map(Event::Pass),
        (1..8u8).prop_map(Event::Pass),
        (1..8u8).prop_map(Event::Pass),
    ];
    prop::collection::vec(one, 0..40)
}

/// What a user may ask of a service, beside its number.
fn kinds() -> impl proptest::strategy::Strategy<Value = Vec<&'static str>> {
    let one_of = |words: &'static [&'static str]| prop::sample::select(words);
    (
        one_of(&["order=stop-first", "order=start-first"]),
        one_of(&["parallelism=1", "parallelism=2", "parallelism=0"]),
        one_of(&["action=continue", "action=rollback", "action=pause"]),
        one_of(&["max=0", "max=2"]),
        one_of(&[
            "label:bramble.rebalance=true",
            "label:bramble.strategy=binpack",
            "label:bramble.strategy=random",
        ]),
        one_of(&[
            "label:bramble.volume_affinity=true",
            "label:bramble.volume_affinity=false",
        ]),
        one_of(&["delay=0s", "delay=3s"]),
    )
        .prop_map(|(a, b, c, d, e, f, g)| vec![a, b, c, d, e, f, g])
}

fn happen(world: &mut World, event: &Event) {
    match event {
        Event::Scale(replicas) => spec::change(world, "web", &[&format!("replicas={replicas}")]),
        Event::Image(number) => {
            let image = ["image=ok", "image=other", "image=third", "image=missing"][usize::from(*number)];
            spec::change(world, "web", &[image]);
        }
        Event::RollBack => spec::roll_back(world, "web"),
        Event::Down(number) => world.board_is(*number, NodeState::Down),
        Event::Up(number) => world.board_is(*number, NodeState::Ready),
        Event::Drain(number, drain) => drained(world, *number, *drain),
        Event::Ail(number, ails) => world.ails(*number, ails.then_some(Ailment::Hot)),
        Event::Fail(number) => fail(world, *number),
        Event::Leader => world.new_leader(),
        Event::Pass(seconds) => world.pass(SignedDuration::from_secs((*seconds).into())),
    }
    world.pass(world::SECOND);
}

fn drained(world: &mut World, number: usize, drain: bool) {
    let availability = if drain {
        Availability::Drain
    } else {
        Availability::Active
    };
    world.edit_node(number, |node| node.spec.availability = availability);
}

fn fail(world: &mut World, number: usize) {
    let running = world
        .real
        .iter()
        .filter(|(_, status)| status.state == TaskState::Running);
    if let Some(id) = running.map(|(id, _)| id.clone()).nth(number) {
        world.fail(&id);
    }
}

/// All boards are there again.
fn heal(world: &mut World) {
    for number in 1..=world.view.nodes().count() {
        world.board_is(number, NodeState::Ready);
        drained(world, number, false);
        world.ails(number, None);
    }
}

/// At rest each service is what its user wants, and nothing is written.
fn rest(world: &mut World) {
    world.pass(SignedDuration::from_mins(45));
    for service in world.view.services().cloned().collect::<Vec<_>>() {
        if let Some(unrest) = laws::unrest(world, &service) {
            panic!("{} at {}: {unrest}", service.spec.name, world.now);
        }
    }
    let idle = plan(&world.view, &world.reports, world.now, &mut world.rng);
    assert!(idle.changes.is_empty(), "{:?}", idle.because);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    /// Whatever happened: once it stops, the service is what its user wants.
    #[test]
    fn a_service_comes_to_its_wanted_state(events in events(), kinds in kinds()) {
        let mut world = World::new(BOARDS, 1);
        let words = [&kinds[..], &["replicas=3", "image=ok", "monitor=1ns", "label:bramble.start_limit=2m"]].concat();
        spec::create(&mut world, "web", &words);
        for event in &events {
            happen(&mut world, event);
        }
        heal(&mut world);
        spec::change(&mut world, "web", &["image=last", "force"]);
        rest(&mut world);
    }
}

fn cases() -> u32 {
    std::env::var("BRAMBLE_CASES")
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(64)
}

fn number(name: &str, default: u64) -> u64 {
    std::env::var(name)
        .ok()
        .and_then(|count| count.parse().ok())
        .unwrap_or(default)
}

/// Months of a busy household: services of every kind, boards that are unplugged, updates good and bad. Each week (and
/// once in a shorter life) it is left in peace for a while, and must then be as it should.
#[test]
fn random_lives_end_well() {
    let days = number("BRAMBLE_DAYS", 4);
    let only = std::env::var("BRAMBLE_SEED")
        .ok()
        .and_then(|seed| seed.parse().ok());
    let seeds = only.map_or(1..=number("BRAMBLE_SEEDS", 3), |seed| seed..=seed);
    for seed in seeds {
        println!("seed {seed}, {days} days");
        let told = live(seed, days);
        println!("  {told}");
    }
}

fn live(seed: u64, days: u64) -> String {
    let mut world = World::new(BOARDS, seed);
    let mut rng = StdRng::seed_from_u64(seed);
    for (name, words) in [
        ("db", "replicas=1 image=ok label:bramble.volume_affinity=true"),
        (
            "web",
            "replicas=5 image=ok order=start-first action=rollback label:bramble.rebalance=true label:bramble.depends_on=db",
        ),
        (
            "api",
            "replicas=4 image=ok parallelism=2 action=pause max=2 label:bramble.rebalance=true",
        ),
        (
            "pack",
            "replicas=4 image=ok action=continue memory=150 label:bramble.strategy=binpack",
        ),
        (
            "luck",
            "replicas=3 image=ok parallelism=0 action=rollback label:bramble.strategy=random",
        ),
        (
            "soft",
            "replicas=2 image=ok constraint=node.labels.ssd_==~_true prefer=node.labels.room label:bramble.rebalance=true",
        ),
        ("each", "global image=ok action=continue"),
        ("once", "job=5/2 image=done:40"),
        (
            "nightly",
            "job=2/1 image=done:300 label:bramble.schedule=0_3_*_*_*",
        ),
        (
            "sweep",
            "global-job image=done:20 label:bramble.schedule=TZ=Europe/Berlin_30_*/8_*_*_*",
        ),
    ] {
        let words: Vec<&str> = words.split(' ').collect();
        spec::create(&mut world, name, &words);
    }
    let end = world.start + SignedDuration::from_hours(24 * days as i64);
    let peace = SignedDuration::from_hours(24 * 7.min(days as i64 - 1));
    let mut due = world.start + peace;
    let mut count = 0_u64;
    while world.now < end {
        chance(&mut world, &mut rng);
        count += 1;
        // Most things happen hours apart, some all at once.
        let gap = if rng.random_bool(0.4) {
            rng.random_range(0..40)
        } else {
            rng.random_range(60..4 * 3_600)
        };
        world.pass(SignedDuration::from_secs(gap));
        if world.now > due {
            due = world.now + peace;
            heal(&mut world);
            for name in ["db", "web", "api", "pack", "luck", "soft", "each"] {
                spec::change(&mut world, name, &["image=ok", "force"]);
            }
            rest(&mut world);
        }
    }
    format!(
        "{count} events, {} transactions, {} decisions",
        world.commits,
        world.told.len()
    )
}

/// Something happens.
fn chance(world: &mut World, rng: &mut StdRng) {
    let board = rng.random_range(1..=world.view.nodes().count());
    let services = ["db", "web", "api", "pack", "luck", "soft", "each"];
    let service = services[rng.random_range(0..services.len())];
    match rng.random_range(0..17) {
        0 | 1 => world.board_is(board, NodeState::Down),
        2..=4 => world.board_is(board, NodeState::Ready),
        5 => drained(world, board, true),
        6 | 7 => drained(world, board, false),
        8 => fail(world, rng.random_range(0..20)),
        9 => world.new_leader(),
        10 => {
            let replicas = rng.random_range(0..7);
            let name = ["web", "api", "luck", "pack"][rng.random_range(0..4)];
            spec::change(world, name, &[&format!("replicas={replicas}")]);
        }
        11 | 12 => {
            let images = ["ok", "new", "newer", "missing", "stuck", "crash:20"];
            let image = format!("image={}", images[rng.random_range(0..images.len())]);
            spec::change(world, service, &[&image, "force"]);
        }
        13 => spec::roll_back(world, service),
        15 => {
            let ails = rng.random_bool(0.5);
            world.ails(board, ails.then_some(Ailment::UnderVoltage));
        }
        14 => {
            let (key, value) =
                [("ssd", "true"), ("ssd", "no"), ("room", "a"), ("room", "b")][rng.random_range(0..4)];
            world.edit_node(board, |node| {
                node.spec.labels.insert(key.to_owned(), value.to_owned());
            });
        }
        _ => {
            let name = ["once", "nightly"][rng.random_range(0..2)];
            if rng.random_bool(0.5) {
                spec::change(world, name, &["force"]);
            } else if let Some(old) = world.service(name) {
                world.commit(Transaction::new().remove(old.clone()));
                let mut again = old;
                again.id = format!("{name}{}", world.view.index()).as_str().into();
                again.job_status = None;
                world.commit(Transaction::new().create(again));
            }
        }
    }
}
