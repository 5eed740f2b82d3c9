//! One step at a time, with a controller that does what the test says.

use crate::{Controller, Error, Observation, Step, next, step};
use async_trait::async_trait;
use model::{Task, TaskState, Timestamp};

/// Answers every effect with the same outcome.
struct Always(Result<(), Error>);

#[async_trait]
impl Controller for Always {
    async fn update(&self, _: &Task) -> Result<(), Error> {
        self.0.clone()
    }
    async fn prepare(&self) -> Result<(), Error> {
        self.0.clone()
    }
    async fn start(&self) -> Result<(), Error> {
        self.0.clone()
    }
    async fn wait(&self) -> Result<(), Error> {
        self.0.clone()
    }
    async fn shutdown(&self) -> Result<(), Error> {
        self.0.clone()
    }
    async fn terminate(&self) -> Result<(), Error> {
        self.0.clone()
    }
    async fn remove(&self) -> Result<(), Error> {
        self.0.clone()
    }
    async fn observe(&self) -> Result<Observation, Error> {
        Ok(Observation::default())
    }
}

fn task(state: TaskState, desired: TaskState) -> Task {
    let mut task = Task {
        desired_state: desired,
        ..Task::default()
    };
    task.status.state = state;
    task
}

/// One step of a task; its state and error after it.
fn taken(
    state: TaskState,
    desired: TaskState,
    outcome: Result<(), Error>,
) -> Result<Option<(TaskState, Option<String>)>, Error> {
    let done = futures::executor::block_on(step(&task(state, desired), &Always(outcome), || {
        Timestamp::UNIX_EPOCH
    }));
    done.map(|status| status.map(|status| (status.state, status.err)))
}

#[test]
fn a_task_goes_from_assigned_to_running_a_step_at_a_time() {
    let mut state = TaskState::Assigned;
    let mut seen = Vec::new();
    while state < TaskState::Running {
        state = taken(state, TaskState::Running, Ok(())).unwrap().unwrap().0;
        seen.push(state);
    }
    use TaskState::{Accepted, Preparing, Ready, Running, Starting};
    assert_eq!(seen, [Accepted, Preparing, Ready, Starting, Running]);
}

#[test]
fn it_pauses_where_it_is_not_wanted_further() {
    assert_eq!(next(&task(TaskState::Accepted, TaskState::Accepted)), Step::Rest);
    assert_eq!(next(&task(TaskState::Ready, TaskState::Ready)), Step::Rest);
    assert_eq!(next(&task(TaskState::New, TaskState::Running)), Step::Rest);
}

#[test]
fn it_is_shut_down_from_anywhere_and_rests_when_final() {
    for state in [
        TaskState::Assigned,
        TaskState::Preparing,
        TaskState::Ready,
        TaskState::Running,
    ] {
        assert_eq!(next(&task(state, TaskState::Shutdown)), Step::Shutdown);
        assert_eq!(next(&task(state, TaskState::Remove)), Step::Shutdown);
    }
    for state in [
        TaskState::Complete,
        TaskState::Shutdown,
        TaskState::Failed,
        TaskState::Rejected,
    ] {
        assert_eq!(next(&task(state, TaskState::Shutdown)), Step::Rest);
    }
}

#[test]
fn an_error_before_the_start_rejects_and_after_it_fails() {
    let fatal = || Err(Error::Fatal("no".to_owned()));
    let (state, err) = taken(TaskState::Preparing, TaskState::Running, fatal())
        .unwrap()
        .unwrap();
    assert_eq!((state, err.as_deref()), (TaskState::Rejected, Some("no")));
    assert_eq!(
        taken(TaskState::Starting, TaskState::Running, fatal())
            .unwrap()
            .unwrap()
            .0,
        TaskState::Failed
    );
    let exit = Err(Error::Exit {
        code: 137,
        reason: Some("out of memory".to_owned()),
    });
    let (state, err) = taken(TaskState::Running, TaskState::Running, exit)
        .unwrap()
        .unwrap();
    assert_eq!(
        (state, err.as_deref()),
        (
            TaskState::Failed,
            Some("task: non-zero exit (137): out of memory")
        )
    );
}

#[test]
fn what_may_pass_changes_nothing() {
    let passing = Error::Temporary("registry".to_owned());
    assert_eq!(
        taken(TaskState::Preparing, TaskState::Running, Err(passing.clone())),
        Err(passing)
    );
}

#[test]
fn stopping_what_is_not_there_is_done() {
    let gone = Err(Error::NotFound("x".to_owned()));
    assert_eq!(
        taken(TaskState::Running, TaskState::Shutdown, gone)
            .unwrap()
            .unwrap()
            .0,
        TaskState::Shutdown
    );
}
