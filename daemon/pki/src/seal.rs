//! Data at rest that nobody reads or changes without the key: ChaCha20-Poly1305 with a random nonce.
//!
//! Sealed: one version byte, 12 bytes of nonce, the ciphertext, 16 bytes of tag. Random nonces are safe for 2^32
//! seals with one key, which is a write every tenth of a second for thirteen years.

use std::path::Path;

use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};

use crate::Error;
use crate::lock::{self, Lock};
use crate::secret::random;

const VERSION: u8 = 1;
const HEAD: usize = 1 + NONCE_LEN;
/// How many bytes sealing adds.
pub const OVERHEAD: usize = HEAD + 16;

/// Seals and opens with one key. It does not print.
#[derive(Clone)]
pub struct Sealer(LessSafeKey);

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer(…)")
    }
}

impl Sealer {
    /// A sealer with this key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        // Fails only for a key of the wrong length, and this one has the right one.
        #[allow(clippy::unwrap_used)]
        Self(LessSafeKey::new(
            UnboundKey::new(&CHACHA20_POLY1305, &key).unwrap(),
        ))
    }

    /// Reads the key from a file, or makes one and saves it there (0600, whole or not at all), sealed if there is a lock.
    ///
    /// # Errors
    /// [`Error::Locked`], [`Error::File`]; [`Error::Unusable`] if the file is not a key. A damaged key is never replaced: what it
    /// sealed would be lost.
    pub fn load_or_create(path: &Path, lock: Option<&Lock>) -> Result<Self, Error> {
        if let Some(content) = lock::read(path, lock)? {
            let key = content.try_into().map_err(|content: Vec<u8>| {
                Error::unusable(
                    "the sealing key",
                    format!("{} has {} bytes, not 32", path.display(), content.len()),
                )
            })?;
            return Ok(Self::new(key));
        }
        let key = random()?;
        lock::write(path, &key, lock)?;
        Ok(Self::new(key))
    }

    /// Writes the key in a file anew: opened with one lock if it is sealed, sealed with the other. It is no error if there is
    /// none.
    ///
    /// # Errors
    /// As [`Sealer::load_or_create`].
    pub fn rewrite(path: &Path, from: Option<&Lock>, to: Option<&Lock>) -> Result<(), Error> {
        match lock::read(path, from)? {
            Some(key) => lock::write(path, &key, to),
            None => Ok(()),
        }
    }

    /// Seals `plaintext` for the place that `aad` names: it opens only with the same `aad`.
    ///
    /// # Errors
    /// [`Error::Random`].
    pub fn seal(&self, aad: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, Error> {
        let nonce: [u8; NONCE_LEN] = random()?;
        let mut sealed = Vec::with_capacity(plaintext.len() + OVERHEAD);
        sealed.push(VERSION);
        sealed.extend(nonce);
        sealed.extend(plaintext);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let tag = self
            .0
            .seal_in_place_separate_tag(nonce, Aad::from(aad), &mut sealed[HEAD..])
            .map_err(|_| Error::Sealed)?;
        sealed.extend(tag.as_ref());
        Ok(sealed)
    }

    /// Opens what [`Sealer::seal`] made.
    ///
    /// # Errors
    /// [`Error::Sealed`] if a single bit is different, or the `aad` or the key is another.
    pub fn open(&self, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let [VERSION, rest @ ..] = sealed else {
            return Err(Error::Sealed);
        };
        let (nonce, rest) = rest.split_at_checked(NONCE_LEN).ok_or(Error::Sealed)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| Error::Sealed)?;
        let mut content = rest.to_vec();
        let length = self
            .0
            .open_in_place(nonce, Aad::from(aad), &mut content)
            .map_err(|_| Error::Sealed)?
            .len();
        content.truncate(length);
        Ok(content)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_was_sealed_opens_and_nothing_else(
            plaintext in prop::collection::vec(any::<u8>(), 0..200),
            aad in prop::collection::vec(any::<u8>(), 0..20),
            at: prop::sample::Index,
            flip in 1_u8..=255,
        ) {
            let sealer = Sealer::new([3; 32]);
            let sealed = sealer.seal(&aad, &plaintext).unwrap();
            prop_assert_eq!(sealed.len(), plaintext.len() + OVERHEAD);
            prop_assert_eq!(&sealer.open(&aad, &sealed).unwrap(), &plaintext);

            let mut changed = sealed.clone();
            let at = at.index(changed.len());
            changed[at] ^= flip;
            prop_assert!(sealer.open(&aad, &changed).is_err());
            prop_assert!(sealer.open(&aad, &sealed[..at]).is_err());
            prop_assert!(sealer.open(b"another place, longer than any", &sealed).is_err());
            prop_assert!(Sealer::new([4; 32]).open(&aad, &sealed).is_err());
        }
    }

    #[test]
    fn the_key_file_is_private_and_made_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        let sealed = Sealer::load_or_create(&path, None)
            .unwrap()
            .seal(b"log 1", b"content")
            .unwrap();
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(
            Sealer::load_or_create(&path, None)
                .unwrap()
                .open(b"log 1", &sealed)
                .unwrap(),
            b"content"
        );
    }

    #[test]
    fn a_damaged_key_is_reported_and_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seal.key");
        std::fs::write(&path, b"short").unwrap();
        assert!(matches!(
            Sealer::load_or_create(&path, None),
            Err(Error::Unusable { .. })
        ));
        assert_eq!(std::fs::read(&path).unwrap(), b"short");
    }
}
