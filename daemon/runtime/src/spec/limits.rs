//! What a container may use up.

use super::{Clamp, Parts};
use exec::Error;
use model::{ContainerSpec, ResourceRequirements, Task};
use serde_json::{Value, json};

/// Between two looks of the scheduler, in microseconds (Docker's).
const CPU_PERIOD: i64 = 100_000;
/// Device nodes that every container has; all others are out of its reach (Docker's).
const DEVICES: [(i64, i64); 9] = [
    (1, 3),
    (1, 5),
    (1, 7),
    (1, 8),
    (1, 9),
    (5, 0),
    (5, 1),
    (5, 2),
    (136, -1),
];

/// Limits of the container's control group.
///
/// # Errors
/// [`Error::Fatal`] for what this board can't do.
pub(super) fn resources(task: &Task, parts: &Parts<'_>) -> Result<Value, Error> {
    let requirements = task.spec.resources.clone().unwrap_or_default();
    let (limits, kept) = (
        requirements.limits.clone().unwrap_or_default(),
        requirements.reservations.clone().unwrap_or_default(),
    );
    let some = |value: Option<i64>| value.filter(|value| *value > 0);
    let mut devices = vec![json!({ "allow": false, "access": "rwm" })];
    devices.extend(DEVICES.map(|(major, minor)| {
        let mut device = json!({ "allow": true, "type": "c", "major": major, "access": "rwm" });
        if minor >= 0 {
            device["minor"] = minor.into();
        }
        device
    }));
    // mknod is a capability of its own; what was made can't be opened.
    devices.extend(["c", "b"].map(|kind| json!({ "allow": true, "type": kind, "access": "m" })));
    devices.extend(parts.devices.iter().map(|node| {
        json!({ "allow": true, "type": node.kind, "major": node.major, "minor": node.minor, "access": node.access })
    }));
    if parts.wishes.privileged {
        devices = vec![json!({ "allow": true, "access": "rwm" })];
    }
    let mut resources = json!({ "devices": devices });
    if let Some(nano) = some(limits.nano_cpus) {
        // The kernel takes no quota below 1 ms.
        let quota = (nano.saturating_mul(CPU_PERIOD) / 1_000_000_000).max(1_000);
        resources["cpu"] = json!({ "period": CPU_PERIOD, "quota": quota });
    }
    if let Some(memory) = memory(&requirements, limits.memory_bytes, kept.memory_bytes, parts.clamp)? {
        resources["memory"] = memory;
    }
    if let Some(pids) = limits.pids.filter(|pids| *pids != 0) {
        resources["pids"] = json!({ "limit": pids });
    }
    Ok(resources)
}

fn memory(
    requirements: &ResourceRequirements,
    limit: Option<i64>,
    kept: Option<i64>,
    clamp: Clamp,
) -> Result<Option<Value>, Error> {
    let some = |value: Option<i64>| value.filter(|value| *value > 0);
    let mut memory = serde_json::Map::new();
    if let Some(limit) = some(limit) {
        memory.insert("limit".to_owned(), limit.into());
        // As much swap as memory if nothing is said (Docker's): a limit must not end up in the board's swap.
        let swap = requirements.swap_bytes.or(clamp.limits_swap.then_some(limit));
        if let Some(swap) = swap {
            let total = if swap < 0 { -1 } else { limit.saturating_add(swap) };
            memory.insert("swap".to_owned(), total.into());
        }
    }
    if let Some(reservation) = some(kept) {
        memory.insert("reservation".to_owned(), reservation.into());
    }
    if let Some(swappiness) = requirements.memory_swappiness.filter(|value| *value >= 0) {
        memory.insert("swappiness".to_owned(), swappiness.into());
    }
    if clamp.cgroup_v2 && memory.contains_key("swappiness") {
        return Err(Error::Fatal(
            "memory swappiness can't be set on this board: control groups of version 2 have no such setting"
                .to_owned(),
        ));
    }
    Ok(Some(memory).filter(|memory| !memory.is_empty()).map(Value::from))
}

/// Limits of each process. Hard limits beyond what this process may give are cut down to that.
pub(super) fn rlimits(container: &ContainerSpec, clamp: Clamp) -> Result<Vec<Value>, Error> {
    let mut all = Vec::new();
    for limit in container.ulimits.iter().flatten() {
        if !model::ULIMITS.contains(&limit.name.as_str()) {
            return Err(Error::Fatal(format!("invalid ulimit type: {}", limit.name)));
        }
        let most = match limit.name.as_str() {
            "nofile" => clamp.nofile,
            "nproc" => clamp.nproc,
            _ => None,
        };
        // -1 is "without limit".
        let cut = |value: i64| {
            u64::try_from(value)
                .unwrap_or(u64::MAX)
                .min(most.unwrap_or(u64::MAX))
        };
        all.push(json!({
            "type": format!("RLIMIT_{}", limit.name.to_uppercase()),
            "hard": cut(limit.hard),
            "soft": cut(limit.soft).min(cut(limit.hard)),
        }));
    }
    Ok(all)
}
