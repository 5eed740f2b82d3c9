//! Where an update stands as a whole: it begins, stops, goes back, or is done.

use super::{Settings, Stage, Step};
use crate::Reason;
use crate::draft::Draft;
use crate::time::in_words;
use model::{FailureAction, Service, TaskId, TaskState, UpdateState, UpdateStatus, Version, failure_ratio};

/// How the message of an update that turned back by itself begins (Swarm's words).
const ROLLED_BACK: &str = "update rolled back";

/// True if an update goes on; one begins here if there is something to do.
pub(super) fn is_going(draft: &mut Draft<'_>, service: &Service, steps: &[Step]) -> bool {
    let is_old = steps
        .iter()
        .any(|step| step.stage == Stage::Old && super::may_change(draft, &step.place));
    match service.update_status.as_ref().map(|status| status.state) {
        Some(UpdateState::Updating | UpdateState::RollbackStarted) => true,
        // It stays stopped until the next spec, which has no tasks yet; then its status is of the past.
        Some(UpdateState::Paused | UpdateState::RollbackPaused) if was_tried(draft, service) => false,
        _ => {
            if is_old {
                let status = UpdateStatus {
                    state: UpdateState::Updating,
                    started_at: Some(draft.now),
                    completed_at: None,
                    message: String::new(),
                };
                tell(draft, service, status, "update in progress".to_owned());
            }
            is_old
        }
    }
}

/// True if tasks were made from this very version.
fn was_tried(draft: &Draft<'_>, service: &Service) -> bool {
    let version = service.spec_version.unwrap_or_default();
    draft
        .tasks_of(&service.id)
        .any(|task| task.origin.spec_version == version)
}

/// Ends the update if it is time to; true if it did, or turned back.
pub(super) fn judge(draft: &mut Draft<'_>, service: &Service, settings: &Settings, steps: &[Step]) -> bool {
    let Some(status) = draft
        .service(&service.id)
        .and_then(|service| service.update_status.clone())
    else {
        return true;
    };
    let back = status.state == UpdateState::RollbackStarted;
    let failed: Vec<&TaskId> = steps
        .iter()
        .filter_map(|step| {
            if let Stage::Failed(task) = &step.stage {
                Some(task)
            } else {
                None
            }
        })
        .collect();
    if let Some(task) = failed
        .last()
        .filter(|_| failure_ratio(failed.len(), steps.len()).0 > settings.ratio)
    {
        let why = why(draft, settings, task)
            .map(|why| format!(": {why}"))
            .unwrap_or_default();
        let words = format!("due to failure or early termination of task {task}{why}");
        match settings.action {
            FailureAction::Continue => {}
            FailureAction::Rollback if !back && service.previous_spec.is_some() => {
                roll_back(draft, service, format!("{ROLLED_BACK} {words}"));
                return true;
            }
            FailureAction::Pause | FailureAction::Rollback => {
                let (state, what) = if back {
                    (UpdateState::RollbackPaused, "rollback")
                } else {
                    (UpdateState::Paused, "update")
                };
                tell(
                    draft,
                    service,
                    UpdateStatus { state, ..status },
                    format!("{what} paused {words}"),
                );
                return true;
            }
        }
    }
    let may_change = |step: &&Step| super::may_change(draft, &step.place);
    if steps
        .iter()
        .filter(may_change)
        .any(|step| !matches!(step.stage, Stage::Settled | Stage::Failed(_)))
    {
        return false;
    }
    let (state, what) = if back {
        (UpdateState::RollbackCompleted, "rollback")
    } else {
        (UpdateState::Completed, "update")
    };
    let completed_at = Some(draft.now);
    // Why it was rolled back is worth knowing afterwards too.
    let why = Some(status.message.as_str()).filter(|message| back && message.starts_with(ROLLED_BACK));
    let why = why.map(|why| format!(": {why}")).unwrap_or_default();
    tell(
        draft,
        service,
        UpdateStatus {
            state,
            completed_at,
            ..status
        },
        format!("{what} completed{why}"),
    );
    true
}

/// What is known of a task that an update failed by.
fn why(draft: &Draft<'_>, settings: &Settings, id: &TaskId) -> Option<String> {
    let task = draft.task(id)?;
    let (state, err) = (task.status.state, task.status.err.clone());
    if state.is_final() {
        return err.or_else(|| (state == TaskState::Complete).then(|| "it ended, though well".to_owned()));
    }
    let limit = in_words(settings.start_limit);
    let err = err.map(|err| format!(": {err}")).unwrap_or_default();
    Some(format!("it did not run within {limit} and is {state}{err}"))
}

/// Back to the spec before: a new version with old content, so that tasks which never left it are left alone.
fn roll_back(draft: &mut Draft<'_>, service: &Service, message: String) {
    let now = draft.now;
    draft.edit_service(&service.id, |service| {
        let Some(spec) = service.previous_spec.take() else {
            return;
        };
        service.spec = spec;
        service.spec_version = Some(Version {
            index: service.spec_version.unwrap_or_default().index + 1,
        });
        service.update_status = Some(UpdateStatus {
            state: UpdateState::RollbackStarted,
            started_at: Some(now),
            completed_at: None,
            message: message.clone(),
        });
    });
    draft.say(Reason::Update {
        service: service.spec.name.clone(),
        message,
    });
}

fn tell(draft: &mut Draft<'_>, service: &Service, status: UpdateStatus, message: String) {
    draft.edit_service(&service.id, |service| {
        service.update_status = Some(UpdateStatus {
            message: message.clone(),
            ..status
        });
    });
    draft.say(Reason::Update {
        service: service.spec.name.clone(),
        message,
    });
}
