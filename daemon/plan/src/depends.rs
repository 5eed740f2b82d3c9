//! Services that wait for others (`bramble.depends_on`): none of their tasks is placed until each of those runs, or, being
//! a job, is done. Nothing is stopped later: what runs must bear that another goes away for a while.

use crate::create::iteration;
use crate::draft::Draft;
use crate::slots::{Slot, slots};
use model::{Service, ServiceSpec, TaskState, Wishes};
use std::collections::BTreeSet;

/// Why tasks of the service can't be placed yet; none if they can.
pub(crate) fn waits_for(draft: &Draft<'_>, spec: &ServiceSpec, wishes: &Wishes) -> Option<String> {
    if wishes.depends_on.is_empty() {
        return None;
    }
    let services = draft.services();
    let specs: Vec<&ServiceSpec> = services.iter().map(|service| &service.spec).collect();
    if let Some(circle) = circle(&specs, spec) {
        return Some(format!("services wait for each other: {}", circle.join(" for ")));
    }
    wishes.depends_on.iter().find_map(|name| {
        let named = find(&specs, spec, name);
        let service = named.and_then(|named| services.iter().find(|service| service.spec.name == named.name));
        match service {
            None => Some(format!("waits for service {name}, which does not exist")),
            Some(service) if service.spec.is_job() => (!is_done(draft, service))
                .then(|| format!("waits for job {}, which is not done", service.spec.name)),
            Some(service) => (!runs(draft, service))
                .then(|| format!("waits for service {}, of which no task runs", service.spec.name)),
        }
    })
}

/// The circle in which services would wait for each other for ever if there was a service as `spec` says: the names from it
/// to itself. `others` may hold its former spec, which does not count.
pub fn circle(others: &[&ServiceSpec], spec: &ServiceSpec) -> Option<Vec<String>> {
    let mut all: Vec<&ServiceSpec> = others
        .iter()
        .copied()
        .filter(|other| other.name != spec.name)
        .collect();
    all.push(spec);
    // Depth first; `path` holds, for each service on the way, what is left to look at.
    let mut seen = BTreeSet::from([spec.name.clone()]);
    let mut path = vec![(spec, Wishes::checked(&spec.labels).depends_on)];
    while let Some((at, left)) = path.last_mut() {
        let at = *at;
        let Some(name) = left.pop() else {
            path.pop();
            continue;
        };
        let Some(next) = find(&all, at, &name) else {
            continue;
        };
        if next.name == spec.name {
            let names = path.iter().map(|(service, _)| service.name.clone());
            return Some(names.chain([spec.name.clone()]).collect());
        }
        if seen.insert(next.name.clone()) {
            path.push((next, Wishes::checked(&next.labels).depends_on));
        }
    }
    None
}

/// The service that another means by a name: one of its own stack, or else one that is called just so.
fn find<'a>(all: &[&'a ServiceSpec], of: &ServiceSpec, name: &str) -> Option<&'a ServiceSpec> {
    let in_stack =
        |other: &&&ServiceSpec| of.stack().is_some() && other.stack() == of.stack() && other.called(name);
    all.iter()
        .find(in_stack)
        .or_else(|| all.iter().find(|other| other.name == name))
        .copied()
}

fn runs(draft: &Draft<'_>, service: &Service) -> bool {
    draft
        .tasks_of(&service.id)
        .any(|task| task.is_wanted() && task.status.state == TaskState::Running && !draft.is_stopped(task))
}

/// True if the job's last iteration is done.
fn is_done(draft: &Draft<'_>, service: &Service) -> bool {
    let current = iteration(service);
    let places = slots(draft, service);
    let ours = places
        .values()
        .filter(|slot| slot.0.iter().any(|task| task.job_iteration == current));
    let complete = |slot: &Slot| {
        let done = |task: &TaskState| *task == TaskState::Complete;
        slot.0
            .iter()
            .any(|task| task.job_iteration == current && done(&task.status.state))
    };
    match service.spec.mode.replicated_job {
        Some(job) => {
            let total = job.total_completions.or(job.max_concurrent).unwrap_or(1);
            ours.filter(|slot| complete(slot)).count() as u64 >= total
        }
        None => {
            let mut ours = ours.peekable();
            ours.peek().is_some() && ours.all(complete)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spec(name: &str, stack: Option<&str>, needs: &str) -> ServiceSpec {
        let mut spec = ServiceSpec {
            name: name.to_owned(),
            ..ServiceSpec::default()
        };
        spec.labels
            .insert("bramble.depends_on".to_owned(), needs.to_owned());
        if let Some(stack) = stack {
            spec.labels
                .insert(model::STACK_LABEL.to_owned(), stack.to_owned());
        }
        spec
    }

    #[test]
    fn a_circle_is_found_and_told() {
        let all = [spec("b", None, "x,c"), spec("c", None, "a"), spec("x", None, "b")];
        let all: Vec<&ServiceSpec> = all.iter().collect();
        let told = circle(&all, &spec("a", None, "b"));
        assert_eq!(told.unwrap(), ["a", "b", "c", "a"]);
        assert_eq!(
            circle(&all, &spec("d", None, "b,x")),
            None,
            "the circle of others"
        );
        assert_eq!(
            circle(&all, &spec("c", None, "")),
            None,
            "its former spec does not count"
        );
    }

    #[test]
    fn in_a_stack_a_name_means_the_stacks_own() {
        let all = [
            spec("db", None, ""),
            spec("home_db", Some("home"), ""),
            spec("other_db", Some("other"), ""),
        ];
        let all: Vec<&ServiceSpec> = all.iter().collect();
        let found = |of: &ServiceSpec, name: &str| find(&all, of, name).map(|found| found.name.clone());
        let web = spec("home_web", Some("home"), "db");
        assert_eq!(found(&web, "db").as_deref(), Some("home_db"));
        assert_eq!(found(&web, "other_db").as_deref(), Some("other_db"));
        assert_eq!(found(&spec("web", None, "db"), "db").as_deref(), Some("db"));
        assert_eq!(found(&web, "cache"), None);
    }
}
