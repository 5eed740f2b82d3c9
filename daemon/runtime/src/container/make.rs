//! Everything that a container needs before it can start: image, files, network, volumes, spec, and containerd's record.

use super::{Container, IMAGE_LABEL, TASK_LABEL, kept, spec};
use crate::client::{SNAPSHOTTER, or_exists, refusal};
use crate::health::Check;
use crate::image::Credentials;
use crate::spec::Parts;
use crate::volumes::Image;
use crate::{devices, files, users};
use containerd_client::services::v1::container::Runtime as RuntimeName;
use containerd_client::services::v1::snapshots::PrepareSnapshotRequest;
use containerd_client::services::v1::{Container as Record, CreateContainerRequest};
use exec::Error;
use model::{FileKey, Task, Wishes, template};
use prost_types::Any;
use std::collections::HashMap;
use std::path::Path;

/// Small static init programs, as distributions install them.
const INITS: [&str; 3] = [
    "/usr/libexec/docker/docker-init",
    "/usr/bin/docker-init",
    "/usr/bin/tini-static",
];

impl Container {
    pub(super) async fn make(&self) -> Result<(), Error> {
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
        self.snapshot(&image.snapshot).await?;
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
        self.record(image.name, spec.to_string()).await
    }

    /// Its root file system, over the image's.
    async fn snapshot(&self, parent: &str) -> Result<(), Error> {
        let request = PrepareSnapshotRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: self.id.clone(),
            parent: parent.to_owned(),
            // Until the container is made nothing else holds it: containerd's collector would take it away.
            labels: HashMap::from([("containerd.io/gc.root".to_owned(), "bramble".to_owned())]),
        };
        or_exists(self.shared.client.snapshots().prepare(request).await)
            .map_err(refusal("root file system"))?;
        Ok(())
    }

    /// What containerd is to know of it.
    async fn record(&self, image: String, spec: String) -> Result<(), Error> {
        let spec = Any {
            type_url: "types.containerd.io/opencontainers/runtime-spec/1/Spec".to_owned(),
            value: spec.into_bytes(),
        };
        let image_id = crate::image::id_of(&self.shared.client, &image).await?;
        let record = Record {
            id: self.id.clone(),
            labels: HashMap::from([
                (TASK_LABEL.to_owned(), self.task.id.to_string()),
                // Held also when the image loses its name.
                (IMAGE_LABEL.to_owned(), image_id),
            ]),
            image,
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

    /// The task with all templates filled in.
    pub(super) fn expanded(&self) -> Result<Task, Error> {
        let mut task = self.task.clone();
        if let Some(container) = &mut task.spec.container_spec {
            let data = template::fields(&self.task, &self.shared.board);
            *container = template::expand(container, &data).map_err(Error::Fatal)?;
        }
        Ok(task)
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
}
