//! What a service asks of Bramble that Swarm has no word for: labels that begin with `bramble.`, which pass the docker
//! command and stack files unchanged.

use crate::{Labels, NodeDescription};

/// What all of them begin with.
const PREFIX: &str = "bramble.";
/// Most devices of one service.
const MOST_DEVICES: usize = 64;

/// What a service asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wishes {
    /// `bramble.devices`: devices of the board.
    pub devices: Vec<Device>,
    /// `bramble.privileged`: all capabilities, all devices, no confinement.
    pub privileged: bool,
    /// `bramble.shm_size`: room in `/dev/shm`, in bytes.
    pub shm_size: Option<u64>,
    /// `bramble.pid=host`: sees all processes of the board.
    pub pid_of_host: bool,
    /// `bramble.ipc=host`: shares the board's memory segments and queues.
    pub ipc_of_host: bool,
}

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

/// A label that can't be read, or that is not known.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("label {label}: {problem}")]
pub struct WishError {
    label: String,
    problem: String,
}

impl Wishes {
    /// Reads a service's labels.
    ///
    /// # Errors
    /// [`WishError`] for what is not known or can't be, so that a slip of the pen is not left out in silence.
    pub fn of(labels: &Labels) -> Result<Self, WishError> {
        let mut wishes = Self::default();
        for (label, value) in labels {
            let Some(name) = label.strip_prefix(PREFIX) else {
                continue;
            };
            let error = |problem: String| WishError {
                label: label.clone(),
                problem,
            };
            let of_host = || match value.as_str() {
                "host" => Ok(true),
                "" | "private" => Ok(false),
                other => Err(error(format!("{other} is neither host nor private"))),
            };
            match name {
                "devices" => wishes.devices = devices(value).map_err(error)?,
                "privileged" => {
                    wishes.privileged = value
                        .parse()
                        .map_err(|_| error(format!("{value} is neither true nor false")))?;
                }
                "shm_size" => {
                    let size = bytes(value).filter(|size| *size > 0);
                    wishes.shm_size =
                        Some(size.ok_or_else(|| error(format!("{value} is no size such as 64m")))?);
                }
                "pid" => wishes.pid_of_host = of_host()?,
                "ipc" => wishes.ipc_of_host = of_host()?,
                _ => {
                    return Err(error(
                        "not known: there are bramble.devices, bramble.privileged, bramble.shm_size, bramble.pid and \
                         bramble.ipc"
                            .to_owned(),
                    ));
                }
            }
        }
        Ok(wishes)
    }

    /// What is read of labels that were checked when the service was made.
    pub fn checked(labels: &Labels) -> Self {
        Self::of(labels).unwrap_or_default()
    }

    /// True if a board has all that is asked for.
    pub fn met_by(&self, board: &NodeDescription) -> bool {
        self.devices.iter().all(|wanted| {
            let there = board.devices.iter().flatten();
            let folder = format!("{}/", wanted.path);
            there
                .into_iter()
                .any(|path| *path == wanted.path || path.starts_with(&folder))
        })
    }
}

fn devices(text: &str) -> Result<Vec<Device>, String> {
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

/// `64m` and the like, in bytes.
fn bytes(text: &str) -> Option<u64> {
    let text = text.trim().to_lowercase();
    let text = text.strip_suffix('b').unwrap_or(&text);
    let (digits, shift) = match text.chars().last()? {
        'k' => (text.strip_suffix('k')?, 10),
        'm' => (text.strip_suffix('m')?, 20),
        'g' => (text.strip_suffix('g')?, 30),
        _ => (text, 0),
    };
    digits.parse::<u64>().ok()?.checked_mul(1 << shift)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(label: &str, value: &str) -> Result<Wishes, WishError> {
        Wishes::of(&Labels::from([(label.to_owned(), value.to_owned())]))
    }

    #[test]
    fn devices_are_written_as_for_docker_run() {
        let text = "/dev/ttyUSB0, /dev/gpiomem:r,/dev/snd:/dev/sound,/dev/a:/dev/b:rw";
        let devices = read("bramble.devices", text).unwrap().devices;
        let shown: Vec<_> = devices
            .iter()
            .map(|device| format!("{} {} {}", device.path, device.target, device.access))
            .collect();
        assert_eq!(
            shown,
            [
                "/dev/ttyUSB0 /dev/ttyUSB0 rwm",
                "/dev/gpiomem /dev/gpiomem r",
                "/dev/snd /dev/sound rwm",
                "/dev/a /dev/b rw"
            ]
        );
        for bad in [
            "/etc/passwd",
            "ttyUSB0",
            "/dev/../etc",
            "/dev/a:/dev/b:x",
            "/dev/a:b:c:d",
        ] {
            assert!(read("bramble.devices", bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_slip_of_the_pen_is_told() {
        assert_eq!(read("bramble.shm_size", "64m").unwrap().shm_size, Some(64 << 20));
        assert!(read("bramble.pid", "host").unwrap().pid_of_host);
        assert_eq!(read("traefik.enable", "yes"), Ok(Wishes::default()));
        for (label, value) in [
            ("bramble.device", "/dev/x"),
            ("bramble.privileged", "yes"),
            ("bramble.shm_size", "much"),
            ("bramble.ipc", "other"),
        ] {
            assert!(read(label, value).is_err(), "{label}");
        }
    }

    #[test]
    fn a_board_has_the_device_or_something_in_the_folder() {
        let board = NodeDescription {
            devices: Some(vec!["/dev/snd/controlC0".to_owned(), "/dev/ttyUSB0".to_owned()]),
            ..NodeDescription::default()
        };
        let meets = |text| read("bramble.devices", text).unwrap().met_by(&board);
        assert!(meets("/dev/ttyUSB0,/dev/snd"));
        assert!(!meets("/dev/ttyUSB"));
        assert!(!meets("/dev/ttyUSB0,/dev/ttyUSB1"));
    }
}
