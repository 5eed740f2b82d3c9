//! What containers there are and what is known of them.

use super::{Local, Refused};
use crate::client::{SNAPSHOTTER, or_gone, refusal};
use crate::container::{Container, IMAGE_LABEL, TASK_LABEL};
use crate::ended::Ended;
use crate::health::Check;
use crate::kept;
use containerd_client::services::v1::snapshots::{MountsRequest, UsageRequest};
use containerd_client::services::v1::{Container as Record, ListContainersRequest, ListTasksRequest};
use containerd_client::types::v1::Status;
use model::{
    LocalContainer, LocalHealth, LocalLayers, LocalMount, LocalPort, LocalState, PortProtocol, Task,
};
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;

/// Where a container sees its init process.
const INIT: &str = "/sbin/docker-init";

impl Local {
    /// All containers of this board, newest first.
    ///
    /// # Errors
    /// If containerd can't be asked.
    pub async fn containers(&self) -> Result<Vec<LocalContainer>, Refused> {
        let request = ListContainersRequest { filters: Vec::new() };
        let answer = self.shared.client.containers().list(request).await;
        let records = answer.map_err(refusal("containers"))?.into_inner().containers;
        let processes = self.processes_by_container().await?;
        let mut exposed = HashMap::new();
        let mut all = Vec::new();
        for record in records {
            let Some(task) = record.labels.get(TASK_LABEL).cloned() else {
                continue;
            };
            let kept = kept::task(&self.shared.folder(&record.id));
            let task = kept.unwrap_or_else(|| Task {
                id: task.as_str().into(),
                ..Task::default()
            });
            let image = record.labels.get(IMAGE_LABEL).cloned().unwrap_or_default();
            if !exposed.contains_key(&image) {
                exposed.insert(image.clone(), self.exposed(&image).await);
            }
            let process = processes.get(&record.id).copied();
            let mut container = self.container(&record, task, process);
            let published = std::mem::take(&mut container.ports);
            container.ports = ports(published, exposed.get(&image).into_iter().flatten());
            all.push(container);
        }
        all.sort_by_key(|container| std::cmp::Reverse(container.created));
        Ok(all)
    }

