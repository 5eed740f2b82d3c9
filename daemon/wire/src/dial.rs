//! A connection to another machine.

use hyper_util::rt::TokioIo;
use pki::Peer;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::transport::{Channel, Endpoint};

/// A connection that stands. It does not connect again by itself: [`crate::Pool`] does, so that a new
/// connection proves itself anew.
#[derive(Clone, Debug)]
pub struct Dialed {
    /// For the generated clients.
    pub channel: Channel,
    /// The member that answered; none if it showed no certificate of a cluster.
    pub peer: Option<Peer>,
    /// The channel's exporter, for proofs bound to it.
    pub exporter: [u8; 32],
    alive: Arc<AtomicBool>,
}

impl Dialed {
    /// False once the connection is gone.
    pub fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Relaxed)
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum DialError {
    /// It took too long.
    #[error("{0} does not answer")]
    TimedOut(SocketAddr),
    /// Refused, no route, or the handshake failed.
    #[error("connecting to {0}: {1}")]
    Io(SocketAddr, #[source] std::io::Error),
    /// TLS stands, HTTP/2 does not.
    #[error("connecting to {0}: {1}")]
    Http(SocketAddr, #[source] tonic::transport::Error),
}

/// Connects to `address`; `config` says whom to expect there.
///
/// # Errors
/// [`DialError`]: all of them may pass.
pub async fn dial(
    address: SocketAddr,
    config: Arc<rustls::ClientConfig>,
    clock: &pki::Clock,
    timeout: Duration,
) -> Result<Dialed, DialError> {
    tokio::time::timeout(timeout, connect(address, config, clock))
        .await
        .map_err(|_| DialError::TimedOut(address))?
}

async fn connect(
    address: SocketAddr,
    config: Arc<rustls::ClientConfig>,
    clock: &pki::Clock,
) -> Result<Dialed, DialError> {
    let io = |error| DialError::Io(address, error);
    let stream = TcpStream::connect(address).await.map_err(io)?;
    stream.set_nodelay(true).map_err(io)?;
    // Nodes are known by their keys, not by names: what is asked for here is not looked at.
    let stream = TlsConnector::from(config)
        .connect(pki::tls::server_name(), stream)
        .await
        .map_err(io)?;
    let (_, session) = stream.get_ref();
    let peer = pki::peer_of(session.peer_certificates().unwrap_or_default(), clock);
    let exporter = pki::exporter(session).map_err(|error| io(std::io::Error::other(error)))?;
    let alive = Arc::new(AtomicBool::new(true));
    let watched = Watched {
        stream,
        _end: End(alive.clone()),
    };
    let channel = channel(watched)
        .await
        .map_err(|error| DialError::Http(address, error))?;
    Ok(Dialed {
        channel,
        peer,
        exporter,
        alive,
    })
}

/// HTTP/2 over the one stream; pings notice a peer that was cut off.
async fn channel(stream: Watched) -> Result<Channel, tonic::transport::Error> {
    let once = std::sync::Mutex::new(Some(stream));
    let connector = tower::service_fn(move |_| {
        let stream = once.lock().ok().and_then(|mut stream| stream.take());
        async move {
            stream
                .map(TokioIo::new)
                .ok_or_else(|| std::io::Error::other("connection lost"))
        }
    });
    Endpoint::from_static("http://node")
        .http2_keep_alive_interval(Duration::from_secs(1))
        .keep_alive_timeout(Duration::from_secs(2))
        .keep_alive_while_idle(true)
        .connect_with_connector(connector)
        .await
}

struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// The stream, telling when HTTP/2 lets go of it.
struct Watched {
    stream: TlsStream<TcpStream>,
    _end: End,
}

mod io {
    use super::Watched;
    use std::io::Result;
    use std::pin::Pin;
    use std::task::{Context, Poll};
    use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

    impl AsyncRead for Watched {
        fn poll_read(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
            buf: &mut ReadBuf<'_>,
        ) -> Poll<Result<()>> {
            Pin::new(&mut self.stream).poll_read(cx, buf)
        }
    }

    impl AsyncWrite for Watched {
        fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<Result<usize>> {
            Pin::new(&mut self.stream).poll_write(cx, buf)
        }

        fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
            Pin::new(&mut self.stream).poll_flush(cx)
        }

        fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
            Pin::new(&mut self.stream).poll_shutdown(cx)
        }
    }
}
