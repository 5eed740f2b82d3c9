//! The hierarchies of control groups that this machine has, and how a board gets to see its part of them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

const CONTROLLERS: [&str; 13] = [
    "blkio",
    "cpu",
    "cpuacct",
    "cpuset",
    "devices",
    "freezer",
    "hugetlb",
    "memory",
    "misc",
    "net_cls",
    "net_prio",
    "perf_event",
    "pids",
];
/// In a unified hierarchy a group with groups below it may hold no processes itself.
pub(super) const MEMBERS: &str = "members";

/// One mounted hierarchy of control groups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hierarchy {
    /// Where it is mounted.
    pub mount: PathBuf,
    /// `None` for a unified (version 2) hierarchy; the options to mount the same one again for version 1.
    pub options: Option<String>,
}

impl Hierarchy {
    pub fn has(&self, controller: &str) -> bool {
        let options = self.options.as_deref().unwrap_or_default();
        options.split(',').any(|one| one == controller)
    }

    /// Whether this is the one that all controllers are in.
    pub fn is_whole(&self) -> bool {
        self.options.is_none() && self.mount == Path::new("/sys/fs/cgroup")
    }
}

/// The hierarchies of this machine.
pub(crate) fn hierarchies() -> Result<Vec<Hierarchy>> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("cannot read the mounts")?;
    Ok(parse(&text))
}

fn parse(mountinfo: &str) -> Vec<Hierarchy> {
    let mut found: Vec<Hierarchy> = Vec::new();
    for line in mountinfo.lines() {
        let Some((place, kind)) = line.split_once(" - ") else {
            continue;
        };
        let (Some(mount), mut kind) = (place.split(' ').nth(4), kind.split(' ')) else {
            continue;
        };
        let (fs, _, options) = (kind.next(), kind.next(), kind.next().unwrap_or_default());
        let options = match fs {
            Some("cgroup2") => None,
            Some("cgroup") => {
                let keep = |one: &&str| CONTROLLERS.contains(one) || one.starts_with("name=");
                let kept: Vec<&str> = options.split(',').filter(keep).collect();
                Some(kept.join(","))
            }
            _ => continue,
        };
        let known = found.iter().any(|one| one.options == options);
        if mount.starts_with("/sys/fs/cgroup") && !known {
            found.push(Hierarchy {
                mount: mount.into(),
                options,
            });
        }
    }
    found
}

/// The lines of shell that give a process, alone in a new mount and cgroup namespace, its view of the hierarchies.
pub(crate) fn mount_script(hierarchies: &[Hierarchy]) -> String {
    let mut script = String::new();
    if !hierarchies.iter().any(Hierarchy::is_whole) {
        script.push_str("mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup\n");
    }
    for one in hierarchies {
        let dir = one.mount.display();
        match &one.options {
            Some(options) => {
                script.push_str(&format!(
                    "mkdir -p {dir}; mount -t cgroup -o {options} cgroup {dir}\n"
                ));
                // containerd looks for each controller under its own name.
                let name = one
                    .mount
                    .file_name()
                    .unwrap_or_default()
                    .to_string_lossy()
                    .into_owned();
                for alias in name.split(',').filter(|alias| *alias != name) {
                    script.push_str(&format!("ln -s {name} /sys/fs/cgroup/{alias}\n"));
                }
            }
            None => script.push_str(&format!("mkdir -p {dir}; mount -t cgroup2 cgroup2 {dir}\n")),
        }
        if one.is_whole() {
            script.push_str(&format!(
                "mkdir -p {dir}/{MEMBERS}; echo $$ >{dir}/{MEMBERS}/cgroup.procs\n\
                 for one in $(cat {dir}/cgroup.controllers); do echo +$one >{dir}/cgroup.subtree_control || :; done\n"
            ));
        }
    }
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hierarchies_of_both_versions_are_found_once() {
        let text = "\
            31 24 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755\n\
            32 31 0:28 / /sys/fs/cgroup/cpu,cpuacct rw,nosuid - cgroup cgroup rw,cpu,cpuacct\n\
            33 31 0:29 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n\
            34 31 0:30 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw,nsdelegate\n\
            35 24 0:28 / /elsewhere rw - cgroup cgroup rw,cpu,cpuacct\n";
        let found = parse(text);
        let options: Vec<_> = found.iter().map(|one| one.options.as_deref()).collect();
        assert_eq!(options, [Some("cpu,cpuacct"), Some("name=systemd"), None]);
        let script = mount_script(&found);
        for line in [
            "-o cpu,cpuacct cgroup /sys/fs/cgroup/cpu,cpuacct",
            "ln -s cpu,cpuacct /sys/fs/cgroup/cpuacct",
        ] {
            assert!(script.contains(line), "{script}");
        }
        assert!(!script.contains(MEMBERS));
    }

    #[test]
    fn a_unified_hierarchy_keeps_processes_in_a_leaf() {
        let script = mount_script(&parse(
            "30 24 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw,nsdelegate\n",
        ));
        assert!(script.contains("mount -t cgroup2 cgroup2 /sys/fs/cgroup"));
        assert!(script.contains("/sys/fs/cgroup/members/cgroup.procs"));
    }
}
