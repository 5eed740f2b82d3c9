//! `/bramble/contexts`: client certificates for this API, for `bramble context`. Docker has no such routes.

use crate::backend::{ContextRequest, NewContext};
use crate::routes::Front;
use crate::{Error, body};
use axum::Json;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::StatusCode;
use axum::routing::{delete, get};
use model::Grant;

/// The routes; only the leader answers them.
pub(crate) fn routes() -> Router<Front> {
    Router::new()
        .route("/bramble/contexts", get(list).post(create))
        .route("/bramble/contexts/{id}", delete(revoke))
}

async fn list(State(front): State<Front>) -> Result<Json<Vec<Grant>>, Error> {
    front.backend.contexts().await.map(Json)
}

async fn create(
    State(front): State<Front>,
    request: Request,
) -> Result<(StatusCode, Json<NewContext>), Error> {
    let (parts, body) = request.into_parts();
    let wanted: ContextRequest = body::json(&body::read(&parts.headers, body).await?)?;
    let made = front.backend.create_context(wanted).await?;
    Ok((StatusCode::CREATED, Json(made)))
}

async fn revoke(State(front): State<Front>, Path(id): Path<String>) -> Result<StatusCode, Error> {
    front.backend.revoke_context(&id).await?;
    Ok(StatusCode::NO_CONTENT)
}
