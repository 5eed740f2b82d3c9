//! Volumes that are somewhere else: the local driver's options `type`, `o` and `device`, as for mount(8).

use exec::Error;
use hickory_resolver::TokioResolver;
use model::Labels;
use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::net::IpAddr;
use std::path::Path;

/// Options of mount(8) that are flags to the kernel, with whether they set or clear it.
const FLAGS: [(&str, MsFlags, bool); 26] = [
    ("ro", MsFlags::MS_RDONLY, true),
    ("rw", MsFlags::MS_RDONLY, false),
    ("nosuid", MsFlags::MS_NOSUID, true),
    ("suid", MsFlags::MS_NOSUID, false),
    ("nodev", MsFlags::MS_NODEV, true),
    ("dev", MsFlags::MS_NODEV, false),
    ("noexec", MsFlags::MS_NOEXEC, true),
    ("exec", MsFlags::MS_NOEXEC, false),
    ("sync", MsFlags::MS_SYNCHRONOUS, true),
    ("async", MsFlags::MS_SYNCHRONOUS, false),
    ("dirsync", MsFlags::MS_DIRSYNC, true),
    ("mand", MsFlags::MS_MANDLOCK, true),
    ("nomand", MsFlags::MS_MANDLOCK, false),
    ("noatime", MsFlags::MS_NOATIME, true),
    ("atime", MsFlags::MS_NOATIME, false),
    ("nodiratime", MsFlags::MS_NODIRATIME, true),
    ("diratime", MsFlags::MS_NODIRATIME, false),
    ("relatime", MsFlags::MS_RELATIME, true),
    ("norelatime", MsFlags::MS_RELATIME, false),
    ("strictatime", MsFlags::MS_STRICTATIME, true),
    ("nostrictatime", MsFlags::MS_STRICTATIME, false),
    ("bind", MsFlags::MS_BIND, true),
    ("rbind", MsFlags::MS_BIND.union(MsFlags::MS_REC), true),
    ("private", MsFlags::MS_PRIVATE, true),
    ("rprivate", MsFlags::MS_PRIVATE.union(MsFlags::MS_REC), true),
    ("defaults", MsFlags::empty(), true),
];

/// What is mounted in a volume's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Device {
    kind: String,
    source: String,
    flags: MsFlags,
    data: Vec<String>,
}

/// Reads a volume's options.
///
/// # Errors
/// What is wrong with them.
pub(super) fn read(options: &Labels) -> Result<Device, String> {
    let value = |name: &str| options.get(name).map(String::as_str).unwrap_or_default();
    let mut device = Device {
        kind: value("type").to_owned(),
        source: value("device").to_owned(),
        flags: MsFlags::empty(),
        data: Vec::new(),
    };
    for word in value("o")
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        match FLAGS.iter().find(|(name, ..)| *name == word) {
            Some((_, flag, true)) => device.flags.insert(*flag),
            Some((_, flag, false)) => device.flags.remove(*flag),
            None => device.data.push(word.to_owned()),
        }
    }
    if device.flags.contains(MsFlags::MS_BIND) && !device.source.starts_with('/') {
        return Err(format!("device {:?} is not an absolute path", device.source));
    }
    Ok(device)
}

impl Device {
    /// The same with `addr=NAME` as an address: the kernel knows no names.
    ///
    /// # Errors
    /// [`Error::Temporary`] if the name can't be resolved now.
    pub async fn located(mut self) -> Result<Self, Error> {
        for word in &mut self.data {
            let Some(name) = word.strip_prefix("addr=") else {
                continue;
            };
            if name.parse::<IpAddr>().is_err() {
                let failed = |error: &dyn std::fmt::Display| {
                    Error::Temporary(format!(
                        "error resolving passed in network volume address: {error}"
                    ))
                };
                let resolver = TokioResolver::builder_tokio()
                    .and_then(hickory_resolver::ResolverBuilder::build)
                    .map_err(|error| failed(&error))?;
                let found = resolver.lookup_ip(name).await.map_err(|error| failed(&error))?;
                let address = found.iter().next().ok_or_else(|| failed(&name))?;
                *word = format!("addr={address}");
            }
        }
        Ok(self)
    }

    /// Mounts it, unless something is mounted there already.
    ///
    /// # Errors
    /// Docker's words.
    pub fn mount(&self, at: &Path) -> Result<(), String> {
        if is_mounted(at) {
            return Ok(());
        }
        let data = self.data.join(",");
        let failed = |error: Errno| {
            format!(
                "error while mounting volume '{0}': failed to mount local volume: mount {1}:{0}, data: {data}: {2}",
                at.display(),
                self.source,
                error.desc().to_lowercase()
            )
        };
        let source = Some(self.source.as_str());
        // The kernel takes no other flag with a bind mount: they are set once it is there.
        let first = match self.flags.contains(MsFlags::MS_BIND) {
            true => self.flags & (MsFlags::MS_BIND | MsFlags::MS_REC),
            false => self.flags - MsFlags::MS_PRIVATE,
        };
        mount(source, at, Some(self.kind.as_str()), first, Some(data.as_str())).map_err(failed)?;
        let rest = self.flags - first - MsFlags::MS_PRIVATE;
        if !rest.is_empty() {
            let again = MsFlags::MS_REMOUNT | MsFlags::MS_BIND | rest;
            if let Err(error) = mount(None::<&str>, at, None::<&str>, again, None::<&str>) {
                let _ = unmount(at);
                return Err(failed(error));
            }
        }
        Ok(())
    }
}

/// True if something is mounted exactly there.
fn is_mounted(at: &Path) -> bool {
    let table = std::fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let escaped = at
        .display()
        .to_string()
        .replace('\\', "\\134")
        .replace(' ', "\\040");
    table
        .lines()
        .any(|line| line.split(' ').nth(4) == Some(escaped.as_str()))
}

/// Takes away what is mounted there; nothing is as good.
pub(super) fn unmount(at: &Path) -> std::io::Result<()> {
    while is_mounted(at) {
        umount2(at, MntFlags::UMOUNT_NOFOLLOW)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(kind: &str, o: &str, device: &str) -> Device {
        let pairs = [("type", kind), ("o", o), ("device", device)];
        let owned = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
        read(&Labels::from(owned)).unwrap()
    }

    #[test]
    fn flags_are_told_from_what_the_file_system_reads() {
        let nfs = of("nfs", "addr=nas,rw,nolock,soft,noatime", ":/srv");
        assert_eq!(nfs.flags, MsFlags::MS_NOATIME);
        assert_eq!(nfs.data, ["addr=nas", "nolock", "soft"]);
        assert!(of("none", "rbind,ro", "/srv").flags.contains(MsFlags::MS_REC));
        let bad = [("o", "bind"), ("device", "srv")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert!(read(&Labels::from(bad)).is_err());
    }

    #[tokio::test]
    async fn an_address_stays_as_it_is() {
        let nfs = of("nfs", "addr=10.0.0.7", ":/srv");
        assert_eq!(nfs.clone().located().await, Ok(nfs));
    }
}
