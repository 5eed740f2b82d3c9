//! Under-voltage and throttling: by the kernel's own driver (`raspberrypi-hwmon`), and by the firmware's word for all of
//! it, which the foundation's kernel shows as a file.

use crate::files::Files;

/// The firmware's word (the Pi's documentation, `vcgencmd get_throttled`).
const UNDER_VOLTAGE: u64 = 1;
const FREQUENCY_CAPPED: u64 = 1 << 1;
const THROTTLED: u64 = 1 << 2;
const SOFT_LIMIT: u64 = 1 << 3;
/// What is so now is so many bits below what has been so since the start.
const SINCE_BOOT: u32 = 16;

/// Where the foundation's kernel shows the firmware's word.
const WORDS: [&str; 2] = [
    "sys/devices/platform/soc/soc:firmware/get_throttled",
    "sys/devices/platform/soc@107c000000/soc@107c000000:firmware/get_throttled",
];

/// What is known of the power.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Power {
    pub(crate) under_voltage: Option<bool>,
    pub(crate) under_voltage_since_boot: Option<bool>,
    pub(crate) frequency_capped: Option<bool>,
    pub(crate) throttled: Option<bool>,
    pub(crate) throttled_since_boot: Option<bool>,
    pub(crate) soft_limit: Option<bool>,
    /// What the supply says it can give, in mA (Pi 5).
    pub(crate) supply: Option<u32>,
}

impl Power {
    pub(crate) fn read(files: &Files) -> Self {
        let word = WORDS.iter().find_map(|path| files.hex(path));
        let bit = |bit: u64| word.map(|word| word & bit != 0);
        let since_boot = |bits: u64| word.map(|word| word & (bits << SINCE_BOOT) != 0);
        Self {
            under_voltage: either(bit(UNDER_VOLTAGE), alarm(files)),
            under_voltage_since_boot: since_boot(UNDER_VOLTAGE),
            frequency_capped: bit(FREQUENCY_CAPPED),
            throttled: bit(THROTTLED),
            throttled_since_boot: since_boot(FREQUENCY_CAPPED | THROTTLED | SOFT_LIMIT),
            soft_limit: bit(SOFT_LIMIT),
            supply: supply(files),
        }
    }
}

fn either(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one || other),
        (known, None) | (None, known) => known,
    }
}

/// The driver's alarm: under-voltage now, or within its last two seconds.
fn alarm(files: &Files) -> Option<bool> {
    let chip = crate::thermal::chip(files, &["rpi_volt"])?;
    Some(files.number::<u8>(&format!("{chip}/in0_lcrit_alarm"))? != 0)
}

/// A big-endian number that the Pi 5's firmware leaves in the device tree.
fn supply(files: &Files) -> Option<u32> {
    let bytes = files.bytes("proc/device-tree/chosen/power/max_current")?;
    Some(u32::from_be_bytes(bytes.try_into().ok()?)).filter(|milliamperes| *milliamperes > 0)
}
