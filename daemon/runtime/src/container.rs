//! One task's container: the effects behind [`exec::Controller`].

use crate::client::{SNAPSHOTTER, or_exists, or_gone, refusal};
use crate::ended::{self, Ended};
use crate::executor::Shared;
use crate::health::{Check, Health};
use crate::image::Credentials;
use crate::logs::{Room, fifo};
use crate::spec::{self, Parts};
use crate::volumes::Image;
use crate::{devices, files, kept, probe, refuse, users};
use async_trait::async_trait;
use containerd_client::services::v1::container::Runtime as RuntimeName;
use containerd_client::services::v1::snapshots::{
    MountsRequest, PrepareSnapshotRequest, RemoveSnapshotRequest,
};
use containerd_client::services::v1::{
    Container as Record, CreateContainerRequest, CreateTaskRequest, DeleteContainerRequest,
    DeleteTaskRequest, GetRequest, KillRequest, StartRequest, WaitRequest,
};
use containerd_client::types::Mount;
use containerd_client::types::v1::Status as State;
use exec::{Controller, Error, HostPort, Observation, Place, Source, Wish};
use model::template;
use model::{ContainerStatus, FileKey, PortConfig, PortStatus, PublishMode, Task, TaskId, Timestamp, Wishes};
use prost_types::Any;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tonic::Code;

/// The label that says which image a container is of, and makes containerd keep its config.
pub(crate) const IMAGE_LABEL: &str = "containerd.io/gc.ref.content.bramble";
/// The label that says which task a container is for.
pub(crate) const TASK_LABEL: &str = "bramble.task";
/// Between asking and killing, if the service says nothing (Docker's).
const GRACE: Duration = Duration::from_secs(10);
/// Asks a process to end.
const SIGTERM: u32 = 15;
/// For a killed process to be gone.
const DEATH: Duration = Duration::from_secs(10);
/// Small static init programs, as distributions install them.
const INITS: [&str; 3] = [
    "/usr/libexec/docker/docker-init",
    "/usr/bin/docker-init",
    "/usr/bin/tini-static",
];
/// Ports that a board chooses by itself, for services that ask for none in particular.
const OWN_PORTS: std::ops::Range<u16> = 32768..60999;

/// One task's container.
pub(crate) struct Container {
    shared: Arc<Shared>,
    task: Task,
    id: String,
}

/// A name for what belongs to one container alone: 64 hexadecimal digits, the same for the same place for ever.
pub(crate) fn id_of_anonymous(container: &str, target: &str) -> String {
    id_of(&format!("{container} {target}").as_str().into())
}

