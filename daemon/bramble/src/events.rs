//! What happens in the cluster, told as differences between two views of the store.

use api::backend::{Event, Stream};
use manager::Manager;
use model::Timestamp;
use pki::Clock;
use state::View;
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Events that may wait for a reader.
const QUEUE: usize = 256;

/// Follows the store until the reader goes.
pub fn follow(manager: Manager, clock: Clock) -> Stream<Event> {
    let (out, events) = mpsc::channel(QUEUE);
    tokio::spawn(async move {
        let mut views = manager.store().watch();
        let mut known = views.borrow_and_update().clone();
        loop {
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return },
                () = out.closed() => return,
            }
            let view = views.borrow_and_update().clone();
            for event in differences(&known, &view, clock.now()) {
                if out.send(Ok(event)).await.is_err() {
                    return;
                }
            }
            known = view;
        }
    });
    Box::pin(ReceiverStream::new(events))
}

/// An object as events tell of it: its version and its name.
type Seen = BTreeMap<(&'static str, String), (u64, String)>;

fn seen(view: &View) -> Seen {
    let services = view.services().map(|service| {
        (
            ("service", service.id.to_string()),
            (service.meta.version.index, service.spec.name.clone()),
        )
    });
    let nodes = view.nodes().map(|node| {
        (
            ("node", node.id.to_string()),
            (node.meta.version.index, node.description.hostname.clone()),
        )
    });
    // Of a network, what boards and tasks are given in it is not news.
    let networks = view.networks().map(|network| {
        (
            ("network", network.id.to_string()),
            (0, network.spec.name.clone()),
        )
    });
    services.chain(nodes).chain(networks).collect()
}

fn differences(before: &View, after: &View, at: Timestamp) -> Vec<Event> {
    let (old, new) = (seen(before), seen(after));
    let event = |kind, id: &str, action, name: &str| Event {
        kind,
        action,
        id: id.to_owned(),
        attributes: [("name".to_owned(), name.to_owned())].into(),
        at,
    };
    let changed =
        new.iter().filter_map(
            |((kind, id), (version, name))| match old.get(&(*kind, id.clone())) {
                None => Some(event(kind, id, "create", name)),
                Some((known, _)) if known != version => Some(event(kind, id, "update", name)),
                Some(_) => None,
            },
        );
    let gone = old.iter().filter(|(key, _)| !new.contains_key(key));
    changed
        .chain(gone.map(|((kind, id), (_, name))| event(kind, id, "remove", name)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use state::Transaction;

    #[test]
    fn created_updated_removed() {
        let mut service = model::Service {
            id: "s".into(),
            ..Default::default()
        };
        service.spec.name = "web".into();
        let none = View::default();
        let one = none.apply(1, Transaction::new().create(service)).unwrap();
        let kept = (**one.service(&"s".into()).unwrap()).clone();
        let two = one.apply(2, Transaction::new().update(kept)).unwrap();
        let actions = |before: &View, after: &View| {
            differences(before, after, Timestamp::UNIX_EPOCH)
                .iter()
                .map(|event| event.action)
                .collect::<Vec<_>>()
        };
        assert_eq!(actions(&none, &one), ["create"]);
        assert_eq!(actions(&one, &two), ["update"]);
        assert_eq!(actions(&two, &none), ["remove"]);
        assert!(actions(&two, &two).is_empty());
    }
}
