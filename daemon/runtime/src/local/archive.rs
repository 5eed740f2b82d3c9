//! `docker cp`, `export` and `diff`: files of a container, as archives.

use super::images::Incoming;
use super::root::{Root, go_mode, invalid, split};
use super::{Local, Refused};
use bytes::Bytes;
use futures::TryStreamExt as _;
use model::{LocalChange, LocalContainer, LocalPath, LocalState, Timestamp};
use std::io::{Error, ErrorKind, Read, Result, Write};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Component, Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::io::{StreamReader, SyncIoBridge};

/// Pieces of an archive.
const PIECE: usize = 128 << 10;
/// Most changes that are told of.
const MOST_CHANGES: usize = 100_000;

impl Local {
    async fn root(&self, container: &LocalContainer, writable: bool) -> std::result::Result<Root, Refused> {
        if matches!(container.state, LocalState::Running | LocalState::Paused) {
            return Ok(Root::of_process(container.pid)?);
        }
        self.layered(container, writable).await
    }

    /// Its root without what is mounted in it.
    async fn layered(
        &self,
        container: &LocalContainer,
        writable: bool,
    ) -> std::result::Result<Root, Refused> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let layers = self.layers(&container.id).await?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let place = self
            .shared
            .config
            .run_dir
            .join(format!("look-{number}-{}", std::process::id()));
        let work = Some(layers.work.as_str()).filter(|_| writable);
        Ok(Root::of_layers(place, &layers.lower, &layers.upper, work)?)
    }

    /// What is at a path of a container.
    ///
    /// # Errors
    /// [`Refused::NotFound`]
    pub async fn look(
        &self,
        container: &LocalContainer,
        path: &str,
    ) -> std::result::Result<LocalPath, Refused> {
        let root = self.root(container, false).await?;
        look(&root, path).map_err(missing(container, path))
    }

    /// Files of a container as an archive.
    ///
    /// # Errors
    /// [`Refused::NotFound`]
    pub async fn read(
        &self,
        container: &LocalContainer,
        path: &str,
    ) -> std::result::Result<(LocalPath, Incoming), Refused> {
        let root = self.root(container, false).await?;
        let found = look(&root, path).map_err(missing(container, path))?;
        let (from, name) = (PathBuf::from(path), found.name.clone());
        self.tell(container, "archive-path", &[]);
        Ok((
            found,
            packed(move |out| pack(&root, &from, Path::new(&name), out)),
        ))
    }

    /// All of a container's root as an archive.
    ///
    /// # Errors
    /// If its layers can't be put together.
    pub async fn export(&self, container: &LocalContainer) -> std::result::Result<Incoming, Refused> {
        let root = self.layered(container, false).await?;
        self.tell(container, "export", &[]);
        Ok(packed(move |out| pack(&root, Path::new("/"), Path::new(""), out)))
    }

    /// Unpacks an archive into a folder of a container. `keep_kinds`: a folder is never replaced by something else, nor the
    /// other way round.
    ///
    /// # Errors
    /// [`Refused::NotFound`], or what is wrong with the archive.
    pub async fn write(
        &self,
        container: &LocalContainer,
        path: &str,
        keep_kinds: bool,
        archive: Incoming,
    ) -> std::result::Result<(), Refused> {
        let root = self.root(container, true).await?;
        let spec = container.task.spec.container_spec.as_ref();
        if spec.and_then(|spec| spec.read_only) == Some(true)
            && !matches!(container.state, LocalState::Running)
        {
            return Err(Refused::Forbidden(
                "container rootfs is marked read-only".to_owned(),
            ));
        }
        let into = PathBuf::from(path);
        let bridge = SyncIoBridge::new(StreamReader::new(archive.map_err(Error::other)));
        let done = tokio::task::spawn_blocking(move || unpack(&root, &into, keep_kinds, bridge)).await;
        let done = done.map_err(|error| Refused::Failed(error.to_string()))?;
        done.map_err(missing(container, path))?;
        self.tell(container, "extract-to-dir", &[]);
        Ok(())
    }

    /// What a container changed of its root.
    ///
    /// # Errors
    /// If its layers can't be read.
    pub async fn changes(
        &self,
        container: &LocalContainer,
    ) -> std::result::Result<Vec<LocalChange>, Refused> {
        let layers = self.layers(&container.id).await?;
        let compared = tokio::task::spawn_blocking(move || {
            let lower: Result<Vec<Root>> = layers
                .lower
                .iter()
                .map(|layer| Root::at(Path::new(layer), None))
                .collect();
            changed(&Root::at(Path::new(&layers.upper), None)?, &lower?)
        });
        Ok(compared
            .await
            .map_err(|error| Refused::Failed(error.to_string()))??)
    }
}

