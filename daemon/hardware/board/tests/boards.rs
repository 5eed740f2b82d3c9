//! Each model as its kernel shows it: `boards/*.files` are trees of the kernel's files, a line each.
//!
//! They were put together from the kernel's documentation and from listings that owners have published; nobody here had
//! the boards in hand. A tree that was recorded on a board (`grep -r` over these files) may take their place at any time.
#![allow(clippy::unwrap_used, reason = "a test may stop where it finds nonsense")]

use bramble_board::{Ailment, Condition, Facts, Files, Led, Readings, Sign, Space, judge};
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;

const DATA: &str = "/var/lib/bramble";

/// Makes the tree: `path = text` with `\n`, `\0` and `\xHH`; `path -> where it leads`; `folder/`.
fn unfold(name: &str) -> (TempDir, Files) {
    let text = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/boards/{name}.files"));
    let text = std::fs::read_to_string(text).unwrap();
    let root = tempfile::tempdir().unwrap();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let place = |path: &str| {
            let path = root.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            path
        };
        if let Some((path, text)) = line.split_once(" = ") {
            std::fs::write(place(path), plain(text)).unwrap();
        } else if let Some((path, target)) = line.split_once(" -> ") {
            std::os::unix::fs::symlink(target, place(path)).unwrap();
        } else {
            std::fs::create_dir_all(place(line)).unwrap();
        }
    }
    let files = Files::below(root.path());
    (root, files)
}

fn plain(text: &str) -> Vec<u8> {
    let (mut bytes, mut rest) = (Vec::new(), text);
    while let Some((before, after)) = rest.split_once('\\') {
        bytes.extend(before.bytes());
        let (byte, length) = match after.as_bytes()[0] {
            b'n' => (b'\n', 1),
            b't' => (b'\t', 1),
            b'0' => (0, 1),
            b'x' => (u8::from_str_radix(&after[1..3], 16).unwrap(), 3),
            other => panic!("\\{}", char::from(other)),
        };
        bytes.push(byte);
        rest = &after[length..];
    }
    bytes.extend(rest.bytes());
    bytes
}

fn read(name: &str) -> (Facts, Readings, Condition) {
    let (_root, files) = unfold(name);
    let data = Path::new(DATA);
    let space = Space {
        total: 32 << 30,
        free: 16 << 30,
    };
    let readings = Readings::read(&files, data, Some(space));
    let condition = judge(&readings, Duration::ZERO, &Condition::default());
    (Facts::read(&files, data), readings, condition)
}

