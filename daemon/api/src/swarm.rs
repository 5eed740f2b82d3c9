//! `/swarm`

use crate::backend::{InitRequest, JoinRequest, Rotate};
use crate::routes::{Front, query};
use crate::{Error, body};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use model::Cluster;
use serde_json::{Value, json};

/// `POST /swarm/init`
pub(crate) async fn init(State(front): State<Front>, request: Request) -> Result<Json<String>, Error> {
    let (parts, body) = request.into_parts();
    let wanted: InitRequest = body::json(&body::read(&parts.headers, body).await?)?;
    front.backend.init(wanted).await.map(Json)
}

/// `POST /swarm/join`
pub(crate) async fn join(State(front): State<Front>, request: Request) -> Result<(), Error> {
    let (parts, body) = request.into_parts();
    let wanted: JoinRequest = body::json(&body::read(&parts.headers, body).await?)?;
    front.backend.join(wanted).await
}

/// `POST /swarm/leave`
pub(crate) async fn leave(State(front): State<Front>, uri: Uri) -> Result<(), Error> {
    front.backend.leave(query(&uri).flag("force")).await
}

/// `GET /swarm`
pub(crate) async fn inspect(State(front): State<Front>) -> Result<Json<Cluster>, Error> {
    front.backend.cluster().await.map(Json)
}

/// `POST /swarm/update`
pub(crate) async fn update(State(front): State<Front>, request: Request) -> Result<(), Error> {
    let (parts, body) = request.into_parts();
    let query = query(&parts.uri);
    let version = query.version()?;
    if query.flag("rotateManagerUnlockKey") {
        return Err(Error::Unimplemented(
            "locking managers (--autolock) is not built yet".to_owned(),
        ));
    }
    let spec = body::json(&body::read(&parts.headers, body).await?)?;
    let rotate = Rotate {
        worker: query.flag("rotateWorkerToken"),
        manager: query.flag("rotateManagerToken"),
    };
    front.backend.update_cluster(version, spec, rotate).await
}

/// `GET /swarm/unlockkey`: managers are never locked here.
pub(crate) async fn unlock_key() -> Json<Value> {
    Json(json!({ "UnlockKey": "" }))
}

/// `POST /swarm/unlock`
pub(crate) async fn unlock() -> Error {
    Error::Conflict("swarm is not locked".to_owned())
}
