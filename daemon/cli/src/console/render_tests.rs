//! The screen, as it looks.

use super::*;
use model::{BoardSystem, BoardTasks};

fn leader() -> View {
    let seen = |name: &str, role: &str| BoardSeen {
        name: name.into(),
        cluster: Some("home".into()),
        role: role.into(),
        trouble: None,
    };
    let report = BoardReport {
        name: "kitchen".into(),
        model: Some("Raspberry Pi 4 Model B Rev 1.4".into()),
        addresses: vec!["192.168.1.10".into()],
        state: BoardState::Leader,
        cluster: Some("home".into()),
        nodes: Some(3),
        managers: Some(1),
        seen: vec![seen("attic", "worker"), seen("cellar", "worker")],
        tasks: Some(BoardTasks {
            wanted: 4,
            running: 3,
        }),
        readings: serde_json::from_str(r#"{"TemperatureCelsius": 51.6}"#).unwrap(),
        system: BoardSystem {
            version: "0.1.0".into(),
            image: Some("2026.11".into()),
            ..BoardSystem::default()
        },
        ..BoardReport::default()
    };
    View {
        name: report.name.clone(),
        addresses: report.addresses.clone(),
        report: Some(report),
        ssh: true,
        ..View::default()
    }
}

fn text(view: &View, width: usize, height: usize) -> String {
    let lines = render(view, width, height);
    assert!(lines.len() <= height);
    assert!(lines.iter().all(|line| line.text.chars().count() <= width));
    let shown = |line: Line| format!("{}{}\n", if line.strong { "*" } else { " " }, line.text);
    lines
        .into_iter()
        .map(shown)
        .map(|line| line.trim_end().to_owned() + "\n")
        .collect()
}

#[test]
fn a_leader() {
    let expected = "\
*kitchen  -  Raspberry Pi 4 Model B Rev 1.4

 State        leader: decides for the cluster
 Address      192.168.1.10
 Cluster      home (3 boards, 1 manager)
 In sight     attic (worker), cellar (worker)
 Tasks        3 of 4 run
 Temperature  52 C
 System       bramble 0.1.0, image 2026.11

*What next
   docker -H ssh://root@192.168.1.10 node ls
   docker -H ssh://root@192.168.1.10 service create --name web --publish 80:80
   nginx
   ssh root@192.168.1.10
";
    assert_eq!(text(&leader(), 80, 24), expected);
}

#[test]
fn forming_with_a_mistake_on_the_card() {
    let mut view = leader();
    view.ssh = false;
    view.problems = vec!["bramble.toml, line 3: bords = 3: unknown key bords (did you mean boards?)".into()];
    let report = view.report.as_mut().unwrap();
    (
        report.state,
        report.expected,
        report.nodes,
        report.managers,
        report.tasks,
    ) = (BoardState::Searching, Some(4), None, None, None);
    report.seen[1].role = "left".into();
    report.seen[0].trouble = Some("x".into());
    let expected = "\
*kitchen  -  Raspberry Pi 4 Model B Rev 1.4

 State        forming: 2 of 4 boards are here
 Address      192.168.1.10
 Cluster      home
 In sight     attic (worker, trouble), cellar (left)
 Temperature  52 C
 System       bramble 0.1.0, image 2026.11

*Problems
*  bramble.toml, line 3: bords = 3: unknown key bords (did you mean
*  boards?)

*What next
   Switch on the other boards. Their cards have the same cluster and
   join-key.
";
    assert_eq!(text(&view, 70, 24), expected);
}

#[test]
fn the_daemon_is_down() {
    let view = View {
        name: "kitchen".into(),
        silence: "/run/docker.sock: is bramble running here?".into(),
        ..View::default()
    };
    let expected = "\
*kitchen  -  bramble

 State        the daemon does not answer (/run/docker.sock: is bramble running
              here?)
 Address      none yet: no cable, no Wi-Fi, or no answer from the network

*What next
   It is started again by itself. If it stays so: journalctl -u bramble
   To log in, put ssh-keys = [\"ssh-ed25519 ...\"] into bramble.toml on the card
   and start again.
";
    assert_eq!(text(&view, 80, 24), expected);
}

#[test]
fn many_problems_leave_room_for_what_to_do() {
    let mut view = leader();
    view.problems = (1..40)
        .map(|line| format!("bramble.toml, line {line}: wrong\u{1b}[2J"))
        .collect();
    let shown = text(&view, 80, 24);
    assert!(
        shown.contains("line 6: wrong [2J\n   and 33 more: bramble.toml"),
        "{shown}"
    );
    assert!(shown.ends_with("ssh root@192.168.1.10\n"), "{shown}");
    for (width, height) in [(20, 5), (1, 1), (40, 12), (200, 60)] {
        let lines = render(&view, width, height);
        assert!(lines.len() <= height);
    }
}

#[test]
fn every_state_says_what_to_do() {
    for state in [
        BoardState::Idle,
        BoardState::Searching,
        BoardState::Worker,
        BoardState::Manager,
        BoardState::Leader,
        BoardState::Trouble,
        BoardState::Locked,
    ] {
        let mut view = leader();
        view.report.as_mut().unwrap().state = state;
        assert!(!next(&view).is_empty(), "{state:?}");
        assert!(text(&view, 80, 24).contains("What next"));
    }
}