/// A container's id: 64 hexadecimal digits as Docker's, the same for the same task for ever.
pub(crate) fn id_of(task: &TaskId) -> String {
    use std::fmt::Write as _;
    let digest = ring::digest::digest(&ring::digest::SHA256, task.as_str().as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

impl Container {
    pub fn new(shared: Arc<Shared>, task: Task) -> Self {
        let id = id_of(&task.id);
        Self { shared, task, id }
    }

    /// What lasts of it: log, exit code.
    fn folder(&self) -> PathBuf {
        self.shared.folder(&self.id)
    }

    /// What goes with a reboot: fifos, files for `/etc`.
    fn run_folder(&self) -> PathBuf {
        self.shared.run_folder(&self.id)
    }

    /// Its secrets and configs: a tmpfs.
    fn files_folder(&self) -> PathBuf {
        self.run_folder().join("files")
    }

    fn on_boards_network(&self) -> bool {
        self.task
            .spec
            .networks
            .iter()
            .flatten()
            .any(|network| network.target.as_deref() == Some("host"))
    }

    /// Its places in overlay networks, as the managers gave them.
    fn places(&self) -> Vec<Place> {
        let attachments = self.task.networks_attachments.iter().flatten();
        let place = |attachment: &model::NetworkAttachment| {
            let (address, prefix) = attachment.addresses.as_ref()?.first()?.split_once('/')?;
            Some(Place {
                network: attachment.network.id.clone(),
                address: address.parse().ok()?,
                prefix: prefix.parse().ok()?,
            })
        };
        attachments.filter_map(place).collect()
    }

    pub fn host_ports(&self) -> Vec<HostPort> {
        let host = self
            .task
            .origin
            .ports
            .iter()
            .filter(|port| port.publish_mode == Some(PublishMode::Host));
        host.map(|port| HostPort {
            protocol: port.protocol.unwrap_or_default(),
            published: port
                .published_port
                .filter(|port| *port != 0)
                .unwrap_or_else(|| self.own_port(port.target_port)),
            target: port.target_port,
        })
        .collect()
    }

    /// A port for a service that asks for none in particular: spread by task, the same each time.
    fn own_port(&self, target: u16) -> u16 {
        let seed = self.id.bytes().fold(u32::from(target), |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(byte.into())
        });
        let width = u32::from(OWN_PORTS.end - OWN_PORTS.start);
        OWN_PORTS.start + u16::try_from(seed % width).unwrap_or(0)
    }

    async fn attach(&self) -> Result<Option<exec::Attached>, Error> {
        if self.on_boards_network() {
            return Ok(None);
        }
        let task = self.expanded()?;
        let default = model::ContainerSpec::default();
        let container = task.spec.container_spec.as_ref().unwrap_or(&default);
        let wish = Wish {
            task: self.task.id.clone(),
            host_ports: self.host_ports(),
            places: self.places(),
            hostname: spec::name_of(container, &self.id),
            resolvers: spec::resolvers(container)?,
        };
        let attached = self.shared.network.attach(&wish).await?;
        kept::network(&self.run_folder(), &attached);
        Ok(Some(attached))
    }

    /// Tells who listens what happened to this container.
    fn tell(&self, action: &str, more: &[(&str, String)]) {
        self.shared
            .scene
            .tell(kept::event(&self.id, &self.task, action, more));
    }

    async fn rootfs(&self) -> Result<Vec<Mount>, Error> {
        let request = MountsRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: self.id.clone(),
        };
        let answer = self
            .shared
            .client
            .snapshots()
            .mounts(request)
            .await
            .map_err(refusal("root file system"))?;
        Ok(answer.into_inner().mounts)
    }

    /// State and process id of containerd's task; none if there is no task.
    async fn process(&self) -> Result<Option<(State, u32)>, Error> {
        let request = GetRequest {
            container_id: self.id.clone(),
            exec_id: String::new(),
        };
        let found = or_gone(self.shared.client.tasks().get(request).await).map_err(refusal("container"))?;
        Ok(found
            .and_then(|answer| answer.into_inner().process)
            .map(|process| (process.status(), process.pid)))
    }

    async fn kill(&self, signal: u32, all: bool) -> Result<(), Error> {
        let request = KillRequest {
            container_id: self.id.clone(),
            exec_id: String::new(),
            signal,
            all,
        };
        match self.shared.client.tasks().kill(request).await {
            Ok(_) => Ok(()),
            // It ended by itself meanwhile.
            Err(status) if matches!(status.code(), Code::NotFound | Code::FailedPrecondition) => Ok(()),
            Err(status) => Err(refusal("stopping")(status)),
        }
    }

    /// Waits for the process to end and keeps how it did.
    async fn end(&self) -> Result<Ended, Error> {
        if let Some(ended) = Ended::load(&self.folder()) {
            return Ok(ended);
        }
        let request = WaitRequest {
            container_id: self.id.clone(),
            exec_id: String::new(),
        };
        let answer = self
            .shared
            .client
            .tasks()
            .wait(request)
            .await
            .map_err(refusal("container"))?
            .into_inner();
        let ended = Ended {
            exit_code: answer.exit_status.into(),
            out_of_memory: ended::out_of_memory(&self.id),
            started: kept::started(&self.run_folder()),
            finished: Some(kept::time(answer.exited_at)),
        };
        ended
            .save(&self.folder())
            .map_err(|error| Error::Temporary(format!("keeping the exit code: {error}")))?;
        self.tell("die", &[("exitCode", ended.exit_code.to_string())]);
        self.finish().await?;
        Ok(ended)
    }

    /// The container has ended: also what it may read goes.
    async fn finish(&self) -> Result<(), Error> {
        let files = files::remove(&self.files_folder())
            .map_err(|error| Error::Temporary(format!("taking secrets away: {error}")));
        let cleared = self.clear().await;
        let (volumes, id) = (self.shared.volumes.clone(), self.id.clone());
        let rested =
            tokio::task::spawn_blocking(move || volumes.rest(&id, |folder| Ended::load(folder).is_some()));
        let rested = match rested.await {
            Ok(rested) => rested.map_err(|error| Error::Temporary(format!("unmounting a volume: {error}"))),
            Err(error) => Err(Error::Temporary(error.to_string())),
        };
        cleared.and(files).and(rested)
    }

    /// Frees what only a running container needs; its log and its exit code stay.
    async fn clear(&self) -> Result<(), Error> {
        let request = DeleteTaskRequest {
            container_id: self.id.clone(),
        };
        let deleted = or_gone(self.shared.client.tasks().delete(request).await).map_err(refusal("container"));
        self.shared.logs.finish(&self.id).await;
        let detached = self.shared.network.detach(&self.task.id).await;
        deleted.and(detached)
    }

    /// An input that stays open: a fifo that nobody writes to. Without one it is at its end at once.
    fn stdin(&self) -> Result<String, Error> {
        let container = self.task.spec.container_spec.as_ref();
        if !container
            .and_then(|container| container.open_stdin)
            .unwrap_or(false)
        {
            return Ok(String::new());
        }
        let path = self.run_folder().join("stdin");
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        match nix::unistd::mkfifo(&path, mode) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => Ok(path.display().to_string()),
            Err(error) => Err(Error::Temporary(format!("standard input: {error}"))),
        }
    }

    fn room(&self) -> Result<Room, Error> {
        Room::of(self.task.spec.log_driver.as_ref()).map_err(Error::Fatal)
    }

    pub fn signal(&self) -> u32 {
        let container = self.task.spec.container_spec.as_ref();
        let named = container
            .and_then(|container| container.stop_signal.clone())
            .filter(|name| !name.is_empty());
        let images = || std::fs::read_to_string(self.folder().join("stop-signal")).ok();
        let name = named.or_else(images).unwrap_or_default();
        model::signal(&name).unwrap_or(SIGTERM)
    }

    pub fn grace(&self) -> Duration {
        let container = self.task.spec.container_spec.as_ref();
        let nanos = container
            .and_then(|container| container.stop_grace_period)
            .and_then(|nanos| u64::try_from(nanos).ok());
        nanos.map_or(GRACE, Duration::from_nanos)
    }

    /// Checks the container's health over and over: until it is well, or for ever if it `was_well`. An error is its end.
    async fn check(&self, was_well: bool) -> Error {
        let Some(check) = Check::load(&self.folder()) else {
            return std::future::pending().await;
        };
        let begun = tokio::time::Instant::now();
        let mut health = if was_well {
            Health::well()
        } else {
            Health::default()
        };
        self.shared.scene.watch_health(&self.id, was_well);
        loop {
            tokio::time::sleep(health.pause(&check, begun.elapsed())).await;
            if matches!(self.process().await, Ok(Some((State::Paused, _)))) {
                continue;
            }
            let start = Timestamp::now();
            let (client, folder) = (&self.shared.client, self.run_folder());
            let asked = probe::run(client, &self.id, &folder, &check.command, check.timeout).await;
            let answer = match asked {
                Ok(answer) => answer,
                // The container has ended, or containerd is away: whoever waits for its end will know.
                Err(Error::NotFound(_) | Error::Temporary(_) | Error::Cancelled) => continue,
                Err(error) => probe::Answer {
                    code: Some(126),
                    output: error.to_string(),
                },
            };
            let verdict = health.take(&check, &answer, begun.elapsed());
            let scene = &self.shared.scene;
            let status = scene.note_check(&self.id, &check, &answer, start, &health, verdict.is_err());
            if let Some(status) = status {
                self.tell(&format!("health_status: {status}"), &[]);
            }
            if let Err(reason) = verdict {
                return Error::Fatal(reason);
            }
            if health.well && !was_well {
                return Error::Cancelled;
            }
        }
    }

    /// Waits until a container that has just started is well; one without a check is so at once.
    async fn become_well(&self) -> Result<(), Error> {
        if Check::load(&self.folder()).is_none() {
            return Ok(());
        }
        tokio::select! {
            ended = self.end() => result(&ended?).and(Err(Error::Fatal(
                "the container ended before it was healthy".to_owned(),
            ))),
            outcome = self.check(false) => match outcome {
                Error::Cancelled => Ok(()),
                unhealthy => self.put_down(unhealthy).await,
            },
        }
    }

    /// An unhealthy container is stopped, as politely as ever; the reason stays the reason.
    async fn put_down(&self, unhealthy: Error) -> Result<(), Error> {
        self.shutdown().await?;
        Err(Error::Exit {
            code: Ended::load(&self.folder()).map_or(137, |ended| ended.exit_code),
            reason: Some(unhealthy.to_string()),
        })
    }

    fn write_files(&self, parts: &Parts<'_>, check: Option<&Check>) -> std::io::Result<()> {
        let stop_signal = parts.image.config.stop_signal.as_deref();
        let default = model::ContainerSpec::default();
        let container = parts.task.spec.container_spec.as_ref().unwrap_or(&default);
        let (run, folder) = (self.run_folder(), self.folder());
        std::fs::create_dir_all(&run)?;
        std::fs::create_dir_all(&folder)?;
        std::fs::write(run.join("hosts"), spec::hosts(parts, container))?;
        std::fs::write(
            run.join("hostname"),
            format!("{}\n", spec::hostname(parts, container)),
        )?;
        let boards = std::fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
        std::fs::write(
            run.join("resolv.conf"),
            spec::resolv_conf(container, &boards, parts.network.is_some()),
        )?;
        std::fs::write(folder.join("stop-signal"), stop_signal.unwrap_or_default())?;
        Check::save(check, &folder)?;
        kept::save_task(&folder, &self.task)?;
        Ok(())
    }

    /// What the service's registry is to be shown.
    async fn credentials(&self) -> Result<Option<Credentials>, Error> {
        if !self.task.origin.registry_auth {
            return Ok(None);
        }
        let key = FileKey::RegistryAuth(self.task.service_id.clone());
        let file = self
            .shared
            .shelf
            .get(&key, &self.task.origin.service_name)
            .await?;
        let header = String::from_utf8_lossy(file.data.reveal()).into_owned();
        Credentials::read(&header).map_err(Error::Fatal)
    }

    /// The task with all templates filled in.
    fn expanded(&self) -> Result<Task, Error> {
        let mut task = self.task.clone();
        if let Some(container) = &mut task.spec.container_spec {
            let data = template::fields(&self.task, &self.shared.board);
            *container = template::expand(container, &data).map_err(Error::Fatal)?;
        }
        Ok(task)
    }

    async fn make(&self) -> Result<(), Error> {
        let default = model::ContainerSpec::default();
        let task = self.expanded()?;
        let container = task.spec.container_spec.as_ref().unwrap_or(&default);
        spec::make_sources(container)?;
        let image = self
            .shared
            .puller
            .get(container.image.as_deref().unwrap_or_default(), self.credentials())
            .await?;
        files::lay_out(
            &self.shared.shelf,
            &self.files_folder(),
            &task,
            &self.shared.board,
        )
        .await?;
        let network = self.attach().await?;
        let request = PrepareSnapshotRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: self.id.clone(),
            parent: image.snapshot.clone(),
            // Until the container is made nothing else holds it: containerd's collector would take it away.
            labels: HashMap::from([("containerd.io/gc.root".to_owned(), "bramble".to_owned())]),
        };
        or_exists(self.shared.client.snapshots().prepare(request).await)
            .map_err(refusal("root file system"))?;
        let wanted = container
            .user
            .clone()
            .or_else(|| image.config.config.user.clone())
            .unwrap_or_default();
        let rootfs = self.rootfs().await?;
        let groups = container.groups.as_deref().unwrap_or_default();
        let user = users::resolve(&wanted, groups, &rootfs)?;
        let uses = spec::uses(&self.id, &image.config, container)?;
        let root = Image {
            mounts: rootfs,
            place: self.run_folder().join("root"),
        };
        Box::pin(self.shared.volumes.take(&self.id, uses.clone(), root)).await?;
        let (files, volumes) = (self.run_folder(), self.shared.config.state_dir.join("volumes"));
        let wishes = Wishes::checked(&self.task.origin.service_labels);
        let parts = Parts {
            task: &task,
            image: &image.config,
            user,
            network: network.as_ref(),
            board: &self.shared.board,
            files: &files,
            wishes: &wishes,
            devices: &devices::wanted(&wishes)?,
            shown: &files::shown(&self.files_folder(), container),
            uses: &uses,
            volumes: &volumes,
            id: &self.id,
            init: INITS.iter().map(Path::new).find(|path| path.is_file()),
            clamp: self.shared.clamp,
        };
        let spec = spec::build(&parts)?;
        let config = &image.config.config;
        let check = Check::of(
            container.healthcheck.as_ref(),
            config.healthcheck.as_ref(),
            config.shell.as_deref(),
        )
        .map_err(Error::Fatal)?;
        self.write_files(&parts, check.as_ref())
            .map_err(|error| Error::Temporary(format!("writing a container's files: {error}")))?;
        let spec = Any {
            type_url: "types.containerd.io/opencontainers/runtime-spec/1/Spec".to_owned(),
            value: spec.to_string().into_bytes(),
        };
        let image_id = crate::image::id_of(&self.shared.client, &image.name).await?;
        let record = Record {
            id: self.id.clone(),
            labels: HashMap::from([
                (TASK_LABEL.to_owned(), self.task.id.to_string()),
                // Held also when the image loses its name.
                (IMAGE_LABEL.to_owned(), image_id),
            ]),
            image: image.name,
            runtime: Some(RuntimeName {
                name: "io.containerd.runc.v2".to_owned(),
                options: None,
            }),
            spec: Some(spec),
            snapshotter: SNAPSHOTTER.to_owned(),
            snapshot_key: self.id.clone(),
            ..Record::default()
        };
        let request = CreateContainerRequest {
            container: Some(record),
        };
        let created = or_exists(self.shared.client.containers().create(request).await);
        if created.map_err(refusal("container"))?.is_some() {
            self.tell("create", &[]);
        }
        Ok(())
    }
}

