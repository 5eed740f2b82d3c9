//! Pulls an image and unpacks its layers; many tasks that want the same image share one pull.

use super::content::{self, digest_of};
use super::manifest::{Descriptor, ImageConfig, Manifest};
use super::registry::Answered;
use super::{Reference, Registry};
use crate::Resolved;
use crate::client::{Client, SNAPSHOTTER, or_exists, or_gone, refusal};
use bytes::Bytes;
use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, PrepareSnapshotRequest, RemoveSnapshotRequest, StatSnapshotRequest,
};
use containerd_client::services::v1::{
    ApplyRequest, CreateImageRequest, CreateRequest as CreateLease, DeleteRequest as DeleteLease,
    GetImageRequest, Image as ImageRecord, UpdateImageRequest,
};
use containerd_client::types;
use exec::Error;
use futures::StreamExt as _;
use model::Platform;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use tokio::sync::Mutex as AsyncMutex;

/// An image that is unpacked.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Its name in containerd.
    pub name: String,
    /// What it says of itself.
    pub config: ImageConfig,
    /// The snapshot of its topmost layer.
    pub snapshot: String,
}

/// Pulls images.
pub(crate) struct Puller {
    client: Client,
    registry: Registry,
    here: Platform,
    /// Pulls under way, by name: the second asker waits for the first and finds the image there.
    under_way: Mutex<HashMap<String, Weak<AsyncMutex<()>>>>,
}

impl Puller {
    pub fn new(client: Client, registry: Registry, here: Platform) -> Self {
        Self {
            client,
            registry,
            here,
            under_way: Mutex::default(),
        }
    }

    /// The image, pulled unless it is there. One that is there is used when the registry can't be asked.
    ///
    /// # Errors
    /// [`Error::Fatal`] if there is no such image or it does not run here; [`Error::Temporary`] if it can't be had now.
    pub async fn get(&self, name: &str) -> Result<Image, Error> {
        let reference = Reference::parse(name).map_err(Error::Fatal)?;
        let turn = self.turn(&reference.to_string());
        let _mine = turn.lock().await;
        // A digest never means another image; a tag is asked for again only by a new pull (Docker's way in services: the
        // digest is pinned when the service is made).
        if let Some(image) = self.find(&reference).await? {
            return Ok(image);
        }
        let lease = format!("bramble-pull-{}", jiff::Timestamp::now().as_nanosecond());
        let request = CreateLease {
            id: lease.clone(),
            labels: HashMap::new(),
        };
        or_exists(self.client.leases().create(request).await).map_err(refusal("lease"))?;
        let pulled = self.pull(&reference, &self.client.leased(&lease)).await;
        let done = self
            .client
            .leases()
            .delete(DeleteLease {
                id: lease,
                sync: false,
            })
            .await;
        if let Err(status) = done {
            tracing::warn!(error = status.message(), "lease not given back");
        }
        match pulled {
            Err(Error::NotFound(text)) => Err(Error::Fatal(text)),
            pulled => pulled,
        }
    }

    fn turn(&self, name: &str) -> Arc<AsyncMutex<()>> {
        let mut all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = all.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        all.insert(name.to_owned(), Arc::downgrade(&turn));
        turn
    }

