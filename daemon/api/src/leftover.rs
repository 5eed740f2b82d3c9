//! What a refused request still has to say is read before the refusal is sent: a client that is in the middle of its body
//! when the connection closes sees "broken pipe" and not the words of the refusal (RFC 9112, 9.6).

use axum::body::Body;
use axum::extract::Request;
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::{Frame, Incoming, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

/// The most that is read and thrown away, in bytes.
const MOST: usize = 64 << 20;
/// How long that may take.
const LONGEST: Duration = Duration::from_secs(10);

/// A request's body, whoever still wants to read it.
#[derive(Clone)]
pub(crate) struct Leftover(Arc<Mutex<Incoming>>);

impl Leftover {
    /// The request as handlers take it, and what will be left of its body.
    pub fn of(request: http::Request<Incoming>) -> (Request, Self) {
        let (head, body) = request.into_parts();
        let left = Self(Arc::new(Mutex::new(body)));
        (Request::from_parts(head, Body::new(left.clone())), left)
    }

    /// Reads what is left, within bounds.
    pub async fn discard(mut self) {
        let all = async {
            let mut read = 0;
            while read < MOST
                && let Some(Ok(frame)) = self.frame().await
            {
                read += frame.data_ref().map_or(0, Bytes::len);
            }
        };
        if tokio::time::timeout(LONGEST, all).await.is_err() {
            tracing::debug!("a refused request did not come to its end");
        }
    }
}

impl hyper::body::Body for Leftover {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let mut body = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        Pin::new(&mut *body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).size_hint()
    }
}

#[cfg(test)]
mod tests {
    use crate::roles::Visitor;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio_util::sync::CancellationToken;

    /// Had failed in CI: `docker network connect` was told "broken pipe" in place of what to do instead.
    #[tokio::test]
    async fn a_client_may_end_its_request_before_it_hears_the_refusal() {
        let (mut client, server) = tokio::io::duplex(512);
        let routes = axum::Router::new().fallback(crate::refusals::no_such_page);
        let shutdown = CancellationToken::new();
        tokio::spawn(async move {
            crate::server::connection(server, routes, Visitor::local(), shutdown).await;
        });
        let body = vec![b' '; 300_000];
        let head = format!(
            "POST /none HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
            body.len()
        );
        client.write_all(head.as_bytes()).await.unwrap();
        client.write_all(&body).await.unwrap();
        let mut answer = String::new();
        client.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 404"), "{answer}");
        assert!(answer.contains("page not found"), "{answer}");
    }
}
