//! What this board is and has.

use crate::config::Config;
use crate::spec::Clamp;
use crate::volumes::Volumes;
use model::{EngineDescription, NodeDescription, Platform, PluginDescription, Resources};
use nix::sys::resource::{Resource, getrlimit};
use std::path::Path;

/// What this board is and has.
pub(crate) fn describe(config: &Config, volumes: &Volumes) -> NodeDescription {
    let memory = nix::sys::sysinfo::sysinfo()
        .ok()
        .and_then(|info| i64::try_from(info.ram_total()).ok());
    let cpus = std::thread::available_parallelism()
        .ok()
        .and_then(|count| i64::try_from(count.get()).ok());
    let plugin = |kind: &str, name: &str| PluginDescription {
        kind: kind.to_owned(),
        name: name.to_owned(),
    };
    NodeDescription {
        hostname: config.hostname.clone(),
        platform: platform(),
        resources: Resources {
            nano_cpus: cpus.map(|count| count * 1_000_000_000),
            memory_bytes: memory,
            generic_resources: Some(config.generic_resources.clone()).filter(|all| !all.is_empty()),
        },
        engine: EngineDescription {
            engine_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            labels: Some(config.labels()).filter(|labels| !labels.is_empty()),
            plugins: Some(vec![
                plugin("Log", "json-file"),
                plugin("Network", "bridge"),
                plugin("Network", "host"),
                plugin("Volume", "local"),
            ]),
        },
        tls_info: None,
        devices: Some(crate::devices::list()).filter(|devices| !devices.is_empty()),
        volumes: Some(volumes.names()).filter(|names| !names.is_empty()),
        wireguard: None,
    }
}

/// Architecture in the kernel's words, with the variant of an ARM.
pub(crate) fn platform() -> Platform {
    let machine = nix::sys::utsname::uname()
        .map(|name| name.machine().to_string_lossy().into_owned())
        .unwrap_or_default();
    let variant = match machine.as_str() {
        "armv6l" => Some("v6"),
        "armv7l" | "armv8l" => Some("v7"),
        "aarch64" => Some("v8"),
        _ => None,
    };
    Platform {
        architecture: Some(machine),
        os: Some("linux".to_owned()),
        variant: variant.map(str::to_owned),
    }
}

/// What this process may give to containers: runc fails on more, where CAP_SYS_RESOURCE is missing.
pub(crate) fn clamp() -> Clamp {
    let hard = |resource| getrlimit(resource).ok().map(|(_, hard)| hard);
    let own = std::fs::read_to_string("/proc/self/oom_score_adj").ok();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let bounding = status.lines().find_map(|line| line.strip_prefix("CapBnd:"));
    let bounding = bounding.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    Clamp {
        withheld: bounding.map_or(0, |held| !held),
        nofile: hard(Resource::RLIMIT_NOFILE),
        nproc: hard(Resource::RLIMIT_NPROC),
        oom_score_adj: own.and_then(|text| text.trim().parse().ok()).unwrap_or(0),
        recursive_read_only: kernel() >= (5, 12),
        cgroup_v2: Path::new("/sys/fs/cgroup/cgroup.controllers").exists(),
        limits_swap: limits_swap(Path::new("/sys/fs/cgroup")),
    }
}

/// Whether control groups count swap: the kernel can be built or started without. Version 2 shows its files below the root only.
fn limits_swap(groups: &Path) -> bool {
    let below = || std::fs::read_dir(groups).into_iter().flatten().flatten();
    groups.join("memory/memory.memsw.limit_in_bytes").exists()
        || below().any(|group| group.path().join("memory.swap.max").exists())
}

/// The kernel's version, as far as it says what the kernel can do.
pub(crate) fn kernel() -> (u32, u32) {
    let name = nix::sys::utsname::uname();
    let text = name
        .as_ref()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default();
    let mut numbers = text
        .split(|c: char| !c.is_ascii_digit())
        .map(|digits| digits.parse().unwrap_or(0));
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}
