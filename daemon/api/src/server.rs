//! The socket.

use crate::Backend;
use crate::leftover::Leftover;
use crate::roles::{HEADER, Visitor};
use crate::routes::router;
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixListener;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at the same time, of one listener; more wait to be accepted.
const CONNECTIONS: usize = 512;
/// For a request's head: a connection that says nothing is kept, one that dribbles is not.
const HEAD: Duration = Duration::from_secs(30);
/// For answers that are under way at shutdown.
const FAREWELL: Duration = Duration::from_secs(1);

/// The connections of one listener.
pub(crate) struct Connections {
    places: Arc<Semaphore>,
    tracker: TaskTracker,
}

impl Default for Connections {
    fn default() -> Self {
        Self {
            places: Arc::new(Semaphore::new(CONNECTIONS)),
            tracker: TaskTracker::new(),
        }
    }
}

impl Connections {
    pub async fn place(&self) -> Option<OwnedSemaphorePermit> {
        self.places.clone().acquire_owned().await.ok()
    }

    pub fn spawn(&self, connection: impl Future<Output = ()> + Send + 'static) {
        self.tracker.spawn(connection);
    }

    pub async fn end(self) {
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Out of file descriptors, most likely: some come free.
pub(crate) async fn not_accepted(error: &std::io::Error) {
    tracing::warn!(%error, "connection not accepted");
    tokio::time::sleep(Duration::from_millis(200)).await;
}

/// Serves the API until shutdown.
pub async fn serve(listener: UnixListener, backend: Arc<dyn Backend>, shutdown: CancellationToken) {
    serve_router(listener, router(backend), shutdown).await;
}

async fn serve_router(listener: UnixListener, router: Router, shutdown: CancellationToken) {
    let connections = Connections::default();
    loop {
        let Some(place) = connections.place().await else {
            break;
        };
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    not_accepted(&error).await;
                    continue;
                }
            },
        };
        let (router, shutdown) = (router.clone(), shutdown.clone());
        connections.spawn(async move {
            connection(stream, router, Visitor::local(), shutdown).await;
            drop(place);
        });
    }
    connections.end().await;
}

/// Answers what comes on one connection.
pub(crate) async fn connection(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    router: Router,
    visitor: Visitor,
    shutdown: CancellationToken,
) {
    let known = tower::service_fn(move |request: axum::http::Request<hyper::body::Incoming>| {
        let (router, visitor) = (router.clone(), visitor.clone());
        async move {
            let (mut request, leftover) = Leftover::of(request);
            // Who asks is known by the door, and by nothing that a client says.
            request.headers_mut().remove(HEADER);
            request.extensions_mut().insert(visitor);
            let answer = tower::ServiceExt::oneshot(router, request).await?;
            if answer.status().is_client_error() || answer.status().is_server_error() {
                leftover.discard().await;
            }
            Ok::<_, Infallible>(answer)
        }
    });
    let connection = hyper::server::conn::http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD)
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(known))
        .with_upgrades();
    tokio::pin!(connection);
    let done = tokio::select! {
        done = connection.as_mut() => done,
        () = shutdown.cancelled() => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(FAREWELL, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = done {
        tracing::debug!(%error, "connection ended");
    }
}
