//! The one listener.

use crate::Caller;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::server::Connected;

/// What strangers may take of us.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time.
    pub connections: usize,
    /// Time for a handshake.
    pub handshake: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            handshake: Duration::from_secs(5),
        }
    }
}

/// Accepts connections until `shutdown` ends, and lets `router` answer. A new identity in `tls` holds for
/// connections made after it; a node that `trust` bars is refused from its next request on.
///
/// # Errors
/// Those of the HTTP server; a connection that fails only ends itself.
pub async fn serve(
    listener: TcpListener,
    tls: watch::Receiver<Arc<rustls::ServerConfig>>,
    trust: pki::Trust,
    router: tonic::transport::server::Router,
    limits: Limits,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> Result<(), tonic::transport::Error> {
    let (ready, incoming) = mpsc::channel(16);
    let accepting = tokio::spawn(accept(listener, tls, trust, limits, ready));
    let incoming = tokio_stream::StreamExt::map(ReceiverStream::new(incoming), Ok::<_, std::io::Error>);
    let served = router.serve_with_incoming_shutdown(incoming, shutdown).await;
    accepting.abort();
    served
}

async fn accept(
    listener: TcpListener,
    tls: watch::Receiver<Arc<rustls::ServerConfig>>,
    trust: pki::Trust,
    limits: Limits,
    ready: mpsc::Sender<Connection>,
) {
    let places = Arc::new(Semaphore::new(limits.connections));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let (stream, address) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                // Out of file descriptors, most likely: wait for some to come free.
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(Duration::from_millis(200)).await;
                continue;
            }
        };
        let (config, trust, ready) = (tls.borrow().clone(), trust.clone(), ready.clone());
        tokio::spawn(async move {
            match tokio::time::timeout(
                limits.handshake,
                handshake(stream, address, config, &trust, place),
            )
            .await
            {
                Ok(Ok(connection)) => drop(ready.send(connection).await),
                Ok(Err(error)) => tracing::debug!(%address, %error, "handshake failed"),
                Err(_) => tracing::debug!(%address, "handshake took too long"),
            }
        });
    }
}

async fn handshake(
    stream: TcpStream,
    address: SocketAddr,
    config: Arc<rustls::ServerConfig>,
    trust: &pki::Trust,
    place: OwnedSemaphorePermit,
) -> std::io::Result<Connection> {
    stream.set_nodelay(true)?;
    let stream = TlsAcceptor::from(config).accept(stream).await?;
    let (_, session) = stream.get_ref();
    let chain = session.peer_certificates().unwrap_or_default();
    let clock = &trust.clock;
    let (peer, lapsed) = (pki::peer_of(chain, clock), pki::tls::lapsed_peer_of(chain, clock));
    let exporter = pki::exporter(session).map_err(std::io::Error::other)?;
    Ok(Connection {
        stream,
        caller: Caller {
            peer,
            lapsed,
            exporter,
            address,
            barred: trust.barred.clone(),
        },
        _place: place,
    })
}

/// An accepted connection; its place comes free when it is dropped.
struct Connection {
    stream: TlsStream<TcpStream>,
    caller: Caller,
    _place: OwnedSemaphorePermit,
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
