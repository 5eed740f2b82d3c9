//! `/tasks`

use crate::Error;
use crate::filters::Filters;
use crate::find::find;
use crate::routes::{Front, query};
use axum::Json;
use axum::extract::{Path, State};
use axum::http::Uri;
use model::{Node, Service, Task, TaskState};

/// `GET /tasks`
pub(crate) async fn list(State(front): State<Front>, uri: Uri) -> Result<Json<Vec<Task>>, Error> {
    let known = [
        "id",
        "name",
        "label",
        "service",
        "node",
        "desired-state",
        "_up-to-date",
        "runtime",
    ];
    let filters = Filters::read(&query(&uri), &known)?;
    for state in filters.values("desired-state") {
        if !matches!(state, "running" | "shutdown" | "accepted") {
            return Err(Error::Invalid(format!("Invalid desired-state filter: '{state}'")));
        }
    }
    let (services, nodes) = (front.backend.services().await?, front.backend.nodes().await?);
    let mut tasks = front.backend.tasks(None).await?;
    let world = World {
        services: &services,
        nodes: &nodes,
    };
    tasks.retain(|task| world.shows(task, &filters));
    Ok(Json(tasks.into_iter().map(shown).collect()))
}

struct World<'a> {
    services: &'a [Service],
    nodes: &'a [Node],
}

impl World<'_> {
    fn shows(&self, task: &Task, filters: &Filters) -> bool {
        let service = self.services.iter().find(|service| service.id == task.service_id);
        let node = self
            .nodes
            .iter()
            .find(|node| Some(&node.id) == task.node_id.as_ref());
        let is_service = |wanted: &str| {
            task.service_id.as_str() == wanted
                || service.is_some_and(|service| service.spec.name == wanted)
                || (!wanted.is_empty() && task.service_id.as_str().starts_with(wanted))
        };
        let is_node = |wanted: &str| {
            node.is_some_and(|node| node.id.as_str() == wanted || node.description.hostname == wanted)
                || task
                    .node_id
                    .as_ref()
                    .is_some_and(|id| !wanted.is_empty() && id.as_str().starts_with(wanted))
        };
        let wanted = |state: &str| match state {
            "running" => task.desired_state <= TaskState::Running,
            "shutdown" => task.desired_state >= TaskState::Shutdown,
            _ => task.desired_state == TaskState::Accepted,
        };
        let up_to_date = service.is_some_and(|service| {
            // A task of an older version whose template came back by a rollback is what the service wants.
            let same = service.spec_version == Some(task.origin.spec_version)
                || (task.spec == service.spec.task_template
                    && task.origin.ports == service.endpoint.ports.clone().unwrap_or_default());
            same && service
                .job_status
                .as_ref()
                .is_none_or(|job| Some(job.job_iteration) == task.job_iteration)
        });
        filters.any("id", |id| task.id.as_str().starts_with(id))
            && filters.any("name", |name| task.name().starts_with(name))
            && filters.any("service", is_service)
            && filters.any("node", is_node)
            && filters.any("desired-state", wanted)
            && filters.any("_up-to-date", |flag| matches!(flag, "true" | "1") == up_to_date)
            && filters.any("runtime", |runtime| runtime == "container")
            && filters.labels("label", &task.origin.service_labels)
    }
}

/// `GET /tasks/{id}`
pub(crate) async fn inspect(State(front): State<Front>, Path(id): Path<String>) -> Result<Json<Task>, Error> {
    find(front.backend.tasks(None).await?, &id).map(shown).map(Json)
}

/// Docker's engine shows where ports would be told, also of a task that has none.
fn shown(mut task: Task) -> Task {
    task.status.port_status.get_or_insert_default();
    task
}
