//! `GET /containers/{id}/json`

use super::{find, words};
use crate::Error;
use crate::routes::{Front, query};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use model::{ContainerSpec, LocalContainer, LocalMount, LocalState, Wishes, container_labels};
use serde_json::{Map, Value, json};

/// `GET /containers/{id}/json`
pub(super) async fn inspect(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Error> {
    let mut container = find(&front, &id).await?;
    container.layers = front.backend.layers(&container.id).await?;
    let mut shown = render(&container);
    if query(&uri).flag("size") {
        let (changed, image) = front.backend.sizes(&container).await?;
        shown["SizeRw"] = changed.into();
        shown["SizeRootFs"] = (changed + image).into();
    }
    Ok(Json(shown))
}

fn render(container: &LocalContainer) -> Value {
    let (folder, run) = &container.folders;
    let file = |name: &str| run.join(name).display().to_string();
    let (program, args) = container
        .args
        .split_first()
        .map_or(("", &[][..]), |(first, rest)| (first, rest));
    let layers = &container.layers;
    json!({
        "Id": container.id,
        "Created": container.created.to_string(),
        "Path": program,
        "Args": args,
        "State": state(container),
        "Image": container.image_id,
        "ResolvConfPath": file("resolv.conf"),
        "HostnamePath": file("hostname"),
        "HostsPath": file("hosts"),
        "LogPath": folder.join("log").display().to_string(),
        "Name": format!("/{}", container.task.name()),
        "RestartCount": 0,
        "Driver": "overlayfs",
        "Platform": "linux",
        "MountLabel": "",
        "ProcessLabel": "",
        "AppArmorProfile": "",
        "ExecIDs": if container.execs.is_empty() { Value::Null } else { json!(container.execs) },
        "HostConfig": host_config(container),
        "GraphDriver": {
            "Name": "overlayfs",
            "Data": { "LowerDir": layers.lower.join(":"), "UpperDir": layers.upper, "WorkDir": layers.work },
        },
        "Mounts": container.mounts.iter().map(mount).collect::<Vec<_>>(),
        "Config": config(container),
        "NetworkSettings": network_settings(container),
    })
}

fn state(container: &LocalContainer) -> Value {
    let mut state = json!({
        "Status": container.state.as_str(),
        "Running": matches!(container.state, LocalState::Running | LocalState::Paused),
        "Paused": container.state == LocalState::Paused,
        "Restarting": false,
        "OOMKilled": container.oom_killed,
        "Dead": false,
        "Pid": container.pid,
        "ExitCode": container.exit_code,
        "Error": "",
        "StartedAt": words::time(container.started),
        "FinishedAt": words::time(container.finished),
    });
    if let Some(health) = &container.health {
        let log = health.log.iter().map(|probe| {
            json!({
                "Start": probe.start.to_string(),
                "End": probe.end.to_string(),
                "ExitCode": probe.code,
                "Output": probe.output,
            })
        });
        state["Health"] = json!({
            "Status": health.status,
            "FailingStreak": health.failing,
            "Log": log.collect::<Vec<_>>(),
        });
    }
    state
}

/// A mount as Docker shows it.
pub(super) fn mount(mount: &LocalMount) -> Value {
    let mut shown = json!({
        "Type": mount.kind,
        "Source": mount.source,
        "Destination": mount.target,
        "Mode": "",
        "RW": mount.writable,
        "Propagation": mount.propagation,
    });
    if mount.kind == "volume" {
        shown["Name"] = mount.name.as_str().into();
        shown["Driver"] = "local".into();
        shown["Mode"] = "z".into();
    }
    shown
}

/// `host`, or a network of its own.
pub(super) fn network_mode(container: &LocalContainer) -> &'static str {
    let networks = container.task.spec.networks.iter().flatten();
    let host = networks
        .into_iter()
        .any(|network| network.target.as_deref() == Some("host"));
    if host { "host" } else { "default" }
}

