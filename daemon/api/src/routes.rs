//! All routes, and the way a request takes to them.

use crate::backend::{Backend, Place, Stream};
use crate::query::Query;
use crate::roles::Visitor;
use crate::{
    Error, body, containers, contexts, deposits, events, images, logs, networks, nodes, refusals, services,
    swarm, system, tasks, updates, usage, version, volumes,
};
use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{any, delete, get, post};
use bytes::Bytes;
use futures::StreamExt as _;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Requests answered at the same time; more wait.
const CONCURRENT: usize = 256;

/// What handlers share.
#[derive(Clone)]
pub(crate) struct Front {
    pub backend: Arc<dyn Backend>,
    places: Arc<Semaphore>,
}

/// The query of a request.
pub(crate) fn query(uri: &Uri) -> Query {
    Query::read(uri.query())
}

/// The API. The version prefix is taken off and requests for the leader are passed on before a route is looked for.
pub fn router(backend: Arc<dyn Backend>) -> Router {
    let front = Front {
        backend,
        places: Arc::new(Semaphore::new(CONCURRENT)),
    };
    let inside = cluster().layer(middleware::from_fn_with_state(front.clone(), pass_on));
    let routes = inside.merge(board()).fallback(refusals::no_such_page);
    let mut routes = routes
        .method_not_allowed_fallback(refusals::no_such_page)
        .with_state(front.clone());
    for path in ["plugins", "session", "grpc"] {
        routes = routes
            .route(&format!("/{path}"), any(refusals::not_built))
            .route(&format!("/{path}/{{*rest}}"), any(refusals::not_built));
    }
    let routes = routes.layer(middleware::from_fn_with_state(front, admit));
    // Outside of the routes, so that they are matched after the prefix is off.
    Router::new()
        .fallback_service(routes)
        .layer(middleware::from_fn(strip))
}

/// What this board answers for itself.
fn board() -> Router<Front> {
    Router::new()
        .route("/_ping", get(system::ping).head(system::ping))
        .route("/version", get(system::version))
        .route("/info", get(system::info))
        .route("/system/df", get(usage::disk_usage))
        .route("/events", get(events::follow))
        .route("/bramble/board", get(system::board))
        .route("/metrics", get(system::metrics))
        .route("/auth", post(system::auth))
        .route("/swarm/init", post(swarm::init))
        .route("/swarm/join", post(swarm::join))
        .route("/swarm/leave", post(swarm::leave))
        .route("/swarm/unlock", post(swarm::unlock))
        .route("/distribution/{*name}", get(system::distribution))
        .merge(containers::routes())
        .merge(images::routes())
        .merge(volumes::routes())
        .merge(updates::routes())
}

/// What only the leader answers.
fn cluster() -> Router<Front> {
    Router::new()
        .route("/swarm", get(swarm::inspect))
        .route("/swarm/update", post(swarm::update))
        .route("/swarm/unlockkey", get(swarm::unlock_key))
        .route("/nodes", get(nodes::list))
        .route("/nodes/{id}", get(nodes::inspect))
        .route("/nodes/{id}", delete(nodes::remove))
        .route("/nodes/{id}/update", post(nodes::update))
        .route("/services", get(services::list))
        .route("/services/create", post(services::create))
        .route("/services/{id}", get(services::inspect))
        .route("/services/{id}", delete(services::remove))
        .route("/services/{id}/update", post(services::update))
        .route("/services/{id}/logs", get(logs::of_service))
        .route("/tasks", get(tasks::list))
        .route("/tasks/{id}", get(tasks::inspect))
        .route("/tasks/{id}/logs", get(logs::of_task))
        .merge(networks::routes())
        .merge(contexts::routes())
        .merge(deposits::routes())
}

/// Takes the version off the path.
async fn strip(mut request: Request, next: Next) -> Response {
    let spoken = version::Spoken::of(request.uri().path());
    request.extensions_mut().insert(spoken);
    match version::strip(request.uri().path()) {
        Ok(path) if path.len() != request.uri().path().len() => {
            let query = request
                .uri()
                .query()
                .map(|query| format!("?{query}"))
                .unwrap_or_default();
            let path = if path.is_empty() { "/" } else { path };
            match format!("{path}{query}").parse() {
                Ok(uri) => *request.uri_mut() = uri,
                Err(_) => return Error::Invalid("a path that can't be read".to_owned()).into_response(),
            }
        }
        Ok(_) => {}
        Err(error) => return error.into_response(),
    }
    next.run(request).await
}

/// Bounds how much is done at once, turns away who may not ask, and says who answers.
async fn admit(State(front): State<Front>, request: Request, next: Next) -> Response {
    let Ok(_place) = front.places.acquire().await else {
        return Error::Unavailable("closing".to_owned()).into_response();
    };
    let visitor = Visitor::of(&request);
    let may = visitor.may(request.method(), request.uri().path());
    let known = visitor
        .certificate
        .as_ref()
        .is_none_or(|id| front.backend.lets_in(id));
    let mut response = match (known, may) {
        (true, Ok(())) => next.run(request).await,
        (true, Err(error)) => error.into_response(),
        (false, _) => {
            Error::Forbidden("access denied: this certificate was revoked".to_owned()).into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert("api-version", HeaderValue::from_static("1.51"));
    headers.insert("ostype", HeaderValue::from_static("linux"));
    headers.insert("docker-experimental", HeaderValue::from_static("false"));
    headers.insert(
        header::SERVER,
        HeaderValue::from_static(concat!("Bramble/", env!("CARGO_PKG_VERSION"), " (linux)")),
    );
    response
}

/// Lets the leader answer what only it can.
async fn pass_on(State(front): State<Front>, request: Request, next: Next) -> Response {
    match front.backend.place() {
        Place::Here => next.run(request).await,
        Place::Nobody(error) => {
            // Read to its end: a client whose sending fails does not look at the answer.
            let (parts, body) = request.into_parts();
            let _ = body::read(&parts.headers, body).await;
            error.into_response()
        }
        Place::Elsewhere => {
            let visitor = Visitor::of(&request);
            let (mut parts, body) = request.into_parts();
            visitor.mark(&mut parts.headers);
            let body = match body::read(&parts.headers, body).await {
                Ok(body) => body,
                Err(error) => return error.into_response(),
            };
            match front
                .backend
                .forward(axum::http::Request::from_parts(parts, body))
                .await
            {
                Ok(answer) => answer.map(stream).into_response(),
                Err(error) => error.into_response(),
            }
        }
    }
}

/// A stream as a body; an error breaks it off.
pub(crate) fn stream(stream: Stream<Bytes>) -> Body {
    Body::from_stream(stream.map(|piece| piece.map_err(std::io::Error::other)))
}

/// Answers a request that another manager has passed on.
pub async fn answer(
    router: &Router,
    request: axum::http::Request<Stream<Bytes>>,
) -> axum::http::Response<Stream<Bytes>> {
    let mut request = request.map(stream);
    let visitor = Visitor::passed_on(request.headers());
    request.extensions_mut().insert(visitor);
    let response = match tower::ServiceExt::oneshot(router.clone(), request).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    response.map(|body| {
        let stream: Stream<Bytes> = Box::pin(
            body.into_data_stream()
                .map(|piece| piece.map_err(|error| error.to_string())),
        );
        stream
    })
}

/// A `HEAD` or `GET`.
pub(crate) fn is_head(method: &Method) -> bool {
    method == Method::HEAD
}
