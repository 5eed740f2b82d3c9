//! The board's pair of keys for encrypted networks. The private one never leaves the board: it is in a file of the board's own
//! and in the kernel. Who removes the file (a board that leaves its cluster does) gets a new pair with the next look.

use std::{
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};

use model::{Hidden, WireguardKey};
use rand::Rng as _;
use tokio::sync::Mutex;
use x25519_dalek::{PublicKey, StaticSecret};

use crate::Error;

/// A pair of keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pair {
    /// The private one.
    pub private: Hidden<[u8; 32]>,
    /// The public one.
    pub public: WireguardKey,
}

impl Pair {
    fn of(private: [u8; 32]) -> Self {
        let public = PublicKey::from(&StaticSecret::from(private));
        Pair {
            private: Hidden::new(private),
            public: WireguardKey(public.to_bytes()),
        }
    }
}

/// Where the board's pair of keys is. Copies look at the same one.
#[derive(Clone)]
pub struct Keys {
    path: PathBuf,
    /// Seen last; held while a new one is made, so that two who look at once see the same.
    seen: Arc<Mutex<Option<Pair>>>,
}

impl Keys {
    /// Those in the file at `path`.
    pub fn at(path: PathBuf) -> Self {
        Keys {
            path,
            seen: Arc::default(),
        }
    }

    /// The pair in the file. One is made if there is none, or what is there is no key: other boards will be told of it.
    ///
    /// # Errors
    /// [`Error::Kernel`] if the file can't be read or written.
    pub async fn pair(&self) -> Result<Pair, Error> {
        let mut seen = self.seen.lock().await;
        let there = match tokio::fs::read(&self.path).await {
            Ok(bytes) => <[u8; 32]>::try_from(bytes).ok(),
            Err(error) if error.kind() == ErrorKind::NotFound => None,
            Err(error) => return Err(Error::kernel("reading", self.path.display())(error)),
        };
        if let (Some(pair), Some(private)) = (&*seen, &there)
            && pair.private.reveal() == private
        {
            return Ok(pair.clone());
        }
        let private = match there {
            Some(private) => private,
            None => self.make()?,
        };
        let pair = Pair::of(private);
        *seen = Some(pair.clone());
        Ok(pair)
    }

    fn make(&self) -> Result<[u8; 32], Error> {
        let mut private = [0; 32];
        rand::rng().fill_bytes(&mut private);
        write(&self.path, &private).map_err(Error::kernel("writing", self.path.display()))?;
        tracing::info!("this board has a new key for encrypted networks");
        Ok(private)
    }
}

/// Replaces a file that only root reads; after a power cut there is the old one or the new one.
fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let unfinished = path.with_extension("new");
    // What a crash left may have other rights.
    match std::fs::remove_file(&unfinished) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = std::fs::OpenOptions::new();
    let mut file = options
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&unfinished)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_public_key_is_that_of_rfc_7748() {
        // Section 5.2: nine times nine, once.
        let mut nine = [0; 32];
        nine[0] = 9;
        let pair = Pair::of(nine);
        let hex: String = pair.public.0.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"
        );
        assert!(format!("{pair:?}").contains("(hidden)"));
    }

    #[tokio::test]
    async fn a_pair_is_made_once_and_anew_when_it_is_gone_or_torn() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("wireguard.key");
        let keys = Keys::at(path.clone());
        let (first, at_once) = tokio::join!(keys.pair(), keys.pair());
        let first = first.unwrap();
        assert_eq!(at_once.unwrap(), first);
        assert_eq!(
            std::fs::metadata(&path).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert_eq!(Keys::at(path.clone()).pair().await.unwrap(), first);
        std::fs::write(&path, b"torn").unwrap();
        let second = keys.pair().await.unwrap();
        assert_ne!(second, first);
        std::fs::remove_file(&path).unwrap();
        assert_ne!(keys.pair().await.unwrap(), second);
    }
}
