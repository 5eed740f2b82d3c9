//! The images of an OCI layout (image-spec, "image layout") that has no `manifest.json`.

use super::load::small;
use super::manifest::Manifest;
use super::store::parse;
use crate::client::Client;
use containerd_client::types::Descriptor;
use exec::Error;
use serde::Deserialize;
use std::collections::{BTreeMap, HashMap};

#[derive(Deserialize)]
struct Index {
    #[serde(default)]
    manifests: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    digest: String,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

/// Path of the config, names, paths of the layers.
pub(super) type Image = (String, Vec<String>, Vec<String>);

fn path(digest: &str) -> String {
    format!("blobs/{}", digest.replacen(':', "/", 1))
}

/// What `index.json` lists; of an index within it, what runs here.
///
/// # Errors
/// What is wrong with it, in words.
pub(super) async fn listed(
    client: &Client,
    files: &HashMap<String, Descriptor>,
) -> Result<Vec<Image>, Error> {
    let file = |path: &str| {
        files
            .get(path)
            .ok_or_else(|| Error::Fatal(format!("{path} is missing in the archive")))
    };
    let index: Index = parse(&small(client, file("index.json")?).await?)?;
    let mut images = Vec::new();
    for entry in index.manifests {
        let mut manifest: Manifest = parse(&small(client, file(&path(&entry.digest))?).await?)?;
        if manifest.is_index() {
            let chosen = manifest.choose(&crate::facts::platform()).cloned();
            let chosen = chosen
                .ok_or_else(|| Error::Fatal("no image in the archive runs on this board".to_owned()))?;
            manifest = parse(&small(client, file(&path(&chosen.digest))?).await?)?;
        }
        let full = entry.annotations.get("io.containerd.image.name");
        let name = full.or_else(|| {
            entry
                .annotations
                .get("org.opencontainers.image.ref.name")
                .filter(|name| name.contains([':', '/']))
        });
        images.push((
            path(&manifest.config.digest),
            name.cloned().into_iter().collect(),
            manifest.layers.iter().map(|layer| path(&layer.digest)).collect(),
        ));
    }
    Ok(images)
}
