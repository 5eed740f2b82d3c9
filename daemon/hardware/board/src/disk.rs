//! The disk that the board's data is on: what it is, how full, how worn, and whether it makes mistakes.

use crate::facts::Medium;
use crate::files::{Files, hex};
use std::path::Path;

/// A sector of the kernel's statistics, in bytes, whatever the disk's own is.
const SECTOR: u64 = 512;

/// What a file system has and has left, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it.
    pub total: u64,
    /// What is left for services, which may not use what is kept for root.
    pub free: u64,
}

impl Space {
    /// Of the file system that `path` is on; none if that can't be asked.
    pub fn of(path: &Path) -> Option<Self> {
        let stat = nix::sys::statvfs::statvfs(path).ok()?;
        // Their width differs between 32 and 64 bits.
        #[allow(clippy::useless_conversion)]
        let (block, blocks, free) = (
            u64::from(stat.fragment_size()),
            u64::from(stat.blocks()),
            u64::from(stat.blocks_available()),
        );
        Some(Self {
            total: block.saturating_mul(blocks),
            free: block.saturating_mul(free),
        })
    }
}

/// The file system that the data is on, and the disk below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Disk {
    /// Its partition, such as `mmcblk0p7`.
    pub(crate) partition: String,
    /// True if nothing can be written to it.
    pub(crate) read_only: bool,
    /// The folder of the whole disk.
    folder: String,
}

/// What a disk says of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// How much of its life is used, in percent, rounded up to tens (eMMC).
    pub(crate) life_used: Option<u64>,
    /// Its spare blocks (eMMC): 1 normal, 2 four fifths used, 3 all but used.
    pub(crate) spare: Option<u64>,
    /// Failed commands and damaged transfers since the start.
    pub(crate) errors: Option<u64>,
    /// Faults that the file system found and has not been freed of by a check.
    pub(crate) file_system_errors: Option<u64>,
    /// Bytes written to the file system in its life.
    pub(crate) lifetime_written: Option<u64>,
    /// Bytes read from the disk and written to it since the start.
    pub(crate) read: Option<u64>,
    pub(crate) written: Option<u64>,
}

impl Disk {
    /// The one that `data` is on; none where the file system is on no disk of its own.
    pub(crate) fn of(files: &Files, data: &Path) -> Option<Self> {
        let mount = Mount::of(&files.text("proc/self/mountinfo")?, data)?;
        let path = files.resolved(&format!("sys/dev/block/{}", mount.device))?;
        let (above, partition) = path.rsplit_once('/')?;
        let whole = !files.exists(&format!("{path}/partition"));
        Some(Self {
            partition: partition.to_owned(),
            read_only: mount.read_only,
            folder: if whole { path.clone() } else { above.to_owned() },
        })
    }

    fn name(&self) -> &str {
        self.folder.rsplit('/').next().unwrap_or_default()
    }

    pub(crate) fn medium(&self, files: &Files) -> Option<Medium> {
        let name = self.name();
        if name.starts_with("mmcblk") {
            return match files.text(&format!("{}/device/type", self.folder)).as_deref() {
                Some("MMC") => Some(Medium::Emmc),
                _ => Some(Medium::Sd),
            };
        }
        if name.starts_with("nvme") {
            return Some(Medium::Nvme);
        }
        self.folder
            .split('/')
            .any(|part| part.starts_with("usb"))
            .then_some(Medium::Usb)
    }

    pub(crate) fn health(&self, files: &Files) -> Health {
        let of_disk = |name: &str| files.text(&format!("{}/device/{name}", self.folder));
        let of_ext4 = |name: &str| files.number::<u64>(&format!("sys/fs/ext4/{}/{name}", self.partition));
        let stat = files.text(&format!("{}/stat", self.folder)).unwrap_or_default();
        let stat = |field: usize| {
            Some(
                stat.split_whitespace()
                    .nth(field)?
                    .parse::<u64>()
                    .ok()?
                    .saturating_mul(SECTOR),
            )
        };
        Health {
            life_used: of_disk("life_time").and_then(|text| life_used(&text)),
            spare: of_disk("pre_eol_info")
                .and_then(|text| hex(&text))
                .filter(|spare| (1..=3).contains(spare)),
            errors: self.errors(files),
            file_system_errors: of_ext4("errors_count"),
            lifetime_written: of_ext4("lifetime_write_kbytes").map(|kib| kib.saturating_mul(1024)),
            read: stat(2),
            written: stat(6),
        }
    }

