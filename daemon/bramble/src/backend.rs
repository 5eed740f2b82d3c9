//! What the Engine API asks of the daemon, answered by its rooms.

mod local;
mod pass;
mod updates;

use crate::node::{Command, Init, Join, Node, Trouble};
use crate::standing::Standing;
use api::backend::{
    ContextRequest, Distribution, Events, Facts, InitRequest, JoinRequest, LogLine, LogWish, NewContext,
    RegistryAuth, Rotate, Stream,
};
use api::{Error, Place};
use async_trait::async_trait;
use bytes::Bytes;
use futures::StreamExt as _;
use manager::control::{access, cluster, networks, services::Asked, services::Wanted};
use manager::{LogRequest, Manager, Refusal};
use model::{
    Cluster, ClusterSpec, Config, ConfigSpec, Grant, Hidden, Network, NetworkId, NetworkSpec, Node as Member,
    NodeId, NodeSpec, Secret, SecretSpec, Service, ServiceId, ServiceSpec, Task, Timestamp, Version,
};
use runtime::{Credentials, Runtime};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use tokio::sync::oneshot;
use tokio_stream::wrappers::ReceiverStream;

/// Answers the API.
pub struct Backend {
    /// The board.
    pub node: Arc<Node>,
    /// Its containers.
    pub runtime: Runtime,
    /// What happened lately.
    pub history: crate::events::History,
}

/// Answers what other managers pass on.
pub struct Front(pub axum::Router);

#[async_trait]
impl manager::Front for Front {
    async fn answer(&self, request: http::Request<manager::Body>) -> http::Response<manager::Body> {
        api::answer(&self.0, request).await
    }
}

fn refused(refusal: Refusal) -> Error {
    let text = refusal.to_string();
    match refusal {
        Refusal::NotFound(_) => Error::NotFound(text),
        Refusal::Invalid(_) | Refusal::Precondition(_) => Error::Invalid(text),
        Refusal::Exists(_) => Error::Conflict(text),
        Refusal::Unimplemented(_) => Error::Unimplemented(text),
        Refusal::Unavailable(_) => Error::Unavailable(text),
        Refusal::OutOfSequence | Refusal::Internal(_) => Error::Internal(text),
    }
}

fn troubled(trouble: Trouble) -> Error {
    match trouble {
        Trouble::Standing(text) => Error::Unavailable(text),
        Trouble::Invalid(text) => Error::Invalid(text),
        Trouble::Conflict(text) => Error::Conflict(text),
        Trouble::Failed(text) => Error::Internal(text),
    }
}

impl Backend {
    fn manager(&self) -> Result<Manager, Error> {
        self.node.manager.borrow().clone().ok_or_else(|| {
            let text = match *self.node.standing.borrow() {
                Standing::Locked => crate::lock::LOCKED,
                Standing::In if self.node.kept.borrow().is_manager() => {
                    "This manager's store is not open: see docker info"
                }
                Standing::In => {
                    "This node is not a swarm manager. Worker nodes can't be used to view or modify cluster state. \
                     Please run this command on a manager node or promote the current node to a manager."
                }
                Standing::Out | Standing::Pending => {
                    "This node is not a swarm manager. Use \"docker swarm init\" or \"docker swarm join\" to connect this \
                     node to swarm and try again."
                }
            };
            Error::Unavailable(text.to_owned())
        })
    }

    async fn tell<T>(
        &self,
        command: impl FnOnce(oneshot::Sender<Result<T, Trouble>>) -> Command,
    ) -> Result<T, Error> {
        let stopping = || Error::Unavailable("the daemon is busy with another command, or stops".to_owned());
        let (done, answer) = oneshot::channel();
        self.node
            .commands
            .try_send(command(done))
            .map_err(|_| stopping())?;
        answer.await.map_err(|_| stopping())?.map_err(troubled)
    }
}

