//! Control groups: one per board in every hierarchy, so that all that a board runs, containers too, can be counted, frozen
//! and ended together.
//!
//! A board gets its group as the root of what it sees (a cgroup namespace, mounted anew), so what the daemon, containerd and
//! runc call `/bramble/ID` is really `/bramble-lab/NAME/board-N/bramble/ID`.

mod hierarchy;

use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{clock::wait_for, paths::Name};
use hierarchy::{Hierarchy, MEMBERS};
pub(crate) use hierarchy::{hierarchies, mount_script};

const PARENT: &str = "bramble-lab";
const DEATH: Duration = Duration::from_secs(20);

/// The control groups of one board (or the switch) in all hierarchies.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    hierarchies: Vec<Hierarchy>,
    path: PathBuf,
}

impl Group {
    /// The group of `who` (`board-1`, `switch`) in a lab; it need not exist.
    pub fn new(lab: &Name, who: &str) -> Result<Self> {
        let path = Path::new(PARENT).join(lab.to_string()).join(who);
        Ok(Group {
            hierarchies: hierarchies()?,
            path,
        })
    }

    /// All groups of a lab, whatever they are called.
    pub fn all_of(lab: &Name) -> Result<Vec<Self>> {
        let parent = Path::new(PARENT).join(lab.to_string());
        let mut names = BTreeSet::new();
        for one in hierarchies()? {
            names.extend(
                children(&one.mount.join(&parent))
                    .iter()
                    .filter_map(|dir| dir.file_name().map(ToOwned::to_owned)),
            );
        }
        names
            .iter()
            .map(|name| Group::new(lab, &name.to_string_lossy()))
            .collect()
    }

    fn dirs(&self) -> impl Iterator<Item = PathBuf> {
        self.hierarchies.iter().map(|one| one.mount.join(&self.path))
    }

    /// Makes the groups.
    pub fn create(&self) -> Result<()> {
        for one in &self.hierarchies {
            let mut dir = one.mount.clone();
            for part in &self.path {
                let parent = dir.clone();
                dir.push(part);
                if let Err(error) = fs::create_dir(&dir)
                    && error.kind() != io::ErrorKind::AlreadyExists
                {
                    return Err(error).with_context(|| format!("cannot make {}", dir.display()));
                }
                if one.has("cpuset") {
                    inherit(&parent, &dir, "cpuset.cpus")?;
                    inherit(&parent, &dir, "cpuset.mems")?;
                }
                if one.is_whole() {
                    delegate(&parent);
                }
            }
        }
        Ok(())
    }

    /// The files to write a process id to so that it belongs to the group. `first` is for the process that becomes the root
    /// of the namespace, before the board's own folders are there.
    pub fn doors(&self, first: bool) -> Vec<PathBuf> {
        let door = |one: &Hierarchy| {
            let dir = one.mount.join(&self.path);
            let dir = if one.is_whole() && !first {
                dir.join(MEMBERS)
            } else {
                dir
            };
            dir.join("cgroup.procs")
        };
        self.hierarchies.iter().map(door).collect()
    }

