//! Building: what the lab runs, by the cargo that runs the lab.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Result;

use crate::{paths::repository, ran::run};

/// The package with the daemon.
pub const DAEMON: &str = "bramble";
/// The package with this lab.
const LAB: &str = "bramble-lab";

/// A cargo command in the repository.
pub fn cargo(args: &[&str]) -> Command {
    let program = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.current_dir(repository()).args(args);
    command
}

/// The daemon: `BRAMBLE_BIN`, or what `cargo build` makes.
pub fn daemon_binary() -> PathBuf {
    match given() {
        Some(file) => std::path::absolute(&file).unwrap_or(file),
        None => target().join("debug").join(DAEMON),
    }
}

/// Whether somebody else builds the daemon.
pub fn given() -> Option<PathBuf> {
    env::var_os("BRAMBLE_BIN")
        .filter(|value| !value.is_empty())
        .map(PathBuf::from)
}

/// This lab's program.
pub(crate) fn lab_binary() -> PathBuf {
    target().join("debug").join(LAB)
}

/// Builds the daemon and this lab's program, saying nothing unless that fails.
///
/// # Errors
/// When it fails, with cargo's output.
pub(crate) fn build_quietly() -> Result<()> {
    let mut packages = vec!["build", "--quiet", "--package", LAB];
    if given().is_none() {
        packages.extend(["--package", DAEMON]);
    }
    run(&mut cargo(&packages)).ok().map(drop)
}

/// The daemon to measure: `BRAMBLE_BIN`, or what `cargo build --release` makes.
pub fn release_daemon() -> PathBuf {
    given().unwrap_or_else(|| target().join("release").join(DAEMON))
}

fn target() -> PathBuf {
    let given = env::var_os("CARGO_TARGET_DIR").filter(|value| !value.is_empty());
    // A relative one counts from where cargo was called, which is the repository for all of ours.
    repository().join(given.as_deref().map_or(Path::new("target"), Path::new))
}
