//! What happens in the cluster, and what happened lately.
//!
//! Every manager writes down what it sees, the leader's soft knowledge of nodes included, so that `docker events --since`
//! has an answer, also from a new leader. In memory only, and bounded.

mod differences;

use api::backend::{Event, Events};
use differences::World;
use futures::StreamExt as _;
use manager::Manager;
use model::Timestamp;
use pki::Clock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::BroadcastStream;
use tokio_stream::wrappers::errors::BroadcastStreamRecvError;

/// Events kept.
const KEPT: usize = 1_000;
/// Events that may wait for a reader.
const QUEUE: usize = 256;
/// Between two looks: nodes report often, and nobody reads faster.
const PAUSE: Duration = Duration::from_millis(50);

/// What happened lately.
#[derive(Clone)]
pub struct History {
    kept: Arc<Mutex<VecDeque<Event>>>,
    live: broadcast::Sender<Event>,
}

impl History {
    /// Written by every manager that this board is, until its end.
    pub fn follow(managers: watch::Receiver<Option<Manager>>, clock: Clock) -> Self {
        let history = Self {
            kept: Arc::default(),
            live: broadcast::channel(QUEUE).0,
        };
        tokio::spawn(history.clone().write(managers, clock));
        history
    }

    async fn write(self, mut managers: watch::Receiver<Option<Manager>>, clock: Clock) {
        loop {
            let manager = managers.borrow_and_update().clone();
            let end = match manager {
                // Another cluster's past is not this one's.
                Some(manager) => {
                    self.lock().clear();
                    tokio::select! {
                        () = self.watch(&manager, &clock) => managers.changed().await,
                        end = managers.changed() => end,
                    }
                }
                None => managers.changed().await,
            };
            if end.is_err() {
                return;
            }
        }
    }

    /// Looks whenever something changed; ends with the store.
    async fn watch(&self, manager: &Manager, clock: &Clock) {
        let (mut views, mut reports) = (manager.store().watch(), manager.reported());
        let mut known = look(manager);
        loop {
            tokio::select! {
                changed = views.changed() => if changed.is_err() { return },
                changed = reports.changed() => if changed.is_err() { return },
            }
            let seen = look(manager);
            for event in differences::differences(&known, &seen, clock.now()) {
                self.note(event);
            }
            known = seen;
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn note(&self, event: Event) {
        let mut kept = self.lock();
        if kept.len() == KEPT {
            kept.pop_front();
        }
        kept.push_back(event.clone());
        // Told under the lock, so that a reader gets each event once. Fails only if nobody listens.
        let _ = self.live.send(event);
    }

    /// What happened from `since` on, and what will.
    pub fn read(&self, since: Option<Timestamp>) -> Events {
        let kept = self.lock();
        let past = since.map(|since| kept.iter().filter(|event| event.at >= since).cloned().collect());
        let live = BroadcastStream::new(self.live.subscribe());
        drop(kept);
        let coming = live.map(|event| {
            event.map_err(|BroadcastStreamRecvError::Lagged(count)| {
                format!("{count} events came too fast to be told")
            })
        });
        Events {
            past: past.unwrap_or_default(),
            coming: Box::pin(coming),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, VecDeque<Event>> {
        // Nothing in here panics half way through a change.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The cluster as this manager knows it now.
fn look(manager: &Manager) -> World {
    let seen = manager.seen();
    let view = &seen.view;
    let mut world = World::new();
    world.extend(
        view.services()
            .map(|one| (("service", one.id.to_string()), differences::service(one))),
    );
    world.extend(
        view.nodes()
            .map(|one| (("node", one.id.to_string()), differences::node(&seen.node(one)))),
    );
    let named = |kind, id: String, name: &str, version| ((kind, id), differences::named(name, version));
    let secrets = view.secrets();
    world.extend(secrets.map(|one| {
        named(
            "secret",
            one.id.to_string(),
            &one.spec.name,
            one.meta.version.index,
        )
    }));
    let configs = view.configs();
    world.extend(configs.map(|one| {
        named(
            "config",
            one.id.to_string(),
            &one.spec.name,
            one.meta.version.index,
        )
    }));
    // Of a network, what boards and tasks are given in it is not news.
    let networks = view.networks();
    world.extend(networks.map(|one| named("network", one.id.to_string(), &one.spec.name, 0)));
    world
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(second: i64) -> Event {
        Event {
            kind: "service",
            action: "create",
            id: second.to_string(),
            attributes: Default::default(),
            at: Timestamp::from_second(second).unwrap(),
        }
    }

    #[tokio::test]
    async fn the_past_is_bounded_and_the_present_follows_it() {
        let (_managers, none) = watch::channel(None);
        let history = History::follow(none, Clock::system());
        for second in 0..1_100 {
            history.note(event(second));
        }
        assert_eq!(history.read(Timestamp::from_second(0).ok()).past.len(), KEPT);
        let read = history.read(Timestamp::from_second(1_098).ok());
        assert_eq!(read.past, [event(1_098), event(1_099)]);
        assert!(history.read(None).past.is_empty());
        history.note(event(2_000));
        let next: Vec<_> = read.coming.take(1).collect().await;
        assert_eq!(next, [Ok(event(2_000))]);
    }
}
