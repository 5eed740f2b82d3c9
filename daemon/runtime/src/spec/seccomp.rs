//! System calls that a container may make.
//!
//! The list is this room's own, made from the kernel's table of calls with the same aim as Docker's default: everything that
//! ordinary programs use, nothing that changes the board, loads code into the kernel or reaches into other processes'
//! namespaces. Calls of which a capability is asked come with the capability.

#[path = "custom.rs"]
mod custom;

use exec::Error;
use model::ContainerSpec;
use serde_json::{Value, json};

/// Calls for everyone, by name; runc leaves out those that an architecture does not have.
const CALLS: &str = include_str!("calls.txt");

/// Calls that come with a capability.
const WITH: [(&str, &[&str]); 9] = [
    (
        "CAP_SYS_ADMIN",
        &[
            "bpf",
            "clone",
            "clone3",
            "fanotify_init",
            "fsconfig",
            "fsmount",
            "fsopen",
            "fspick",
            "mount",
            "mount_setattr",
            "move_mount",
            "open_tree",
            "perf_event_open",
            "quotactl",
            "quotactl_fd",
            "setdomainname",
            "sethostname",
            "setns",
            "syslog",
            "umount",
            "umount2",
            "unshare",
        ],
    ),
    ("CAP_SYS_BOOT", &["reboot"]),
    ("CAP_SYS_CHROOT", &["chroot"]),
    (
        "CAP_SYS_MODULE",
        &["delete_module", "finit_module", "init_module"],
    ),
    ("CAP_SYS_PACCT", &["acct"]),
    (
        "CAP_SYS_PTRACE",
        &[
            "kcmp",
            "pidfd_getfd",
            "process_madvise",
            "process_vm_readv",
            "process_vm_writev",
            "ptrace",
        ],
    ),
    ("CAP_SYS_RAWIO", &["ioperm", "iopl"]),
    (
        "CAP_SYS_TIME",
        &["clock_settime", "clock_settime64", "settimeofday", "stime"],
    ),
    (
        "CAP_SYS_NICE",
        &[
            "get_mempolicy",
            "mbind",
            "set_mempolicy",
            "set_mempolicy_home_node",
        ],
    ),
];

/// Flags of `clone` that make namespaces: CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET.
const NEW_NAMESPACES: u64 = 0x7E02_0000;

/// The profile; none if the service asks for none.
///
/// # Errors
/// [`Error::Fatal`] for a profile of the user's that can't be read.
pub(super) fn profile(container: &ContainerSpec, capabilities: &[String]) -> Result<Value, Error> {
    let seccomp = container
        .privileges
        .as_ref()
        .and_then(|privileges| privileges.seccomp.as_ref());
    match seccomp.and_then(|seccomp| seccomp.mode.as_deref()) {
        Some("unconfined") => return Ok(Value::Null),
        Some("custom") => {
            let profile = seccomp.and_then(|seccomp| seccomp.profile.as_deref());
            return custom::convert(profile.unwrap_or_default(), capabilities)
                .map_err(|error| Error::Fatal(format!("seccomp profile: {error}")));
        }
        _ => {}
    }
    let mut rules =
        vec![json!({ "names": CALLS.split_whitespace().collect::<Vec<_>>(), "action": "SCMP_ACT_ALLOW" })];
    for (capability, calls) in WITH {
        if capabilities.iter().any(|known| known == capability) {
            rules.push(json!({ "names": calls, "action": "SCMP_ACT_ALLOW" }));
        }
    }
    if !capabilities.iter().any(|known| known == "CAP_SYS_ADMIN") {
        rules.push(json!({
            "names": ["clone"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": NEW_NAMESPACES, "valueTwo": 0, "op": "SCMP_CMP_MASKED_EQ" }],
        }));
        // Its flags are behind a pointer, which a filter can't follow: programs then fall back to clone (ENOSYS).
        rules.push(json!({ "names": ["clone3"], "action": "SCMP_ACT_ERRNO", "errnoRet": 38 }));
    }
    for persona in [0u64, 8, 0x20000, 0x20008, 0xffff_ffff] {
        rules.push(json!({
            "names": ["personality"],
            "action": "SCMP_ACT_ALLOW",
            "args": [{ "index": 0, "value": persona, "op": "SCMP_CMP_EQ" }],
        }));
    }
    let architectures = match std::env::consts::ARCH {
        "aarch64" => vec!["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
        "arm" => vec!["SCMP_ARCH_ARM"],
        _ => vec!["SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"],
    };
    Ok(json!({
        "defaultAction": "SCMP_ACT_ERRNO",
        "defaultErrnoRet": 1,
        "architectures": architectures,
        "syscalls": rules,
    }))
}
