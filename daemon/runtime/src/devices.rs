//! Devices of this board that tasks may ask for.

use exec::Error;
use model::{Device, Wishes};
use nix::sys::stat::{major, minor};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

/// Most devices that a board tells of, and most in one folder that a task asks for.
const MOST: usize = 512;
/// Folders below `/dev` are looked into so deep (`/dev/serial/by-id`).
const DEPTH: usize = 3;
/// What every container has, or what is no device of its own.
const LEFT_OUT: [&str; 18] = [
    "null",
    "zero",
    "full",
    "random",
    "urandom",
    "tty",
    "console",
    "ptmx",
    "pts",
    "shm",
    "mqueue",
    "hugepages",
    "fd",
    "stdin",
    "stdout",
    "stderr",
    "char",
    "block",
];

/// A device node, as a container is to have it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Node {
    /// Its path in the container.
    pub target: String,
    /// `c` or `b`.
    pub kind: char,
    pub major: u64,
    pub minor: u64,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// Of `r`, `w` and `m`.
    pub access: String,
}

/// The paths of all devices that a service may name, sorted.
pub(crate) fn list() -> Vec<String> {
    let mut found = Vec::new();
    look(Path::new("/dev"), DEPTH, &mut found);
    found.sort();
    found.truncate(MOST);
    found
}

fn look(folder: &Path, depth: usize, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        // Of the board's own consoles and of what is made of files there are many, and nobody plugs them in.
        let numbered = |prefix: &str| {
            name.strip_prefix(prefix)
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        let many = ["tty", "vcs", "loop", "ram", "vcsa", "vcsu"]
            .iter()
            .any(|prefix| numbered(prefix));
        if LEFT_OUT.contains(&name.as_ref()) || many || found.len() > MOST {
            continue;
        }
        // Follows links: /dev/serial/by-id names sticks for good.
        let Ok(facts) = std::fs::metadata(&path) else {
            continue;
        };
        let linked = entry.file_type().is_ok_and(|kind| kind.is_symlink());
        if facts.is_dir() && depth > 1 && !linked {
            look(&path, depth - 1, found);
        } else if facts.file_type().is_char_device() || facts.file_type().is_block_device() {
            found.extend(path.to_str().map(str::to_owned));
        }
    }
}

/// The device nodes that a task asks for.
///
/// # Errors
/// [`Error::Fatal`] for one that is not there.
pub(crate) fn wanted(wishes: &Wishes) -> Result<Vec<Node>, Error> {
    let mut nodes = Vec::new();
    for device in &wishes.devices {
        add(device, &mut nodes)?;
    }
    if wishes.privileged {
        for path in list() {
            let device = Device {
                target: path.clone(),
                path,
                access: "rwm".to_owned(),
            };
            // One that was pulled out in this moment is no loss.
            let _ = add(&device, &mut nodes);
        }
    }
    Ok(nodes)
}

fn add(device: &Device, nodes: &mut Vec<Node>) -> Result<(), Error> {
    let missing =
        |error: std::io::Error| Error::Fatal(format!("device {} is not on this board: {error}", device.path));
    let facts = std::fs::metadata(&device.path).map_err(missing)?;
    if facts.is_dir() {
        for entry in std::fs::read_dir(&device.path)
            .map_err(missing)?
            .flatten()
            .take(MOST)
        {
            let (path, name) = (entry.path(), entry.file_name());
            let inner = Device {
                path: path.to_string_lossy().into_owned(),
                target: format!("{}/{}", device.target, name.to_string_lossy()),
                access: device.access.clone(),
            };
            let is_device = std::fs::metadata(&path)
                .is_ok_and(|facts| facts.file_type().is_char_device() || facts.file_type().is_block_device());
            if is_device {
                add(&inner, nodes)?;
            }
        }
        return Ok(());
    }
    let kind = match facts.file_type() {
        kind if kind.is_char_device() => 'c',
        kind if kind.is_block_device() => 'b',
        _ => return Err(Error::Fatal(format!("{} is no device", device.path))),
    };
    if nodes.iter().all(|known| known.target != device.target) {
        nodes.push(Node {
            target: device.target.clone(),
            kind,
            major: major(facts.rdev()),
            minor: minor(facts.rdev()),
            mode: facts.mode() & 0o777,
            uid: facts.uid(),
            gid: facts.gid(),
            access: device.access.clone(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wish(path: &str) -> Wishes {
        Wishes {
            devices: vec![Device {
                path: path.to_owned(),
                target: "/dev/x".to_owned(),
                access: "r".to_owned(),
            }],
            ..Wishes::default()
        }
    }

    #[test]
    fn a_device_is_found_with_its_numbers_and_anything_else_is_refused() {
        let found = wanted(&wish("/dev/null")).unwrap();
        assert_eq!((found[0].kind, found[0].major, found[0].minor), ('c', 1, 3));
        assert_eq!(
            (found[0].target.as_str(), found[0].access.as_str()),
            ("/dev/x", "r")
        );
        assert!(wanted(&wish("/dev/nosuch")).is_err());
        assert!(wanted(&wish("/etc/passwd")).is_err());
        assert!(!list().contains(&"/dev/null".to_owned()));
    }
}