    /// How much a container has changed of its root, in bytes.
    ///
    /// # Errors
    /// If containerd can't be asked.
    pub async fn changed_bytes(&self, id: &str) -> Result<u64, Refused> {
        let request = UsageRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: id.to_owned(),
        };
        let usage = or_gone(self.shared.client.snapshots().usage(request).await).map_err(refusal("size"))?;
        Ok(usage.map_or(0, |usage| u64::try_from(usage.into_inner().size).unwrap_or(0)))
    }

    /// The folders that make up a container's root.
    ///
    /// # Errors
    /// If containerd can't be asked.
    pub async fn layers(&self, id: &str) -> Result<LocalLayers, Refused> {
        let request = MountsRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: id.to_owned(),
        };
        let mounts = self.shared.client.snapshots().mounts(request).await;
        let mounts = mounts.map_err(refusal("root file system"))?.into_inner().mounts;
        let mut layers = LocalLayers::default();
        for mount in &mounts {
            let option = |name: &str| {
                let options = mount.options.iter();
                options
                    .filter_map(|option| option.strip_prefix(name))
                    .next()
                    .unwrap_or_default()
            };
            if mount.r#type == "bind" {
                layers.upper.clone_from(&mount.source);
                continue;
            }
            layers.upper = option("upperdir=").to_owned();
            layers.work = option("workdir=").to_owned();
            layers.lower = option("lowerdir=").split(':').map(str::to_owned).collect();
        }
        Ok(layers)
    }

    async fn processes_by_container(&self) -> Result<HashMap<String, (Status, u32)>, Refused> {
        let request = ListTasksRequest::default();
        let answer = self.shared.client.tasks().list(request).await;
        let listed = answer.map_err(refusal("containers"))?.into_inner().tasks;
        let entry = |process: containerd_client::types::v1::Process| {
            let status = process.status();
            (process.id, (status, process.pid))
        };
        Ok(listed.into_iter().map(entry).collect())
    }

    /// Ports that an image says it serves at. Not to know them is no reason not to show its containers.
    async fn exposed(&self, image: &str) -> Vec<(PortProtocol, u16)> {
        let Ok(config) = crate::image::content::read(&self.shared.client, image).await else {
            return Vec::new();
        };
        let config: Value = serde_json::from_slice(&config).unwrap_or_default();
        let ports = config["config"]["ExposedPorts"]
            .as_object()
            .cloned()
            .unwrap_or_default();
        ports.keys().filter_map(|port| exposed_port(port)).collect()
    }

    fn container(&self, record: &Record, task: Task, process: Option<(Status, u32)>) -> LocalContainer {
        let (folder, run) = (self.shared.folder(&record.id), self.shared.run_folder(&record.id));
        let ended = Ended::load(&folder);
        let (state, pid) = match process {
            Some((Status::Running, pid)) => (LocalState::Running, pid),
            Some((Status::Paused | Status::Pausing, pid)) => (LocalState::Paused, pid),
            _ if ended.is_some() => (LocalState::Exited, 0),
            Some((Status::Stopped, _)) => (LocalState::Exited, 0),
            _ => (LocalState::Created, 0),
        };
        let lives = matches!(state, LocalState::Running | LocalState::Paused);
        let spec = record.spec.as_ref().map(|spec| spec.value.as_slice());
        let spec: Value = serde_json::from_slice(spec.unwrap_or_default()).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let list =
            |value: &Value| -> Vec<String> { value.as_array().into_iter().flatten().map(text).collect() };
        let of_end = |part: fn(&Ended) -> Option<model::Timestamp>| ended.as_ref().and_then(part);
        let published = Container::new(self.shared.clone(), task.clone()).host_ports();
        LocalContainer {
            id: record.id.clone(),
            created: kept::time(record.created_at),
            image_id: record.labels.get(IMAGE_LABEL).cloned().unwrap_or_default(),
            state,
            pid,
            exit_code: ended.as_ref().map_or(0, |ended| ended.exit_code),
            oom_killed: ended.as_ref().is_some_and(|ended| ended.out_of_memory),
            started: of_end(|ended| ended.started).or_else(|| kept::started(&run)),
            finished: of_end(|ended| ended.finished),
            health: self.health(&record.id, &folder, lives),
            args: list(&spec["process"]["args"]),
            env: list(&spec["process"]["env"]),
            dir: text(&spec["process"]["cwd"]),
            hostname: text(&spec["hostname"]),
            terminal: spec["process"]["terminal"].as_bool().unwrap_or(false),
            mounts: mounts(&spec, &run, &self.shared.config.state_dir.join("volumes")),
            ports: published
                .into_iter()
                .map(|port| LocalPort {
                    protocol: word(port.protocol),
                    target: port.target,
                    published: Some(port.published).filter(|_| lives),
                })
                .collect(),
            network: kept::network_of(&run).filter(|_| lives),
            layers: LocalLayers::default(),
            execs: self.shared.execs.running(&record.id),
            folders: (folder, run),
            task,
        }
    }

    fn health(&self, id: &str, folder: &Path, lives: bool) -> Option<LocalHealth> {
        let known = self.shared.scene.health(id);
        let unknown = || LocalHealth {
            status: if lives { "starting" } else { "unhealthy" },
            ..LocalHealth::default()
        };
        Check::load(folder).map(|_| known.unwrap_or_else(unknown))
    }
}

/// A protocol as Docker writes it.
fn word(protocol: PortProtocol) -> &'static str {
    match protocol {
        PortProtocol::Tcp => "tcp",
        PortProtocol::Udp => "udp",
        PortProtocol::Sctp => "sctp",
    }
}

