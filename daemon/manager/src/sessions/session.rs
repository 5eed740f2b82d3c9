//! One session.

use super::assign::{self, Drain, Told};
use super::shuttle;
use crate::soft::{Seat, beat, grace};
use crate::{Inner, Manager};
use model::{Node, NodeDescription, NodeId, TaskId, TaskState, TaskStatus, Unfit};
use state::{Transaction, View};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use store::CommitError;
use tokio::sync::mpsc;
use tokio::time::{Instant, MissedTickBehavior};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming};
use wire::proto::{self, FromLeader, FromNode, from_leader, from_node};

/// Messages that may wait for a slow node.
const QUEUE: usize = 64;
/// So much of what a node says of its ailments is shown, in characters.
const MOST_SAID: usize = 500;

type Out = mpsc::Sender<Result<FromLeader, Status>>;

/// Opens a session: reads Hello, checks it, and leaves a task behind that serves it.
pub(super) async fn open(
    manager: Manager,
    node: NodeId,
    from: SocketAddr,
    mut incoming: Streaming<FromNode>,
) -> Result<ReceiverStream<Result<FromLeader, Status>>, Status> {
    let first = tokio::time::timeout(Duration::from_secs(5), incoming.message()).await;
    let hello = match first.map_err(|_| Status::deadline_exceeded("no hello"))?? {
        Some(FromNode {
            message: Some(from_node::Message::Hello(hello)),
        }) => hello,
        _ => return Err(Status::invalid_argument("a session begins with hello")),
    };
    let description = description(&hello.description)?;
    let known = known(&hello.known)?;
    let inner = manager.inner.clone();
    admit(&inner, &node, &hello.board)?;
    let address = listening(&hello.listen, from)?;
    record(&inner, &node, &description, address).await?;

    let unfit = unfit(&hello.unfit)?;
    let (out, stream) = mpsc::channel(QUEUE);
    let seat = Seat {
        address,
        raft_id: Some(hello.raft_id).filter(|id| *id != 0),
        lost: Some(hello.lost).filter(|id| *id != 0),
    };
    let span = tracing::info_span!("session", %node);
    let before = Before {
        known,
        takes_changes: hello.takes_changes,
    };
    let served = serve(manager, node, (seat, unfit), before, incoming, out);
    let task = tracing::Instrument::instrument(served, span);
    tokio::spawn(task);
    Ok(ReceiverStream::new(stream))
}

/// Only members, and only from the board that joined: a cloned card is told so.
fn admit(inner: &Inner, node: &NodeId, board: &str) -> Result<(), Status> {
    let view = inner.store.view();
    let known = view.node(node).ok_or_else(|| {
        Status::not_found(
            "this node was removed from the cluster: leave it (docker swarm leave) to join again",
        )
    })?;
    if !known.membership.board.is_empty() && known.membership.board != board {
        return Err(Status::failed_precondition(
            "another board joined with this card: it was cloned, or moved here; this board needs an identity of its own",
        ));
    }
    Ok(())
}

fn description(bytes: &[u8]) -> Result<NodeDescription, Status> {
    serde_json::from_slice(bytes)
        .map_err(|error| Status::invalid_argument(format!("node description: {error}")))
}

/// Why the node is to get no new tasks.
fn unfit(bytes: &[u8]) -> Result<Option<Unfit>, Status> {
    if bytes.is_empty() {
        return Ok(None);
    }
    let unfit: Unfit = serde_json::from_slice(bytes)
        .map_err(|error| Status::invalid_argument(format!("a node's ailment: {error}")))?;
    let text = unfit.text.chars().take(MOST_SAID).collect();
    Ok(Some(Unfit { text, ..unfit }))
}

/// What a node said of itself at the beginning.
struct Before {
    /// What its tasks are to be, as it was told last.
    known: BTreeMap<TaskId, TaskState>,
    /// It understands changes of networks.
    takes_changes: bool,
}

/// What a node's tasks are to be as far as it knows.
fn known(bytes: &[u8]) -> Result<BTreeMap<TaskId, TaskState>, Status> {
    if bytes.is_empty() {
        return Ok(BTreeMap::new());
    }
    serde_json::from_slice(bytes).map_err(|error| Status::invalid_argument(format!("known tasks: {error}")))
}

/// Where the node listens: an unspecified address stands for the one that it calls from.
fn listening(listen: &str, from: SocketAddr) -> Result<SocketAddr, Status> {
    let mut address: SocketAddr = listen
        .parse()
        .map_err(|_| Status::invalid_argument(format!("not an address to listen at: {listen}")))?;
    if address.ip().is_unspecified() {
        address.set_ip(from.ip().to_canonical());
    }
    Ok(address)
}

