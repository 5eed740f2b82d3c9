//! Requests to the Engine API that another manager passes on: a follower's, which the leader answers with its own API, and those
//! for this very board.

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

/// A body as it comes.
pub type Body = BoxStream<'static, Result<Bytes, String>>;

/// Answers requests; the Engine API, given by whoever puts the daemon together.
#[async_trait]
pub trait Front: Send + Sync + 'static {
    /// Answers one request.
    async fn answer(&self, request: http::Request<Body>) -> http::Response<Body>;
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
        // Whoever answers reads as much of it as it takes.
        let body: Body = Box::pin(pieces.map(|piece| {
            piece
                .map(door::into_data)
                .map_err(|status| status.message().to_owned())
        }));
        let request = head
            .body(body)
            .map_err(|error| Status::invalid_argument(error.to_string()))?;
        let (parts, body) = self.front.answer(request).await.into_parts();
        let head = Head::answer(parts.status, &parts.headers).into_piece();
        let pieces =
            futures::stream::once(async { Ok(head) }).chain(body.map_ok(door::data).map_err(Status::aborted));
        Ok(Response::new(Box::pin(pieces)))
    }
}
