//! Pulls an image and unpacks its layers; many tasks that want the same image share one pull.

use super::content::{self, digest_of};
use super::manifest::{Descriptor, ImageConfig, Manifest};
use super::registry::Answered;
use super::{Credentials, Reference, Registry};
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
use reqwest::StatusCode;
use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;
use tokio::sync::Mutex as AsyncMutex;

/// For a registry to say what a tag means now, if an image of that name is here.
const ASK: Duration = Duration::from_secs(8);
/// What is half pulled is held for so long.
const HELD: Duration = Duration::from_secs(24 * 60 * 60);
/// Between tries of one layer that does not come on.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

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
    under_way: Mutex<HashMap<String, Weak<Turn>>>,
}

/// A pull under way.
#[derive(Default)]
struct Turn {
    mine: AsyncMutex<()>,
    progress: Progress,
}

/// How far a pull is, in bytes.
#[derive(Default)]
struct Progress {
    done: AtomicU64,
    all: AtomicU64,
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

    /// The image, pulled unless it is there.
    ///
    /// A digest never means another image, so one that is there is it. A tag may mean another one by now: the registry is asked,
    /// and the image that is there is used if it can't be (Docker's way in services).
    ///
    /// # Errors
    /// [`Error::Fatal`] if there is no such image or it does not run here; [`Error::Temporary`] if it can't be had now.
    pub async fn get(
        &self,
        name: &str,
        credentials: impl Future<Output = Result<Option<Credentials>, Error>> + Send,
    ) -> Result<Image, Error> {
        let reference = Reference::parse(name).map_err(Error::Fatal)?;
        let turn = self.turn(&reference.to_string());
        let _mine = turn.mine.lock().await;
        let Some((image, manifest)) = self.find(&reference).await? else {
            let registry = self.registry.with(credentials.await?);
            return match self.fetch(&registry, &reference, &turn.progress).await {
                Err(Error::NotFound(text)) => Err(Error::Fatal(text)),
                fetched => fetched,
            };
        };
        if reference.digest.is_some() {
            return Ok(image);
        }
        // Credentials come with a manager, which may be out of reach as well.
        let asked = tokio::time::timeout(ASK, async {
            let registry = self.registry.with(credentials.await?);
            let (answered, _) = self.manifest(&registry, &reference).await?;
            Ok((registry, digest_of(&answered.body)))
        });
        let newer = match asked.await {
            Ok(Ok((_, newest))) if newest == manifest => return Ok(image),
            Ok(Ok((registry, _))) => self.fetch(&registry, &reference, &turn.progress).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Temporary("the registry does not answer".to_owned())),
        };
        newer.or_else(|error| {
            tracing::info!(image = %reference, %error, "the image that is here is used");
            Ok(image)
        })
    }

    /// How far the pull of an image is, in words; none if it is not being pulled.
    pub fn progress(&self, name: &str) -> Option<String> {
        let reference = Reference::parse(name).ok()?;
        let all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let turn = all.get(&reference.to_string())?.upgrade()?;
        let progress = &turn.progress;
        told(
            &reference,
            progress.done.load(Relaxed),
            progress.all.load(Relaxed),
        )
    }

    /// Pulls it under a lease, which holds what is half there for a later try.
    async fn fetch(
        &self,
        registry: &Registry,
        reference: &Reference,
        progress: &Progress,
    ) -> Result<Image, Error> {
        let name = digest_of(reference.to_string().as_bytes()).replace(':', "-");
        let lease = format!("bramble-pull-{name}");
        let expires = jiff::Timestamp::now() + HELD;
        let request = CreateLease {
            id: lease.clone(),
            labels: HashMap::from([("containerd.io/gc.expire".to_owned(), expires.to_string())]),
        };
        or_exists(self.client.leases().create(request).await).map_err(refusal("lease"))?;
        let pull = Pull {
            client: self.client.leased(&lease),
            registry,
            reference,
            progress,
        };
        let pulled = self.pull(&pull).await;
        progress.all.store(0, Relaxed);
        if matches!(pulled, Err(Error::Temporary(_) | Error::Cancelled)) {
            return pulled;
        }
        let request = DeleteLease {
            id: lease,
            sync: false,
        };
        if let Err(status) = or_gone(self.client.leases().delete(request).await) {
            tracing::warn!(error = status.message(), "lease not given back");
        }
        pulled
    }

    fn turn(&self, name: &str) -> Arc<Turn> {
        let mut all = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = all.get(name).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        all.insert(name.to_owned(), Arc::downgrade(&turn));
        turn
    }

    /// The image, if it is here and whole, with its manifest's digest.
    async fn find(&self, reference: &Reference) -> Result<Option<(Image, String)>, Error> {
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
            Ok(image) => Ok(Some((image, target.digest))),
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

    /// An image's manifest for this board.
    async fn manifest(
        &self,
        registry: &Registry,
        reference: &Reference,
    ) -> Result<(Answered, Manifest), Error> {
        let answered = registry.manifest(reference, reference.version()).await?;
        check(&answered, reference.digest.as_deref())?;
        let manifest: Manifest = parse(&answered.body)?;
        if !manifest.is_index() {
            return Ok((answered, manifest));
        }
        let chosen = manifest.choose(&self.here).cloned().ok_or_else(|| {
            let (os, architecture) = self.here.normal();
            Error::Fatal(format!(
                "no matching manifest for {os}/{architecture} in {}",
                reference.familiar()
            ))
        })?;
        let answered = registry
            .manifest_at(&answered.base, reference, &chosen.digest)
            .await?;
        check(&answered, Some(&chosen.digest))?;
        let manifest = parse(&answered.body)?;
        Ok((answered, manifest))
    }

    async fn pull(&self, pull: &Pull<'_>) -> Result<Image, Error> {
        let reference = pull.reference;
        tracing::info!(image = %reference, "pulling");
        let (answered, manifest) = self.manifest(pull.registry, reference).await?;
        let config = pull.config(&answered.base, &manifest).await?;
        if config.rootfs.diff_ids.len() != manifest.layers.len() {
            return Err(Error::Fatal(format!(
                "{}: layers and config do not fit",
                reference.familiar()
            )));
        }
        let snapshot = pull.layers(&answered.base, &manifest, &config).await?;
        self.record(&pull.client, reference, &answered, &manifest, &snapshot)
            .await?;
        Ok(Image {
            name: reference.to_string(),
            config,
            snapshot,
        })
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
        content::write(client, &digest, size, 0, labels, body).await?;
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

/// One pull.
struct Pull<'a> {
    client: Client,
    registry: &'a Registry,
    reference: &'a Reference,
    progress: &'a Progress,
}

impl Pull<'_> {
    async fn config(&self, base: &str, manifest: &Manifest) -> Result<ImageConfig, Error> {
        let (client, digest) = (&self.client, &manifest.config.digest);
        if content::has(client, digest).await? {
            return parse(&content::read(client, digest).await?);
        }
        let bytes = self.registry.small_blob(base, self.reference, digest).await?;
        let config: ImageConfig = parse(&bytes)?;
        // Holds the snapshot for as long as the image is there.
        let label = (
            format!("containerd.io/gc.ref.snapshot.{SNAPSHOTTER}"),
            chain_ids(&config.rootfs.diff_ids).pop().unwrap_or_default(),
        );
        let size = bytes.len() as u64;
        let data = futures::stream::iter([Ok(Bytes::from(bytes))]);
        content::write(client, digest, size, 0, HashMap::from([label]), data).await?;
        Ok(config)
    }

    async fn layers(&self, base: &str, manifest: &Manifest, config: &ImageConfig) -> Result<String, Error> {
        let client = &self.client;
        let mut missing = Vec::new();
        let mut parent = String::new();
        for (layer, chain) in manifest.layers.iter().zip(chain_ids(&config.rootfs.diff_ids)) {
            let stat = StatSnapshotRequest {
                snapshotter: SNAPSHOTTER.to_owned(),
                key: chain.clone(),
            };
            let known = or_gone(client.snapshots().stat(stat).await).map_err(refusal("snapshot"))?;
            if known.is_none() {
                missing.push((layer, parent, chain.clone()));
            }
            parent = chain;
        }
        let all = missing.iter().map(|(layer, ..)| layer.size).sum();
        self.progress.done.store(0, Relaxed);
        self.progress.all.store(all, Relaxed);
        let mut before = 0;
        for (layer, below, chain) in &missing {
            self.layer(base, layer, before).await?;
            before += layer.size;
            self.progress.done.store(before, Relaxed);
            unpack(client, layer, below, chain).await?;
        }
        Ok(parent)
    }

    /// Has a layer, however often the line breaks: each try goes on where the one before ended.
    async fn layer(&self, base: &str, layer: &Descriptor, before: u64) -> Result<(), Error> {
        let mut pauses = PAUSES.into_iter();
        loop {
            let from = content::begun(&self.client, &layer.digest).await?;
            let error = match self.layer_from(base, layer, from, before).await {
                Err(error @ Error::Temporary(_)) => error,
                outcome => return outcome,
            };
            let now = content::begun(&self.client, &layer.digest).await?;
            if now > from {
                // It comes on: patience starts anew.
                pauses = PAUSES.into_iter();
            }
            let Some(pause) = pauses.next() else {
                return Err(error);
            };
            tracing::info!(image = %self.reference, %error, have = now, of = layer.size, "goes on with a layer");
            tokio::time::sleep(pause).await;
        }
    }

    async fn layer_from(&self, base: &str, layer: &Descriptor, from: u64, before: u64) -> Result<(), Error> {
        if content::has(&self.client, &layer.digest).await? {
            return Ok(());
        }
        let from = if from < layer.size { from } else { 0 };
        let response = self
            .registry
            .blob(base, self.reference, &layer.digest, from)
            .await?;
        // A registry that knows no ranges begins at the beginning.
        let from = match response.status() {
            StatusCode::PARTIAL_CONTENT => from,
            _ => 0,
        };
        let done = &self.progress.done;
        done.store(before + from, Relaxed);
        let data = response.bytes_stream().map(|piece| {
            let piece = piece.map_err(|error| Error::Temporary(format!("registry: {error}")))?;
            done.fetch_add(piece.len() as u64, Relaxed);
            Ok(piece)
        });
        let (digest, size) = (&layer.digest, layer.size);
        content::write(&self.client, digest, size, from, HashMap::new(), Box::pin(data)).await
    }
}