/// Writes down what changed of the node; mostly nothing.
async fn record(
    inner: &Inner,
    node: &NodeId,
    description: &NodeDescription,
    address: SocketAddr,
) -> Result<(), Status> {
    for _ in 0..5 {
        let view = inner.store.view();
        let Some(known) = view.node(node) else {
            return Err(Status::not_found("this node was removed"));
        };
        let described = Node {
            description: NodeDescription {
                tls_info: description
                    .tls_info
                    .clone()
                    .or_else(|| known.description.tls_info.clone()),
                ..description.clone()
            },
            ..(**known).clone()
        };
        let mut next = described;
        next.membership.address = Some(address);
        next.status.addr = Some(address.ip().to_string());
        if next == **known {
            return Ok(());
        }
        next.meta.updated_at = inner.clock.now();
        let mut transaction = Transaction::new();
        transaction.update(next);
        match inner.store.commit(transaction).await {
            Ok(_) => return Ok(()),
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(Status::unavailable(error.to_string())),
        }
    }
    Err(Status::aborted("the node is being changed by others: try again"))
}

/// What a node says of itself at a beat.
type Pulse = (Seat, Option<Unfit>);

async fn serve(
    manager: Manager,
    node: NodeId,
    pulse: Pulse,
    before: Before,
    incoming: Streaming<FromNode>,
    out: Out,
) {
    let inner = manager.inner.clone();
    let seated = inner.sessions.seat(&node, out.clone());
    inner.soft.heard_of(&node, pulse.0, pulse.1.as_ref());
    let loom = inner.looms.open(&node);
    tracing::info!("session begun");
    let ended = tokio::select! {
        ended = listen(&inner, &node, pulse, incoming) => ended,
        ended = tell(&manager, &node, before.known, &out) => ended,
        ended = be_heard(&out) => ended,
        ended = shuttle::run(&inner, &node, &out, loom, before.takes_changes) => ended,
        () = seated.replaced() => Status::aborted("another session of this node took its place"),
        () = inner.epoch_over() => Status::unavailable("this manager leads no more"),
    };
    tracing::info!(why = ended.message(), "session ended");
    // The node may be gone: then nobody reads this.
    let _ = out.try_send(Err(ended));
    inner.looms.close(&node, loom, Instant::now());
    if inner.sessions.unseat(&node, &seated) {
        inner.soft.session_ended(&node);
    }
}

async fn listen(
    inner: &Arc<Inner>,
    node: &NodeId,
    (mut seat, mut ill): Pulse,
    mut incoming: Streaming<FromNode>,
) -> Status {
    loop {
        let patience = grace(&inner.store.view());
        let message = match tokio::time::timeout(patience, incoming.message()).await {
            Err(_) => return Status::deadline_exceeded("silent for three beats"),
            Ok(Err(status)) => return status,
            Ok(Ok(None)) => return Status::ok("ended by the node"),
            Ok(Ok(Some(message))) => message,
        };
        match message.message {
            Some(from_node::Message::Beat(beat)) => {
                seat.raft_id = Some(beat.raft_id).filter(|id| *id != 0);
                seat.lost = Some(beat.lost).filter(|id| *id != 0);
                match unfit(&beat.unfit) {
                    Ok(now) => ill = now,
                    Err(status) => return status,
                }
                if !beat.description.is_empty() {
                    match description(&beat.description) {
                        Ok(new) => drop(record(inner, node, &new, seat.address).await),
                        Err(status) => return status,
                    }
                }
            }
            Some(from_node::Message::Statuses(statuses)) => {
                let view = inner.store.view();
                match parse(statuses) {
                    Ok(statuses) => inner.soft.take_statuses(&view, node, statuses),
                    Err(status) => return status,
                }
            }
            Some(from_node::Message::Woven(woven)) => inner.looms.woven(node, woven.number),
            Some(from_node::Message::Lines(lines)) => inner.logs.take(node, lines).await,
            Some(from_node::Message::LinesEnd(end)) => inner.logs.end(node, end),
            Some(from_node::Message::Hello(_)) | None => {}
        }
        inner.soft.heard_of(node, seat, ill.as_ref());
    }
}

fn parse(statuses: proto::Statuses) -> Result<Vec<(TaskId, TaskStatus)>, Status> {
    let parse = |status: proto::Status| Ok((status.task.into(), serde_json::from_slice(&status.status)?));
    let parsed: Result<_, serde_json::Error> = statuses.statuses.into_iter().map(parse).collect();
    parsed.map_err(|error| Status::invalid_argument(format!("task status: {error}")))
}

/// Lets the node hear that this board is there.
async fn be_heard(out: &Out) -> Status {
    let mut pulses = tokio::time::interval(wire::PULSE);
    pulses.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        pulses.tick().await;
        let message = Some(from_leader::Message::Pulse(proto::Pulse {}));
        if out.send(Ok(FromLeader { message })).await.is_err() {
            return Status::cancelled("gone");
        }
    }
}

