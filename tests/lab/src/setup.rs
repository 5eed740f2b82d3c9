//! What the machine must have: Debian packages, installed only where missing, and a docker command.

use std::{
    fs,
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    docker::{docker_command, on_path},
    paths::{repository, tools},
    ran::run,
};

/// How one sees that a package, or something as good, is there.
#[derive(Debug, Clone, Copy)]
enum Sign {
    /// A program on the PATH.
    Program(&'static str),
    /// A file.
    File(&'static str),
    /// Only dpkg can tell.
    Package,
}

const NEEDED: [(&str, Sign); 21] = [
    ("busybox-static", Sign::Package),
    (
        "ca-certificates",
        Sign::File("/etc/ssl/certs/ca-certificates.crt"),
    ),
    ("containerd", Sign::Program("containerd")),
    ("docker-registry", Sign::Program("docker-registry")),
    ("dosfstools", Sign::Program("mkfs.vfat")),
    ("fdisk", Sign::Program("sfdisk")),
    ("gcc", Sign::Program("cc")),
    ("git", Sign::Program("git")),
    ("iproute2", Sign::Program("ip")),
    ("libc6-dev", Sign::File("/usr/include/stdio.h")),
    (
        "libprotobuf-dev",
        Sign::File("/usr/include/google/protobuf/descriptor.proto"),
    ),
    ("mtools", Sign::Program("mcopy")),
    ("nftables", Sign::Program("nft")),
    ("procps", Sign::Program("ps")),
    ("protobuf-compiler", Sign::Program("protoc")),
    ("python3", Sign::Program("python3")),
    ("runc", Sign::Program("runc")),
    ("shellcheck", Sign::Program("shellcheck")),
    ("tini", Sign::File("/usr/bin/tini-static")),
    ("xz-utils", Sign::Program("xz")),
    ("zstd", Sign::Program("zstd")),
];

/// What QEMU machines and their cards need.
const MACHINES: [(&str, Sign); 7] = [
    ("device-tree-compiler", Sign::Program("fdtput")),
    ("mtools", Sign::Program("mcopy")),
    ("openssh-client", Sign::Program("ssh")),
    ("qemu-system-arm", Sign::Program("qemu-system-aarch64")),
    ("qemu-utils", Sign::Program("qemu-img")),
    ("xz-utils", Sign::Program("xz")),
    ("zstd", Sign::Program("zstd")),
];

/// The packages that Debian has the docker command in, the newer first.
const DOCKER: [&str; 2] = ["docker-cli", "docker.io"];
/// What Docker's engine links to or calls; containerd and runc are among [`NEEDED`].
const ENGINE_NEEDS: [&str; 2] = ["iptables", "libdevmapper1.02.1"];
const POLICY: &str = "/usr/sbin/policy-rc.d";

/// Installs what is missing and tells what it does. Gives whether there was anything to do.
///
/// # Errors
/// When this is not root on a Debian, or a package cannot be had.
pub fn setup(mut tell: impl FnMut(&str)) -> Result<bool> {
    if !nix::unistd::geteuid().is_root() {
        bail!("the lab makes namespaces, so it must run as root");
    }
    let missing = missing(&NEEDED);
    if !missing.is_empty() {
        tell(&format!("installing {}", missing.join(" ")));
        install(&missing)?;
    }
    let docker = docker_command().is_file();
    if !docker {
        tell("fetching Debian's docker command, without its engine, into target/lab/tools");
        unpack(&DOCKER, "docker", &tools().join("docker/usr/bin/docker"))?;
    }
    Ok(!docker || !missing.is_empty())
}

/// Installs what QEMU machines need beside the rest.
///
/// # Errors
/// When a package cannot be had.
pub fn machines(tell: impl Fn(&str)) -> Result<()> {
    let missing = missing(&MACHINES);
    if !missing.is_empty() {
        tell(&format!("installing {}", missing.join(" ")));
        install(&missing)?;
    }
    Ok(())
}

fn missing(needed: &[(&'static str, Sign)]) -> Vec<&'static str> {
    let there = |(package, sign): &(&str, Sign)| match sign {
        Sign::Program(name) => on_path(name).is_some(),
        Sign::File(path) => Path::new(path).exists(),
        Sign::Package => installed(package),
    };
    needed
        .iter()
        .filter(|one| !there(one))
        .map(|(package, _)| *package)
        .collect()
}

fn installed(package: &str) -> bool {
    let asked = run(Command::new("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]));
    asked.ok().is_ok_and(|status| status == "installed")
}

fn install(packages: &[&str]) -> Result<()> {
    // These packages bring services that would start at once where a service manager runs.
    let _quiet = NoServices::declare()?;
    let attempt = || run(apt(&["install", "--yes", "--no-install-recommends"]).args(packages)).ok();
    if attempt().is_err() {
        // The lists of packages may be old, or not there at all.
        run(&mut apt(&["update"]))
            .ok()
            .context("cannot get Debian's lists of packages")?;
        attempt().with_context(|| format!("cannot install {}", packages.join(" ")))?;
    }
    Ok(())
}

/// Docker's own engine (the path of `dockerd`) with what it runs on, for measuring beside it. The engine is unpacked and not installed, so that the
/// machine doesn't get a service it didn't ask for.
///
/// # Errors
/// When a package cannot be had.
pub(crate) fn engine(mut tell: impl FnMut(&str)) -> Result<PathBuf> {
    if let Some(installed) = on_path("dockerd") {
        return Ok(installed);
    }
    let missing: Vec<_> = ENGINE_NEEDS
        .into_iter()
        .filter(|package| !installed(package))
        .collect();
    if !missing.is_empty() {
        tell(&format!("installing {}", missing.join(" ")));
        install(&missing)?;
    }
    let engine = tools().join("engine/usr/sbin/dockerd");
    if !engine.is_file() {
        tell("fetching Debian's Docker engine into target/lab/tools");
        unpack(&["docker.io"], "engine", &engine)?;
    }
    Ok(engine)
}

/// Unpacks the first of the packages that Debian has into a folder of that name below the tools, where `file` must then be.
fn unpack(packages: &[&str], folder: &str, file: &Path) -> Result<()> {
    let attempt = || packages.iter().find_map(|package| download(package).ok());
    let archive = match attempt() {
        Some(archive) => archive,
        None => {
            run(&mut apt(&["update"]))
                .ok()
                .context("cannot get Debian's lists of packages")?;
            attempt().with_context(|| format!("cannot download any of {}", packages.join(", ")))?
        }
    };
    run(Command::new("dpkg")
        .arg("--extract")
        .arg(&archive)
        .arg(tools().join(folder)))
    .ok()?;
    if !file.is_file() {
        bail!("{} has no {}", archive.display(), file.display());
    }
    Ok(())
}

fn download(package: &str) -> Result<PathBuf> {
    let dir = tools().join("packages").join(package);
    fs::create_dir_all(&dir)?;
    run(apt(&["download", package]).current_dir(&dir)).ok()?;
    let mut files = fs::read_dir(&dir)?.flatten().map(|entry| entry.path());
    files
        .find(|file| file.extension().is_some_and(|one| one == "deb"))
        .context("apt-get left no package")
}

fn apt(args: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command
        .args(["--quiet=2"])
        .args(args)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .current_dir(repository());
    command
}

/// While it lives, installing a package starts no service.
struct NoServices(bool);

impl NoServices {
    fn declare() -> Result<Self> {
        let made = fs::File::options()
            .write(true)
            .create_new(true)
            .mode(0o755)
            .open(POLICY);
        match made {
            Ok(mut file) => {
                std::io::Write::write_all(&mut file, b"#!/bin/sh\nexit 101\n")?;
                Ok(NoServices(true))
            }
            // The machine has a policy of its own.
            Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(NoServices(false)),
            Err(error) => Err(error).with_context(|| format!("cannot write {POLICY}")),
        }
    }
}

impl Drop for NoServices {
    fn drop(&mut self) {
        if self.0 {
            let _ = fs::remove_file(POLICY);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_program_is_seen() {
        assert!(on_path("sh").is_some());
        assert!(on_path("no-such-program").is_none());
        assert!(!installed("no-such-package"));
    }
}
