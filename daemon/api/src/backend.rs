//! What this room asks of the rest of the daemon.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use model::{
    AccessRole, Availability, BoardReport, Cluster, ClusterSpec, Config, ConfigSpec, Grant, Hidden, Network,
    NetworkId, NetworkSpec, Node, NodeDescription, NodeId, NodeSpec, Platform, Secret, SecretSpec, Service,
    ServiceId, ServiceSpec, Task, TaskId, Timestamp, Version,
};
use serde::{Deserialize, Serialize};

/// Why a request is not carried out; each has Docker's status code.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// 400
    #[error("{0}")]
    Invalid(String),
    /// 401
    #[error("{0}")]
    Unauthorized(String),
    /// 403
    #[error("{0}")]
    Forbidden(String),
    /// 404
    #[error("{0}")]
    NotFound(String),
    /// 409
    #[error("{0}")]
    Conflict(String),
    /// 413
    #[error("{0}")]
    TooLarge(String),
    /// 500
    #[error("{0}")]
    Internal(String),
    /// 501
    #[error("{0}")]
    Unimplemented(String),
    /// 503
    #[error("{0}")]
    Unavailable(String),
}

/// What to show to a registry: `X-Registry-Auth` as the docker command sends it.
pub type RegistryAuth = model::Hidden<String>;

/// Who can answer what concerns the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// This manager leads.
    Here,
    /// Another manager leads: [`Backend::forward`].
    Elsewhere,
    /// Nobody, and why.
    Nobody(Error),
}

/// A body as it comes.
pub type Stream<T> = BoxStream<'static, Result<T, String>>;

/// This board and where it stands: what `/info` and `/_ping` show.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The board's own id.
    pub id: String,
    /// What it says of itself.
    pub description: NodeDescription,
    /// The kernel's release.
    pub kernel: String,
    /// The operating system's name.
    pub operating_system: String,
    /// Where state is kept.
    pub root: String,
    /// `1` or `2`.
    pub cgroup_version: String,
    /// Containers here: running, stopped.
    pub containers: (usize, usize),
    /// containerd's version and commit, and runc's version; empty if they did not say.
    pub containerd: (String, String),
    /// See `containerd`.
    pub runc: String,
    /// The operating system's version.
    pub os_version: String,
    /// Registries that may be spoken to in plain HTTP.
    pub insecure_registries: Vec<String>,
    /// The registry that is asked first, as a URL.
    pub registry_mirror: Option<String>,
    /// This board's time.
    pub now: Timestamp,
    /// Things that a person should know.
    pub warnings: Vec<String>,
    /// `inactive`, `pending`, `active`, `locked` or `error`.
    pub state: String,
    /// True of a manager.
    pub manager: bool,
    /// Its node id, of a member.
    pub node_id: String,
    /// Where others reach it.
    pub address: String,
    /// Why it is not where it wants to be.
    pub error: String,
    /// Managers, as (node id, address).
    pub managers: Vec<(String, String)>,
    /// Numbers of nodes and managers, as a manager knows them.
    pub counts: (usize, usize),
    /// The cluster, as a manager knows it; without tokens.
    pub cluster: Option<Cluster>,
}

/// `POST /swarm/init`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct InitRequest {
    pub listen_addr: String,
    pub advertise_addr: String,
    pub data_path_addr: String,
    pub data_path_port: u32,
    pub default_addr_pool: Option<Vec<String>>,
    pub subnet_size: u32,
    pub force_new_cluster: bool,
    pub auto_lock_managers: bool,
    pub availability: Availability,
    pub spec: ClusterSpec,
}

/// `POST /swarm/join`
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct JoinRequest {
    pub listen_addr: String,
    pub advertise_addr: String,
    pub data_path_addr: String,
    pub remote_addrs: Vec<String>,
    pub join_token: String,
    pub availability: Availability,
}

