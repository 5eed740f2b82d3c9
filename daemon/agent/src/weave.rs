//! Makes the board's part of the cluster's networks so: always the newest that was told, over and over until it is.

use crate::board::Inner;
use exec::Fabric;
use model::{NetworkId, Task};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pauses between tries.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);

/// What the board's networks are to be, and are.
pub(crate) struct Loom {
    wanted: watch::Sender<Option<Arc<Fabric>>>,
    state: watch::Sender<State>,
}

/// How far the board has come.
#[derive(Clone, Debug, Default)]
pub(crate) struct State {
    /// What is in effect.
    pub woven: Option<Arc<Fabric>>,
    /// Why what is wanted is not.
    pub trouble: Option<String>,
}

impl Loom {
    /// Begins with what was told before the daemon started.
    pub fn new(fabric: Option<Fabric>) -> Self {
        Self {
            wanted: watch::channel(fabric.map(Arc::new)).0,
            state: watch::channel(State::default()).0,
        }
    }

    /// Wants something else.
    pub fn want(&self, fabric: Arc<Fabric>) {
        self.wanted.send_replace(Some(fabric));
    }

    /// Tells whenever the board has come further.
    pub fn state(&self) -> watch::Receiver<State> {
        self.state.subscribe()
    }

    /// What a task waits for: the first of its networks that the board has not, with the reason where there is one. None
    /// if it has them all.
    pub fn lacks(&self, task: &Task) -> Option<String> {
        lacks(&self.state.borrow(), task)
    }
}

fn lacks(state: &State, task: &Task) -> Option<String> {
    let known = |id: &NetworkId| {
        let woven = state.woven.as_ref();
        woven.is_some_and(|fabric| fabric.networks.iter().any(|network| network.id == *id))
    };
    let missing = task.held().iter().find(|held| !known(&held.network.id))?;
    let trouble = state.trouble.as_ref().map(|text| format!(": {text}"));
    Some(format!(
        "network {} is not on this board yet{}",
        missing.network.spec.name,
        trouble.unwrap_or_default()
    ))
}

/// Ends when the board has all networks of a task.
pub(crate) async fn ready(state: &mut watch::Receiver<State>, task: &Task) {
    if state
        .wait_for(|state| lacks(state, task).is_none())
        .await
        .is_err()
    {
        // The board closes: it stops us from outside.
        std::future::pending::<()>().await;
    }
}

/// Weaves until the board closes. What is told while it does is woven next; what was told in between never is.
pub(crate) async fn run(inner: Arc<Inner>) {
    let mut wanted = inner.loom.wanted.subscribe();
    let mut pause = FIRST_PAUSE;
    loop {
        let fabric = wanted.borrow_and_update().clone();
        let outcome = match &fabric {
            Some(fabric) => inner.executor.weave(fabric.clone()).await,
            None => Ok(()),
        };
        match outcome {
            Ok(()) => {
                pause = FIRST_PAUSE;
                inner.loom.state.send_replace(State {
                    woven: fabric,
                    trouble: None,
                });
                if wanted.changed().await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::warn!(%error, "networks not woven yet");
                let text = error.to_string();
                inner.loom.state.send_modify(|state| state.trouble = Some(text));
                tokio::select! {
                    changed = wanted.changed() => if changed.is_err() { return },
                    () = tokio::time::sleep(pause) => {}
                }
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
        }
    }
}
