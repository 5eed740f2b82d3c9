//! The hardware watchdog: restarts the board unless it is fed (the kernel's `watchdog-api`).
//!
//! The image's initramfs has opened it already, with time enough for a start; whoever opens it next takes over. Closing it does
//! not stop it: only a `V` written just before does. So a daemon that is killed leaves it running, and the next one has the
//! rest of the time to feed it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

/// Wanted between a daemon's last sign of life and the restart; the second for hardware that can't wait so long.
const WANTED: [i32; 2] = [60, 15];

/// The watchdog, running.
#[derive(Debug)]
pub struct Watchdog {
    file: File,
    timeout: Option<Duration>,
}

impl Watchdog {
    /// Opens the device, which starts it, and sets its timeout.
    ///
    /// # Errors
    /// If it is not there, or another process has it.
    pub fn open(device: &Path) -> io::Result<Self> {
        let file = OpenOptions::new().write(true).open(device)?;
        let timeout = WANTED
            .into_iter()
            .find_map(|seconds| ioctl::set_timeout(&file, seconds).ok());
        let timeout = timeout.or_else(|| ioctl::timeout(&file).ok());
        let timeout = timeout
            .and_then(|seconds| u64::try_from(seconds).ok())
            .map(Duration::from_secs);
        Ok(Self { file, timeout })
    }

    /// How long it waits; not known of hardware that doesn't say.
    pub fn timeout(&self) -> Option<Duration> {
        self.timeout
    }

    /// Makes it wait anew.
    ///
    /// # Errors
    /// If the device fails.
    pub fn feed(&mut self) -> io::Result<()> {
        // Any byte but the one that stops it.
        self.file.write_all(b"\0")
    }

    /// Stops it, as far as the kernel allows.
    ///
    /// # Errors
    /// If the device fails.
    pub fn release(mut self) -> io::Result<()> {
        self.file.write_all(b"V")
    }
}

/// The two calls for which the kernel has no file (`linux/watchdog.h`).
#[allow(
    unsafe_code,
    reason = "ioctls have no safe form: each passes one int that lives for the call"
)]
mod ioctl {
    use super::{AsFd, File, io};
    use std::os::fd::AsRawFd as _;

    nix::ioctl_readwrite!(wdioc_settimeout, b'W', 6, i32);
    nix::ioctl_read!(wdioc_gettimeout, b'W', 7, i32);

    /// Asks for a timeout in seconds; gives the one that the hardware took.
    pub(super) fn set_timeout(device: &File, seconds: i32) -> io::Result<i32> {
        let mut seconds = seconds;
        // SAFETY: the descriptor is open while `device` is borrowed, and the kernel reads and writes one int.
        unsafe { wdioc_settimeout(device.as_fd().as_raw_fd(), &mut seconds) }?;
        Ok(seconds)
    }

    /// The timeout in seconds.
    pub(super) fn timeout(device: &File) -> io::Result<i32> {
        let mut seconds = 0;
        // SAFETY: as above; the kernel writes one int.
        unsafe { wdioc_gettimeout(device.as_fd().as_raw_fd(), &mut seconds) }?;
        Ok(seconds)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_fed_and_released_by_a_v_only() {
        let dir = tempfile::tempdir().unwrap();
        let device = dir.path().join("watchdog0");
        std::fs::write(&device, "").unwrap();
        let mut watchdog = Watchdog::open(&device).unwrap();
        assert_eq!(watchdog.timeout(), None);
        watchdog.feed().unwrap();
        watchdog.feed().unwrap();
        assert_eq!(std::fs::read(&device).unwrap(), b"\0\0");
        watchdog.release().unwrap();
        assert_eq!(std::fs::read(&device).unwrap(), b"\0\0V");
        // A daemon that ends in any other way leaves it running.
        drop(Watchdog::open(&device).unwrap());
        assert!(!std::fs::read(&device).unwrap().ends_with(b"VV"));
    }

    #[test]
    fn without_a_device_there_is_an_error() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Watchdog::open(&dir.path().join("watchdog0")).is_err());
    }
}
