//! The way from 127.0.0.11:53 to the server, as rules of the task's own namespace.
//!
//! The server does not listen at port 53 itself: a container that is a DNS server wants `0.0.0.0:53`, which would then be
//! taken. Docker does the same.

use model::TaskId;

use super::resolvers::{HERE, PORT};

/// Where ports for outgoing connections come from: programs listen elsewhere.
const RANGE: std::ops::Range<u16> = 32768..60999;

/// The complete rules for `nft -f -`: they replace a table of their own and touch no other.
pub fn ruleset(udp: u16, tcp: u16) -> String {
    format!(
        r#"table ip bramble_names
delete table ip bramble_names
table ip bramble_names {{
	chain asked {{
		type nat hook output priority -100; policy accept;
		ip daddr {HERE} udp dport {PORT} dnat to {HERE}:{udp}
		ip daddr {HERE} tcp dport {PORT} dnat to {HERE}:{tcp}
	}}
}}
"#
    )
}

/// The port that a task's server tries first: the same after a restart of the daemon, for the kernel remembers for minutes
/// where a program's questions went, and such a program would go on asking a port that nobody listens at.
pub fn usual_port(task: &TaskId) -> u16 {
    // FNV-1a: any spread will do, but it must not change from one build to the next.
    let hash = task.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
    });
    let width = u32::from(RANGE.end - RANGE.start);
    RANGE.start + u16::try_from(hash % width).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_s_port_is_always_the_same_and_spread() {
        let ports: std::collections::BTreeSet<u16> = (0..100)
            .map(|n| usual_port(&TaskId::from(format!("task{n}"))))
            .collect();
        assert!(ports.iter().all(|port| RANGE.contains(port)));
        assert!(ports.len() > 95, "{}", ports.len());
        assert_eq!(usual_port(&"a".into()), usual_port(&"a".into()));
    }
}
