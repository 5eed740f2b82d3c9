//! Whether what a service says of its containers can be: what managers can know is refused when the service is made, in the words
//! that Docker's engine has for it; what only a board can know is refused by the task.

use super::{Refusal, deposits};
use model::template::{self, TemplateBoard};
use model::{
    BindOptions, ContainerSpec, HealthConfig, Mount, Privileges, ResourceRequirements, Task, TmpfsOptions,
    Ulimit,
};
use std::collections::BTreeSet;

fn invalid(text: impl std::fmt::Display) -> Refusal {
    Refusal::invalid(format!("ContainerSpec: {text}"))
}

/// Checks a container's spec.
///
/// # Errors
/// [`Refusal::Invalid`] or [`Refusal::Unimplemented`], with what is wrong.
pub fn container(spec: &ContainerSpec) -> Result<(), Refusal> {
    let image = spec.image.as_deref().unwrap_or_default();
    if image.is_empty() {
        return Err(invalid("image reference must be provided"));
    }
    if image.contains(|c: char| c.is_whitespace() || c.is_control()) || image.len() > 4096 {
        return Err(invalid(format!("\"{image}\" is not a valid repository/tag")));
    }
    deposits::references(spec)?;
    if let Some(check) = &spec.healthcheck {
        health(check)?;
    }
    if spec.stop_grace_period.is_some_and(|period| period < 0) {
        return Err(invalid("StopGracePeriod cannot be negative"));
    }
    let signal = spec.stop_signal.as_deref().unwrap_or_default();
    if !signal.is_empty() && model::signal(signal).is_none() {
        return Err(invalid(format!("invalid signal: {signal}")));
    }
    // As swarmkit does it: with a task that is none, so that a slip of the pen is told at once.
    template::expand(
        spec,
        &template::fields(&Task::default(), &TemplateBoard::default()),
    )
    .map_err(Refusal::invalid)?;
    names(spec)?;
    spec.ulimits.iter().flatten().try_for_each(ulimit)?;
    spec.privileges.as_ref().map_or(Ok(()), privileges)?;
    if !matches!(spec.isolation.as_deref(), None | Some("" | "default")) {
        return Err(Refusal::Unimplemented(
            "isolation is only of Windows: use default".to_owned(),
        ));
    }
    if spec
        .oom_score_adj
        .is_some_and(|score| !(-1000..=1000).contains(&score))
    {
        return Err(invalid(format!(
            "Invalid value {}, range for oom score adj is [-1000, 1000]",
            spec.oom_score_adj.unwrap_or_default()
        )));
    }
    let mut targets = BTreeSet::new();
    for one in spec.mounts.iter().flatten() {
        mount(one)?;
        let target = one.target.as_deref().unwrap_or_default();
        if !targets.insert(target) {
            return Err(invalid(format!("duplicate mount point: {target}")));
        }
    }
    Ok(())
}

/// Names of capabilities, environment and kernel settings.
fn names(spec: &ContainerSpec) -> Result<(), Refusal> {
    for (field, names) in [
        ("CapAdd", &spec.capability_add),
        ("CapDrop", &spec.capability_drop),
    ] {
        for name in names.iter().flatten() {
            model::capability(name).map_err(|error| invalid(format!("invalid {field}: {error}")))?;
        }
    }
    for line in spec.env.iter().flatten() {
        if line.is_empty() || line.starts_with('=') || line.contains('\0') {
            return Err(invalid(format!("invalid environment variable: {line}")));
        }
    }
    let dns = spec.dns_config.iter();
    for server in dns.flat_map(|dns| dns.nameservers.iter().flatten()) {
        if server.parse::<std::net::IpAddr>().is_err() {
            return Err(invalid(format!("DNSConfig: {server} is not an ip address")));
        }
    }
    for setting in spec.sysctls.iter().flatten().map(|(setting, _)| setting) {
        if !model::is_namespaced(setting, false) {
            return Err(invalid(format!(
                "sysctl '{setting}' is not allowed: it is the whole board's, not a container's own"
            )));
        }
    }
    for line in spec.hosts.iter().flatten() {
        let mut words = line.split_whitespace();
        let address = words.next().unwrap_or_default();
        if address.parse::<std::net::IpAddr>().is_err() || words.next().is_none() {
            return Err(invalid(format!(
                "invalid host \"{line}\": an IP address and names are needed"
            )));
        }
    }
    Ok(())
}