/// An address or an interface, with a port perhaps.
fn advertised(text: &str, port: u16) -> Result<Option<SocketAddr>, Error> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid = || {
        Error::Invalid(
            "advertise address must be a non-zero IP address or network interface (with optional port number)".to_owned(),
        )
    };
    if let Ok(address) = text.parse::<SocketAddr>() {
        return Ok(Some(address));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return if address.is_unspecified() {
            Err(invalid())
        } else {
            Ok(Some(SocketAddr::new(address, port)))
        };
    }
    let interface = crate::config::Advertise::Interface(text.to_owned());
    let found = crate::addresses::own(Some(&interface)).into_iter().next();
    found
        .map(|address| Some(SocketAddr::new(address, port)))
        .ok_or_else(invalid)
}

/// What a request carries for the registry.
fn credentials(auth: Option<&RegistryAuth>) -> Result<Option<Credentials>, Error> {
    let Some(auth) = auth else { return Ok(None) };
    Credentials::read(auth.reveal()).map_err(Error::Invalid)
}

/// A service, with credentials only if they say something.
fn asked(spec: ServiceSpec, auth: Option<RegistryAuth>) -> Result<Asked, Error> {
    let said = credentials(auth.as_ref())?.is_some();
    Ok(Asked {
        spec,
        registry_auth: auth.filter(|_| said),
    })
}

#[async_trait]
impl api::Backend for Backend {
    async fn facts(&self) -> Facts {
        crate::facts::gather(&self.node, &self.runtime).await
    }

    async fn board(&self) -> model::BoardReport {
        crate::report::gather(&self.node)
    }

    async fn metrics(&self) -> Result<String, Error> {
        let text = crate::metrics::gather(self).await;
        text.map_err(|error| Error::Internal(format!("gathering metrics: {error}")))
    }

    async fn init(&self, request: InitRequest) -> Result<String, Error> {
        // Without a cluster to go on with it is a new one, as with Docker.
        if request.force_new_cluster && self.node.kept.borrow().member {
            let advertise = advertised(&request.advertise_addr, self.node.listen.port())?;
            return self.tell(|done| Command::GoOnAlone { advertise, done }).await;
        }
        let mut spec = request.spec;
        if request.auto_lock_managers {
            spec.encryption_config.auto_lock_managers = Some(true);
        }
        cluster::validate(&spec).map_err(refused)?;
        let pools = request.default_addr_pool.unwrap_or_default();
        networks::pools(&pools, request.subnet_size).map_err(refused)?;
        let init = Init {
            advertise: advertised(&request.advertise_addr, self.node.listen.port())?,
            spec,
            pools,
            subnet_size: request.subnet_size,
            data_path_port: request.data_path_port,
            availability: request.availability,
        };
        self.tell(|done| Command::Init(Box::new(init), done)).await
    }

    async fn join(&self, request: JoinRequest) -> Result<(), Error> {
        advertised(&request.advertise_addr, self.node.listen.port())?;
        let join = Join {
            remotes: request.remote_addrs,
            token: request.join_token,
            availability: request.availability,
        };
        self.tell(|done| Command::Join(join, done)).await
    }

    async fn leave(&self, force: bool) -> Result<(), Error> {
        self.tell(|done| Command::Leave { force, done }).await
    }

    fn lets_in(&self, certificate: &str) -> bool {
        let store = self.node.store();
        store.is_some_and(|store| access::stands(&store.view(), certificate))
    }

    async fn create_context(&self, request: ContextRequest) -> Result<NewContext, Error> {
        let given = self
            .manager()?
            .grant_access(&request.name, request.role, request.days)
            .await
            .map_err(refused)?;
        tracing::info!(id = %given.grant.id, name = %given.grant.name, role = %given.grant.role, "a client certificate was made");
        Ok(NewContext {
            grant: given.grant,
            root: given.root,
            certificate: given.issued.certificate,
            key: Hidden::new(given.issued.key.reveal().to_owned()),
        })
    }

    async fn contexts(&self) -> Result<Vec<Grant>, Error> {
        self.manager()?.access_grants().await.map_err(refused)
    }

    async fn revoke_context(&self, id: &str) -> Result<(), Error> {
        self.manager()?.revoke_access(id).await.map_err(refused)
    }

    async fn unlock(&self, key: Hidden<String>) -> Result<(), Error> {
        if *self.node.standing.borrow() != Standing::Locked {
            self.manager()?;
            return Err(Error::Conflict("swarm is not locked".to_owned()));
        }
        let key = key
            .reveal()
            .parse()
            .map_err(|error: pki::Error| Error::Invalid(error.to_string()))?;
        self.tell(|done| Command::Unlock(key, done)).await
    }

