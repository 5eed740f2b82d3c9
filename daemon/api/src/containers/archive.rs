//! `docker cp`, `docker export` and `docker diff`.

use super::find;
use crate::Error;
use crate::query::Query;
use crate::routes::{Front, query, stream};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use futures::StreamExt as _;
use model::LocalPath;
use serde_json::{Value, json};

fn path(query: &Query) -> Result<&str, Error> {
    query
        .text("path")
        .ok_or_else(|| Error::Invalid("bad parameter: path is empty".to_owned()))
}

/// What is at a path, in the header that the docker command reads.
fn told(found: &LocalPath) -> (HeaderName, HeaderValue) {
    let text = json!({
        "name": found.name,
        "size": found.size,
        "mode": found.mode,
        "mtime": found.modified.to_string(),
        "linkTarget": found.link,
    })
    .to_string();
    let text = base64::engine::general_purpose::STANDARD.encode(text);
    let value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
    (HeaderName::from_static("x-docker-container-path-stat"), value)
}

/// `HEAD /containers/{id}/archive`
pub(super) async fn look(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Error> {
    let query = query(&uri);
    let container = find(&front, &id).await?;
    let found = front.backend.look(&container, path(&query)?).await?;
    Ok(([told(&found)], "").into_response())
}

/// `GET /containers/{id}/archive`
pub(super) async fn read(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Error> {
    let query = query(&uri);
    let container = find(&front, &id).await?;
    let (found, archive) = front.backend.read(&container, path(&query)?).await?;
    let kind = (
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/x-tar"),
    );
    Ok(([told(&found), kind], stream(archive)).into_response())
}

/// `PUT /containers/{id}/archive`
pub(super) async fn write(
    State(front): State<Front>,
    Path(id): Path<String>,
    request: Request,
) -> Result<StatusCode, Error> {
    let query = query(request.uri());
    let container = find(&front, &id).await?;
    let data = request.into_body().into_data_stream();
    let archive = Box::pin(data.map(|piece| piece.map_err(|error| error.to_string())));
    let keep_kinds = query.flag("noOverwriteDirNonDir");
    front
        .backend
        .write(&container, path(&query)?, keep_kinds, archive)
        .await?;
    Ok(StatusCode::OK)
}

/// `GET /containers/{id}/export`
pub(super) async fn export(State(front): State<Front>, Path(id): Path<String>) -> Result<Response, Error> {
    let container = find(&front, &id).await?;
    let archive = front.backend.export(&container).await?;
    let kind = (
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/octet-stream"),
    );
    Ok(([kind], stream(archive)).into_response())
}

/// `GET /containers/{id}/changes`
pub(super) async fn changes(
    State(front): State<Front>,
    Path(id): Path<String>,
) -> Result<Json<Value>, Error> {
    let container = find(&front, &id).await?;
    let all = front.backend.changes(&container).await?;
    Ok(Json(
        all.iter()
            .map(|change| json!({ "Path": change.path, "Kind": change.kind }))
            .collect(),
    ))
}
