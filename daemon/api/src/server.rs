//! The socket.

use crate::Backend;
use crate::routes::router;
use axum::Router;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixListener;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Connections at the same time; more wait to be accepted.
const CONNECTIONS: usize = 512;
/// For a request's head: a connection that says nothing is kept, one that dribbles is not.
const HEAD: Duration = Duration::from_secs(30);
/// For answers that are under way at shutdown.
const FAREWELL: Duration = Duration::from_secs(1);

/// Serves the API until shutdown.
pub async fn serve(listener: UnixListener, backend: Arc<dyn Backend>, shutdown: CancellationToken) {
    serve_router(listener, router(backend), shutdown).await;
}

async fn serve_router(listener: UnixListener, router: Router, shutdown: CancellationToken) {
    let (places, connections) = (Arc::new(Semaphore::new(CONNECTIONS)), TaskTracker::new());
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            break;
        };
        let stream = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "connection not accepted");
                    tokio::time::sleep(Duration::from_millis(200)).await;
                    continue;
                }
            },
        };
        let (service, shutdown) = (TowerToHyperService::new(router.clone()), shutdown.clone());
        connections.spawn(async move {
            let connection = hyper::server::conn::http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(HEAD)
                .serve_connection(TokioIo::new(stream), service)
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
            drop(place);
        });
    }
    connections.close();
    connections.wait().await;
}
