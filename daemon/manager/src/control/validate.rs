//! Whether a service's spec can be right, and whether this version of Bramble can do what it asks.
//!
//! Everything in a spec takes effect or is refused in words.

use super::{Refusal, containers};
use model::{
    Constraint, EndpointMode, EndpointSpec, Placement, PortConfig, ResourceRequirements, RestartPolicy,
    ServiceSpec, TaskSpec, UpdateConfig, Wishes,
};
use std::collections::BTreeSet;

/// Swarm's limit of a service's name: what a DNS label holds.
const NAME_LENGTH: usize = 63;

/// Fewest processor billionths and memory bytes that may be asked for (swarmkit's limits).
const MIN_NANO_CPUS: i64 = 1_000_000;
const MIN_MEMORY: i64 = 4 << 20;

/// Checks a spec whose name has been filled in.
///
/// # Errors
/// [`Refusal::Invalid`] or [`Refusal::Unimplemented`], with what is wrong.
pub fn service(spec: &ServiceSpec) -> Result<(), Refusal> {
    name(&spec.name)?;
    mode(spec)?;
    Wishes::of_service(spec).map_err(|error| Refusal::invalid(error.to_string()))?;
    task(&spec.task_template)?;
    for config in [&spec.update_config, &spec.rollback_config].into_iter().flatten() {
        update(config)?;
    }
    if let Some(endpoint) = &spec.endpoint_spec {
        ports(endpoint)?;
    }
    Ok(())
}

/// Letters, digits, `-`, `_` and inner dots, as swarmkit has it (its own made-up names hold `_`).
pub(super) fn name(name: &str) -> Result<(), Refusal> {
    let edge = |c: char| c.is_ascii_alphanumeric();
    let inner = |c: char| edge(c) || "-_.".contains(c);
    if name.is_empty() {
        return Err(Refusal::invalid("meta: name must be provided"));
    }
    if name.len() > NAME_LENGTH {
        return Err(Refusal::invalid(format!(
            "name must be {NAME_LENGTH} characters or fewer"
        )));
    }
    if !name.chars().all(inner) || !name.starts_with(edge) || !name.ends_with(edge) {
        return Err(Refusal::invalid("name must be valid as a DNS name component"));
    }
    Ok(())
}

fn mode(spec: &ServiceSpec) -> Result<(), Refusal> {
    let mode = &spec.mode;
    let given = [
        mode.replicated.is_some(),
        mode.global.is_some(),
        mode.replicated_job.is_some(),
        mode.global_job.is_some(),
    ];
    match given.iter().filter(|given| **given).count() {
        0 => {
            return Err(Refusal::invalid(
                "Unrecognized service mode: one of replicated, global or a job is needed",
            ));
        }
        1 => {}
        _ => return Err(Refusal::invalid("must specify only one service mode")),
    }
    if spec.is_job() && (spec.update_config.is_some() || spec.rollback_config.is_some()) {
        return Err(Refusal::invalid(
            "job-mode services cannot have update or rollback config",
        ));
    }
    let too_many = |count: Option<u64>| count.is_some_and(|count| count > 100_000);
    let job = mode.replicated_job.unwrap_or_default();
    if too_many(spec.replicas()) || too_many(job.max_concurrent) || too_many(job.total_completions) {
        return Err(Refusal::invalid("more than 100000 tasks for one service"));
    }
    Ok(())
}

fn task(spec: &TaskSpec) -> Result<(), Refusal> {
    if spec.plugin_spec.is_some() || spec.network_attachment_spec.is_some() {
        return Err(Refusal::Unimplemented(
            "only container tasks can run here: give a ContainerSpec".into(),
        ));
    }
    if spec
        .runtime
        .as_deref()
        .is_some_and(|runtime| !matches!(runtime, "" | "container"))
    {
        return Err(Refusal::Unimplemented(
            "only the runtime 'container' is known here".into(),
        ));
    }
    let Some(container_spec) = &spec.container_spec else {
        return Err(Refusal::invalid(
            "TaskSpec: missing runtime: a ContainerSpec is needed",
        ));
    };
    containers::container(container_spec)?;
    spec.resources.as_ref().map_or(Ok(()), resources)?;
    spec.restart_policy.as_ref().map_or(Ok(()), restart)?;
    spec.placement.as_ref().map_or(Ok(()), placement)
}

