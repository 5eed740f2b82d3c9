//! What tells this board from others: its serial number, or what stands in for one.

use std::fs;
use std::path::Path;

/// The board's serial number, on boards that have a device tree; Raspberry Pis do.
const SERIAL: &str = "proc/device-tree/serial-number";

/// The serial number, if it has one.
pub fn serial(root: &Path) -> Option<String> {
    let text = fs::read_to_string(root.join(SERIAL)).ok()?;
    Some(text.trim_end_matches('\0').trim().to_owned()).filter(|text| !text.is_empty())
}

/// Six hex digits of the serial number, else of a network card's address, else of the machine's id.
pub fn short(root: &Path) -> String {
    let id = fs::read_to_string(root.join("etc/machine-id")).unwrap_or_default();
    let sources = [
        serial(root).unwrap_or_default(),
        hardware_address(root).unwrap_or_default(),
        id,
    ];
    card::short_serial(sources.iter().map(String::as_str))
}

/// Of the first real network card: one that is a device, not loopback or a bridge.
fn hardware_address(root: &Path) -> Option<String> {
    let mut cards: Vec<_> = fs::read_dir(root.join("sys/class/net"))
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.join("device").exists())
        .collect();
    cards.sort();
    cards
        .iter()
        .find_map(|path| fs::read_to_string(path.join("address")).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_board_is_told_by_the_first_thing_that_it_has() {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("etc/machine-id", "0123456789abcdef0123456789abcdef\n");
        assert_eq!(short(root.path()), "abcdef");
        write("sys/class/net/lo/address", "00:00:00:00:00:01\n");
        write("sys/class/net/eth0/address", "dc:a6:32:01:02:03\n");
        write("sys/class/net/eth0/device/uevent", "");
        assert_eq!(short(root.path()), "010203");
        write(SERIAL, "100000003d1d1c36\0");
        assert_eq!(short(root.path()), "1d1c36");
    }
}
