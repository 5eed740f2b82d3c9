//! The end: of the power, and of everything. Works on whatever a crash left, goes on after errors, and tells all of them.

use std::{fs, io, path::Path};

use anyhow::{Context, Result, bail, ensure};
use nix::{
    mount::{MntFlags, umount2},
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{
    cgroups::{Group, kill_all},
    logs, net,
    paths::Name,
};

/// Cuts the power of some boards, in the same moment.
///
/// # Errors
/// When something would not die.
pub fn power_off(lab: &Name, numbers: &[usize]) -> Result<()> {
    let groups = numbers
        .iter()
        .map(|number| Group::new(lab, &format!("board-{number}")))
        .collect::<Result<Vec<_>>>()?;
    refuse_suicide(&groups)?;
    kill_all(&groups)?;
    for (number, group) in numbers.iter().zip(&groups) {
        evict(&lab.board(*number));
        group.clear()?;
        let dir = lab.board_dir(*number);
        // On a board these are in /run, which a power cut empties.
        for file in [
            dir.join("keeper.pid"),
            dir.join("daemon.pid"),
            lab.real_socket(*number),
        ] {
            gone(fs::remove_file(&file)).with_context(|| format!("cannot remove {}", file.display()))?;
        }
    }
    Ok(())
}

/// Takes a lab away: processes, namespaces, control groups, mounts and files. The logs are kept elsewhere. Gives whether
/// there was anything.
///
/// # Errors
/// All that could not be taken away.
pub fn down(lab: &Name) -> Result<bool> {
    let groups = Group::all_of(lab)?;
    refuse_suicide(&groups)?;
    if !exists(lab)? {
        return Ok(false);
    }
    let mut errors = Vec::new();
    let mut note = |result: Result<()>| errors.extend(result.err());
    note(kill_all(&groups));
    for namespace in net::namespaces(lab) {
        evict(&namespace);
        note(net::remove(&namespace));
    }
    groups.iter().for_each(|group| note(group.remove()));
    for dir in [lab.dir(), lab.far_sockets()] {
        unmount_below(&dir).into_iter().for_each(|error| note(Err(error)));
    }
    note(logs::keep(lab).context("cannot keep the logs"));
    for dir in [lab.dir(), lab.far_sockets()] {
        note(gone(fs::remove_dir_all(&dir)).with_context(|| format!("cannot remove {}", dir.display())));
    }
    if let Some(parent) = lab.far_sockets().parent() {
        // Other labs may have theirs there.
        let _ = fs::remove_dir(parent);
    }
    if errors.is_empty() {
        return Ok(true);
    }
    let all: Vec<String> = errors.iter().map(|error| format!("{error:#}")).collect();
    bail!("the lab {lab} is not all gone:\n  {}", all.join("\n  "))
}

/// Whether anything of a lab is there.
pub(crate) fn exists(lab: &Name) -> Result<bool> {
    Ok(lab.dir().exists() || !net::namespaces(lab).is_empty() || !Group::all_of(lab)?.is_empty())
}

/// Whoever is in a board's shell must not saw off the branch.
fn refuse_suicide(groups: &[Group]) -> Result<()> {
    let own = Pid::this().as_raw();
    ensure!(
        !groups.iter().any(|group| group.holds(own)),
        "this shell is on one of the boards: leave it first"
    );
    Ok(())
}

/// Ends processes that are in a board's network without being in its control group.
fn evict(namespace: &str) {
    let own = Pid::this().as_raw();
    for pid in net::inhabitants(namespace).into_iter().filter(|pid| *pid != own) {
        // It may have ended since.
        let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
    }
}

/// Mounts die with the boards' mount namespaces; these were made by somebody outside.
fn unmount_below(dir: &Path) -> Vec<anyhow::Error> {
    let table = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let places = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(Path::new);
    let mut below: Vec<&Path> = places.filter(|place| place.starts_with(dir)).collect();
    below.reverse();
    let failed = |place: &Path| {
        let result = umount2(place, MntFlags::MNT_DETACH)
            .with_context(|| format!("cannot unmount {}", place.display()));
        result.err()
    };
    below.into_iter().filter_map(failed).collect()
}

/// What is not there need not be removed.
fn gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}