#[async_trait]
impl Controller for Container {
    async fn update(&self, _: &Task) -> Result<(), Error> {
        // Only the wanted state of a task changes here, which is the agent's business.
        Ok(())
    }

    async fn prepare(&self) -> Result<(), Error> {
        refuse::check(&self.task)?;
        // Boxed: the largest future of this room, held by every task.
        Box::pin(self.make()).await
    }

    fn progress(&self) -> Option<String> {
        let container = self.task.spec.container_spec.as_ref()?;
        self.shared.puller.progress(container.image.as_deref()?)
    }

    async fn start(&self) -> Result<(), Error> {
        match self.process().await? {
            Some((State::Running, _)) => {
                self.shared
                    .logs
                    .attach(&self.id, &self.run_folder(), &self.folder(), self.room()?)?;
                return self.become_well().await;
            }
            // A start that a crash cut off: what it left is in the way.
            Some(_) => self.clear().await?,
            None => {}
        }
        if let Some(ended) = Ended::load(&self.folder()) {
            return result(&ended);
        }
        self.attach().await?;
        self.shared
            .logs
            .attach(&self.id, &self.run_folder(), &self.folder(), self.room()?)?;
        let pipe = |source| fifo(&self.run_folder(), source).display().to_string();
        let terminal = self
            .task
            .spec
            .container_spec
            .as_ref()
            .and_then(|spec| spec.tty)
            .unwrap_or(false);
        let request = CreateTaskRequest {
            container_id: self.id.clone(),
            rootfs: self.rootfs().await?,
            stdin: self.stdin()?,
            stdout: pipe(Source::Stdout),
            stderr: if terminal {
                String::new()
            } else {
                pipe(Source::Stderr)
            },
            terminal,
            ..CreateTaskRequest::default()
        };
        let started = async {
            self.shared.client.tasks().create(request).await?;
            let request = StartRequest {
                container_id: self.id.clone(),
                exec_id: String::new(),
            };
            self.shared.client.tasks().start(request).await.map(|_| ())
        }
        .await;
        if let Err(status) = started {
            if let Err(error) = self.finish().await {
                tracing::debug!(%error, "after a start that failed");
            }
            return Err(match status.code() {
                Code::Unavailable => refusal("starting container failed")(status),
                _ => Error::Fatal(format!("starting container failed: {}", short(status.message()))),
            });
        }
        kept::start(&self.run_folder());
        self.tell("start", &[]);
        self.become_well().await
    }