fn missing<'a>(container: &'a LocalContainer, path: &'a str) -> impl Fn(Error) -> Refused + 'a {
    move |error| match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => Refused::NotFound(format!(
            "Could not find the file {path} in container {}",
            container.task.name()
        )),
        ErrorKind::InvalidInput | ErrorKind::InvalidData => Refused::Invalid(error.to_string()),
        _ => error.into(),
    }
}

fn look(root: &Root, path: &str) -> Result<LocalPath> {
    if path.is_empty() || path.contains('\0') {
        return Err(invalid("a path is needed".to_owned()));
    }
    // A slash or a dot at the end means the folder that a link leads to.
    let through = path.ends_with('/') || path.ends_with("/.");
    let (meta, link) = if through {
        (std::fs::metadata(root.folder(Path::new(path))?.path())?, None)
    } else {
        root.look(Path::new(path))?
    };
    let name = Path::new(path)
        .file_name()
        .map_or_else(|| "/".to_owned(), |name| name.to_string_lossy().into_owned());
    Ok(LocalPath {
        name,
        size: meta.len(),
        mode: go_mode(&meta),
        modified: Timestamp::new(meta.mtime(), i32::try_from(meta.mtime_nsec()).unwrap_or(0))
            .unwrap_or_default(),
        link: link
            .map(|link| link.to_string_lossy().into_owned())
            .unwrap_or_default(),
    })
}

/// Runs `work` in a thread of its own; what it writes is the stream.
fn packed(work: impl FnOnce(&mut dyn Write) -> Result<()> + Send + 'static) -> Incoming {
    let (out, pieces) = mpsc::channel(4);
    tokio::task::spawn_blocking(move || {
        let mut writer = Pieces {
            out,
            pending: Vec::with_capacity(PIECE),
        };
        let done = work(&mut writer).and_then(|()| writer.flush());
        if let Err(error) = done {
            let _ = writer.out.blocking_send(Err(error.to_string()));
        }
    });
    Box::pin(ReceiverStream::new(pieces))
}

struct Pieces {
    out: mpsc::Sender<std::result::Result<Bytes, String>>,
    pending: Vec<u8>,
}

