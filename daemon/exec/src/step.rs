//! The one-step task machine: `next` decides, `step` lets the controller do it (after swarmkit's `exec.Do`).
//!
//! ```text
//! assigned → accepted → preparing → ready → starting → running → complete | failed
//!                          │                    │          └─ desired ≥ shutdown → shutdown
//!                          └─ error → rejected  └─ error → failed
//! ```
//! It pauses at `accepted` until the task is wanted ready, and at `ready` until it is wanted running.

use crate::{Controller, Error};
use model::{ContainerStatus, Task, TaskState, TaskStatus, Timestamp};

/// What a task needs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Nothing, until its desired state moves on or for ever.
    Rest,
    /// Only its state moves: it has been taken note of.
    Move(TaskState),
    /// [`Controller::prepare`].
    Prepare,
    /// [`Controller::start`].
    Start,
    /// [`Controller::wait`].
    Wait,
    /// [`Controller::shutdown`].
    Shutdown,
}

/// Decides what a task needs next.
pub fn next(task: &Task) -> Step {
    let (state, desired) = (task.status.state, task.desired_state);
    if state.is_final() {
        return Step::Rest;
    }
    if desired >= TaskState::Shutdown {
        return Step::Shutdown;
    }
    match state {
        TaskState::New | TaskState::Pending => Step::Rest,
        TaskState::Assigned => Step::Move(TaskState::Accepted),
        TaskState::Accepted if desired >= TaskState::Ready => Step::Move(TaskState::Preparing),
        TaskState::Preparing => Step::Prepare,
        TaskState::Ready if desired >= TaskState::Running => Step::Move(TaskState::Starting),
        TaskState::Starting => Step::Start,
        TaskState::Running => Step::Wait,
        _ => Step::Rest,
    }
}

/// Takes one step and gives the status after it; `None` if there is nothing to do.
///
/// # Errors
/// Only [`Error::Temporary`] and [`Error::Cancelled`]: the status is as before and the step may be tried again.
/// All other errors become a status.
pub async fn step(
    task: &Task,
    controller: &dyn Controller,
    now: impl Fn() -> Timestamp,
) -> Result<Option<TaskStatus>, Error> {
    let (state, message, outcome) = match next(task) {
        Step::Rest => return Ok(None),
        Step::Move(TaskState::Accepted) => (TaskState::Accepted, "accepted", Ok(())),
        Step::Move(TaskState::Starting) => (TaskState::Starting, "starting", Ok(())),
        Step::Move(state) => (state, "preparing", Ok(())),
        Step::Prepare => (TaskState::Ready, "prepared", controller.prepare().await),
        Step::Start => (TaskState::Running, "started", controller.start().await),
        Step::Wait => (TaskState::Complete, "finished", controller.wait().await),
        Step::Shutdown => (TaskState::Shutdown, "shutdown", gone(controller.shutdown().await)),
    };
    let observation = controller.observe().await.unwrap_or_default();
    let mut status = task.status.clone();
    status.timestamp = now();
    status.container_status = observation.container.or(status.container_status);
    status.port_status = observation.ports.or(status.port_status);
    match outcome {
        Ok(()) => {
            status.state = state;
            status.message = message.to_owned();
            status.err = None;
        }
        Err(error @ (Error::Temporary(_) | Error::Cancelled)) => return Err(error),
        Err(error) => fail(&mut status, task.status.state, &error),
    }
    Ok(Some(status))
}

/// What is not there does not run.
fn gone(outcome: Result<(), Error>) -> Result<(), Error> {
    match outcome {
        Err(Error::NotFound(_)) => Ok(()),
        other => other,
    }
}

/// Before `starting` a task is rejected, from there on it has failed.
fn fail(status: &mut TaskStatus, from: TaskState, error: &Error) {
    if let Error::Exit { code, .. } = error {
        status
            .container_status
            .get_or_insert_with(ContainerStatus::default)
            .exit_code = *code;
    }
    status.state = if from < TaskState::Starting {
        TaskState::Rejected
    } else {
        TaskState::Failed
    };
    status.message = match from {
        TaskState::Preparing => "preparing",
        TaskState::Starting => "starting",
        TaskState::Running => "started",
        _ => "shutdown",
    }
    .to_owned();
    status.err = Some(error.to_string());
}
