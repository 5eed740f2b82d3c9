//! What happens to this board's containers and images, told to who listens.

use super::Local;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use model::{LocalEvent, Timestamp};
use tokio_stream::wrappers::BroadcastStream;

impl Local {
    /// What happened since then, as far as it is kept, and what happens from now on. Who listens too slowly misses some,
    /// and is told so.
    pub fn happenings(
        &self,
        since: Option<Timestamp>,
    ) -> (Vec<LocalEvent>, BoxStream<'static, Result<LocalEvent, String>>) {
        let (past, live) = self.shared.scene.listen();
        let past = past
            .into_iter()
            .filter(move |event| since.is_some_and(|since| event.at >= since));
        let live = BroadcastStream::new(live)
            .map(|event| event.map_err(|missed| format!("too slow: events are missing ({missed})")));
        (past.collect(), Box::pin(live))
    }
}
