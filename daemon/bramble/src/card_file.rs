//! The card's file on its FAT partition, which is mounted read-only but for the moment of a change.
//!
//! FAT has no journal. A change is written beside the file, synced, and renamed over it:
//!
//! ```text
//! bramble.toml old                          a power cut here: the old one; a leftover is removed later
//! bramble.toml old, bramble.new written     the same
//! bramble.toml new                          renamed: one sector of the folder
//! ```
//! What FAT may do to this: a cut in the rename can leave both names on the same clusters, or only the new name. So the
//! old file is held open until the folder is synced (its clusters are freed after that, not before), a leftover with the same
//! content is left alone (removing it could free what `bramble.toml` stands on), and without `bramble.toml` the leftover is it.

use anyhow::Context as _;
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// Names of files beside the card's, in the order of their use.
const SPARES: [&str; 4] = ["new", "ne1", "ne2", "ne3"];
/// More than what is read of a card, so that a longer one is seen to be longer.
const MOST: u64 = card::LONGEST as u64 + 1;

/// The card's bytes; none if there is no such file.
///
/// # Errors
/// If it is there and can't be read.
pub fn read(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    match bytes(path)? {
        Some(bytes) => Ok(Some(bytes)),
        None => match leftovers(path).next() {
            Some(spare) => bytes(&spare),
            None => Ok(None),
        },
    }
}

/// Changes the card: `change` gets its text and gives the new one, or none to leave it. True if it was changed.
///
/// # Errors
/// If it can't be read or written; then it is as it was.
pub fn change(path: &Path, change: impl FnOnce(&str) -> Option<String>) -> anyhow::Result<bool> {
    let folder = path.parent().context("the card's file has no folder")?;
    // One at a time: setup and daemon both change it.
    let held = File::open(folder).with_context(|| format!("opening {}", folder.display()))?;
    let _held = Flock::lock(held, FlockArg::LockExclusive)
        .map_err(|(_, error)| error)
        .with_context(|| format!("locking {}", folder.display()))?;
    let old = read(path).with_context(|| format!("reading {}", path.display()))?;
    let Some(new) = old.and_then(|old| change(&String::from_utf8(old).ok()?)) else {
        return Ok(false);
    };
    let _writable = Writable::make(folder)?;
    rewrite(path, new.as_bytes(), usize::MAX).with_context(|| format!("rewriting {}", path.display()))?;
    Ok(true)
}

/// Removes what a power cut left beside the card's file, or makes it the card's file if there is none.
///
/// # Errors
/// If the folder can't be written.
pub fn recover(path: &Path) -> anyhow::Result<()> {
    let Some(folder) = path.parent().filter(|_| leftovers(path).next().is_some()) else {
        return Ok(());
    };
    let (there, first) = (path.exists(), leftovers(path).next());
    if there && leftovers(path).all(|spare| same(path, &spare)) {
        return Ok(());
    }
    let _writable = Writable::make(folder)?;
    if let (false, Some(spare)) = (there, first) {
        fs::rename(&spare, path).with_context(|| format!("renaming {}", spare.display()))?;
    }
    tidy(path).with_context(|| format!("tidying beside {}", path.display()))?;
    File::open(folder)?.sync_all()?;
    Ok(())
}

/// Does the first `steps` of the change, as if the power went then.
fn rewrite(path: &Path, new: &[u8], steps: usize) -> std::io::Result<()> {
    let folder = path.parent().ok_or(ErrorKind::InvalidInput)?;
    tidy(path)?;
    let spare = spares(path)
        .find(|spare| !spare.exists())
        .ok_or(ErrorKind::AlreadyExists)?;
    if steps == 0 {
        return Ok(());
    }
    let mut file = OpenOptions::new().write(true).create_new(true).open(&spare)?;
    if steps == 1 {
        return file.write_all(&new[..new.len() / 2]);
    }
    file.write_all(new)?;
    file.sync_all()?;
    drop(file);
    File::open(folder)?.sync_all()?;
    if steps == 2 {
        return Ok(());
    }
    let old = File::open(path).ok();
    fs::rename(&spare, path)?;
    File::open(folder)?.sync_all()?;
    drop(old);
    Ok(())
}

