//! What a restart policy says of one task: whether and when. Everything is read from the tasks that its slot still
//! holds (the reaper keeps enough of them), so a new leader counts as the old one did.

use crate::time::{after, nanos};
use jiff::SignedDuration;
use model::{RestartCondition, RestartPolicy, Task, TaskState, Timestamp};
use std::sync::Arc;

/// Pause before a restart, where the policy names none.
const DELAY: SignedDuration = SignedDuration::from_secs(5);
/// What the pause doubles from, beginning with the second failure in a row …
const BACK_OFF: SignedDuration = SignedDuration::from_secs(5);
/// … and where it ends. A policy's longer delay counts instead.
const LONGEST_BACK_OFF: SignedDuration = SignedDuration::from_mins(5);
/// A task that ran for longer than this, and for longer than it had been waited with, is not in a crash loop.
const LONG_RUN: SignedDuration = SignedDuration::from_mins(1);

/// True if a task that came to an end, or lost its board, is to have a successor. `slot` are the tasks of its place.
///
/// As in Swarm, `none` means never, even if the board was lost: who writes it does not want a second run. Of
/// attempts only ends count, not lost boards.
pub(crate) fn should_restart(task: &Task, slot: &[Arc<Task>]) -> bool {
    let default = RestartPolicy::default();
    let policy = task.spec.restart_policy.as_ref().unwrap_or(&default);
    let done = task.status.state == TaskState::Complete;
    let wanted = match policy.condition.unwrap_or_default() {
        RestartCondition::None => false,
        RestartCondition::OnFailure => !done,
        RestartCondition::Any => !(done && task.is_job()),
    };
    let most = policy.max_attempts.unwrap_or(0);
    wanted && (most == 0 || !is_end(task) || attempts(task, policy, slot) <= most)
}

/// Ends of this version in the slot up to and including this one, in the policy's window. The window ends with the
/// task and not now: an answer once given stays.
fn attempts(task: &Task, policy: &RestartPolicy, slot: &[Arc<Task>]) -> u64 {
    let window = nanos(policy.window, SignedDuration::ZERO);
    let end = task.status.timestamp;
    let counts = |other: &&Arc<Task>| {
        is_end(other)
            && other.origin.spec_version == task.origin.spec_version
            && other.job_iteration == task.job_iteration
            && other.meta.created_at <= task.meta.created_at
            && (window == SignedDuration::ZERO || after(other.status.timestamp, window) > end)
    };
    slot.iter().filter(counts).count() as u64
}

/// True if the task ended by itself.
fn is_end(task: &Task) -> bool {
    is_failure(task) || task.status.state == TaskState::Complete
}

/// True if it ended badly.
pub(crate) fn is_failure(task: &Task) -> bool {
    matches!(task.status.state, TaskState::Failed | TaskState::Rejected)
}

/// Failures in a row once `task` has come to this end; `ran_from` is when it began to run, if it did.
pub(crate) fn failures(task: &Task, ran_from: Option<Timestamp>, same_version: bool) -> u32 {
    if !same_version {
        // What an old version did is not held against the new one, nor against the update that mends it.
        return 0;
    }
    let before = task.origin.failures;
    let long = LONG_RUN.max(delay(task.spec.restart_policy.as_ref(), before));
    match (is_failure(task), ran_from) {
        (false, _) => 0,
        (true, Some(from)) if task.status.timestamp > after(from, long) => 1,
        (true, _) => before.saturating_add(1),
    }
}