impl Write for Pieces {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        self.pending.extend_from_slice(bytes);
        if self.pending.len() >= PIECE {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<()> {
        let piece = std::mem::replace(&mut self.pending, Vec::with_capacity(PIECE));
        let sent = self.out.blocking_send(Ok(piece.into()));
        sent.map_err(|_| Error::from(ErrorKind::BrokenPipe))
    }
}

/// Packs what is at `from`, named `name` in the archive.
fn pack(root: &Root, from: &Path, name: &Path, out: &mut dyn Write) -> Result<()> {
    let mut archive = tar::Builder::new(out);
    archive.follow_symlinks(false);
    let mut waiting = vec![(from.to_owned(), name.to_owned())];
    while let Some((path, name)) = waiting.pop() {
        let through = path.to_string_lossy().ends_with('/');
        let (meta, link) = if through {
            (std::fs::metadata(root.folder(&path)?.path())?, None)
        } else {
            root.look(&path)?
        };
        let mut header = tar::Header::new_gnu();
        header.set_metadata_in_mode(&meta, tar::HeaderMode::Complete);
        let shown = if name.as_os_str().is_empty() {
            Path::new("./")
        } else {
            name.as_path()
        };
        if let Some(link) = link {
            header.set_size(0);
            archive.append_link(&mut header, shown, link)?;
        } else if meta.is_dir() {
            header.set_size(0);
            archive.append_data(&mut header, shown, std::io::empty())?;
            let folder = root.folder(&path)?;
            if folder.is_kernels() {
                continue;
            }
            for entry in std::fs::read_dir(folder.path())? {
                let entry = entry?.file_name();
                waiting.push((path.join(&entry), name.join(&entry)));
            }
        } else if meta.is_file() {
            let (parent, leaf) = split(&path);
            let leaf = leaf.unwrap_or_default();
            let file = std::fs::File::options()
                .read(true)
                .custom_flags((nix::fcntl::OFlag::O_NOFOLLOW | nix::fcntl::OFlag::O_NONBLOCK).bits())
                .open(root.folder(&parent)?.at(&leaf))?;
            // It may shrink or grow meanwhile: the archive holds as much as its head says.
            let exact = file.chain(std::io::repeat(0)).take(meta.len());
            archive.append_data(&mut header, shown, exact)?;
        } else if !meta.file_type().is_socket() {
            header.set_size(0);
            archive.append_data(&mut header, shown, std::io::empty())?;
        }
    }
    archive.finish()
}

fn unpack(root: &Root, into: &Path, keep_kinds: bool, archive: impl Read) -> Result<()> {
    let into_folder = root.folder(into).map_err(|error| match error.kind() {
        ErrorKind::NotADirectory => invalid("extraction point is not a directory".to_owned()),
        _ => error,
    })?;
    drop(into_folder);
    let mut archive = tar::Archive::new(archive);
    let entries = archive.entries().map_err(|error| invalid(error.to_string()))?;
    for entry in entries {
        let mut entry = entry.map_err(|error| invalid(format!("the archive can't be read: {error}")))?;
        let path = entry.path()?.into_owned();
        if path.components().any(|part| part == Component::ParentDir) {
            return Err(invalid(format!("{} leads out of the archive", path.display())));
        }
        let inside: PathBuf = path
            .components()
            .filter(|part| matches!(part, Component::Normal(_)))
            .collect();
        if inside.as_os_str().is_empty() {
            continue;
        }
        place(root, into, &inside, keep_kinds, &mut entry)?;
    }
    Ok(())
}

/// Puts one entry in its place.
fn place(
    root: &Root,
    into: &Path,
    inside: &Path,
    keep_kinds: bool,
    entry: &mut tar::Entry<'_, impl Read>,
) -> Result<()> {
    let (parent, name) = split(&into.join(inside));
    let folder = root.folder(&parent)?;
    let at = folder.at(&name.unwrap_or_default());
    let kind = entry.header().entry_type();
    let known = std::fs::symlink_metadata(&at).ok();
    if let Some(known) = &known {
        match (known.is_dir(), kind.is_dir()) {
            (true, false) => {
                return Err(invalid(format!(
                    "cannot overwrite directory with non-directory {}",
                    inside.display()
                )));
            }
            (false, true) if keep_kinds => {
                return Err(invalid(format!(
                    "cannot overwrite non-directory {} with directory",
                    inside.display()
                )));
            }
            (true, true) => {}
            (false, _) => std::fs::remove_file(&at)?,
        }
    }
    let mode = std::fs::Permissions::from_mode(entry.header().mode()? & 0o7777);
    match kind {
        tar::EntryType::Directory => {
            if !known.is_some_and(|known| known.is_dir()) {
                std::fs::create_dir(&at)?;
            }
        }
        tar::EntryType::Regular | tar::EntryType::Continuous => {
            let mut file = std::fs::File::options()
                .write(true)
                .create_new(true)
                .mode(0o600)
                .open(&at)?;
            std::io::copy(entry, &mut file)?;
            let modified =
                std::time::UNIX_EPOCH + std::time::Duration::from_secs(entry.header().mtime().unwrap_or(0));
            file.set_modified(modified)?;
        }
        tar::EntryType::Symlink => {
            let target = entry
                .link_name()?
                .ok_or_else(|| invalid("a link without a target".to_owned()))?;
            std::os::unix::fs::symlink(target, &at)?;
        }
        tar::EntryType::Link => {
            let target = entry
                .link_name()?
                .ok_or_else(|| invalid("a link without a target".to_owned()))?;
            let (parent, name) = split(&into.join(target.strip_prefix("/").unwrap_or(&target)));
            std::fs::hard_link(root.folder(&parent)?.at(&name.unwrap_or_default()), &at)?;
            return Ok(());
        }
        _ => {
            return Err(invalid(format!(
                "{} is neither file, folder nor link: not copied",
                inside.display()
            )));
        }
    }
    let number = |id: u64| u32::try_from(id).ok();
    std::os::unix::fs::lchown(&at, number(entry.header().uid()?), number(entry.header().gid()?))?;
    if kind != tar::EntryType::Symlink {
        // Nothing of a stranger's can have come in between: it was made here, in a folder held open, a moment ago.
        std::fs::set_permissions(&at, mode)?;
    }
    Ok(())
}

fn changed(upper: &Root, lower: &[Root]) -> Result<Vec<LocalChange>> {
    let mut all = Vec::new();
    let mut waiting = vec![PathBuf::from("/")];
    while let Some(folder) = waiting.pop() {
        for entry in std::fs::read_dir(upper.folder(&folder)?.path())? {
            let path = folder.join(entry?.file_name());
            let (meta, _) = upper.look(&path)?;
            let was = lower.iter().any(|layer| layer.look(&path).is_ok());
            // The kernel's mark of something that is gone.
            let gone = meta.file_type().is_char_device() && meta.rdev() == 0;
            if meta.is_dir() {
                waiting.push(path.clone());
            }
            let kind = match (gone, was) {
                (true, _) => 2,
                (false, true) => 0,
                (false, false) => 1,
            };
            all.push(LocalChange {
                path: path.to_string_lossy().into_owned(),
                kind,
            });
            if all.len() > MOST_CHANGES {
                return Err(Error::other(format!("more than {MOST_CHANGES} changes")));
            }
        }
    }
    all.sort_by(|one, other| one.path.cmp(&other.path));
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_out_again() {
        let (from, into) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir_all(from.path().join("d/e")).unwrap();
        std::fs::write(from.path().join("d/e/f"), "hello").unwrap();
        std::os::unix::fs::symlink("/nowhere", from.path().join("d/l")).unwrap();
        let root = Root::at(from.path(), None).unwrap();
        let mut bytes = Vec::new();
        pack(&root, Path::new("/d"), Path::new("d"), &mut bytes).unwrap();
        let other = Root::at(into.path(), None).unwrap();
        unpack(&other, Path::new("/"), true, &bytes[..]).unwrap();
        unpack(&other, Path::new("/"), true, &bytes[..]).unwrap();
        assert_eq!(
            std::fs::read_to_string(into.path().join("d/e/f")).unwrap(),
            "hello"
        );
        assert_eq!(
            std::fs::read_link(into.path().join("d/l")).unwrap(),
            Path::new("/nowhere")
        );
        assert!(unpack(&other, Path::new("/none"), true, &bytes[..]).is_err());
    }

    #[test]
    fn an_archive_never_leads_out() {
        let place = tempfile::tempdir().unwrap();
        let inside = place.path().join("inside");
        std::fs::create_dir(&inside).unwrap();
        std::os::unix::fs::symlink("..", inside.join("up")).unwrap();
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(1);
        header.set_mode(0o644);
        header.set_uid(nix::unistd::getuid().as_raw().into());
        header.set_gid(nix::unistd::getgid().as_raw().into());
        archive.append_data(&mut header, "up/escaped", &b"x"[..]).unwrap();
        let bytes = archive.into_inner().unwrap();
        unpack(
            &Root::at(&inside, None).unwrap(),
            Path::new("/"),
            false,
            &bytes[..],
        )
        .unwrap();
        assert!(!place.path().join("escaped").exists());
        assert!(inside.join("escaped").exists());
    }
}
