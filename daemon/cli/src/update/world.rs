//! The cluster as the Engine API tells it, and what is done to its nodes.

use super::step::{Board, Cluster};
use crate::door::{Door, Refused};
use anyhow::Context as _;
use http::Method;
use model::{Availability, Node, NodeState, Reachability, Service, Task};
use serde_json::Value;
use std::collections::BTreeSet;

/// The node label of a board that is being updated: its availability before.
const MARK: &str = "bramble.updating";
/// Labels of its engine (see `slots::facts`, which writes them).
const VERSION: &str = "bramble.system";
const TRIAL: &str = "bramble.trial";
const IMPOSSIBLE: &str = "bramble.update.impossible";
const FAILED: &str = "bramble.update.failed";

/// Tries of a change that somebody else's change gets in the way of.
const TRIES: usize = 5;

/// The cluster now. `lacking_before`: services that lacked tasks when the run began, by id.
pub(crate) async fn look(door: &Door, lacking_before: &BTreeSet<String>) -> anyhow::Result<Cluster> {
    let nodes: Vec<Node> = door.json(Method::GET, "/nodes", None).await?;
    let mut boards: Vec<Board> = nodes.iter().map(board).collect();
    for board in boards.iter_mut().filter(|board| board.mark.is_some()) {
        board.tasks = tasks(door, &board.id).await?;
    }
    let lacking = lacking(door).await?;
    let lacking = lacking.into_iter().filter(|(id, _)| !lacking_before.contains(id));
    Ok(Cluster {
        boards,
        lacking: lacking.map(|(_, words)| words).collect(),
    })
}

/// Services that lack tasks: id, and words.
pub(crate) async fn lacking(door: &Door) -> anyhow::Result<Vec<(String, String)>> {
    let services: Vec<Service> = door.json(Method::GET, "/services?status=true", None).await?;
    let lacks = |service: Service| {
        let status = service.service_status?;
        let (runs, wanted) = (status.running_tasks, status.desired_tasks);
        let words = format!("{} {runs}/{wanted}", service.spec.name);
        (!service.spec.is_job() && runs < wanted).then(|| (service.id.to_string(), words))
    };
    Ok(services.into_iter().filter_map(lacks).collect())
}

/// Tasks that are still on a node, whatever is wanted of them.
async fn tasks(door: &Door, node: &str) -> anyhow::Result<usize> {
    let filters = serde_json::json!({ "node": [node] }).to_string();
    let filters: String = form_urlencoded::byte_serialize(filters.as_bytes()).collect();
    let tasks: Vec<Task> = door
        .json(Method::GET, &format!("/tasks?filters={filters}"), None)
        .await?;
    Ok(tasks.iter().filter(|task| !task.status.state.is_final()).count())
}

fn board(node: &Node) -> Board {
    let none = Default::default();
    let labels = node.description.engine.labels.as_ref().unwrap_or(&none);
    let manager = node.manager_status.as_ref();
    let reached = manager.is_none_or(|manager| manager.reachability == Reachability::Reachable);
    Board {
        id: node.id.to_string(),
        name: node.description.hostname.clone(),
        manager: manager.is_some(),
        leader: manager.is_some_and(|manager| manager.leader),
        ready: node.status.state == NodeState::Ready && reached,
        availability: node.spec.availability,
        version: labels.get(VERSION).cloned(),
        trial: labels.get(TRIAL).is_some_and(|trial| trial == "true"),
        impossible: labels.get(IMPOSSIBLE).cloned(),
        failed: labels.get(FAILED).cloned(),
        mark: node.spec.labels.get(MARK).map(|before| parse(before)),
        tasks: 0,
    }
}

fn parse(availability: &str) -> Availability {
    serde_json::from_value(Value::String(availability.to_owned())).unwrap_or_default()
}

/// Marks a node and drains it, in one change.
///
/// # Errors
/// In the API's words.
pub(crate) async fn begin(door: &Door, id: &str) -> anyhow::Result<()> {
    change(door, id, |node| {
        let before = serde_json::to_value(node.spec.availability).unwrap_or_default();
        let before = before.as_str().unwrap_or("active").to_owned();
        node.spec.labels.entry(MARK.to_owned()).or_insert(before);
        node.spec.availability = Availability::Drain;
    })
    .await
}

/// Takes the mark away and lets tasks run as before; what a person changed meanwhile stays.
///
/// # Errors
/// In the API's words.
pub(crate) async fn restore(door: &Door, id: &str) -> anyhow::Result<()> {
    change(door, id, |node| {
        let before = node.spec.labels.remove(MARK);
        if let (Some(before), Availability::Drain) = (before, node.spec.availability) {
            node.spec.availability = parse(&before);
        }
    })
    .await
}

async fn change(door: &Door, id: &str, how: impl Fn(&mut Node)) -> anyhow::Result<()> {
    let mut tries = 0;
    loop {
        let mut node: Node = door.json(Method::GET, &format!("/nodes/{id}"), None).await?;
        how(&mut node);
        let path = format!("/nodes/{id}/update?version={}", node.meta.version.index);
        let spec = serde_json::to_value(&node.spec).context("a node's spec")?;
        tries += 1;
        match door.ask(Method::POST, &path, Some(spec)).await {
            Ok(_) => return Ok(()),
            Err(error) if tries < TRIES && out_of_sequence(&error) => {}
            Err(error) => return Err(error),
        }
    }
}

fn out_of_sequence(error: &anyhow::Error) -> bool {
    let refused = error.downcast_ref::<Refused>();
    refused.is_some_and(|refused| refused.message.contains("out of sequence"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_says_what_an_update_must_know() {
        let node = serde_json::json!({
            "ID": "n1", "Version": { "Index": 3 },
            "Spec": { "Role": "manager", "Availability": "drain", "Labels": { MARK: "pause" } },
            "Description": { "Hostname": "kitchen",
                "Engine": { "Labels": { VERSION: "1", TRIAL: "true", FAILED: "no" } } },
            "Status": { "State": "ready" },
            "ManagerStatus": { "Leader": true, "Reachability": "reachable", "Addr": "10.0.0.1:2377" },
        });
        let board = board(&serde_json::from_value(node).unwrap());
        assert!(board.manager && board.leader && board.ready && board.trial);
        assert_eq!(
            (board.version.as_deref(), board.failed.as_deref()),
            (Some("1"), Some("no"))
        );
        assert_eq!(
            (board.availability, board.mark),
            (Availability::Drain, Some(Availability::Pause))
        );
    }
}
