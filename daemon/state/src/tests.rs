//! Transactions take effect whole or not at all, and versions guard every object.

use crate::{Conflict, Key, Transaction, View};
use model::{Service, Task};
use proptest::prelude::*;

fn service(id: &str, name: &str) -> Service {
    let mut service = Service {
        id: id.into(),
        ..Service::default()
    };
    service.spec.name = name.into();
    service
}

fn task(id: &str, service: &str, node: Option<&str>) -> Task {
    Task {
        id: id.into(),
        service_id: service.into(),
        node_id: node.map(Into::into),
        ..Task::default()
    }
}

fn with(objects: impl FnOnce(&mut Transaction) -> &mut Transaction) -> Transaction {
    let mut transaction = Transaction::new();
    objects(&mut transaction);
    transaction
}

#[test]
fn a_stale_update_is_refused_and_nothing_of_its_transaction_happens() {
    let view = View::default()
        .apply(1, &with(|t| t.create(service("a", "web"))))
        .unwrap();
    let first = (**view.service(&"a".into()).unwrap()).clone();
    let view = view.apply(2, &with(|t| t.update(first.clone()))).unwrap();
    let refused = view.apply(3, &with(|t| t.create(service("b", "db")).update(first)));
    assert_eq!(refused, Err(Conflict::Stale(Key::Service("a".into()))));
    assert_eq!(view.services().count(), 1);
    assert_eq!(view.service(&"a".into()).unwrap().meta.version.index, 2);
}

#[test]
fn a_name_is_given_once() {
    let view = View::default()
        .apply(1, &with(|t| t.create(service("a", "web"))))
        .unwrap();
    let refused = view.apply(2, &with(|t| t.create(service("b", "web"))));
    assert_eq!(refused, Err(Conflict::NameTaken("web".into())));
}

#[test]
fn removing_needs_the_version_too() {
    let view = View::default()
        .apply(1, &with(|t| t.create(service("a", "web"))))
        .unwrap();
    let refused = view.apply(2, &with(|t| t.remove(service("a", "web"))));
    assert_eq!(refused, Err(Conflict::Stale(Key::Service("a".into()))));
    let current = (**view.service(&"a".into()).unwrap()).clone();
    assert!(view.apply(2, &with(|t| t.remove(current))).unwrap().is_empty());
}

#[test]
fn a_snapshot_comes_back_equal() {
    let view = View::default()
        .apply(
            1,
            &with(|t| t.create(service("a", "web")).create(task("t", "a", Some("n")))),
        )
        .unwrap();
    let text = serde_json::to_string(&view).unwrap();
    assert_eq!(serde_json::from_str::<View>(&text).unwrap(), view);
}

proptest! {
    /// Whatever tasks come, move to a node and go: both indexes say what the table says.
    #[test]
    fn indexes_follow_the_table(steps in prop::collection::vec((0..6u8, 0..3u8, 0..3u8, 0..3u8), 0..60)) {
        let mut view = View::default();
        for (index, (id, service, node, verb)) in steps.into_iter().enumerate() {
            let (id, service) = (id.to_string(), service.to_string());
            let mut new = task(&id, &service, Some(node.to_string().as_str()).filter(|_| node > 0));
            if let Some(old) = view.task(&new.id) {
                new.meta.version = old.meta.version;
            }
            let transaction = with(|t| match verb { 0 => t.create(new), 1 => t.update(new), _ => t.remove(new) });
            view = view.apply(index as u64 + 1, &transaction).unwrap_or(view);
            for task in view.tasks() {
                prop_assert!(view.tasks_of_service(&task.service_id).any(|t| t.id == task.id));
                if let Some(node) = &task.node_id {
                    prop_assert!(view.tasks_of_node(node).any(|t| t.id == task.id));
                }
            }
            prop_assert_eq!(view.tasks_of_service.values().map(|ids| ids.len()).sum::<usize>(), view.tasks().count());
            prop_assert_eq!(
                view.tasks_of_node.values().map(|ids| ids.len()).sum::<usize>(),
                view.tasks().filter(|task| task.node_id.is_some()).count()
            );
        }
    }
}