fn ulimit(limit: &Ulimit) -> Result<(), Refusal> {
    let Ulimit { name, hard, soft } = limit;
    if !model::ULIMITS.contains(&name.as_str()) {
        return Err(invalid(format!("invalid ulimit type: {name}")));
    }
    // -1 is "without limit".
    if *hard >= 0 && (soft > hard || *soft < 0) {
        return Err(invalid(format!(
            "ulimit soft limit must be less than or equal to hard limit: {soft} > {hard}"
        )));
    }
    Ok(())
}

fn privileges(privileges: &Privileges) -> Result<(), Refusal> {
    if privileges.credential_spec.is_some() {
        return Err(Refusal::Unimplemented(
            "credential specs are only of Windows".to_owned(),
        ));
    }
    let selinux = privileges.selinux_context.as_ref();
    if selinux.is_some_and(|selinux| selinux.disable != Some(true)) {
        return Err(Refusal::Unimplemented(
            "an SELinux context can't be given: boards have no SELinux".to_owned(),
        ));
    }
    if let Some(seccomp) = &privileges.seccomp {
        let profile = seccomp.profile.as_deref().unwrap_or_default();
        match seccomp.mode.as_deref().unwrap_or_default() {
            "" | "default" | "unconfined" if profile.is_empty() => {}
            "custom" if !profile.is_empty() => {}
            "custom" => return Err(invalid("a custom seccomp mode needs a profile")),
            "" | "default" | "unconfined" => {
                return Err(invalid("a seccomp profile is only for the mode custom"));
            }
            other => return Err(invalid(format!("seccomp mode {other} is not known"))),
        }
    }
    let mode = privileges
        .app_armor
        .as_ref()
        .and_then(|armor| armor.mode.as_deref());
    match mode.unwrap_or_default() {
        // Boards have no AppArmor profile of their own: both mean the same.
        "" | "default" | "disabled" => Ok(()),
        other => Err(invalid(format!("AppArmor mode {other} is not known"))),
    }
}

fn mount(mount: &Mount) -> Result<(), Refusal> {
    let target = mount.target.as_deref().unwrap_or_default();
    let source = mount.source.as_deref().unwrap_or_default();
    let templated = |text: &str| text.contains("{{");
    if !target.starts_with('/') && !templated(target) {
        return Err(invalid(format!(
            "invalid mount target, must be an absolute path: {target}"
        )));
    }
    if target == "/" {
        return Err(invalid("invalid specification: destination can't be '/'"));
    }
    let kind = mount.kind.as_deref().unwrap_or_default();
    for (other, given) in [
        ("bind", mount.bind_options.is_some()),
        ("volume", mount.volume_options.is_some()),
        ("tmpfs", mount.tmpfs_options.is_some()),
        ("image", mount.image_options.is_some()),
        ("cluster", mount.cluster_options.is_some()),
    ] {
        if given && other != kind {
            return Err(invalid(format!(
                "{other} options are not for a mount of type {kind}"
            )));
        }
    }
    match kind {
        "bind" if !source.starts_with('/') && !templated(source) => Err(invalid(format!(
            "invalid bind mount source, must be an absolute path: {source}"
        ))),
        "bind" => mount
            .bind_options
            .as_ref()
            .map_or(Ok(()), |options| bind(mount, options)),
        "volume" => volume(mount, source, templated(source)),
        "tmpfs" if !source.is_empty() => Err(invalid("invalid tmpfs source, source must be empty")),
        "tmpfs" => mount.tmpfs_options.as_ref().map_or(Ok(()), tmpfs),
        "cluster" => Err(Refusal::Unimplemented(
            "cluster volumes (CSI) can't be had here: volumes are a board's own".to_owned(),
        )),
        kind => Err(Refusal::Unimplemented(format!(
            "mounts of type '{kind}' can't be used here: use bind, volume or tmpfs"
        ))),
    }
}

fn bind(mount: &Mount, options: &BindOptions) -> Result<(), Refusal> {
    let propagation = options.propagation.as_deref().unwrap_or_default();
    let known = ["", "private", "rprivate", "shared", "rshared", "slave", "rslave"];
    if !known.contains(&propagation) {
        return Err(invalid(format!("invalid propagation mode: {propagation}")));
    }
    let on = |flag: Option<bool>| flag.unwrap_or(false);
    let (not, force) = (
        on(options.read_only_non_recursive),
        on(options.read_only_force_recursive),
    );
    if not && force {
        return Err(invalid(
            "ReadOnlyNonRecursive and ReadOnlyForceRecursive exclude each other",
        ));
    }
    if (not || force) && !on(mount.read_only) {
        return Err(invalid(
            "ReadOnlyNonRecursive and ReadOnlyForceRecursive are for read-only mounts",
        ));
    }
    if force && on(options.non_recursive) {
        return Err(invalid("ReadOnlyForceRecursive needs a recursive mount"));
    }
    Ok(())
}

