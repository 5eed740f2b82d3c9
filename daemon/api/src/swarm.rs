//! `/swarm`

use crate::backend::{InitRequest, JoinRequest, Rotate, UnlockRequest};
use crate::roles::Visitor;
use crate::routes::{Front, query};
use crate::{Error, body};
use axum::Json;
use axum::extract::{Request, State};
use axum::http::Uri;
use model::{AccessRole, Cluster, JoinTokens};
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
pub(crate) async fn inspect(State(front): State<Front>, request: Request) -> Result<Json<Cluster>, Error> {
    let mut cluster = front.backend.cluster().await?;
    // Who may only look may not let others in.
    if Visitor::of(&request).role < AccessRole::Admin {
        cluster.join_tokens = Some(JoinTokens::default());
    }
    Ok(Json(cluster))
}

/// `POST /swarm/update`
pub(crate) async fn update(State(front): State<Front>, request: Request) -> Result<(), Error> {
    let (parts, body) = request.into_parts();
    let query = query(&parts.uri);
    let version = query.version()?;
    let spec = body::json(&body::read(&parts.headers, body).await?)?;
    let rotate = Rotate {
        worker: query.flag("rotateWorkerToken"),
        manager: query.flag("rotateManagerToken"),
        unlock_key: query.flag("rotateManagerUnlockKey"),
    };
    front.backend.update_cluster(version, spec, rotate).await
}

/// `GET /swarm/unlockkey`
pub(crate) async fn unlock_key(State(front): State<Front>) -> Result<Json<Value>, Error> {
    let key = front.backend.unlock_key().await?;
    Ok(Json(json!({ "UnlockKey": key })))
}

/// `POST /swarm/unlock`
pub(crate) async fn unlock(State(front): State<Front>, request: Request) -> Result<(), Error> {
    let (parts, body) = request.into_parts();
    let wanted: UnlockRequest = body::json(&body::read(&parts.headers, body).await?)?;
    front.backend.unlock(wanted.unlock_key).await
}
