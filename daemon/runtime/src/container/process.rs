//! The container's process in containerd: what it does, its end, and what goes with that.

use super::{Container, kept};
use crate::client::{SNAPSHOTTER, or_gone, refusal};
use crate::ended::{self, Ended};
use crate::files;
use containerd_client::services::v1::snapshots::MountsRequest;
use containerd_client::services::v1::{DeleteTaskRequest, GetRequest, KillRequest, WaitRequest};
use containerd_client::types::Mount;
use containerd_client::types::v1::Status as State;
use exec::Error;
use tonic::Code;

impl Container {
    pub(super) async fn rootfs(&self) -> Result<Vec<Mount>, Error> {
        let request = MountsRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: self.id.clone(),
        };
        let answer = self
            .shared
            .client
            .snapshots()
            .mounts(request)
            .await
            .map_err(refusal("root file system"))?;
        Ok(answer.into_inner().mounts)
    }

    /// State and process id of containerd's task; none if there is no task.
    pub(super) async fn process(&self) -> Result<Option<(State, u32)>, Error> {
        let request = GetRequest {
            container_id: self.id.clone(),
            exec_id: String::new(),
        };
        let found = or_gone(self.shared.client.tasks().get(request).await).map_err(refusal("container"))?;
        Ok(found
            .and_then(|answer| answer.into_inner().process)
            .map(|process| (process.status(), process.pid)))
    }

    pub(super) async fn kill(&self, signal: u32, all: bool) -> Result<(), Error> {
        let request = KillRequest {
            container_id: self.id.clone(),
            exec_id: String::new(),
            signal,
            all,
        };
        match self.shared.client.tasks().kill(request).await {
            Ok(_) => Ok(()),
            // It ended by itself meanwhile.
            Err(status) if matches!(status.code(), Code::NotFound | Code::FailedPrecondition) => Ok(()),
            Err(status) => Err(refusal("stopping")(status)),
        }
    }

    /// Waits for the process to end and keeps how it did.
    pub(super) async fn end(&self) -> Result<Ended, Error> {
        if let Some(ended) = Ended::load(&self.folder()) {
            return Ok(ended);
        }
        let request = WaitRequest {
            container_id: self.id.clone(),
            exec_id: String::new(),
        };
        let answer = self
            .shared
            .client
            .tasks()
            .wait(request)
            .await
            .map_err(refusal("container"))?
            .into_inner();
        let ended = Ended {
            exit_code: answer.exit_status.into(),
            out_of_memory: ended::out_of_memory(&self.id),
            started: kept::started(&self.run_folder()),
            finished: Some(kept::time(answer.exited_at)),
        };
        ended
            .save(&self.folder())
            .map_err(|error| Error::Temporary(format!("keeping the exit code: {error}")))?;
        self.tell("die", &[("exitCode", ended.exit_code.to_string())]);
        self.finish().await?;
        Ok(ended)
    }

    /// The container has ended: also what it may read goes.
    pub(super) async fn finish(&self) -> Result<(), Error> {
        let files = files::remove(&self.files_folder())
            .map_err(|error| Error::Temporary(format!("taking secrets away: {error}")));
        let cleared = self.clear().await;
        let (volumes, id) = (self.shared.volumes.clone(), self.id.clone());
        let rested =
            tokio::task::spawn_blocking(move || volumes.rest(&id, |folder| Ended::load(folder).is_some()));
        let rested = match rested.await {
            Ok(rested) => rested.map_err(|error| Error::Temporary(format!("unmounting a volume: {error}"))),
            Err(error) => Err(Error::Temporary(error.to_string())),
        };
        cleared.and(files).and(rested)
    }

    /// Frees what only a running container needs; its log and its exit code stay.
    pub(super) async fn clear(&self) -> Result<(), Error> {
        let request = DeleteTaskRequest {
            container_id: self.id.clone(),
        };
        let deleted = or_gone(self.shared.client.tasks().delete(request).await).map_err(refusal("container"));
        self.shared.logs.finish(&self.id).await;
        let detached = self.shared.network.detach(&self.task.id).await;
        deleted.and(detached)
    }
}
