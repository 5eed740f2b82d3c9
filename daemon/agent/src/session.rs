//! The session with the leader, from the node's side: kept up for ever, with pauses that grow.

use crate::board::Board;
use crate::logs::Tellers;
use crate::reach;
use async_trait::async_trait;
use exec::{Change, Fabric, File};
use model::{FileKey, Hidden, NodeDescription, Task, TaskId, TaskState, TlsInfo, Unfit};
use rand::RngExt as _;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Code, Status};
use wire::proto::sessions_client::SessionsClient;
use wire::proto::{self, FromLeader, FromNode, from_leader, from_node};

/// Between two tries to reach the leader (swarm.md 1.8).
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(8);
/// Statuses are gathered for so long: a burst is one message.
const GATHER: Duration = Duration::from_millis(50);
/// How often the board is asked to describe itself again: a stick that is pulled out is noticed within this time.
const DESCRIBE: Duration = Duration::from_secs(5);

/// The way to the managers.
#[async_trait]
pub trait Uplink: Send + Sync + 'static {
    /// A connection to a manager; to the one at `hint` if another manager said that it leads.
    async fn connect(&self, hint: Option<SocketAddr>) -> Result<Channel, String>;

    /// Ends once this board knows that another manager leads than when it was asked: sooner than a leader that was cut
    /// off shows by its silence.
    async fn led_anew(&self);
}

/// What this node says of itself to managers.
#[derive(Clone)]
pub struct Self_ {
    /// The board's own key.
    pub board: String,
    /// Where it listens; an unspecified address lets the leader take the one that we call from.
    pub listen: SocketAddr,
    /// What it has of the cluster's store.
    pub holding: watch::Receiver<Holding>,
    /// Which root it trusts, and which one has signed its certificate.
    pub tls: watch::Receiver<TlsInfo>,
    /// Why it is to get no new tasks.
    pub unfit: watch::Receiver<Option<Unfit>>,
    /// Counts the turns of this room's loop.
    pub turns: Arc<Turns>,
}

/// Turns of the session's loop: it goes on with and without a leader, so a number that stands still tells of a loop that hangs.
#[derive(Debug, Default)]
pub struct Turns(AtomicU64);

impl Turns {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn one_more(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Self_ {
    fn unfit(&self) -> bytes::Bytes {
        let unfit = self.unfit.borrow();
        let told = unfit
            .as_ref()
            .map(|unfit| serde_json::to_vec(unfit).unwrap_or_default());
        told.unwrap_or_default().into()
    }

    async fn describe(&self, board: &Board) -> Result<NodeDescription, exec::Error> {
        Ok(NodeDescription {
            tls_info: Some(self.tls.borrow().clone()),
            ..board.inner.executor.describe().await?
        })
    }
}

/// What a board has of the cluster's store, by its numbers in Raft.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Holding {
    /// The number under which its store is open.
    pub open: Option<u64>,
    /// The number whose store is damaged. What it voted is not known any more, so it must never vote under it again.
    pub lost: Option<u64>,
}

/// What managers tell this node beside its tasks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Orders {
    /// Whether it is to be a manager.
    pub role: Option<proto::Role>,
    /// Whom it is to trust.
    pub trust: Option<proto::Trust>,
    /// Where the managers are, leader first.
    pub managers: Vec<proto::Manager>,
    /// True while there is a session.
    pub connected: bool,
    /// Why there is none.
    pub trouble: Option<String>,
}

/// Why the agent came to an end by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The managers do not know this node any more.
    Removed(String),
    /// Another board has this identity.
    Cloned(String),
}

