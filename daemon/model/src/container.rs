//! What a container is to be: the `ContainerSpec` of a service.

use crate::{Labels, Ratio};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;
use std::collections::BTreeMap;

/// What a container is to be. Durations are nanoseconds, sizes bytes.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerSpec {
    /// The image's reference.
    pub image: Option<String>,
    /// Labels of the container.
    pub labels: Option<Labels>,
    /// Takes the place of the image's entry point.
    pub command: Option<Vec<String>>,
    /// Takes the place of the image's arguments.
    pub args: Option<Vec<String>>,
    /// Host name; may hold templates.
    pub hostname: Option<String>,
    /// `NAME=value`, or `NAME` alone to unset what the image sets.
    pub env: Option<Vec<String>>,
    /// Working directory.
    pub dir: Option<String>,
    /// `user[:group]`, names or numbers.
    pub user: Option<String>,
    /// Supplementary groups.
    pub groups: Option<Vec<String>>,
    /// Credentials, SELinux, seccomp, AppArmor.
    pub privileges: Option<Privileges>,
    /// Signal that asks the container to end.
    pub stop_signal: Option<String>,
    /// Whether it has a terminal.
    #[serde(rename = "TTY")]
    pub tty: Option<bool>,
    /// Whether its standard input stays open.
    pub open_stdin: Option<bool>,
    /// Whether its root file system is read-only.
    pub read_only: Option<bool>,
    /// What is mounted in it.
    pub mounts: Option<Vec<Mount>>,
    /// How long it may take to end before it is killed.
    pub stop_grace_period: Option<i64>,
    /// How to tell that it is well.
    pub healthcheck: Option<HealthConfig>,
    /// Lines for `/etc/hosts`: `address name…`.
    pub hosts: Option<Vec<String>>,
    /// Name resolution.
    #[serde(rename = "DNSConfig")]
    pub dns_config: Option<DnsConfig>,
    /// Secrets that it may read.
    pub secrets: Option<Vec<SecretReference>>,
    /// Configs that it may read.
    pub configs: Option<Vec<ConfigReference>>,
    /// Only of Windows; `default` here.
    pub isolation: Option<String>,
    /// Whether a small init process runs in front.
    pub init: Option<bool>,
    /// Kernel settings of its namespaces.
    pub sysctls: Option<Labels>,
    /// Capabilities beyond the default.
    pub capability_add: Option<Vec<String>>,
    /// Capabilities of the default to do without.
    pub capability_drop: Option<Vec<String>>,
    /// Limits per process.
    pub ulimits: Option<Vec<Ulimit>>,
    /// How readily the kernel kills it when memory runs out.
    pub oom_score_adj: Option<i64>,
}

/// Credentials, SELinux, seccomp, AppArmor.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Privileges {
    /// Only of Windows.
    pub credential_spec: Option<CredentialSpec>,
    /// SELinux.
    #[serde(rename = "SELinuxContext")]
    pub selinux_context: Option<SeLinuxContext>,
    /// Seccomp.
    pub seccomp: Option<SeccompOptions>,
    /// AppArmor.
    pub app_armor: Option<AppArmorOptions>,
    /// Whether it may never gain privileges.
    pub no_new_privileges: Option<bool>,
}

/// Only of Windows.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct CredentialSpec {
    /// Id of a config.
    pub config: Option<String>,
    /// A file.
    pub file: Option<String>,
    /// A registry key.
    pub registry: Option<String>,
}

/// SELinux labels.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SeLinuxContext {
    /// No labels at all.
    pub disable: Option<bool>,
    /// User.
    pub user: Option<String>,
    /// Role.
    pub role: Option<String>,
    /// Type.
    #[serde(rename = "Type")]
    pub kind: Option<String>,
    /// Level.
    pub level: Option<String>,
}

/// Seccomp.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SeccompOptions {
    /// `default`, `unconfined` or `custom`.
    pub mode: Option<String>,
    /// A custom profile, JSON in base 64.
    pub profile: Option<String>,
}

/// AppArmor.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AppArmorOptions {
    /// `default` or `disabled`.
    pub mode: Option<String>,
}

/// A mount.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Mount {
    /// `bind`, `volume`, `tmpfs`, `npipe`, `cluster` or `image`.
    #[serde(rename = "Type")]
    pub kind: Option<String>,
    /// Path on the board, or a volume's name.
    pub source: Option<String>,
    /// Path in the container.
    pub target: Option<String>,
    /// Whether it can't be written.
    pub read_only: Option<bool>,
    /// `default`, `consistent`, `cached` or `delegated`: no effect on Linux.
    pub consistency: Option<String>,
    /// Of a bind mount.
    pub bind_options: Option<BindOptions>,
    /// Of a volume.
    pub volume_options: Option<VolumeOptions>,
    /// Of an image.
    pub image_options: Option<ImageOptions>,
    /// Of a tmpfs.
    pub tmpfs_options: Option<TmpfsOptions>,
    /// Of a cluster volume.
    pub cluster_options: Option<BTreeMap<String, String>>,
}

