//! The images of this board: looked at, named, brought in and given out.

use super::{Local, Refused};
use crate::client::{SNAPSHOTTER, or_gone, refusal};
use crate::image::load::load;
use crate::image::save::{self, Wanted};
use crate::image::store::{self, LOCAL_LABEL, leased};
use crate::image::{Credentials, ImageConfig, Reference, chain_ids, content, ingest};
use crate::kept;
use bytes::Bytes;
use containerd_client::services::v1::snapshots::UsageRequest;
use containerd_client::services::v1::{GetImageRequest, Image as Record};
use exec::Error;
use futures::stream::BoxStream;
use futures::{StreamExt as _, TryStreamExt as _};
use model::{Labels, LocalEvent, LocalImage, LocalLayer, Timestamp};
use serde_json::Value;
use std::collections::BTreeMap;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// What a user brings, as it comes.
pub type Incoming = BoxStream<'static, Result<Bytes, String>>;

impl Local {
    /// All images of this board.
    ///
    /// # Errors
    /// If containerd can't be asked.
    pub async fn images(&self) -> Result<Vec<LocalImage>, Refused> {
        let mut all: BTreeMap<String, LocalImage> = BTreeMap::new();
        for record in store::records(&self.shared.client).await? {
            // Half an image, of a pull that was cut off, is none.
            let Ok(id) = self.id_of(&record).await else {
                continue;
            };
            if !all.contains_key(&id) {
                let Ok(image) = self.image(&id).await else {
                    continue;
                };
                all.insert(id.clone(), image);
            }
            if let Some(image) = all.get_mut(&id) {
                name(image, &record);
            }
        }
        let mut images: Vec<LocalImage> = all.into_values().collect();
        for image in &mut images {
            image.tags.sort();
            image.digests.sort();
            image.digests.dedup();
        }
        images.sort_by_key(|image| std::cmp::Reverse(image.created));
        Ok(images)
    }

    async fn id_of(&self, record: &Record) -> Result<String, Error> {
        let target = record.target.clone().unwrap_or_default();
        store::config_of(&self.shared.client, &target.digest).await
    }

    async fn image(&self, id: &str) -> Result<LocalImage, Refused> {
        let config = content::read(&self.shared.client, id).await?;
        let value: Value = store::parse(&config)?;
        let read: ImageConfig = store::parse(&config)?;
        let mut layers = Vec::new();
        for (chain, diff) in chain_ids(&read.rootfs.diff_ids)
            .into_iter()
            .zip(read.rootfs.diff_ids)
        {
            let size = self.layer_bytes(&chain).await?;
            layers.push(LocalLayer { chain, diff, size });
        }
        let labels: Option<Labels> = serde_json::from_value(value["config"]["Labels"].clone()).ok();
        Ok(LocalImage {
            id: id.to_owned(),
            created: value["created"].as_str().and_then(|text| text.parse().ok()),
            labels: labels.unwrap_or_default(),
            layers,
            config,
            ..LocalImage::default()
        })
    }

    /// How large an image is when its layers are unpacked, in bytes; 0 if it is not known.
    ///
    /// # Errors
    /// If containerd can't be asked.
    pub async fn image_bytes(&self, id: &str) -> Result<u64, Refused> {
        match self.image(id).await {
            Ok(image) => Ok(image.size()),
            Err(Refused::NotFound(_)) => Ok(0),
            Err(error) => Err(error),
        }
    }

