//! A bundle on its way in: written to the data partition, bounded by what was announced and by the room there.

use crate::{Error, Paths};
use bytes::Bytes;
use nix::sys::statvfs::statvfs;
use std::path::PathBuf;
use tokio::fs::File;
use tokio::io::AsyncWriteExt as _;

/// What must stay free beside a bundle, in bytes: containers and the cluster's store go on writing.
const SPARE: u64 = 64 << 20;

/// A bundle on its way in. One that stays half is replaced by the next one.
#[derive(Debug)]
pub struct Incoming {
    file: File,
    path: PathBuf,
    announced: Option<u64>,
    most: u64,
    received: u64,
}

impl Incoming {
    /// Makes room for a bundle of the announced size; what an earlier one left behind is removed.
    ///
    /// # Errors
    /// [`Error::Bundle`] if there is not enough room.
    pub async fn begin(paths: &Paths, announced: Option<u64>) -> Result<Self, Error> {
        let (folder, path) = (paths.update(), paths.bundle());
        std::fs::create_dir_all(&folder).map_err(Error::file("making", &folder))?;
        forget(paths);
        let room = statvfs(&folder)
            .map(|room| room.blocks_available().saturating_mul(room.fragment_size()))
            .map_err(|errno| Error::file("looking at", &folder)(errno.into()))?;
        let most = room.saturating_sub(SPARE);
        if announced.is_some_and(|size| size > most) {
            return Err(no_room(announced.unwrap_or_default(), most));
        }
        let file = File::create(&path).await.map_err(Error::file("making", &path))?;
        Ok(Self {
            file,
            path,
            announced,
            most: announced.unwrap_or(most),
            received: 0,
        })
    }

    /// Writes a piece of it.
    ///
    /// # Errors
    /// If it is more than was announced, or than there is room for.
    pub async fn take(&mut self, piece: &Bytes) -> Result<(), Error> {
        self.received += piece.len() as u64;
        if self.received > self.most {
            return Err(match self.announced {
                Some(size) => {
                    Error::Bundle(format!("more than the {size} bytes that were announced came in"))
                }
                None => no_room(self.received, self.most),
            });
        }
        self.file
            .write_all(piece)
            .await
            .map_err(Error::file("writing", &self.path))
    }

    /// All of it came in: it is on the disk when this returns. Its size in bytes.
    ///
    /// # Errors
    /// If less came in than was announced.
    pub async fn finish(mut self) -> Result<u64, Error> {
        if self.received == 0 {
            return Err(Error::Bundle("no bundle came in".to_owned()));
        }
        if let Some(size) = self.announced.filter(|size| *size != self.received) {
            return Err(Error::Bundle(format!(
                "{} of the {size} bytes that were announced came in",
                self.received
            )));
        }
        let flushed = async {
            self.file.flush().await?;
            self.file.sync_all().await
        };
        flushed.await.map_err(Error::file("writing", &self.path))?;
        Ok(self.received)
    }
}

/// Removes a bundle that is not needed (any more).
pub(crate) fn forget(paths: &Paths) {
    let path = paths.bundle();
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            tracing::warn!(path = %path.display(), %error, "an old bundle stays");
        }
        _ => {}
    }
}

fn no_room(size: u64, most: u64) -> Error {
    let mb = |bytes: u64| bytes.div_ceil(1_000_000);
    Error::Bundle(format!(
        "no room for a bundle of {} MB on the data partition, which can take {} MB: remove images that no service uses \
         (docker image prune)",
        mb(size),
        mb(most)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn receive(announced: Option<u64>, pieces: &[&'static [u8]]) -> Result<u64, Error> {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        let mut incoming = Incoming::begin(&paths, announced).await?;
        for piece in pieces {
            incoming.take(&Bytes::from_static(piece)).await?;
        }
        let size = incoming.finish().await?;
        assert_eq!(std::fs::read(paths.bundle()).unwrap(), pieces.concat());
        forget(&paths);
        assert!(!paths.bundle().exists());
        Ok(size)
    }

    #[tokio::test]
    async fn a_bundle_comes_in_whole_or_not_at_all() {
        assert_eq!(receive(Some(6), &[b"abc", b"def"]).await.unwrap(), 6);
        assert_eq!(receive(None, &[b"abc"]).await.unwrap(), 3);
        for (announced, says) in [
            (Some(4), "more than the 4 bytes"),
            (Some(7), "6 of the 7 bytes"),
            (Some(u64::MAX), "no room"),
        ] {
            let error = receive(announced, &[b"abc", b"def"])
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains(says), "{error}");
        }
        assert!(receive(None, &[]).await.is_err());
    }
}
