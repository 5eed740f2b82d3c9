//! What happens to containers and images here, and what their health checks say: kept for as long as the daemon runs.

use crate::health::{Check, Health};
use crate::probe::Answer;
use model::{LocalEvent, LocalHealth, LocalProbe, Timestamp};
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::broadcast;

/// Events that are kept for those who ask later (Docker's number).
const PAST: usize = 256;
/// Health checks that are kept of each container (Docker's number).
const CHECKS: usize = 5;

/// What happened and what is known of it.
pub(crate) struct Scene {
    told: broadcast::Sender<LocalEvent>,
    past: Mutex<VecDeque<LocalEvent>>,
    health: Mutex<HashMap<String, LocalHealth>>,
}

impl Default for Scene {
    fn default() -> Self {
        Self {
            told: broadcast::channel(PAST).0,
            past: Mutex::default(),
            health: Mutex::default(),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Scene {
    /// Tells of an event.
    pub fn tell(&self, event: LocalEvent) {
        let mut past = lock(&self.past);
        if past.len() == PAST {
            past.pop_front();
        }
        past.push_back(event.clone());
        // Sent under the lock: whoever begins to listen gets each event once. Nobody may be listening.
        let _ = self.told.send(event);
    }

    /// Events that are kept, and those to come.
    pub fn listen(&self) -> (Vec<LocalEvent>, broadcast::Receiver<LocalEvent>) {
        let past = lock(&self.past);
        (past.iter().cloned().collect(), self.told.subscribe())
    }

    /// What a container's checks say.
    pub fn health(&self, id: &str) -> Option<LocalHealth> {
        lock(&self.health).get(id).cloned()
    }

    /// A container with a check has begun, or is found again.
    pub fn watch_health(&self, id: &str, well: bool) {
        let status = if well { "healthy" } else { "starting" };
        let fresh = || LocalHealth {
            status,
            ..LocalHealth::default()
        };
        lock(&self.health).entry(id.to_owned()).or_insert_with(fresh);
    }

    /// A check has been made; the status if it is another one now.
    pub fn note_check(
        &self,
        id: &str,
        check: &Check,
        answer: &Answer,
        start: Timestamp,
        health: &Health,
        unhealthy: bool,
    ) -> Option<&'static str> {
        let mut all = lock(&self.health);
        let known = all.entry(id.to_owned()).or_default();
        let output = match answer.code {
            None => format!("Health check exceeded timeout ({:?})", check.timeout),
            Some(_) => answer.output.clone(),
        };
        if known.log.len() == CHECKS {
            known.log.remove(0);
        }
        known.log.push(LocalProbe {
            start,
            end: Timestamp::now(),
            code: answer.code.map_or(-1, i64::from),
            output,
        });
        known.failing = health.streak();
        let status = match (unhealthy, health.well) {
            (true, _) => "unhealthy",
            (false, true) => "healthy",
            (false, false) => "starting",
        };
        let changed = known.status != status;
        known.status = status;
        changed.then_some(status)
    }

    /// A container is gone.
    pub fn forget(&self, id: &str) {
        lock(&self.health).remove(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_kept_up_to_a_bound() {
        let scene = Scene::default();
        let event = |number: usize| LocalEvent {
            kind: "container",
            action: "start".to_owned(),
            id: number.to_string(),
            attributes: model::Labels::new(),
            at: Timestamp::UNIX_EPOCH,
        };
        for number in 0..PAST + 3 {
            scene.tell(event(number));
        }
        let (past, mut live) = scene.listen();
        assert_eq!((past.len(), past[0].id.as_str()), (PAST, "3"));
        scene.tell(event(7));
        assert_eq!(live.try_recv().unwrap().id, "7");
        assert!(live.try_recv().is_err());
    }
}