    async fn resolve_image(&self, name: &str, auth: Option<RegistryAuth>) -> Result<Distribution, Error> {
        let found = self.runtime.resolve(name, credentials(auth.as_ref())?).await;
        let found = found.map_err(|error| match error {
            exec::Error::NotFound(text) | exec::Error::Fatal(text) => Error::NotFound(text),
            error => Error::Internal(error.to_string()),
        })?;
        Ok(Distribution {
            media_type: found.media_type,
            digest: found.digest,
            size: found.size,
            platforms: found.platforms,
        })
    }

    async fn log_in(&self, server: &str, auth: RegistryAuth) -> Result<(), Error> {
        let outcome = self.runtime.log_in(server, credentials(Some(&auth))?).await;
        outcome.map_err(|error| match error {
            exec::Error::Fatal(text) => Error::Unauthorized(text),
            error => Error::Internal(error.to_string()),
        })
    }

    fn updates(&self) -> &dyn api::updates::Updates {
        self
    }

    fn volumes(&self) -> &dyn api::volumes::Volumes {
        self
    }

    fn place(&self) -> Place {
        match self.manager() {
            Ok(manager) if manager.leads() => Place::Here,
            Ok(manager) if manager.store().leader().is_some() => Place::Elsewhere,
            Ok(_) => Place::Nobody(refused(Refusal::Unavailable(
                "The swarm does not have a leader. It's possible that too few managers are online. Make sure more than \
                 half of the managers are online (running tasks keep running meanwhile)."
                    .to_owned(),
            ))),
            Err(error) => Place::Nobody(error),
        }
    }

    async fn forward(&self, request: http::Request<Bytes>) -> Result<http::Response<Stream<Bytes>>, Error> {
        self.to_leader(request).await
    }

    async fn cluster(&self) -> Result<Cluster, Error> {
        self.manager()?.cluster().await.map_err(refused)
    }

    async fn unlock_key(&self) -> Result<String, Error> {
        self.manager()?.unlock_key().await.map_err(refused)
    }

    async fn update_cluster(&self, version: Version, spec: ClusterSpec, rotate: Rotate) -> Result<(), Error> {
        let rotate = cluster::Rotate {
            worker: rotate.worker,
            manager: rotate.manager,
            unlock_key: rotate.unlock_key,
        };
        self.manager()?
            .update_cluster(version, spec, rotate)
            .await
            .map_err(refused)
    }

    async fn nodes(&self) -> Result<Vec<Member>, Error> {
        let merged = self.manager()?.merged().await.map_err(refused)?;
        Ok(merged.view.nodes().map(|node| merged.node(node)).collect())
    }

    async fn update_node(&self, id: &NodeId, version: Version, spec: NodeSpec) -> Result<(), Error> {
        self.manager()?
            .update_node(id, version, spec)
            .await
            .map_err(refused)
    }

    async fn remove_node(&self, id: &NodeId, force: bool) -> Result<(), Error> {
        self.manager()?.remove_node(id, force).await.map_err(refused)
    }

    async fn services(&self) -> Result<Vec<Service>, Error> {
        let merged = self.manager()?.merged().await.map_err(refused)?;
        Ok(merged.view.services().map(|service| service.public()).collect())
    }

    async fn create_service(
        &self,
        spec: ServiceSpec,
        auth: Option<RegistryAuth>,
    ) -> Result<ServiceId, Error> {
        self.manager()?
            .create_service(asked(spec, auth)?)
            .await
            .map_err(refused)
    }

    async fn update_service(
        &self,
        id: &ServiceId,
        version: Version,
        spec: Option<ServiceSpec>,
        auth: Option<RegistryAuth>,
    ) -> Result<(), Error> {
        let (spec, wanted) = match spec {
            Some(spec) => (spec, Wanted::Given),
            None => (ServiceSpec::default(), Wanted::Previous),
        };
        self.manager()?
            .update_service(id, version, asked(spec, auth)?, wanted)
            .await
            .map_err(refused)
    }