/// `POST /swarm/unlock`
#[derive(Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct UnlockRequest {
    pub unlock_key: Hidden<String>,
}

/// `POST /bramble/contexts`
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContextRequest {
    /// Whom the certificate is for.
    pub name: String,
    /// What its holder may do.
    pub role: AccessRole,
    /// How long it is good.
    pub days: u64,
}

/// What `POST /bramble/contexts` answers: all that a client needs. The key is not kept.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct NewContext {
    /// What is remembered of it.
    pub grant: Grant,
    /// The root of boards' certificates, PEM.
    pub root: String,
    /// The client's certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: Hidden<String>,
}

/// Which tokens to make anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotate {
    /// That of workers.
    pub worker: bool,
    /// That of managers.
    pub manager: bool,
    /// The key that locks managers.
    pub unlock_key: bool,
}

/// Which lines are asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogWish {
    /// Of all tasks of this service.
    pub service: Option<ServiceId>,
    /// Or of this task.
    pub task: Option<TaskId>,
    /// Standard output.
    pub stdout: bool,
    /// Standard error.
    pub stderr: bool,
    /// New ones as well.
    pub follow: bool,
    /// Only the last so many of each task.
    pub tail: Option<u64>,
    /// Only from this time on.
    pub since: Option<Timestamp>,
    /// Only up to this time.
    pub until: Option<Timestamp>,
}

/// A line and where it comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogLine {
    /// The node.
    pub node: NodeId,
    /// The service.
    pub service: ServiceId,
    /// The task.
    pub task: TaskId,
    /// True for standard error.
    pub stderr: bool,
    /// When it was written.
    pub at: Timestamp,
    /// The line, its end included.
    pub data: Bytes,
}

/// An image as a registry has it: `/distribution/NAME/json`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Distribution {
    /// Its media type.
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// Its size, in bytes.
    pub size: u64,
    /// Where it runs.
    pub platforms: Vec<Platform>,
}

/// Something that happened in the cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// `service`, `node`, `secret`, `config`, `network`.
    pub kind: &'static str,
    /// `create`, `update` or `remove`.
    pub action: &'static str,
    /// The object.
    pub id: String,
    /// Its name, and what changed.
    pub attributes: std::collections::BTreeMap<String, String>,
    /// When.
    pub at: Timestamp,
}

/// What happened, and what will.
pub struct Events {
    /// What happened, oldest first.
    pub past: Vec<Event>,
    /// What happens from now on.
    pub coming: Stream<Event>,
}

/// What this room asks of the rest of the daemon. Methods below `place` are asked only where that is [`Place::Here`].
#[async_trait]
pub trait Backend: crate::Local {
    /// This board and where it stands.
    async fn facts(&self) -> Facts;
    /// What this board says of itself to whoever stands before it.
    async fn board(&self) -> BoardReport;
    /// Numbers of this board, its daemon and what that knows of the cluster, as OpenMetrics text.
    async fn metrics(&self) -> Result<String, Error>;
    /// Makes a cluster of this board alone; its node id.
    async fn init(&self, request: InitRequest) -> Result<String, Error>;
    /// Joins a cluster.
    async fn join(&self, request: JoinRequest) -> Result<(), Error>;
    /// Leaves the cluster.
    async fn leave(&self, force: bool) -> Result<(), Error>;
    /// Whether the client certificate with this id has not been revoked.
    fn lets_in(&self, certificate: &str) -> bool;
    /// Unlocks this manager.
    async fn unlock(&self, key: Hidden<String>) -> Result<(), Error>;
    /// An image as a registry has it; `auth` is shown to the registry.
    async fn resolve_image(&self, name: &str, auth: Option<RegistryAuth>) -> Result<Distribution, Error>;
    /// Whether a registry takes these credentials.
    async fn log_in(&self, server: &str, auth: RegistryAuth) -> Result<(), Error>;

    /// Installing images on boards.
    fn updates(&self) -> &dyn crate::updates::Updates;