fn labels(facts: &Facts) -> String {
    let labels = facts.labels();
    let texts = labels
        .iter()
        .map(|(name, value)| format!("{}={value}", name.trim_start_matches("bramble.")));
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_pi_3_that_is_too_hot() {
    let (facts, readings, condition) = read("pi-3b");
    assert_eq!(
        labels(&facts),
        "boot=sd memory=1GB model=pi-3b rtc=false wired=true"
    );
    assert_eq!(facts.serial.as_deref(), Some("00000000a1b2c3d4"));
    assert_eq!(readings.temperature_celsius, Some(82.198));
    assert_eq!((readings.under_voltage, readings.throttled), (Some(false), None));
    assert_eq!(
        (readings.load1, readings.cpu_pressure_percent),
        (Some(3.71), Some(12.5))
    );
    assert_eq!((readings.card_errors, readings.data_errors), (Some(3), Some(0)));
    assert_eq!(readings.data_lifetime_written_bytes, Some(5 << 30));
    assert_eq!(
        (readings.disk_read_bytes, readings.disk_written_bytes),
        (Some(812_344 * 512), Some(204_800 * 512))
    );
    assert_eq!(
        condition.refusal(),
        Some((Ailment::Hot, "hot: 82 °C; no new tasks".to_owned()))
    );
}

#[test]
fn a_pi_4_with_too_weak_a_supply() {
    let (facts, readings, condition) = read("pi-4b");
    assert_eq!(
        labels(&facts),
        "boot=usb memory=4GB model=pi-4b rtc=false wired=false"
    );
    // 0x50005: under-voltage and throttled, now and since the start.
    assert_eq!(
        (readings.under_voltage, readings.throttled),
        (Some(true), Some(true))
    );
    assert_eq!(
        (readings.under_voltage_since_boot, readings.throttled_since_boot),
        (Some(true), Some(true))
    );
    assert_eq!(
        (readings.frequency_capped, readings.soft_temperature_limit),
        (Some(false), Some(false))
    );
    assert_eq!(
        (readings.clock_megahertz, readings.clock_maximum_megahertz),
        (Some(600), Some(1800))
    );
    assert_eq!(
        condition.refusal().map(|(ailment, _)| ailment),
        Some(Ailment::UnderVoltage)
    );
}

#[test]
fn a_pi_5_that_is_well() {
    let (facts, readings, condition) = read("pi-5");
    assert_eq!(
        labels(&facts),
        "boot=nvme memory=8GB model=pi-5 rtc=true wired=true"
    );
    assert_eq!(
        (readings.supply_milliamperes, readings.fan_rpm),
        (Some(5000), Some(2214))
    );
    assert_eq!(
        (readings.data_device.as_deref(), readings.data_read_only),
        (Some("nvme0n1p7"), Some(false))
    );
    assert_eq!(condition, Condition::default());
}

#[test]
fn a_zero_2_whose_card_fails() {
    let (facts, readings, condition) = read("pi-zero-2w");
    assert_eq!(labels(&facts), "boot=sd memory=512MB model=pi-zero-2w rtc=false");
    assert_eq!(readings.data_errors, Some(17));
    assert_eq!(
        condition.refusal().map(|(ailment, _)| ailment),
        Some(Ailment::ReadOnly)
    );
    assert_eq!(condition.problems().len(), 2);
}

#[test]
fn a_compute_module_whose_memory_wears_out() {
    let (facts, readings, condition) = read("pi-cm4");
    assert_eq!(labels(&facts), "boot=emmc memory=2GB model=pi-cm4");
    assert_eq!(
        (readings.card_life_used_percent, readings.card_spare_level),
        (Some(90), Some(2))
    );
    assert_eq!((condition.refusal(), condition.problems().len()), (None, 1));
}

#[test]
fn a_computer_that_is_no_pi() {
    let (facts, readings, condition) = read("pc");
    assert_eq!(labels(&facts), "memory=32GB rtc=true wired=true");
    assert_eq!(
        (readings.temperature_celsius, readings.hot_from_celsius),
        (Some(91.0), None)
    );
    assert_eq!(condition, Condition::default());
}

#[test]
fn a_tree_without_a_file_tells_nothing() {
    let root = tempfile::tempdir().unwrap();
    let files = Files::below(root.path());
    assert_eq!(Readings::read(&files, Path::new(DATA), None), Readings::default());
    assert_eq!(Facts::read(&files, Path::new(DATA)), Facts::default());
}

#[test]
fn readings_are_named_with_their_units_and_what_is_not_known_is_not_said() {
    let (_, readings, _) = read("pi-5");
    let json = serde_json::to_value(&readings).unwrap();
    assert_eq!(json["TemperatureCelsius"], 44.65);
    assert_eq!(json["MemoryAvailableBytes"], 7_772_440u64 * 1024);
    assert!(json.get("Throttled").is_none());
}

#[test]
fn only_boards_that_have_an_led_show_signs() {
    for (name, has_one) in [("pi-3b", true), ("pi-5", true), ("pc", false)] {
        let (root, files) = unfold(name);
        let led = Led::take(&files, &root.path().join("note")).unwrap();
        assert_eq!(led.is_some(), has_one, "{name}");
        if let Some(mut led) = led {
            led.show(Sign::Member).unwrap();
            led.give_back().unwrap();
            let trigger = std::fs::read_to_string(files.path("sys/class/leds/ACT/trigger")).unwrap();
            assert_eq!(trigger, "mmc0");
        }
    }
}
