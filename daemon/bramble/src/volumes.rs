//! The board's volumes, as the API asks for them.

use crate::backend::Backend;
use api::Error;
use api::volumes::{NewVolume, Wanted};
use async_trait::async_trait;
use model::Volume;
use runtime::{VolumeError, Volumes};
use std::collections::BTreeSet;

fn refused(error: VolumeError) -> Error {
    let text = error.to_string();
    match error {
        VolumeError::Invalid(_) => Error::Invalid(text),
        VolumeError::NotFound(_) => Error::NotFound(text),
        VolumeError::InUse { .. } => Error::Conflict(text),
        VolumeError::Failed(_) => Error::Internal(text),
    }
}

impl Backend {
    /// They work on files, which takes as long as a card takes.
    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(Volumes) -> Result<T, VolumeError> + Send + 'static,
    ) -> Result<T, Error> {
        let volumes = self.runtime.volumes().clone();
        let done = tokio::task::spawn_blocking(move || work(volumes)).await;
        done.map_err(|error| Error::Internal(error.to_string()))?
            .map_err(refused)
    }
}

#[async_trait]
impl api::volumes::Volumes for Backend {
    async fn list(&self) -> Result<Vec<Volume>, Error> {
        self.on_disk(|volumes| Ok(volumes.list())).await
    }

    async fn used(&self) -> Result<BTreeSet<String>, Error> {
        self.on_disk(|volumes| Ok(volumes.used())).await
    }

    async fn usage(&self) -> Result<Vec<Volume>, Error> {
        self.on_disk(|volumes| Ok(volumes.usage())).await
    }

    async fn create(&self, new: NewVolume) -> Result<Volume, Error> {
        let new = runtime::NewVolume {
            name: new.name,
            labels: new.labels,
            options: new.driver_opts,
        };
        self.on_disk(|volumes| volumes.create(new)).await
    }

    async fn remove(&self, name: &str, force: bool) -> Result<(), Error> {
        let name = name.to_owned();
        self.on_disk(move |volumes| volumes.remove(&name, force)).await
    }

    async fn prune(&self, wanted: Wanted) -> Result<(Vec<String>, i64), Error> {
        self.on_disk(move |volumes| volumes.prune(wanted)).await
    }
}
