//! The two kinds of machine, and how QEMU is called for them.

use std::{
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result};

use super::firmware::{Choice, Model};
use crate::ran::{call, run};

/// QEMU's program for 64-bit ARM.
pub(super) const QEMU: &str = "qemu-system-aarch64";
/// The port by which a board without the Pi's firmware says that its next start is a try (image/README.md).
const FIRMWARE_PORT: &str = "org.bramble.firmware";

/// What a machine is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hardware {
    /// Which machine of QEMU's.
    pub kind: Kind,
    /// Processors.
    pub processors: u32,
    /// Memory in MiB.
    pub memory: u32,
}

/// QEMU's machines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `virt`: no board at all, but quick, with a watchdog and a network card.
    Virt,
    /// `raspi3b`: the processor's devices, the card's controller and the device tree of a Pi 3; slow.
    Pi3,
}

impl Hardware {
    /// A board of 1 GiB that boots quickly.
    pub const VIRT: Hardware = Hardware {
        kind: Kind::Virt,
        processors: 2,
        memory: 1024,
    };
    /// A Raspberry Pi 3, whose processors and memory can't be chosen.
    pub const PI3: Hardware = Hardware {
        kind: Kind::Pi3,
        processors: 4,
        memory: 1024,
    };

    /// Which board the firmware believes to be.
    pub fn model(self) -> Model {
        match self.kind {
            // It has no model of its own: that of most boards.
            Kind::Virt => Model::Pi4,
            Kind::Pi3 => Model::Pi3,
        }
    }

    /// The serial port that the kernel's `serial0` is.
    pub(super) fn serial(self) -> &'static str {
        match self.kind {
            Kind::Virt => "ttyAMA0",
            Kind::Pi3 => "ttyS1",
        }
    }

    fn machine(self) -> Vec<OsString> {
        let words: Vec<String> = match self.kind {
            Kind::Virt => vec![
                "-machine".into(),
                "virt".into(),
                "-cpu".into(),
                "cortex-a72".into(),
                "-smp".into(),
                self.processors.to_string(),
                "-m".into(),
                self.memory.to_string(),
            ],
            Kind::Pi3 => vec!["-machine".into(), "raspi3b".into()],
        };
        words.into_iter().map(OsString::from).collect()
    }
}

/// The files of one boot, and what stays the same for all.
#[derive(Debug)]
pub(super) struct Boot {
    pub hardware: Hardware,
    /// For people who look at the list of processes.
    pub name: String,
    pub card: PathBuf,
    /// Where the serial port writes.
    pub console: PathBuf,
    /// Where the board's word to the firmware is written.
    pub word: PathBuf,
    /// QEMU's words for the network's end, such as `socket,…`.
    pub network: String,
    pub mac: String,
    pub kernel: PathBuf,
    pub initramfs: Option<PathBuf>,
    pub device_tree: PathBuf,
    pub command_line: String,
}

impl Boot {
    /// The command. QEMU ends where a board would restart, and it dies with the thread that starts it, however that ends.
    pub fn command(&self) -> Command {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", QEMU]).args(self.arguments());
        command
    }

    fn arguments(&self) -> Vec<OsString> {
        let mut words = self.hardware.machine();
        let mut add = |pair: [&OsStr; 2]| words.extend(pair.map(OsStr::to_owned));
        let file = |before: &str, path: &Path, after: &str| {
            let mut text = OsString::from(before);
            // A comma would begin QEMU's next setting.
            text.push(path.display().to_string().replace(',', ",,"));
            text.push(after);
            text
        };
        add(["-name".as_ref(), self.name.as_ref()]);
        add(["-accel".as_ref(), "tcg,thread=multi,tb-size=256".as_ref()]);
        add(["-display".as_ref(), "none".as_ref()]);
        add(["-qmp".as_ref(), "stdio".as_ref()]);
        add([
            "-action".as_ref(),
            "reboot=shutdown,watchdog=reset,panic=none".as_ref(),
        ]);
        add([
            "-chardev".as_ref(),
            &file("file,id=console,append=on,path=", &self.console, ""),
        ]);
        add(["-netdev".as_ref(), format!("{},id=lan", self.network).as_ref()]);
        add(["-kernel".as_ref(), self.kernel.as_ref()]);
        add(["-dtb".as_ref(), self.device_tree.as_ref()]);
        add(["-append".as_ref(), self.command_line.as_ref()]);
        if let Some(initramfs) = &self.initramfs {
            add(["-initrd".as_ref(), initramfs.as_ref()]);
        }
        match self.hardware.kind {
            Kind::Virt => {
                add(["-nodefaults".as_ref(), "-no-user-config".as_ref()]);
                add(["-serial".as_ref(), "chardev:console".as_ref()]);
                add([
                    "-drive".as_ref(),
                    &file(
                        "id=card,if=none,format=qcow2,cache=unsafe,discard=unmap,file=",
                        &self.card,
                        "",
                    ),
                ]);
                add(["-device".as_ref(), "virtio-blk-pci,drive=card".as_ref()]);
                add([
                    "-device".as_ref(),
                    format!("virtio-net-pci,netdev=lan,mac={}", self.mac).as_ref(),
                ]);
                add(["-device".as_ref(), "virtio-rng-pci".as_ref()]);
                add(["-device".as_ref(), "i6300esb".as_ref()]);
                add([
                    "-chardev".as_ref(),
                    &file("file,id=firmware,append=on,path=", &self.word, ""),
                ]);
                add(["-device".as_ref(), "virtio-serial-pci".as_ref()]);
                add([
                    "-device".as_ref(),
                    format!("virtserialport,chardev=firmware,name={FIRMWARE_PORT}").as_ref(),
                ]);
            }
            Kind::Pi3 => {
                // The first port is the one that Debian's device tree gives to Bluetooth.
                add(["-serial".as_ref(), "null".as_ref()]);
                add(["-serial".as_ref(), "chardev:console".as_ref()]);
                add([
                    "-drive".as_ref(),
                    &file("if=sd,format=qcow2,cache=unsafe,file=", &self.card, ""),
                ]);
                add([
                    "-device".as_ref(),
                    format!("usb-net,netdev=lan,mac={}", self.mac).as_ref(),
                ]);
            }
        }
        words
    }
}

/// The device tree of QEMU's machine, as QEMU itself makes it.
pub(super) fn own_device_tree(hardware: Hardware, to: &Path) -> Result<()> {
    let mut machine = hardware.machine();
    let mut with = OsString::from("virt,dumpdtb=");
    with.push(to.display().to_string().replace(',', ",,"));
    machine[1] = with;
    run(Command::new(QEMU)
        .args(machine)
        .args(["-nodefaults", "-display", "none"]))
    .ok()?;
    fs::metadata(to).map(drop).context("QEMU left no device tree")
}

/// Tells the kernel what the firmware chose, as the Pi's does.
pub(super) fn tell_choice(device_tree: &Path, choice: Choice) -> Result<()> {
    let tree = device_tree.to_str().context("a path that is not UTF-8")?;
    for (name, number) in [
        ("partition", choice.partition),
        ("tryboot", choice.tryboot.into()),
    ] {
        call(
            "fdtput",
            &[
                "-p",
                "-t",
                "u",
                tree,
                "/chosen/bootloader",
                name,
                &number.to_string(),
            ],
        )?;
    }
    Ok(())
}
