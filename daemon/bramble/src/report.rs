//! This board for whoever stands before it: `GET /bramble/board`.

use crate::node::Node;
use crate::standing::Standing;
use crate::{addresses, facts};
use model::{BoardReport, BoardSeen, BoardState, BoardSystem, BoardTasks, NodeRole, TaskState};

/// What the image says of itself (image/README.md).
const RELEASE: &str = "/etc/bramble/release";

/// Other boards that are told of.
const SEEN: usize = 64;

/// What this board knows of itself and of its cluster now.
pub fn gather(node: &Node) -> BoardReport {
    let standing = node.standing.borrow().clone();
    let (kept, orders) = (node.kept.borrow().clone(), node.orders.borrow().clone());
    let member = matches!(standing, Standing::In | Standing::Locked);
    let cluster = if member {
        Some(kept.cluster.clone())
    } else {
        node.config.cluster.clone()
    };
    let mut report = BoardReport {
        name: node.config.hostname.clone(),
        addresses: addresses::own(node.config.advertise.as_ref())
            .iter()
            .map(ToString::to_string)
            .collect(),
        cluster: cluster.filter(|name| !name.is_empty()),
        node_id: member.then(|| node.identity.borrow().node_id().to_owned()),
        expected: node.config.boards,
        seen: seen(node),
        system: system(),
        ..BoardReport::default()
    };
    (report.state, report.problems) = state(node);
    let slots = slots::facts(node.installer.paths());
    report
        .problems
        .extend(slots.into_iter().flat_map(|facts| facts.problems));
    report.tasks = node.tasks.borrow().as_ref().map(tasks);
    let hardware = node.hardware.borrow().clone();
    report.model.clone_from(&hardware.facts.model);
    report.serial.clone_from(&hardware.facts.serial);
    report.problems.extend(hardware.condition.problems());
    if let Ok(serde_json::Value::Object(readings)) = serde_json::to_value(&hardware.readings) {
        report.readings = readings;
    }
    report.problems.extend(node.problems.borrow().iter().cloned());
    if standing == Standing::In && !orders.managers.is_empty() {
        report.managers = Some(orders.managers.len());
    }
    if let Some(store) = node.store() {
        let view = store.view();
        report.nodes = Some(view.nodes().count());
        let managers = view
            .nodes()
            .filter(|node| node.membership.role == NodeRole::Manager);
        report.managers = Some(managers.count());
    }
    report
}

/// Where this board stands, and what keeps it from doing its part there.
pub fn state(node: &Node) -> (BoardState, Vec<String>) {
    let mut problems: Vec<String> = node.trouble.borrow().clone().into_iter().collect();
    let state = match *node.standing.borrow() {
        Standing::Out => BoardState::Idle,
        Standing::Pending => BoardState::Searching,
        Standing::Locked => {
            problems.insert(0, crate::lock::LOCKED.to_owned());
            BoardState::Locked
        }
        Standing::In => {
            let orders = node.orders.borrow();
            let silent = orders.trouble.clone().filter(|_| !orders.connected);
            let cut_off = silent.is_some();
            problems.extend(silent.map(|why| format!("no session with a manager: {why}")));
            let quorum = node.store().map(|store| store.standing().borrow().clone());
            match quorum {
                None if node.kept.borrow().is_manager() => BoardState::Trouble,
                Some(quorum) if quorum.leader.is_none() => {
                    problems
                        .push("no manager leads: more than half of the managers must be there".to_owned());
                    BoardState::Trouble
                }
                _ if cut_off => BoardState::Trouble,
                None => BoardState::Worker,
                Some(quorum) if quorum.i_lead => BoardState::Leader,
                Some(_) => BoardState::Manager,
            }
        }
    };
    (state, problems)
}

fn tasks(board: &agent::Board) -> BoardTasks {
    let wanted: Vec<_> = board
        .tasks()
        .into_iter()
        .filter(|task| task.desired_state == TaskState::Running)
        .collect();
    let done = [TaskState::Running, TaskState::Complete];
    BoardTasks {
        wanted: wanted.len(),
        running: wanted
            .iter()
            .filter(|task| done.contains(&task.status.state))
            .count(),
    }
}

/// Who else is on the LAN.
fn seen(node: &Node) -> Vec<BoardSeen> {
    let said = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let mut all: Vec<BoardSeen> = node
        .sightings
        .borrow()
        .iter()
        .map(|sighting| BoardSeen {
            name: sighting.card.hostname.clone(),
            cluster: said(&sighting.card.cluster),
            role: sighting.card.role.as_str().to_owned(),
            trouble: said(&sighting.card.trouble),
        })
        .collect();
    all.sort();
    all.truncate(SEEN);
    all
}

fn system() -> BoardSystem {
    BoardSystem {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        image: facts::value(RELEASE, "VERSION"),
        compatible: facts::value(RELEASE, "COMPATIBLE"),
        operating_system: facts::value(facts::OS_RELEASE, "PRETTY_NAME")
            .unwrap_or_else(|| "Linux".to_owned()),
        kernel: facts::kernel(),
        architecture: facts::architecture(),
    }
}