fn resources(resources: &ResourceRequirements) -> Result<(), Refusal> {
    let limits = resources.limits.clone().unwrap_or_default();
    let kept = resources.reservations.clone().unwrap_or_default();
    for cpus in [limits.nano_cpus, kept.nano_cpus].into_iter().flatten() {
        if cpus != 0 && cpus < MIN_NANO_CPUS {
            return Err(Refusal::invalid(format!(
                "invalid cpu value {}: Must be at least 0.001",
                cpus as f64 / 1e9
            )));
        }
    }
    for memory in [limits.memory_bytes, kept.memory_bytes].into_iter().flatten() {
        if memory != 0 && memory < MIN_MEMORY {
            return Err(Refusal::invalid(format!(
                "invalid memory value {memory}: Must be at least 4MiB"
            )));
        }
    }
    if limits.pids.is_some_and(|pids| pids < -1) {
        return Err(Refusal::invalid(
            "invalid pids limit: must be positive, or -1 for none",
        ));
    }
    containers::swap(resources)
}

fn restart(policy: &RestartPolicy) -> Result<(), Refusal> {
    if policy.delay.is_some_and(|delay| delay < 0) {
        return Err(Refusal::invalid("TaskSpec: restart-delay cannot be negative"));
    }
    if policy.window.is_some_and(|window| window < 0) {
        return Err(Refusal::invalid("TaskSpec: restart-window cannot be negative"));
    }
    Ok(())
}

fn placement(placement: &Placement) -> Result<(), Refusal> {
    for text in placement.constraints.iter().flatten() {
        Constraint::parse(text).map_err(|error| Refusal::invalid(error.to_string()))?;
    }
    for preference in placement.preferences.iter().flatten() {
        let over = preference
            .spread
            .as_ref()
            .map_or("", |spread| spread.spread_descriptor.as_str());
        let known = over.to_ascii_lowercase();
        let over_label = known.starts_with("node.labels.") || known.starts_with("engine.labels.");
        if !over_label && !matches!(known.as_str(), "node.id" | "node.hostname") {
            return Err(Refusal::invalid(format!(
                "placement preference '{over}': spread goes over node.labels.NAME, engine.labels.NAME, node.id or node.hostname"
            )));
        }
    }
    Ok(())
}

fn update(config: &UpdateConfig) -> Result<(), Refusal> {
    if config.delay.is_some_and(|delay| delay < 0) {
        return Err(Refusal::invalid("TaskSpec: update-delay cannot be negative"));
    }
    if config.monitor.is_some_and(|monitor| monitor < 0) {
        return Err(Refusal::invalid("TaskSpec: update-monitor cannot be negative"));
    }
    if !(0.0..=1.0).contains(&config.max_failure_ratio.0) {
        return Err(Refusal::invalid(
            "TaskSpec: update-maxfailureratio cannot be less than 0 or bigger than 1",
        ));
    }
    Ok(())
}

fn ports(endpoint: &EndpointSpec) -> Result<(), Refusal> {
    let mut seen = BTreeSet::new();
    for port in endpoint.ports.iter().flatten() {
        if port.target_port == 0 {
            return Err(Refusal::invalid("EndpointSpec: target port must be 1 to 65535"));
        }
        if endpoint.mode == Some(EndpointMode::Dnsrr) && port.is_of_mesh() {
            return Err(Refusal::invalid(
                "EndpointSpec: port published with ingress mode can't be used with dnsrr mode",
            ));
        }
        let published = port.published_port.unwrap_or_default();
        if published != 0 && !seen.insert((port.protocol.unwrap_or_default(), published)) {
            return Err(Refusal::invalid(
                "EndpointSpec: duplicate published ports provided",
            ));
        }
    }
    Ok(())
}

/// Ports as the store keeps them: what the user sent, nothing missing.
pub fn filled_in(ports: &[PortConfig]) -> Vec<PortConfig> {
    ports
        .iter()
        .map(|port| PortConfig {
            protocol: Some(port.protocol.unwrap_or_default()),
            publish_mode: Some(port.publish_mode.unwrap_or_default()),
            ..port.clone()
        })
        .collect()
}