    async fn wait(&self) -> Result<(), Error> {
        if Ended::load(&self.folder()).is_none() && self.process().await?.is_some() {
            self.shared
                .logs
                .attach(&self.id, &self.run_folder(), &self.folder(), self.room()?)?;
        }
        let ended = tokio::select! {
            ended = self.end() => ended,
            unhealthy = self.check(true) => return self.put_down(unhealthy).await,
        };
        match ended {
            Ok(ended) => result(&ended),
            Err(Error::NotFound(_)) => {
                // Whatever is left of its network is freed all the same.
                self.finish().await?;
                Err(Error::Fatal(
                    "the container is gone: it was ended from outside, or the board lost power".to_owned(),
                ))
            }
            Err(error) => Err(error),
        }
    }

    async fn shutdown(&self) -> Result<(), Error> {
        match self.process().await? {
            None => return self.finish().await,
            Some((State::Running | State::Paused | State::Created, _)) => {
                self.kill(self.signal(), false).await?;
                if tokio::time::timeout(self.grace(), self.end()).await.is_err() {
                    return self.terminate().await;
                }
            }
            Some(_) => {}
        }
        self.end().await.map(|_| ())?;
        self.finish().await
    }

    async fn terminate(&self) -> Result<(), Error> {
        self.kill(9, true).await?;
        match tokio::time::timeout(DEATH, self.end()).await {
            Ok(Ok(_) | Err(Error::NotFound(_))) => self.finish().await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Temporary(
                "a killed process does not go away: waiting for the kernel".to_owned(),
            )),
        }
    }

    async fn remove(&self) -> Result<(), Error> {
        let mut errors = Vec::new();
        let mut note = |outcome: Result<(), Error>| match outcome {
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error) => errors.push(error.to_string()),
        };
        if self.process().await?.is_some() {
            note(self.terminate().await);
        }
        note(self.finish().await);
        let request = DeleteContainerRequest { id: self.id.clone() };
        let deleted = or_gone(self.shared.client.containers().delete(request).await);
        if matches!(deleted, Ok(Some(_))) {
            self.tell("destroy", &[]);
        }
        note(deleted.map(|_| ()).map_err(refusal("removing")));
        self.shared.scene.forget(&self.id);
        self.shared.execs.forget(&self.id);
        let request = RemoveSnapshotRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: self.id.clone(),
        };
        let removed = or_gone(self.shared.client.snapshots().remove(request).await);
        note(removed.map(|_| ()).map_err(refusal("removing")));
        let (volumes, id) = (self.shared.volumes.clone(), self.id.clone());
        let released = tokio::task::spawn_blocking(move || volumes.release(&id)).await;
        note(match released {
            Ok(released) => released.map_err(Error::from),
            Err(error) => Err(Error::Temporary(error.to_string())),
        });
        for folder in [self.run_folder(), self.folder()] {
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => errors.push(error.to_string()),
                _ => {}
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Error::Temporary(errors.join("; ")))
        }
    }

    async fn observe(&self) -> Result<Observation, Error> {
        let ended = Ended::load(&self.folder());
        let process = self.process().await?;
        let ports = self.host_ports();
        let shown = |port: HostPort| PortConfig {
            protocol: Some(port.protocol),
            target_port: port.target,
            published_port: Some(port.published),
            publish_mode: Some(PublishMode::Host),
            name: None,
        };
        let running = matches!(process, Some((State::Running | State::Paused, _)));
        Ok(Observation {
            container: Some(ContainerStatus {
                container_id: Some(self.id.clone()),
                pid: process.map_or(0, |(_, pid)| pid.into()),
                exit_code: ended.as_ref().map_or(0, |ended| ended.exit_code),
            }),
            running,
            started: running || ended.is_some(),
            ports: Some(PortStatus {
                ports: Some(ports.into_iter().map(shown).collect()),
            })
            .filter(|_| running),
        })
    }
}

fn result(ended: &Ended) -> Result<(), Error> {
    match ended.exit_code {
        0 => Ok(()),
        code => Err(Error::Exit {
            code,
            reason: ended.out_of_memory.then(|| "out of memory".to_owned()),
        }),
    }
}

/// The part of runc's message that tells what is wrong.
fn short(message: &str) -> String {
    let at = message
        .find("exec: ")
        .or_else(|| message.rfind("runc create failed: "))
        .unwrap_or(0);
    message[at..].trim_end_matches(": unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runcs_message_is_made_short() {
        let long = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container \
                    process: exec: \"nosuch\": executable file not found in $PATH: unknown";
        assert_eq!(
            short(long),
            "exec: \"nosuch\": executable file not found in $PATH"
        );
        assert_eq!(short("something else"), "something else");
    }

    #[test]
    fn an_id_is_64_hexadecimal_digits() {
        let id = id_of(&"t".into());
        assert_eq!(id.len(), 64);
        assert_eq!(id, id_of(&"t".into()));
    }
}
