//! Stand-in images under well-known names, made from Debian's static busybox: no registry of the world is in reach of a test.
//!
//! They are made once, as blobs below `target/lab/images`, and pushed to each lab's registry when it comes up.

mod recipes;
mod tree;

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    paths::labs,
    ran::{call, run},
};
use recipes::Recipe;

/// An image whose blobs are on disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// The name in a registry, such as `library/nginx`.
    pub repository: String,
    /// The tag, such as `1.10`.
    pub tag: String,
    /// Digests of its compressed layers, the lowest first.
    pub layers: Vec<String>,
    /// The digest of its configuration.
    pub config: String,
    /// The digest of its manifest.
    pub manifest_digest: String,
    /// Its manifest.
    pub manifest: String,
    /// An index with this machine's architecture, which is what the tag names.
    pub index: String,
}

/// A layer on disk.
#[derive(Debug, Clone)]
struct Layer {
    /// Of the compressed file, which is what registries know.
    digest: String,
    /// Of the plain archive, which is what configurations name.
    diff_id: String,
    size: u64,
}

/// Makes all images, unless they were made of the same things before. Callers take turns.
///
/// # Errors
/// When there is no busybox, or no room.
pub fn make() -> Result<Vec<Image>> {
    let dir = labs().join("images");
    fs::create_dir_all(dir.join("blobs"))?;
    let lock = fs::File::create(dir.join("lock"))?;
    lock.lock()?;
    let busybox = tree::busybox()?;
    let stamp = format!("{} {:?}", digest(&busybox)?, recipes::all());
    let list = dir.join("images.json");
    if let Ok(text) = fs::read_to_string(&list)
        && let Ok((made_of, images)) = serde_json::from_str::<(String, Vec<Image>)>(&text)
        && made_of == stamp
    {
        return Ok(images);
    }
    let base = layer(&dir, |root| tree::base(root, &busybox))?;
    let images = recipes::all()
        .iter()
        .map(|recipe| image(&dir, &base, recipe))
        .collect::<Result<Vec<_>>>()?;
    fs::write(list, serde_json::to_string(&(stamp, &images))?)?;
    Ok(images)
}

/// The file of a blob.
pub(crate) fn blob(digest: &str) -> PathBuf {
    labs().join("images/blobs").join(digest.replace(':', "-"))
}

fn image(dir: &Path, base: &Layer, recipe: &Recipe) -> Result<Image> {
    let mut layers = vec![base.clone()];
    if !recipe.files.is_empty() {
        layers.push(layer(dir, |root| tree::files(root, recipe.files))?);
    }
    if let Some((path, source)) = recipe.program {
        layers.push(layer(dir, |root| tree::program(root, path, source))?);
    }
    let mut inside = json!({ "Env": recipe.env, "Cmd": recipe.cmd });
    if !recipe.entrypoint.is_empty() {
        inside["Entrypoint"] = json!(recipe.entrypoint);
    }
    if let Some(port) = recipe.port {
        inside["ExposedPorts"] = json!({ (port): {} });
    }
    let config = json!({
        "created": "2000-01-01T00:00:00Z",
        "architecture": architecture(),
        "os": "linux",
        "config": inside,
        "rootfs": { "type": "layers", "diff_ids": layers.iter().map(|one| &one.diff_id).collect::<Vec<_>>() },
        "history": layers.iter().map(|_| json!({ "created_by": "cargo lab images" })).collect::<Vec<_>>(),
    })
    .to_string();
    let config_digest = keep(&config)?;
    let of_layer = |one: &Layer| json!({ "mediaType": "application/vnd.oci.image.layer.v1.tar+gzip", "digest": one.digest, "size": one.size });
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": config_digest,
            "size": config.len(),
        },
        "layers": layers.iter().map(of_layer).collect::<Vec<_>>(),
    })
    .to_string();
    let manifest_digest = keep(&manifest)?;
    let index = json!({
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.index.v1+json",
        "manifests": [{
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "digest": manifest_digest,
            "size": manifest.len(),
            "platform": { "architecture": architecture(), "os": "linux" },
        }],
    });
    Ok(Image {
        repository: recipe.repository.to_owned(),
        tag: recipe.tag.to_owned(),
        layers: layers.into_iter().map(|one| one.digest).collect(),
        config: config_digest,
        manifest_digest,
        manifest,
        index: index.to_string(),
    })
}

/// Packs what `fill` puts into a folder. The same files make the same bytes.
fn layer(dir: &Path, fill: impl FnOnce(&Path) -> Result<()>) -> Result<Layer> {
    let root = dir.join("root");
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    tree::folder(&root, 0o755)?;
    fill(&root)?;
    let archive = dir.join("layer.tar");
    let mut tar = Command::new("tar");
    tar.args([
        "--create",
        "--format=gnu",
        "--sort=name",
        "--owner=0",
        "--group=0",
        "--numeric-owner",
        "--mtime=@946684800",
    ]);
    tar.arg("--file")
        .arg(&archive)
        .arg("--directory")
        .arg(&root)
        .arg(".");
    run(&mut tar).ok()?;
    let diff_id = digest(&archive)?;
    call(
        "gzip",
        &["--no-name".as_ref(), "--force".as_ref(), archive.as_os_str()],
    )?;
    let packed = dir.join("layer.tar.gz");
    let digest = digest(&packed)?;
    let size = fs::metadata(&packed)?.len();
    fs::rename(packed, blob(&digest))?;
    fs::remove_dir_all(root)?;
    Ok(Layer {
        digest,
        diff_id,
        size,
    })
}

/// Writes a blob and gives its digest.
fn keep(text: &str) -> Result<String> {
    let draft = labs().join("images/draft");
    fs::File::create(&draft)?.write_all(text.as_bytes())?;
    let digest = digest(&draft)?;
    fs::rename(draft, blob(&digest))?;
    Ok(digest)
}

fn digest(file: &Path) -> Result<String> {
    let said = call("sha256sum", &[file])?;
    let hex = said.split(' ').next().filter(|hex| hex.len() == 64);
    Ok(format!(
        "sha256:{}",
        hex.with_context(|| format!("sha256sum said {said:?}"))?
    ))
}

/// This machine's architecture as images call it.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
