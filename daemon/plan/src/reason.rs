//! Why the plan is as it is: values that the manager logs and the API shows.

use jiff::SignedDuration;
use model::{TaskId, TaskState};
use std::fmt;

/// Why a task can't stay where it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It ended by itself.
    Ended {
        /// How.
        state: TaskState,
        /// In the node's words.
        err: Option<String>,
    },
    /// Its board is down.
    NodeDown,
    /// Its board was removed from the cluster.
    NodeGone,
    /// Its board is being drained.
    NodeDrained,
    /// Its board no longer meets its constraints.
    Misfit,
    /// Its board no longer has what it reserves.
    NoRoom,
}

/// One decision. Tasks are named `service.slot`, or `service.board`.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "the fields are what the sentence below each says")]
pub enum Reason {
    /// A task gives its place to another.
    Replaced {
        task: String,
        cause: Cause,
        by: TaskId,
        delay: SignedDuration,
    },
    /// A task leaves its place, and nothing takes it.
    Stopped { task: String, cause: Cause },
    /// Tasks are made because the service wants more.
    ScaledUp { service: String, by: u64, to: u64 },
    /// Tasks go because the service wants fewer.
    ScaledDown { service: String, by: u64, to: u64 },
    /// A global service comes to a board.
    BoardJoined { service: String, node: String },
    /// A global service leaves a board.
    BoardLeft {
        service: String,
        node: String,
        cause: Cause,
    },
    /// The service of a task is no more.
    ServiceGone { task: String },
    /// A job starts over.
    JobAgain { service: String, iteration: u64 },
    /// A replacement starts.
    Started { task: String, waited_in_vain: bool },
    /// A task has a board.
    Placed { task: String, id: TaskId, node: String },
    /// A task has no board.
    Unplaced { task: String, err: String },
    /// An update or rollback came to another state.
    Update { service: String, message: String },
    /// An update takes the next slot.
    Updated { task: String, by: TaskId },
    /// An update's new task runs, so the old one goes.
    Outlived { task: String },
    /// A task is to have a better board.
    Moves { task: String, from: String, by: TaskId },
    /// The task that was to take another's place on a better board did not come to it.
    StaysPut { task: String },
    /// What a job's schedule led to.
    Scheduled { service: String, message: String },
    /// A port was chosen.
    Port {
        service: String,
        target: u16,
        published: u16,
    },
    /// No port is left to choose.
    NoPort { service: String, target: u16 },
    /// A network was given its place.
    Network {
        network: String,
        subnet: String,
        vni: u32,
    },
    /// A task's board has been gone for too long.
    Orphaned { task: String, node: String },
    /// A task is forgotten.
    Reaped { task: String, id: TaskId },
    /// A board becomes a manager.
    Promoted { node: String, managers: usize },
    /// A board is no longer to be a manager.
    Demoted { node: String, managers: usize },
    /// The rules did not come to rest; the plan goes on with the next.
    Unsettled,
}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ended {
                state,
                err: Some(err),
            } => write!(out, "{}: {err}", verb(*state)),
            Self::Ended { state, err: None } => out.write_str(verb(*state)),
            Self::NodeDown => out.write_str("lost its board, which is down"),
            Self::NodeGone => out.write_str("lost its board, which was removed"),
            Self::NodeDrained => out.write_str("leaves its board, which is drained"),
            Self::Misfit => {
                out.write_str("leaves its board, which no longer meets its constraints or has lost a device")
            }
            Self::NoRoom => out.write_str("leaves its board, which no longer has what it reserves"),
        }
    }
}

fn verb(state: TaskState) -> &'static str {
    match state {
        TaskState::Complete => "completed",
        TaskState::Shutdown => "was shut down",
        TaskState::Failed => "failed",
        TaskState::Rejected => "was rejected",
        TaskState::Orphaned => "was orphaned",
        other => other.as_str(),
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replaced {
                task,
                cause,
                by,
                delay,
            } if *delay == SignedDuration::ZERO => {
                write!(out, "{task} {cause}; replaced by {by}")
            }
            Self::Replaced {
                task,
                cause,
                by,
                delay,
            } => {
                write!(
                    out,
                    "{task} {cause}; replaced by {by} in {}",
                    crate::time::in_words(*delay)
                )
            }
            Self::Stopped { task, cause } => write!(out, "{task} {cause}; not replaced"),
            Self::ScaledUp { service, by, to } => write!(out, "{service} wants {to}: {by} more"),
            Self::ScaledDown { service, by, to } => write!(out, "{service} wants {to}: {by} fewer"),
            Self::BoardJoined { service, node } => write!(out, "{service} comes to {node}"),
            Self::BoardLeft { service, node, cause } => write!(out, "{service}.{node} {cause}"),
            Self::ServiceGone { task } => write!(out, "{task} goes with its service"),
            Self::JobAgain { service, iteration } => {
                write!(out, "{service} starts over: iteration {iteration}")
            }
            Self::Started {
                task,
                waited_in_vain: false,
            } => write!(out, "{task} may start"),
            Self::Started {
                task,
                waited_in_vain: true,
            } => {
                write!(out, "{task} may start though its forerunner has not stopped")
            }
            Self::Placed { task, id, node } => write!(out, "{task} {id} is assigned to {node}"),
            Self::Unplaced { task, err } => write!(out, "{task} is not placed: {err}"),
            Self::Update { service, message } => write!(out, "{service}: {message}"),
            Self::Updated { task, by } => write!(out, "{task} is updated by {by}"),
            Self::Outlived { task } => write!(out, "{task} has its successor running and stops"),
            Self::Moves { task, from, by } => {
                write!(out, "{task} moves away from {from}: {by} takes its place")
            }
            Self::StaysPut { task } => write!(out, "{task} stays where it is: the other did not come to run"),
            Self::Scheduled { service, message } => write!(out, "{service}: {message}"),
            Self::Port {
                service,
                target,
                published,
            } => write!(out, "{service} port {target} is published at {published}"),
            Self::NoPort { service, target } => {
                write!(out, "{service} port {target}: no dynamic port is left")
            }
            Self::Network { network, subnet, vni } => {
                write!(out, "network {network} is {subnet}, number {vni}")
            }
            Self::Orphaned { task, node } => write!(out, "{task} is orphaned: {node} is gone"),
            Self::Reaped { task, id } => write!(out, "{task} {id} is forgotten"),
            Self::Promoted { node, managers } => {
                write!(out, "{node} is promoted: {managers} managers wanted")
            }
            Self::Demoted { node, managers } => write!(out, "{node} is demoted: {managers} managers wanted"),
            Self::Unsettled => out.write_str("the rules did not come to rest"),
        }
    }
}
