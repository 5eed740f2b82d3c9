//! `/containers/{id}/logs` and `/containers/{id}/attach`: what one container writes.

use super::find;
use crate::Error;
use crate::backend::LogWish;
use crate::hijack::{self, Framing};
use crate::local::Session;
use crate::logs::wish;
use crate::routes::{Front, query, stream};
use axum::extract::{Path, Request, State};
use axum::http::{Uri, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use model::LocalState;

/// `GET /containers/{id}/logs`
pub(super) async fn logs(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Response, Error> {
    let query = query(&uri);
    let wish = wish(&query)?;
    let container = find(&front, &id).await?;
    let framing = Framing::of(container.terminal);
    let timestamps = query.flag("timestamps");
    let lines = front.backend.lines(&container, wish).await?;
    let pieces = lines.map(move |line| {
        line.map(|line| {
            let data = match timestamps {
                true => [format!("{:.9} ", line.at).as_bytes(), &line.data]
                    .concat()
                    .into(),
                false => line.data,
            };
            framing.write(&(line.stderr, data))
        })
    });
    let mut response = stream(Box::pin(pieces)).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, framing.media_type());
    Ok(response)
}

/// `POST /containers/{id}/attach`: its output from now on, by lines. A task reads nothing, so nothing is passed to it.
pub(super) async fn attach(
    State(front): State<Front>,
    Path(id): Path<String>,
    mut request: Request,
) -> Result<Response, Error> {
    let query = query(request.uri());
    let upgrade = hijack::upgrade(&mut request);
    let container = find(&front, &id).await?;
    if container.state == LocalState::Paused {
        return Err(Error::Conflict(format!(
            "container {id} is paused, unpause the container before attach"
        )));
    }
    let (follow, past) = (query.flag("stream"), query.flag("logs"));
    let wish = LogWish {
        stdout: query.flag("stdout"),
        stderr: query.flag("stderr"),
        follow,
        tail: if past { None } else { Some(0) },
        ..LogWish::default()
    };
    let lines = front.backend.lines(&container, wish).await?;
    let output = lines.map(|line| line.map(|line| (line.stderr, Bytes::clone(&line.data))));
    let session = Session {
        input: None,
        output: Box::pin(output),
    };
    Ok(hijack::answer(upgrade, session, Framing::of(container.terminal)))
}
