//! Keys at rest that open only with a key that a person keeps: autolock.
//!
//! The files are sealed with a key of their own, the [`Lock`], and that alone is sealed with the person's [`UnlockKey`], in
//! one file: so a new unlock key is one atomic write, and a power cut never leaves two files under two keys.

use std::path::Path;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::files::{read_if_there, write_atomic};
use crate::secret::random;
use crate::{Error, Sealer};

const PREFIX: &str = "SWMKEY-1-";
/// What a sealed file begins with. Keys in PEM and random keys do not.
const MARK: &[u8] = b"bramble locked file 1\n";

/// What a person keeps: `SWMKEY-1-…`, as in Swarm. It does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct UnlockKey([u8; 32]);

impl UnlockKey {
    /// A new one.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        random().map(Self)
    }

    /// As a person types it.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PREFIX}{}", STANDARD_NO_PAD.encode(self.0))
    }
}

impl std::fmt::Debug for UnlockKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UnlockKey(…)")
    }
}

impl FromStr for UnlockKey {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let key = text
            .trim()
            .strip_prefix(PREFIX)
            .and_then(|rest| STANDARD_NO_PAD.decode(rest).ok());
        let key = key.and_then(|key| key.try_into().ok()).ok_or(Error::UnlockKey)?;
        Ok(Self(key))
    }
}

/// What seals a board's keys while managers are locked. It does not print.
#[derive(Clone)]
pub struct Lock([u8; 32]);

impl std::fmt::Debug for Lock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lock(…)")
    }
}

impl Lock {
    const PLACE: &'static [u8] = b"lock";

    /// A new one.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        random().map(Self)
    }

    /// Saves it so that it opens with `key`, in the place of one that opened with another.
    ///
    /// # Errors
    /// [`Error::Random`] and [`Error::File`].
    pub fn save(&self, path: &Path, key: &UnlockKey) -> Result<(), Error> {
        let sealed = Sealer::new(key.0).seal(Self::PLACE, &self.0)?;
        write_atomic(path, &sealed, 0o600)
    }

    /// Opens a saved one; none if there is none.
    ///
    /// # Errors
    /// [`Error::Sealed`] if the key is another; [`Error::File`].
    pub fn open(path: &Path, key: &UnlockKey) -> Result<Option<Self>, Error> {
        let Some(sealed) = read_if_there(path)? else {
            return Ok(None);
        };
        let lock = Sealer::new(key.0).open(Self::PLACE, &sealed)?;
        lock.try_into()
            .map(|lock| Some(Self(lock)))
            .map_err(|_| Error::Sealed)
    }
}

/// Whether a file is sealed by a [`Lock`].
///
/// # Errors
/// [`Error::File`].
pub fn is_locked(path: &Path) -> Result<bool, Error> {
    Ok(read_if_there(path)?.is_some_and(|content| content.starts_with(MARK)))
}

/// A file's content, opened if it is sealed; none if there is no file.
///
/// # Errors
/// [`Error::Locked`] if it is sealed and there is no lock; [`Error::Sealed`] if it is another's; [`Error::File`].
pub(crate) fn read(path: &Path, lock: Option<&Lock>) -> Result<Option<Vec<u8>>, Error> {
    let Some(content) = read_if_there(path)? else {
        return Ok(None);
    };
    let Some(sealed) = content.strip_prefix(MARK) else {
        return Ok(Some(content));
    };
    let lock = lock.ok_or(Error::Locked)?;
    Sealer::new(lock.0).open(&place(path), sealed).map(Some)
}

/// Writes a file for its owner only, sealed if there is a lock.
///
/// # Errors
/// [`Error::Random`] and [`Error::File`].
pub(crate) fn write(path: &Path, content: &[u8], lock: Option<&Lock>) -> Result<(), Error> {
    match lock {
        None => write_atomic(path, content, 0o600),
        Some(lock) => {
            let sealed = Sealer::new(lock.0).seal(&place(path), content)?;
            write_atomic(path, &[MARK, &sealed].concat(), 0o600)
        }
    }
}

/// A file does not open in the place of another.
fn place(path: &Path) -> Vec<u8> {
    path.file_name()
        .map(|name| name.as_encoded_bytes().to_vec())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_locked_file_opens_with_the_lock_and_the_lock_with_the_newest_key() {
        let folder = tempfile::tempdir().unwrap();
        let (file, at) = (folder.path().join("node.key"), folder.path().join("lock"));
        let (lock, first) = (Lock::generate().unwrap(), UnlockKey::generate().unwrap());
        lock.save(&at, &first).unwrap();
        write(&file, b"secret", Some(&lock)).unwrap();
        assert!(is_locked(&file).unwrap());
        assert!(matches!(read(&file, None), Err(Error::Locked)));

        let second: UnlockKey = UnlockKey::generate().unwrap().reveal().parse().unwrap();
        lock.save(&at, &second).unwrap();
        assert!(matches!(Lock::open(&at, &first), Err(Error::Sealed)));
        let opened = Lock::open(&at, &second).unwrap().unwrap();
        assert_eq!(read(&file, Some(&opened)).unwrap().unwrap(), b"secret");
        std::fs::rename(&file, folder.path().join("seal.key")).unwrap();
        assert!(read(&folder.path().join("seal.key"), Some(&opened)).is_err());

        write(&file, b"secret", None).unwrap();
        assert!(!is_locked(&file).unwrap());
        assert_eq!(read(&file, Some(&opened)).unwrap().unwrap(), b"secret");
    }

    #[test]
    fn what_is_no_key_is_refused() {
        for text in ["", "SWMKEY-1-", "SWMKEY-1-bad", "SWMTKN-1-a-b"] {
            assert!(matches!(text.parse::<UnlockKey>(), Err(Error::UnlockKey)));
        }
        let key = UnlockKey::generate().unwrap();
        assert_eq!(key.reveal().len(), PREFIX.len() + 43);
        assert!(!format!("{key:?}").contains(&key.reveal()));
    }
}
