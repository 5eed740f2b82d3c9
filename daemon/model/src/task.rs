//! Tasks: one attempt at running one slot of a service.

use crate::{
    GenericResource, Labels, Meta, NetworkAttachment, NodeId, PortConfig, ServiceId, TaskId, TaskSpec,
    Timestamp, Version,
};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// A task. It is made once, placed once and never moves; a replacement is a new task in the same slot.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Task {
    /// Its identifier.
    #[serde(rename = "ID")]
    pub id: TaskId,
    /// Version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// Labels.
    pub labels: Labels,
    /// What it is to be: its service's template when it was made.
    pub spec: TaskSpec,
    /// Its service.
    #[serde(rename = "ServiceID")]
    pub service_id: ServiceId,
    /// Which replica it is, from 1; absent for global services.
    pub slot: Option<u64>,
    /// Its board, once placed.
    #[serde(rename = "NodeID")]
    pub node_id: Option<NodeId>,
    /// Generic resources given to it.
    pub assigned_generic_resources: Option<Vec<GenericResource>>,
    /// What its node says of it.
    pub status: TaskStatus,
    /// What managers want of it.
    pub desired_state: TaskState,
    /// Its networks.
    pub networks_attachments: Option<Vec<NetworkAttachment>>,
    /// Of a job.
    pub job_iteration: Option<Version>,
    /// Where it comes from.
    #[serde(rename = "BrambleOrigin")]
    pub origin: TaskOrigin,
}

impl Task {
    /// `service.slot.id`, or `service.node.id` for global services (Swarm's naming, and the container's name).
    pub fn name(&self) -> String {
        let place = match (self.slot, &self.node_id) {
            (Some(slot), _) => slot.to_string(),
            (None, Some(node)) => node.to_string(),
            (None, None) => "0".to_owned(),
        };
        format!("{}.{place}.{}", self.origin.service_name, self.id)
    }

    /// True while it counts towards its service: wanted to run, or on its way there.
    pub fn is_wanted(&self) -> bool {
        self.desired_state <= TaskState::Running
            || (self.is_job() && self.desired_state == TaskState::Complete)
    }

    /// Its addresses in overlay networks, as long as they are its own: until nothing of it runs any more.
    pub fn held(&self) -> &[NetworkAttachment] {
        if self.status.state.is_final() {
            return &[];
        }
        self.networks_attachments.as_deref().unwrap_or_default()
    }

    /// True if its work ends by itself.
    pub fn is_job(&self) -> bool {
        self.job_iteration.is_some()
    }
}

/// What a task remembers of its service, so that its node needs nothing else.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaskOrigin {
    /// The service's name.
    pub service_name: String,
    /// The service's labels.
    pub service_labels: Labels,
    /// The service's spec version that the task was made from.
    pub spec_version: Version,
    /// The service's ports (those of mode `host` are published by the task's board).
    pub ports: Vec<PortConfig>,
    /// Not to be started before this time (restart delay, back-off); the plan waits for it.
    pub not_before: Option<Timestamp>,
    /// The task that it takes the place of.
    pub replaces: Option<TaskId>,
    /// How many tasks of its slot failed in a row before it: what back-off grows with.
    pub failures: u32,
    /// True if it is to take its forerunner's place on a better board: that one runs until this one is ready for it.
    pub moves: bool,
    /// When it began to run; noted when it ended, since its status then tells the end.
    pub ran_from: Option<Timestamp>,
    /// Whether the service has credentials for its image's registry (they are never in a task).
    pub registry_auth: bool,
}

/// What a node says of a task.
#[skip_serializing_none]
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaskStatus {
    /// When it came to be so.
    pub timestamp: Timestamp,
    /// Where it is in its life.
    pub state: TaskState,
    /// In words.
    pub message: String,
    /// What went wrong.
    pub err: Option<String>,
    /// Its container.
    pub container_status: Option<ContainerStatus>,
    /// Ports published by its board.
    pub port_status: Option<PortStatus>,
}

impl Default for TaskStatus {
    fn default() -> Self {
        Self {
            timestamp: Timestamp::UNIX_EPOCH,
            state: TaskState::New,
            message: String::new(),
            err: None,
            container_status: None,
            port_status: None,
        }
    }
}

/// A task's container.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ContainerStatus {
    /// Its id.
    #[serde(rename = "ContainerID")]
    pub container_id: Option<String>,
    /// Its first process.
    #[serde(rename = "PID")]
    pub pid: i64,
    /// How it ended.
    pub exit_code: i64,
}

/// Ports published by a task's board.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortStatus {
    /// Those of mode `host`. None are absent, as in Docker's JSON.
    #[serde(skip_serializing_if = "is_none_or_empty")]
    pub ports: Option<Vec<PortConfig>>,
}

#[allow(clippy::ref_option)] // serde calls it so.
fn is_none_or_empty(ports: &Option<Vec<PortConfig>>) -> bool {
    ports.as_ref().is_none_or(Vec::is_empty)
}

/// Where a task is in its life; Swarm's states in Swarm's order. The observed state only moves forward.
///
/// ```text
/// new → pending → assigned → accepted → preparing → ready → starting → running → complete
///                                │           │        │         │          └──→ shutdown, failed
///                                └───────────┴────────┴─────────┴─→ rejected (before starting), failed
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TaskState {
    /// Made.
    #[default]
    #[serde(alias = "")]
    New,
    /// Has all it needs but a board.
    Pending,
    /// Has a board.
    Assigned,
    /// The board knows of it.
    Accepted,
    /// Its image and networks are being made ready.
    Preparing,
    /// Could start at once.
    Ready,
    /// Is being started, or not yet healthy.
    Starting,
    /// Runs.
    Running,
    /// Ended well.
    Complete,
    /// Was stopped.
    Shutdown,
    /// Ended badly.
    Failed,
    /// Could not be made.
    Rejected,
    /// Only desired: to be stopped and forgotten.
    Remove,
    /// Its board has been gone for too long.
    Orphaned,
}

impl TaskState {
    /// All of them, in order.
    pub const ALL: [Self; 14] = [
        Self::New,
        Self::Pending,
        Self::Assigned,
        Self::Accepted,
        Self::Preparing,
        Self::Ready,
        Self::Starting,
        Self::Running,
        Self::Complete,
        Self::Shutdown,
        Self::Failed,
        Self::Rejected,
        Self::Remove,
        Self::Orphaned,
    ];

    /// True once nothing of the task runs any more.
    pub fn is_final(self) -> bool {
        self > Self::Running
    }

    /// Its name in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Pending => "pending",
            Self::Assigned => "assigned",
            Self::Accepted => "accepted",
            Self::Preparing => "preparing",
            Self::Ready => "ready",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Complete => "complete",
            Self::Shutdown => "shutdown",
            Self::Failed => "failed",
            Self::Rejected => "rejected",
            Self::Remove => "remove",
            Self::Orphaned => "orphaned",
        }
    }
}

impl std::fmt::Display for TaskState {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.pad(self.as_str())
    }
}