fn tidy(path: &Path) -> std::io::Result<()> {
    for spare in leftovers(path).filter(|spare| path.exists() && !same(path, spare)) {
        fs::remove_file(spare)?;
    }
    Ok(())
}

fn same(one: &Path, other: &Path) -> bool {
    matches!((bytes(one), bytes(other)), (Ok(Some(one)), Ok(Some(other))) if one == other)
}

fn spares(path: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    SPARES.iter().map(|extension| path.with_extension(extension))
}

fn leftovers(path: &Path) -> impl Iterator<Item = PathBuf> + '_ {
    spares(path).filter(|spare| spare.exists())
}

fn bytes(path: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let mut bytes = Vec::new();
    file.take(MOST).read_to_end(&mut bytes)?;
    Ok(Some(bytes))
}

/// While it lives, the file system can be written; after that it is as it was.
struct Writable(Option<(PathBuf, MsFlags)>);

impl Writable {
    fn make(folder: &Path) -> anyhow::Result<Self> {
        let flags = statvfs(folder)
            .with_context(|| format!("looking at {}", folder.display()))?
            .flags();
        if !flags.contains(FsFlags::ST_RDONLY) {
            return Ok(Self(None));
        }
        let root = mount_point(folder)?;
        let mut keep = MsFlags::MS_REMOUNT;
        for (flag, kept) in [
            (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
            (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
            (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
            (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        ] {
            keep.set(kept, flags.contains(flag));
        }
        remount(&root, keep).with_context(|| format!("making {} writable", root.display()))?;
        Ok(Self(Some((root, keep))))
    }
}

impl Drop for Writable {
    fn drop(&mut self) {
        if let Some((root, flags)) = &self.0
            && let Err(error) = remount(root, *flags | MsFlags::MS_RDONLY)
        {
            tracing::warn!(%error, at = %root.display(), "not made read-only again");
        }
    }
}

fn remount(root: &Path, flags: MsFlags) -> nix::Result<()> {
    mount(None::<&str>, root, None::<&str>, flags, None::<&str>)
}

/// The highest folder on the same file system.
fn mount_point(folder: &Path) -> std::io::Result<PathBuf> {
    let mut at = folder.canonicalize()?;
    let device = fs::metadata(&at)?.dev();
    while let Some(above) = at.parent().map(Path::to_owned) {
        if fs::metadata(&above)?.dev() != device {
            break;
        }
        at = above;
    }
    Ok(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_power_cut_leaves_the_old_card_or_the_new_one() {
        for steps in 0..=3 {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("bramble.toml");
            fs::write(&path, "old card").unwrap();
            rewrite(&path, b"new card, longer", steps).unwrap();
            let found = read(&path).unwrap().unwrap();
            let expected: &[u8] = if steps < 3 {
                b"old card"
            } else {
                b"new card, longer"
            };
            assert_eq!(found, expected, "after {steps} steps");
            recover(&path).unwrap();
            assert_eq!(read(&path).unwrap().unwrap(), found);
            assert_eq!(fs::read_dir(&dir).unwrap().count(), 1, "after {steps} steps");
            // And the next change goes as the first should have.
            assert!(change(&path, |text| Some(format!("{text}!"))).unwrap());
            assert_eq!(read(&path).unwrap().unwrap(), [expected, b"!"].concat());
        }
    }

    #[test]
    fn what_fat_may_leave_of_a_rename() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bramble.toml");
        // Only the new name.
        fs::write(dir.path().join("bramble.new"), "card").unwrap();
        assert_eq!(read(&path).unwrap().unwrap(), b"card");
        recover(&path).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"card");
        // Both names on one content: perhaps on the same clusters, so neither is freed.
        fs::write(dir.path().join("bramble.new"), "card").unwrap();
        recover(&path).unwrap();
        assert!(change(&path, |_| Some("next".to_owned())).unwrap());
        assert_eq!(fs::read(&path).unwrap(), b"next");
    }

    #[test]
    fn a_card_that_is_not_there_is_not_made() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("bramble.toml");
        assert_eq!(read(&path).unwrap(), None);
        assert!(!change(&path, |_| Some("x".to_owned())).unwrap());
        assert!(!path.exists());
    }
}