fn host_config(container: &LocalContainer) -> Value {
    let task = &container.task;
    let default = ContainerSpec::default();
    let spec = task.spec.container_spec.as_ref().unwrap_or(&default);
    let wishes = Wishes::checked(&task.origin.service_labels);
    let limits = task
        .spec
        .resources
        .clone()
        .unwrap_or_default()
        .limits
        .unwrap_or_default();
    let reservations = task
        .spec
        .resources
        .clone()
        .unwrap_or_default()
        .reservations
        .unwrap_or_default();
    let dns = spec.dns_config.clone().unwrap_or_default();
    let mut bindings = Map::new();
    for port in &container.ports {
        if let Some(published) = port.published {
            bindings.insert(
                format!("{}/{}", port.target, port.protocol),
                json!([{ "HostIp": "", "HostPort": published.to_string() }]),
            );
        }
    }
    let log = task.spec.log_driver.clone().unwrap_or_default();
    let devices = wishes.devices.iter().map(|device| {
        json!({ "PathOnHost": device.path, "PathInContainer": device.target, "CgroupPermissions": device.access })
    });
    let mut shown = json!({
        "LogConfig": {
            "Type": log.name.filter(|name| !name.is_empty()).unwrap_or_else(|| "json-file".to_owned()),
            "Config": log.options.unwrap_or_default(),
        },
        "NetworkMode": network_mode(container),
        "PortBindings": bindings,
        "CapAdd": spec.capability_add,
        "CapDrop": spec.capability_drop,
        "Dns": dns.nameservers.unwrap_or_default(),
        "DnsOptions": dns.options.unwrap_or_default(),
        "DnsSearch": dns.search.unwrap_or_default(),
        "ExtraHosts": spec.hosts,
        "GroupAdd": spec.groups,
        "IpcMode": if wishes.ipc_of_host { "host" } else { "private" },
        "OomScoreAdj": spec.oom_score_adj.unwrap_or(0),
        "PidMode": if wishes.pid_of_host { "host" } else { "" },
        "Privileged": wishes.privileged,
        "ReadonlyRootfs": spec.read_only.unwrap_or(false),
        "ShmSize": wishes.shm_size.unwrap_or(64 << 20),
        "Sysctls": spec.sysctls,
        "Isolation": spec.isolation.clone().unwrap_or_default(),
        "Memory": limits.memory_bytes.unwrap_or(0),
        "NanoCpus": limits.nano_cpus.unwrap_or(0),
        "MemoryReservation": reservations.memory_bytes.unwrap_or(0),
        "Devices": devices.collect::<Vec<_>>(),
        "PidsLimit": limits.pids,
        "Ulimits": spec.ulimits.clone().unwrap_or_default(),
        "Init": spec.init,
        "Mounts": spec.mounts,
    });
    if let (Some(all), Some(fixed)) = (shown.as_object_mut(), same_for_all().as_object_mut()) {
        all.append(fixed);
    }
    shown
}

/// What a task's container can't have otherwise.
fn same_for_all() -> Value {
    json!({
        "Binds": null,
        "ContainerIDFile": "",
        "RestartPolicy": { "Name": "no", "MaximumRetryCount": 0 },
        "AutoRemove": false,
        "VolumeDriver": "",
        "VolumesFrom": null,
        "CgroupnsMode": "host",
        "Cgroup": "",
        "Links": null,
        "PublishAllPorts": false,
        "SecurityOpt": null,
        "UTSMode": "",
        "UsernsMode": "",
        "Runtime": "runc",
        "ConsoleSize": [0, 0],
        "CpuShares": 0,
        "CgroupParent": "/bramble",
        "OomKillDisable": false,
    })
}

