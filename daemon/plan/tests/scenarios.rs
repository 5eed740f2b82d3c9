//! Stories of a cluster, told in a few lines each: `scenarios/*.story`. Behind a line with `show` or `why` stands what the
//! cluster looks like, or what was decided since; `BLESS=1 cargo test -p bramble-plan --test scenarios` writes it anew.

#![allow(clippy::unwrap_used, reason = "a test may stop where it finds nonsense")]

mod world;

use model::*;
use state::Transaction;
use std::fmt::Write as _;
use std::path::Path;
use world::{World, spec};

#[test]
fn stories_go_as_they_are_told() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/scenarios");
    let mut stories: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    stories.sort();
    assert!(!stories.is_empty());
    let mut wrong = Vec::new();
    for path in stories {
        let told = std::fs::read_to_string(&path).unwrap();
        let played = play(&told);
        if played != told {
            if std::env::var_os("BLESS").is_some() {
                std::fs::write(&path, &played).unwrap();
            } else {
                wrong.push(format!("{} goes like this:\n{played}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The story with what really happens behind each question.
fn play(told: &str) -> String {
    let mut world = World::new(0, 7);
    let (mut out, mut heard) = (String::new(), 0);
    for line in told.lines().filter(|line| !line.starts_with("  ")) {
        writeln!(out, "{line}").unwrap();
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["#", ..] => {}
            ["why"] => {
                for (at, reason) in &world.told[heard..] {
                    let since = at.duration_since(world.start).as_secs();
                    writeln!(out, "  {since} s: {}", nameless(&world, &reason.to_string())).unwrap();
                }
                heard = world.told.len();
            }
            ["show", name] => show(&world, name, &mut out),
            _ => act(&mut world, &words),
        }
    }
    out
}

fn act(world: &mut World, words: &[&str]) {
    let number = |word: &str| word.parse::<usize>().expect("a board's number");
    match words {
        ["boards", count] => (1..=number(count)).for_each(|number| world.join(number)),
        ["join", board] => world.join(number(board)),
        ["create", name, rest @ ..] => spec::create(world, name, rest),
        ["update", name, rest @ ..] => spec::change(world, name, rest),
        ["rollback", name] => spec::roll_back(world, name),
        ["remove", name] => {
            let service = world.service(name).unwrap();
            world.commit(Transaction::new().remove(service));
        }
        ["down", board] => world.board_is(number(board), NodeState::Down),
        ["up", board] => world.board_is(number(board), NodeState::Ready),
        ["ails", board, ailment] => world.ails(number(board), Some((*ailment).into())),
        ["well", board] => world.ails(number(board), None),
        ["drain", board] => {
            world.edit_node(number(board), |node| node.spec.availability = Availability::Drain)
        }
        ["active", board] => world.edit_node(number(board), |node| {
            node.spec.availability = Availability::Active
        }),
        ["label", board, label] => {
            let (key, value) = label.split_once('=').unwrap();
            world.edit_node(number(board), |node| {
                node.spec.labels.insert(key.to_owned(), value.to_owned());
            });
        }
        ["memory", board, amount] => {
            let amount = amount.parse().ok();
            world.edit_node(number(board), |node| {
                node.description.resources.memory_bytes = amount
            });
        }
        ["network", name, "encrypted"] => {
            let options = [(ENCRYPTED_OPTION.to_owned(), String::new())].into();
            let mut network = Network {
                id: (*name).into(),
                meta: Meta::new(world.now),
                ..Network::default()
            };
            network.spec.name = (*name).to_owned();
            network.spec.driver_configuration = Some(Driver {
                name: Some("overlay".to_owned()),
                options: Some(options),
            });
            world.commit(Transaction::new().create(network));
        }
        ["wireguard", board, has] => {
            let key = (*has == "yes").then_some(WireguardKey([7; 32]));
            world.edit_node(number(board), |node| node.description.wireguard = key);
        }
        ["leaderless", time] => world.now += time.parse::<jiff::SignedDuration>().unwrap(),
        ["leader"] => world.new_leader(),
        ["pass", time] => world.pass(time.parse().unwrap()),
        other => panic!("{other:?} is not known"),
    }
}

fn show(world: &World, name: &str, out: &mut String) {
    let Some(service) = world.service(name) else {
        writeln!(out, "  no service {name}").unwrap();
        return;
    };
    if let Some(status) = &service.update_status {
        let state = serde_json::to_value(status.state).unwrap();
        let message = nameless(world, &status.message);
        writeln!(out, "  update {}: {message}", state.as_str().unwrap_or_default()).unwrap();
    }
    if let Some(job) = &service.job_status {
        let due = job.schedule.as_ref().and_then(|schedule| schedule.due);
        let due = due.map(|due| format!(", due {due}")).unwrap_or_default();
        writeln!(out, "  iteration {}{due}", job.job_iteration.index).unwrap();
        if let Some(message) = job
            .schedule
            .as_ref()
            .and_then(|schedule| schedule.message.as_ref())
        {
            writeln!(out, "  {message}").unwrap();
        }
    }
    for task in world.tasks(&service.id) {
        let board = task.node_id.as_ref().map_or("nowhere", |id| id.as_str());
        let place = task
            .slot
            .map_or_else(|| board.to_owned(), |slot| slot.to_string());
        let seen = world.seen(&task);
        let image = task
            .spec
            .container_spec
            .as_ref()
            .and_then(|spec| spec.image.as_deref())
            .unwrap_or_default();
        let err = seen.err.map(|err| format!(" ({err})")).unwrap_or_default();
        let desired = task.desired_state;
        writeln!(
            out,
            "  {name}.{place} {image} on {board}: {desired}, is {}{err}",
            seen.state
        )
        .unwrap();
    }
}

/// Tasks' identifiers are chance: a story has none.
fn nameless(world: &World, text: &str) -> String {
    let _ = world;
    let is_id =
        |word: &str| word.len() == 25 && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    let words = text.split(' ').map(|word| {
        let bare = word.trim_end_matches([':', ',', ';']);
        if is_id(bare) {
            word.replace(bare, "ID")
        } else {
            word.to_owned()
        }
    });
    words.collect::<Vec<_>>().join(" ")
}