fn volume(mount: &Mount, source: &str, templated: bool) -> Result<(), Refusal> {
    if source.starts_with('/') {
        return Err(invalid(format!(
            "invalid volume mount source, must not be an absolute path: {source}"
        )));
    }
    if !source.is_empty() && !templated {
        model::check_volume_name(source).map_err(invalid)?;
    }
    let options = mount.volume_options.clone().unwrap_or_default();
    let subpath = options.subpath.unwrap_or_default();
    if subpath.starts_with('/') || subpath.split('/').any(|part| part == "..") {
        return Err(invalid("subpath must be a relative path within the volume"));
    }
    if source.is_empty() && !subpath.is_empty() {
        return Err(invalid("must not set Subpath when using anonymous volumes"));
    }
    let driver = options.driver_config.unwrap_or_default();
    if let Some(name) = driver.name.filter(|name| !matches!(name.as_str(), "" | "local")) {
        return Err(invalid(format!(
            "error looking up volume plugin {name}: plugin {name:?} not found"
        )));
    }
    model::check_volume_options(&driver.options.unwrap_or_default()).map_err(invalid)
}

fn tmpfs(options: &TmpfsOptions) -> Result<(), Refusal> {
    if options.size_bytes.is_some_and(|size| size < 0) {
        return Err(invalid("invalid tmpfs size: it can't be negative"));
    }
    if options.mode.is_some_and(|mode| mode > 0o7777) {
        return Err(invalid("invalid tmpfs mode"));
    }
    for option in options.options.iter().flatten() {
        if !matches!(option.as_slice(), [word] if word == "exec" || word == "noexec") {
            return Err(invalid(format!("invalid tmpfs option: {}", option.join("="))));
        }
    }
    Ok(())
}

/// Docker's rules and words.
fn health(check: &HealthConfig) -> Result<(), Refusal> {
    /// Nanoseconds.
    const MILLISECOND: i64 = 1_000_000;
    for (name, time) in [
        ("Interval", check.interval),
        ("Timeout", check.timeout),
        ("StartPeriod", check.start_period),
        ("StartInterval", check.start_interval),
    ] {
        if time.is_some_and(|nanos| nanos != 0 && nanos < MILLISECOND) {
            return Err(invalid(format!("{name} in Healthcheck cannot be less than 1ms")));
        }
    }
    if check.retries.is_some_and(|retries| retries < 0) {
        return Err(invalid("Retries in Healthcheck cannot be negative"));
    }
    Ok(())
}

