//! Which boards can be reached, seen sooner than by missed beats: the mesh sends nobody to a board that is gone.
//!
//! Silence has two causes. A daemon that was killed leaves a kernel behind which refuses connections at once, and containers that
//! go on serving: nothing is to change. A board without power or cable doesn't answer at all. So whoever is silent is
//! knocked at: any answer, a refusal too, means that the board is there.
//!
//! Only the mesh looks at this. Tasks are not moved before a node is down by its beats (swarm.md 1.8).

use crate::Inner;
use futures::StreamExt as _;
use model::NodeId;
use std::collections::BTreeMap;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How often it is looked who is silent.
const ROUND: Duration = Duration::from_millis(200);
/// Who has just answered is not asked again so soon: a daemon that hangs does not take its callers in, and the kernel
/// answers only for as many as may wait for that.
const ANSWERED: Duration = Duration::from_secs(1);
/// Knocks at the same time.
const AT_ONCE: usize = 64;

/// Knocks at silent nodes for as long as this node leads.
pub(crate) async fn watch(manager: &Inner) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut answered: BTreeMap<NodeId, Instant> = BTreeMap::new();
    loop {
        rounds.tick().await;
        let view = manager.store.view();
        answered.retain(|_, at| at.elapsed() < ANSWERED);
        let silent = manager.soft.silent(&view, wire::SILENCE).into_iter();
        let silent = silent.filter(|id| !answered.contains_key(id));
        let address = |id: NodeId| Some((view.node(&id)?.membership.address?, id));
        let doors: Vec<_> = silent.filter_map(address).collect();
        let mut answers = futures::stream::iter(doors)
            .map(|(address, id)| async move { (id, wire::knock(address).await) })
            .buffer_unordered(AT_ONCE);
        while let Some((id, answers)) = answers.next().await {
            manager.soft.knocked(&id, answers);
            if answers {
                answered.insert(id, Instant::now());
            }
        }
    }
}
