//! `docker pull`, `load`, `import` and `tag`.

use super::changes::Change;
use super::{familiar, find, repository};
use crate::Error;
use crate::backend::Stream;
use crate::query::Query;
use crate::routes::{Front, stream};
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::StreamExt as _;
use model::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Lines of JSON as they come.
pub(crate) fn lines(pieces: Stream<Bytes>) -> Response {
    let mut response = stream(pieces).into_response();
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

pub(crate) fn line(value: &Value) -> Bytes {
    format!("{value}\r\n").into()
}

/// An error in the middle of an answer, as the docker command looks for it.
pub(crate) fn trouble(error: &Error) -> Bytes {
    let text = error.to_string();
    line(&json!({ "errorDetail": { "message": text }, "error": text }))
}

pub(crate) fn incoming(body: Body) -> Stream<Bytes> {
    Box::pin(
        body.into_data_stream()
            .map(|piece| piece.map_err(|error| error.to_string())),
    )
}

/// `POST /images/create`: a pull, or an import.
pub(super) async fn create(State(front): State<Front>, request: Request) -> Result<Response, Error> {
    let query = Query::read(request.uri().query());
    match (query.text("fromImage"), query.text("fromSrc")) {
        (Some(name), _) => pull(front, name, &query, request.headers()).await,
        (None, Some("-")) => import(front, &query, request).await,
        (None, Some(_)) => Err(Error::Unimplemented(
            "boards don't fetch archives from addresses: docker import reads files and its standard input"
                .to_owned(),
        )),
        (None, None) => Err(Error::Invalid("name an image: fromImage or fromSrc".to_owned())),
    }
}

async fn pull(front: Front, name: &str, query: &Query, headers: &HeaderMap) -> Result<Response, Error> {
    let tag = query.text("tag").unwrap_or_default();
    let full = match tag {
        "" if familiar(name).ends_with(":latest") && !name.ends_with(":latest") => {
            // Docker pulls all tags then; the docker command always says one.
            format!("{name}:latest")
        }
        "" => name.to_owned(),
        digest if digest.starts_with("sha256:") => format!("{name}@{digest}"),
        tag => format!("{name}:{tag}"),
    };
    if let Some(platform) = query.text("platform") {
        let here = front.backend.facts().await.description.platform;
        let (os, architecture) = here.normal();
        if !platform.starts_with(&format!("{os}/{architecture}")) && platform != architecture {
            return Err(Error::Unimplemented(format!(
                "this board pulls only what it can run: {os}/{architecture}, not {platform}"
            )));
        }
    }
    let auth = headers
        .get("x-registry-auth")
        .and_then(|value| value.to_str().ok());
    let auth = auth.filter(|text| !text.is_empty()).map(str::to_owned);
    let shown = familiar(&full);
    let (out, pieces) = mpsc::channel(8);
    tokio::spawn(async move {
        let version = full.rsplit_once('@').map_or_else(
            || shown.rsplit_once(':').map_or("latest", |(_, tag)| tag).to_owned(),
            |(_, digest)| digest.to_owned(),
        );
        let begin = json!({ "status": format!("Pulling from {}", path(&full)), "id": version });
        let _ = out.send(Ok(line(&begin))).await;
        match front.backend.pull(&full, auth).await {
            Ok((digest, new)) => {
                let status = if new {
                    "Downloaded newer image for"
                } else {
                    "Image is up to date for"
                };
                let _ = out
                    .send(Ok(line(&json!({ "status": format!("Digest: {digest}") }))))
                    .await;
                let _ = out
                    .send(Ok(line(
                        &json!({ "status": format!("Status: {status} {shown}") }),
                    )))
                    .await;
            }
            Err(error) => drop(out.send(Ok(trouble(&error))).await),
        }
    });
    Ok(lines(Box::pin(ReceiverStream::new(pieces))))
}

/// The repository within its registry: `library/nginx`.
fn path(name: &str) -> String {
    let repository = repository(name);
    match repository.split_once('/') {
        Some((host, rest)) if host.contains(['.', ':']) || host == "localhost" => rest.to_owned(),
        Some(_) => repository.to_owned(),
        None => format!("library/{repository}"),
    }
}

async fn import(front: Front, query: &Query, request: Request) -> Result<Response, Error> {
    let all = form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes());
    let mut config = json!({});
    for (_, text) in all.filter(|(key, _)| key == "changes") {
        Change::read(&text)?.apply(&mut config);
    }
    let message = query.text("message").unwrap_or("Imported from -").to_owned();
    let now = Timestamp::now().to_string();
    let config = json!({
        "created": now,
        "config": config,
        "comment": message,
        "history": [{ "created": now, "comment": message }],
    });
    let names = match (query.text("repo"), query.text("tag")) {
        (None, _) => Vec::new(),
        (Some(repo), None) => vec![familiar(repo)],
        (Some(repo), Some(tag)) => vec![format!("{repo}:{tag}")],
    };
    let id = front
        .backend
        .import(incoming(request.into_body()), config, names)
        .await?;
    Ok(lines(Box::pin(futures::stream::iter([Ok(line(
        &json!({ "status": id }),
    ))]))))
}

/// `POST /images/load`
pub(super) async fn load(State(front): State<Front>, request: Request) -> Result<Response, Error> {
    let loaded = front.backend.load(incoming(request.into_body())).await?;
    let mut told = Vec::new();
    for (id, names) in loaded {
        if names.is_empty() {
            told.push(Ok(line(&json!({ "stream": format!("Loaded image ID: {id}\n") }))));
        }
        told.extend(
            names
                .iter()
                .map(|name| Ok(line(&json!({ "stream": format!("Loaded image: {name}\n") })))),
        );
    }
    Ok(lines(Box::pin(futures::stream::iter(told))))
}

/// `POST /images/{name}/tag`
pub(super) async fn tag(front: &Front, name: &str, query: &Query) -> Result<Response, Error> {
    let image = find(front, name).await?;
    let repo = query.text("repo").unwrap_or_default();
    let to = match query.text("tag") {
        Some(tag) => format!("{repo}:{tag}"),
        None => repo.to_owned(),
    };
    front.backend.tag(&image, &to).await?;
    Ok(StatusCode::CREATED.into_response())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pull_tells_where_from() {
        assert_eq!(path("nginx:1"), "library/nginx");
        assert_eq!(path("docker.io/library/nginx"), "library/nginx");
        assert_eq!(path("10.0.0.1:5000/a/b@sha256:x"), "a/b");
        assert_eq!(path("me/app"), "me/app");
    }
}