    /// The image, if it is here and whole.
    async fn find(&self, reference: &Reference) -> Result<Option<Image>, Error> {
        let name = reference.to_string();
        let found = self
            .client
            .images()
            .get(GetImageRequest { name: name.clone() })
            .await;
        let record = or_gone(found)
            .map_err(refusal("image"))?
            .and_then(|answer| answer.into_inner().image);
        let Some(target) = record.and_then(|record| record.target) else {
            return Ok(None);
        };
        match self.open(&name, &target.digest).await {
            Ok(image) => Ok(Some(image)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn open(&self, name: &str, manifest: &str) -> Result<Image, Error> {
        let manifest: Manifest = parse(&content::read(&self.client, manifest).await?)?;
        let config: ImageConfig = parse(&content::read(&self.client, &manifest.config.digest).await?)?;
        let snapshot = chain_ids(&config.rootfs.diff_ids).pop().unwrap_or_default();
        let stat = StatSnapshotRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: snapshot.clone(),
        };
        self.client
            .snapshots()
            .stat(stat)
            .await
            .map_err(refusal("image"))?;
        Ok(Image {
            name: name.to_owned(),
            config,
            snapshot,
        })
    }

    async fn pull(&self, reference: &Reference, client: &Client) -> Result<Image, Error> {
        tracing::info!(image = %reference, "pulling");
        let mut answered = self.registry.manifest(reference, reference.version()).await?;
        check(&answered, reference.digest.as_deref())?;
        let mut manifest: Manifest = parse(&answered.body)?;
        if manifest.is_index() {
            let chosen = manifest.choose(&self.here).cloned().ok_or_else(|| {
                let (os, architecture) = self.here.normal();
                Error::Fatal(format!(
                    "no matching manifest for {os}/{architecture} in {}",
                    reference.familiar()
                ))
            })?;
            answered = self
                .registry
                .manifest_at(&answered.base, reference, &chosen.digest)
                .await?;
            check(&answered, Some(&chosen.digest))?;
            manifest = parse(&answered.body)?;
        }
        let config = self.config(client, reference, &answered.base, &manifest).await?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(Error::Fatal(format!(
                "{}: layers and config do not fit",
                reference.familiar()
            )));
        }
        let snapshot = self
            .layers(client, reference, &answered.base, &manifest, &config)
            .await?;
        self.record(client, reference, &answered, &manifest, &snapshot)
            .await?;
        Ok(Image {
            name: reference.to_string(),
            config,
            snapshot,
        })
    }

    async fn config(
        &self,
        client: &Client,
        reference: &Reference,
        base: &str,
        manifest: &Manifest,
    ) -> Result<ImageConfig, Error> {
        let chains = |config: &ImageConfig| chain_ids(&config.rootfs.diff_ids).pop().unwrap_or_default();
        if !content::has(client, &manifest.config.digest).await? {
            let response = self
                .registry
                .blob(base, reference, &manifest.config.digest)
                .await?;
            let bytes = response
                .bytes()
                .await
                .map_err(|error| Error::Temporary(error.to_string()))?;
            let config: ImageConfig = parse(&bytes)?;
            // Holds the snapshot for as long as the image is there.
            let label = (
                format!("containerd.io/gc.ref.snapshot.{SNAPSHOTTER}"),
                chains(&config),
            );
            let size = bytes.len() as u64;
            let data = futures::stream::iter([Ok(bytes)]);
            content::write(
                client,
                &manifest.config.digest,
                size,
                HashMap::from([label]),
                data,
            )
            .await?;
            return Ok(config);
        }
        parse(&content::read(client, &manifest.config.digest).await?)
    }

    async fn layers(
        &self,
        client: &Client,
        reference: &Reference,
        base: &str,
        manifest: &Manifest,
        config: &ImageConfig,
    ) -> Result<String, Error> {
        let mut parent = String::new();
        for (layer, chain) in manifest.layers.iter().zip(chain_ids(&config.rootfs.diff_ids)) {
            let stat = StatSnapshotRequest {
                snapshotter: SNAPSHOTTER.to_owned(),
                key: chain.clone(),
            };
            let known = or_gone(client.snapshots().stat(stat).await).map_err(refusal("snapshot"))?;
            if known.is_none() {
                self.fetch(client, reference, base, layer).await?;
                unpack(client, layer, &parent, &chain).await?;
            }
            parent = chain;
        }
        Ok(parent)
    }

    async fn fetch(
        &self,
        client: &Client,
        reference: &Reference,
        base: &str,
        layer: &Descriptor,
    ) -> Result<(), Error> {
        if content::has(client, &layer.digest).await? {
            return Ok(());
        }
        let response = self.registry.blob(base, reference, &layer.digest).await?;
        let data = response
            .bytes_stream()
            .map(|piece| piece.map_err(|error| Error::Temporary(error.to_string())));
        content::write(client, &layer.digest, layer.size, HashMap::new(), Box::pin(data)).await
    }

    /// From here on the image holds all that belongs to it.
    async fn record(
        &self,
        client: &Client,
        reference: &Reference,
        answered: &Answered,
        manifest: &Manifest,
        snapshot: &str,
    ) -> Result<(), Error> {
        let digest = digest_of(&answered.body);
        // Layers are unpacked: their archives are not kept, a card has better uses for the space.
        let labels = HashMap::from([
            (
                "containerd.io/gc.ref.content.config".to_owned(),
                manifest.config.digest.clone(),
            ),
            (
                format!("containerd.io/gc.ref.snapshot.{SNAPSHOTTER}"),
                snapshot.to_owned(),
            ),
        ]);
        let size = answered.body.len() as u64;
        let body = futures::stream::iter([Ok(Bytes::from(answered.body.clone()))]);
        content::write(client, &digest, size, labels, body).await?;
        let target = types::Descriptor {
            media_type: media_type(answered, manifest),
            digest,
            size: i64::try_from(size).unwrap_or(i64::MAX),
            ..types::Descriptor::default()
        };
        let record = ImageRecord {
            name: reference.to_string(),
            target: Some(target),
            ..ImageRecord::default()
        };
        let create = CreateImageRequest {
            image: Some(record.clone()),
            source_date_epoch: None,
        };
        let created = or_exists(client.images().create(create).await).map_err(refusal("image"))?;
        if created.is_none() {
            let update = UpdateImageRequest {
                image: Some(record),
                update_mask: None,
                source_date_epoch: None,
            };
            client.images().update(update).await.map_err(refusal("image"))?;
        }
        tracing::info!(image = %reference, "pulled");
        Ok(())
    }
}

/// Which image a name means in its registry now.
///
/// # Errors
/// As [`Registry::manifest`].
pub(crate) async fn resolve(registry: &Registry, reference: &Reference) -> Result<Resolved, Error> {
    let answered = registry.manifest(reference, reference.version()).await?;
    let manifest: Manifest = parse(&answered.body)?;
    let platform = |os: &str, architecture: &str, variant: Option<&String>| Platform {
        os: Some(os.to_owned()),
        architecture: Some(architecture.to_owned()),
        variant: variant.cloned(),
    };
    let platforms = if manifest.is_index() {
        let targets = manifest
            .manifests
            .iter()
            .filter_map(|descriptor| descriptor.platform.as_ref());
        // Attestations are listed as images of an unknown platform.
        let real = targets.filter(|target| target.os != "unknown");
        real.map(|target| platform(&target.os, &target.architecture, target.variant.as_ref()))
            .collect()
    } else {
        let response = registry
            .blob(&answered.base, reference, &manifest.config.digest)
            .await?;
        let bytes = response
            .bytes()
            .await
            .map_err(|error| Error::Temporary(error.to_string()))?;
        let config: ImageConfig = parse(&bytes)?;
        vec![platform(
            &config.os,
            &config.architecture,
            config.variant.as_ref(),
        )]
    };
    Ok(Resolved {
        media_type: answered.media_type.clone(),
        digest: digest_of(&answered.body),
        size: answered.body.len() as u64,
        platforms,
    })
}

fn media_type(answered: &Answered, manifest: &Manifest) -> String {
    let known = [&answered.media_type, &manifest.media_type];
    known
        .into_iter()
        .find(|text| text.contains("manifest"))
        .cloned()
        .unwrap_or_default()
}

fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::Fatal(format!("an image that can't be read: {error}")))
}

