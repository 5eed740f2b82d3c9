//! A container's root file system, never left: whatever links a stranger's files hold, the kernel resolves every path as if
//! the container's root were the only one (openat2 with RESOLVE_IN_ROOT).

use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::fs::Metadata;
use std::io::{Error, ErrorKind, Result};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

/// File systems of the kernel's own: there is nothing in them to copy.
const KERNELS: [u32; 6] = [0x9fa0, 0x6265_6572, 0x27_e0eb, 0x6367_7270, 0x1cd1, 0x1980_0202];

/// A root file system.
pub(super) struct Root {
    fd: OwnedFd,
    mounted: Option<PathBuf>,
}

impl Drop for Root {
    fn drop(&mut self) {
        if let Some(place) = &self.mounted {
            let _ = umount2(place, MntFlags::MNT_DETACH);
            let _ = std::fs::remove_dir(place);
        }
    }
}

/// A folder in it, held open.
pub(super) struct Folder(OwnedFd);

impl Folder {
    /// Where a name in it is found: one step from the open folder, with no link in between.
    pub fn at(&self, name: &std::ffi::OsStr) -> PathBuf {
        self.path().join(name)
    }

    pub fn path(&self) -> PathBuf {
        format!("/proc/self/fd/{}", self.0.as_raw_fd()).into()
    }

    /// True of a file system of the kernel's own.
    pub fn is_kernels(&self) -> bool {
        let kind = nix::sys::statfs::fstatfs(&self.0).map(|stat| stat.filesystem_type());
        kind.is_ok_and(|kind| {
            KERNELS
                .iter()
                .any(|known| nix::sys::statfs::FsType(known.cast_signed().into()) == kind)
        })
    }
}

impl Root {
    /// What a running process sees, mounts included.
    pub fn of_process(pid: u32) -> Result<Self> {
        Self::at(Path::new(&format!("/proc/{pid}/root")), None)
    }

    /// A folder of the board as a root.
    pub fn at(place: &Path, mounted: Option<PathBuf>) -> Result<Self> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        let fd = nix::fcntl::open(place, flags, nix::sys::stat::Mode::empty())?;
        Ok(Self { fd, mounted })
    }

    /// Layers put together at a place of their own for as long as this lives; read only unless there is a `work` folder.
    pub fn of_layers(place: PathBuf, lower: &[String], upper: &str, work: Option<&str>) -> Result<Self> {
        if lower.is_empty() {
            return Self::at(Path::new(upper), None);
        }
        std::fs::create_dir_all(&place)?;
        let (options, flags) = match work {
            Some(work) => (
                format!("lowerdir={},upperdir={upper},workdir={work}", lower.join(":")),
                MsFlags::empty(),
            ),
            None => (
                format!("lowerdir={upper}:{}", lower.join(":")),
                MsFlags::MS_RDONLY,
            ),
        };
        mount(
            Some("overlay"),
            &place,
            Some("overlay"),
            flags,
            Some(options.as_str()),
        )?;
        Self::at(&place.clone(), Some(place))
    }

    fn open(&self, path: &Path, flags: OFlag) -> Result<OwnedFd> {
        let how = OpenHow::new()
            .flags(flags | OFlag::O_CLOEXEC)
            .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
        let path = if path.as_os_str().is_empty() {
            Path::new("/")
        } else {
            path
        };
        Ok(openat2(&self.fd, path, how)?)
    }

    /// A folder, links followed.
    pub fn folder(&self, path: &Path) -> Result<Folder> {
        Ok(Folder(self.open(path, OFlag::O_RDONLY | OFlag::O_DIRECTORY)?))
    }

    /// What is at a path, and where its link leads if it is one; a last link is not followed.
    pub fn look(&self, path: &Path) -> Result<(Metadata, Option<PathBuf>)> {
        let (parent, Some(name)) = split(path) else {
            let root = self.folder(Path::new("/"))?;
            return Ok((std::fs::metadata(root.path())?, None));
        };
        let parent = self.folder(&parent)?;
        let at = parent.at(&name);
        let meta = std::fs::symlink_metadata(&at)?;
        let link = if meta.is_symlink() {
            Some(std::fs::read_link(&at)?)
        } else {
            None
        };
        Ok((meta, link))
    }
}

/// A path's folder and last name; none of the root's.
pub(super) fn split(path: &Path) -> (PathBuf, Option<std::ffi::OsString>) {
    let name = path.file_name().map(std::ffi::OsStr::to_owned);
    let parent = path.parent().unwrap_or(Path::new("/")).to_owned();
    match name {
        // `..` at the end names a folder, not an entry.
        None if path.components().next_back() == Some(std::path::Component::ParentDir) => {
            (path.to_owned(), Some(".".into()))
        }
        name => (parent, name),
    }
}

/// A mode as Go's `os.FileMode` writes it.
pub(super) fn go_mode(meta: &Metadata) -> u32 {
    use std::os::unix::fs::FileTypeExt as _;
    let (mode, kind) = (meta.mode(), meta.file_type());
    let bit = |is: bool, bit: u32| if is { 1u32 << bit } else { 0 };
    mode & 0o777
        | bit(kind.is_dir(), 31)
        | bit(kind.is_symlink(), 27)
        | bit(kind.is_block_device() || kind.is_char_device(), 26)
        | bit(kind.is_fifo(), 25)
        | bit(kind.is_socket(), 24)
        | bit(mode & 0o4000 != 0, 23)
        | bit(mode & 0o2000 != 0, 22)
        | bit(kind.is_char_device(), 21)
        | bit(mode & 0o1000 != 0, 20)
}

/// An error of a path that holds what it may not.
pub(super) fn invalid(text: String) -> Error {
    Error::new(ErrorKind::InvalidInput, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_never_lead_out() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir_all(at("inside/etc")).unwrap();
        std::fs::write(at("inside/etc/passwd"), "inside").unwrap();
        std::fs::write(at("outside"), "outside").unwrap();
        std::os::unix::fs::symlink("/etc", at("inside/absolute")).unwrap();
        std::os::unix::fs::symlink("../../..", at("inside/etc/up")).unwrap();
        let root = Root::at(&at("inside"), None).unwrap();
        let read = |path: &str| {
            let (parent, name) = split(Path::new(path));
            std::fs::read_to_string(root.folder(&parent)?.at(&name.unwrap()))
        };
        assert_eq!(read("/absolute/passwd").unwrap(), "inside");
        assert_eq!(read("/etc/up/etc/passwd").unwrap(), "inside");
        assert!(read("/../outside").is_err());
        assert!(read("/etc/up/outside").is_err());
        let (meta, link) = root.look(Path::new("/absolute")).unwrap();
        assert_eq!((go_mode(&meta) >> 27, link), (1, Some("/etc".into())));
        assert!(root.look(Path::new("/")).unwrap().0.is_dir());
    }
}
