//! What changes while a board runs.

use crate::disk::{Disk, Health, Space};
use crate::facts::memory;
use crate::files::Files;
use crate::power::Power;
use crate::thermal;
use serde::Serialize;
use serde_with::skip_serializing_none;
use std::path::Path;

/// What a board's sensors and counters say; absent: not known here. Names say the unit.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Readings {
    /// Of the processor.
    pub temperature_celsius: Option<f64>,
    /// From where on this board is hot.
    pub hot_from_celsius: Option<f64>,
    /// Whether the supply gives too little now.
    pub under_voltage: Option<bool>,
    /// Whether it did since the start.
    pub under_voltage_since_boot: Option<bool>,
    /// Whether the firmware limits the clock now.
    pub frequency_capped: Option<bool>,
    /// Whether the firmware slows the processor down now.
    pub throttled: Option<bool>,
    /// Whether one of the two, or the soft limit, was so since the start.
    pub throttled_since_boot: Option<bool>,
    /// Whether the firmware's soft limit of temperature is reached.
    pub soft_temperature_limit: Option<bool>,
    /// What the supply says it can give (Pi 5).
    pub supply_milliamperes: Option<u32>,
    /// The fan's turns a minute.
    pub fan_rpm: Option<u32>,
    /// The processor's clock.
    pub clock_megahertz: Option<u32>,
    /// Its highest.
    pub clock_maximum_megahertz: Option<u32>,
    /// Processes that run or wait for the disk, over one minute.
    pub load1: Option<f64>,
    /// Over five.
    pub load5: Option<f64>,
    /// Over fifteen.
    pub load15: Option<f64>,
    /// How much of the last ten seconds some process waited for a processor.
    pub cpu_pressure_percent: Option<f64>,
    /// For memory.
    pub memory_pressure_percent: Option<f64>,
    /// For a disk.
    pub io_pressure_percent: Option<f64>,
    /// All memory.
    pub memory_total_bytes: Option<u64>,
    /// What of it can be had without swapping.
    pub memory_available_bytes: Option<u64>,
    /// Since the board's start.
    pub uptime_seconds: Option<f64>,
    /// The partition that the data is on.
    pub data_device: Option<String>,
    /// Whether nothing can be written to it.
    pub data_read_only: Option<bool>,
    /// Its size.
    pub data_total_bytes: Option<u64>,
    /// What is left of it.
    pub data_free_bytes: Option<u64>,
    /// Faults that its file system found.
    pub data_errors: Option<u64>,
    /// Written to it in its life.
    pub data_lifetime_written_bytes: Option<u64>,
    /// Read from its disk since the start.
    pub disk_read_bytes: Option<u64>,
    /// Written to its disk since the start.
    pub disk_written_bytes: Option<u64>,
    /// Failed commands and damaged transfers of its card since the start.
    pub card_errors: Option<u64>,
    /// How much of the card's life is used, rounded up to tens; over 100: more than it was made for.
    pub card_life_used_percent: Option<u64>,
    /// The card's spare blocks: 1 enough, 2 four fifths used, 3 all but used.
    pub card_spare_level: Option<u64>,
}

impl Readings {
    /// Reads them. `data`: where the board keeps its data; `space`: what that file system has ([`Space::of`]).
    pub fn read(files: &Files, data: &Path, space: Option<Space>) -> Self {
        let power = Power::read(files);
        let disk = Disk::of(files, data);
        let health = disk.as_ref().map(|disk| disk.health(files)).unwrap_or_default();
        let load = files.text("proc/loadavg").unwrap_or_default();
        let load: Vec<Option<f64>> = load
            .split_whitespace()
            .map(|word| word.parse().ok())
            .take(3)
            .collect();
        let load = |at: usize| load.get(at).copied().flatten();
        let clock = |name: &str| {
            let kilohertz: u32 = files.number(&format!("sys/devices/system/cpu/cpufreq/policy0/{name}"))?;
            Some(kilohertz / 1000)
        };
        let uptime = files.text("proc/uptime").unwrap_or_default();
        let readings = Self {
            temperature_celsius: thermal::celsius(files),
            hot_from_celsius: thermal::hot_from(files),
            fan_rpm: thermal::fan(files),
            clock_megahertz: clock("scaling_cur_freq"),
            clock_maximum_megahertz: clock("cpuinfo_max_freq"),
            load1: load(0),
            load5: load(1),
            load15: load(2),
            cpu_pressure_percent: pressure(files, "cpu"),
            memory_pressure_percent: pressure(files, "memory"),
            io_pressure_percent: pressure(files, "io"),
            memory_total_bytes: memory(files, "MemTotal"),
            memory_available_bytes: memory(files, "MemAvailable"),
            uptime_seconds: uptime
                .split_whitespace()
                .next()
                .and_then(|word| word.parse().ok()),
            data_device: disk.as_ref().map(|disk| disk.partition.clone()),
            data_read_only: disk.as_ref().map(|disk| disk.read_only),
            data_total_bytes: space.map(|space| space.total),
            data_free_bytes: space.map(|space| space.free),
            ..Self::default()
        };
        readings.powered(power).stored(health)
    }

    fn powered(self, power: Power) -> Self {
        Self {
            under_voltage: power.under_voltage,
            under_voltage_since_boot: power.under_voltage_since_boot,
            frequency_capped: power.frequency_capped,
            throttled: power.throttled,
            throttled_since_boot: power.throttled_since_boot,
            soft_temperature_limit: power.soft_limit,
            supply_milliamperes: power.supply,
            ..self
        }
    }

    fn stored(self, health: Health) -> Self {
        Self {
            data_errors: health.file_system_errors,
            data_lifetime_written_bytes: health.lifetime_written,
            disk_read_bytes: health.read,
            disk_written_bytes: health.written,
            card_errors: health.errors,
            card_life_used_percent: health.life_used,
            card_spare_level: health.spare,
            ..self
        }
    }
}

/// `some avg10=0.12 …` of `/proc/pressure`.
fn pressure(files: &Files, of: &str) -> Option<f64> {
    let text = files.text(&format!("proc/pressure/{of}"))?;
    let some = text.lines().find_map(|line| line.strip_prefix("some "))?;
    some.split(' ')
        .find_map(|word| word.strip_prefix("avg10=")?.parse().ok())
}
