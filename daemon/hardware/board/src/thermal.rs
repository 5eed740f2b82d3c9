//! Temperature and fan.

use crate::files::Files;

/// A board with a device tree is hot from here on, in °C: Pis slow down from 80 °C on.
const HOT_FROM: f64 = 80.0;

/// Degrees Celsius of the processor.
pub(crate) fn celsius(files: &Files) -> Option<f64> {
    let zones = files.names("sys/class/thermal");
    let zones = zones.iter().filter(|name| name.starts_with("thermal_zone"));
    let zone = zones
        .map(|name| format!("sys/class/thermal/{name}"))
        .find(|zone| {
            let kind = files.text(&format!("{zone}/type")).unwrap_or_default();
            kind.starts_with("cpu") || kind.starts_with("soc") || kind == "x86_pkg_temp"
        });
    let of_zone = zone.and_then(|zone| files.number::<f64>(&format!("{zone}/temp")));
    let of_chip = || {
        let chip = chip(files, &["cpu_thermal", "coretemp", "k10temp"])?;
        files.number::<f64>(&format!("{chip}/temp1_input"))
    };
    let thousandths = of_zone.or_else(of_chip)?;
    // Kernels tell -274000 and the like of sensors that are off.
    Some(thousandths / 1000.0).filter(|celsius| (-50.0..=200.0).contains(celsius))
}

/// From which temperature on this board is hot: small boards only, since a computer with a fan may be at 90 °C and well.
pub(crate) fn hot_from(files: &Files) -> Option<f64> {
    crate::facts::model(files).map(|_| HOT_FROM)
}

/// The fan's turns a minute.
pub(crate) fn fan(files: &Files) -> Option<u32> {
    let chip = chip(files, &["pwmfan"])?;
    files.number(&format!("{chip}/fan1_input"))
}

/// The folder of the first sensor chip with one of these names.
pub(crate) fn chip(files: &Files, names: &[&str]) -> Option<String> {
    let chips = files.names("sys/class/hwmon").into_iter();
    chips.map(|name| format!("sys/class/hwmon/{name}")).find(|chip| {
        let name = files.text(&format!("{chip}/name")).unwrap_or_default();
        names.contains(&name.as_str())
    })
}