/// The pause before the successor of a task that ended, `failures` being counted with it.
pub(crate) fn delay(policy: Option<&RestartPolicy>, failures: u32) -> SignedDuration {
    let delay = nanos(policy.and_then(|policy| policy.delay), DELAY);
    if failures < 2 {
        return delay;
    }
    // 2^6 times 5 s is more than 5 min already.
    let back_off = BACK_OFF.saturating_mul(1 << (failures - 1).min(6));
    delay.max(back_off.min(LONGEST_BACK_OFF))
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::Version;

    fn ended(state: TaskState, second: i64, policy: &RestartPolicy) -> Arc<Task> {
        let mut task = Task::default();
        task.spec.restart_policy = Some(policy.clone());
        task.status.state = state;
        task.status.timestamp = Timestamp::from_second(second).unwrap();
        task.meta.created_at = task.status.timestamp;
        Arc::new(task)
    }

    #[test]
    fn failures_in_a_row_double_the_delay_up_to_five_minutes() {
        let seconds = |failures| delay(None, failures).as_secs();
        assert_eq!(
            (1..=9).map(seconds).collect::<Vec<_>>(),
            [5, 10, 20, 40, 80, 160, 300, 300, 300]
        );
        assert_eq!(seconds(u32::MAX), 300);
    }

    #[test]
    fn a_longer_delay_of_the_policy_is_kept() {
        let policy = RestartPolicy {
            delay: Some(60_000_000_000),
            ..RestartPolicy::default()
        };
        let seconds = |failures| delay(Some(&policy), failures).as_secs();
        assert_eq!(
            (1..=7).map(seconds).collect::<Vec<_>>(),
            [60, 60, 60, 60, 80, 160, 300]
        );
        let policy = RestartPolicy {
            delay: Some(0),
            ..RestartPolicy::default()
        };
        assert_eq!(
            (1..=3)
                .map(|n| delay(Some(&policy), n).as_secs())
                .collect::<Vec<_>>(),
            [0, 10, 20]
        );
    }

    #[test]
    fn a_long_run_and_a_new_version_begin_anew() {
        let mut task = (*ended(TaskState::Failed, 1000, &RestartPolicy::default())).clone();
        task.origin.failures = 4;
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        assert_eq!(failures(&task, at(990), true), 5);
        assert_eq!(failures(&task, None, true), 5);
        assert_eq!(
            failures(&task, at(930), true),
            1,
            "longer than a minute and than 40 s"
        );
        task.origin.failures = 6;
        assert_eq!(
            failures(&task, at(930), true),
            7,
            "not longer than the 160 s that it was waited with"
        );
        assert_eq!(failures(&task, at(830), true), 1);
        assert_eq!(failures(&task, at(990), false), 0);
        task.status.state = TaskState::Complete;
        assert_eq!(failures(&task, at(990), true), 0);
    }

    #[test]
    fn the_condition_decides() {
        for (condition, complete, failed) in [
            (None, true, true),
            (Some(RestartCondition::Any), true, true),
            (Some(RestartCondition::OnFailure), false, true),
            (Some(RestartCondition::None), false, false),
        ] {
            let policy = RestartPolicy {
                condition,
                ..RestartPolicy::default()
            };
            assert_eq!(
                should_restart(&ended(TaskState::Complete, 0, &policy), &[]),
                complete
            );
            assert_eq!(should_restart(&ended(TaskState::Failed, 0, &policy), &[]), failed);
        }
    }

    #[test]
    fn a_job_that_is_done_is_not_run_again() {
        let mut task = (*ended(TaskState::Complete, 0, &RestartPolicy::default())).clone();
        task.job_iteration = Some(Version::default());
        assert!(!should_restart(&task, &[]));
    }

    #[test]
    fn attempts_are_counted_in_their_window() {
        let policy = |window: Option<i64>| RestartPolicy {
            max_attempts: Some(2),
            window,
            ..RestartPolicy::default()
        };
        let ever = policy(None);
        let slot: Vec<_> = (0..3).map(|n| ended(TaskState::Failed, n * 100, &ever)).collect();
        assert!(should_restart(&slot[1], &slot));
        assert!(!should_restart(&slot[2], &slot));
        let minute = policy(Some(60_000_000_000));
        let slot: Vec<_> = (0..3)
            .map(|n| ended(TaskState::Failed, n * 100, &minute))
            .collect();
        assert!(should_restart(&slot[2], &slot));
    }

    #[test]
    fn a_lost_board_is_no_attempt() {
        let policy = RestartPolicy {
            max_attempts: Some(1),
            ..RestartPolicy::default()
        };
        let slot = [
            ended(TaskState::Failed, 0, &policy),
            ended(TaskState::Shutdown, 1, &policy),
            ended(TaskState::Running, 2, &policy),
        ];
        assert!(should_restart(&slot[2], &slot));
    }
}
