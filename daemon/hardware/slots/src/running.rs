//! Which slot runs.

use crate::{Paths, Slot, card};
use serde::{Deserialize, Serialize};

/// Which slot runs, and how it came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Running {
    /// None if nothing tells: this is no card of ours.
    pub slot: Option<Slot>,
    /// Started for a try: the next start is the usual slot's again, unless this one is confirmed.
    pub trial: bool,
}

/// Looks which slot runs: what the firmware says (`/chosen/bootloader` of the device tree), else the partition that the
/// root's verity device lies on.
pub fn running(paths: &Paths) -> Running {
    let said = number(&paths.chosen_partition()).and_then(Slot::of_boot_partition);
    let slot = said.or_else(|| root(paths));
    // The firmware's word stands until the next start, also once the slot was confirmed.
    let confirmed = slot == Some(card::read(paths).usual);
    Running {
        slot,
        trial: number(&paths.chosen_tryboot()) == Some(1) && !confirmed,
    }
}

/// A cell of a device tree: four bytes, the highest first.
fn number(path: &std::path::Path) -> Option<u32> {
    let bytes = std::fs::read(path).ok()?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?))
}

/// The slot whose root is mounted: not the one that runs where the initramfs took the twin of a damaged root.
pub fn root(paths: &Paths) -> Option<Slot> {
    let mounts = std::fs::read_to_string(paths.mounts()).ok()?;
    let device = paths.block_device(root_device(&mounts)?);
    let below = std::fs::read_dir(device.join("slaves")).into_iter().flatten();
    let candidates = below.filter_map(|entry| Some(entry.ok()?.path())).chain([device]);
    candidates
        .filter_map(|device| {
            std::fs::read_to_string(device.join("partition"))
                .ok()?
                .trim()
                .parse()
                .ok()
        })
        .find_map(Slot::of_root_partition)
}

/// The numbers of the device that is mounted at `/`; the last mount is on top.
fn root_device(mounts: &str) -> Option<&str> {
    fn at_root(line: &str) -> Option<&str> {
        let mut fields = line.split(' ');
        let device = fields.nth(2)?;
        (fields.nth(1)? == "/").then_some(device)
    }
    mounts.lines().rev().find_map(at_root)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn tree(files: &[(&str, &[u8])]) -> (tempfile::TempDir, Paths) {
        let dir = tempfile::tempdir().unwrap();
        for (path, text) in files {
            let path = dir.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let paths = Paths::below(dir.path());
        (dir, paths)
    }

    const MOUNTS: &[u8] = b"21 1 0:2 / / rw - rootfs rootfs rw\n\
        22 21 254:0 / / ro,relatime - erofs /dev/mapper/root ro\n23 22 0:5 / /dev rw - devtmpfs none rw\n";

    #[test]
    fn the_firmware_says_it() {
        let dt = "proc/device-tree/chosen/bootloader/";
        let (partition, tryboot) = (format!("{dt}partition"), format!("{dt}tryboot"));
        for (number, flag, slot, trial) in [
            (2u8, 0u8, Some(Slot::A), false),
            (3, 1, Some(Slot::B), true),
            (1, 0, None, false),
        ] {
            let (_dir, paths) = tree(&[(&partition, &[0, 0, 0, number]), (&tryboot, &[0, 0, 0, flag])]);
            assert_eq!(running(&paths), Running { slot, trial });
        }
    }

    #[test]
    fn a_trial_is_over_once_it_is_confirmed() {
        let dt = "proc/device-tree/chosen/bootloader/";
        let (partition, tryboot) = (format!("{dt}partition"), format!("{dt}tryboot"));
        let usual = crate::autoboot::render(Slot::A);
        let (_dir, paths) = tree(&[
            (&partition, &[0, 0, 0, 3]),
            (&tryboot, &[0, 0, 0, 1]),
            ("boot/firmware/autoboot.txt", usual.as_bytes()),
        ]);
        assert!(running(&paths).trial);
        card::set_usual(&paths, Slot::B).unwrap();
        assert!(!running(&paths).trial);
    }

    #[test]
    fn else_the_root_s_partition_does() {
        let (_dir, paths) = tree(&[
            ("proc/self/mountinfo", MOUNTS),
            ("sys/dev/block/254:0/slaves/mmcblk0p6/partition", b"6\n"),
        ]);
        let found = running(&paths);
        assert_eq!((found.slot, found.trial), (Some(Slot::B), false));
        assert_eq!(root(&paths), Some(Slot::B));
    }

    #[test]
    fn what_is_no_card_of_ours_has_no_slot() {
        let (_dir, paths) = tree(&[
            ("proc/self/mountinfo", MOUNTS),
            ("sys/dev/block/254:0/partition", b"2\n"),
            ("proc/device-tree/chosen/bootloader/partition", b"2\n"),
        ]);
        assert_eq!(running(&paths).slot, None);
        assert_eq!(running(&Paths::below("/nonexistent")).slot, None);
    }
}
