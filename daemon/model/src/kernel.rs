//! Names of what a kernel gives and limits: capabilities, signals, limits of processes, settings of namespaces.
//!
//! Managers refuse a name that is none when a service is made; boards look up what it stands for.

/// All capabilities that the kernel has, by its numbers (capabilities(7), Linux 6).
pub const CAPABILITIES: [&str; 41] = [
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
];

/// A capability's full name: `net_admin` is `CAP_NET_ADMIN`; `ALL` stays.
///
/// # Errors
/// Docker's words for one that is none.
pub fn capability(name: &str) -> Result<String, String> {
    let upper = name.trim().to_uppercase();
    let full = match upper.as_str() {
        "ALL" => return Ok(upper),
        known if known.starts_with("CAP_") => upper,
        short => format!("CAP_{short}"),
    };
    match CAPABILITIES.contains(&full.as_str()) {
        true => Ok(full),
        false => Err(format!("unknown capability: {full:?}")),
    }
}

/// Signals by number, from 1 (signal(7), as all of Bramble's architectures have them).
const SIGNALS: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// The first and the last of the signals that have no meaning of their own, as the C library gives them out.
const REAL_TIME: (u32, u32) = (34, 64);

/// A signal's number: of `SIGTERM`, `TERM`, `15`, `RTMIN+3` or `RTMAX-1`.
pub fn signal(name: &str) -> Option<u32> {
    let upper = name.trim().to_uppercase();
    let short = upper.strip_prefix("SIG").unwrap_or(&upper);
    let within = |number: &u32| (1..=REAL_TIME.1).contains(number);
    if let Ok(number) = short.parse() {
        return Some(number).filter(within);
    }
    let aside = |rest: &str, sign: char| match rest {
        "" => Some(0),
        rest => rest.strip_prefix(sign)?.parse::<u32>().ok(),
    };
    let (low, high) = REAL_TIME;
    let real_time = match (short.strip_prefix("RTMIN"), short.strip_prefix("RTMAX")) {
        (Some(rest), _) => low.checked_add(aside(rest, '+')?),
        (_, Some(rest)) => high.checked_sub(aside(rest, '-')?),
        _ => None,
    };
    if let Some(number) = real_time {
        return Some(number).filter(|number| (low..=high).contains(number));
    }
    let short = match short {
        "CLD" => "CHLD",
        "IOT" => "ABRT",
        "POLL" => "IO",
        other => other,
    };
    let at = SIGNALS.iter().position(|known| *known == short)?;
    u32::try_from(at + 1).ok()
}

/// Limits of a process that can be set (setrlimit(2)).
pub const ULIMITS: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// True for a setting that each container has for itself: those of its network (unless that is the board's) and of its
/// memory segments and queues. Others are the whole board's.
pub fn is_namespaced(setting: &str, boards_network: bool) -> bool {
    const OWN: [&str; 9] = [
        "kernel.msgmax",
        "kernel.msgmnb",
        "kernel.msgmni",
        "kernel.sem",
        "kernel.shmall",
        "kernel.shmmax",
        "kernel.shmmni",
        "kernel.shm_rmid_forced",
        "kernel.domainname",
    ];
    let dotted = setting.replace('/', ".");
    OWN.contains(&dotted.as_str())
        || dotted.starts_with("fs.mqueue.")
        || (dotted.starts_with("net.") && !boards_network)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_by_name_and_number() {
        for (name, number) in [
            ("SIGTERM", Some(15)),
            ("quit", Some(3)),
            ("9", Some(9)),
            ("SIGSYS", Some(31)),
            ("SIGRTMIN+3", Some(37)),
            ("RTMAX", Some(64)),
            ("RTMAX-40", None),
            ("", None),
            ("0", None),
            ("65", None),
            ("SIGNONSENSE", None),
        ] {
            assert_eq!(signal(name), number, "{name}");
        }
    }

    #[test]
    fn capabilities_have_short_names() {
        assert_eq!(capability("net_admin"), capability("CAP_NET_ADMIN"));
        assert_eq!(capability("all").as_deref(), Ok("ALL"));
        assert_eq!(capability("fly").unwrap_err(), "unknown capability: \"CAP_FLY\"");
    }

    #[test]
    fn settings_of_the_whole_board_are_told() {
        assert!(is_namespaced("net.core.somaxconn", false));
        assert!(!is_namespaced("net.core.somaxconn", true));
        assert!(is_namespaced("kernel.shm_rmid_forced", true));
        assert!(!is_namespaced("kernel.panic", false));
        assert!(!is_namespaced("vm.swappiness", false));
    }
}
