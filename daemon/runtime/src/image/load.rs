//! `docker load`: images from an archive, as `docker save` writes it, in its older form and as an OCI layout.
//!
//! The archive is read once, from front to back; every file of it goes into containerd's content store as it comes, so
//! nothing but small JSON is ever in memory. What no image turns out to need is collected with the lease.

use super::content;
use super::ingest::ingest;
use super::store::{MAX_CONFIG, above, make, name, parse, unpack};
use super::{ImageConfig, Reference};
use crate::client::Client;
use bytes::Bytes;
use containerd_client::types::Descriptor;
use exec::Error;
use serde::Deserialize;
use std::collections::HashMap;
use std::io::Read;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// Most files of an archive: a bound, not advice.
const MOST_FILES: usize = 4096;
const PIECE: usize = 256 << 10;

/// An image of `manifest.json`.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
}

/// An image that was loaded: its id, and its names as people write them.
pub(crate) struct Loaded {
    pub id: String,
    pub names: Vec<String>,
}

/// The files of an archive, by their paths.
type Files = HashMap<String, Descriptor>;

/// Loads all images of an archive.
///
/// # Errors
/// What is wrong with it, in words.
pub(crate) async fn load(client: &Client, archive: impl Read + Send + 'static) -> Result<Vec<Loaded>, Error> {
    let files = take_in(client, archive).await?;
    let listed: Vec<Listed> = match files.get("manifest.json") {
        Some(file) => small(client, file).await.and_then(|bytes| parse(&bytes))?,
        None if files.contains_key("index.json") => super::layout::listed(client, &files)
            .await?
            .into_iter()
            .map(|(config, repo_tags, layers)| Listed {
                config,
                repo_tags: Some(repo_tags),
                layers: Some(layers),
            })
            .collect(),
        None => {
            return Err(Error::Fatal(
                "no images in the archive: neither manifest.json nor index.json is there".to_owned(),
            ));
        }
    };
    let mut loaded = Vec::new();
    for image in listed {
        loaded.push(one(client, &files, image).await?);
    }
    Ok(loaded)
}

async fn one(client: &Client, files: &Files, image: Listed) -> Result<Loaded, Error> {
    let file = |path: &str| {
        let path = clean(path);
        files
            .get(&path)
            .ok_or_else(|| Error::Fatal(format!("{path} is missing in the archive")))
    };
    let config = small(client, file(&image.config)?).await?;
    let read: ImageConfig = parse(&config)?;
    let paths = image.layers.unwrap_or_default();
    if paths.len() != read.rootfs.diff_ids.len() {
        return Err(Error::Fatal(format!(
            "invalid manifest, layers length mismatch: expected {}, got {}",
            read.rootfs.diff_ids.len(),
            paths.len()
        )));
    }
    let (mut parent, mut layers) = (String::new(), Vec::new());
    for (path, diff) in paths.iter().zip(&read.rootfs.diff_ids) {
        let layer = file(path)?;
        unpack(client, layer, &parent, Some(diff)).await?;
        parent = above(&parent, diff);
        layers.push(layer.clone());
    }
    let mut names = Vec::new();
    for text in image.repo_tags.unwrap_or_default() {
        names.push(Reference::parse(&text).map_err(Error::Fatal)?);
    }
    let (id, target) = make(client, config, &layers).await?;
    for reference in &names {
        name(client, &reference.to_string(), target.clone()).await?;
    }
    if names.is_empty() {
        // Without a name containerd would collect it.
        name(client, &id, target).await?;
    }
    Ok(Loaded {
        id,
        names: names.iter().map(Reference::familiar).collect(),
    })
}

/// A small file.
pub(super) async fn small(client: &Client, file: &Descriptor) -> Result<Vec<u8>, Error> {
    if u64::try_from(file.size).is_ok_and(|size| size > MAX_CONFIG) {
        return Err(Error::Fatal(format!(
            "{} is too large for an image's description",
            file.digest
        )));
    }
    content::read(client, &file.digest).await
}

