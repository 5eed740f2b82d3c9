//! Whether this daemon really lives, and the hardware watchdog that is fed only while it does.
//!
//! Three signs of life, each of which passes through what has to work: a timer and a thread of the runtime (this loop itself,
//! and the write to the device), a turn of the agent's loop, an answer of the store's core. What is not there (an agent outside
//! of a cluster, the store of a worker) can't be dead. One that shows no life for [`PATIENCE`] ends the feeding, and the
//! hardware restarts the board: half a daemon would hold on to its tasks and serve nobody.

use crate::node::Node;
use crate::standing::Standing;
use board::{Files, Watchdog};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The device, below the root of the kernel's files.
const DEVICE: &str = "dev/watchdog0";
/// Between two meals, unless the hardware is hungrier.
const MEAL: Duration = Duration::from_secs(10);
/// What may take long and is no death: addresses that don't answer, a card that is slow, tasks that are taken over.
const PATIENCE: Duration = Duration::from_secs(180);

/// Feeds the watchdog until shutdown, and stops it then.
pub async fn guard(node: Arc<Node>, shutdown: CancellationToken) {
    if !node.config.watchdog {
        return;
    }
    let device = Files::below(&node.config.board_root).path(DEVICE);
    let opened = tokio::task::spawn_blocking(move || Watchdog::open(&device)).await;
    let mut watchdog = match opened {
        Ok(Ok(watchdog)) => watchdog,
        Ok(Err(error)) => {
            return tracing::warn!(%error, "the hardware watchdog can't be used: a daemon that hangs will not restart the board");
        }
        Err(_) => return,
    };
    let timeout = watchdog.timeout();
    tracing::info!(?timeout, "feeding the hardware watchdog");
    let meal = timeout.map_or(MEAL, |timeout| (timeout / 4).clamp(Duration::from_secs(1), MEAL));
    let mut vitals = Vitals::new(Instant::now());
    loop {
        match vitals.judge(look(&node, &shutdown).await, Instant::now()) {
            Ok(()) => {
                let fed = tokio::task::spawn_blocking(move || {
                    let fed = watchdog.feed();
                    (watchdog, fed)
                });
                let Ok((back, fed)) = fed.await else { return };
                watchdog = back;
                if let Err(error) = fed {
                    tracing::warn!(%error, "the hardware watchdog does not eat");
                }
            }
            Err(dead) => tracing::error!(dead, "not fed: the hardware watchdog will restart this board"),
        }
        tokio::select! {
            () = shutdown.cancelled() => break,
            () = tokio::time::sleep(meal) => {}
        }
    }
    if let Err(error) = watchdog.release() {
        tracing::warn!(%error, "the hardware watchdog was not stopped");
    }
}

/// What was seen at one look; absent: there is no such thing now.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// Turns of the agent's loop so far.
    turns: Option<u64>,
    /// Whether the store's core answered.
    store: Option<bool>,
}

async fn look(node: &Node, shutdown: &CancellationToken) -> Seen {
    let agent = *node.standing.borrow() == Standing::In && !shutdown.is_cancelled();
    let store = match node.store() {
        Some(store) => Some(tokio::time::timeout(MEAL / 2, store.answers()).await.is_ok()),
        None => None,
    };
    Seen {
        turns: agent.then(|| node.turns.count()),
        store,
    }
}

/// When each sign of life was seen last.
struct Vitals {
    turns: Option<u64>,
    agent: Instant,
    store: Instant,
}

impl Vitals {
    fn new(now: Instant) -> Self {
        Self {
            turns: None,
            agent: now,
            store: now,
        }
    }

    /// Whether all that is there lives; else what is dead.
    fn judge(&mut self, seen: Seen, now: Instant) -> Result<(), &'static str> {
        if seen.turns.is_none() || seen.turns != self.turns {
            self.agent = now;
        }
        self.turns = seen.turns;
        if seen.store != Some(false) {
            self.store = now;
        }
        if now - self.agent >= PATIENCE {
            return Err("the agent's loop");
        }
        if now - self.store >= PATIENCE {
            return Err("the store");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(turns: Option<u64>, store: Option<bool>) -> Seen {
        Seen { turns, store }
    }

    #[tokio::test(start_paused = true)]
    async fn what_stands_still_for_too_long_is_dead() {
        let begin = Instant::now();
        let mut vitals = Vitals::new(begin);
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(vitals.judge(seen(Some(1), Some(true)), at(10)), Ok(()));
        assert_eq!(vitals.judge(seen(Some(1), Some(true)), at(189)), Ok(()));
        assert_eq!(
            vitals.judge(seen(Some(1), Some(true)), at(190)),
            Err("the agent's loop")
        );
        // It was only slow.
        assert_eq!(vitals.judge(seen(Some(2), Some(false)), at(200)), Ok(()));
        assert_eq!(
            vitals.judge(seen(Some(3), Some(false)), at(370)),
            Err("the store")
        );
        assert_eq!(vitals.judge(seen(Some(4), Some(true)), at(371)), Ok(()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_not_there_is_not_dead() {
        let begin = Instant::now();
        let mut vitals = Vitals::new(begin);
        let at = |seconds| begin + Duration::from_secs(seconds);
        assert_eq!(vitals.judge(seen(Some(7), Some(true)), at(0)), Ok(()));
        assert_eq!(vitals.judge(seen(None, None), at(1000)), Ok(()));
        // A board that comes back has all its time again.
        assert_eq!(vitals.judge(seen(Some(7), None), at(1010)), Ok(()));
        assert_eq!(vitals.judge(seen(Some(7), None), at(1100)), Ok(()));
    }
}
