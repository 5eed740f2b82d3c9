//! Requests that another manager or board answers.

use super::Backend;
use api::Error;
use api::backend::Stream;
use bytes::Bytes;
use futures::StreamExt as _;
use std::net::SocketAddr;
use wire::door::{self, Head};
use wire::proto::Piece;
use wire::proto::door_client::DoorClient;

fn unavailable(who: &str, error: &dyn std::fmt::Display) -> Error {
    Error::Unavailable(format!("{who} does not answer ({error}): try again in a moment"))
}

impl Backend {
    /// Lets the leader answer.
    pub(super) async fn to_leader(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<Stream<Bytes>>, Error> {
        const WHO: &str = "the leader";
        let store = self.manager()?.store().clone();
        let standing = store.standing().borrow().clone();
        let leader = standing
            .members
            .iter()
            .find(|member| Some(&member.node) == standing.leader.as_ref());
        let leader = leader.ok_or_else(|| unavailable(WHO, &"it is not known"))?;
        let address = leader
            .address
            .parse::<SocketAddr>()
            .map_err(|error| unavailable(WHO, &error))?;
        let (parts, body) = request.into_parts();
        let pieces = tokio_stream::iter([head(&parts), door::data(body)]);
        self.pass(WHO, leader.node.as_str(), address, pieces).await
    }

    /// Lets a node answer, whatever its role; the body is passed on as it comes.
    pub(super) async fn to_node(
        &self,
        node: &model::Node,
        request: http::Request<Stream<Bytes>>,
    ) -> Result<http::Response<Stream<Bytes>>, Error> {
        let who = node.description.hostname.as_str();
        let address = node
            .membership
            .address
            .ok_or_else(|| unavailable(who, &"its address is not known"))?;
        let (parts, mut body) = request.into_parts();
        let (broke, broken) = tokio::sync::oneshot::channel();
        let (out, pieces) = tokio::sync::mpsc::channel(4);
        // Ends with the request: then nobody takes pieces any more.
        tokio::spawn(async move {
            while let Some(piece) = body.next().await {
                match piece {
                    Ok(piece) => {
                        if out.send(door::data(piece)).await.is_err() {
                            return;
                        }
                    }
                    // The end that the node would see is none: it must not take what came for the whole.
                    Err(error) => {
                        let _ = broke.send(error);
                        return out.closed().await;
                    }
                }
            }
        });
        let pieces =
            tokio_stream::once(head(&parts)).chain(tokio_stream::wrappers::ReceiverStream::new(pieces));
        let answer = self.pass(who, node.id.as_str(), address, pieces);
        tokio::select! {
            answer = answer => answer,
            Ok(error) = broken => Err(Error::Invalid(format!("the request broke off: {error}"))),
        }
    }

    async fn pass(
        &self,
        who: &str,
        node: &str,
        address: SocketAddr,
        pieces: impl futures::Stream<Item = Piece> + Send + 'static,
    ) -> Result<http::Response<Stream<Bytes>>, Error> {
        let channel = self
            .node
            .pool
            .get(node, address)
            .await
            .map_err(|error| unavailable(who, &error))?;
        let mut client = DoorClient::new(channel).max_decoding_message_size(wire::MAX_MESSAGE);
        client = client.max_encoding_message_size(2 * wire::MAX_MESSAGE);
        let answer = client
            .pass(pieces)
            .await
            .map_err(|status| unavailable(who, &status.message()))?;
        let mut pieces = answer.into_inner();
        let first = pieces
            .message()
            .await
            .map_err(|status| unavailable(who, &status.message()))?;
        let head = Head::from_piece(first)
            .and_then(Head::into_answer)
            .map_err(|error| unavailable(who, &error))?;
        let body: Stream<Bytes> = Box::pin(pieces.map(|piece| {
            piece
                .map(door::into_data)
                .map_err(|status| status.message().to_owned())
        }));
        head.body(body).map_err(|error| unavailable(who, &error))
    }
}

fn head(parts: &http::request::Parts) -> Piece {
    Head::request(&parts.method, &parts.uri, &parts.headers).into_piece()
}