fn clean(path: &str) -> String {
    let parts = path.split('/').filter(|part| !part.is_empty() && *part != ".");
    parts.collect::<Vec<_>>().join("/")
}

/// What the reading thread tells.
enum Entry {
    /// A file begins; its content follows on the channel.
    File(String, mpsc::Receiver<Result<Bytes, Error>>),
    /// A file that is another one, too.
    Link(String, String),
    /// The archive can't be read.
    Broken(String),
}

/// Reads the archive in a thread of its own and writes its files into the content store.
async fn take_in(client: &Client, archive: impl Read + Send + 'static) -> Result<Files, Error> {
    let (out, mut entries) = mpsc::channel(1);
    let reading = tokio::task::spawn_blocking(move || read(archive, &out));
    let (mut files, mut links) = (Files::new(), Vec::new());
    while let Some(entry) = entries.recv().await {
        match entry {
            Entry::File(path, data) => {
                let file = ingest(client, ReceiverStream::new(data)).await?;
                files.insert(path, file);
            }
            Entry::Link(path, target) => links.push((path, target)),
            Entry::Broken(text) => return Err(Error::Fatal(format!("the archive can't be read: {text}"))),
        }
        if files.len() + links.len() > MOST_FILES {
            return Err(Error::Fatal(format!(
                "more than {MOST_FILES} files in the archive"
            )));
        }
    }
    let _ = reading.await;
    for (path, target) in links {
        if let Some(file) = files.get(&target).cloned() {
            files.insert(path, file);
        }
    }
    Ok(files)
}

fn read(archive: impl Read, out: &mpsc::Sender<Entry>) {
    if let Err(error) = walk(archive, out) {
        let _ = out.blocking_send(Entry::Broken(error.to_string()));
    }
}

fn walk(mut archive: impl Read, out: &mpsc::Sender<Entry>) -> std::io::Result<()> {
    let mut begin = [0; 2];
    archive.read_exact(&mut begin)?;
    let whole = begin.as_slice().chain(archive);
    let whole: Box<dyn Read> = match begin {
        [0x1f, 0x8b] => Box::new(flate2::read::MultiGzDecoder::new(whole)),
        _ => Box::new(whole),
    };
    let mut archive = tar::Archive::new(whole);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = clean(&entry.path()?.to_string_lossy());
        match entry.header().entry_type() {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                let (data, content) = mpsc::channel(2);
                if out.blocking_send(Entry::File(path, content)).is_err() {
                    return Ok(());
                }
                loop {
                    let mut piece = vec![0; PIECE];
                    let count = match entry.read(&mut piece) {
                        Ok(count) => count,
                        Err(error) => {
                            let _ = data.blocking_send(Err(Error::Fatal(error.to_string())));
                            return Err(error);
                        }
                    };
                    piece.truncate(count);
                    if count == 0 || data.blocking_send(Ok(piece.into())).is_err() {
                        break;
                    }
                }
            }
            tar::EntryType::Link | tar::EntryType::Symlink => {
                let target = entry
                    .link_name()?
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                let target = match entry.header().entry_type() {
                    tar::EntryType::Symlink => beside(&path, &target),
                    _ => clean(&target),
                };
                if out.blocking_send(Entry::Link(path, target)).is_err() {
                    return Ok(());
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// A link's target, seen from the root of the archive.
fn beside(path: &str, target: &str) -> String {
    let mut parts: Vec<&str> = path.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    parts.join("/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_are_followed_within_the_archive() {
        assert_eq!(beside("a/layer.tar", "../b/layer.tar"), "b/layer.tar");
        assert_eq!(beside("a/layer.tar", "../../../etc/passwd"), "etc/passwd");
        assert_eq!(clean("./a//b"), "a/b");
    }

    #[test]
    fn rubbish_is_told() {
        let (out, mut entries) = mpsc::channel(4);
        read(&b"no archive"[..], &out);
        drop(out);
        let mut broken = false;
        while let Ok(entry) = entries.try_recv() {
            broken |= matches!(entry, Entry::Broken(_));
        }
        assert!(broken);
    }
}