/// Keeps a session up until the node is removed. Drop it to stop.
pub async fn run(board: Board, me: Self_, uplink: &dyn Uplink, orders: &watch::Sender<Orders>) -> Ended {
    let (mut pause, mut hint) = (FIRST_PAUSE, None);
    loop {
        me.turns.one_more();
        let begun = Instant::now();
        let ended = match uplink.connect(hint.take()).await {
            Ok(channel) => tokio::select! {
                ended = session(&board, &me, channel, orders) => ended,
                () = uplink.led_anew() => Status::unavailable("another manager leads now"),
            },
            Err(error) => Status::unavailable(error),
        };
        let trouble = Some(ended.message().to_owned());
        orders.send_if_modified(|orders| {
            let news = orders.connected || orders.trouble != trouble;
            orders.connected = false;
            orders.trouble = trouble;
            news
        });
        match ended.code() {
            Code::NotFound => return Ended::Removed(ended.message().to_owned()),
            Code::FailedPrecondition => return Ended::Cloned(ended.message().to_owned()),
            _ => tracing::info!(why = ended.message(), "no session"),
        }
        hint = ended
            .metadata()
            .get(wire::LEADER_HEADER)
            .and_then(|at| at.to_str().ok()?.parse().ok());
        if hint.is_some() {
            continue_soon().await;
            continue;
        }
        if begun.elapsed() > LONGEST_PAUSE {
            pause = FIRST_PAUSE;
        }
        // Spread: all nodes lose their session at once when the leader goes.
        tokio::time::sleep(pause.mul_f64(rand::rng().random_range(0.5..1.0))).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Two managers that take each other for the leader must not keep us spinning.
async fn continue_soon() {
    tokio::time::sleep(FIRST_PAUSE).await;
}

async fn session(board: &Board, me: &Self_, channel: Channel, orders: &watch::Sender<Orders>) -> Status {
    let description = match me.describe(board).await {
        Ok(description) => description,
        Err(error) => return Status::unavailable(format!("this board can't describe itself: {error}")),
    };
    let (out, outgoing) = mpsc::channel(64);
    let holding = *me.holding.borrow();
    let hello = proto::Hello {
        description: encode(&description),
        epoch: String::new(),
        have: 0,
        board: me.board.clone(),
        listen: me.listen.to_string(),
        raft_id: holding.open.unwrap_or_default(),
        lost: holding.lost.unwrap_or_default(),
        unfit: me.unfit(),
        known: known(board),
        takes_changes: true,
    };
    let first = FromNode {
        message: Some(from_node::Message::Hello(hello)),
    };
    if out.send(first).await.is_err() {
        return Status::internal("no stream");
    }
    let mut client = SessionsClient::new(channel)
        .max_decoding_message_size(wire::MAX_MESSAGE)
        .max_encoding_message_size(wire::MAX_MESSAGE);
    let incoming = match client.open(ReceiverStream::new(outgoing)).await {
        Ok(answer) => answer.into_inner(),
        Err(status) => return status,
    };
    let (pulse, pulses) = watch::channel(None);
    let session = Session {
        board,
        me,
        orders,
        out,
        description,
        have: 0,
        told: BTreeMap::new(),
        files: BTreeSet::new(),
        fabric: None,
        pulse,
    };
    tokio::select! {
        ended = session.keep(incoming) => ended,
        leader = reach::gone(pulses, orders) => {
            board.lose(leader);
            Status::unavailable("the leader's board does not answer")
        }
    }
}

/// What the tasks here are to be as far as this board knows: a new leader must not take an end for told that was not.
fn known(board: &Board) -> bytes::Bytes {
    let tasks = board.tasks().into_iter();
    let known: BTreeMap<TaskId, TaskState> = tasks.map(|task| (task.id, task.desired_state)).collect();
    serde_json::to_vec(&known).unwrap_or_default().into()
}

fn encode(description: &NodeDescription) -> bytes::Bytes {
    serde_json::to_vec(description).unwrap_or_default().into()
}

struct Session<'a> {
    board: &'a Board,
    me: &'a Self_,
    orders: &'a watch::Sender<Orders>,
    out: mpsc::Sender<FromNode>,
    description: NodeDescription,
    have: u64,
    /// Statuses that the leader has from us.
    told: BTreeMap<model::TaskId, model::TaskStatus>,
    /// What the leader gave us in this session for tasks to read.
    files: BTreeSet<FileKey>,
    /// The networks as the leader told them last in this session.
    fabric: Option<Arc<Fabric>>,
    /// When the leader last said that it is there.
    pulse: watch::Sender<Option<Instant>>,
}

impl Session<'_> {
    async fn keep(mut self, mut incoming: tonic::Streaming<FromLeader>) -> Status {
        let mut tellers = Tellers::new(self.board.inner.clone(), self.out.clone());
        let mut changes = self.board.changes();
        let mut woven = self.board.inner.loom.state();
        let (mut holding, mut tls) = (self.me.holding.clone(), self.me.tls.clone());
        let mut unfit = self.me.unfit.clone();
        let mut beat = tokio::time::interval(wire::PULSE);
        let mut describe = tokio::time::interval_at(Instant::now() + DESCRIBE, DESCRIBE);
        // The leader hears all statuses at the session's beginning.
        changes.mark_changed();
        loop {
            self.me.turns.one_more();
            let sent = tokio::select! {
                message = incoming.message() => match message {
                    Ok(Some(FromLeader { message: Some(message) })) => {
                        match self.hear(message, &mut tellers, &mut beat).await {
                            Ok(()) => Ok(()),
                            Err(status) => return status,
                        }
                    }
                    Ok(Some(_)) => Ok(()),
                    Ok(None) => return Status::unavailable("the leader ended the session"),
                    Err(status) => return status,
                },
                _ = beat.tick() => self.beat(None).await,
                changed = holding.changed() => match changed {
                    Ok(()) => self.beat(None).await,
                    Err(_) => return Status::cancelled("closing"),
                },
                changed = unfit.changed() => match changed {
                    Ok(()) => self.beat(None).await,
                    Err(_) => return Status::cancelled("closing"),
                },
                changed = tls.changed() => match changed {
                    Ok(()) => self.describe().await,
                    Err(_) => return Status::cancelled("closing"),
                },
                _ = describe.tick() => self.describe().await,
                changed = woven.changed() => match changed {
                    Ok(()) => {
                        let woven = woven.borrow_and_update().woven.clone();
                        self.acknowledge(woven).await
                    }
                    Err(_) => return Status::cancelled("closing"),
                },
                changed = changes.changed() => match changed {
                    Ok(()) => self.report().await,
                    Err(_) => return Status::cancelled("closing"),
                },
            };
            if sent.is_err() {
                return Status::unavailable("the leader does not listen");
            }
        }
    }

    async fn hear(
        &mut self,
        message: from_leader::Message,
        tellers: &mut Tellers,
        beat: &mut tokio::time::Interval,
    ) -> Result<(), Status> {
        match message {
            from_leader::Message::Welcome(welcome) => {
                let period = Duration::from_millis(u64::from(welcome.beat_ms).clamp(100, 600_000));
                // The mesh wants to know soon who is gone, however patient the leader is.
                let period = period.min(wire::PULSE);
                // At once: the leader's patience begins anew with the new period.
                *beat = tokio::time::interval(period);
                tracing::info!("session with the leader");
                self.orders
                    .send_modify(|orders| (orders.connected, orders.trouble) = (true, None));
            }
            from_leader::Message::Pulse(_) => drop(self.pulse.send_replace(Some(Instant::now()))),
            from_leader::Message::File(file) => self.give(file),
            from_leader::Message::Assign(assign) => self.assign(assign).await?,
            from_leader::Message::Weave(weave) => self.weave(&weave).await?,
            from_leader::Message::Managers(managers) => {
                self.orders
                    .send_modify(|orders| orders.managers = managers.managers);
            }
            from_leader::Message::Role(role) => self.orders.send_modify(|orders| orders.role = Some(role)),
            from_leader::Message::Trust(trust) => {
                self.orders.send_modify(|orders| orders.trust = Some(trust))
            }
            from_leader::Message::LinesWanted(wanted) => tellers.begin(wanted),
            from_leader::Message::LinesUnwanted(unwanted) => tellers.end(unwanted.wish),
        }
        Ok(())
    }

    fn give(&mut self, file: proto::File) {
        let key: FileKey = match file.key.parse() {
            Ok(key) => key,
            Err(error) => return tracing::warn!(%error, "left out: the leader is newer than this node"),
        };
        let given = file.known.then(|| File {
            data: Hidden::new(file.data),
            template: file.template,
        });
        self.board.inner.executor.give(key.clone(), given);
        self.files.insert(key);
    }

    async fn assign(&mut self, assign: proto::Assign) -> Result<(), Status> {
        if !assign.whole && assign.number != self.have + 1 {
            return Err(Status::data_loss("assignments were lost on the way"));
        }
        let tasks: Result<Vec<Task>, _> = assign
            .tasks
            .iter()
            .map(|task| serde_json::from_slice(task))
            .collect();
        let tasks =
            tasks.map_err(|error| Status::data_loss(format!("a task that can't be read: {error}")))?;
        let gone = assign.gone.into_iter().map(Into::into).collect();
        let kept = self.board.assign(tasks, gone, assign.whole).await;
        kept.map_err(|error| Status::unavailable(error.to_string()))?;
        self.have = assign.number;
        let gone: BTreeSet<String> = assign.files_gone.into_iter().collect();
        self.files.retain(|key| !gone.contains(&key.to_string()));
        if assign.whole || !gone.is_empty() {
            self.board.inner.executor.keep_files(&self.files);
        }
        Ok(())
    }

    async fn weave(&mut self, weave: &proto::Weave) -> Result<(), Status> {
        let unreadable =
            |error: serde_json::Error| Status::data_loss(format!("networks that can't be read: {error}"));
        let fabric = if weave.change.is_empty() {
            serde_json::from_slice(&weave.fabric).map_err(unreadable)?
        } else {
            let before = self
                .fabric
                .as_ref()
                .filter(|before| before.number == weave.before);
            let before = before.ok_or_else(|| Status::data_loss("networks were lost on the way"))?;
            let change: Change = serde_json::from_slice(&weave.change).map_err(unreadable)?;
            change.apply(before)
        };
        let fabric = Arc::new(fabric);
        self.fabric = Some(fabric.clone());
        self.board.weave(fabric).await;
        Ok(())
    }

    /// Tells the leader that what it told last is in effect.
    async fn acknowledge(&self, woven: Option<Arc<Fabric>>) -> Result<(), ()> {
        match woven.filter(|woven| self.fabric.as_ref().is_some_and(|told| Arc::ptr_eq(told, woven))) {
            Some(fabric) => {
                let number = fabric.number;
                self.send(from_node::Message::Woven(proto::Woven { number }))
                    .await
            }
            None => Ok(()),
        }
    }

    async fn beat(&self, description: Option<&NodeDescription>) -> Result<(), ()> {
        let holding = *self.me.holding.borrow();
        let beat = proto::Beat {
            have: self.have,
            raft_id: holding.open.unwrap_or_default(),
            lost: holding.lost.unwrap_or_default(),
            description: description.map(encode).unwrap_or_default(),
            unfit: self.me.unfit(),
        };
        self.send(from_node::Message::Beat(beat)).await
    }

    async fn describe(&mut self) -> Result<(), ()> {
        match self.me.describe(self.board).await {
            Ok(description) if description != self.description => {
                self.description = description;
                self.beat(Some(&self.description)).await
            }
            Ok(_) => Ok(()),
            Err(error) => {
                tracing::warn!(%error, "the board does not describe itself");
                Ok(())
            }
        }
    }

    async fn report(&mut self) -> Result<(), ()> {
        tokio::time::sleep(GATHER).await;
        let now: BTreeMap<_, _> = self.board.statuses().into_iter().collect();
        let news = now
            .iter()
            .filter(|(id, status)| self.told.get(*id) != Some(*status));
        let statuses: Vec<_> = news
            .map(|(id, status)| proto::Status {
                task: id.to_string(),
                status: serde_json::to_vec(status).unwrap_or_default().into(),
            })
            .collect();
        self.told = now;
        // In pieces, so that a message stays small.
        for piece in statuses.chunks(500) {
            self.send(from_node::Message::Statuses(proto::Statuses {
                statuses: piece.to_vec(),
            }))
            .await?;
        }
        Ok(())
    }

    async fn send(&self, message: from_node::Message) -> Result<(), ()> {
        self.out
            .send(FromNode {
                message: Some(message),
            })
            .await
            .map_err(|_| ())
    }
}
