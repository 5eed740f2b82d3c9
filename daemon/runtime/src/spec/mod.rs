//! The OCI runtime spec of a container: a pure function of image, task, network and board.

mod defaults;
mod limits;
mod mounts;
mod names;
mod seccomp;

use crate::devices::Node;
use crate::files::Shown;
use crate::image::ImageConfig;
use crate::users::User;
use crate::volumes::Use;
use exec::{Attached, Error};
use model::template::TemplateBoard;
use model::{ContainerSpec, GenericResource, Task, Wishes};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;

pub(crate) use mounts::{make_sources, uses};
pub(crate) use names::{hostname, hosts, name_of, resolv_conf, resolvers};

/// All that a container's spec is made of.
pub(crate) struct Parts<'a> {
    /// With all templates filled in.
    pub task: &'a Task,
    pub image: &'a ImageConfig,
    pub user: User,
    /// None on the board's own network.
    pub network: Option<&'a Attached>,
    pub board: &'a TemplateBoard,
    /// Where `hosts`, `hostname` and `resolv.conf` of this container are.
    pub files: &'a Path,
    /// What the service's `bramble.` labels ask for.
    pub wishes: &'a Wishes,
    /// Devices of the board.
    pub devices: &'a [Node],
    /// Secrets and configs.
    pub shown: &'a [Shown],
    /// Volumes that it uses.
    pub uses: &'a [Use],
    /// Where volumes are.
    pub volumes: &'a Path,
    pub id: &'a str,
    /// The program that runs in front where a service asks for one (`--init`), if this board has it.
    pub init: Option<&'a Path>,
    pub clamp: Clamp,
}

/// What this process may give: more would make runc fail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Clamp {
    /// Hard limit of open files, if it can't be raised.
    pub nofile: Option<u64>,
    /// Hard limit of processes, if it can't be raised.
    pub nproc: Option<u64>,
    /// Capabilities that can't be given, by the kernel's numbers.
    pub withheld: u64,
    /// Lowest `oom_score_adj`.
    pub oom_score_adj: i64,
    /// Whether the kernel can make mounts below a read-only one read-only as well.
    pub recursive_read_only: bool,
    /// Whether control groups are of version 2.
    pub cgroup_v2: bool,
    /// Whether swap can be limited.
    pub limits_swap: bool,
}

/// The spec, as JSON.
///
/// # Errors
/// [`Error::Fatal`] for what can't be, in words.
pub(crate) fn build(parts: &Parts<'_>) -> Result<Value, Error> {
    let task = parts.task;
    let default = ContainerSpec::default();
    let container = task.spec.container_spec.as_ref().unwrap_or(&default);
    let mut linux = json!({
        "cgroupsPath": format!("/bramble/{}", parts.id),
        "namespaces": namespaces(parts),
        "devices": parts.devices.iter().map(device).collect::<Vec<_>>(),
        "resources": limits::resources(task, parts)?,
    });
    if !parts.wishes.privileged {
        linux["maskedPaths"] = json!(defaults::MASKED);
        linux["readonlyPaths"] = json!(defaults::READ_ONLY);
        linux["seccomp"] = seccomp::profile(container, &capabilities(parts, container)?)?;
    }
    if let Some(propagation) = mounts::root_propagation(container) {
        linux["rootfsPropagation"] = propagation.into();
    }
    if let Some(sysctls) = container.sysctls.as_ref().filter(|sysctls| !sysctls.is_empty()) {
        linux["sysctl"] = json!(sysctls);
    }
    Ok(json!({
        "ociVersion": "1.0.2",
        "process": process(parts, container)?,
        "root": { "path": "rootfs", "readonly": container.read_only.unwrap_or(false) },
        "hostname": hostname(parts, container),
        "mounts": mounts::mounts(parts, container)?,
        "linux": linux,
    }))
}

fn device(node: &Node) -> Value {
    json!({
        "path": node.target,
        "type": node.kind,
        "major": node.major,
        "minor": node.minor,
        "fileMode": node.mode,
        "uid": node.uid,
        "gid": node.gid,
    })
}

fn namespaces(parts: &Parts<'_>) -> Value {
    let mut namespaces = vec![json!({ "type": "mount" }), json!({ "type": "uts" })];
    if !parts.wishes.pid_of_host {
        namespaces.push(json!({ "type": "pid" }));
    }
    if !parts.wishes.ipc_of_host {
        namespaces.push(json!({ "type": "ipc" }));
    }
    // As Docker has it: of its control groups a container sees its own (version 1: what is mounted is its own anyway).
    if parts.clamp.cgroup_v2 && !parts.wishes.privileged {
        namespaces.push(json!({ "type": "cgroup" }));
    }
    if let Some(attached) = parts.network {
        namespaces.push(json!({ "type": "network", "path": attached.namespace }));
    }
    namespaces.into()
}

