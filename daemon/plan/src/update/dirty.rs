//! Whether a task is what its service now wants.

use crate::draft::Draft;
use crate::enforce;
use model::{Service, Task, Wishes};

/// True if the task was made from another spec in a way that matters: not if only the placement changed and its
/// board still meets it.
pub(crate) fn is_dirty(draft: &Draft<'_>, service: &Service, task: &Task) -> bool {
    if task.origin.spec_version == service.spec_version.unwrap_or_default() {
        return false;
    }
    if task.origin.ports != service.endpoint.ports.as_deref().unwrap_or_default() {
        return true;
    }
    let wanted = &service.spec.task_template;
    let mut had = task.spec.clone();
    if wanted.log_driver.is_none() {
        // The cluster's default, of the day that the task was made.
        had.log_driver = None;
    }
    if had.networks.as_deref().unwrap_or_default() == service.spec.networks() {
        // Where old clients write them makes no difference.
        had.networks.clone_from(&wanted.networks);
    }
    let labels = &service.spec.labels;
    if !Wishes::checked(&task.origin.service_labels).same_container(&Wishes::checked(labels)) {
        return true;
    }
    if had == *wanted {
        return false;
    }
    had.placement = wanted.placement.clone();
    let node = task.node_id.as_ref().and_then(|id| draft.node(id));
    had != *wanted || !node.is_some_and(|node| enforce::fits(wanted, labels, node))
}
