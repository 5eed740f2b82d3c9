//! What holds at any moment, whatever happens.

use super::World;
use jiff::SignedDuration;
use model::*;
use std::collections::BTreeMap;

/// Stops the test where a law is broken.
pub fn hold(world: &World) {
    for service in world.view.services() {
        one_a_slot(world, service);
        most_on_a_board(world, service);
        few_at_once(world, service);
    }
}

fn order(service: &Service) -> UpdateOrder {
    let config = service.spec.update_config.as_ref();
    let back = service.spec.rollback_config.as_ref();
    let first = [config, back]
        .into_iter()
        .flatten()
        .any(|config| config.order == Some(UpdateOrder::StartFirst));
    if first {
        UpdateOrder::StartFirst
    } else {
        UpdateOrder::StopFirst
    }
}

/// Never two running tasks in one slot on boards that are up, unless the new one goes first. What comes back from a cut
/// runs on until its board hears that it is replaced.
fn one_a_slot(world: &World, service: &Service) {
    let mut slots: BTreeMap<(Option<u64>, Option<NodeId>), Vec<TaskId>> = BTreeMap::new();
    for task in world.view.tasks_of_service(&service.id) {
        let here = task.node_id.as_ref().is_some_and(|node| world.is_up(node));
        let runs = world.seen(task).state == TaskState::Running;
        if here && runs && !world.stale.contains(&task.id) {
            let board = task.node_id.clone().filter(|_| task.slot.is_none());
            slots.entry((task.slot, board)).or_default().push(task.id.clone());
        }
    }
    let most = if order(service) == UpdateOrder::StartFirst {
        2
    } else {
        1
    };
    for (slot, tasks) in slots {
        assert!(
            tasks.len() <= most,
            "{} {slot:?} has {tasks:?} at {}",
            service.spec.name,
            world.now
        );
    }
}

/// Never more on a board than the service allows.
fn most_on_a_board(world: &World, service: &Service) {
    let placement = service.spec.task_template.placement.as_ref();
    let most = placement
        .and_then(|placement| placement.max_replicas)
        .unwrap_or(0);
    if most == 0 {
        return;
    }
    let mut boards: BTreeMap<&NodeId, u64> = BTreeMap::new();
    for task in world.view.tasks_of_service(&service.id) {
        let state = world.seen(task).state;
        let there = state >= TaskState::Assigned && !state.is_final() && !world.stale.contains(&task.id);
        // What was there before the limit came stays until it is replaced.
        let same = task.origin.spec_version == service.spec_version.unwrap_or_default();
        if let Some(node) = task
            .node_id
            .as_ref()
            .filter(|node| there && same && world.is_up(node))
        {
            *boards.entry(node).or_default() += 1;
        }
    }
    for (board, count) in boards {
        assert!(
            count <= most,
            "{} has {count} tasks on {board} at {}",
            service.spec.name,
            world.now
        );
    }
}

/// Never more slots in change than an update may take at once.
fn few_at_once(world: &World, service: &Service) {
    let config = service.spec.update_config.clone().unwrap_or_default();
    let back = service.spec.rollback_config.clone().unwrap_or(UpdateConfig {
        parallelism: 1,
        ..UpdateConfig::default()
    });
    let most = config.parallelism.max(back.parallelism);
    if config.parallelism == 0 || back.parallelism == 0 {
        return;
    }
    let limit = Wishes::checked(&service.spec.labels)
        .start_limit
        .unwrap_or(bramble_plan::START_LIMIT);
    let changing = world.view.tasks_of_service(&service.id).filter(|task| {
        world.updated.contains(&task.id)
            && task.is_wanted()
            && task.origin.spec_version == service.spec_version.unwrap_or_default()
            && world.seen(task).state < TaskState::Running
            // One that takes for ever has failed, and others have their turn.
            && task.meta.created_at + limit > world.now
    });
    let count = changing.count() as u64;
    assert!(
        count <= most,
        "{} changes {count} slots at {}",
        service.spec.name,
        world.now
    );
}

