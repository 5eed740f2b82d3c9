//! Who is chosen to be a manager.

#![allow(clippy::unwrap_used, reason = "a test may stop where it finds nonsense")]

mod world;

use bramble_plan::{Reason, plan};
use jiff::SignedDuration;
use model::*;
use proptest::prelude::*;
use state::Transaction;
use world::{World, node_id};

/// A cluster that boards founded by themselves; the first one leads. Later boards came later.
fn founded(boards: usize) -> World {
    let mut world = World::new(0, 1);
    let mut cluster = (**world.view.cluster().unwrap()).clone();
    cluster.keys = Some(ClusterKeys {
        join_key: Some(Hidden::new("the key on the card".to_owned())),
        ..ClusterKeys::default()
    });
    world.commit(Transaction::new().update(cluster));
    for number in 1..=boards {
        world.join(number);
        world.now += SignedDuration::from_secs(10);
    }
    world.edit_node(1, |node| {
        node.spec.role = NodeRole::Manager;
        node.membership.role = NodeRole::Manager;
    });
    world.reports.leader = Some(node_id(1));
    world
}

fn label(world: &mut World, number: usize, name: &str, value: &str) {
    world.edit_node(number, |node| {
        let labels = node.description.engine.labels.get_or_insert_default();
        labels.insert(format!("bramble.{name}"), value.to_owned());
    });
}

/// The boards that are promoted now, in order.
fn promoted(world: &mut World) -> Vec<String> {
    let planned = plan(&world.view, &world.reports, world.now, &mut world.rng);
    let names = planned.because.into_iter().filter_map(|reason| match reason {
        Reason::Promoted { node, .. } => Some(node),
        _ => None,
    });
    names.collect()
}

#[test]
fn those_that_have_been_there_for_longest_if_nothing_else_is_known() {
    assert_eq!(promoted(&mut founded(4)), ["board-2", "board-3"]);
}

#[test]
fn wired_cool_boards_with_a_good_disk_go_before() {
    let mut world = founded(6);
    label(&mut world, 2, "wired", "false");
    label(&mut world, 3, "boot", "sd");
    label(&mut world, 4, "boot", "nvme");
    world.ails(5, Some(Ailment::Hot));
    // 4 and 6 have nothing against them; then comes the one with an SD card.
    assert_eq!(promoted(&mut world), ["board-4", "board-6"]);
    world.board_is(4, NodeState::Down);
    assert_eq!(promoted(&mut world), ["board-6", "board-3"]);
}

#[test]
fn nobody_loses_its_seat_to_a_better_one() {
    let mut world = founded(4);
    for number in 2..=3 {
        label(&mut world, number, "boot", "sd");
        world.edit_node(number, |node| {
            node.spec.role = NodeRole::Manager;
            node.membership.role = NodeRole::Manager;
        });
    }
    world.ails(2, Some(Ailment::UnderVoltage));
    label(&mut world, 4, "boot", "nvme");
    let planned = plan(&world.view, &world.reports, world.now, &mut world.rng);
    let changes = planned
        .because
        .iter()
        .filter(|reason| matches!(reason, Reason::Promoted { .. } | Reason::Demoted { .. }));
    assert_eq!(changes.count(), 0, "{:?}", planned.because);
}

proptest! {
    /// However the boards are: an odd number of managers, and as many as there should be.
    #[test]
    fn as_many_as_wanted_however_they_are(boards in 3..9usize, ill: [bool; 9], wired: [bool; 9], sd: [bool; 9]) {
        let mut world = founded(boards);
        for number in 2..=boards {
            world.ails(number, ill[number].then_some(Ailment::Hot));
            label(&mut world, number, "wired", &wired[number].to_string());
            label(&mut world, number, "boot", if sd[number] { "sd" } else { "usb" });
        }
        let wanted = if boards < 7 { 3 } else { 5 };
        let chosen = promoted(&mut world);
        prop_assert_eq!(chosen.len() + 1, wanted);
        // None that is ill was chosen while a well one was left.
        let number = |name: &String| name.trim_start_matches("board-").parse::<usize>().unwrap();
        let well = (2..=boards).filter(|number| !ill[*number]).count();
        let chosen_well = chosen.iter().filter(|name| !ill[number(name)]).count();
        prop_assert_eq!(chosen_well, well.min(wanted - 1));
    }
}
