//! The files of a layer, with modes that do not depend on this process's umask.

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    docker::on_path,
    ran::{call, feed},
};

/// Debian's static busybox.
pub(super) fn busybox() -> Result<PathBuf> {
    on_path("busybox").context("no busybox: run `cargo lab setup`")
}

/// A small userland: busybox under all its names, and the usual folders and users.
pub(super) fn base(root: &Path, busybox: &Path) -> Result<()> {
    for (dir, mode) in [
        ("bin", 0o755),
        ("dev", 0o755),
        ("etc", 0o755),
        ("home", 0o755),
        ("lib", 0o755),
        ("proc", 0o755),
        ("root", 0o700),
        ("run", 0o755),
        ("sbin", 0o755),
        ("sys", 0o755),
        ("tmp", 0o1777),
        ("usr", 0o755),
        ("usr/bin", 0o755),
        ("usr/sbin", 0o755),
        ("var", 0o755),
        ("var/tmp", 0o1777),
    ] {
        folder(&root.join(dir), mode)?;
    }
    let binary = root.join("bin/busybox");
    fs::copy(busybox, &binary)?;
    set_mode(&binary, 0o755)?;
    for name in call("busybox", &["--list"])?
        .lines()
        .filter(|name| *name != "busybox")
    {
        symlink("busybox", root.join("bin").join(name))?;
    }
    files(
        root,
        &[
            (
                "etc/passwd",
                0o644,
                "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n",
            ),
            (
                "etc/group",
                0o644,
                "root:x:0:\nwww-data:x:33:\nnogroup:x:65534:\n",
            ),
        ],
    )
}

/// Some files, with the folders that they are in.
pub(super) fn files(root: &Path, files: &[(&str, u32, &str)]) -> Result<()> {
    for (path, mode, text) in files {
        let path = root.join(path);
        let above: Vec<&Path> = path.ancestors().skip(1).take_while(|dir| *dir != root).collect();
        for dir in above.into_iter().rev().filter(|dir| !dir.exists()) {
            folder(dir, 0o755)?;
        }
        fs::write(&path, text)?;
        set_mode(&path, *mode)?;
    }
    Ok(())
}

/// A static program, from its source in Rust, which needs nothing but the standard library.
pub(super) fn program(root: &Path, path: &str, source: &str) -> Result<()> {
    files(root, &[(path, 0o755, "")])?;
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    let output = root.join(path);
    let output = output.to_str().context("a folder whose name is not UTF-8")?;
    let mut args = vec!["--edition=2024", "--crate-name=program", "-O", "-o", output];
    args.extend([
        "-Ctarget-feature=+crt-static",
        "-Cstrip=symbols",
        "-Cpanic=abort",
        "-",
    ]);
    feed(&rustc, &args, source)?;
    set_mode(&root.join(path), 0o755)
}

/// A new folder.
pub(super) fn folder(dir: &Path, mode: u32) -> Result<()> {
    fs::create_dir(dir)?;
    set_mode(dir, mode)
}

fn set_mode(path: &Path, mode: u32) -> Result<()> {
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(mode))?)
}
