//! Requests to the Engine API that a follower passes on: the leader answers them with its own API.

use async_trait::async_trait;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use std::pin::Pin;
use tokio_stream::Stream;
use tonic::{Request, Response, Status, Streaming};
use wire::door::{self, Head};
use wire::proto::Piece;
use wire::proto::door_server::Door;

/// Largest body that is passed on: what the API itself takes, and a little more.
const MAX_BODY: usize = 5 << 20;

/// A body as it comes.
pub type Body = BoxStream<'static, Result<Bytes, String>>;

/// Answers requests; the Engine API, given by whoever puts the daemon together.
#[async_trait]
pub trait Front: Send + Sync + 'static {
    /// Answers one request.
    async fn answer(&self, request: http::Request<Bytes>) -> http::Response<Body>;
}

pub(crate) struct Service {
    pub front: std::sync::Arc<dyn Front>,
}

#[tonic::async_trait]
impl Door for Service {
    type PassStream = Pin<Box<dyn Stream<Item = Result<Piece, Status>> + Send>>;

    async fn pass(&self, request: Request<Streaming<Piece>>) -> Result<Response<Self::PassStream>, Status> {
        wire::Caller::manager(&request)?;
        let mut pieces = request.into_inner();
        let malformed = |error: door::Malformed| Status::invalid_argument(error.to_string());
        let head = Head::from_piece(pieces.message().await?)
            .map_err(malformed)?
            .into_request()
            .map_err(malformed)?;
        let mut body = Vec::new();
        while let Some(piece) = pieces.message().await? {
            body.extend_from_slice(&door::into_data(piece));
            if body.len() > MAX_BODY {
                return Err(Status::resource_exhausted("request body too large"));
            }
        }
        let request = head
            .body(body.into())
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let (parts, body) = self.front.answer(request).await.into_parts();
        let head = Head::answer(parts.status, &parts.headers).into_piece();
        let pieces =
            futures::stream::once(async { Ok(head) }).chain(body.map_ok(door::data).map_err(Status::aborted));
        Ok(Response::new(Box::pin(pieces)))
    }
}
