//! `/_ping`, `/version`, `/info` and what else a board answers for itself.

use crate::Error;
use crate::backend::Facts;
use crate::routes::{Front, is_head};
use crate::version::{API_VERSION, MIN_API_VERSION, text};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

const VERSION: &str = env!("CARGO_PKG_VERSION");

/// `HEAD|GET /_ping`
pub(crate) async fn ping(State(front): State<Front>, method: Method) -> Response {
    let facts = front.backend.facts().await;
    let swarm = match (facts.state.as_str(), facts.manager) {
        ("active", true) => "active/manager".to_owned(),
        ("active", false) => "active/worker".to_owned(),
        (state, _) => state.to_owned(),
    };
    let mut response = if is_head(&method) {
        "".into_response()
    } else {
        "OK".into_response()
    };
    let headers = response.headers_mut();
    headers.insert(
        "swarm",
        HeaderValue::from_str(&swarm).unwrap_or(HeaderValue::from_static("error")),
    );
    headers.insert("builder-version", HeaderValue::from_static("2"));
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-store, must-revalidate"),
    );
    headers.insert(header::PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

/// `GET /version`
pub(crate) async fn version(State(front): State<Front>) -> Json<Value> {
    let facts = front.backend.facts().await;
    let architecture = facts.description.platform.normal().1;
    Json(json!({
        "Platform": { "Name": "Bramble" },
        "Components": [{
            "Name": "Engine",
            "Version": VERSION,
            "Details": {
                "ApiVersion": text(API_VERSION), "MinAPIVersion": text(MIN_API_VERSION), "Arch": architecture,
                "Os": "linux", "KernelVersion": facts.kernel, "GitCommit": "", "GoVersion": "", "Experimental": "false",
            },
        }],
        "Version": VERSION,
        "ApiVersion": text(API_VERSION),
        "MinAPIVersion": text(MIN_API_VERSION),
        "GitCommit": "",
        "GoVersion": "",
        "Os": "linux",
        "Arch": architecture,
        "KernelVersion": facts.kernel,
    }))
}

/// `GET /info`
pub(crate) async fn info(State(front): State<Front>) -> Json<Value> {
    let facts = front.backend.facts().await;
    let description = &facts.description;
    let plugins = |kind: &str| -> Vec<&str> {
        let all = description.engine.plugins.iter().flatten();
        all.filter(|plugin| plugin.kind == kind)
            .map(|plugin| plugin.name.as_str())
            .collect()
    };
    let labels: Vec<String> = description
        .engine
        .labels
        .iter()
        .flatten()
        .map(|(key, value)| format!("{key}={value}"))
        .collect();
    Json(json!({
        "ID": facts.id,
        "Name": description.hostname,
        "ServerVersion": VERSION,
        "OSType": "linux",
        "Architecture": description.platform.architecture,
        "OperatingSystem": facts.operating_system,
        "KernelVersion": facts.kernel,
        "NCPU": description.resources.nano_cpus.unwrap_or(0) / 1_000_000_000,
        "MemTotal": description.resources.memory_bytes.unwrap_or(0),
        "Containers": facts.containers.0 + facts.containers.1,
        "ContainersRunning": facts.containers.0,
        "ContainersPaused": 0,
        "ContainersStopped": facts.containers.1,
        "Images": 0,
        "Driver": "overlayfs",
        "DriverStatus": [],
        "LoggingDriver": "json-file",
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": facts.cgroup_version,
        "Plugins": {
            "Volume": plugins("Volume"), "Network": plugins("Network"), "Authorization": null, "Log": plugins("Log"),
        },
        "MemoryLimit": true, "SwapLimit": true, "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true,
        "CPUSet": true, "PidsLimit": true, "IPv4Forwarding": true, "OomKillDisable": false,
        "Runtimes": { "runc": { "path": "runc" } },
        "DefaultRuntime": "runc",
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "Labels": labels,
        "DockerRootDir": facts.root,
        "LiveRestoreEnabled": true,
        "Warnings": facts.warnings,
        "Swarm": swarm(&facts),
    }))
}

fn swarm(facts: &Facts) -> Value {
    let managers: Vec<Value> = facts
        .managers
        .iter()
        .map(|(node, addr)| json!({ "NodeID": node, "Addr": addr }))
        .collect();
    let mut swarm = json!({
        "NodeID": facts.node_id,
        "NodeAddr": facts.address,
        "LocalNodeState": facts.state,
        "ControlAvailable": facts.manager,
        "Error": facts.error,
        "RemoteManagers": if managers.is_empty() { Value::Null } else { managers.into() },
    });
    if facts.manager {
        swarm["Nodes"] = facts.counts.0.into();
        swarm["Managers"] = facts.counts.1.into();
        swarm["Cluster"] = serde_json::to_value(&facts.cluster).unwrap_or_default();
    }
    swarm
}

/// `GET /system/df`: what this board could say is not gathered yet.
pub(crate) async fn disk_usage() -> Error {
    Error::Unimplemented("disk usage is not gathered yet".to_owned())
}

/// `POST /auth`
pub(crate) async fn auth() -> Error {
    Error::Unimplemented("docker login is not built yet: the boards pull without credentials".to_owned())
}

/// `GET /distribution/NAME/json`
pub(crate) async fn distribution(
    State(front): State<Front>,
    Path(rest): Path<String>,
) -> Result<Json<Value>, Error> {
    let name = rest
        .strip_suffix("/json")
        .ok_or_else(|| Error::NotFound("page not found".to_owned()))?;
    let found = front.backend.resolve_image(name).await?;
    let platforms: Vec<Value> = found
        .platforms
        .iter()
        .map(|platform| {
            let mut value = json!({
                "architecture": platform.architecture.as_deref().unwrap_or_default(),
                "os": platform.os.as_deref().unwrap_or_default(),
            });
            if let Some(variant) = &platform.variant {
                value["variant"] = variant.as_str().into();
            }
            value
        })
        .collect();
    Ok(Json(json!({
        "Descriptor": { "mediaType": found.media_type, "digest": found.digest, "size": found.size },
        "Platforms": platforms,
    })))
}
