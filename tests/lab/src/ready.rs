//! Whether the boards have become a cluster, seen from each of them through its own Engine API.

use std::fmt;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::Board;

/// How far a board has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// Its daemon does not run.
    Off,
    /// Its API does not answer.
    Starting,
    /// It answers, but the cluster is not complete in its eyes: what is missing.
    Forming(String),
    /// It sees every board Ready, and as many managers in reach as a cluster of that size keeps.
    Ready,
}

impl fmt::Display for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Standing::Off => f.write_str("not running"),
            Standing::Starting => f.write_str("starting"),
            Standing::Forming(missing) => write!(f, "forming: {missing}"),
            Standing::Ready => f.write_str("ready"),
        }
    }
}

impl Standing {
    /// Asks a board of a cluster that should have `boards` boards.
    pub(crate) fn of(board: &Board, boards: usize) -> Self {
        if board.daemon_pid().is_none() {
            return Standing::Off;
        }
        let Ok(info) = board.api("GET", "/info", None) else {
            return Standing::Starting;
        };
        match judge(board, &info.body, boards) {
            Ok(None) => Standing::Ready,
            Ok(Some(missing)) => Standing::Forming(missing),
            Err(error) => Standing::Forming(format!("{error:#}")),
        }
    }
}

fn judge(board: &Board, info: &str, boards: usize) -> Result<Option<String>> {
    let info: Value = serde_json::from_str(info).with_context(|| format!("/info says {info:?}"))?;
    let swarm = &info["Swarm"];
    let state = swarm["LocalNodeState"].as_str().unwrap_or_default();
    if state != "active" {
        let error = swarm["Error"].as_str().unwrap_or_default();
        return Ok(Some(format!("{state} {error}").trim().to_owned()));
    }
    if swarm["ControlAvailable"] != true {
        // A worker is not told of the others. Whether one is still to become a manager, the managers know.
        return Ok(None);
    }
    let nodes = board.api("GET", "/nodes", None)?.ok()?.json()?;
    Ok(missing(
        nodes.as_array().map(Vec::as_slice).unwrap_or_default(),
        boards,
    ))
}

/// What the list of nodes lacks of a complete cluster.
fn missing(nodes: &[Value], boards: usize) -> Option<String> {
    let count = |pointer: &str, value: Value| {
        nodes
            .iter()
            .filter(|one| one.pointer(pointer) == Some(&value))
            .count()
    };
    let ready = count("/Status/State", "ready".into());
    let managers = count("/ManagerStatus/Reachability", "reachable".into());
    let leaders = count("/ManagerStatus/Leader", true.into());
    let wanted = managers_of(boards);
    if ready < boards {
        Some(format!("{ready} of {boards} boards ready"))
    } else if leaders != 1 {
        Some("no leader".to_owned())
    } else if managers < wanted {
        Some(format!("{managers} of {wanted} managers"))
    } else {
        None
    }
}

/// How many managers a cluster of that size keeps by itself.
fn managers_of(boards: usize) -> usize {
    match boards {
        0..=2 => 1,
        3..=6 => 3,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(state: &str, manager: Option<bool>) -> Value {
        let mut node = json!({ "Status": { "State": state } });
        if let Some(leader) = manager {
            node["ManagerStatus"] = json!({ "Reachability": "reachable" });
            if leader {
                node["ManagerStatus"]["Leader"] = true.into();
            }
        }
        node
    }

    #[test]
    fn a_cluster_is_complete_with_all_boards_a_leader_and_its_managers() {
        let (leader, manager, worker) = (
            node("ready", Some(true)),
            node("ready", Some(false)),
            node("ready", None),
        );
        let said = |nodes: &[&Value], boards| {
            missing(
                &nodes.iter().map(|one| (*one).clone()).collect::<Vec<_>>(),
                boards,
            )
        };
        assert_eq!(said(&[&leader, &manager, &manager], 3), None);
        assert_eq!(said(&[&leader, &worker], 2), None);
        assert_eq!(said(&[&leader, &manager, &manager, &worker], 4), None);
        assert_eq!(said(&[&leader, &manager, &worker], 3).unwrap(), "2 of 3 managers");
        assert_eq!(said(&[&manager, &manager, &manager], 3).unwrap(), "no leader");
        assert_eq!(
            said(&[&leader, &node("down", Some(false)), &manager], 3).unwrap(),
            "2 of 3 boards ready"
        );
        assert_eq!(said(&[], 1).unwrap(), "0 of 1 boards ready");
    }
}
