//! Drives one task through its life, a step at a time.
//!
//! A step that may take long (prepare, start, wait) is dropped when the task is to end meanwhile. A step that fails for a
//! passing reason is tried again a few times, with the reason shown; then it counts as failed, and the managers
//! decide what to do.

use crate::board::Inner;
use crate::weave;
use exec::{Controller, Error, Step};
use model::{Task, TaskState};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Pauses between tries of one step.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
];

/// A task whose networks are not there after so long says so.
const NETWORK_SOON: Duration = Duration::from_secs(2);
/// How often it is told how far a task's preparation is.
const TELL: Duration = Duration::from_secs(3);

/// What is left of a task is tried to be removed at these times, the last one over and over.
const REMOVAL_PAUSE: Duration = Duration::from_secs(5);

/// Drives a task until it is no longer this node's. `revive`: the board lost power while it was to run.
pub(crate) async fn drive(
    inner: Arc<Inner>,
    mut task: Task,
    mut wishes: watch::Receiver<Option<Task>>,
    revive: bool,
) {
    let controller = inner.executor.controller(&task);
    if revive && wants_revival(&task) {
        tracing::info!("started again after a power cut");
        let revived = tokio::select! {
            revived = async {
                weave::ready(&mut inner.loom.state(), &task).await;
                start_again(&*controller).await
            } => revived,
            () = ending(&mut wishes) => Ok(()),
        };
        if let Err(error) = revived {
            fail(&inner, &mut task, &error).await;
        }
    }
    let mut tries = 0;
    loop {
        let wish = wishes.borrow_and_update().clone();
        let Some(wish) = wish else { break };
        if (wish.desired_state, &wish.networks_attachments)
            != (task.desired_state, &task.networks_attachments)
        {
            task = Task {
                status: task.status,
                ..wish
            };
            if let Err(error) = controller.update(&task).await {
                tracing::warn!(%error, "changed wish not taken");
            }
        }
        let step = exec::next(&task);
        if step == Step::Rest {
            if wishes.changed().await.is_err() {
                return;
            }
            continue;
        }
        if step == Step::Prepare && !has_networks(&inner, &mut task, &mut wishes).await {
            continue;
        }
        let outcome = tokio::select! {
            outcome = exec::step(&task, &*controller, &*inner.now) => outcome,
            () = ending(&mut wishes), if step != Step::Shutdown => continue,
            () = tell(&inner, &task, &*controller), if step == Step::Prepare => continue,
        };
        match outcome {
            Ok(None) => {}
            Ok(Some(status)) => {
                tries = 0;
                log(&task, &status);
                task.status = status;
                inner.report(&task).await;
            }
            Err(error) => match PAUSES.get(tries) {
                Some(pause) => {
                    tries += 1;
                    trouble(&inner, &mut task, &error).await;
                    tokio::select! {
                        () = tokio::time::sleep(*pause) => {}
                        () = ending(&mut wishes), if step != Step::Shutdown => {}
                    }
                }
                None => {
                    tries = 0;
                    fail(&inner, &mut task, &error).await;
                }
            },
        }
    }
    remove(&inner, &task, &*controller, &wishes).await;
}

/// Waits until the board has all networks of a task, and shows what it waits for; false if it is to end meanwhile.
async fn has_networks(inner: &Inner, task: &mut Task, wishes: &mut watch::Receiver<Option<Task>>) -> bool {
    let mut state = inner.loom.state();
    loop {
        tokio::select! {
            () = weave::ready(&mut state, task) => return true,
            () = ending(wishes) => return false,
            () = tokio::time::sleep(NETWORK_SOON) => {}
        }
        if let Some(lacking) = inner.loom.lacks(task) {
            trouble(inner, task, &Error::Temporary(lacking)).await;
        }
    }
}

/// A task that ran or was about to when the power went.
fn wants_revival(task: &Task) -> bool {
    (TaskState::Starting..=TaskState::Running).contains(&task.status.state)
        && task.desired_state <= TaskState::Running
        && !task.is_job()
}

async fn start_again(controller: &dyn Controller) -> Result<(), Error> {
    // What a power cut leaves of a container is not trusted: it is made anew from its image.
    controller.remove().await?;
    for pause in PAUSES {
        match async { controller.prepare().await.and(controller.start().await) }.await {
            Err(error) if error.is_temporary() => {
                tracing::warn!(%error, "not started yet");
                tokio::time::sleep(pause).await;
            }
            outcome => return outcome,
        }
    }
    controller.prepare().await?;
    controller.start().await
}

/// Ends when the task is to end, or is no longer this node's.
async fn ending(wishes: &mut watch::Receiver<Option<Task>>) {
    let over = |wish: &Option<Task>| {
        wish.as_ref()
            .is_none_or(|task| task.desired_state >= TaskState::Shutdown)
    };
    if wishes.wait_for(over).await.is_err() {
        // The board closes: it stops us from outside.
        std::future::pending::<()>().await;
    }
}

fn log(task: &Task, status: &model::TaskStatus) {
    if status.state != task.status.state {
        tracing::info!(from = %task.status.state, to = %status.state, err = status.err.as_deref(), "task moved");
    }
}

/// Tells how far the preparation of a task is, for ever.
async fn tell(inner: &Inner, task: &Task, controller: &dyn Controller) {
    let mut told = None;
    loop {
        tokio::time::sleep(TELL).await;
        let progress = controller.progress();
        if progress.is_none() || progress == told {
            continue;
        }
        let mut shown = task.clone();
        // Where `docker service ps` and the docker command's own progress look.
        shown.status.err.clone_from(&progress);
        shown.status.timestamp = (inner.now)();
        inner.report(&shown).await;
        told = progress;
    }
}

/// Shows why a step is being tried again.
async fn trouble(inner: &Inner, task: &mut Task, error: &Error) {
    let text = Some(error.to_string());
    if task.status.err != text {
        tracing::warn!(%error, "step will be tried again");
        task.status.err = text;
        task.status.timestamp = (inner.now)();
        inner.report(task).await;
    }
}

/// The task could not go on.
async fn fail(inner: &Inner, task: &mut Task, error: &Error) {
    tracing::warn!(%error, "task failed");
    let before_start = task.status.state < TaskState::Starting;
    task.status.state = if before_start {
        TaskState::Rejected
    } else {
        TaskState::Failed
    };
    task.status.err = Some(error.to_string());
    task.status.timestamp = (inner.now)();
    inner.report(task).await;
}

/// Removes all that is left, however long it takes, unless the task is given again.
async fn remove(
    inner: &Inner,
    task: &Task,
    controller: &dyn Controller,
    wishes: &watch::Receiver<Option<Task>>,
) {
    loop {
        // A task that is gone is stopped first, as it would have been asked to.
        let stopped = match task.status.state.is_final() {
            true => Ok(()),
            false => controller.shutdown().await,
        };
        if let Err(error) = &stopped {
            tracing::debug!(%error, "not stopped");
        }
        match controller.remove().await {
            Ok(()) | Err(Error::NotFound(_)) => break,
            Err(error) => tracing::warn!(%error, "leftovers of a task not removed yet"),
        }
        tokio::time::sleep(REMOVAL_PAUSE).await;
    }
    if !inner.forget(&task.id) {
        let given = wishes.borrow().is_some();
        tracing::warn!(
            given,
            "a task was given again while it was being removed: its driver ends here"
        );
    }
}
