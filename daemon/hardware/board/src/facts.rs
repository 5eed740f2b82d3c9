//! What stays as it is while a board runs, or changes only when a person does something: what labels are made of.

use crate::disk::Disk;
use crate::files::Files;
use std::collections::BTreeMap;
use std::path::Path;

const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What a board is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// The device tree's name, such as `Raspberry Pi 4 Model B Rev 1.4`.
    pub model: Option<String>,
    /// The board's serial number.
    pub serial: Option<String>,
    /// Memory that the kernel has, in bytes: a little less than what is soldered on.
    pub memory: Option<u64>,
    /// What the data partition is on.
    pub boot: Option<Medium>,
    /// Whether it has a clock that goes on without power.
    pub rtc: Option<bool>,
    /// Whether a cable is in its Ethernet port; not known if it has no port.
    pub wired: Option<bool>,
}

/// What a board boots from and keeps its data on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Medium {
    /// An SD card.
    Sd,
    /// Flash memory that is soldered on (Compute Modules).
    Emmc,
    /// A disk or stick at USB.
    Usb,
    /// NVMe.
    Nvme,
}

impl Medium {
    /// As the label `bramble.boot` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Sd => "sd",
            Self::Emmc => "emmc",
            Self::Usb => "usb",
            Self::Nvme => "nvme",
        }
    }
}

impl Facts {
    /// Reads them. `data`: where the board keeps its data.
    pub fn read(files: &Files, data: &Path) -> Self {
        let has_clocks = files.exists("sys/class/rtc");
        Self {
            model: model(files),
            serial: files.text("proc/device-tree/serial-number"),
            memory: memory(files, "MemTotal"),
            boot: Disk::of(files, data).and_then(|disk| disk.medium(files)),
            rtc: has_clocks.then(|| !files.names("sys/class/rtc").is_empty()),
            wired: wired(files),
        }
    }

    /// The labels that follow: `engine.labels.bramble.…` in constraints.
    pub fn labels(&self) -> BTreeMap<String, String> {
        let truth = |is: bool| if is { "true" } else { "false" }.to_owned();
        let labels = [
            ("model", self.model.as_deref().and_then(short)),
            ("memory", self.memory.map(size)),
            ("boot", self.boot.map(|medium| medium.as_str().to_owned())),
            ("rtc", self.rtc.map(truth)),
            ("wired", self.wired.map(truth)),
        ];
        let named = |(name, value): (&str, Option<String>)| Some((format!("bramble.{name}"), value?));
        labels.into_iter().filter_map(named).collect()
    }
}

/// The device tree's name for the board.
pub(crate) fn model(files: &Files) -> Option<String> {
    files.text("proc/device-tree/model")
}

/// A line of `/proc/meminfo`, in bytes.
pub(crate) fn memory(files: &Files, name: &str) -> Option<u64> {
    let text = files.text("proc/meminfo")?;
    let value = |line: &str| {
        let amount = line.strip_prefix(name)?.strip_prefix(':')?;
        let kib: u64 = amount.trim().strip_suffix("kB")?.trim().parse().ok()?;
        kib.checked_mul(1024)
    };
    text.lines().find_map(value)
}

/// True if a port of the board itself has a cable in it. Virtual interfaces have no device behind them; Wi-Fi has a radio.
fn wired(files: &Files) -> Option<bool> {
    let ports: Vec<String> = files
        .names("sys/class/net")
        .into_iter()
        .map(|name| format!("sys/class/net/{name}"))
        .filter(|port| files.exists(&format!("{port}/device")))
        .filter(|port| {
            !files.exists(&format!("{port}/phy80211")) && !files.exists(&format!("{port}/wireless"))
        })
        // ARPHRD_ETHER: not loopback, not a tunnel, not CAN.
        .filter(|port| files.number(&format!("{port}/type")) == Some(1))
        .collect();
    // An interface that is down has a carrier that can't be read.
    let plugged = |port: &String| files.number(&format!("{port}/carrier")) == Some(1);
    (!ports.is_empty()).then(|| ports.iter().any(plugged))
}

/// A model in one word: `pi-4b`, `pi-3b+`, `pi-zero-2w`, `pi-5`, `pi-cm4`. Revisions run the same things. What is no Pi
/// gets its own name with dashes.
fn short(model: &str) -> Option<String> {
    let model = model.split(" Rev ").next()?.trim();
    let name = match model.strip_prefix("Raspberry Pi ") {
        Some(rest) => {
            let rest = rest.to_lowercase();
            let rest = rest.replace("compute module ", "cm").replace(" plus", "+");
            // There is but one model of the 5.
            let rest = if rest == "5 model b" { "5".to_owned() } else { rest };
            format!(
                "pi-{}",
                rest.replace(" model ", "").replace("zero 2 w", "zero-2w")
            )
        }
        None => model.to_lowercase(),
    };
    let plain = |c: char| {
        if c.is_ascii_alphanumeric() || "+-.".contains(c) {
            c
        } else {
            '-'
        }
    };
    let name: String = name.chars().map(plain).take(63).collect();
    Some(name).filter(|name| !name.is_empty())
}

/// Memory as it is sold: the size of a Pi if a firmware's share is all that is missing, else rounded up.
fn size(bytes: u64) -> String {
    let sold = [512 * MIB, GIB, 2 * GIB, 4 * GIB, 8 * GIB, 16 * GIB];
    // A Zero 2 W's graphics take up to a fifth of its 512 MB.
    let fits = |sold: &&u64| (**sold * 3 / 4..=**sold).contains(&bytes);
    match sold.iter().find(fits).copied().unwrap_or(bytes) {
        size if size < GIB => format!("{}MB", size.div_ceil(MIB)),
        size => format!("{}GB", size.div_ceil(GIB)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn models_in_one_word() {
        for (model, word) in [
            ("Raspberry Pi 3 Model B Rev 1.2", "pi-3b"),
            ("Raspberry Pi 3 Model B Plus Rev 1.3", "pi-3b+"),
            ("Raspberry Pi 3 Model A Plus Rev 1.0", "pi-3a+"),
            ("Raspberry Pi 4 Model B Rev 1.4", "pi-4b"),
            ("Raspberry Pi 400 Rev 1.0", "pi-400"),
            ("Raspberry Pi 5 Model B Rev 1.0", "pi-5"),
            ("Raspberry Pi Zero 2 W Rev 1.0", "pi-zero-2w"),
            ("Raspberry Pi Compute Module 4 Rev 1.0", "pi-cm4"),
            ("linux,dummy-virt", "linux-dummy-virt"),
            ("Radxa ROCK 5B", "radxa-rock-5b"),
        ] {
            assert_eq!(short(model).as_deref(), Some(word), "{model}");
        }
    }

    #[test]
    fn memory_is_told_as_it_is_sold() {
        for (kib, told) in [
            (427_316, "512MB"),
            (931_616, "1GB"),
            (1_891_268, "2GB"),
            (3_882_328, "4GB"),
            (8_245_440, "8GB"),
            (16_608_256, "16GB"),
            (6_000_000, "6GB"),
            (65_000_000, "62GB"),
            (200_000, "196MB"),
        ] {
            assert_eq!(size(kib * 1024), told, "{kib} KiB");
        }
    }
}