/// Swap and the readiness for it (API 1.52).
///
/// # Errors
/// [`Refusal::Invalid`]
pub fn swap(resources: &ResourceRequirements) -> Result<(), Refusal> {
    let limit = resources.limits.as_ref().and_then(|limits| limits.memory_bytes);
    if resources.swap_bytes.is_some_and(|bytes| bytes < -1) {
        return Err(Refusal::invalid(
            "invalid swap limit: must be positive, or -1 for none",
        ));
    }
    if resources.swap_bytes.is_some_and(|bytes| bytes != 0) && limit.unwrap_or(0) <= 0 {
        return Err(Refusal::invalid("a swap limit needs a memory limit"));
    }
    if resources
        .memory_swappiness
        .is_some_and(|value| !(-1..=100).contains(&value))
    {
        return Err(Refusal::invalid(format!(
            "invalid value: {}, valid memory swappiness range is 0-100",
            resources.memory_swappiness.unwrap_or_default()
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn refused(part: serde_json::Value) -> String {
        let mut spec = json!({ "Image": "busybox" });
        if let (Some(spec), Some(part)) = (spec.as_object_mut(), part.as_object()) {
            spec.extend(part.clone());
        }
        let spec: ContainerSpec = serde_json::from_value(spec).unwrap();
        container(&spec).map_or_else(|refusal| refusal.to_string(), |()| String::new())
    }

    #[test]
    fn what_can_be_is_taken() {
        for good in [
            json!({}),
            json!({ "CapabilityAdd": ["NET_ADMIN", "CAP_SYS_TIME"], "CapabilityDrop": ["ALL"] }),
            json!({ "StopSignal": "SIGRTMIN+3", "OomScoreAdj": -500, "Isolation": "default" }),
            json!({ "Sysctls": { "net.core.somaxconn": "1024" }, "Hosts": ["10.0.0.1 a b"] }),
            json!({ "Ulimits": [{ "Name": "nofile", "Soft": 10, "Hard": 20 }, { "Name": "core", "Soft": -1, "Hard": -1 }] }),
            json!({ "Mounts": [
                { "Type": "volume", "Source": "a{{.Task.Slot}}", "Target": "/a", "VolumeOptions": { "Subpath": "x/y" } },
                { "Type": "volume", "Target": "/b" },
                { "Type": "bind", "Source": "/srv", "Target": "/c", "ReadOnly": true, "Consistency": "cached",
                  "BindOptions": { "Propagation": "rslave", "ReadOnlyForceRecursive": true } },
                { "Type": "tmpfs", "Target": "/d", "TmpfsOptions": { "SizeBytes": 4096, "Options": [["exec"]] } },
            ] }),
            json!({ "Privileges": { "SELinuxContext": { "Disable": true }, "Seccomp": { "Mode": "unconfined" },
                    "AppArmor": { "Mode": "disabled" }, "NoNewPrivileges": true } }),
        ] {
            assert_eq!(refused(good.clone()), "", "{good}");
        }
    }

    #[test]
    fn what_can_not_be_is_refused_in_words() {
        for (bad, words) in [
            (
                json!({ "CapabilityAdd": ["FLY"] }),
                "invalid CapAdd: unknown capability: \"CAP_FLY\"",
            ),
            (json!({ "StopSignal": "SIGNOPE" }), "invalid signal: SIGNOPE"),
            (json!({ "OomScoreAdj": 1001 }), "[-1000, 1000]"),
            (json!({ "Isolation": "hyperv" }), "Windows"),
            (
                json!({ "Sysctls": { "kernel.panic": "1" } }),
                "'kernel.panic' is not allowed",
            ),
            (json!({ "Hosts": ["a 10.0.0.1"] }), "invalid host"),
            (json!({ "Env": ["=x"] }), "invalid environment variable"),
            (
                json!({ "Env": ["A={{.Nope}}"] }),
                "expanding env failed: template: can't evaluate field Nope",
            ),
            (json!({ "Hostname": "{{.Task.Slot" }), "expanding hostname failed"),
            (
                json!({ "Ulimits": [{ "Name": "nofile", "Soft": 30, "Hard": 20 }] }),
                "30 > 20",
            ),
            (
                json!({ "Privileges": { "CredentialSpec": { "File": "x" } } }),
                "Windows",
            ),
            (
                json!({ "Privileges": { "SELinuxContext": { "User": "x" } } }),
                "SELinux",
            ),
            (
                json!({ "Privileges": { "Seccomp": { "Mode": "custom" } } }),
                "needs a profile",
            ),
            (
                json!({ "Mounts": [{ "Type": "bind", "Source": "srv", "Target": "/a" }] }),
                "absolute path: srv",
            ),
            (
                json!({ "Mounts": [{ "Type": "volume", "Source": "_x", "Target": "/a" }] }),
                "invalid characters",
            ),
            (
                json!({ "Mounts": [{ "Type": "volume", "Source": "/x", "Target": "/a" }] }),
                "must not be an absolute",
            ),
            (
                json!({ "Mounts": [{ "Type": "tmpfs", "Source": "x", "Target": "/a" }] }),
                "source must be empty",
            ),
            (
                json!({ "Mounts": [{ "Type": "cluster", "Source": "x", "Target": "/a" }] }),
                "CSI",
            ),
            (
                json!({ "Mounts": [{ "Type": "npipe", "Source": "x", "Target": "/a" }] }),
                "npipe",
            ),
            (
                json!({ "Mounts": [{ "Type": "volume", "Source": "xx", "Target": "a" }] }),
                "mount target",
            ),
            (
                json!({ "Mounts": [{ "Type": "volume", "Source": "xx", "Target": "/a",
                                     "VolumeOptions": { "DriverConfig": { "Name": "rexray" } } }] }),
                "plugin \"rexray\" not found",
            ),
            (
                json!({ "Mounts": [{ "Type": "volume", "Source": "xx", "Target": "/a", "VolumeOptions": { "Subpath": "../x" } }] }),
                "within the volume",
            ),
            (
                json!({ "Mounts": [{ "Type": "tmpfs", "Target": "/a" }, { "Type": "tmpfs", "Target": "/a" }] }),
                "duplicate mount point: /a",
            ),
        ] {
            let said = refused(bad.clone());
            assert!(said.contains(words), "{bad}: {said}");
        }
    }

    #[test]
    fn swap_goes_with_memory() {
        let check = |text: serde_json::Value| swap(&serde_json::from_value(text).unwrap());
        assert!(check(json!({ "Limits": { "MemoryBytes": 8 << 20 }, "SwapBytes": 1 << 20 })).is_ok());
        assert!(check(json!({ "SwapBytes": 1 << 20 })).is_err());
        assert!(check(json!({ "MemorySwappiness": 101 })).is_err());
    }
}