    /// What the card's host counts (debugfs, which may well not be mounted).
    fn errors(&self, files: &Files) -> Option<u64> {
        let is_host = |part: &&str| {
            let number = part.strip_prefix("mmc").unwrap_or_default();
            !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit())
        };
        let host = self.folder.split('/').find(is_host)?;
        let text = files.text(&format!("sys/kernel/debug/{host}/err_stats"))?;
        let count = |line: &str| line.rsplit(':').next()?.trim().parse::<u64>().ok();
        Some(text.lines().filter_map(count).sum())
    }
}

/// `0x02 0x01`: the worse of two kinds of cells, each in tenths of a life (0x0b: beyond it).
fn life_used(text: &str) -> Option<u64> {
    let tenths = text.split_whitespace().filter_map(hex);
    tenths
        .max()
        .filter(|tenths| (1..=11).contains(tenths))
        .map(|tenths| tenths * 10)
}

/// A line of mountinfo (proc_pid_mountinfo(5)).
struct Mount {
    /// `major:minor`
    device: String,
    read_only: bool,
}

impl Mount {
    /// What `path` is on: of the mounts above it the deepest, and of several in one place the last.
    fn of(text: &str, path: &Path) -> Option<Self> {
        let mounts = text.lines().filter_map(|line| {
            let (front, back) = line.split_once(" - ")?;
            let front: Vec<&str> = front.split(' ').collect();
            let point = plain(front.get(4)?);
            let mine = path.starts_with(&point);
            let options = front.get(5)?.split(',').chain(back.split(' ').nth(2)?.split(','));
            let mount = Self {
                device: (*front.get(2)?).to_owned(),
                // ext4 says the second when it has given up because of errors.
                read_only: options
                    .into_iter()
                    .any(|option| ["ro", "emergency_ro", "shutdown"].contains(&option)),
            };
            mine.then_some((Path::new(&point).components().count(), mount))
        });
        mounts.max_by_key(|(depth, _)| *depth).map(|(_, mount)| mount)
    }
}

/// Spaces and the like are written in octal.
fn plain(text: &str) -> String {
    text.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
21 1 254:0 / / ro,relatime shared:1 - erofs /dev/dm-0 ro
22 21 179:7 / /data rw,noatime shared:2 - ext4 /dev/mmcblk0p7 rw,errors=remount-ro
23 21 179:7 /bramble /var/lib/bramble rw,noatime shared:3 - ext4 /dev/mmcblk0p7 rw,errors=remount-ro
24 21 8:1 / /srv/my\\040disk rw - ext4 /dev/sda1 rw";

    fn on(text: &str, path: &str) -> (String, bool) {
        let mount = Mount::of(text, Path::new(path)).unwrap();
        (mount.device, mount.read_only)
    }

    #[test]
    fn the_deepest_mount_counts() {
        assert_eq!(on(MOUNTS, "/var/lib/bramble"), ("179:7".to_owned(), false));
        assert_eq!(on(MOUNTS, "/var/lib"), ("254:0".to_owned(), true));
        assert_eq!(on(MOUNTS, "/srv/my disk/x"), ("8:1".to_owned(), false));
        let given_up = MOUNTS.replace("rw,errors=remount-ro", "ro,errors=remount-ro");
        assert_eq!(on(&given_up, "/var/lib/bramble"), ("179:7".to_owned(), true));
        let in_emergency = MOUNTS.replace("rw,errors=remount-ro", "rw,emergency_ro");
        assert_eq!(on(&in_emergency, "/var/lib/bramble"), ("179:7".to_owned(), true));
        assert!(Mount::of("nonsense\n - ", Path::new("/")).is_none());
    }

    #[test]
    fn the_worse_kind_of_cells_counts() {
        assert_eq!(life_used("0x01 0x03"), Some(30));
        assert_eq!(life_used("0x0b 0x01"), Some(110));
        assert_eq!(life_used("0x00 0x00"), None);
        assert_eq!(life_used("?"), None);
    }
}
