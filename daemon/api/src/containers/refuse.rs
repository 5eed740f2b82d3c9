//! What containers of tasks can't have done to them: their services say what they are.

use super::find;
use crate::Error;
use crate::routes::{Front, query};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{StatusCode, Uri};
use model::{LocalContainer, LocalState};
use serde_json::{Value, json};

/// Why a task's container is not `done` something to.
pub(super) fn tasks(container: &LocalContainer, done: &str) -> Error {
    let (name, service) = (container.task.name(), &container.task.origin.service_name);
    Error::Conflict(format!(
        "container {name} belongs to a task of service {service} and can't be {done} by itself: change the service \
         (docker service update, scale or rm {service})"
    ))
}

/// `POST /containers/create`
pub(super) async fn create() -> Error {
    Error::Unimplemented(
        "plain containers are not built yet: run a service (docker service create), and see its tasks with docker \
         service ps and docker service logs"
            .to_owned(),
    )
}

/// `POST /commit`
pub(super) async fn commit(State(front): State<Front>, uri: Uri) -> Result<StatusCode, Error> {
    let query = query(&uri);
    find(&front, query.text("container").unwrap_or_default()).await?;
    Err(Error::Unimplemented(
        "images are not made on boards: build them elsewhere and push them to a registry, or bring them with docker load \
         or docker import"
            .to_owned(),
    ))
}

/// `POST /containers/prune`: there are no containers but tasks', and those that ended are their services' history.
pub(super) async fn prune() -> Json<Value> {
    Json(json!({ "ContainersDeleted": null, "SpaceReclaimed": 0 }))
}

/// `DELETE /containers/{id}`
pub(super) async fn remove(State(front): State<Front>, Path(id): Path<String>) -> Result<StatusCode, Error> {
    Err(tasks(&find(&front, &id).await?, "removed"))
}

/// `POST /containers/{id}/start`
pub(super) async fn start(State(front): State<Front>, Path(id): Path<String>) -> Result<StatusCode, Error> {
    let container = find(&front, &id).await?;
    match container.state {
        LocalState::Running => Ok(StatusCode::NOT_MODIFIED),
        LocalState::Paused => Err(Error::Conflict(
            "cannot start a paused container, try unpause instead".to_owned(),
        )),
        _ => Err(tasks(&container, "started")),
    }
}

/// `POST /containers/{id}/rename` and `/update`
pub(super) async fn change(State(front): State<Front>, Path(id): Path<String>) -> Result<StatusCode, Error> {
    Err(tasks(&find(&front, &id).await?, "changed"))
}

/// `GET /containers/{id}/attach/ws`
pub(super) async fn websocket() -> Error {
    Error::Unimplemented("attaching by web socket is not built: use POST /containers/{id}/attach".to_owned())
}