    async fn remove_service(&self, id: &ServiceId) -> Result<(), Error> {
        self.manager()?.remove_service(id).await.map_err(refused)
    }

    async fn tasks(&self, service: Option<&ServiceId>) -> Result<Vec<Task>, Error> {
        let merged = self.manager()?.merged().await.map_err(refused)?;
        Ok(match service {
            Some(id) => merged
                .view
                .tasks_of_service(id)
                .map(|task| merged.task(task))
                .collect(),
            None => merged.view.tasks().map(|task| merged.task(task)).collect(),
        })
    }

    async fn networks(&self) -> Result<Vec<Network>, Error> {
        let merged = self.manager()?.merged().await.map_err(refused)?;
        Ok(merged
            .view
            .networks()
            .map(|network| (**network).clone())
            .collect())
    }

    async fn create_network(&self, spec: NetworkSpec) -> Result<NetworkId, Error> {
        self.manager()?.create_network(spec).await.map_err(refused)
    }

    async fn remove_network(&self, id: &NetworkId) -> Result<(), Error> {
        self.manager()?.remove_network(id).await.map_err(refused)
    }

    async fn secrets(&self) -> Result<Vec<Secret>, Error> {
        let merged = self.manager()?.merged().await.map_err(refused)?;
        Ok(merged.view.secrets().map(|secret| secret.public()).collect())
    }

    async fn create_secret(&self, spec: SecretSpec) -> Result<String, Error> {
        self.manager()?
            .create_deposit::<Secret>(spec)
            .await
            .map_err(refused)
    }

    async fn update_secret(&self, id: &str, version: Version, spec: SecretSpec) -> Result<(), Error> {
        self.manager()?
            .update_deposit::<Secret>(id, version, &spec)
            .await
            .map_err(refused)
    }

    async fn remove_secret(&self, id: &str) -> Result<(), Error> {
        self.manager()?
            .remove_deposit::<Secret>(id)
            .await
            .map_err(refused)
    }

    async fn configs(&self) -> Result<Vec<Config>, Error> {
        let merged = self.manager()?.merged().await.map_err(refused)?;
        Ok(merged.view.configs().map(|config| (**config).clone()).collect())
    }

    async fn create_config(&self, spec: ConfigSpec) -> Result<String, Error> {
        self.manager()?
            .create_deposit::<Config>(spec)
            .await
            .map_err(refused)
    }

    async fn update_config(&self, id: &str, version: Version, spec: ConfigSpec) -> Result<(), Error> {
        self.manager()?
            .update_deposit::<Config>(id, version, &spec)
            .await
            .map_err(refused)
    }

    async fn remove_config(&self, id: &str) -> Result<(), Error> {
        self.manager()?
            .remove_deposit::<Config>(id)
            .await
            .map_err(refused)
    }

    async fn logs(&self, wish: LogWish) -> Result<Stream<LogLine>, Error> {
        let manager = self.manager()?;
        let view = manager.store().view();
        let request = LogRequest {
            services: wish.service.into_iter().collect(),
            tasks: wish.task.into_iter().collect(),
            stdout: wish.stdout,
            stderr: wish.stderr,
            follow: wish.follow,
            tail: wish.tail,
            since: wish.since,
            until: wish.until,
        };
        let store = manager.store().clone();
        let service_of = move |task: &model::TaskId| {
            let known = view.task(task).map(|task| task.service_id.clone());
            known
                .or_else(|| store.view().task(task).map(|task| task.service_id.clone()))
                .unwrap_or_default()
        };
        let lines = ReceiverStream::new(manager.logs(request)).flat_map(move |batch| {
            let lines: Vec<Result<LogLine, String>> = match batch {
                Ok(batch) => batch
                    .into_iter()
                    .map(|line| {
                        Ok(LogLine {
                            service: service_of(&line.task),
                            node: line.node,
                            task: line.task,
                            stderr: line.stderr,
                            at: line.at,
                            data: line.data,
                        })
                    })
                    .collect(),
                Err(error) => vec![Err(error)],
            };
            futures::stream::iter(lines)
        });
        Ok(Box::pin(lines))
    }

    async fn events(&self, since: Option<Timestamp>) -> Result<Events, Error> {
        self.manager()?;
        Ok(self.history.read(since))
    }
}
