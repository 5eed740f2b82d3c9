//! What a bundle says of itself. A RAUC bundle of the format "verity" ends in its signature, which holds the manifest as plain
//! text, and in the signature's length, eight bytes, the highest first (RAUC's reference, "Bundle Formats"). Nothing is believed
//! here: every board checks the signature itself.

use anyhow::{Context as _, bail};
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::Path;

/// Largest signature that is looked into, in bytes: RAUC's own bound.
const LARGEST: u64 = 64 << 10;

/// What a bundle says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Manifest {
    /// Which boards it is for.
    pub compatible: String,
    /// Its version.
    pub version: String,
    /// The bundle's size, in bytes.
    pub size: u64,
}

/// Reads it.
///
/// # Errors
/// If the file can't be read, or is no such bundle.
pub(crate) fn read(path: &Path) -> anyhow::Result<Manifest> {
    let reading = || format!("reading {}", path.display());
    let mut file = File::open(path).with_context(reading)?;
    let size = file.metadata().with_context(reading)?.len();
    let mut length = [0; 8];
    if size < 8 {
        bail!("{} is no bundle: it is too short", path.display());
    }
    file.seek(SeekFrom::Start(size - 8)).with_context(reading)?;
    file.read_exact(&mut length).with_context(reading)?;
    let length = u64::from_be_bytes(length);
    if length == 0 || length > LARGEST || length > size - 8 {
        bail!("{} is no RAUC bundle", path.display());
    }
    file.seek(SeekFrom::Start(size - 8 - length))
        .with_context(reading)?;
    let mut signature = Vec::new();
    file.take(length)
        .read_to_end(&mut signature)
        .with_context(reading)?;
    let (compatible, version) = find(&signature).with_context(|| {
        format!(
            "{}: no manifest with a version in its signature: make it with the format verity and a version (image/bundle does)",
            path.display()
        )
    })?;
    Ok(Manifest {
        compatible,
        version,
        size,
    })
}

/// `compatible` and `version` of a manifest's section `[update]`.
fn find(signature: &[u8]) -> Option<(String, String)> {
    const SECTION: &[u8] = b"[update]";
    let at = signature
        .windows(SECTION.len())
        .position(|bytes| bytes == SECTION)?;
    let (mut compatible, mut version) = (None, None);
    for line in signature[at + SECTION.len()..]
        .split(|byte| *byte == b'\n')
        .skip(1)
    {
        let Ok(line) = std::str::from_utf8(line) else {
            break;
        };
        match line.split_once('=') {
            Some(("compatible", value)) => compatible = Some(value.trim().to_owned()),
            Some(("version", value)) => version = Some(value.trim().to_owned()),
            None if line.starts_with('[') => break,
            _ => {}
        }
    }
    Some((compatible?, version.filter(|version| !version.is_empty())?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle(signature: &[u8]) -> anyhow::Result<Manifest> {
        let file = tempfile::NamedTempFile::new().unwrap();
        let mut all = b"squashfs".to_vec();
        all.extend_from_slice(signature);
        all.extend_from_slice(&(signature.len() as u64).to_be_bytes());
        std::fs::write(file.path(), all).unwrap();
        read(file.path())
    }

    #[test]
    fn the_manifest_is_found_in_the_signature() {
        let manifest = b"\x30\x82\xff[update]\ncompatible=bramble-arm64\nversion=2026.11\n\n[bundle]\nformat=verity\nversion=no\n\xa0\x82";
        let read = bundle(manifest).unwrap();
        assert_eq!(
            (read.compatible.as_str(), read.version.as_str()),
            ("bramble-arm64", "2026.11")
        );
        assert_eq!(read.size, 16 + manifest.len() as u64);
    }

    #[test]
    fn what_is_no_bundle_is_refused_in_words() {
        for (signature, says) in [
            (&b""[..], "no RAUC bundle"),
            (b"\x30\x82 plain format", "verity"),
            (b"[update]\ncompatible=x\n[bundle]\nversion=1\n", "version"),
        ] {
            let error = format!("{:#}", bundle(signature).unwrap_err());
            assert!(error.contains(says), "{error}");
        }
        assert!(read(Path::new("/nonexistent")).is_err());
    }
}
