//! What is done to a container: ended, frozen, waited for. What comes after its end, the service's policy says.

use super::{find, size};
use crate::Error;
use crate::local::{Act, Until};
use crate::query::Query;
use crate::routes::{Front, query, stream};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::{HeaderValue, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::FutureExt as _;
use model::{LocalContainer, LocalState};
use serde_json::{Value, json};
use std::time::Duration;

fn lives(container: &LocalContainer) -> bool {
    matches!(container.state, LocalState::Running | LocalState::Paused)
}

/// `GET /containers/{id}/top`
pub(super) async fn top(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Value>, Error> {
    let container = find(&front, &id).await?;
    let query = query(&uri);
    let shown = front
        .backend
        .processes(&container, query.text("ps_args").unwrap_or_default())
        .await?;
    Ok(Json(json!({ "Titles": shown.titles, "Processes": shown.rows })))
}

/// `POST /containers/{id}/kill`
pub(super) async fn kill(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Error> {
    let container = find(&front, &id).await?;
    let signal = query(&uri).text("signal").unwrap_or_default().to_owned();
    let outcome = match lives(&container) {
        true => front.backend.act(&container, Act::Kill(signal)).await,
        false => Err(Error::Conflict(format!(
            "container {} is not running",
            container.id
        ))),
    };
    match outcome {
        Err(Error::Conflict(text)) => Err(Error::Conflict(format!("cannot kill container: {id}: {text}"))),
        outcome => outcome.map(|()| StatusCode::NO_CONTENT),
    }
}

/// `signal` and `t`; a negative time waits for ever, which is a day here.
fn stopping(query: &Query) -> Result<Act, Error> {
    let grace = match query.text("t") {
        None => None,
        Some(text) => {
            let seconds: i64 = text
                .parse()
                .map_err(|_| Error::Invalid(format!("invalid timeout '{text}'")))?;
            let seconds = u64::try_from(seconds).unwrap_or(24 * 3600);
            Some(Duration::from_secs(seconds.min(24 * 3600)))
        }
    };
    Ok(Act::Stop {
        signal: query.text("signal").unwrap_or_default().to_owned(),
        grace,
    })
}

/// `POST /containers/{id}/stop`
pub(super) async fn stop(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Error> {
    let act = stopping(&query(&uri))?;
    let container = find(&front, &id).await?;
    if !lives(&container) {
        return Ok(StatusCode::NOT_MODIFIED);
    }
    front.backend.act(&container, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /containers/{id}/restart`: it is ended; the service's policy starts another in its place.
pub(super) async fn restart(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Error> {
    let act = stopping(&query(&uri))?;
    let container = find(&front, &id).await?;
    if !lives(&container) {
        return Err(super::refuse::tasks(&container, "started"));
    }
    front.backend.act(&container, act).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /containers/{id}/pause`
pub(super) async fn pause(State(front): State<Front>, Path(id): Path<String>) -> Result<StatusCode, Error> {
    let container = find(&front, &id).await?;
    front.backend.act(&container, Act::Pause).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /containers/{id}/unpause`
pub(super) async fn unpause(State(front): State<Front>, Path(id): Path<String>) -> Result<StatusCode, Error> {
    let container = find(&front, &id).await?;
    front.backend.act(&container, Act::Unpause).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `POST /containers/{id}/resize`
pub(super) async fn resize(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<StatusCode, Error> {
    let (height, width) = size(&query(&uri))?;
    let container = find(&front, &id).await?;
    front.backend.act(&container, Act::Resize(height, width)).await?;
    Ok(StatusCode::OK)
}

/// `POST /containers/{id}/wait`: the head at once, the body when it has ended, which is what clients rely on.
pub(super) async fn wait(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Error> {
    let query = query(&uri);
    let until = match query.text("condition").unwrap_or_default() {
        "" | "not-running" => Until::NotRunning,
        "next-exit" => Until::NextExit,
        "removed" => Until::Removed,
        other => return Err(Error::Invalid(format!("invalid condition: \"{other}\""))),
    };
    let container = find(&front, &id).await?;
    let answer = async move {
        let answer = match front.backend.ended(&container, until).await {
            Ok(code) => json!({ "StatusCode": code }),
            Err(error) => json!({ "StatusCode": -1, "Error": { "Message": error.to_string() } }),
        };
        Ok(Bytes::from(format!("{answer}\n")))
    };
    let mut response = stream(Box::pin(answer.into_stream())).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Ok(response)
}
