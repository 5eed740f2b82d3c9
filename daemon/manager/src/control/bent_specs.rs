//! Specs that users bend out of shape: whatever comes of them, nobody panics, neither here nor in the plans that follow.
//!
//! The bodies are those that the docker command really sends, with a few values replaced.

#[path = "../../../model/tests/bent/mod.rs"]
mod bent;

use super::*;
use bent::bent;
use model::{
    Cluster, ClusterSpec, Node, NodeId, NodeSpec, NodeState, ServiceSpec, TaskState, Timestamp, Version,
};
use plan::{NodeReport, Reports};
use proptest::prelude::*;
use rand::SeedableRng as _;
use serde::de::DeserializeOwned;
use serde_json::Value;
use state::{Transaction, View};

fn read<T: DeserializeOwned>(body: Value) -> Option<T> {
    serde_json::from_value(body).ok()
}

fn view() -> View {
    let mut first = Transaction::new();
    first.create(Cluster::default());
    let mut node = Node {
        id: "n1".into(),
        ..Node::default()
    };
    node.description.hostname = "board-1".into();
    node.description.resources.memory_bytes = Some(1 << 30);
    node.description.resources.nano_cpus = Some(4_000_000_000);
    first.create(node);
    View::default().apply(1, &first).unwrap()
}

/// A few rounds of planning in which the one board does all that it is told, or fails at all of it.
fn live(mut view: View, fails: bool, rng: &mut rand::rngs::StdRng) {
    let mut reports = Reports::default();
    let report = NodeReport {
        state: NodeState::Ready,
        ..NodeReport::default()
    };
    reports.nodes.insert(NodeId::from("n1"), report);
    for round in 0..6_i64 {
        let now = Timestamp::from_second(round * 100).unwrap();
        let plan = plan::plan(&view, &reports, now, rng);
        view = view.apply(view.index() + 1, &plan.changes).unwrap();
        for task in view.tasks().filter(|task| task.node_id.is_some()) {
            let mut status = task.status.clone();
            status.state = if fails {
                TaskState::Failed
            } else {
                task.desired_state
            };
            reports.tasks.insert(task.id.clone(), status);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_service(body in bent("ServiceSpec"), later in bent("ServiceSpec"), fails in any::<bool>()) {
        let mut rng = rand::rngs::StdRng::seed_from_u64(7);
        let Some(spec) = read::<ServiceSpec>(body) else { return Ok(()) };
        let view = view();
        let Ok((transaction, id)) = services::create(&view, spec, Timestamp::UNIX_EPOCH, &mut rng) else { return Ok(()) };
        let view = view.apply(view.index() + 1, &transaction).unwrap();
        live(view.clone(), fails, &mut rng);
        let Some(spec) = read::<ServiceSpec>(later) else { return Ok(()) };
        let version = view.service(&id).unwrap().meta.version;
        for wanted in [services::Wanted::Given, services::Wanted::Previous] {
            if let Ok(change) = services::update(&view, &id, version, spec.clone(), wanted, Timestamp::UNIX_EPOCH) {
                live(view.apply(view.index() + 1, &change).unwrap(), fails, &mut rng);
            }
        }
    }

    #[test]
    fn a_node(body in bent("NodeSpec"), version in any::<u64>()) {
        let Some(spec) = read::<NodeSpec>(body) else { return Ok(()) };
        let view = view();
        for index in [version, 0, 1] {
            let _ = nodes::update(&view, &"n1".into(), Version { index }, spec.clone(), Timestamp::UNIX_EPOCH);
        }
    }

    #[test]
    fn a_cluster(body in bent("ClusterSpec")) {
        let Some(spec) = read::<ClusterSpec>(body) else { return Ok(()) };
        let _ = settings::validate(&spec);
    }
}
