//! Installing an image on a board: `POST /bramble/board/update` on the board itself, `POST /bramble/nodes/{id}/update` by way of
//! any manager. The body is the bundle; once it is in, the answer is lines of JSON, as a pull's. Docker has no such routes.

use crate::backend::Stream;
use crate::find::find;
use crate::images::{incoming, line, lines, trouble};
use crate::roles::Visitor;
use crate::routes::{Front, stream};
use crate::{Error, body};
use async_trait::async_trait;
use axum::Router;
use axum::extract::{Path, Request, State};
use axum::http::{Method, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use bytes::Bytes;
use futures::StreamExt as _;
use model::Node;
use serde_json::{Value, json};

/// Where a board takes its own bundle.
const HERE: &str = "/bramble/board/update";

/// How far an installation is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// The bundle is looked at.
    Checking,
    /// The slot is being written: percent, and what is done.
    Writing(u8, String),
    /// The board restarts into this slot, with this version.
    Restarting(String, Option<String>),
}

/// What this room asks for an installation.
#[async_trait]
pub trait Updates: Send + Sync {
    /// The cluster's nodes, as this manager's own store has them.
    fn members(&self) -> Result<Vec<Node>, Error>;
    /// Whether that is this very board.
    fn is_me(&self, node: &Node) -> bool;
    /// Takes a bundle in for this board, of so many bytes if they were announced; then installs it and restarts the board.
    async fn install(&self, size: Option<u64>, bundle: Stream<Bytes>) -> Result<Stream<Step>, Error>;
    /// Lets another node answer a request.
    async fn pass_to(
        &self,
        node: &Node,
        request: axum::http::Request<Stream<Bytes>>,
    ) -> Result<axum::http::Response<Stream<Bytes>>, Error>;
}

/// The routes; every board answers them for itself.
pub(crate) fn routes() -> Router<Front> {
    Router::new()
        .route(HERE, post(here))
        .route("/bramble/nodes/{id}/update", post(at))
}

async fn here(State(front): State<Front>, request: Request) -> Result<Response, Error> {
    let size = body::announced(request.headers());
    let steps = front
        .backend
        .updates()
        .install(size, incoming(request.into_body()))
        .await?;
    Ok(lines(Box::pin(steps.map(|step| {
        Ok(match step {
            Ok(step) => line(&told(&step)),
            Err(error) => trouble(&Error::Internal(error)),
        })
    }))))
}

async fn at(State(front): State<Front>, Path(id): Path<String>, request: Request) -> Result<Response, Error> {
    let updates = front.backend.updates();
    let node = find(updates.members()?, &id)?;
    if updates.is_me(&node) {
        return here(State(front), request).await;
    }
    let visitor = Visitor::of(&request);
    let mut passed = axum::http::Request::builder().method(Method::POST).uri(HERE);
    if let Some(headers) = passed.headers_mut() {
        visitor.mark(headers);
        if let Some(length) = request.headers().get(header::CONTENT_LENGTH) {
            headers.insert(header::CONTENT_LENGTH, length.clone());
        }
    }
    let passed = passed
        .body(incoming(request.into_body()))
        .map_err(|error| Error::Internal(error.to_string()))?;
    let answer = updates.pass_to(&node, passed).await?;
    Ok(answer.map(stream).into_response())
}

fn told(step: &Step) -> Value {
    match step {
        Step::Checking => json!({ "status": "Checking the bundle" }),
        Step::Writing(percent, what) => json!({
            "status": "Writing",
            "progress": format!("{percent} % {what}"),
            "progressDetail": { "current": percent, "total": 100 },
        }),
        Step::Restarting(slot, version) => json!({
            "status": "Restarting",
            "aux": { "Slot": slot, "Version": version },
        }),
    }
}
