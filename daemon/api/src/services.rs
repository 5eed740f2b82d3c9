//! `/services`

use crate::filters::Filters;
use crate::find::find;
use crate::roles::Visitor;
use crate::routes::{Front, query};
use crate::{Error, body, system};
use axum::Json;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, Uri};
use model::{Service, ServiceSpec, ServiceStatus, Task, TaskState};
use serde_json::{Value, json};

/// `GET /services`
pub(crate) async fn list(State(front): State<Front>, uri: Uri) -> Result<Json<Vec<Service>>, Error> {
    let query = query(&uri);
    let filters = Filters::read(&query, &["id", "name", "label", "mode", "runtime"])?;
    let mut services = front.backend.services().await?;
    services.retain(|service| {
        filters.any("id", |id| service.id.as_str().starts_with(id))
            && filters.any("name", |name| service.spec.name.starts_with(name))
            && filters.any("mode", |wanted| wanted == mode(service))
            && filters.any("runtime", |runtime| runtime == "container")
            && filters.labels("label", &service.spec.labels)
    });
    if query.flag("status") {
        let tasks = front.backend.tasks(None).await?;
        for service in &mut services {
            service.service_status = Some(status(
                service,
                tasks.iter().filter(|task| task.service_id == service.id),
            ));
        }
    }
    Ok(Json(services))
}

fn mode(service: &Service) -> &'static str {
    let mode = &service.spec.mode;
    match (
        mode.global.is_some(),
        mode.replicated_job.is_some(),
        mode.global_job.is_some(),
    ) {
        (true, ..) => "global",
        (_, true, _) => "replicated-job",
        (.., true) => "global-job",
        _ => "replicated",
    }
}

/// Counts as Docker's engine does: what runs, and what should.
fn status<'a>(service: &Service, tasks: impl Iterator<Item = &'a Task>) -> ServiceStatus {
    let iteration = service.job_status.as_ref().map(|job| job.job_iteration);
    let mut status = ServiceStatus::default();
    for task in tasks.filter(|task| iteration.is_none() || task.job_iteration == iteration) {
        let (wanted, state) = (task.desired_state, task.status.state);
        if wanted <= TaskState::Complete && state == TaskState::Running {
            status.running_tasks += 1;
        }
        if service.spec.is_job() && state == TaskState::Complete {
            status.completed_tasks += 1;
        }
        // The docker command adds those of a job that are done itself: `0/0 (3/3 completed)`.
        let is_done = service.spec.is_job() && state == TaskState::Complete;
        if service.spec.is_global()
            && wanted <= TaskState::Complete
            && state <= TaskState::Complete
            && !is_done
        {
            status.desired_tasks += 1;
        }
    }
    if let Some(job) = service.spec.mode.replicated_job {
        // Also of a job that is done: `0/2 (2/2 completed)`.
        status.desired_tasks = job.max_concurrent.unwrap_or(1);
    } else if let Some(replicas) = service.spec.replicas() {
        status.desired_tasks = replicas;
    }
    status
}

/// `POST /services/create`
pub(crate) async fn create(
    State(front): State<Front>,
    request: Request,
) -> Result<(StatusCode, Json<Value>), Error> {
    let visitor = Visitor::of(&request);
    let (parts, body) = request.into_parts();
    let spec: ServiceSpec = body::json(&body::read(&parts.headers, body).await?)?;
    visitor.may_run(&spec)?;
    let id = front
        .backend
        .create_service(spec, system::registry_auth(&parts.headers))
        .await?;
    Ok((StatusCode::CREATED, Json(json!({ "ID": id }))))
}

/// `GET /services/{id}`
pub(crate) async fn inspect(
    State(front): State<Front>,
    Path(id): Path<String>,
    uri: Uri,
) -> Result<Json<Service>, Error> {
    let mut service = find(front.backend.services().await?, &id)?;
    if query(&uri).flag("insertDefaults") {
        service.spec = with_defaults(service.spec);
    }
    Ok(Json(service))
}

/// What `docker service inspect` shows where the user said nothing (swarm.md 1.4, 1.5).
fn with_defaults(mut spec: ServiceSpec) -> ServiceSpec {
    const SECOND: i64 = 1_000_000_000;
    let update = || model::UpdateConfig {
        parallelism: 1,
        failure_action: Some(Default::default()),
        monitor: Some(5 * SECOND),
        order: Some(Default::default()),
        ..Default::default()
    };
    if let Some(container) = &mut spec.task_template.container_spec {
        container.stop_grace_period.get_or_insert(10 * SECOND);
        container.dns_config.get_or_insert_default();
    }
    let template = &mut spec.task_template;
    let resources = template.resources.get_or_insert_default();
    resources.limits.get_or_insert_default();
    resources.reservations.get_or_insert_default();
    template.placement.get_or_insert_default();
    let restart = template.restart_policy.get_or_insert_default();
    restart.condition.get_or_insert_default();
    restart.delay.get_or_insert(5 * SECOND);
    restart.max_attempts.get_or_insert(0);
    if !spec.is_job() {
        spec.update_config.get_or_insert_with(update);
        spec.rollback_config.get_or_insert_with(update);
    }
    spec.endpoint_spec
        .get_or_insert_default()
        .mode
        .get_or_insert_default();
    spec
}

/// `POST /services/{id}/update`
pub(crate) async fn update(
    State(front): State<Front>,
    Path(id): Path<String>,
    request: Request,
) -> Result<Json<Value>, Error> {
    let visitor = Visitor::of(&request);
    let (parts, body) = request.into_parts();
    let query = query(&parts.uri);
    let version = query.version()?;
    let back = match query.text("rollback") {
        None => false,
        Some("previous") => true,
        Some(other) => return Err(Error::Invalid(format!("unrecognized rollback option {other}"))),
    };
    if let Some(other) = query.text("registryAuthFrom")
        && !matches!(other, "spec" | "previous-spec")
    {
        return Err(Error::Invalid(format!("unsupported registryAuthFrom {other}")));
    }
    let auth = system::registry_auth(&parts.headers);
    let body = body::read(&parts.headers, body).await?;
    let spec = if back {
        None
    } else {
        let spec = body::json::<ServiceSpec>(&body)?;
        visitor.may_run(&spec)?;
        Some(spec)
    };
    let service = find(front.backend.services().await?, &id)?;
    front
        .backend
        .update_service(&service.id, version, spec, auth)
        .await?;
    Ok(Json(json!({ "Warnings": null })))
}

/// `DELETE /services/{id}`
pub(crate) async fn remove(State(front): State<Front>, Path(id): Path<String>) -> Result<(), Error> {
    let service = find(front.backend.services().await?, &id)?;
    front.backend.remove_service(&service.id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task(desired: TaskState, state: TaskState) -> Task {
        let mut task = Task {
            desired_state: desired,
            ..Task::default()
        };
        task.status.state = state;
        task
    }

    #[test]
    fn what_runs_and_what_should_is_counted() {
        let mut service = Service::default();
        service.spec.mode.replicated = Some(model::Replicated { replicas: Some(3) });
        let tasks = [
            task(TaskState::Running, TaskState::Running),
            task(TaskState::Running, TaskState::Starting),
            task(TaskState::Shutdown, TaskState::Running),
        ];
        let counted = status(&service, tasks.iter());
        assert_eq!((counted.running_tasks, counted.desired_tasks), (1, 3));
        service.spec.mode = model::ServiceMode {
            global: Some(model::Empty {}),
            ..Default::default()
        };
        assert_eq!(status(&service, tasks.iter()).desired_tasks, 2);
    }
}
