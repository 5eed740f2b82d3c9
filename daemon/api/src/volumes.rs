//! `/volumes`: those of the board that is asked, workers included; no manager knows more of them than their names.

use crate::filters::Filters;
use crate::routes::{Front, query};
use crate::version::Spoken;
use crate::{Error, body};
use async_trait::async_trait;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use axum::routing::{get, post};
use axum::{Extension, Json, Router};
use model::{Labels, Volume};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// True of volumes that are meant.
pub type Wanted = Box<dyn Fn(&Volume) -> bool + Send>;

/// What this room asks of the board's volumes.
#[async_trait]
pub trait Volumes: Send + Sync {
    /// All of them.
    async fn list(&self) -> Result<Vec<Volume>, Error>;
    /// Names of those that containers use.
    async fn used(&self) -> Result<BTreeSet<String>, Error>;
    /// All of them with what they take and how many containers use them (`docker system df`): takes as long as there are files.
    async fn usage(&self) -> Result<Vec<Volume>, Error>;
    /// Makes one, or finds it.
    async fn create(&self, new: NewVolume) -> Result<Volume, Error>;
    /// Removes one that nobody uses; `force`: one that is not there is gone already.
    async fn remove(&self, name: &str, force: bool) -> Result<(), Error>;
    /// Removes those that are meant and that nobody uses; their names and what they took, in bytes.
    async fn prune(&self, wanted: Wanted) -> Result<(Vec<String>, i64), Error>;
}

/// `POST /volumes/create`
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[allow(missing_docs)]
pub struct NewVolume {
    pub name: String,
    pub driver: String,
    pub driver_opts: Option<Labels>,
    pub labels: Option<Labels>,
    pub cluster_volume_spec: Option<Value>,
}

pub(crate) fn routes() -> Router<Front> {
    Router::new()
        .route("/volumes", get(list))
        .route("/volumes/create", post(create))
        .route("/volumes/prune", post(prune))
        .route("/volumes/{name}", get(inspect).delete(remove).put(update))
}

/// A word of a filter that is true or false (Go's `ParseBool`).
fn truth(filters: &Filters, key: &str) -> Result<Option<bool>, Error> {
    let mut values = filters.values(key);
    let Some(value) = values.next() else {
        return Ok(None);
    };
    match (value, values.next()) {
        ("1" | "t" | "T" | "true" | "TRUE" | "True", None) => Ok(Some(true)),
        ("0" | "f" | "F" | "false" | "FALSE" | "False", None) => Ok(Some(false)),
        _ => Err(Error::Invalid(format!("invalid filter '{key}={value}'"))),
    }
}

async fn list(State(front): State<Front>, uri: Uri) -> Result<Json<Value>, Error> {
    let filters = Filters::read(&query(&uri), &["dangling", "driver", "label", "name"])?;
    let dangling = truth(&filters, "dangling")?;
    let volumes = front.backend.volumes();
    let used = match dangling {
        Some(_) => volumes.used().await?,
        None => BTreeSet::new(),
    };
    let none = Labels::new();
    let shown = |volume: &Volume| {
        dangling.is_none_or(|dangling| dangling != used.contains(&volume.name))
            && filters.any("name", |name| volume.name.contains(name))
            && filters.any("driver", |driver| volume.driver == driver)
            && filters.labels("label", volume.labels.as_ref().unwrap_or(&none))
    };
    let all: Vec<Volume> = volumes.list().await?.into_iter().filter(shown).collect();
    Ok(Json(json!({ "Volumes": all, "Warnings": null })))
}

async fn create(State(front): State<Front>, request: Request) -> Result<(StatusCode, Json<Volume>), Error> {
    let (parts, body) = request.into_parts();
    let new: NewVolume = body::json(&body::read(&parts.headers, body).await?)?;
    if new.cluster_volume_spec.is_some() {
        return Err(no_cluster_volumes());
    }
    if !matches!(new.driver.as_str(), "" | "local") {
        let driver = new.driver;
        return Err(Error::NotFound(format!(
            "error looking up volume plugin {driver}: plugin {driver:?} not found"
        )));
    }
    let made = front.backend.volumes().create(new).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

async fn inspect(State(front): State<Front>, Path(name): Path<String>) -> Result<Json<Volume>, Error> {
    let all = front.backend.volumes().list().await?;
    let found = all.into_iter().find(|volume| volume.name == name);
    found
        .map(Json)
        .ok_or_else(|| Error::NotFound(format!("get {name}: no such volume")))
}

async fn remove(State(front): State<Front>, Path(name): Path<String>, uri: Uri) -> Result<StatusCode, Error> {
    let force = query(&uri).flag("force");
    front.backend.volumes().remove(&name, force).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn prune(
    State(front): State<Front>,
    Extension(spoken): Extension<Spoken>,
    uri: Uri,
) -> Result<Json<Value>, Error> {
    let filters = Filters::read(&query(&uri), &["all", "label", "label!"])?;
    // Before API 1.42 volumes with names went as well.
    let all = truth(&filters, "all")?.unwrap_or(spoken < Spoken((1, 42)));
    let wanted = move |volume: &Volume| {
        let none = Labels::new();
        let labels = volume.labels.as_ref().unwrap_or(&none);
        let spared = filters.values("label!").next().is_some() && filters.labels("label!", labels);
        (all || volume.is_anonymous()) && filters.labels("label", labels) && !spared
    };
    let (names, bytes) = front.backend.volumes().prune(Box::new(wanted)).await?;
    Ok(Json(json!({ "VolumesDeleted": names, "SpaceReclaimed": bytes })))
}

/// Only cluster volumes can be changed.
async fn update() -> Error {
    no_cluster_volumes()
}

fn no_cluster_volumes() -> Error {
    Error::Unimplemented(
        "cluster volumes (CSI) can't be had here: volumes are a board's own; use one on a server (docker volume create \
         --opt type=nfs) for files that every board is to see"
            .to_owned(),
    )
}
