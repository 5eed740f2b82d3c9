//! Changing which slot starts: one sector of a FAT file, overwritten in place.

use crate::autoboot::{self, Autoboot};
use crate::{Error, Paths, Slot};
use nix::fcntl::{Flock, FlockArg};
use nix::mount::{MsFlags, mount};
use nix::sys::statvfs::{FsFlags, statvfs};
use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// What `autoboot.txt` says; if there is none, A starts and that is a problem.
pub fn read(paths: &Paths) -> Autoboot {
    let mut text = Vec::new();
    // One more than counts, to notice a file that is too long.
    let most = autoboot::SECTOR as u64 + 1;
    match File::open(paths.autoboot()).and_then(|file| file.take(most).read_to_end(&mut text)) {
        Ok(_) => autoboot::read(&text),
        Err(error) => Autoboot {
            usual: Slot::A,
            problem: Some(format!("autoboot.txt: {error}")),
        },
    }
}

/// Makes a slot the one that starts. A power cut meanwhile leaves the old slot or the new one, never neither: the file keeps
/// its length and is one sector.
///
/// # Errors
/// If the card can't be written, or says something else when it is read again.
pub fn set_usual(paths: &Paths, slot: Slot) -> Result<(), Error> {
    if read(paths)
        == (Autoboot {
            usual: slot,
            problem: None,
        })
    {
        return Ok(());
    }
    let path = paths.autoboot();
    let failed = |source| Error::File {
        what: "writing",
        path: path.clone(),
        source,
    };
    // One at a time: the card's settings are changed under the same lock, and both open and close the partition.
    let held = File::open(paths.firmware()).map_err(failed)?;
    let _held = Flock::lock(held, FlockArg::LockExclusive).map_err(|(_, errno)| failed(errno.into()))?;
    let was_read_only = match write(&path, slot) {
        Err(error) if error.kind() == ErrorKind::ReadOnlyFilesystem => {
            remount(&paths.firmware(), false)?;
            let written = write(&path, slot);
            // Whatever came of it, the card is not to stay open.
            remount(&paths.firmware(), true)?;
            written.map_err(failed)?;
            true
        }
        other => other.map(|()| false).map_err(failed)?,
    };
    tracing::info!(%slot, was_read_only, "another slot starts from now on");
    let now = read(paths);
    if now.usual != slot || now.problem.is_some() {
        return Err(Error::Program(format!(
            "autoboot.txt does not say slot {slot} after it was written: the card may be worn out ({})",
            now.problem.unwrap_or_else(|| format!("it says {}", now.usual))
        )));
    }
    Ok(())
}

fn write(path: &Path, slot: Slot) -> std::io::Result<()> {
    let mut file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .custom_flags(nix::libc::O_SYNC)
        .open(path)?;
    let length = file.metadata()?.len();
    let text = autoboot::over(slot, length);
    file.seek(SeekFrom::Start(0))?;
    file.write_all(&text)?;
    if length > text.len() as u64 {
        // Longer than the firmware reads: it was no good before.
        file.set_len(text.len() as u64)?;
    }
    file.sync_all()
}

/// Opens or closes the firmware's partition for writing; its other mount flags stay.
fn remount(folder: &Path, read_only: bool) -> Result<(), Error> {
    let what = if read_only {
        "closing for writing"
    } else {
        "opening for writing"
    };
    let failed = |errno: nix::Error| Error::File {
        what,
        path: folder.to_owned(),
        source: errno.into(),
    };
    let now = statvfs(folder).map_err(failed)?.flags();
    let mut flags = MsFlags::MS_REMOUNT;
    flags.set(MsFlags::MS_RDONLY, read_only);
    for (set, flag) in [
        (FsFlags::ST_NOSUID, MsFlags::MS_NOSUID),
        (FsFlags::ST_NODEV, MsFlags::MS_NODEV),
        (FsFlags::ST_NOEXEC, MsFlags::MS_NOEXEC),
        (FsFlags::ST_NOATIME, MsFlags::MS_NOATIME),
        (FsFlags::ST_SYNCHRONOUS, MsFlags::MS_SYNCHRONOUS),
    ] {
        flags.set(flag, now.contains(set));
    }
    mount(None::<&str>, folder, None::<&str>, flags, None::<&str>).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn card(text: Option<&str>) -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        let paths = Paths::below(dir.path());
        std::fs::create_dir_all(paths.firmware()).unwrap();
        if let Some(text) = text {
            std::fs::write(paths.autoboot(), text).unwrap();
        }
        (dir, paths)
    }

    #[test]
    fn the_file_is_overwritten_where_it_is() {
        use std::os::unix::fs::MetadataExt as _;
        let (_dir, paths) = card(Some(&autoboot::render(Slot::A)));
        let before = std::fs::metadata(paths.autoboot()).unwrap();
        set_usual(&paths, Slot::B).unwrap();
        let after = std::fs::metadata(paths.autoboot()).unwrap();
        assert_eq!((before.ino(), before.len()), (after.ino(), after.len()));
        assert_eq!(read(&paths).usual, Slot::B);
        set_usual(&paths, Slot::A).unwrap();
        assert_eq!(read(&paths).usual, Slot::A);
    }

    #[test]
    fn a_card_without_the_file_starts_a_and_can_be_mended() {
        for text in [None, Some("rubbish"), Some(&"x".repeat(700))] {
            let (_dir, paths) = card(text);
            let said = read(&paths);
            assert_eq!(said.usual, Slot::A);
            assert!(said.problem.is_some());
            set_usual(&paths, Slot::B).unwrap();
            let mended = Autoboot {
                usual: Slot::B,
                problem: None,
            };
            assert_eq!(read(&paths), mended);
        }
    }

    #[test]
    fn a_card_that_can_t_be_written_is_named() {
        let paths = Paths::below("/nonexistent");
        let error = set_usual(&paths, Slot::B).unwrap_err().to_string();
        assert!(error.contains("boot/firmware/autoboot.txt"), "{error}");
    }
}