fn process(parts: &Parts<'_>, container: &ContainerSpec) -> Result<Value, Error> {
    let args = arguments(parts.image, container);
    if args.is_empty() {
        return Err(Error::Fatal(
            "no command specified: neither the image nor the service names one".to_owned(),
        ));
    }
    let args = match init(parts, container)? {
        Some(_) => [vec![INIT.to_owned(), "--".to_owned()], args].concat(),
        None => args,
    };
    let directory = container
        .dir
        .as_deref()
        .or(parts.image.config.working_dir.as_deref())
        .filter(|dir| !dir.is_empty());
    let caps = capabilities(parts, container)?;
    let privileges = container.privileges.as_ref();
    Ok(json!({
        "terminal": container.tty.unwrap_or(false),
        "user": { "uid": parts.user.uid, "gid": parts.user.gid, "additionalGids": parts.user.groups },
        "args": args,
        "env": environment(parts, container),
        "cwd": directory.unwrap_or("/"),
        "capabilities": { "bounding": caps, "effective": caps, "permitted": caps },
        "rlimits": limits::rlimits(container, parts.clamp)?,
        "noNewPrivileges": privileges.and_then(|privileges| privileges.no_new_privileges).unwrap_or(false),
        "oomScoreAdj": container.oom_score_adj.unwrap_or(0).max(parts.clamp.oom_score_adj),
    }))
}

/// Where a container sees its init process (Docker's place).
pub(super) const INIT: &str = "/sbin/docker-init";

/// The board's init program, if the container is to have one.
pub(super) fn init<'a>(parts: &Parts<'a>, container: &ContainerSpec) -> Result<Option<&'a Path>, Error> {
    match (container.init, parts.init) {
        (Some(true), None) => Err(Error::Fatal(
            "this board has no init program for --init: install the package tini".to_owned(),
        )),
        (Some(true), init) => Ok(init),
        _ => Ok(None),
    }
}

/// Docker's rule: the service's command takes the entry point's place and drops the image's arguments.
fn arguments(image: &ImageConfig, container: &ContainerSpec) -> Vec<String> {
    let given = |list: &Option<Vec<String>>| list.clone().filter(|list| !list.is_empty());
    let (command, args) = (given(&container.command), given(&container.args));
    let replaced = command.is_some();
    let mut all = command
        .or_else(|| image.config.entrypoint.clone())
        .unwrap_or_default();
    all.extend(args.unwrap_or_else(|| {
        if replaced {
            Vec::new()
        } else {
            image.config.cmd.clone().unwrap_or_default()
        }
    }));
    all
}

fn environment(parts: &Parts<'_>, container: &ContainerSpec) -> Vec<String> {
    let mut env: Vec<(String, String)> = vec![
        ("PATH".to_owned(), defaults::PATH.to_owned()),
        ("HOSTNAME".to_owned(), hostname(parts, container)),
    ];
    if container.tty.unwrap_or(false) {
        env.push(("TERM".to_owned(), "xterm".to_owned()));
    }
    let mut set = |line: &str| {
        let (name, value) = match line.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (line, None),
        };
        env.retain(|(known, _)| known != name);
        // A name alone takes away what the image sets.
        if let Some(value) = value {
            env.push((name.to_owned(), value.to_owned()));
        }
    };
    parts.image.config.env.iter().flatten().for_each(|line| set(line));
    container.env.iter().flatten().for_each(|line| set(line));
    resources_given(parts.task).iter().for_each(|line| set(line));
    if let Some(home) = parts
        .user
        .home
        .clone()
        .filter(|_| !env.iter().any(|(name, _)| name == "HOME"))
    {
        env.push(("HOME".to_owned(), home));
    }
    env.into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect()
}

/// All capabilities that can be given here.
pub(crate) fn every_capability(clamp: Clamp) -> Vec<String> {
    let numbered = model::CAPABILITIES.into_iter().enumerate();
    numbered
        .filter(|(number, _)| clamp.withheld >> number & 1 == 0)
        .map(|(_, name)| name.to_owned())
        .collect()
}

/// `DOCKER_RESOURCE_GPU=a,b` for the generic resources that a task was given.
fn resources_given(task: &Task) -> Vec<String> {
    let mut kinds: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for GenericResource {
        named_resource_spec,
        discrete_resource_spec,
    } in task.assigned_generic_resources.iter().flatten()
    {
        let named = named_resource_spec
            .iter()
            .map(|named| (&named.kind, named.value.clone()));
        let counted = discrete_resource_spec
            .iter()
            .map(|counted| (&counted.kind, counted.value.to_string()));
        for (kind, value) in named.chain(counted) {
            kinds.entry(kind.to_uppercase()).or_default().push(value);
        }
    }
    let line = |(kind, values): (String, Vec<String>)| format!("DOCKER_RESOURCE_{kind}={}", values.join(","));
    kinds.into_iter().map(line).collect()
}

/// Docker's default capabilities, with those that the service adds and without those that it drops.
fn capabilities(parts: &Parts<'_>, container: &ContainerSpec) -> Result<Vec<String>, Error> {
    let every = || every_capability(parts.clamp);
    if parts.wishes.privileged {
        return Ok(every());
    }
    let full = |names: &Option<Vec<String>>| {
        let all = names.iter().flatten().map(|name| model::capability(name));
        all.collect::<Result<Vec<String>, String>>().map_err(Error::Fatal)
    };
    let (added, dropped) = (
        full(&container.capability_add)?,
        full(&container.capability_drop)?,
    );
    let all = |names: &[String]| names.iter().any(|name| name == "ALL");
    let mut caps: Vec<String> = match (all(&added), all(&dropped)) {
        (true, _) => every(),
        (false, true) => Vec::new(),
        (false, false) => defaults::CAPABILITIES.map(str::to_owned).into(),
    };
    caps.retain(|name| !dropped.contains(name));
    caps.extend(added.into_iter().filter(|name| name != "ALL"));
    caps.sort();
    caps.dedup();
    Ok(caps)
}

#[cfg(test)]
mod bent_tasks;
#[cfg(test)]
mod tests;
