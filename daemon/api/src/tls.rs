//! The API over TCP: TLS with client certificates, and nothing else.

use crate::roles::Visitor;
use crate::server::{self, Connections};
use axum::Router;
use rustls::ServerConfig;
use rustls::pki_types::CertificateDer;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_util::sync::CancellationToken;

/// For a handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// Says who holds the certificate at the head of a chain that TLS has verified.
pub type Holder = Arc<dyn Fn(&[CertificateDer<'_>]) -> Option<Visitor> + Send + Sync>;

/// Serves the API to holders of client certificates until shutdown. While there are no settings (this board is in no cluster,
/// or is locked) connections are closed at once; new settings hold for connections made after them.
pub async fn serve_tls(
    listener: TcpListener,
    tls: watch::Receiver<Option<Arc<ServerConfig>>>,
    holder: Holder,
    router: Router,
    shutdown: CancellationToken,
) {
    let connections = Connections::default();
    loop {
        let Some(place) = connections.place().await else {
            break;
        };
        let (stream, from) = tokio::select! {
            () = shutdown.cancelled() => break,
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    server::not_accepted(&error).await;
                    continue;
                }
            },
        };
        let Some(config) = tls.borrow().clone() else {
            continue;
        };
        let (router, holder, shutdown) = (router.clone(), holder.clone(), shutdown.clone());
        connections.spawn(async move {
            let handshake = TlsAcceptor::from(config).accept(stream);
            let stream = match tokio::time::timeout(HANDSHAKE, handshake).await {
                Ok(Ok(stream)) => stream,
                Ok(Err(error)) => return tracing::debug!(%from, %error, "handshake failed"),
                Err(_) => return tracing::debug!(%from, "handshake took too long"),
            };
            let chain = stream.get_ref().1.peer_certificates().unwrap_or_default();
            let Some(visitor) = holder(chain) else {
                return tracing::debug!(%from, "a certificate that says no role");
            };
            server::connection(stream, router, visitor, shutdown).await;
            drop(place);
        });
    }
    connections.end().await;
}
