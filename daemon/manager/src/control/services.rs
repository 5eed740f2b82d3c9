//! Services: create, update, roll back, remove.

use super::{Refusal, deposits, names, networks, validate};
use model::{
    Endpoint, Hidden, JobStatus, Meta, Service, ServiceId, ServiceSpec, Timestamp, UpdateState, UpdateStatus,
    Version, Wishes,
};
use rand::Rng;
use state::{Transaction, View};

/// Where the spec of an update comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Wanted {
    /// The one sent.
    #[default]
    Given,
    /// The service's previous one.
    Previous,
}

/// What a user asks for.
#[derive(Clone, Debug, Default)]
pub struct Asked {
    /// The service.
    pub spec: ServiceSpec,
    /// What to show to the registry of its image; absent: what is known stays.
    pub registry_auth: Option<Hidden<String>>,
}

impl From<ServiceSpec> for Asked {
    fn from(spec: ServiceSpec) -> Self {
        Self {
            spec,
            registry_auth: None,
        }
    }
}

/// A new service.
///
/// # Errors
/// [`Refusal`] if the spec can't be right or its name is taken.
pub fn create(
    view: &View,
    asked: impl Into<Asked>,
    now: Timestamp,
    rng: &mut impl Rng,
) -> Result<(Transaction, ServiceId), Refusal> {
    let Asked {
        mut spec,
        registry_auth,
    } = asked.into();
    if spec.name.is_empty() {
        spec.name = names::make_up(view, rng);
    }
    validate::service(&spec)?;
    exists(view, &mut spec)?;
    waits_for_itself(view, &spec)?;
    networks::ports(view, None, &spec)?;
    fill_in(&mut spec);
    if view.services().any(|other| other.spec.name == spec.name) {
        return Err(taken(&spec.name));
    }
    let service = Service {
        id: ServiceId::generate(rng),
        meta: Meta::new(now),
        endpoint: endpoint(&spec),
        job_status: spec.is_job().then(|| JobStatus {
            last_execution: Some(now).filter(|_| !is_timed(&spec)),
            ..JobStatus::default()
        }),
        spec_version: Some(Version {
            index: view.index() + 1,
        }),
        spec,
        registry_auth,
        ..Service::default()
    };
    let id = service.id.clone();
    let mut transaction = Transaction::new();
    transaction.create(service);
    Ok((transaction, id))
}

/// A service with another spec; made from `version`, or refused.
///
/// # Errors
/// [`Refusal`] if the service is gone or has moved on, or the spec can't be right.
pub fn update(
    view: &View,
    id: &ServiceId,
    version: Version,
    asked: impl Into<Asked>,
    wanted: Wanted,
    now: Timestamp,
) -> Result<Transaction, Refusal> {
    let old = view
        .service(id)
        .ok_or_else(|| Refusal::NotFound(format!("service {id}")))?;
    if old.meta.version != version {
        return Err(Refusal::OutOfSequence);
    }
    let Asked { spec, registry_auth } = asked.into();
    let (mut spec, status) = match wanted {
        Wanted::Given => (spec, None),
        Wanted::Previous => {
            let previous = old.previous_spec.clone();
            let spec = previous.ok_or_else(|| {
                Refusal::precondition(format!("service {} does not have a previous spec", old.spec.name))
            })?;
            let status = UpdateStatus {
                state: UpdateState::RollbackStarted,
                started_at: Some(now),
                completed_at: None,
                message: "manually requested rollback".to_owned(),
            };
            (spec, Some(status))
        }
    };
    validate::service(&spec)?;
    exists(view, &mut spec)?;
    waits_for_itself(view, &spec)?;
    networks::ports(view, Some(id), &spec)?;
    fill_in(&mut spec);
    if spec.name != old.spec.name {
        return Err(Refusal::Unimplemented(
            "renaming services is not supported".into(),
        ));
    }
    if kind(&spec) != kind(&old.spec) {
        return Err(Refusal::Unimplemented(
            "service mode change is not allowed".into(),
        ));
    }
    let mut service = (**old).clone();
    service.meta.updated_at = now;
    service.registry_auth = registry_auth.or(service.registry_auth);
    let replaces = touches_tasks(&old.spec, &spec);
    if replaces {
        service.spec_version = Some(Version {
            index: view.index() + 1,
        });
        if spec.is_job() {
            let job = service.job_status.get_or_insert_default();
            job.job_iteration.index += 1;
            // One with a schedule waits for its time, unless a person wants it to run.
            let forced = spec.task_template.force_update != old.spec.task_template.force_update;
            job.last_execution = Some(now).filter(|_| forced || !is_timed(&spec));
        }
    }
    // How an earlier update ended is over with any other (as in swarmkit): the docker command takes a completed one for the
    // one that it waits for, and would not wait for a scaling.
    let is_over = service.update_status.as_ref().is_some_and(|status| {
        matches!(
            status.state,
            UpdateState::Completed | UpdateState::RollbackCompleted
        )
    });
    if replaces || status.is_some() || is_over {
        service.update_status = status;
    }
    // Also of a rollback: going back once more is going forth. By itself a rollback is never rolled back (swarm.md 1.5).
    service.previous_spec = Some(service.spec);
    service.endpoint = keep_chosen(endpoint(&spec), &old.endpoint);
    service.spec = spec;
    let mut transaction = Transaction::new();
    transaction.update(service);
    Ok(transaction)
}