/// `pulling nginx:1.10: 12 of 30 MB`
fn told(reference: &Reference, done: u64, all: u64) -> Option<String> {
    let name = reference.familiar();
    let megabytes = |bytes: u64| bytes as f64 / 1e6;
    match all {
        0 => None,
        all if all < 10_000_000 => Some(format!(
            "pulling {name}: {:.1} of {:.1} MB",
            megabytes(done.min(all)),
            megabytes(all)
        )),
        all => Some(format!(
            "pulling {name}: {:.0} of {:.0} MB",
            megabytes(done.min(all)),
            megabytes(all)
        )),
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
        let digest = &manifest.config.digest;
        let bytes = registry.small_blob(&answered.base, reference, digest).await?;
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
    fn progress_is_told_while_there_is_some() {
        let reference = Reference::parse("nginx:1.10").unwrap();
        let told = |done, all| super::told(&reference, done, all);
        assert_eq!(told(0, 0), None);
        assert_eq!(
            told(12_345_678, 30_000_000).unwrap(),
            "pulling nginx:1.10: 12 of 30 MB"
        );
        assert_eq!(
            told(400_000, 1_200_000).unwrap(),
            "pulling nginx:1.10: 0.4 of 1.2 MB"
        );
    }

    #[test]
    fn a_chain_id_stands_for_a_layer_and_all_below() {
        let ids = ["sha256:a".to_owned(), "sha256:b".to_owned()];
        let chain = chain_ids(&ids);
        assert_eq!(chain[0], "sha256:a");
        assert_eq!(chain[1], digest_of(b"sha256:a sha256:b"));
        assert!(chain_ids(&[]).is_empty());
    }
}