    async fn layer_bytes(&self, chain: &str) -> Result<u64, Refused> {
        let request = UsageRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: chain.to_owned(),
        };
        let usage = or_gone(self.shared.client.snapshots().usage(request).await).map_err(refusal("layer"))?;
        Ok(usage.map_or(0, |usage| u64::try_from(usage.into_inner().size).unwrap_or(0)))
    }

    /// Gives an image another name, which another image may have had.
    ///
    /// # Errors
    /// [`Refused::Invalid`] for what is no name, [`Refused::NotFound`] if the image is not here.
    pub async fn tag(&self, image: &LocalImage, to: &str) -> Result<(), Refused> {
        let reference = Reference::parse(to).map_err(Refused::Invalid)?;
        if reference.digest.is_some() {
            return Err(Refused::Invalid(
                "refusing to create a tag with a digest reference".to_owned(),
            ));
        }
        let target = self.target(&image.id).await?;
        store::name(&self.shared.client, &reference.to_string(), target).await?;
        self.tell_image("tag", &image.id, &reference.familiar());
        Ok(())
    }

    async fn target(&self, id: &str) -> Result<containerd_client::types::Descriptor, Refused> {
        for record in store::records(&self.shared.client).await? {
            if self.id_of(&record).await.is_ok_and(|known| known == id) {
                return Ok(record.target.unwrap_or_default());
            }
        }
        Err(Refused::NotFound(format!("No such image: {id}")))
    }

    /// Takes a name away from an image (a tag, or a name with a digest), or its last hold if it has no name. What nothing
    /// else holds is gone afterwards.
    ///
    /// # Errors
    /// [`Refused::Invalid`] for what is no name.
    pub async fn untag(&self, image: &LocalImage, name: &str) -> Result<(), Refused> {
        let full = if name == image.id {
            name.to_owned()
        } else {
            Reference::parse(name).map_err(Refused::Invalid)?.to_string()
        };
        store::unname(&self.shared.client, &full).await?;
        self.tell_image("untag", &image.id, name);
        Ok(())
    }

    /// Pulls an image anew, with a user's credentials: true if it is another one than before.
    ///
    /// # Errors
    /// [`Refused::NotFound`] if there is none, [`Refused::Failed`] if the registry can't be asked.
    pub async fn pull(
        &self,
        reference: &str,
        credentials: Option<Credentials>,
    ) -> Result<(String, bool), Refused> {
        let reference = Reference::parse(reference).map_err(Refused::Invalid)?;
        let name = reference.to_string();
        let before = store::id_of(&self.shared.client, &name).await.ok();
        let resolved =
            crate::image::resolve(&self.shared.registry.with(credentials.clone()), &reference).await?;
        let current = before.is_some() && self.is_current(&name, &resolved.digest).await;
        if !current {
            // Pulled by its digest, then named: an image that is there goes on being used until the new one is whole.
            let pinned = Reference {
                digest: Some(resolved.digest.clone()),
                ..reference.clone()
            };
            let pinned_name = pinned.to_string();
            let known = store::id_of(&self.shared.client, &pinned_name).await.is_ok();
            self.shared
                .puller
                .get(&pinned_name, async { Ok(credentials) })
                .await?;
            if reference.digest.is_none() {
                let request = GetImageRequest {
                    name: pinned_name.clone(),
                };
                let record = self
                    .shared
                    .client
                    .images()
                    .get(request)
                    .await
                    .map_err(refusal("image"))?;
                let target = record
                    .into_inner()
                    .image
                    .and_then(|record| record.target)
                    .unwrap_or_default();
                store::name_from_registry(&self.shared.client, &name, target, &resolved.digest).await?;
                if !known {
                    store::unname(&self.shared.client, &pinned_name).await?;
                }
            }
        }
        let after = store::id_of(&self.shared.client, &name).await?;
        self.tell_image("pull", &after, &reference.familiar());
        Ok((resolved.digest, !current && before.as_ref() != Some(&after)))
    }

    /// Whether the image of this name is what the registry has.
    async fn is_current(&self, name: &str, digest: &str) -> bool {
        let request = GetImageRequest {
            name: name.to_owned(),
        };
        let Ok(answer) = self.shared.client.images().get(request).await else {
            return false;
        };
        let record = answer.into_inner().image.unwrap_or_default();
        let known = record.labels.get(store::DIGEST_LABEL) == Some(&digest.to_owned());
        known || record.target.is_some_and(|target| target.digest == digest) || name.ends_with(digest)
    }

    /// Brings in images from an archive of `docker save`: id and names of each.
    ///
    /// # Errors
    /// [`Refused::Invalid`] with what is wrong with it.
    pub async fn load(&self, archive: Incoming) -> Result<Vec<(String, Vec<String>)>, Refused> {
        let reader = StreamReader::new(archive.map_err(std::io::Error::other));
        let bridge = SyncIoBridge::new(reader);
        let loaded = leased(&self.shared.client, async |client| load(client, bridge).await).await;
        let loaded = loaded.map_err(|error| match error {
            Error::Fatal(text) => Refused::Invalid(text),
            error => error.into(),
        })?;
        for image in &loaded {
            self.tell_image("load", &image.id, &image.id);
        }
        Ok(loaded.into_iter().map(|image| (image.id, image.names)).collect())
    }

    /// Makes an image of one layer: a root file system, packed. `config` is completed with what is known then.
    ///
    /// # Errors
    /// [`Refused::Invalid`] with what is wrong with it.
    pub async fn import(
        &self,
        archive: Incoming,
        config: Value,
        names: &[String],
    ) -> Result<String, Refused> {
        let references: Result<Vec<Reference>, String> =
            names.iter().map(|name| Reference::parse(name)).collect();
        let references = references.map_err(Refused::Invalid)?;
        let data = archive.map(|piece| piece.map_err(Error::Fatal));
        let made = leased(&self.shared.client, async |client| {
            let layer = ingest(client, data).await?;
            let diff = store::unpack(client, &layer, "", None).await?;
            let mut config = config;
            let here = crate::facts::platform();
            let (os, architecture) = here.normal();
            config["os"] = os.into();
            config["architecture"] = architecture.into();
            config["rootfs"] = serde_json::json!({ "type": "layers", "diff_ids": [diff] });
            let (id, target) = store::make(client, config.to_string().into_bytes(), &[layer]).await?;
            for reference in &references {
                store::name(client, &reference.to_string(), target.clone()).await?;
            }
            if references.is_empty() {
                store::name(client, &id, target).await?;
            }
            Ok::<String, Error>(id)
        })
        .await;
        let id = made.map_err(|error| match error {
            Error::Fatal(text) => Refused::Invalid(text),
            error => error.into(),
        })?;
        self.tell_image("import", &id, &id);
        Ok(id)
    }

    /// Gives out images as an archive that `docker load` reads: ids, with the names that go along.
    ///
    /// # Errors
    /// [`Refused::Invalid`] for what is no name.
    pub fn save(&self, wanted: Vec<(String, Vec<String>)>) -> Result<Incoming, Refused> {
        let mut parsed: Vec<Wanted> = Vec::new();
        for (id, names) in wanted {
            self.tell_image("save", &id, &id);
            let names: Result<Vec<Reference>, String> =
                names.iter().map(|name| Reference::parse(name)).collect();
            parsed.push((id, names.map_err(Refused::Invalid)?));
        }
        let (out, pieces) = mpsc::channel(4);
        tokio::spawn(save::save(self.shared.client.clone(), parsed, out));
        Ok(Box::pin(ReceiverStream::new(pieces)))
    }

    fn tell_image(&self, action: &str, id: &str, name: &str) {
        self.shared.scene.tell(LocalEvent {
            kind: "image",
            action: action.to_owned(),
            id: id.to_owned(),
            attributes: Labels::from([("name".to_owned(), name.to_owned())]),
            at: Timestamp::now(),
        });
    }
}

/// Notes what a record calls an image.
fn name(image: &mut LocalImage, record: &Record) {
    // Only held, not named.
    let held = record.name.starts_with("sha256:");
    let Some(reference) = Reference::parse(&record.name).ok().filter(|_| !held) else {
        return;
    };
    let tagged = kept::time(record.updated_at);
    image.tagged = image.tagged.max(Some(tagged));
    if reference.digest.is_some() {
        image.digests.push(reference.familiar());
        return;
    }
    image.tags.push(reference.familiar());
    if !record.labels.contains_key(LOCAL_LABEL) {
        let own = record.target.clone().unwrap_or_default().digest;
        let digest = record.labels.get(store::DIGEST_LABEL).cloned().unwrap_or(own);
        let pinned = Reference {
            digest: Some(digest),
            ..reference
        };
        image.digests.push(pinned.familiar());
    }
}
