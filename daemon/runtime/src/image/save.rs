//! `docker save`: images as an archive that `docker load` reads, everywhere.
//!
//! Layers are kept unpacked, so their archives are made anew, as plain tar. They hold the same files but not the same
//! bytes as those of the registry: the config names them by their new digests, and the image has another id where it is
//! loaded. Everything goes through containerd's content store, a layer at a time.

use super::content::{self, digest_of};
use super::store::leased;
use super::{Reference, chain_ids};
use crate::client::{Client, SNAPSHOTTER, refusal};
use bytes::Bytes;
use containerd_client::services::v1::snapshots::{RemoveSnapshotRequest, ViewSnapshotRequest};
use containerd_client::services::v1::{DiffRequest, ReadContentRequest};
use containerd_client::types::{Descriptor, Mount};
use exec::Error;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap};
use tokio::sync::mpsc;

/// What is saved: an image's id and its names.
pub(crate) type Wanted = (String, Vec<Reference>);

/// Writes the archive to a channel until it is whole or nobody reads any more.
pub(crate) async fn save(client: Client, wanted: Vec<Wanted>, out: mpsc::Sender<Result<Bytes, String>>) {
    let done = leased(&client, async |client| {
        let mut archive = Archive {
            out: &out,
            written: BTreeSet::new(),
        };
        archive.images(client, wanted).await
    })
    .await;
    match done {
        // Nobody reads any more.
        Ok(()) | Err(Error::Cancelled) => {}
        Err(error) => {
            let _ = out.send(Err(error.to_string())).await;
        }
    }
}

struct Archive<'a> {
    out: &'a mpsc::Sender<Result<Bytes, String>>,
    written: BTreeSet<String>,
}