    /// Every process in the group and in groups below it.
    pub fn processes(&self) -> BTreeSet<i32> {
        let mut found = BTreeSet::new();
        for dir in self.dirs() {
            for dir in tree(&dir) {
                let text = fs::read_to_string(dir.join("cgroup.procs")).unwrap_or_default();
                found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok()));
            }
        }
        // 0 is how a process that this namespace cannot see is shown; it must never get as far as kill().
        found.remove(&0);
        found
    }

    /// Whether that process belongs to the group.
    pub fn holds(&self, pid: i32) -> bool {
        let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
        let path = format!("/{}", self.path.display());
        text.lines().any(|line| {
            let rest = line.splitn(3, ':').nth(2).and_then(|one| one.strip_prefix(&path));
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// CPU time of everything that ever ran in the group, in seconds.
    pub fn cpu_seconds(&self) -> Result<f64> {
        for one in &self.hierarchies {
            let dir = one.mount.join(&self.path);
            if one.has("cpuacct") {
                let text = fs::read_to_string(dir.join("cpuacct.usage"))?;
                return Ok(text.trim().parse::<f64>()? / 1e9);
            }
            if one.is_whole() {
                let text = fs::read_to_string(dir.join("cpu.stat"))?;
                let usage = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
                return Ok(usage.context("cpu.stat has no usage")?.trim().parse::<f64>()? / 1e6);
            }
        }
        anyhow::bail!("no hierarchy counts CPU time")
    }

    /// Stops all processes where they are, or lets them go on. Best effort: it makes a power cut sharper, not possible.
    fn freeze(&self, frozen: bool) {
        for one in &self.hierarchies {
            let top = one.mount.join(&self.path);
            let (file, text) = match (one.has("freezer"), frozen) {
                (true, true) => ("freezer.state", "FROZEN"),
                (true, false) => ("freezer.state", "THAWED"),
                (false, true) => ("cgroup.freeze", "1"),
                (false, false) => ("cgroup.freeze", "0"),
            };
            // A container that its owner paused is frozen by itself, and must thaw to die.
            let dirs = if frozen { vec![top] } else { tree(&top) };
            for dir in dirs {
                let file = dir.join(file);
                if file.exists() {
                    let _ = fs::write(file, text);
                }
            }
        }
    }

    /// Removes all groups below this one; they must be empty.
    pub fn clear(&self) -> Result<()> {
        for dir in self.dirs() {
            for below in tree(&dir).into_iter().rev().filter(|one| *one != dir) {
                remove(&below)?;
            }
        }
        Ok(())
    }

    /// Removes the groups, which must be empty, and the lab's own if this was the last.
    pub fn remove(&self) -> Result<()> {
        self.clear()?;
        for one in &self.hierarchies {
            remove(&one.mount.join(&self.path))?;
            // These hold others' groups as well, or not: who is last takes them away.
            for above in self
                .path
                .ancestors()
                .skip(1)
                .filter(|above| !above.as_os_str().is_empty())
            {
                let _ = fs::remove_dir(one.mount.join(above));
            }
        }
        Ok(())
    }
}

/// Ends everything in all of the groups as a power cut would: nothing gets to see another thing die.
pub(crate) fn kill_all(groups: &[Group]) -> Result<()> {
    groups.iter().for_each(|group| group.freeze(true));
    wait_for("every process killed", DEATH, || {
        let alive: BTreeSet<i32> = groups.iter().flat_map(Group::processes).collect();
        for pid in &alive {
            // It may have ended since.
            let _ = kill(Pid::from_raw(*pid), Signal::SIGKILL);
        }
        groups.iter().for_each(|group| group.freeze(false));
        if alive.is_empty() {
            return Ok(Some(()));
        }
        anyhow::bail!("still there: {alive:?}")
    })
}

fn inherit(parent: &Path, dir: &Path, file: &str) -> Result<()> {
    let own = fs::read_to_string(dir.join(file)).unwrap_or_default();
    if own.trim().is_empty() {
        let given = fs::read_to_string(parent.join(file)).with_context(|| format!("cannot read {file}"))?;
        fs::write(dir.join(file), given.trim())
            .with_context(|| format!("cannot set {file} of {}", dir.display()))?;
    }
    Ok(())
}

/// Lets groups below `dir` have controllers, as far as this machine allows.
fn delegate(dir: &Path) {
    let controllers = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
    for one in controllers.split_whitespace() {
        let _ = fs::write(dir.join("cgroup.subtree_control"), format!("+{one}"));
    }
}

fn children(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let dirs = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    dirs.map(|entry| entry.path()).collect()
}

/// `dir`, if it exists, and all folders below it, parents first.
fn tree(dir: &Path) -> Vec<PathBuf> {
    let mut found = if dir.is_dir() {
        vec![dir.to_owned()]
    } else {
        Vec::new()
    };
    let mut next = 0;
    while let Some(dir) = found.get(next) {
        let below = children(dir);
        found.extend(below);
        next += 1;
    }
    found
}

/// Removes one group. A killed process counts as a member for a moment longer than it is listed.
fn remove(dir: &Path) -> Result<()> {
    wait_for(
        &format!("{} removed", dir.display()),
        DEATH,
        || match fs::remove_dir(dir) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(Some(())),
        },
    )
}
