//! Devices of the board that a service asks for: `bramble.devices=/dev/ttyUSB0,/dev/snd:r`.

/// Most devices of one service.
const MOST_DEVICES: usize = 64;

/// A device of the board, written `/dev/ttyUSB0[:/dev/tty[:rw]]` as for `docker run --device`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Its path on the board; a folder stands for all devices in it.
    pub path: String,
    /// Its path in the container.
    pub target: String,
    /// Of `r`, `w` and `m` (make).
    pub access: String,
}

/// Reads a list of devices.
pub(super) fn devices(text: &str) -> Result<Vec<Device>, String> {
    let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
    let devices: Vec<Device> = parts.map(device).collect::<Result<_, _>>()?;
    if devices.len() > MOST_DEVICES {
        return Err(format!("more than {MOST_DEVICES} devices"));
    }
    Ok(devices)
}

fn device(text: &str) -> Result<Device, String> {
    let mut fields = text.split(':');
    let path = fields.next().unwrap_or_default().trim_end_matches('/').to_owned();
    let is_access = |field: &&str| !field.is_empty() && field.chars().all(|c| "rwm".contains(c));
    let (target, access) = match (fields.next(), fields.next(), fields.next()) {
        (None, ..) => (None, None),
        (Some(access), None, _) if is_access(&access) => (None, Some(access)),
        (Some(target), None, _) => (Some(target), None),
        (Some(target), Some(access), None) if is_access(&access) => (Some(target), Some(access)),
        _ => return Err(format!("{text} is not PATH[:PATH[:rwm]]")),
    };
    let target = target.unwrap_or(&path).to_owned();
    let proper =
        |path: &str| path.starts_with('/') && path.split('/').all(|part| part != "..") && path.len() < 256;
    if !path.starts_with("/dev/") || !proper(&path) || !proper(&target) {
        return Err(format!("{text}: a device is a path below /dev"));
    }
    Ok(Device {
        path,
        target,
        access: access.unwrap_or("rwm").to_owned(),
    })
}
