//! All containers of this board.

use crate::client::Client;
use crate::config::Config;
use crate::container::{Container, TASK_LABEL, id_of};
use crate::files::Shelf;
use crate::image::{Credentials, Puller, Reference, Registry};
use crate::local::{Execs, Local};
use crate::logs::Logs;
use crate::scene::Scene;
use crate::spec::Clamp;
use crate::volumes::Volumes;
use crate::{engine, facts};
use async_trait::async_trait;
use containerd_client::services::v1::ListContainersRequest;
use exec::{Controller, Error, Executor, Fabric, File, LogStream, LogWish, Networking};
use model::template::TemplateBoard;
use model::{FileKey, NodeDescription, Platform, Task, TaskId};
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

/// All containers of this board. Cheap to clone.
#[derive(Clone)]
pub struct Runtime {
    pub(crate) shared: Arc<Shared>,
}

/// What containers share.
pub(crate) struct Shared {
    pub client: Client,
    pub puller: Puller,
    pub registry: Registry,
    pub network: Arc<dyn Networking>,
    pub logs: Logs,
    pub scene: Scene,
    pub execs: Execs,
    pub shelf: Shelf,
    pub config: Config,
    pub board: TemplateBoard,
    pub clamp: Clamp,
    pub volumes: Volumes,
}

impl Shared {
    /// What lasts of a container.
    pub fn folder(&self, id: &str) -> PathBuf {
        self.config.state_dir.join("containers").join(id)
    }

    /// What goes with a reboot: fifos, files for `/etc`.
    pub fn run_folder(&self, id: &str) -> PathBuf {
        self.config.run_dir.join("containers").join(id)
    }
}

/// Why there is no runtime.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// containerd.
    #[error("{0}")]
    Containerd(String),
    /// The registry client's settings.
    #[error("registries: {0}")]
    Registry(String),
}

/// An image as a registry has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Resolved {
    /// Media type of its manifest or index.
    pub media_type: String,
    /// Its digest.
    pub digest: String,
    /// Size of its manifest or index, in bytes.
    pub size: u64,
    /// Where it runs.
    pub platforms: Vec<Platform>,
}

impl Runtime {
    /// Connects to containerd, or starts our own.
    ///
    /// # Errors
    /// [`OpenError`]
    pub async fn open(config: Config, network: Arc<dyn Networking>) -> Result<Self, OpenError> {
        let registry = Registry::new(&config).map_err(OpenError::Registry)?;
        let client = Client::new(engine::connect(&config).await.map_err(OpenError::Containerd)?);
        let platform = facts::platform();
        let (os, architecture) = (
            platform.os.clone().unwrap_or_default(),
            platform.architecture.clone().unwrap_or_default(),
        );
        let shared = Shared {
            puller: Puller::new(client.clone(), registry.clone(), platform),
            client,
            registry,
            network,
            logs: Logs::default(),
            scene: Scene::default(),
            execs: Execs::default(),
            shelf: Shelf::default(),
            volumes: Volumes::open(&config.state_dir),
            board: TemplateBoard {
                hostname: config.hostname.clone(),
                os,
                architecture,
            },
            clamp: facts::clamp(),
            config,
        };
        Ok(Self {
            shared: Arc::new(shared),
        })
    }

    /// This board's containers and images, for who asks this board.
    pub fn local(&self) -> Local {
        Local {
            shared: self.shared.clone(),
        }
    }

    /// The board's volumes.
    pub fn volumes(&self) -> &Volumes {
        &self.shared.volumes
    }

    /// Asks the registry which image a name means now.
    ///
    /// # Errors
    /// [`Error::NotFound`] if there is none; [`Error::Temporary`] if the registry can't be asked.
    pub async fn resolve(&self, name: &str, credentials: Option<Credentials>) -> Result<Resolved, Error> {
        let reference = Reference::parse(name).map_err(Error::Fatal)?;
        crate::image::resolve(&self.shared.registry.with(credentials), &reference).await
    }

    /// Asks a registry whether it takes these credentials.
    ///
    /// # Errors
    /// [`Error::Fatal`] if it does not; [`Error::Temporary`] if it can't be asked.
    pub async fn log_in(&self, server: &str, credentials: Option<Credentials>) -> Result<(), Error> {
        self.shared.registry.with(credentials).log_in(server).await
    }
}

#[async_trait]
impl Executor for Runtime {
    async fn describe(&self) -> Result<NodeDescription, Error> {
        let (config, volumes) = (self.shared.config.clone(), self.shared.volumes.clone());
        let described = tokio::task::spawn_blocking(move || facts::describe(&config, &volumes)).await;
        Ok(NodeDescription {
            wireguard: self.shared.network.wireguard().await?,
            ..described.map_err(|error| Error::Temporary(error.to_string()))?
        })
    }

    fn controller(&self, task: &Task) -> Arc<dyn Controller> {
        Arc::new(Container::new(self.shared.clone(), task.clone()))
    }

    async fn leftovers(&self) -> Result<Vec<TaskId>, Error> {
        let request = ListContainersRequest { filters: Vec::new() };
        let answer = self.shared.client.containers().list(request).await;
        let listed = answer
            .map_err(crate::client::refusal("containers"))?
            .into_inner()
            .containers;
        let mut found: Vec<TaskId> = listed
            .into_iter()
            .filter_map(|record| record.labels.get(TASK_LABEL).map(|task| task.as_str().into()))
            .collect();
        found.extend(self.shared.network.attached().await);
        found.sort();
        found.dedup();
        Ok(found)
    }

    async fn remove_leftover(&self, task: &TaskId) -> Result<(), Error> {
        let task = Task {
            id: task.clone(),
            ..Task::default()
        };
        Container::new(self.shared.clone(), task).remove().await
    }

    fn give(&self, key: FileKey, file: Option<File>) {
        self.shared.shelf.give(key, file);
    }

    fn keep_files(&self, keys: &BTreeSet<FileKey>) {
        self.shared.shelf.keep(keys);
    }

    async fn weave(&self, fabric: Arc<Fabric>) -> Result<(), Error> {
        self.shared.network.weave(fabric).await
    }

    async fn logs(&self, wish: LogWish) -> Result<LogStream, Error> {
        let containers = wish.tasks.iter().map(|task| {
            let id = id_of(task);
            (task.clone(), id.clone(), self.shared.folder(&id))
        });
        Ok(self.shared.logs.read(wish.clone(), containers.collect()))
    }
}