/// Of a bind mount.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct BindOptions {
    /// Such as `rprivate`.
    pub propagation: Option<String>,
    /// Whether mounts below the source are left out.
    pub non_recursive: Option<bool>,
    /// Whether the source is made if it isn't there.
    pub create_mountpoint: Option<bool>,
    /// Whether read-only leaves out mounts below.
    pub read_only_non_recursive: Option<bool>,
    /// Whether read-only must hold for mounts below.
    pub read_only_force_recursive: Option<bool>,
}

/// Of a volume.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeOptions {
    /// Whether the image's files are not copied in.
    pub no_copy: Option<bool>,
    /// Labels of the volume.
    pub labels: Option<Labels>,
    /// A folder in the volume.
    pub subpath: Option<String>,
    /// Its driver.
    pub driver_config: Option<crate::Driver>,
}

/// Of an image mount.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ImageOptions {
    /// A folder in the image.
    pub subpath: Option<String>,
}

/// Of a tmpfs.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TmpfsOptions {
    /// Bytes.
    pub size_bytes: Option<i64>,
    /// Permissions.
    pub mode: Option<u32>,
    /// Mount options, each with its value if it has one.
    pub options: Option<Vec<Vec<String>>>,
}

/// How to tell that a container is well. Durations are nanoseconds.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HealthConfig {
    /// `["NONE"]`, `["CMD", …]` or `["CMD-SHELL", line]`; empty: the image's.
    pub test: Option<Vec<String>>,
    /// Between two checks.
    pub interval: Option<i64>,
    /// For one check.
    pub timeout: Option<i64>,
    /// Time to start up in which failures don't count.
    pub start_period: Option<i64>,
    /// Between two checks in that time.
    pub start_interval: Option<i64>,
    /// Failures in a row that make it unhealthy.
    pub retries: Option<i64>,
}

/// Name resolution.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct DnsConfig {
    /// Servers.
    pub nameservers: Option<Vec<String>>,
    /// Search domains.
    pub search: Option<Vec<String>>,
    /// Options of `resolv.conf`.
    pub options: Option<Vec<String>>,
}

/// A secret that a container may read.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SecretReference {
    /// The file that it appears as.
    pub file: Option<FileTarget>,
    /// Its id.
    #[serde(rename = "SecretID")]
    pub secret_id: crate::SecretId,
    /// Its name when the reference was made.
    pub secret_name: String,
}

/// A config that a container may read.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigReference {
    /// The file that it appears as.
    pub file: Option<FileTarget>,
    /// Set instead of a file if only the runtime needs it.
    pub runtime: Option<BTreeMap<String, String>>,
    /// Its id.
    #[serde(rename = "ConfigID")]
    pub config_id: crate::ConfigId,
    /// Its name when the reference was made.
    pub config_name: String,
}

/// The file that a secret or config appears as.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct FileTarget {
    /// Its path; of secrets below `/run/secrets`.
    pub name: String,
    /// Owner.
    #[serde(rename = "UID")]
    pub uid: String,
    /// Group.
    #[serde(rename = "GID")]
    pub gid: String,
    /// Permissions.
    pub mode: u32,
}

/// A limit per process.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Ulimit {
    /// Such as `nofile`.
    pub name: String,
    /// What it may raise itself to.
    pub hard: i64,
    /// What it has.
    pub soft: i64,
}

/// The most that a task may use.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Limits {
    /// Processor time, in billionths of a core.
    #[serde(rename = "NanoCPUs")]
    pub nano_cpus: Option<i64>,
    /// Memory, in bytes.
    pub memory_bytes: Option<i64>,
    /// Processes.
    pub pids: Option<i64>,
}

/// What tasks may use and what is kept for them.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ResourceRequirements {
    /// The most that it may use.
    pub limits: Option<Limits>,
    /// What is kept for it.
    pub reservations: Option<crate::Resources>,
    /// Swap, in bytes (API 1.52).
    pub swap_bytes: Option<i64>,
    /// Readiness to swap, 0 to 100 (API 1.52).
    pub memory_swappiness: Option<i64>,
}

/// Where logs go.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct LogDriver {
    /// Such as `json-file`.
    pub name: Option<String>,
    /// Its options, such as `max-size`.
    pub options: Option<Labels>,
}

/// What `max_failure_ratio` is compared with: failed over all.
pub fn failure_ratio(failed: usize, all: usize) -> Ratio {
    if all == 0 {
        Ratio(0.0)
    } else {
        Ratio(failed as f64 / all as f64)
    }
}