    /// This board's volumes.
    fn volumes(&self) -> &dyn crate::volumes::Volumes;

    /// Who can answer what concerns the cluster.
    fn place(&self) -> Place;
    /// Lets the leader answer.
    async fn forward(&self, request: http::Request<Bytes>) -> Result<http::Response<Stream<Bytes>>, Error>;

    /// The cluster, with its join tokens.
    async fn cluster(&self) -> Result<Cluster, Error>;
    /// Gives out a client certificate.
    async fn create_context(&self, request: ContextRequest) -> Result<NewContext, Error>;
    /// Client certificates that are out.
    async fn contexts(&self) -> Result<Vec<Grant>, Error>;
    /// Takes a client certificate back.
    async fn revoke_context(&self, id: &str) -> Result<(), Error>;
    /// What opens locked managers; empty while they are not locked.
    async fn unlock_key(&self) -> Result<String, Error>;
    /// Changes the cluster.
    async fn update_cluster(&self, version: Version, spec: ClusterSpec, rotate: Rotate) -> Result<(), Error>;
    /// All nodes, with state and part in the quorum.
    async fn nodes(&self) -> Result<Vec<Node>, Error>;
    /// Changes a node.
    async fn update_node(&self, id: &NodeId, version: Version, spec: NodeSpec) -> Result<(), Error>;
    /// Removes a node.
    async fn remove_node(&self, id: &NodeId, force: bool) -> Result<(), Error>;
    /// All services.
    async fn services(&self) -> Result<Vec<Service>, Error>;
    /// Makes a service.
    async fn create_service(&self, spec: ServiceSpec, auth: Option<RegistryAuth>)
    -> Result<ServiceId, Error>;
    /// Changes a service; `spec` absent: back to the previous one.
    async fn update_service(
        &self,
        id: &ServiceId,
        version: Version,
        spec: Option<ServiceSpec>,
        auth: Option<RegistryAuth>,
    ) -> Result<(), Error>;
    /// Removes a service.
    async fn remove_service(&self, id: &ServiceId) -> Result<(), Error>;
    /// All tasks with their newest statuses, of one service or of all.
    async fn tasks(&self, service: Option<&ServiceId>) -> Result<Vec<Task>, Error>;
    /// All overlay networks.
    async fn networks(&self) -> Result<Vec<Network>, Error>;
    /// Makes an overlay network; its id.
    async fn create_network(&self, spec: NetworkSpec) -> Result<NetworkId, Error>;
    /// Removes a network that no service is in.
    async fn remove_network(&self, id: &NetworkId) -> Result<(), Error>;
    /// All secrets, without their payloads.
    async fn secrets(&self) -> Result<Vec<Secret>, Error>;
    /// Keeps a secret; its id.
    async fn create_secret(&self, spec: SecretSpec) -> Result<String, Error>;
    /// Changes a secret's labels.
    async fn update_secret(&self, id: &str, version: Version, spec: SecretSpec) -> Result<(), Error>;
    /// Removes a secret that no service uses.
    async fn remove_secret(&self, id: &str) -> Result<(), Error>;
    /// All configs.
    async fn configs(&self) -> Result<Vec<Config>, Error>;
    /// Keeps a config; its id.
    async fn create_config(&self, spec: ConfigSpec) -> Result<String, Error>;
    /// Changes a config's labels.
    async fn update_config(&self, id: &str, version: Version, spec: ConfigSpec) -> Result<(), Error>;
    /// Removes a config that no service uses.
    async fn remove_config(&self, id: &str) -> Result<(), Error>;
    /// Lines that tasks wrote.
    async fn logs(&self, wish: LogWish) -> Result<Stream<LogLine>, Error>;
    /// What happened in the cluster from `since` on, as far as that is known, and what happens from now on.
    async fn events(&self, since: Option<Timestamp>) -> Result<Events, Error>;
}
