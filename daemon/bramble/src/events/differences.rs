//! What happened, told as the difference between two looks at the cluster. Pure.

use api::backend::Event;
use model::{Node, Service, Timestamp};
use serde::Serialize;
use std::collections::BTreeMap;

/// An object as events tell of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    version: u64,
    name: String,
    /// What is told when it changes (`replicas.old`, `replicas.new`), in Docker's words.
    facts: BTreeMap<&'static str, String>,
}

/// All objects that events tell of, by kind and id.
pub(super) type World = BTreeMap<(&'static str, String), Seen>;

/// An object of which only its name is told.
pub(super) fn named(name: &str, version: u64) -> Seen {
    Seen {
        version,
        name: name.to_owned(),
        facts: BTreeMap::new(),
    }
}

/// A service.
pub(super) fn service(service: &Service) -> Seen {
    let mut seen = named(&service.spec.name, service.meta.version.index);
    let container = service.spec.task_template.container_spec.as_ref();
    let facts = [
        ("image", container.and_then(|container| container.image.clone())),
        (
            "replicas",
            service
                .spec
                .mode
                .replicated
                .and_then(|mode| mode.replicas)
                .map(|count| count.to_string()),
        ),
        (
            "updatestate",
            service.update_status.as_ref().map(|status| word(&status.state)),
        ),
    ];
    seen.facts
        .extend(facts.into_iter().filter_map(|(name, fact)| Some((name, fact?))));
    seen
}

/// A node, as the leader sees it.
pub(super) fn node(node: &Node) -> Seen {
    let mut seen = named(&node.description.hostname, node.meta.version.index);
    let manager = node.manager_status.as_ref();
    let facts = [
        ("availability", Some(word(&node.spec.availability))),
        ("role", Some(word(&node.membership.role))),
        ("state", Some(word(&node.status.state))),
        ("leader", manager.map(|manager| manager.leader.to_string())),
        ("reachability", manager.map(|manager| word(&manager.reachability))),
    ];
    seen.facts
        .extend(facts.into_iter().filter_map(|(name, fact)| Some((name, fact?))));
    seen
}

/// A word of the API.
fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(serde_json::Value::String(word)) => word,
        _ => String::new(),
    }
}

/// What happened between two looks.
pub(super) fn differences(before: &World, after: &World, at: Timestamp) -> Vec<Event> {
    let event = |(kind, id): &(&'static str, String), action, attributes| Event {
        kind,
        action,
        id: id.clone(),
        attributes,
        at,
    };
    let name = |seen: &Seen| BTreeMap::from([("name".to_owned(), seen.name.clone())]);
    let changed = after.iter().filter_map(|(key, new)| match before.get(key) {
        None => Some(event(key, "create", name(new))),
        Some(old) if old == new => None,
        Some(old) => {
            let mut attributes = name(new);
            attributes.extend(changes(old, new));
            Some(event(key, "update", attributes))
        }
    });
    let gone = before.iter().filter(|(key, _)| !after.contains_key(*key));
    changed
        .chain(gone.map(|(key, old)| event(key, "remove", name(old))))
        .collect()
}

/// Facts that are others now. Of an update's state also the first is told; of all else only what changed.
fn changes(old: &Seen, new: &Seen) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for (name, fact) in &new.facts {
        match old.facts.get(name) {
            Some(before) if before != fact => {
                all.push((format!("{name}.old"), before.clone()));
                all.push((format!("{name}.new"), fact.clone()));
            }
            None if *name == "updatestate" => all.push((format!("{name}.new"), fact.clone())),
            _ => {}
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Replicated, UpdateStatus};

    fn world(objects: &[(&'static str, Seen)]) -> World {
        objects
            .iter()
            .map(|(kind, seen)| ((*kind, "x".to_owned()), seen.clone()))
            .collect()
    }

    fn told(before: &World, after: &World) -> Vec<String> {
        differences(before, after, Timestamp::UNIX_EPOCH)
            .into_iter()
            .map(|event| {
                let attributes: Vec<_> = event
                    .attributes
                    .iter()
                    .map(|(key, value)| format!("{key}={value}"))
                    .collect();
                format!("{} {} ({})", event.kind, event.action, attributes.join(", "))
            })
            .collect()
    }

    #[test]
    fn services_are_told_in_dockers_words() {
        let mut spec = Service::default();
        spec.spec.name = "w".into();
        spec.spec.mode.replicated = Some(Replicated { replicas: Some(2) });
        let none = World::new();
        let one = world(&[("service", service(&spec))]);
        spec.meta.version.index = 2;
        spec.spec.mode.replicated = Some(Replicated { replicas: Some(1) });
        let two = world(&[("service", service(&spec))]);
        spec.meta.version.index = 3;
        spec.update_status = Some(UpdateStatus::default());
        let three = world(&[("service", service(&spec))]);
        assert_eq!(told(&none, &one), ["service create (name=w)"]);
        assert_eq!(
            told(&one, &two),
            ["service update (name=w, replicas.new=1, replicas.old=2)"]
        );
        assert_eq!(
            told(&two, &three),
            ["service update (name=w, updatestate.new=updating)"]
        );
        assert_eq!(told(&three, &none), ["service remove (name=w)"]);
        assert!(told(&three, &three).is_empty());
    }

    #[test]
    fn a_nodes_state_is_told_though_the_store_does_not_know_it() {
        let mut board = Node::default();
        board.description.hostname = "pi".into();
        let before = world(&[("node", node(&board))]);
        board.status.state = model::NodeState::Ready;
        let after = world(&[("node", node(&board))]);
        assert_eq!(
            told(&before, &after),
            ["node update (name=pi, state.new=ready, state.old=unknown)"]
        );
    }
}
