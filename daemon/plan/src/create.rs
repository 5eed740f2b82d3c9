//! How a task is made.

use crate::draft::Draft;
use crate::slots::{Place, Slot};
use crate::time::after;
use jiff::SignedDuration;
use model::{
    JobStatus, Meta, Service, Task, TaskId, TaskOrigin, TaskSpec, TaskState, TaskStatus, Timestamp, Version,
};

/// What a new task waits for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Waits {
    /// The task whose place it takes and which has to stop first.
    pub(crate) replaces: Option<TaskId>,
    /// Not before this time.
    pub(crate) not_before: Option<Timestamp>,
    /// Failures in a row before it.
    pub(crate) failures: u32,
    /// True if it starts beside the task whose place it takes.
    pub(crate) at_once: bool,
    /// True if it is to be on a better board than the one whose place it takes.
    pub(crate) moves: bool,
}

/// What a service's tasks are to be now: its template with the cluster's defaults.
pub(crate) fn template(draft: &Draft<'_>, service: &Service) -> TaskSpec {
    let mut spec = service.spec.task_template.clone();
    let networks = service.spec.networks();
    if spec.networks.as_deref().unwrap_or_default() != networks {
        spec.networks = Some(networks.to_vec());
    }
    if spec.log_driver.is_none() {
        spec.log_driver = draft
            .cluster()
            .and_then(|cluster| cluster.spec.task_defaults.log_driver.clone());
    }
    spec
}

/// The state that a service's tasks are to reach.
pub(crate) fn goal(task: &Task) -> TaskState {
    if task.is_job() {
        TaskState::Complete
    } else {
        TaskState::Running
    }
}

/// A job's iteration; none for services that are no jobs.
pub(crate) fn iteration(service: &Service) -> Option<Version> {
    let status = |status: &JobStatus| status.job_iteration;
    service
        .spec
        .is_job()
        .then(|| service.job_status.as_ref().map(status).unwrap_or_default())
}

/// Makes a task for a place. If something in the place is still to stop, the new task waits for it.
pub(crate) fn create(
    draft: &mut Draft<'_>,
    service: &Service,
    place: &Place,
    slot: Option<&Slot>,
    waits: Waits,
) -> TaskId {
    let stopping = slot
        .and_then(|slot| slot.stopping(draft))
        .map(|task| task.id.clone());
    let replaces = waits.replaces.or_else(|| stopping.clone());
    let held = !waits.at_once && (replaces.is_some() || waits.not_before.is_some());
    let mut task = Task {
        meta: Meta::new(created_at(draft.now, slot)),
        spec: template(draft, service),
        service_id: service.id.clone(),
        slot: if let Place::Slot(slot) = place {
            Some(*slot)
        } else {
            None
        },
        node_id: if let Place::Board(node) = place {
            Some(node.clone())
        } else {
            None
        },
        status: TaskStatus {
            timestamp: draft.now,
            state: TaskState::Pending,
            message: "pending task scheduling".to_owned(),
            ..TaskStatus::default()
        },
        job_iteration: iteration(service),
        origin: TaskOrigin {
            service_name: service.spec.name.clone(),
            service_labels: service.spec.labels.clone(),
            spec_version: service.spec_version.unwrap_or_default(),
            ports: service.endpoint.ports.clone().unwrap_or_default(),
            not_before: waits.not_before,
            replaces,
            failures: waits.failures,
            moves: waits.moves,
            ran_from: None,
            registry_auth: service.registry_auth.is_some(),
        },
        ..Task::default()
    };
    task.desired_state = if held { TaskState::Ready } else { goal(&task) };
    draft.add_task(task)
}

/// A task is always younger than those before it in its place, whatever the clocks of two leaders say: age tells
/// the newest.
fn created_at(now: Timestamp, slot: Option<&Slot>) -> Timestamp {
    let newest = slot
        .and_then(Slot::newest)
        .map(|task| after(task.meta.created_at, SignedDuration::from_nanos(1)));
    newest.map_or(now, |newest| newest.max(now))
}
