//! The images that are here: containerd's records, and the making of new ones from what did not come from a registry.

use super::content::{self, digest_of};
use super::manifest::{ImageConfig, Manifest};
use crate::client::{Client, SNAPSHOTTER, or_exists, or_gone, refusal};
use bytes::Bytes;
use containerd_client::services::v1::snapshots::{
    CommitSnapshotRequest, PrepareSnapshotRequest, RemoveSnapshotRequest,
};
use containerd_client::services::v1::{
    ApplyRequest, CreateImageRequest, CreateRequest as CreateLease, DeleteImageRequest,
    DeleteRequest as DeleteLease, GetImageRequest, Image as Record, Info, ListImagesRequest,
    UpdateImageRequest, UpdateRequest,
};
use containerd_client::types::Descriptor;
use exec::Error;
use serde_json::json;
use std::collections::HashMap;

/// On the record of an image that got its name here, not from a registry.
pub(crate) const LOCAL_LABEL: &str = "bramble.local";
/// On the record of an image that was pulled by hand: the registry's digest of all its variants.
pub(crate) const DIGEST_LABEL: &str = "bramble.digest";
/// Largest config of an image that is read, in bytes.
pub(crate) const MAX_CONFIG: u64 = 4 << 20;

/// An image's id: the digest of its config.
///
/// # Errors
/// If there is no such image, or containerd can't be asked.
pub(crate) async fn id_of(client: &Client, name: &str) -> Result<String, Error> {
    let request = GetImageRequest {
        name: name.to_owned(),
    };
    let record = client
        .images()
        .get(request)
        .await
        .map_err(refusal("image"))?
        .into_inner()
        .image;
    let target = record.and_then(|record| record.target).unwrap_or_default();
    config_of(client, &target.digest).await
}

/// The digest of the config that a manifest names.
pub(crate) async fn config_of(client: &Client, manifest: &str) -> Result<String, Error> {
    let manifest: Manifest = parse(&content::read(client, manifest).await?)?;
    Ok(manifest.config.digest)
}

pub(crate) fn parse<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::Fatal(format!("an image that can't be read: {error}")))
}

/// All records.
pub(crate) async fn records(client: &Client) -> Result<Vec<Record>, Error> {
    let request = ListImagesRequest { filters: Vec::new() };
    Ok(client
        .images()
        .list(request)
        .await
        .map_err(refusal("images"))?
        .into_inner()
        .images)
}

/// Does some work with all that it makes held until it is done: what no image refers to then is collected.
pub(crate) async fn leased<T, E: From<Error>>(
    client: &Client,
    work: impl AsyncFnOnce(&Client) -> Result<T, E>,
) -> Result<T, E> {
    let lease = format!("bramble-{}", jiff::Timestamp::now().as_nanosecond());
    let request = CreateLease {
        id: lease.clone(),
        labels: HashMap::new(),
    };
    or_exists(client.leases().create(request).await).map_err(refusal("lease"))?;
    let done = work(&client.leased(&lease)).await;
    let request = DeleteLease {
        id: lease,
        sync: false,
    };
    if let Err(status) = client.leases().delete(request).await {
        tracing::warn!(error = status.message(), "lease not given back");
    }
    done
}

/// Gives an image a name, which another image may have had.
pub(crate) async fn name(client: &Client, name: &str, target: Descriptor) -> Result<(), Error> {
    put_record(client, name, target, (LOCAL_LABEL, "true")).await
}

/// Gives an image the name that it has in its registry, where this is the digest of all its variants.
pub(crate) async fn name_from_registry(
    client: &Client,
    name: &str,
    target: Descriptor,
    digest: &str,
) -> Result<(), Error> {
    put_record(client, name, target, (DIGEST_LABEL, digest)).await
}

async fn put_record(
    client: &Client,
    name: &str,
    target: Descriptor,
    label: (&str, &str),
) -> Result<(), Error> {
    let record = Record {
        name: name.to_owned(),
        labels: HashMap::from([(label.0.to_owned(), label.1.to_owned())]),
        target: Some(target),
        ..Record::default()
    };
    let create = CreateImageRequest {
        image: Some(record.clone()),
        source_date_epoch: None,
    };
    if or_exists(client.images().create(create).await)
        .map_err(refusal("image"))?
        .is_none()
    {
        let update = UpdateImageRequest {
            image: Some(record),
            update_mask: None,
            source_date_epoch: None,
        };
        client.images().update(update).await.map_err(refusal("image"))?;
    }
    Ok(())
}

