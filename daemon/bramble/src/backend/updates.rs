//! Installing images, as the API asks for it.

use super::Backend;
use api::Error;
use api::backend::Stream;
use api::updates::{Step, Updates};
use async_trait::async_trait;
use bytes::Bytes;
use model::Node;
use slots::Progress;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

fn refused(error: slots::Error) -> Error {
    let text = error.to_string();
    match error {
        slots::Error::Refused(_) => Error::Unimplemented(text),
        slots::Error::Busy(_) => Error::Conflict(text),
        slots::Error::Bundle(_) => Error::Invalid(text),
        slots::Error::File { .. } | slots::Error::Program(_) => Error::Internal(text),
    }
}

#[async_trait]
impl Updates for Backend {
    fn members(&self) -> Result<Vec<Node>, Error> {
        let view = self.manager()?.store().view();
        Ok(view.nodes().map(|node| (**node).clone()).collect())
    }

    fn is_me(&self, node: &Node) -> bool {
        node.id.as_str() == self.node.identity.borrow().node_id()
    }

    async fn install(&self, size: Option<u64>, bundle: Stream<Bytes>) -> Result<Stream<Step>, Error> {
        let received = self.node.installer.receive(size, bundle).await.map_err(refused)?;
        let member = self.node.kept.borrow().member;
        let (out, steps) = mpsc::channel(64);
        // Goes on when whoever asked does not listen any more: a slot is not left half written for that.
        tokio::spawn(async move {
            let tell = |progress| {
                let step = match progress {
                    Progress::Checking => Step::Checking,
                    Progress::Writing { percent, what } => Step::Writing(percent, what),
                    Progress::Restarting { slot, version } => Step::Restarting(slot.to_string(), version),
                };
                // A listener that is slow misses a step.
                let _ = out.try_send(Ok(step));
            };
            if let Err(error) = received.install(member, tell).await {
                tracing::warn!(%error, "an update was not installed");
                let _ = out.send(Err(error.to_string())).await;
            }
        });
        Ok(Box::pin(ReceiverStream::new(steps)))
    }

    async fn pass_to(
        &self,
        node: &Node,
        request: http::Request<Stream<Bytes>>,
    ) -> Result<http::Response<Stream<Bytes>>, Error> {
        self.to_node(node, request).await
    }
}
