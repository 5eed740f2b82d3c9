//! Who is let in: joining by card or by token, promises, new certificates.

use crate::control::authority;
use crate::{Current, Inner, Manager, sessions};
use async_trait::async_trait;
use model::{Availability, Cluster, Meta, Node, NodeId, NodeRole, Timestamp};
use pki::{JoinKey, Role, Side, Subject, Token};
use state::{Transaction, View};
use std::net::SocketAddr;
use std::sync::Arc;
use store::CommitError;
use tokio::sync::Semaphore;
use tonic::{Request, Response, Status};
use wire::proto::membership_server::Membership;
use wire::proto::{JoinCall, JoinReply, PromiseCall, PromiseReply, RenewCall, RenewReply};

use wire::Caller;
pub use wire::LEADER_HEADER;

/// A board that is in no cluster keeps promises about who may found one.
#[async_trait]
pub trait Promises: Send + Sync + 'static {
    /// The key on this board's card, to check the asker's proof with.
    fn join_key(&self) -> Option<JoinKey>;

    /// Asked by `board` of the cluster named: granted, or to whom it is promised.
    async fn promise(&self, cluster: &str, board: &str) -> Result<(), String>;
}

pub(crate) struct Service {
    pub current: Current,
    pub promises: Arc<dyn Promises>,
    /// Strangers may keep only so many of us busy.
    pub strangers: Arc<Semaphore>,
}

#[tonic::async_trait]
impl Membership for Service {
    async fn join(&self, request: Request<JoinCall>) -> Result<Response<JoinReply>, Status> {
        let _place = self
            .strangers
            .acquire()
            .await
            .map_err(|_| Status::unavailable("closing"))?;
        let caller = Caller::of(&request)?;
        let call = request.into_inner();
        let manager = self.current.leading()?;
        join(
            &manager.inner,
            &self.promises,
            &caller,
            call,
            &sessions::whereabouts(&manager),
        )
        .await
        .map(Response::new)
    }

    async fn promise(&self, request: Request<PromiseCall>) -> Result<Response<PromiseReply>, Status> {
        let _place = self
            .strangers
            .acquire()
            .await
            .map_err(|_| Status::unavailable("closing"))?;
        let caller = Caller::of(&request)?;
        let call = request.into_inner();
        let key = self
            .promises
            .join_key()
            .ok_or_else(|| Status::failed_precondition("this board has no join key"))?;
        let context = context(&call.cluster, &call.board);
        if !pki::verify(&key, &caller.exporter, Side::Joiner, &context, &call.proof) {
            return Err(Status::permission_denied(
                "the join key is not the one on this board's card",
            ));
        }
        let answer = self.promises.promise(&call.cluster, &call.board).await;
        let proof = pki::proof(&key, &caller.exporter, Side::Member, &context)
            .to_vec()
            .into();
        let (granted, promised) = match answer {
            Ok(()) => (true, String::new()),
            Err(other) => (false, other),
        };
        Ok(Response::new(PromiseReply {
            granted,
            promised,
            proof,
        }))
    }

    async fn renew(&self, request: Request<RenewCall>) -> Result<Response<RenewReply>, Status> {
        let peer = Caller::of(&request)?
            .member_or_lapsed()
            .ok_or_else(|| Status::unauthenticated("only members can renew a certificate"))?;
        let manager = self.current.leading()?;
        let view = manager.inner.store.read().await.map_err(unavailable)?;
        let node = view
            .node(&peer.node_id.as_str().into())
            .ok_or_else(|| Status::not_found("this node was removed from the cluster"))?;
        let role = wanted_role(node);
        let (ca, certificate) = sign(&manager.inner, &view, &request.get_ref().csr, &node.id, role)?;
        Ok(Response::new(RenewReply { ca, certificate }))
    }
}

/// What a proof of the join key is bound to beside the channel.
pub fn context(cluster: &str, board: &str) -> Vec<u8> {
    // Lengths keep two fields from being read as two others.
    format!("{}:{cluster}:{}:{board}", cluster.len(), board.len()).into_bytes()
}

fn wanted_role(node: &Node) -> Role {
    // Until a demoted node is out of the quorum its voice must still be heard there.
    let manager = node.spec.role == NodeRole::Manager || node.membership.raft_id.is_some();
    if manager { Role::Manager } else { Role::Worker }
}

fn unavailable(error: impl std::fmt::Display) -> Status {
    Status::unavailable(error.to_string())
}

/// How a joiner has shown that it may.
struct Admitted {
    role: NodeRole,
    by_hand: bool,
    proof: Vec<u8>,
}