/// `80/tcp`, or `80`.
fn exposed_port(text: &str) -> Option<(PortProtocol, u16)> {
    let (port, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let protocol = match protocol {
        "tcp" => PortProtocol::Tcp,
        "udp" => PortProtocol::Udp,
        "sctp" => PortProtocol::Sctp,
        _ => return None,
    };
    Some((protocol, port.parse().ok()?))
}

/// Published ports, and those that are only exposed.
fn ports<'a>(
    published: Vec<LocalPort>,
    exposed: impl Iterator<Item = &'a (PortProtocol, u16)>,
) -> Vec<LocalPort> {
    let mut all = published;
    for (protocol, target) in exposed {
        let known = all
            .iter()
            .any(|port| port.target == *target && port.protocol == word(*protocol));
        if !known {
            all.push(LocalPort {
                protocol: word(*protocol),
                target: *target,
                published: None,
            });
        }
    }
    all.sort_by_key(|port| (port.target, port.protocol));
    all
}

/// The user's mounts of an OCI spec; secrets, and what every container has, are left out (Docker's way).
fn mounts(spec: &Value, run: &Path, volumes: &Path) -> Vec<LocalMount> {
    let kernels = ["/dev", "/dev/shm", "/run"];
    let all = spec["mounts"].as_array().into_iter().flatten();
    let mount = |mount: &Value| {
        let text = |name: &str| mount[name].as_str().unwrap_or_default().to_owned();
        let options: Vec<&str> = mount["options"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        let (kind, source, target) = (text("type"), text("source"), text("destination"));
        let own = Path::new(&source).starts_with(run) || target == INIT;
        let volume = Path::new(&source).strip_prefix(volumes).ok();
        let name = volume.and_then(|below| below.components().next());
        let kind = match (kind.as_str(), &name) {
            ("bind", Some(_)) => "volume",
            ("bind", None) if !own => "bind",
            ("tmpfs", _) if !kernels.contains(&target.as_str()) => "tmpfs",
            _ => return None,
        };
        Some(LocalMount {
            kind: kind.to_owned(),
            name: name
                .map(|name| name.as_os_str().to_string_lossy().into_owned())
                .unwrap_or_default(),
            source: if kind == "tmpfs" { String::new() } else { source },
            target,
            writable: !options.contains(&"ro"),
            propagation: if kind == "bind" {
                let spreads = |option: &&&str| {
                    ["private", "shared", "slave"]
                        .iter()
                        .any(|word| option.ends_with(word))
                };
                options
                    .iter()
                    .find(spreads)
                    .map(|option| (*option).to_owned())
                    .unwrap_or_default()
            } else {
                String::new()
            },
        })
    };
    all.filter_map(mount).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_the_users_mounts_are_shown() {
        let spec = json!({ "mounts": [
            { "destination": "/proc", "type": "proc", "source": "proc", "options": [] },
            { "destination": "/dev/shm", "type": "tmpfs", "source": "tmpfs", "options": [] },
            { "destination": "/etc/hosts", "type": "bind", "source": "/run/b/containers/1/hosts", "options": ["rbind"] },
            { "destination": "/data", "type": "bind", "source": "/var/volumes/v/_data", "options": ["rbind", "rprivate", "ro"] },
            { "destination": "/h", "type": "bind", "source": "/srv", "options": ["rbind", "rslave", "rw"] },
            { "destination": "/t", "type": "tmpfs", "source": "tmpfs", "options": ["rw"] },
        ]});
        let found = mounts(&spec, Path::new("/run/b/containers/1"), Path::new("/var/volumes"));
        let shown: Vec<_> = found
            .iter()
            .map(|m| (m.kind.as_str(), m.name.as_str(), m.target.as_str(), m.writable))
            .collect();
        assert_eq!(
            shown,
            [
                ("volume", "v", "/data", false),
                ("bind", "", "/h", true),
                ("tmpfs", "", "/t", true)
            ]
        );
        assert_eq!(found[1].propagation, "rslave");
    }

    #[test]
    fn exposed_ports_are_shown_beside_published_ones() {
        let published = vec![LocalPort {
            protocol: "tcp",
            target: 80,
            published: Some(8080),
        }];
        let exposed = [(PortProtocol::Tcp, 80), (PortProtocol::Udp, 53)];
        let all = ports(published, exposed.iter());
        assert_eq!(
            (all.len(), all[0].published, all[1].published),
            (2, None, Some(8080))
        );
        assert_eq!(exposed_port("53/udp"), Some((PortProtocol::Udp, 53)));
        assert_eq!(exposed_port("x/tcp"), None);
    }
}
