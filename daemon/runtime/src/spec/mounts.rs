//! What is mounted in a container.

use super::{INIT, Parts, init};
use crate::container::id_of_anonymous;
use crate::image::ImageConfig;
use crate::volumes::Use;
use exec::Error;
use model::{BindOptions, ContainerSpec, Mount, TmpfsOptions, Wishes};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

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
        let target = mount.target.clone().unwrap_or_default();
        // Over one of ours, such as /dev/shm.
        all.retain(|known| known["destination"] != target.as_str());
        all.push(one(parts, mount, &target)?);
    }
    let own = parts.uses.iter().filter(|used| {
        !all.iter()
            .any(|known| known["destination"] == used.target.as_str())
    });
    let own: Vec<Value> = own
        .map(|used| {
            bind(
                data(parts.volumes, &used.name),
                &used.target,
                &["rbind", "rprivate", "rw"],
            )
        })
        .collect();
    all.extend(own);
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
    let source = mount.source.as_deref().unwrap_or_default();
    let read_only = mount.read_only.unwrap_or(false);
    let read = if read_only { "ro" } else { "rw" };
    match mount.kind.as_deref() {
        Some("bind") => {
            let options = mount.bind_options.clone().unwrap_or_default();
            bound(parts, source, target, read_only, &options)
        }
        Some("volume") => {
            let name = volume_name(parts.id, source, target);
            model::check_volume_name(&name).map_err(Error::Fatal)?;
            let whole = data(parts.volumes, &name);
            let options = mount.volume_options.clone().unwrap_or_default();
            let folder = match options.subpath.as_deref().filter(|path| !path.is_empty()) {
                Some(subpath) => inside(&whole, subpath)?,
                None => whole,
            };
            Ok(bind(folder, target, &["rbind", "rprivate", read]))
        }
        Some("tmpfs") => {
            let options = tmpfs(&mount.tmpfs_options.clone().unwrap_or_default(), read)?;
            Ok(json!({ "destination": target, "type": "tmpfs", "source": "tmpfs", "options": options }))
        }
        other => Err(Error::Fatal(format!(
            "mounts of type '{}' can't be used here",
            other.unwrap_or_default()
        ))),
    }
}

fn bound(
    parts: &Parts<'_>,
    source: &str,
    target: &str,
    read_only: bool,
    options: &BindOptions,
) -> Result<Value, Error> {
    let invalid = |why: &str| Error::Fatal(format!("invalid mount config for type \"bind\": {why}"));
    if !source.starts_with('/') {
        return Err(invalid(&format!(
            "invalid mount path: '{source}' mount path must be absolute"
        )));
    }
    let propagation = propagation(options);
    let recursion = if options.non_recursive.unwrap_or(false) {
        "bind"
    } else {
        "rbind"
    };
    let mut read = if read_only { "ro" } else { "rw" };
    // As Docker does: what is mounted below a read-only source can't be written either, where the kernel can do so.
    if read_only && recursion == "rbind" && !options.read_only_non_recursive.unwrap_or(false) {
        if parts.clamp.recursive_read_only {
            read = "rro";
        } else if options.read_only_force_recursive.unwrap_or(false) {
            return Err(invalid(
                "this board's kernel can't make mounts recursively read-only: 5.12 or later is needed",
            ));
        }
    }
    Ok(bind(source.into(), target, &[recursion, propagation, read]))
}

/// How mounts spread between the board and the container.
fn propagation(options: &BindOptions) -> &str {
    let named = options.propagation.as_deref().filter(|text| !text.is_empty());
    named.unwrap_or("rprivate")
}

/// What the root's propagation has to be for the mounts' to have an effect; none if that is nothing special.
pub(super) fn root_propagation(container: &ContainerSpec) -> Option<&'static str> {
    let binds = container
        .mounts
        .iter()
        .flatten()
        .filter_map(|mount| mount.bind_options.as_ref());
    let all: Vec<&str> = binds.map(propagation).collect();
    let has = |part: &str| all.iter().any(|known| known.ends_with(part));
    match (has("shared"), has("slave")) {
        (true, _) => Some("rshared"),
        (false, true) => Some("rslave"),
        (false, false) => None,
    }
}