/// Takes a name away; what it alone held is gone when this returns.
pub(crate) async fn unname(client: &Client, name: &str) -> Result<(), Error> {
    let request = DeleteImageRequest {
        name: name.to_owned(),
        sync: true,
        target: None,
    };
    or_gone(client.images().delete(request).await).map_err(refusal("image"))?;
    Ok(())
}

/// Unpacks a layer on top of another; the digest of its archive, unpacked, which may be `expected`.
pub(crate) async fn unpack(
    client: &Client,
    layer: &Descriptor,
    parent: &str,
    expected: Option<&str>,
) -> Result<String, Error> {
    let key = format!(
        "unpack-{}-{}",
        jiff::Timestamp::now().as_nanosecond(),
        layer.digest
    );
    let prepare = PrepareSnapshotRequest {
        snapshotter: SNAPSHOTTER.to_owned(),
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
    let applied = async {
        let apply = ApplyRequest {
            diff: Some(layer.clone()),
            mounts,
            payloads: HashMap::new(),
            sync_fs: false,
        };
        let applied = client
            .diff()
            .apply(apply)
            .await
            .map_err(refusal("unpacking"))?
            .into_inner()
            .applied;
        let diff = applied.unwrap_or_default().digest;
        if expected.is_some_and(|expected| expected != diff) {
            return Err(Error::Fatal(format!(
                "wrong diff id calculated on extraction \"{diff}\": the archive is damaged"
            )));
        }
        let commit = CommitSnapshotRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            name: above(parent, &diff),
            key: key.clone(),
            labels: HashMap::new(),
        };
        or_exists(client.snapshots().commit(commit).await).map_err(refusal("unpacking"))?;
        Ok(diff)
    }
    .await;
    // Gone already if it was committed.
    let remove = RemoveSnapshotRequest {
        snapshotter: SNAPSHOTTER.to_owned(),
        key,
    };
    let _ = client.snapshots().remove(remove).await;
    applied
}

/// The name of a layer on top of another (OCI image-spec, "layer chain id").
pub(crate) fn above(parent: &str, diff: &str) -> String {
    if parent.is_empty() {
        diff.to_owned()
    } else {
        digest_of(format!("{parent} {diff}").as_bytes())
    }
}

/// Makes an image of a config whose layers are unpacked; what names are to point at.
pub(crate) async fn make(
    client: &Client,
    config: Vec<u8>,
    layers: &[Descriptor],
) -> Result<(String, Descriptor), Error> {
    let read: ImageConfig = parse(&config)?;
    let top = super::chain_ids(&read.rootfs.diff_ids).pop().unwrap_or_default();
    let (id, size) = (digest_of(&config), config.len());
    let descriptor =
        |kind: &str, digest: &str, size: i64| json!({ "mediaType": kind, "digest": digest, "size": size });
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": kind,
        "config": descriptor("application/vnd.oci.image.config.v1+json", &id, i64::try_from(size).unwrap_or(0)),
        "layers": layers.iter().map(|layer| descriptor(&layer.media_type, &layer.digest, layer.size)).collect::<Vec<_>>(),
    })
    .to_string();
    let snapshot = (format!("containerd.io/gc.ref.snapshot.{SNAPSHOTTER}"), top);
    put(client, config, HashMap::from([snapshot.clone()])).await?;
    let held = ("containerd.io/gc.ref.content.config".to_owned(), id.clone());
    let mut labels = HashMap::from([held]);
    if !snapshot.1.is_empty() {
        labels.insert(snapshot.0, snapshot.1);
    }
    let target = Descriptor {
        media_type: kind.to_owned(),
        digest: digest_of(manifest.as_bytes()),
        size: i64::try_from(manifest.len()).unwrap_or(0),
        ..Descriptor::default()
    };
    put(client, manifest.into_bytes(), labels).await?;
    Ok((id, target))
}

async fn put(client: &Client, bytes: Vec<u8>, labels: HashMap<String, String>) -> Result<(), Error> {
    let (digest, size) = (digest_of(&bytes), bytes.len() as u64);
    if content::has(client, &digest).await? {
        // Taken in as a file of an archive, perhaps: then nothing holds what belongs to it yet.
        let update = UpdateRequest {
            update_mask: Some(prost_types::FieldMask {
                paths: labels.keys().map(|label| format!("labels.{label}")).collect(),
            }),
            info: Some(Info {
                digest,
                labels,
                ..Info::default()
            }),
        };
        client
            .content()
            .update(update)
            .await
            .map_err(refusal("content"))?;
        return Ok(());
    }
    let data = futures::stream::iter([Ok(Bytes::from(bytes))]);
    content::write(client, &digest, size, 0, labels, data).await
}
