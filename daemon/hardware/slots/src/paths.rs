//! Where things are on a board.

use std::path::{Path, PathBuf};

/// Where things are on a board: all paths begin at one root, which is `/` but in tests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    root: PathBuf,
}

impl Default for Paths {
    fn default() -> Self {
        Self::below("/")
    }
}

impl Paths {
    /// The board whose file system begins there.
    pub fn below(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(path)
    }

    /// The partition that the firmware reads first.
    pub fn firmware(&self) -> PathBuf {
        self.at("boot/firmware")
    }

    /// The sector that says which slot starts.
    pub fn autoboot(&self) -> PathBuf {
        self.at("boot/firmware/autoboot.txt")
    }

    /// What the image says of itself.
    pub fn release(&self) -> PathBuf {
        self.at("etc/bramble/release")
    }

    /// The partition that the firmware took, a big-endian number.
    pub fn chosen_partition(&self) -> PathBuf {
        self.at("proc/device-tree/chosen/bootloader/partition")
    }

    /// Whether the firmware took it for a try, a big-endian number.
    pub fn chosen_tryboot(&self) -> PathBuf {
        self.at("proc/device-tree/chosen/bootloader/tryboot")
    }

    /// What is mounted where (proc_pid_mountinfo(5)).
    pub fn mounts(&self) -> PathBuf {
        self.at("proc/self/mountinfo")
    }

    /// What the kernel tells of a block device, by its numbers.
    pub fn block_device(&self, numbers: &str) -> PathBuf {
        self.at("sys/dev/block").join(numbers)
    }

    /// Changes with every start of the kernel.
    pub fn boot_id(&self) -> PathBuf {
        self.at("proc/sys/kernel/random/boot_id")
    }

    /// The kernel's release.
    pub fn kernel(&self) -> PathBuf {
        self.at("proc/sys/kernel/osrelease")
    }

    /// Which slots are good.
    pub fn states(&self) -> PathBuf {
        self.at("data/rauc/slots.json")
    }

    /// The last try of a slot.
    pub fn tried(&self) -> PathBuf {
        self.at("data/update/try.json")
    }

    /// A bundle on its way in.
    pub fn bundle(&self) -> PathBuf {
        self.at("data/update/bundle.raucb")
    }

    /// The folder of bundles and tries.
    pub fn update(&self) -> PathBuf {
        self.at("data/update")
    }

    /// The virtio port by which a virtual machine's firmware is told (see image/README.md).
    pub fn firmware_port(&self) -> PathBuf {
        self.at("dev/virtio-ports/org.bramble.firmware")
    }

    /// The mailbox of the Pi's firmware: only kernels made by Raspberry Pi have it.
    pub fn mailbox(&self) -> PathBuf {
        self.at("dev/vcio")
    }

    /// Makes the keyring that RAUC believes; RAUC's service runs it too, but a bundle may be looked at before that.
    pub fn make_keyring(&self) -> PathBuf {
        self.at("usr/lib/bramble/update-keyring")
    }

    /// RAUC's program.
    pub fn rauc(&self) -> PathBuf {
        self.at("usr/bin/rauc")
    }

    /// systemd's program.
    pub fn systemctl(&self) -> PathBuf {
        self.at("usr/bin/systemctl")
    }

    /// Where everything begins.
    pub fn root(&self) -> &Path {
        &self.root
    }
}