/// Docker's options of a tmpfs; the later ones count.
fn tmpfs(tmpfs: &TmpfsOptions, read: &str) -> Result<Vec<String>, Error> {
    let mut options: Vec<String> = ["noexec", "nosuid", "nodev", read].map(str::to_owned).into();
    options.extend(
        tmpfs
            .size_bytes
            .filter(|size| *size > 0)
            .map(|size| format!("size={size}")),
    );
    options.extend(
        tmpfs
            .mode
            .filter(|mode| *mode != 0)
            .map(|mode| format!("mode={mode:o}")),
    );
    for option in tmpfs.options.iter().flatten() {
        match option.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            ["exec"] => options.retain(|known| known != "noexec"),
            ["noexec"] => {}
            _ => {
                return Err(Error::Fatal(format!(
                    "invalid tmpfs option: {}",
                    option.join("=")
                )));
            }
        }
    }
    Ok(options)
}

/// Makes sources of bind mounts that are to be made, and says which are not there.
///
/// # Errors
/// [`Error::Fatal`] in Docker's words.
pub(crate) fn make_sources(container: &ContainerSpec) -> Result<(), Error> {
    for mount in container.mounts.iter().flatten() {
        let source = mount.source.as_deref().unwrap_or_default();
        if mount.kind.as_deref() != Some("bind") || Path::new(source).exists() {
            continue;
        }
        let options = mount.bind_options.clone().unwrap_or_default();
        let missing = || {
            Error::Fatal(format!(
                "invalid mount config for type \"bind\": bind source path does not exist: {source}"
            ))
        };
        if !source.starts_with('/') || !options.create_mountpoint.unwrap_or(false) {
            return Err(missing());
        }
        std::fs::create_dir_all(source).map_err(|error| Error::Fatal(format!("{source}: {error}")))?;
    }
    Ok(())
}

/// A folder in a volume, never one that a link in the volume leads to outside.
fn inside(whole: &Path, subpath: &str) -> Result<PathBuf, Error> {
    let fail = |why: &dyn std::fmt::Display| {
        Error::Fatal(format!(
            "cannot access path {}: {why}",
            whole.join(subpath).display()
        ))
    };
    let out = subpath.starts_with('/') || subpath.split('/').any(|part| part == "..");
    if out {
        return Err(fail(&"subpath must be a relative path within the volume"));
    }
    let real = whole.canonicalize().map_err(|error| fail(&error))?;
    let found = whole.join(subpath).canonicalize().map_err(|error| fail(&error))?;
    if !found.starts_with(&real) {
        return Err(fail(&"it leads out of the volume"));
    }
    Ok(found)
}

/// Where a volume's files are.
fn data(volumes: &Path, name: &str) -> PathBuf {
    volumes.join(name).join("_data")
}

/// A volume that the task names, or one of its own.
fn volume_name(id: &str, source: &str, target: &str) -> String {
    match source {
        "" => id_of_anonymous(id, target),
        name => name.to_owned(),
    }
}

/// What a container uses of volumes: those that the service mounts, and one for each place that its image calls a volume.
///
/// # Errors
/// [`Error::Fatal`] for a name that can't be, in Docker's words.
pub(crate) fn uses(id: &str, image: &ImageConfig, container: &ContainerSpec) -> Result<Vec<Use>, Error> {
    let (mut all, mut targets) = (Vec::new(), Vec::new());
    for mount in container.mounts.iter().flatten() {
        let target = mount.target.clone().unwrap_or_default();
        targets.push(target.trim_end_matches('/').to_owned());
        if mount.kind.as_deref() != Some("volume") {
            continue;
        }
        let source = mount.source.clone().unwrap_or_default();
        if !source.is_empty() {
            model::check_volume_name(&source)
                .map_err(|text| Error::Fatal(format!("create {source}: {text}")))?;
        }
        let options = mount.volume_options.clone().unwrap_or_default();
        let driver = options.driver_config.unwrap_or_default();
        if let Some(name) = driver.name.filter(|name| !matches!(name.as_str(), "" | "local")) {
            return Err(Error::Fatal(format!(
                "error looking up volume plugin {name}: plugin {name:?} not found"
            )));
        }
        all.push(Use {
            name: volume_name(id, &source, &target),
            target,
            anonymous: source.is_empty(),
            // A folder of a volume is not the volume: the image's files would come to lie in the wrong place.
            no_copy: options.no_copy.unwrap_or(false) || options.subpath.is_some_and(|path| !path.is_empty()),
            labels: options.labels.filter(|labels| !labels.is_empty()),
            options: driver.options.filter(|options| !options.is_empty()),
        });
    }
    for target in image.config.volumes.iter().flatten().map(|(target, _)| target) {
        if target.starts_with('/') && !targets.iter().any(|known| known == target.trim_end_matches('/')) {
            all.push(Use {
                name: id_of_anonymous(id, target),
                target: target.clone(),
                anonymous: true,
                ..Use::default()
            });
        }
    }
    Ok(all)
}
