use super::*;
use proptest::prelude::*;

fn card(board: &str, role: Role) -> Card {
    Card {
        board: board.into(),
        hostname: board.into(),
        cluster: "home".into(),
        role,
        port: 2377,
        ..Card::default()
    }
}

fn step(me: &str, others: &[Card], expected: Option<usize>, quiet: u64, promised: Option<&str>) -> Step {
    let me = card(me, Role::New);
    decide(&Situation {
        me: &me,
        others,
        expected,
        quiet_for: Duration::from_secs(quiet),
        promised,
    })
}

#[test]
fn a_cluster_in_sight_is_joined_by_its_managers_first() {
    let others = [
        card("c", Role::Worker),
        card("d", Role::Manager),
        card("a", Role::New),
    ];
    assert_eq!(
        step("b", &others, Some(3), 0, None),
        Step::Join(vec!["d".into(), "c".into()])
    );
}

#[test]
fn another_cluster_is_none_of_our_business() {
    let mut other = card("a", Role::Manager);
    other.cluster = "office".into();
    assert!(matches!(step("b", &[other], None, 9, None), Step::Ask { .. }));
}

#[test]
fn the_lowest_board_asks_at_once_when_all_are_here() {
    let others = [card("b", Role::New), card("c", Role::New)];
    assert_eq!(
        step("a", &others, Some(3), 0, None),
        Step::Ask {
            boards: vec!["b".into(), "c".into()],
            needed: 1
        }
    );
    assert!(matches!(
        step("b", &[card("a", Role::New)], Some(2), 9, None),
        Step::Wait(_, Because::Candidate(_))
    ));
}

#[test]
fn without_a_number_a_board_listens_first_and_then_needs_all() {
    let others = [card("b", Role::New)];
    assert!(matches!(
        step("a", &others, None, 1, None),
        Step::Wait(_, Because::Listening)
    ));
    assert_eq!(
        step("a", &others, None, 3, None),
        Step::Ask {
            boards: vec!["b".into()],
            needed: 1
        }
    );
    assert_eq!(
        step("a", &[], None, 3, None),
        Step::Ask {
            boards: vec![],
            needed: 0
        }
    );
}

#[test]
fn less_than_a_majority_of_those_expected_waits() {
    assert!(matches!(
        step("a", &[], Some(3), 99, None),
        Step::Wait(_, Because::TooFew { seen: 1, needed: 2 })
    ));
}

#[test]
fn a_board_that_left_founds_nothing() {
    assert!(matches!(
        step("b", &[card("a", Role::Left)], None, 9, None),
        Step::Ask { .. }
    ));
}

#[test]
fn a_promise_holds_until_it_is_old() {
    let held = |seconds| Promise {
        board: "a".into(),
        age: Duration::from_secs(seconds),
    };
    assert_eq!(grant("b", Some(&held(1))), Err("a".into()));
    assert_eq!(grant("a", Some(&held(1))), Ok(()));
    assert_eq!(grant("b", Some(&held(31))), Ok(()));
    assert!(matches!(
        step("c", &[], None, 9, Some("a")),
        Step::Wait(_, Because::Promised(_))
    ));
}

/// One board of the simulation.
#[derive(Clone, Debug)]
struct Sim {
    name: String,
    starts: u64,
    heard: Vec<(u64, usize)>,
    promise: Option<(String, u64)>,
    member: Option<usize>,
}

proptest! {
    /// Boards that start at any times and hear of each other late always make one cluster when a majority of the number
    /// expected must promise.
    #[test]
    fn boards_in_any_order_make_one_cluster(
        count in 1..7usize,
        starts in prop::collection::vec(0..20u64, 7),
        delays in prop::collection::vec(0..12u64, 49),
        lost in prop::collection::vec(prop::bool::weighted(0.3), 400),
    ) {
        let mut boards: Vec<Sim> = (0..count).map(|i| Sim {
            name: format!("b{i}"),
            starts: starts[i],
            heard: (0..count).filter(|j| *j != i)
                .map(|j| (starts[i].max(starts[j]) + delays[i * 7 + j], j)).collect(),
            promise: None,
            member: None,
        }).collect();
        let mut founders = Vec::new();
        let mut loss = lost.iter().cycle();
        for now in 0..200u64 {
            for i in 0..count {
                if boards[i].starts > now || boards[i].member.is_some() {
                    continue;
                }
                let sight: Vec<usize> = boards[i].heard.iter().filter(|(at, _)| *at <= now).map(|(_, j)| *j).collect();
                let others: Vec<Card> = sight.iter()
                    .map(|j| card(&boards[*j].name, if boards[*j].member.is_some() { Role::Manager } else { Role::New }))
                    .collect();
                let last = boards[i].heard.iter().map(|(at, _)| *at).filter(|at| *at <= now).max();
                let quiet = now - last.unwrap_or(boards[i].starts);
                let promised = boards[i].promise.clone().filter(|(_, at)| now - at < 30).map(|(board, _)| board);
                let me = card(&boards[i].name, Role::New);
                let situation = Situation {
                    me: &me, others: &others, expected: Some(count),
                    quiet_for: Duration::from_secs(quiet), promised: promised.as_deref(),
                };
                match decide(&situation) {
                    Step::Wait(..) => {}
                    Step::Join(members) => {
                        let index: usize = members[0][1..].parse().unwrap();
                        boards[i].member = boards[index].member;
                    }
                    Step::Ask { boards: asked, needed } => {
                        boards[i].promise = Some((boards[i].name.clone(), now));
                        let mut granted = 0;
                        for name in asked {
                            let j: usize = name[1..].parse().unwrap();
                            if *loss.next().unwrap() || boards[j].starts > now || boards[j].member.is_some() {
                                continue;
                            }
                            let held = boards[j].promise.clone()
                                .map(|(board, at)| Promise { board, age: Duration::from_secs(now - at) });
                            if grant(&boards[i].name, held.as_ref()).is_ok() {
                                boards[j].promise = Some((boards[i].name.clone(), now));
                                granted += 1;
                            }
                        }
                        if granted >= needed {
                            founders.push(i);
                            boards[i].member = Some(i);
                        }
                    }
                }
            }
        }
        prop_assert_eq!(founders.len(), 1, "{:?}", boards);
        prop_assert!(boards.iter().all(|board| board.member == Some(founders[0])), "{:?}", boards);
    }
}