async fn join(
    inner: &Inner,
    promises: &Arc<dyn Promises>,
    caller: &Caller,
    call: JoinCall,
    managers: &[wire::proto::Manager],
) -> Result<JoinReply, Status> {
    let mut address: SocketAddr = call
        .listen
        .parse()
        .map_err(|_| Status::invalid_argument("not an address to listen at"))?;
    if address.ip().is_unspecified() {
        address.set_ip(caller.address.ip().to_canonical());
    }
    if call.board.is_empty() || call.board.len() > 128 || call.hostname.len() > 256 {
        return Err(Status::invalid_argument(
            "a board says its key (1 to 128 bytes) and its host name",
        ));
    }
    let availability = availability(&call.availability)?;
    for _ in 0..8 {
        let view = inner.store.read().await.map_err(unavailable)?;
        let admitted = admit(&view, promises, caller, &call)?;
        let now = inner.clock.now();
        let mut node = Node {
            id: NodeId::generate(&mut rand::rng()),
            meta: Meta::new(now),
            ..Node::default()
        };
        node.spec.role = admitted.role;
        node.spec.availability = availability;
        node.description.hostname.clone_from(&call.hostname);
        node.status.addr = Some(address.ip().to_string());
        node.membership.board.clone_from(&call.board);
        node.membership.address = Some(address);
        node.membership.by_hand = admitted.by_hand;
        let (ca, certificate) = sign(inner, &view, &call.csr, &node.id, wanted_role(&node))?;
        // Until the node says itself what it has: it may not get that far.
        node.description.tls_info = Some(crate::tls_info(&ca));
        let id = node.id.clone();
        match inner.store.commit(enter(&view, node, now)).await {
            Ok(_) => {
                tracing::info!(node = %id, board = %call.board, %address, "joined");
                return Ok(JoinReply {
                    proof: admitted.proof.into(),
                    ca,
                    certificate,
                    node: id.to_string(),
                    cluster_id: view
                        .cluster()
                        .map(|cluster| cluster.id.to_string())
                        .unwrap_or_default(),
                    managers: managers.to_vec(),
                });
            }
            Err(CommitError::Conflict(_)) => {}
            Err(error) => return Err(unavailable(error)),
        }
    }
    Err(Status::aborted("too many boards are joining at once: try again"))
}

fn availability(text: &str) -> Result<Availability, Status> {
    serde_json::from_value(serde_json::Value::from(text))
        .map_err(|_| Status::invalid_argument("availability is one of active, pause, drain"))
}

fn admit(
    view: &View,
    promises: &Arc<dyn Promises>,
    caller: &Caller,
    call: &JoinCall,
) -> Result<Admitted, Status> {
    let cluster = view
        .cluster()
        .ok_or_else(|| Status::unavailable("the cluster is being founded"))?;
    let keys = cluster
        .keys
        .as_ref()
        .ok_or_else(|| Status::internal("the cluster has no keys"))?;
    if call.token.is_empty() {
        let text = keys.join_key.as_ref().ok_or_else(|| {
            Status::permission_denied(
                "this cluster was founded by hand: join it with a token (docker swarm join)",
            )
        })?;
        // The board's own key is the cluster's: it was stretched already, which is slow on purpose.
        let key = promises.join_key().unwrap_or_else(|| JoinKey::new(text.reveal()));
        let context = context(&call.cluster, &call.board);
        if cluster.spec.name.as_deref() != Some(call.cluster.as_str())
            || !pki::verify(&key, &caller.exporter, Side::Joiner, &context, &call.proof)
        {
            return Err(Status::permission_denied(
                "the cluster's name or the join key is not this cluster's",
            ));
        }
        let proof = pki::proof(&key, &caller.exporter, Side::Member, &context).to_vec();
        return Ok(Admitted {
            role: NodeRole::Worker,
            by_hand: false,
            proof,
        });
    }
    let shown: Token = call
        .token
        .parse()
        .map_err(|_| Status::invalid_argument("invalid join token"))?;
    let is = |known: &str| known.parse::<Token>().is_ok_and(|known| known.same(&shown));
    let role = match (is(&keys.tokens.manager), is(&keys.tokens.worker)) {
        (true, _) => NodeRole::Manager,
        (_, true) => NodeRole::Worker,
        _ => {
            return Err(Status::permission_denied(
                "a valid join token is necessary to join this cluster",
            ));
        }
    };
    Ok(Admitted {
        role,
        by_hand: true,
        proof: Vec::new(),
    })
}

/// The new node; and what the same board was before is no member any more, or soon will not be.
fn enter(view: &View, node: Node, now: Timestamp) -> Transaction {
    let mut transaction = Transaction::new();
    for old in view
        .nodes()
        .filter(|old| old.membership.board == node.membership.board)
    {
        let mut old = (**old).clone();
        if old.membership.role == NodeRole::Worker && old.membership.raft_id.is_none() {
            transaction.remove(old);
        } else if old.spec.role == NodeRole::Manager {
            old.spec.role = NodeRole::Worker;
            old.spec.availability = Availability::Drain;
            old.meta.updated_at = now;
            transaction.update(old);
        }
    }
    transaction.create(node);
    transaction
}

impl Manager {
    /// A new identity for this manager itself, signed with the root's key that its store holds; none if the store does not
    /// know it as a manager (any more).
    ///
    /// # Errors
    /// If the store's keys can't be used.
    pub fn sign_own(&self) -> Result<Option<pki::Identity>, pki::Error> {
        let view = self.inner.store.view();
        let known = view.node(&self.inner.me);
        let Some(node) = known.filter(|node| wanted_role(node) == Role::Manager) else {
            return Ok(None);
        };
        let Some(cluster) = view.cluster() else {
            return Ok(None);
        };
        let (key, csr) = pki::new_key()?;
        let subject = subject(cluster, &node.id, Role::Manager);
        let (chain, root) = authority::sign(cluster, &csr, &subject, self.inner.clock.now())?;
        pki::Identity::new(&chain, &key, &root).map(Some)
    }
}

fn subject(cluster: &Cluster, node: &NodeId, role: Role) -> Subject {
    Subject {
        node_id: node.to_string(),
        role,
        cluster_id: cluster.id.to_string(),
    }
}

/// The root to trust and the certificate, both PEM.
fn sign(
    inner: &Inner,
    view: &View,
    csr: &str,
    node: &NodeId,
    role: Role,
) -> Result<(String, String), Status> {
    let cluster = view
        .cluster()
        .ok_or_else(|| Status::unavailable("the cluster is being founded"))?;
    let signed = authority::sign(cluster, csr, &subject(cluster, node, role), inner.clock.now());
    let (chain, root) = signed.map_err(|error| Status::invalid_argument(error.to_string()))?;
    Ok((root, chain))
}
