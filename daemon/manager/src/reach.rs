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
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::MissedTickBehavior;

/// A node that gave no sign of life for so long is knocked at. Beats come every second.
const SILENT: Duration = Duration::from_millis(1800);
/// How often it is looked who is silent.
const ROUND: Duration = Duration::from_millis(400);
/// No answer within this time is none: on a LAN it takes a millisecond, and a lost packet is sent again after 200 ms.
const PATIENCE: Duration = Duration::from_millis(900);
/// Knocks at the same time.
const AT_ONCE: usize = 64;

/// Knocks at silent nodes for as long as this node leads.
pub(crate) async fn watch(manager: &Inner) {
    let mut rounds = tokio::time::interval(ROUND);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        rounds.tick().await;
        let view = manager.store.view();
        let silent = manager.soft.silent(&view, SILENT).into_iter();
        let address = |id: NodeId| Some((view.node(&id)?.membership.address?, id));
        let doors: Vec<_> = silent.filter_map(address).collect();
        let answers = futures::stream::iter(doors)
            .map(|(address, id)| async move { (id, answers(address).await) })
            .buffer_unordered(AT_ONCE);
        let answers: Vec<(NodeId, bool)> = answers.collect().await;
        for (id, answers) in answers {
            manager.soft.knocked(&id, answers);
        }
    }
}

/// True if anybody is there.
async fn answers(address: SocketAddr) -> bool {
    match tokio::time::timeout(PATIENCE, TcpStream::connect(address)).await {
        Ok(Ok(_)) => true,
        Ok(Err(error)) => matches!(
            error.kind(),
            std::io::ErrorKind::ConnectionRefused | std::io::ErrorKind::ConnectionReset
        ),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_refusal_is_an_answer() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        assert!(answers(address).await);
        drop(listener);
        assert!(answers(address).await);
        // TCP has no broadcast: the kernel refuses without sending anything.
        assert!(!answers("255.255.255.255:9".parse().unwrap()).await);
    }
}