async fn tell(manager: &Manager, node: &NodeId, known: BTreeMap<TaskId, TaskState>, out: &Out) -> Status {
    let inner = &manager.inner;
    let mut views = inner.store.watch();
    let mut standing = inner.store.standing();
    let (mut looms, mut reports) = (inner.looms.changes(), inner.soft.changes());
    let send = |message| async move {
        out.send(Ok(FromLeader {
            message: Some(message),
        }))
        .await
        .map_err(|_| Status::cancelled("gone"))
    };
    let reaches = |task: &TaskId| {
        inner
            .looms
            .reaches(task, &inner.soft.unreachable(), Instant::now())
    };
    let drain = || Drain {
        reaches: &reaches,
        now: Instant::now(),
    };
    let (mut told, mut number) = (Told::before(known), 0u64);
    let (mut role, mut managers, mut period, mut trust) = (None, Vec::new(), None, None);
    loop {
        let view = views.borrow_and_update().clone();
        standing.mark_unchanged();
        looms.mark_unchanged();
        reports.mark_unchanged();
        let Some(known) = view.node(node) else {
            return Status::not_found("this node was removed from the cluster");
        };
        let mut messages = Vec::new();
        let wanted = beat(&view);
        if period.replace(wanted) != Some(wanted) {
            messages.push(welcome(inner, wanted));
        }
        if let Some(wanted) = wanted_trust(&view)
            && trust.as_ref() != Some(&wanted)
        {
            trust = Some(wanted.clone());
            messages.push(from_leader::Message::Trust(wanted));
        }
        let wanted = proto::Role {
            // It has a number until it is out of the quorum: to close its store before would lose its vote.
            manager: known.membership.raft_id.is_some(),
            raft_id: known.membership.raft_id.unwrap_or_default(),
        };
        if role.replace(wanted) != Some(wanted) {
            messages.push(from_leader::Message::Role(wanted));
        }
        let now_managers = super::whereabouts(manager);
        if managers != now_managers {
            managers.clone_from(&now_managers);
            messages.push(from_leader::Message::Managers(proto::Managers {
                managers: now_managers,
            }));
        }
        let difference = assign::difference(&view, node, &mut told, &drain());
        messages.extend(difference.files.iter().map(|(key, payload)| {
            from_leader::Message::File(proto::File {
                key: key.to_string(),
                known: payload.is_some(),
                data: payload
                    .as_ref()
                    .map(|payload| payload.data.reveal().clone().into())
                    .unwrap_or_default(),
                template: payload.as_ref().is_some_and(|payload| payload.template),
            })
        }));
        if number == 0 || !difference.is_empty() {
            number += 1;
            let tasks = difference
                .tasks
                .iter()
                .map(|task| serde_json::to_vec(&**task).unwrap_or_default().into());
            messages.push(from_leader::Message::Assign(proto::Assign {
                number,
                whole: number == 1,
                tasks: tasks.collect(),
                gone: difference.gone.iter().map(ToString::to_string).collect(),
                files_gone: difference.files_gone.iter().map(ToString::to_string).collect(),
            }));
        }
        for message in messages {
            if let Err(status) = send(message).await {
                return status;
            }
        }
        tokio::select! {
            changed = views.changed() => if changed.is_err() { return Status::unavailable("the store is closed") },
            changed = standing.changed() => if changed.is_err() { return Status::unavailable("the store is closed") },
            // Only of interest while the end of a task waits for it.
            _ = looms.changed(), if difference.look_again.is_some() => {}
            _ = reports.changed(), if difference.look_again.is_some() => {}
            () = shuttle::until(difference.look_again) => {}
        }
    }
}

/// The root that nodes are to trust, and the one that is to have signed their certificates.
fn wanted_trust(view: &View) -> Option<proto::Trust> {
    let cluster = view.cluster()?;
    let keys = cluster.keys.as_ref()?;
    Some(proto::Trust {
        root: keys.ca_certificate.clone(),
        issuer: cluster.tls_info.cert_issuer_public_key.clone(),
    })
}

/// Sent again when the time between two beats is set anew.
fn welcome(inner: &Inner, beat: Duration) -> from_leader::Message {
    from_leader::Message::Welcome(proto::Welcome {
        epoch: inner.epoch(),
        beat_ms: u32::try_from(beat.as_millis()).unwrap_or(u32::MAX),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unspecified_address_stands_for_where_the_node_calls_from() {
        let from = "10.0.0.7:40000".parse().unwrap();
        assert_eq!(
            listening("0.0.0.0:2377", from).unwrap(),
            "10.0.0.7:2377".parse().unwrap()
        );
        assert_eq!(
            listening("10.0.0.9:1", from).unwrap(),
            "10.0.0.9:1".parse().unwrap()
        );
        assert!(listening("nowhere", from).is_err());
    }
}
