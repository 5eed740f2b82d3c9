//! A new volume gets what the image has in its place, with owners, permissions and times.

use containerd_client::types::Mount;
use nix::fcntl::{AtFlags, OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sys::stat::{Mode, SFlag, UtimensatFlags, mknod, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat};
use std::fs::Metadata;
use std::io::Result;
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// A container's root file system, to be looked at before it is started.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image {
    /// How containerd would mount it.
    pub mounts: Vec<Mount>,
    /// Where it can be mounted for the moment.
    pub place: PathBuf,
}

/// One that is mounted: until it is dropped.
pub(super) struct View {
    place: PathBuf,
    mounted: usize,
}

impl Image {
    pub(super) fn open(&self) -> Result<View> {
        // What a crash left.
        while umount2(&self.place, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW).is_ok() {}
        std::fs::create_dir_all(&self.place)?;
        let mut view = View {
            place: self.place.clone(),
            mounted: 0,
        };
        for one in &self.mounts {
            let words = one.options.iter().map(String::as_str);
            let data: Vec<&str> = words
                .filter(|word| !matches!(*word, "rbind" | "bind" | "rw" | "ro"))
                .collect();
            let flags = match one.r#type.as_str() {
                "bind" => MsFlags::MS_BIND | MsFlags::MS_REC,
                _ => MsFlags::MS_RDONLY,
            };
            let (source, kind) = (Some(one.source.as_str()), Some(one.r#type.as_str()));
            mount(source, &view.place, kind, flags, Some(data.join(",").as_str()))?;
            view.mounted += 1;
        }
        Ok(view)
    }
}

impl Drop for View {
    fn drop(&mut self) {
        for _ in 0..self.mounted {
            let _ = umount2(&self.place, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW);
        }
        let _ = std::fs::remove_dir(&self.place);
    }
}

impl View {
    /// Copies what the image has at `path`, if it is a folder, into the folder `to`, which gets its owner and permissions too.
    pub fn copy(&self, path: &str, to: &Path) -> Result<()> {
        let Some(folder) = self.open(path) else {
            return Ok(());
        };
        // The way to an open folder, whatever links led to it.
        let from = PathBuf::from(format!("/proc/self/fd/{}/", folder.as_raw_fd()));
        let facts = std::fs::metadata(&from)?;
        let mut folders = vec![(from, to.to_owned(), facts)];
        let mut done = 0;
        while let Some((from, to, _)) = folders.get(done).cloned() {
            done += 1;
            for entry in std::fs::read_dir(&from)? {
                let entry = entry?;
                let (source, target) = (entry.path(), to.join(entry.file_name()));
                let facts = entry.metadata()?;
                if facts.is_dir() {
                    make_folder(&target)?;
                    folders.push((source, target, facts));
                } else {
                    copy_one(&source, &target, &facts)?;
                }
            }
        }
        // Innermost first: times of a folder change with what is put into it.
        folders
            .iter()
            .rev()
            .try_for_each(|(_, to, facts)| dress(to, facts))
    }

    /// A folder of the image; links in it mean places in it, never the board's.
    fn open(&self, path: &str) -> Option<OwnedFd> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let root = nix::fcntl::open(&self.place, flags, Mode::empty()).ok()?;
        let how = OpenHow::new()
            .flags(flags)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        openat2(&root, path, how).ok()
    }
}

fn make_folder(path: &Path) -> Result<()> {
    match std::fs::create_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        made => made,
    }
}

fn copy_one(from: &Path, to: &Path, facts: &Metadata) -> Result<()> {
    // What a copy that was cut off left.
    if let Err(error) = std::fs::remove_file(to)
        && error.kind() != std::io::ErrorKind::NotFound
    {
        return Err(error);
    }
    let kind = facts.file_type();
    let special = if kind.is_fifo() {
        SFlag::S_IFIFO
    } else if kind.is_char_device() {
        SFlag::S_IFCHR
    } else if kind.is_block_device() {
        SFlag::S_IFBLK
    } else if kind.is_symlink() {
        std::os::unix::fs::symlink(std::fs::read_link(from)?, to)?;
        return dress(to, facts);
    } else if kind.is_file() {
        std::fs::copy(from, to)?;
        return dress(to, facts);
    } else {
        // A socket is nothing without its process.
        return Ok(());
    };
    mknod(to, special, Mode::from_bits_truncate(0o600), facts.rdev())?;
    dress(to, facts)
}

/// Owner, then permissions (a change of owner takes set-user-id away), then times.
fn dress(path: &Path, facts: &Metadata) -> Result<()> {
    let (uid, gid) = (Uid::from_raw(facts.uid()), Gid::from_raw(facts.gid()));
    let here = nix::fcntl::AT_FDCWD;
    fchownat(here, path, Some(uid), Some(gid), AtFlags::AT_SYMLINK_NOFOLLOW)?;
    if !facts.is_symlink() {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(facts.mode() & 0o7777))?;
    }
    let accessed = TimeSpec::new(facts.atime(), facts.atime_nsec());
    let changed = TimeSpec::new(facts.mtime(), facts.mtime_nsec());
    utimensat(here, path, &accessed, &changed, UtimensatFlags::NoFollowSymlink)?;
    Ok(())
}

/// What the files in a folder take, in bytes; what can't be read counts nothing.
pub(super) fn size(folder: &Path) -> u64 {
    let (mut folders, mut bytes) = (vec![folder.to_owned()], 0u64);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let Ok(facts) = entry.metadata() else { continue };
            if facts.is_dir() {
                folders.push(entry.path());
            } else {
                bytes += facts.len();
            }
        }
    }
    bytes
}
