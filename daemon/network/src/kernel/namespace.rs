//! Network namespaces that live on as bind mounts. Entering one takes a thread of its own, which ends afterwards: the
//! runtime's threads must all stay in the board's namespace.

use std::{
    fs::{self, File},
    io::{self, ErrorKind},
    os::fd::{AsFd, AsRawFd, RawFd},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    sys::statfs::{NSFS_MAGIC, statfs},
};
use tokio::{runtime::Handle, sync::oneshot};

use super::Links;
use crate::Error;

/// An open namespace.
pub struct Namespace {
    /// Its links.
    pub links: Links,
    file: File,
}

impl Namespace {
    /// The descriptor to name it by to netlink.
    pub fn fd(&self) -> RawFd {
        self.file.as_fd().as_raw_fd()
    }
}

/// Opens the namespace mounted at `path`, after making it if it is not there.
///
/// # Errors
/// [`Error::Kernel`] with the step that failed.
pub async fn open(path: &Path) -> Result<Namespace, Error> {
    let path = path.to_owned();
    on_own_thread(move || {
        if exists(&path) {
            let file = enter(&path)?;
            return Ok(Namespace {
                links: Links::open()?,
                file,
            });
        }
        make(&path).map_err(Error::kernel("making namespace", path.display()))?;
        let file = File::open(&path).map_err(Error::kernel("opening namespace", path.display()))?;
        Ok(Namespace {
            links: Links::open()?,
            file,
        })
    })
    .await
}

/// Does blocking work inside the namespace mounted at `path`; sockets opened there stay there, wherever they are used.
///
/// # Errors
/// [`Error::Kernel`] if there is no such namespace, or the work's own.
pub async fn inside<T: Send + 'static>(
    path: &Path,
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let path = path.to_owned();
    on_own_thread(move || {
        enter(&path)?;
        work()
    })
    .await
}

fn enter(path: &Path) -> Result<File, Error> {
    let file = File::open(path).map_err(Error::kernel("opening namespace", path.display()))?;
    setns(&file, CloneFlags::CLONE_NEWNET).map_err(Error::kernel("entering namespace", path.display()))?;
    Ok(file)
}

/// Whether a namespace is mounted at `path`; a plain file there is what a crash left.
pub fn exists(path: &Path) -> bool {
    statfs(path).is_ok_and(|found| found.filesystem_type() == NSFS_MAGIC)
}

/// Unmounts the namespace and removes its file. None there is fine. The namespace itself lives on while a process is in it.
///
/// # Errors
/// [`Error::Kernel`] with the step that failed.
pub fn remove(path: &Path) -> Result<(), Error> {
    loop {
        // EINVAL: no mount here (any more). A loop, for mounts can lie on top of each other.
        match umount2(path, MntFlags::MNT_DETACH) {
            Ok(()) => {}
            Err(Errno::EINVAL | Errno::ENOENT) => break,
            Err(error) => return Err(Error::kernel("unmounting namespace", path.display())(error)),
        }
    }
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(Error::kernel("removing", path.display())(error))
        }
        _ => Ok(()),
    }
}

/// Moves the calling thread into a new namespace and mounts that at `path`.
fn make(path: &Path) -> io::Result<()> {
    File::create(path)?;
    unshare(CloneFlags::CLONE_NEWNET)?;
    let own = PathBuf::from("/proc/thread-self/ns/net");
    mount(Some(&own), path, None::<&str>, MsFlags::MS_BIND, None::<&str>)?;
    Ok(())
}

async fn on_own_thread<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    let (tell, told) = oneshot::channel();
    let runtime = Handle::current();
    std::thread::Builder::new()
        .name("namespace".to_owned())
        .spawn(move || {
            // Sockets opened here are read by the runtime.
            let _entered = runtime.enter();
            // Nobody listens if the runtime is shutting down.
            let _ = tell.send(work());
        })
        .map_err(Error::kernel("starting", "a thread"))?;
    told.await.map_err(Error::kernel("waiting for", "a thread"))?
}
