//! What is mounted in a container.

use super::{INIT, Parts, below, fill, init};
use exec::Error;
use model::{ContainerSpec, Mount, Wishes};
use serde_json::{Value, json};
use std::path::PathBuf;

/// Room in `/dev/shm`, in bytes (Docker's).
const SHM_SIZE: u64 = 64 << 20;

/// All mounts, in the order in which they are made.
pub(super) fn mounts(parts: &Parts<'_>, container: &ContainerSpec) -> Result<Vec<Value>, Error> {
    let mut all = kernels(parts.wishes);
    for name in ["hosts", "hostname", "resolv.conf"] {
        let target = format!("/etc/{name}");
        if !container
            .mounts
            .iter()
            .flatten()
            .any(|mount| mount.target.as_deref() == Some(&target))
        {
            all.push(bind(parts.files.join(name), &target, &["rbind", "rprivate"]));
        }
    }
    let mut users: Vec<&Mount> = container.mounts.iter().flatten().collect();
    // What is mounted inside another mount comes after it.
    users.sort_by_key(|mount| mount.target.as_deref().unwrap_or_default().matches('/').count());
    for mount in users {
        let target = fill(
            mount.target.as_deref().unwrap_or_default(),
            parts.task,
            parts.board,
        );
        // Over one of ours, such as /dev/shm.
        all.retain(|known| known["destination"] != target.as_str());
        all.push(one(parts, mount, &target)?);
    }
    if let Some(program) = init(parts, container)? {
        all.push(bind(program.to_owned(), INIT, &["bind", "rprivate", "ro"]));
    }
    for file in parts.shown {
        all.push(bind(
            file.source.clone(),
            &file.target,
            &["rbind", "rprivate", "ro"],
        ));
    }
    Ok(all)
}

fn kernels(wishes: &Wishes) -> Vec<Value> {
    let shm_size = format!("size={}", wishes.shm_size.unwrap_or(SHM_SIZE));
    // A privileged container may change the kernel's settings.
    let system = if wishes.privileged { "rw" } else { "ro" };
    let mount = |destination: &str, kind: &str, options: &[&str]| json!({ "destination": destination, "type": kind, "source": kind, "options": options });
    let mut all = vec![
        mount("/proc", "proc", &["nosuid", "noexec", "nodev"]),
        mount(
            "/dev",
            "tmpfs",
            &["nosuid", "strictatime", "mode=755", "size=65536k"],
        ),
        mount(
            "/dev/pts",
            "devpts",
            &[
                "nosuid",
                "noexec",
                "newinstance",
                "ptmxmode=0666",
                "mode=0620",
                "gid=5",
            ],
        ),
        mount("/sys", "sysfs", &["nosuid", "noexec", "nodev", system]),
        mount("/sys/fs/cgroup", "cgroup", &[system, "nosuid", "noexec", "nodev"]),
    ];
    if wishes.ipc_of_host {
        all.extend(["/dev/mqueue", "/dev/shm"].map(|path| bind(path.into(), path, &["rbind", "rprivate"])));
    } else {
        all.push(mount("/dev/mqueue", "mqueue", &["nosuid", "noexec", "nodev"]));
        let options = ["nosuid", "noexec", "nodev", "mode=1777", &shm_size];
        all.push(mount("/dev/shm", "tmpfs", &options));
    }
    all
}

fn bind(source: PathBuf, target: &str, options: &[&str]) -> Value {
    json!({ "destination": target, "type": "bind", "source": source, "options": options })
}

fn one(parts: &Parts<'_>, mount: &Mount, target: &str) -> Result<Value, Error> {
    let source = fill(
        mount.source.as_deref().unwrap_or_default(),
        parts.task,
        parts.board,
    );
    let read = if mount.read_only.unwrap_or(false) {
        "ro"
    } else {
        "rw"
    };
    match mount.kind.as_deref() {
        Some("bind") => {
            let options = mount.bind_options.clone().unwrap_or_default();
            let propagation = options
                .propagation
                .as_deref()
                .filter(|text| !text.is_empty())
                .unwrap_or("rprivate");
            let recursion = if options.non_recursive.unwrap_or(false) {
                "bind"
            } else {
                "rbind"
            };
            Ok(bind(source.into(), target, &[recursion, propagation, read]))
        }
        Some("volume") => {
            let mut folder = volume(parts, &source, target);
            if let Some(subpath) = mount
                .volume_options
                .as_ref()
                .and_then(|options| options.subpath.as_deref())
            {
                folder = below(&folder, subpath);
            }
            Ok(bind(folder, target, &["rbind", "rprivate", read]))
        }
        Some("tmpfs") => {
            let tmpfs = mount.tmpfs_options.clone().unwrap_or_default();
            let mut options = vec!["nosuid".to_owned(), "nodev".to_owned(), read.to_owned()];
            options.extend(
                tmpfs
                    .size_bytes
                    .filter(|size| *size > 0)
                    .map(|size| format!("size={size}")),
            );
            options.extend(tmpfs.mode.map(|mode| format!("mode={mode:o}")));
            options.extend(tmpfs.options.into_iter().flatten().map(|option| option.join("=")));
            Ok(json!({ "destination": target, "type": "tmpfs", "source": "tmpfs", "options": options }))
        }
        other => Err(Error::Fatal(format!(
            "mounts of type '{}' can't be used here",
            other.unwrap_or_default()
        ))),
    }
}

/// A volume's folder on this board; one without a name belongs to the task alone.
pub(crate) fn volume(parts: &Parts<'_>, name: &str, target: &str) -> PathBuf {
    let name = match name {
        "" => format!("{}-{}", parts.id, target.replace('/', "_")),
        name => name.replace('/', "_"),
    };
    below(parts.volumes, &name).join("_data")
}

/// Volumes' folders: they must be there before the container is made.
pub(crate) fn folders(parts: &Parts<'_>, container: &ContainerSpec) -> Vec<PathBuf> {
    container
        .mounts
        .iter()
        .flatten()
        .filter(|mount| mount.kind.as_deref() == Some("volume"))
        .map(|mount| {
            let source = fill(
                mount.source.as_deref().unwrap_or_default(),
                parts.task,
                parts.board,
            );
            let target = fill(
                mount.target.as_deref().unwrap_or_default(),
                parts.task,
                parts.board,
            );
            volume(parts, &source, &target)
        })
        .collect()
}
