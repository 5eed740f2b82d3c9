//! A lab's name has one owner on a machine: namespaces and control groups are named by it, so a suite that runs from two
//! checkouts at once would take its own boards away.

use std::{
    fs::{self, File, TryLockError},
    os::unix::fs::MetadataExt as _,
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result};

use crate::{clock::wait_for, paths::Name};

/// The longest suite takes two minutes on a busy machine, and several may be waiting.
const PATIENCE: Duration = Duration::from_secs(900);

/// The name is ours until this is dropped, or this process ends however it does.
#[derive(Debug)]
pub(crate) struct Claim {
    /// Locked.
    _file: File,
    path: PathBuf,
}

impl Claim {
    /// Waits for the name to be free, and says so.
    pub fn lay(name: &Name) -> Result<Self> {
        let path = file_of(name);
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        }
        let mut told = false;
        wait_for(
            &format!("the lab {name} of somebody else to end"),
            PATIENCE,
            || {
                let file = File::create(&path).with_context(|| format!("cannot make {}", path.display()))?;
                match file.try_lock() {
                    Ok(()) => {}
                    Err(TryLockError::WouldBlock) => {
                        if !told {
                            eprintln!("another run has a lab {name}: waiting for its end");
                            told = true;
                        }
                        return Ok(None);
                    }
                    Err(TryLockError::Error(error)) => return Err(error.into()),
                }
                Ok(Claim::of(file, path.clone()))
            },
        )
    }

    /// The last owner may have removed the file between its being opened and locked: then the lock is on nothing.
    fn of(locked: File, path: PathBuf) -> Option<Self> {
        let ours = locked.metadata().ok()?.ino();
        let there = fs::metadata(&path).ok()?.ino();
        (ours == there).then_some(Claim { _file: locked, path })
    }
}

/// Removes what an owner left that was killed, unless somebody has the name again.
pub(crate) fn tidy(name: &Name) {
    let path = file_of(name);
    let Ok(file) = File::open(&path) else { return };
    if file.try_lock().is_ok() {
        drop(Claim::of(file, path));
    }
}

fn file_of(name: &Name) -> PathBuf {
    PathBuf::from(format!("/run/lock/bramble-lab-{name}"))
}

impl Drop for Claim {
    fn drop(&mut self) {
        // While it is locked, so that nobody has claimed it since. One that stays is no harm.
        let _ = fs::remove_file(&self.path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_waits_until_the_first_has_ended() {
        let name: Name = "claim-test".parse().unwrap();
        let first = Claim::lay(&name).unwrap();
        let (tell, told) = std::sync::mpsc::channel();
        let second = std::thread::spawn({
            let name = name.clone();
            move || {
                let claim = Claim::lay(&name).unwrap();
                tell.send(()).unwrap();
                claim
            }
        });
        assert!(told.recv_timeout(Duration::from_millis(200)).is_err());
        drop(first);
        told.recv_timeout(Duration::from_secs(10)).unwrap();
        let claim = second.join().unwrap();
        assert!(claim.path.exists());
        let path = claim.path.clone();
        drop(claim);
        assert!(!path.exists());
    }
}