fn check(answered: &Answered, digest: Option<&str>) -> Result<(), Error> {
    match digest {
        Some(wanted) if digest_of(&answered.body) != wanted => Err(Error::Fatal(format!(
            "the registry's answer has another digest than {wanted}"
        ))),
        _ => Ok(()),
    }
}

/// Names of unpacked layers: each stands for itself and all below (OCI image-spec, "layer chain id").
pub(crate) fn chain_ids(diff_ids: &[String]) -> Vec<String> {
    let mut chain = Vec::<String>::new();
    for diff in diff_ids {
        let next = match chain.last() {
            Some(below) => digest_of(format!("{below} {diff}").as_bytes()),
            None => diff.clone(),
        };
        chain.push(next);
    }
    chain
}

async fn unpack(client: &Client, layer: &Descriptor, parent: &str, chain: &str) -> Result<(), Error> {
    let snapshotter = SNAPSHOTTER.to_owned();
    let key = format!("unpack-{}-{chain}", jiff::Timestamp::now().as_nanosecond());
    let prepare = PrepareSnapshotRequest {
        snapshotter: snapshotter.clone(),
        key: key.clone(),
        parent: parent.to_owned(),
        labels: HashMap::new(),
    };
    let mounts = client
        .snapshots()
        .prepare(prepare)
        .await
        .map_err(refusal("unpacking"))?
        .into_inner()
        .mounts;
    let diff = types::Descriptor {
        media_type: layer.media_type.clone(),
        digest: layer.digest.clone(),
        size: i64::try_from(layer.size).unwrap_or(i64::MAX),
        ..types::Descriptor::default()
    };
    let apply = ApplyRequest {
        diff: Some(diff),
        mounts,
        payloads: HashMap::new(),
        sync_fs: false,
    };
    let unpacked = async {
        client.diff().apply(apply).await?;
        let commit = CommitSnapshotRequest {
            snapshotter: snapshotter.clone(),
            name: chain.to_owned(),
            key: key.clone(),
            labels: HashMap::new(),
        };
        or_exists(client.snapshots().commit(commit).await).map(|_| ())
    }
    .await;
    // Gone already if it was committed.
    let remove = RemoveSnapshotRequest { snapshotter, key };
    let _ = client.snapshots().remove(remove).await;
    unpacked.map_err(refusal("unpacking"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_id_stands_for_a_layer_and_all_below() {
        let ids = ["sha256:a".to_owned(), "sha256:b".to_owned()];
        let chain = chain_ids(&ids);
        assert_eq!(chain[0], "sha256:a");
        assert_eq!(chain[1], digest_of(b"sha256:a sha256:b"));
        assert!(chain_ids(&[]).is_empty());
    }
}