impl Archive<'_> {
    async fn images(&mut self, client: &Client, wanted: Vec<Wanted>) -> Result<(), Error> {
        let (mut listed, mut index) = (Vec::new(), Vec::new());
        for (id, names) in wanted {
            let (config, layers) = self.layers(client, &id).await?;
            let config_digest = self.blob(config.to_string().into_bytes()).await?;
            let kind = "application/vnd.oci.image.manifest.v1+json";
            let manifest = json!({
                "schemaVersion": 2,
                "mediaType": kind,
                "config": {
                    "mediaType": "application/vnd.oci.image.config.v1+json",
                    "digest": config_digest,
                    "size": config.to_string().len(),
                },
                "layers": layers.iter().map(|layer| json!({
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": layer.digest,
                    "size": layer.size,
                })).collect::<Vec<_>>(),
            })
            .to_string();
            let size = manifest.len();
            let digest = self.blob(manifest.into_bytes()).await?;
            let entry = |annotations: Value| {
                let mut entry = json!({ "mediaType": kind, "digest": digest, "size": size });
                if !annotations.is_null() {
                    entry["annotations"] = annotations;
                }
                entry
            };
            if names.is_empty() {
                index.push(entry(Value::Null));
            }
            index.extend(names.iter().map(|name| {
                entry(json!({ "io.containerd.image.name": name.to_string(), "org.opencontainers.image.ref.name": name.version() }))
            }));
            listed.push(json!({
                "Config": path(&config_digest),
                "RepoTags": names.iter().map(Reference::familiar).collect::<Vec<_>>(),
                "Layers": layers.iter().map(|layer| path(&layer.digest)).collect::<Vec<_>>(),
            }));
        }
        let index = json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": index,
        });
        self.file("index.json", index.to_string().into_bytes()).await?;
        self.file("manifest.json", Value::from(listed).to_string().into_bytes())
            .await?;
        self.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())
            .await?;
        // The end of an archive: two empty blocks.
        self.send(Bytes::from_static(&[0; 1024])).await
    }

    /// Writes an image's layers; its config with their new digests.
    async fn layers(&mut self, client: &Client, id: &str) -> Result<(Value, Vec<Descriptor>), Error> {
        let mut config: Value = super::store::parse(&content::read(client, id).await?)?;
        let diffs: Vec<String> = config["rootfs"]["diff_ids"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(|diff| diff.as_str().map(str::to_owned))
            .collect();
        let (mut below, mut layers) = (String::new(), Vec::new());
        for chain in chain_ids(&diffs) {
            let layer = difference(client, &below, &chain).await?;
            self.content(client, &layer).await?;
            layers.push(layer);
            below = chain;
        }
        config["rootfs"]["diff_ids"] = layers
            .iter()
            .map(|layer| Value::from(layer.digest.as_str()))
            .collect();
        Ok((config, layers))
    }

    async fn content(&mut self, client: &Client, blob: &Descriptor) -> Result<(), Error> {
        if !self.written.insert(blob.digest.clone()) {
            return Ok(());
        }
        let size = u64::try_from(blob.size).unwrap_or(0);
        self.head(&path(&blob.digest), size).await?;
        let request = ReadContentRequest {
            digest: blob.digest.clone(),
            offset: 0,
            size: 0,
        };
        let mut pieces = client
            .content()
            .read(request)
            .await
            .map_err(refusal("content"))?
            .into_inner();
        while let Some(piece) = pieces.message().await.map_err(refusal("content"))? {
            self.send(piece.data.into()).await?;
        }
        self.pad(size).await
    }

    /// Writes a small blob; its digest.
    async fn blob(&mut self, bytes: Vec<u8>) -> Result<String, Error> {
        let digest = digest_of(&bytes);
        if self.written.insert(digest.clone()) {
            self.file(&path(&digest), bytes).await?;
        }
        Ok(digest)
    }

    async fn file(&self, path: &str, bytes: Vec<u8>) -> Result<(), Error> {
        let size = bytes.len() as u64;
        self.head(path, size).await?;
        self.send(bytes.into()).await?;
        self.pad(size).await
    }

    async fn head(&self, path: &str, size: u64) -> Result<(), Error> {
        let mut header = tar::Header::new_gnu();
        header
            .set_path(path)
            .map_err(|error| Error::Fatal(error.to_string()))?;
        header.set_size(size);
        header.set_mode(0o644);
        header.set_entry_type(tar::EntryType::Regular);
        header.set_cksum();
        self.send(Bytes::copy_from_slice(header.as_bytes())).await
    }

    async fn pad(&self, size: u64) -> Result<(), Error> {
        let rest = usize::try_from(size.next_multiple_of(512) - size).unwrap_or(0);
        if rest == 0 {
            Ok(())
        } else {
            self.send(vec![0; rest].into()).await
        }
    }

    async fn send(&self, bytes: Bytes) -> Result<(), Error> {
        self.out.send(Ok(bytes)).await.map_err(|_| Error::Cancelled)
    }
}

fn path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// What a layer changes, as an archive in the content store.
async fn difference(client: &Client, below: &str, chain: &str) -> Result<Descriptor, Error> {
    let stamp = jiff::Timestamp::now().as_nanosecond();
    let (left_key, right_key) = (format!("save-below-{stamp}"), format!("save-{stamp}"));
    let made = async {
        let left = if below.is_empty() {
            Vec::new()
        } else {
            view(client, &left_key, below).await?
        };
        let right = view(client, &right_key, chain).await?;
        let request = DiffRequest {
            left,
            right,
            media_type: "application/vnd.oci.image.layer.v1.tar".to_owned(),
            r#ref: format!("bramble-save-{stamp}"),
            labels: HashMap::new(),
            source_date_epoch: None,
        };
        let made = client
            .diff()
            .diff(request)
            .await
            .map_err(refusal("packing a layer"))?
            .into_inner()
            .diff;
        made.ok_or_else(|| Error::Fatal("containerd packed no layer".to_owned()))
    }
    .await;
    for key in [left_key, right_key] {
        let remove = RemoveSnapshotRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key,
        };
        let _ = client.snapshots().remove(remove).await;
    }
    made
}

async fn view(client: &Client, key: &str, parent: &str) -> Result<Vec<Mount>, Error> {
    let request = ViewSnapshotRequest {
        snapshotter: SNAPSHOTTER.to_owned(),
        key: key.to_owned(),
        parent: parent.to_owned(),
        labels: HashMap::new(),
    };
    Ok(client
        .snapshots()
        .view(request)
        .await
        .map_err(refusal("a layer"))?
        .into_inner()
        .mounts)
}
