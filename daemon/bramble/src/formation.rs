//! How boards with the same card become one cluster, with no hands: `discovery::founding` decides, this carries it out.

use crate::joining::{self, Pass, Refused};
use crate::life;
use crate::neighbours::reach;
use crate::node::Node;
use async_trait::async_trait;
use discovery::founding::{self, Promise, Situation, Step};
use discovery::{Card, Role, Sighting};
use exec::Executor;
use futures::future::join_all;
use manager::{Founding, Promises};
use model::Availability;
use pki::JoinKey;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// After a try that failed.
const AGAIN: Duration = Duration::from_secs(1);

/// Whom this board has promised to let found a cluster. In memory only: a board that restarts has not founded anything,
/// and promises are short.
#[derive(Default)]
pub struct Promised(Mutex<Option<(String, Instant)>>);

impl Promised {
    fn held(&self) -> Option<Promise> {
        let held = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let promise = held.map(|(board, at)| Promise {
            board,
            age: at.elapsed(),
        });
        promise.filter(|promise| promise.age < founding::PROMISE_LASTS)
    }

    /// Promises this board to `board`, unless it is promised to another.
    fn give(&self, board: &str) -> Result<(), String> {
        founding::grant(board, self.held().as_ref())?;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((board.to_owned(), Instant::now()));
        Ok(())
    }

    /// Forgets a promise to `board`: nothing came of it.
    fn take_back(&self, board: &str) {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take_if(|(held, _)| held == board);
    }
}

/// What other boards ask of this one before there is a cluster.
pub struct Keeper {
    /// The board.
    pub node: Arc<Node>,
    /// Its promise.
    pub promised: Arc<Promised>,
}

#[async_trait]
impl Promises for Keeper {
    fn join_key(&self) -> Option<JoinKey> {
        // A card with another key than its cluster's does not keep those out that have the right one.
        let known = self
            .node
            .store()
            .and_then(|store| store.view().cluster()?.keys.clone()?.join_key);
        let mine = self.node.config.join_key.as_ref();
        match (known, mine) {
            (Some(known), Some(mine)) if known.reveal() != mine.reveal() => None,
            _ => self.node.join_key.clone(),
        }
    }

    async fn promise(&self, cluster: &str, board: &str) -> Result<(), String> {
        if self.node.config.cluster.as_deref() != Some(cluster) || self.node.kept.borrow().left {
            return Err("another cluster".to_owned());
        }
        if self.node.kept.borrow().member {
            return Err("a cluster that is there already".to_owned());
        }
        self.promised.give(board)
    }
}

/// Joins or founds the card's cluster. Returns once this board is a member.
pub async fn form(node: &Arc<Node>, executor: &Arc<dyn Executor>) {
    let mut sightings = node.sightings.clone();
    let started = Instant::now();
    loop {
        let seen = sightings.borrow_and_update().clone();
        let wait = match step(node, executor, &seen, started).await {
            Ok(Done::Member) => return,
            Ok(Done::Wait(wait)) => wait,
            Err(error) => {
                let text = format!("{error:#}");
                tracing::warn!(error = %text, "not in the cluster yet");
                node.trouble.send_replace(Some(text));
                tokio::time::sleep(AGAIN).await;
                continue;
            }
        };
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            _ = sightings.changed() => {}
        }
    }
}

enum Done {
    Member,
    Wait(Duration),
}

async fn step(
    node: &Arc<Node>,
    executor: &Arc<dyn Executor>,
    seen: &[Sighting],
    started: Instant,
) -> anyhow::Result<Done> {
    let (Some(cluster), Some(key)) = (node.config.cluster.clone(), node.join_key.clone()) else {
        return Ok(Done::Wait(Duration::from_secs(3600)));
    };
    let me = Card {
        board: node.board.key.clone(),
        hostname: node.config.hostname.clone(),
        cluster: cluster.clone(),
        role: Role::New,
        port: node.listen.port(),
        ..Card::default()
    };
    let others: Vec<Card> = seen.iter().map(|sighting| sighting.card.clone()).collect();
    let last = seen
        .iter()
        .map(|sighting| sighting.since)
        .max()
        .unwrap_or(started)
        .max(started);
    let promised = node.promised.held();
    let situation = Situation {
        me: &me,
        others: &others,
        expected: node.config.boards,
        quiet_for: last.elapsed(),
        promised: promised.as_ref().map(|promise| promise.board.as_str()),
    };
    match founding::decide(&situation) {
        Step::Wait(wait, because) => {
            let text = Some(because.to_string());
            if *node.trouble.borrow() != text {
                tracing::info!(%because, "forming");
                node.trouble.send_replace(text);
            }
            Ok(Done::Wait(wait))
        }
        Step::Join(boards) => {
            let addresses: Vec<SocketAddr> = boards.iter().flat_map(|board| addresses(seen, board)).collect();
            let pass = Pass::Card {
                cluster: cluster.clone(),
                key,
            };
            match joining::join(&life::asker(node), &pass, Availability::Active, &addresses).await {
                Ok(joined) => {
                    life::enter(node, joined, cluster).await?;
                    Ok(Done::Member)
                }
                Err(error) if error.is::<Refused>() => {
                    tokio::time::sleep(AGAIN * 4).await;
                    Err(error)
                }
                Err(error) => Err(error),
            }
        }
        Step::Ask { boards, needed } => {
            let me = node.board.key.as_str();
            if node.promised.give(me).is_err() {
                return Ok(Done::Wait(AGAIN));
            }
            let granted = ask_all(node, &cluster, &key, seen, &boards).await;
            if granted < needed {
                node.promised.take_back(me);
                tracing::info!(granted, needed, "too few promises to found");
                return Ok(Done::Wait(AGAIN));
            }
            let founding = Founding {
                name: cluster,
                join_key: node.config.join_key.as_ref().map(|key| key.reveal().to_owned()),
                board: me.to_owned(),
                address: node.address(),
                description: executor.describe().await?,
                spec: Default::default(),
                pools: Vec::new(),
                subnet_size: 0,
                data_path_port: 0,
                availability: Availability::Active,
            };
            life::found(node, founding).await?;
            Ok(Done::Member)
        }
    }
}

async fn ask_all(
    node: &Arc<Node>,
    cluster: &str,
    key: &JoinKey,
    seen: &[Sighting],
    boards: &[String],
) -> usize {
    let asker = life::asker(node);
    let answers = join_all(boards.iter().map(|board| {
        let asker = &asker;
        async move {
            for address in addresses(seen, board) {
                match joining::ask_promise(asker, cluster, key, address).await {
                    Ok(Ok(())) => return true,
                    Ok(Err(other)) => {
                        tracing::info!(%board, %other, "promised to another");
                        return false;
                    }
                    Err(error) => tracing::info!(%board, error = format!("{error:#}"), "no promise"),
                }
            }
            false
        }
    }))
    .await;
    answers.into_iter().filter(|granted| *granted).count()
}

fn addresses(seen: &[Sighting], board: &str) -> Vec<SocketAddr> {
    seen.iter()
        .filter(|sighting| sighting.card.board == board)
        .flat_map(reach)
        .collect()
}