fn config(container: &LocalContainer) -> Value {
    let default = ContainerSpec::default();
    let spec = container.task.spec.container_spec.as_ref().unwrap_or(&default);
    let exposed: Map<String, Value> = container
        .ports
        .iter()
        .map(|port| (format!("{}/{}", port.target, port.protocol), json!({})))
        .collect();
    json!({
        "Hostname": container.hostname,
        "Domainname": "",
        "User": spec.user.clone().unwrap_or_default(),
        "AttachStdin": false,
        "AttachStdout": false,
        "AttachStderr": false,
        "ExposedPorts": exposed,
        "Tty": container.terminal,
        // What a task reads is nothing: Swarm gives it no input either.
        "OpenStdin": false,
        "StdinOnce": false,
        "Env": container.env,
        "Cmd": container.args,
        "Healthcheck": spec.healthcheck,
        "Image": words::image(container),
        "Volumes": null,
        "WorkingDir": container.dir,
        "Entrypoint": null,
        "OnBuild": null,
        "Labels": container_labels(&container.task),
        "StopSignal": spec.stop_signal,
    })
}

/// Its places in networks, by their names.
pub(super) fn networks(container: &LocalContainer) -> Value {
    let mut all = Map::new();
    let endpoint = |id: &str, address: &str, prefix: u8, gateway: &str| {
        json!({
            "IPAMConfig": {},
            "Links": null,
            "Aliases": null,
            "MacAddress": "",
            "DriverOpts": null,
            "NetworkID": id,
            "EndpointID": if address.is_empty() { "" } else { container.id.as_str() },
            "Gateway": gateway,
            "IPAddress": address,
            "IPPrefixLen": prefix,
            "IPv6Gateway": "",
            "GlobalIPv6Address": "",
            "GlobalIPv6PrefixLen": 0,
            "DNSNames": null,
        })
    };
    if network_mode(container) == "host" {
        all.insert("host".to_owned(), endpoint("host", "", 0, ""));
    }
    if let Some(place) = &container.network {
        let (address, gateway) = (place.address.to_string(), place.gateway.to_string());
        all.insert(
            "bridge".to_owned(),
            endpoint("bridge", &address, place.prefix, &gateway),
        );
    }
    for place in container.task.networks_attachments.iter().flatten() {
        let first = place.addresses.iter().flatten().next().map_or("", String::as_str);
        let (address, prefix) = first.split_once('/').unwrap_or((first, "0"));
        let shown = endpoint(
            place.network.id.as_str(),
            address,
            prefix.parse().unwrap_or(0),
            "",
        );
        all.insert(place.network.spec.name.clone(), shown);
    }
    all.into()
}

fn network_settings(container: &LocalContainer) -> Value {
    let mut ports = Map::new();
    for port in &container.ports {
        let name = format!("{}/{}", port.target, port.protocol);
        let shown = port
            .published
            .map(|published| json!([{ "HostIp": "0.0.0.0", "HostPort": published.to_string() }]));
        ports.insert(name, shown.unwrap_or(Value::Null));
    }
    let place = container.network.as_ref();
    let address = place.map(|place| place.address.to_string()).unwrap_or_default();
    json!({
        "Bridge": "",
        "SandboxID": place.map_or("", |_| container.id.as_str()),
        "SandboxKey": place.map(|place| place.namespace.display().to_string()).unwrap_or_default(),
        "Ports": ports,
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
        "EndpointID": place.map_or("", |_| container.id.as_str()),
        "Gateway": place.map(|place| place.gateway.to_string()).unwrap_or_default(),
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "IPAddress": address,
        "IPPrefixLen": place.map_or(0, |place| place.prefix),
        "IPv6Gateway": "",
        "MacAddress": "",
        "Networks": networks(container),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_is_hardly_known_is_shown_all_the_same() {
        let shown = render(&LocalContainer::default());
        assert_eq!(shown["State"]["Status"], "created");
        assert_eq!(shown["State"]["FinishedAt"], "0001-01-01T00:00:00Z");
        assert_eq!(shown["HostConfig"]["NetworkMode"], "default");
        assert_eq!(shown["Path"], "");
    }
}