/// A service goes; the plan ends its tasks.
///
/// # Errors
/// [`Refusal::NotFound`].
pub fn remove(view: &View, id: &ServiceId) -> Result<Transaction, Refusal> {
    let service = view
        .service(id)
        .ok_or_else(|| Refusal::NotFound(format!("service {id}")))?;
    let mut transaction = Transaction::new();
    transaction.remove((**service).clone());
    Ok(transaction)
}

/// What the spec refers to must be there.
fn exists(view: &View, spec: &mut ServiceSpec) -> Result<(), Refusal> {
    networks::resolve(view, spec)?;
    match &spec.task_template.container_spec {
        Some(container) => deposits::exist(view, container),
        None => Ok(()),
    }
}

/// Services that wait for each other would wait for ever.
fn waits_for_itself(view: &View, spec: &ServiceSpec) -> Result<(), Refusal> {
    let others: Vec<&ServiceSpec> = view.services().map(|service| &service.spec).collect();
    plan::circle(&others, spec).map_or(Ok(()), |circle| {
        let circle = circle.join(" waits for ");
        Err(Refusal::invalid(format!(
            "label bramble.depends_on: {circle}: none of them would ever start"
        )))
    })
}

/// True for a job that runs at given times.
fn is_timed(spec: &ServiceSpec) -> bool {
    Wishes::checked(&spec.labels).schedule.is_some()
}

/// Numbers that Docker's engine fills in before it keeps a spec; the docker command relies on them.
fn fill_in(spec: &mut ServiceSpec) {
    if let Some(replicated) = &mut spec.mode.replicated {
        replicated.replicas.get_or_insert(1);
    }
    if let Some(job) = &mut spec.mode.replicated_job {
        let concurrent = *job.max_concurrent.get_or_insert(1);
        job.total_completions.get_or_insert(concurrent);
    }
}

/// Swarm's words for a name that is taken.
pub fn taken(name: &str) -> Refusal {
    Refusal::Exists(format!(
        "name conflicts with an existing object: service {name} already exists"
    ))
}

/// True if running tasks are not what the new spec asks for: the template or the ports changed. Replicas, labels of the
/// service and the way of updating concern no running task.
fn touches_tasks(old: &ServiceSpec, new: &ServiceSpec) -> bool {
    let ports = |spec: &ServiceSpec| {
        spec.endpoint_spec
            .clone()
            .unwrap_or_default()
            .ports
            .unwrap_or_default()
    };
    old.task_template != new.task_template
        || !Wishes::checked(&old.labels).same_container(&Wishes::checked(&new.labels))
        || validate::filled_in(&ports(old)) != validate::filled_in(&ports(new))
}

fn kind(spec: &ServiceSpec) -> [bool; 4] {
    let mode = &spec.mode;
    [
        mode.replicated.is_some(),
        mode.global.is_some(),
        mode.replicated_job.is_some(),
        mode.global_job.is_some(),
    ]
}

fn endpoint(spec: &ServiceSpec) -> Endpoint {
    let wanted = spec.endpoint_spec.clone().unwrap_or_default();
    let ports = wanted
        .ports
        .as_deref()
        .map(validate::filled_in)
        .filter(|ports| !ports.is_empty());
    Endpoint {
        spec: wanted,
        ports,
        virtual_ips: None,
    }
}

/// A port or an address that the allocator chose stays when the service is updated.
fn keep_chosen(mut new: Endpoint, old: &Endpoint) -> Endpoint {
    new.virtual_ips.clone_from(&old.virtual_ips);
    for port in new
        .ports
        .iter_mut()
        .flatten()
        .filter(|port| port.published_port.unwrap_or(0) == 0)
    {
        let same = old.ports.iter().flatten().find(|old| {
            old.target_port == port.target_port
                && old.protocol == port.protocol
                && old.publish_mode == port.publish_mode
        });
        port.published_port = same.and_then(|old| old.published_port).or(port.published_port);
    }
    new
}

#[cfg(test)]
#[path = "services_tests.rs"]
mod tests;
