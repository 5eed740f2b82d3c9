//! A member's life: its tasks, its session, its part in the quorum, its certificate.

use crate::lock::Waited;
use crate::node::{Command, Node, Trouble};
use crate::standing::Standing;
use crate::uplink::Links;
use crate::{deposit, lock, quorum, renewal};
use agent::{Board as Tasks, Ended, Self_};
use exec::Executor;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// How long a manager that leaves waits for the others to let it go.
const FAREWELL: Duration = Duration::from_secs(10);
/// How long tasks may take to end when the board leaves: the default grace, and time to clean up.
const TASKS_END: Duration = Duration::from_secs(40);

/// How a member's life ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// The daemon stops; containers go on.
    Shutdown,
    /// A user said so.
    Left,
    /// The managers do not know this node any more.
    Removed,
    /// Another board has this identity.
    Cloned,
}

/// Lives as a member.
///
/// # Errors
/// If the disk can't be used.
pub async fn live(
    node: &Arc<Node>,
    executor: &Arc<dyn Executor>,
    commands: &mut mpsc::Receiver<Command>,
    shutdown: &CancellationToken,
) -> anyhow::Result<End> {
    let clock = node.clock.clone();
    let config = agent::Config {
        dir: node.board.state.join("agent"),
        run: node.config.run_dir.clone(),
        boot: node.board.boot.clone(),
        now: Arc::new(move || clock.now()),
    };
    let tasks = Tasks::open(config, executor.clone()).await?;
    let me = Self_ {
        board: node.board.key.clone(),
        listen: node.listen,
        holding: node.holding.subscribe(),
        tls: node.tls_info.subscribe(),
        unfit: node.unfit.clone(),
        turns: node.turns.clone(),
    };
    node.tasks.send_replace(Some(tasks.clone()));
    let uplink = Links(node.clone());
    let live = async {
        // Its tasks run already.
        if *node.standing.borrow() == Standing::Locked {
            match lock::wait(node, commands).await {
                Waited::Unlocked => {}
                Waited::Left => return End::Left,
                Waited::Over => return End::Shutdown,
            }
        }
        tokio::select! {
        ended = agent::run(tasks.clone(), me, &uplink, &node.orders) => match ended {
            Ended::Removed(why) => {
                tracing::warn!(%why, "removed from the cluster");
                End::Removed
            }
            Ended::Cloned(why) => {
                tracing::warn!(%why, "this identity is another board's");
                End::Cloned
            }
        },
        end = obey(node, commands) => end,
        never = quorum::follow_orders(node) => match never {},
        never = renewal::in_time(node, &uplink) => match never {},
        never = renewal::follow_trust(node, &uplink) => match never {},
        never = remember_managers(node) => match never {},
        never = lock::keep(node) => match never {},
        never = deposit::keep(node) => match never {},
        }
    };
    // Boxed: a whole life's state.
    let end = tokio::select! {
        () = shutdown.cancelled() => End::Shutdown,
        end = Box::pin(live) => end,
    };
    match end {
        End::Shutdown => tasks.close().await,
        _ => match tokio::time::timeout(TASKS_END, tasks.leave()).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%error, "assignments not forgotten"),
            Err(_) => tracing::warn!("some tasks did not end in time: they are removed at the next start"),
        },
    }
    node.tasks.send_replace(None);
    quorum::close(node).await;
    Ok(end)
}

/// Carries out what users tell a member to do; ends when it is to leave.
async fn obey(node: &Arc<Node>, commands: &mut mpsc::Receiver<Command>) -> End {
    while let Some(command) = commands.recv().await {
        match command {
            Command::Init(_, done) => drop(done.send(Err(Trouble::already_in()))),
            Command::Join(_, done) => drop(done.send(Err(Trouble::already_in()))),
            Command::GoOnAlone { advertise, done } => {
                let address = advertise.unwrap_or_else(|| node.address());
                drop(done.send(quorum::go_on_alone(node, address).await));
            }
            Command::Unlock(_, done) => drop(done.send(Err(Trouble::not_locked()))),
            Command::Leave { force, done } => match may_leave(node, force).await {
                Ok(()) => {
                    let _ = done.send(Ok(()));
                    return End::Left;
                }
                Err(trouble) => drop(done.send(Err(trouble))),
            },
        }
    }
    End::Shutdown
}

/// A worker may always go. A manager goes by force, and is let out of the quorum first if that can be done.
async fn may_leave(node: &Node, force: bool) -> Result<(), Trouble> {
    let Some(manager) = node.manager.borrow().clone() else {
        return Ok(());
    };
    let voters = manager
        .store()
        .standing()
        .borrow()
        .members
        .iter()
        .filter(|member| member.voter)
        .count();
    if !force {
        let consequence = match voters {
            0 | 1 => "Removing the last manager erases all current state of the swarm.",
            2 => {
                "Removing this node leaves 1 manager out of 2. Without a Raft quorum your swarm will be inaccessible."
            }
            _ => {
                "The only way to leave a swarm in good order is to demote this node first (docker node demote)."
            }
        };
        return Err(Trouble::Standing(format!(
            "You are attempting to leave the swarm on a node that is participating as a manager. {consequence} Use \
             `--force` to ignore this message. "
        )));
    }
    if voters > 1 {
        let out = tokio::time::timeout(FAREWELL, quorum::ask_out(node)).await;
        tracing::info!(asked = ?out.is_ok(), "leaving the quorum");
    }
    Ok(())
}

/// Keeps on disk where the managers are: this is how a board finds its cluster again.
async fn remember_managers(node: &Arc<Node>) -> std::convert::Infallible {
    let mut orders = node.orders.subscribe();
    loop {
        let parse =
            |manager: &wire::proto::Manager| Some((manager.node.clone(), manager.address.parse().ok()?));
        let mut managers: Vec<_> = orders
            .borrow_and_update()
            .managers
            .iter()
            .filter_map(parse)
            .collect();
        // Which of them leads changes more often than who they are: not worth a write.
        managers.sort();
        if !managers.is_empty()
            && let Err(error) = node.keep(|kept| kept.managers = managers)
        {
            tracing::warn!(error = format!("{error:#}"), "managers' addresses not kept");
        }
        if orders.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
