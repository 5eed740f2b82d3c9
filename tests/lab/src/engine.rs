//! Docker's own engine on boards in place of Bramble's daemon, to measure one beside the other.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

use crate::{
    net::{REGISTRY, SUBNET},
    paths::tools,
    setup,
};

/// A program that a lab starts as it would start Bramble's daemon, and that becomes `dockerd` with the same socket, state
/// directory and registry. It forms no cluster by itself: that is for `docker swarm init` and `join`.
///
/// # Errors
/// When the engine cannot be had, or the program not be written.
pub fn engine(tell: impl FnMut(&str)) -> Result<PathBuf> {
    let dockerd = setup::engine(tell)?;
    let file = tools().join("board-engine");
    let written = || {
        fs::create_dir_all(tools())?;
        fs::write(&file, script(&dockerd))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755))
    };
    written().with_context(|| format!("cannot write {}", file.display()))?;
    Ok(file)
}

/// It is called with `daemon --config FILE`, and reads from there what both daemons need to know.
fn script(dockerd: &Path) -> String {
    let dockerd = dockerd.display();
    format!(
        r#"#!/bin/sh
set -eu
set_to() {{ sed -n "s/^$2 = \"\(.*\)\"\$/\1/p" "$1"; }}
PATH=$(dirname "{dockerd}"):$PATH:/usr/sbin:/sbin
export PATH
# The engine asks for names of the outside world before every pull, and waits 10 s where nothing says that there is none.
sed -n 's/^nameserver //p' /etc/resolv.conf | while read -r server; do
    ip route replace unreachable "$server" || true
done
exec "{dockerd}" --host "unix://$(set_to "$3" api)" --data-root "$(set_to "$3" state-dir)" \
    --exec-root /run/docker --pidfile /run/docker.pid \
    --registry-mirror http://{REGISTRY} --insecure-registry {SUBNET}
"#
    )
}
