//! `/_ping`, `/version`, `/info` and what else a board answers for itself.

use crate::backend::{Facts, RegistryAuth};
use crate::routes::{Front, is_head};
use crate::version::{API_VERSION, MIN_API_VERSION, text};
use crate::{Error, body};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::response::{IntoResponse, Response};
use base64::prelude::{BASE64_URL_SAFE, Engine as _};
use model::{BoardReport, LocalState};
use serde_json::{Value, json};

/// The form of `/metrics`, which Prometheus goes by.
const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

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
    let component = |name: &str, version: &str, commit: &str| {
        (!version.is_empty())
            .then(|| json!({ "Name": name, "Version": version, "Details": { "GitCommit": commit } }))
    };
    let engine = json!({
        "Name": "Engine",
        "Version": VERSION,
        "Details": {
            "ApiVersion": text(API_VERSION), "MinAPIVersion": text(MIN_API_VERSION), "Arch": architecture,
            "Os": "linux", "KernelVersion": facts.kernel, "GitCommit": "", "GoVersion": "", "Experimental": "false",
        },
    });
    let carriers = [
        component("containerd", &facts.containerd.0, &facts.containerd.1),
        component("runc", &facts.runc, ""),
    ];
    let components: Vec<Value> = std::iter::once(engine)
        .chain(carriers.into_iter().flatten())
        .collect();
    Json(json!({
        "Platform": { "Name": "Bramble" },
        "Components": components,
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
    let mut all = serde_json::Map::new();
    for part in [machine(&facts), engine(&facts), abilities(), counts(&front).await] {
        if let Value::Object(fields) = part {
            all.extend(fields);
        }
    }
    all.insert("Swarm".to_owned(), swarm(&facts));
    Json(Value::Object(all))
}

/// `GET /bramble/board`: this board, member or not. Docker has no such route.
pub(crate) async fn board(State(front): State<Front>) -> Json<BoardReport> {
    Json(front.backend.board().await)
}

/// `GET /metrics`: for Prometheus. Docker's engine has it at an address of its own; here a client certificate that may look is
/// enough.
pub(crate) async fn metrics(State(front): State<Front>) -> Result<Response, Error> {
    let text = front.backend.metrics().await?;
    Ok(([(header::CONTENT_TYPE, OPEN_METRICS)], text).into_response())
}

/// Containers and images; what can't be counted now is no reason to say nothing of the board.
async fn counts(front: &Front) -> Value {
    let containers = front.backend.containers().await.unwrap_or_default();
    let count = |fits: fn(LocalState) -> bool| containers.iter().filter(|one| fits(one.state)).count();
    json!({
        "Containers": containers.len(),
        "ContainersRunning": count(|state| state == LocalState::Running),
        "ContainersPaused": count(|state| state == LocalState::Paused),
        "ContainersStopped": count(|state| matches!(state, LocalState::Created | LocalState::Exited)),
        "Images": front.backend.images().await.map_or(0, |images| images.len()),
    })
}

/// The board.
fn machine(facts: &Facts) -> Value {
    let description = &facts.description;
    json!({
        "ID": facts.id,
        "Name": description.hostname,
        "OSType": "linux",
        "Architecture": description.platform.architecture,
        "OperatingSystem": facts.operating_system,
        "OSVersion": facts.os_version,
        "KernelVersion": facts.kernel,
        "NCPU": description.resources.nano_cpus.unwrap_or(0) / 1_000_000_000,
        "MemTotal": description.resources.memory_bytes.unwrap_or(0),
        "GenericResources": description.resources.generic_resources,
        "SystemTime": facts.now,
        "CgroupDriver": "cgroupfs",
        "CgroupVersion": facts.cgroup_version,
    })
}

/// What serves on it.
fn engine(facts: &Facts) -> Value {
    let engine = &facts.description.engine;
    let plugins = |kind: &str| -> Vec<&str> {
        let all = engine
            .plugins
            .iter()
            .flatten()
            .filter(|plugin| plugin.kind == kind);
        all.map(|plugin| plugin.name.as_str()).collect()
    };
    let label = |(key, value): (&String, &String)| format!("{key}={value}");
    let labels: Vec<String> = engine.labels.iter().flatten().map(label).collect();
    json!({
        "ServerVersion": VERSION,
        "Driver": "overlayfs",
        "DriverStatus": [["driver-type", "io.containerd.snapshotter.v1"]],
        "LoggingDriver": "json-file",
        "Plugins": {
            "Volume": plugins("Volume"), "Network": plugins("Network"), "Authorization": null, "Log": plugins("Log"),
        },
        "Runtimes": { "runc": { "path": "runc" } },
        "DefaultRuntime": "runc",
        "ContainerdCommit": { "ID": facts.containerd.0, "Expected": facts.containerd.0 },
        "RuncCommit": { "ID": facts.runc, "Expected": facts.runc },
        "SecurityOptions": ["name=seccomp,profile=builtin"],
        "RegistryConfig": registries(facts),
        "Labels": labels,
        "DockerRootDir": facts.root,
        "Warnings": none_if_empty(&facts.warnings),
    })
}

/// What is the same on every board.
fn abilities() -> Value {
    json!({
        "MemoryLimit": true, "SwapLimit": true, "CpuCfsPeriod": true, "CpuCfsQuota": true, "CPUShares": true,
        "CPUSet": true, "PidsLimit": true, "IPv4Forwarding": true, "OomKillDisable": false, "LiveRestoreEnabled": true,
        "Debug": false, "ExperimentalBuild": false,
    })
}

/// How registries are spoken to. Plain HTTP with addresses of the board itself is always allowed.
fn registries(facts: &Facts) -> Value {
    let (networks, named): (Vec<&str>, Vec<&str>) = facts
        .insecure_registries
        .iter()
        .map(String::as_str)
        .partition(|one| one.contains('/'));
    let networks: Vec<&str> = std::iter::once("127.0.0.0/8").chain(networks).collect();
    let insecure = |name: &str| json!({ "Name": name, "Mirrors": [], "Secure": false, "Official": false });
    let named: serde_json::Map<String, Value> = named
        .into_iter()
        .map(|name| (name.to_owned(), insecure(name)))
        .collect();
    let mirrors: Vec<&String> = facts.registry_mirror.iter().collect();
    json!({ "InsecureRegistryCIDRs": networks, "IndexConfigs": named, "Mirrors": mirrors })
}

/// Docker's engine shows no list where it has nothing to say.
fn none_if_empty(lines: &[String]) -> Value {
    if lines.is_empty() {
        Value::Null
    } else {
        lines.into()
    }
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

/// What a request carries for the registry.
pub(crate) fn registry_auth(headers: &HeaderMap) -> Option<RegistryAuth> {
    let value = headers.get("x-registry-auth")?.to_str().ok()?;
    Some(value.to_owned())
        .filter(|text| !text.is_empty())
        .map(RegistryAuth::new)
}

/// `POST /auth`: `docker login`.
pub(crate) async fn auth(State(front): State<Front>, request: Request) -> Result<Json<Value>, Error> {
    let (parts, body) = request.into_parts();
    let body = body::read(&parts.headers, body).await?;
    let sent: Value = body::json(&body)?;
    let server = sent["serveraddress"].as_str().unwrap_or_default();
    let encoded = RegistryAuth::new(BASE64_URL_SAFE.encode(&body));
    front.backend.log_in(server, encoded).await?;
    Ok(Json(json!({ "Status": "Login Succeeded", "IdentityToken": "" })))
}

/// `GET /distribution/NAME/json`
pub(crate) async fn distribution(
    State(front): State<Front>,
    Path(rest): Path<String>,
    headers: HeaderMap,
) -> Result<Json<Value>, Error> {
    let name = rest
        .strip_suffix("/json")
        .ok_or_else(|| Error::NotFound("page not found".to_owned()))?;
    let found = front.backend.resolve_image(name, registry_auth(&headers)).await?;
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