/// A task is placed only when all that its service waits for runs.
pub fn placed(world: &World, task: &str, board: &str) {
    let id = NodeId::from(board.replace("board-", "n").as_str());
    let report = &world.reports.nodes[&id];
    assert_eq!(report.unfit, None, "{task} is placed on {board} at {}", world.now);
    let name = task.rsplit_once('.').map_or(task, |(name, _)| name);
    let Some(service) = world.service(name) else {
        return;
    };
    for need in Wishes::checked(&service.spec.labels).depends_on {
        let found = world.view.services().find(|other| other.spec.called(&need));
        let found = found.unwrap_or_else(|| panic!("{task} is placed without {need}"));
        let good = if found.spec.is_job() {
            TaskState::Complete
        } else {
            TaskState::Running
        };
        let there = world
            .view
            .tasks_of_service(&found.id)
            .any(|task| world.seen(task).state == good);
        assert!(
            there,
            "{task} is placed though {need} does not run at {}",
            world.now
        );
    }
}

/// What is wrong with a service once nothing has happened for a long time.
pub fn unrest(world: &World, service: &Service) -> Option<String> {
    if service.spec.is_job() {
        return undone(world, service);
    }
    let tasks = world.tasks(&service.id);
    let running: Vec<&Task> = tasks
        .iter()
        .filter(|task| {
            task.desired_state == TaskState::Running && world.seen(task).state == TaskState::Running
        })
        .collect();
    let boards = world.view.nodes().count() as u64;
    let placement = service.spec.task_template.placement.clone().unwrap_or_default();
    let room = match placement.max_replicas.unwrap_or(0) {
        0 => u64::MAX,
        most => most * boards,
    };
    let wanted = service.spec.replicas().unwrap_or(boards).min(room);
    let state = service.update_status.as_ref().map(|status| status.state);
    if running.len() as u64 != wanted {
        let states = tasks
            .iter()
            .map(|task| (task.slot, task.status.state, task.status.err.clone()));
        return Some(format!(
            "{} of {wanted} run, {state:?}: {:?}",
            running.len(),
            states.collect::<Vec<_>>()
        ));
    }
    if matches!(state, Some(UpdateState::Updating | UpdateState::RollbackStarted)) {
        return Some(format!("its update goes on: {state:?}"));
    }
    let is_paused = matches!(state, Some(UpdateState::Paused | UpdateState::RollbackPaused));
    let container = &service.spec.task_template.container_spec;
    if !is_paused && running.iter().any(|task| task.spec.container_spec != *container) {
        return Some("a task is of another spec".to_owned());
    }
    let wishes = Wishes::checked(&service.spec.labels);
    if wishes.rebalance && !wishes.volume_affinity && placement.constraints.is_none() {
        let copies = |node: &NodeId| {
            running
                .iter()
                .filter(|task| task.node_id.as_ref() == Some(node))
                .count()
        };
        let counts: Vec<usize> = world.view.nodes().map(|node| copies(&node.id)).collect();
        let (least, most) = (counts.iter().min(), counts.iter().max());
        if most > least.map(|least| least + 1).as_ref() {
            return Some(format!("its tasks are not spread: {counts:?}"));
        }
    }
    None
}

/// What is left to do of a job.
fn undone(world: &World, service: &Service) -> Option<String> {
    let status = service.job_status.clone().unwrap_or_default();
    let tasks = world.tasks(&service.id);
    let ours = || {
        tasks
            .iter()
            .filter(|task| task.job_iteration == Some(status.job_iteration))
    };
    let done = ours()
        .filter(|task| task.status.state == TaskState::Complete)
        .count() as u64;
    if let Some(timed) = &status.schedule
        && timed.due.is_none_or(|due| due <= world.now)
    {
        return Some(format!("it is due and does not run: {timed:?}"));
    }
    let total = match service.spec.mode.replicated_job {
        Some(job) => job.total_completions.unwrap_or(1),
        None => world.view.nodes().count() as u64,
    };
    // A run at a given time begins when it likes, also just before this look: it may take its time.
    let just_begun = status.schedule.is_some()
        && status
            .last_execution
            .is_some_and(|begun| begun + SignedDuration::from_mins(20) > world.now);
    let begun = status.last_execution.is_some() && !just_begun;
    (begun && done != total).then(|| format!("{done} of {total} are done"))
}
