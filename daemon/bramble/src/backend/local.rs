//! What the Engine API asks about this very board, answered by its runtime.

use super::Backend;
use api::Error;
use api::backend::{LogWish, Stream};
use api::local::{Act, Line, Session, Until};
use async_trait::async_trait;
use bytes::Bytes;
use exec::Source;
use futures::StreamExt as _;
use model::{
    LocalChange, LocalContainer, LocalEvent, LocalExec, LocalExecState, LocalImage, LocalLayers, LocalPath,
    LocalProcesses, LocalSample, Timestamp,
};
use runtime::Refused;
use tokio_stream::wrappers::ReceiverStream;

/// The runtime's refusal as the API's.
pub(super) fn refused(refused: Refused) -> Error {
    match refused {
        Refused::NotFound(text) => Error::NotFound(text),
        Refused::Invalid(text) => Error::Invalid(text),
        Refused::Conflict(text) => Error::Conflict(text),
        Refused::Forbidden(text) => Error::Forbidden(text),
        Refused::Unimplemented(text) => Error::Unimplemented(text),
        Refused::Failed(text) => Error::Internal(text),
    }
}

#[async_trait]
impl api::Local for Backend {
    async fn containers(&self) -> Result<Vec<LocalContainer>, Error> {
        self.runtime.local().containers().await.map_err(refused)
    }

    async fn layers(&self, id: &str) -> Result<LocalLayers, Error> {
        self.runtime.local().layers(id).await.map_err(refused)
    }

    async fn sizes(&self, container: &LocalContainer) -> Result<(u64, u64), Error> {
        let local = self.runtime.local();
        let changed = local.changed_bytes(&container.id).await.map_err(refused)?;
        let image = local.image_bytes(&container.image_id).await.map_err(refused)?;
        Ok((changed, image))
    }

    async fn lines(&self, container: &LocalContainer, wish: LogWish) -> Result<Stream<Line>, Error> {
        let wish = exec::LogWish {
            tasks: Vec::new(),
            stdout: wish.stdout,
            stderr: wish.stderr,
            follow: wish.follow,
            tail: wish.tail,
            since: wish.since,
            until: wish.until,
        };
        let lines = self.runtime.local().logs(container, wish).map_err(refused)?;
        Ok(Box::pin(lines.map(|line| match line {
            Ok(line) => Ok(Line {
                stderr: line.source == Source::Stderr,
                at: line.at,
                data: line.data,
            }),
            Err(error) => Err(error.to_string()),
        })))
    }

    async fn processes(&self, container: &LocalContainer, args: &str) -> Result<LocalProcesses, Error> {
        self.runtime
            .local()
            .processes(container, args)
            .await
            .map_err(refused)
    }

    async fn sample(&self, container: &LocalContainer) -> Result<LocalSample, Error> {
        self.runtime.local().sample(container).await.map_err(refused)
    }

    async fn act(&self, container: &LocalContainer, act: Act) -> Result<(), Error> {
        let local = self.runtime.local();
        match act {
            Act::Kill(signal) => local.kill(container, &signal).await,
            Act::Stop { signal, grace } => local.stop(container, &signal, grace).await,
            Act::Pause => local.pause(container, true).await,
            Act::Unpause => local.pause(container, false).await,
            Act::Resize(height, width) => local.resize(container, "", height, width).await,
        }
        .map_err(refused)
    }

    async fn ended(&self, container: &LocalContainer, until: Until) -> Result<i64, Error> {
        let until = match until {
            Until::NotRunning => runtime::Until::NotRunning,
            Until::NextExit => runtime::Until::NextExit,
            Until::Removed => runtime::Until::Removed,
        };
        self.runtime
            .local()
            .ended(container, until)
            .await
            .map_err(refused)
    }

    async fn look(&self, container: &LocalContainer, path: &str) -> Result<LocalPath, Error> {
        self.runtime.local().look(container, path).await.map_err(refused)
    }

    async fn read(
        &self,
        container: &LocalContainer,
        path: &str,
    ) -> Result<(LocalPath, Stream<Bytes>), Error> {
        self.runtime.local().read(container, path).await.map_err(refused)
    }

    async fn write(
        &self,
        container: &LocalContainer,
        path: &str,
        keep_kinds: bool,
        archive: Stream<Bytes>,
    ) -> Result<(), Error> {
        let local = self.runtime.local();
        local
            .write(container, path, keep_kinds, archive)
            .await
            .map_err(refused)
    }

    async fn export(&self, container: &LocalContainer) -> Result<Stream<Bytes>, Error> {
        self.runtime.local().export(container).await.map_err(refused)
    }

    async fn changes(&self, container: &LocalContainer) -> Result<Vec<LocalChange>, Error> {
        self.runtime.local().changes(container).await.map_err(refused)
    }

    async fn create_exec(&self, container: &LocalContainer, exec: LocalExec) -> Result<String, Error> {
        self.runtime.local().create_exec(container, exec).map_err(refused)
    }

    async fn start_exec(&self, id: &str, size: Option<(u32, u32)>) -> Result<Session, Error> {
        let session = self.runtime.local().start_exec(id, size).await.map_err(refused)?;
        let output = ReceiverStream::new(session.output);
        Ok(Session {
            input: session.input,
            output: Box::pin(output.map(|(source, data)| Ok((source == Source::Stderr, data)))),
        })
    }

    async fn resize_exec(&self, id: &str, height: u32, width: u32) -> Result<(), Error> {
        self.runtime
            .local()
            .resize_exec(id, height, width)
            .await
            .map_err(refused)
    }

    async fn exec(&self, id: &str) -> Result<LocalExecState, Error> {
        self.runtime.local().exec(id).map_err(refused)
    }

    async fn images(&self) -> Result<Vec<LocalImage>, Error> {
        self.runtime.local().images().await.map_err(refused)
    }

    async fn tag(&self, image: &LocalImage, name: &str) -> Result<(), Error> {
        self.runtime.local().tag(image, name).await.map_err(refused)
    }

    async fn untag(&self, image: &LocalImage, name: &str) -> Result<(), Error> {
        self.runtime.local().untag(image, name).await.map_err(refused)
    }

    async fn pull(&self, name: &str, auth: Option<String>) -> Result<(String, bool), Error> {
        let credentials = match auth {
            Some(auth) => runtime::Credentials::read(&auth).map_err(Error::Invalid)?,
            None => None,
        };
        self.runtime
            .local()
            .pull(name, credentials)
            .await
            .map_err(refused)
    }

    async fn load(&self, archive: Stream<Bytes>) -> Result<Vec<(String, Vec<String>)>, Error> {
        self.runtime.local().load(archive).await.map_err(refused)
    }

    async fn import(
        &self,
        archive: Stream<Bytes>,
        config: serde_json::Value,
        names: Vec<String>,
    ) -> Result<String, Error> {
        self.runtime
            .local()
            .import(archive, config, &names)
            .await
            .map_err(refused)
    }

    async fn save(&self, wanted: Vec<(String, Vec<String>)>) -> Result<Stream<Bytes>, Error> {
        self.runtime.local().save(wanted).map_err(refused)
    }

    fn happenings(&self, since: Option<Timestamp>) -> (Vec<LocalEvent>, Stream<LocalEvent>) {
        self.runtime.local().happenings(since)
    }
}
