//! What a manager does beside holding the store: the leader's one loop, sessions with nodes, membership, and what
//! users ask.
//!
//! ```text
//!  users ── control ──┐                          ┌── sessions ── nodes
//!                     ├── store (watch, commit) ─┤
//!  plan ─── lead ─────┘                          └── soft (what nodes last said)
//! ```
//! This room holds no policy of placement (`plan` does) and knows no HTTP routes (`api` does). Every manager has
//! a [`Manager`]; its loops run while the store says that this node leads.

mod alone;
mod authority;
pub mod control;
mod door;
mod founding;
mod lead;
mod membership;
mod reach;
mod roles;
mod seats;
mod sessions;
mod soft;
mod transport;
mod verbs;

pub use alone::alone;
pub use control::Refusal;
pub use door::{Body, Front};
use founding::validity;
pub use founding::{FIRST_RAFT_ID, Founded, Founding, found, tls_info};
pub use membership::{LEADER_HEADER, Promises, context};
pub use sessions::{LogRequest, NodeLine};
pub use transport::{Hints, Links, Superseded};
pub use verbs::Merged;

use bytes::Bytes;
use model::NodeId;
use pki::Clock;
use std::sync::Arc;
use store::Store;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;
use tonic::{Request, Response, Status};
use wire::Caller;
use wire::proto::raft_server::{Raft, RaftServer};
use wire::proto::{RaftCall, RaftReply};

/// Strangers that are answered at the same time; more wait.
const STRANGERS: usize = 32;

/// A manager: handles to the store and to what the leader knows. Cheap to clone.
#[derive(Clone)]
pub struct Manager {
    inner: Arc<Inner>,
}

pub(crate) struct Inner {
    store: Store,
    me: NodeId,
    clock: Clock,
    soft: soft::Soft,
    sessions: seats::Sessions,
    logs: sessions::Logs,
    looms: sessions::Looms,
    /// Held from looking to committing by whoever gives out what is only one's: subnets, VXLAN numbers, addresses, ports. So
    /// of two that ask for the same in one instant the second is refused.
    claims: tokio::sync::Mutex<()>,
    /// Changes when leadership begins or ends: what belongs to one epoch ends with it.
    epoch: watch::Sender<String>,
    tasks: TaskTracker,
}

impl Inner {
    fn new_epoch(&self) {
        self.epoch
            .send_replace(NodeId::generate(&mut rand::rng()).to_string());
    }

    fn epoch(&self) -> String {
        self.epoch.borrow().clone()
    }

    /// Ends when the epoch of this moment is over.
    fn epoch_over(&self) -> impl Future<Output = ()> + Send + 'static {
        let mut epoch = self.epoch.subscribe();
        epoch.mark_unchanged();
        async move {
            let _ = epoch.changed().await;
        }
    }
}

impl Manager {
    /// Starts a manager's loops over a store that is open; they end with [`Manager::close`].
    pub fn start(store: Store, me: NodeId, clock: Clock) -> Self {
        let inner = Arc::new(Inner {
            store,
            me,
            soft: soft::Soft::new(clock.clone()),
            clock,
            sessions: seats::Sessions::default(),
            logs: sessions::Logs::default(),
            looms: sessions::Looms::default(),
            claims: tokio::sync::Mutex::default(),
            epoch: watch::channel(String::new()).0,
            tasks: TaskTracker::new(),
        });
        inner.tasks.spawn(lead::whenever_elected(inner.clone()));
        Self { inner }
    }

    /// The store.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// This node.
    pub fn node_id(&self) -> &NodeId {
        &self.inner.me
    }

    /// True while this node leads.
    pub fn leads(&self) -> bool {
        self.inner.store.standing().borrow().i_lead
    }

    /// Ends everything, the store last.
    pub async fn close(&self) {
        self.inner.new_epoch();
        self.inner.store.close().await;
        self.inner.tasks.close();
        self.inner.tasks.wait().await;
    }
}

/// The manager here, if this node is one now. The listener is up before there is one.
#[derive(Clone)]
pub struct Current(pub watch::Receiver<Option<Manager>>);

impl Current {
    fn here(&self) -> Result<Manager, Status> {
        self.0
            .borrow()
            .clone()
            .ok_or_else(|| Status::unavailable("this node is not a manager"))
    }

    /// The manager, if it leads; else the status says where the leader is.
    fn leading(&self) -> Result<Manager, Status> {
        let manager = self.here()?;
        let standing = manager.inner.store.standing().borrow().clone();
        if standing.i_lead {
            return Ok(manager);
        }
        let mut status = Status::unavailable("this manager does not lead");
        let leader = standing
            .members
            .iter()
            .find(|member| Some(&member.node) == standing.leader.as_ref());
        if let Some(address) = leader.and_then(|member| member.address.parse().ok()) {
            status.metadata_mut().insert(LEADER_HEADER, address);
        }
        Err(status)
    }
}

/// How often a manager of this cluster went on alone.
pub fn generation(view: &state::View) -> u64 {
    let keys = view.cluster().and_then(|cluster| cluster.keys.as_ref());
    keys.map_or(0, |keys| keys.generation)
}

/// Tells a manager of before that others have gone on without it.
const GENERATION_HEADER: &str = "bramble-generation";

struct RaftService(Current);

#[tonic::async_trait]
impl Raft for RaftService {
    async fn call(&self, request: Request<RaftCall>) -> Result<Response<RaftReply>, Status> {
        Caller::manager(&request)?;
        let call = request.into_inner();
        let verb = store::Verb::from_number(call.verb).ok_or_else(|| {
            Status::unimplemented(format!("no verb {} here: is this version older?", call.verb))
        })?;
        let manager = self.0.here()?;
        let me = manager.inner.store.me().id;
        if call.to != 0 && call.to != me {
            let mut status =
                Status::failed_precondition(format!("this manager's number is {me} and not {}", call.to));
            let generation = generation(&manager.inner.store.view());
            status.metadata_mut().insert(GENERATION_HEADER, generation.into());
            return Err(status);
        }
        let body: Bytes = manager
            .inner
            .store
            .handle(verb, call.body)
            .await
            .map_err(|error| Status::failed_precondition(error.to_string()))?;
        Ok(Response::new(RaftReply { body }))
    }
}

/// All that a node serves on its one port. Strangers get no further than the membership service.
pub fn services(
    current: Current,
    promises: Arc<dyn Promises>,
    front: Arc<dyn Front>,
) -> tonic::transport::server::Router {
    use wire::proto::door_server::DoorServer;
    use wire::proto::membership_server::MembershipServer;
    use wire::proto::sessions_server::SessionsServer;
    let strangers = Arc::new(Semaphore::new(STRANGERS));
    let membership = membership::Service {
        current: current.clone(),
        promises,
        strangers,
    };
    tonic::transport::Server::builder()
        .http2_keepalive_interval(Some(std::time::Duration::from_secs(5)))
        .http2_keepalive_timeout(Some(std::time::Duration::from_secs(5)))
        .max_concurrent_streams(256)
        .add_service(
            RaftServer::new(RaftService(current.clone())).max_decoding_message_size(wire::MAX_MESSAGE),
        )
        .add_service(
            SessionsServer::new(sessions::Service(current)).max_decoding_message_size(wire::MAX_MESSAGE),
        )
        .add_service(MembershipServer::new(membership).max_decoding_message_size(64 << 10))
        .add_service(DoorServer::new(door::Service { front }).max_decoding_message_size(wire::MAX_MESSAGE))
}
