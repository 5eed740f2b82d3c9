//! Services: what the user wants to run.

use crate::{
    ContainerSpec, Labels, LogDriver, Meta, NetworkAttachmentConfig, Platform, Ratio, ResourceRequirements,
    ServiceId, Timestamp, Version,
};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// A service.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Service {
    /// Its identifier.
    #[serde(rename = "ID")]
    pub id: ServiceId,
    /// Version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// What the user wants.
    pub spec: ServiceSpec,
    /// What the user wanted before, for `rollback`.
    pub previous_spec: Option<ServiceSpec>,
    /// Addresses and ports.
    pub endpoint: Endpoint,
    /// How the last update goes or went.
    pub update_status: Option<UpdateStatus>,
    /// Only with `?status=true`: filled in for the API, never stored.
    pub service_status: Option<ServiceStatus>,
    /// Of a job.
    pub job_status: Option<JobStatus>,
    /// The store's index when the spec last changed in a way that concerns tasks; tasks carry the one they
    /// were made from (Swarm: `spec_version`).
    #[serde(rename = "BrambleSpecVersion")]
    pub spec_version: Option<Version>,
    /// What to show to the registry of its image: `X-Registry-Auth` as the user sent it. In no API answer
    /// (see [`Service::public`]) and in no task.
    #[serde(rename = "BrambleRegistryAuth")]
    pub registry_auth: Option<crate::Hidden<String>>,
}

impl Service {
    /// The service as the API shows it: without credentials.
    pub fn public(&self) -> Self {
        Self {
            registry_auth: None,
            ..self.clone()
        }
    }
}

/// What the user wants.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceSpec {
    /// Its name, unique among services.
    pub name: String,
    /// Labels of the service.
    pub labels: Labels,
    /// What each task is to be.
    pub task_template: TaskSpec,
    /// How many tasks.
    pub mode: ServiceMode,
    /// How an update goes.
    pub update_config: Option<UpdateConfig>,
    /// How a rollback goes.
    pub rollback_config: Option<UpdateConfig>,
    /// Networks of old clients (before API 1.25); newer ones write them in the task template.
    pub networks: Option<Vec<NetworkAttachmentConfig>>,
    /// How it is reached.
    pub endpoint_spec: Option<EndpointSpec>,
}

/// What each task is to be.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct TaskSpec {
    /// Its container.
    pub container_spec: Option<ContainerSpec>,
    /// A plugin in place of a container.
    pub plugin_spec: Option<PluginSpec>,
    /// A plain container's attachment in place of a container.
    pub network_attachment_spec: Option<NetworkAttachmentSpec>,
    /// What it may use.
    pub resources: Option<ResourceRequirements>,
    /// What happens when it ends.
    pub restart_policy: Option<RestartPolicy>,
    /// Where it may run.
    pub placement: Option<Placement>,
    /// Networks that it is in.
    pub networks: Option<Vec<NetworkAttachmentConfig>>,
    /// Where its logs go.
    pub log_driver: Option<LogDriver>,
    /// Counted up to replace tasks though nothing else changed.
    pub force_update: u64,
    /// `container`.
    pub runtime: Option<String>,
}

/// A plugin in place of a container; refused by the manager's validation.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PluginSpec {
    /// Its name.
    pub name: Option<String>,
    /// Where it comes from.
    pub remote: Option<String>,
}

/// A plain container's attachment.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct NetworkAttachmentSpec {
    /// The container.
    #[serde(rename = "ContainerID")]
    pub container_id: Option<String>,
}

/// How many tasks: exactly one of the fields is set.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceMode {
    /// A number of tasks.
    pub replicated: Option<Replicated>,
    /// One on each board.
    pub global: Option<Empty>,
    /// A number of runs.
    pub replicated_job: Option<ReplicatedJob>,
    /// One run on each board.
    pub global_job: Option<Empty>,
}

/// `{}`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// A number of tasks.
#[skip_serializing_none]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Replicated {
    /// How many; 1 if absent.
    pub replicas: Option<u64>,
}

/// A number of runs.
#[skip_serializing_none]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ReplicatedJob {
    /// At the same time; 1 if absent.
    pub max_concurrent: Option<u64>,
    /// In all; as many as at the same time if absent.
    pub total_completions: Option<u64>,
}

/// The label by which `docker stack` marks what belongs to a stack.
pub const STACK_LABEL: &str = "com.docker.stack.namespace";

impl ServiceSpec {
    /// The stack that the service belongs to.
    pub fn stack(&self) -> Option<&str> {
        self.labels.get(STACK_LABEL).map(String::as_str)
    }

    /// True if it goes by this name: its own, or the one that it has within its stack (`db` of `home_db`).
    pub fn called(&self, name: &str) -> bool {
        let within = || self.name.strip_prefix(self.stack()?)?.strip_prefix('_');
        self.name == name || within() == Some(name)
    }

    /// The networks of its tasks: those in the template, or where old clients write them.
    pub fn networks(&self) -> &[NetworkAttachmentConfig] {
        let in_template = self.task_template.networks.as_deref().unwrap_or_default();
        if in_template.is_empty() {
            self.networks.as_deref().unwrap_or_default()
        } else {
            in_template
        }
    }

    /// How it is reached.
    pub fn endpoint_mode(&self) -> EndpointMode {
        let endpoint = self.endpoint_spec.as_ref();
        endpoint.and_then(|endpoint| endpoint.mode).unwrap_or_default()
    }

    /// Wanted number of replicas; none for other modes.
    pub fn replicas(&self) -> Option<u64> {
        self.mode.replicated.map(|mode| mode.replicas.unwrap_or(1))
    }

    /// True for one task a board.
    pub fn is_global(&self) -> bool {
        self.mode.global.is_some() || self.mode.global_job.is_some()
    }

    /// True for work that ends.
    pub fn is_job(&self) -> bool {
        self.mode.replicated_job.is_some() || self.mode.global_job.is_some()
    }
}

/// What happens when a task ends. Durations are nanoseconds.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct RestartPolicy {
    /// When it is started again; `any` if absent.
    pub condition: Option<RestartCondition>,
    /// Pause before; 5 s if absent.
    pub delay: Option<i64>,
    /// How often; 0: without end.
    pub max_attempts: Option<u64>,
    /// In which time attempts are counted; 0: ever.
    pub window: Option<i64>,
}

/// When a task is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartCondition {
    /// Never.
    None,
    /// If it failed.
    OnFailure,
    /// However it ended.
    #[default]
    #[serde(alias = "")]
    Any,
}

/// Where tasks may run.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Placement {
    /// All must hold: [`crate::Constraint`].
    pub constraints: Option<Vec<String>>,
    /// Over what to spread, the first counts most.
    pub preferences: Option<Vec<PlacementPreference>>,
    /// At most so many of the service on one board; 0: any number.
    pub max_replicas: Option<u64>,
    /// Where the image runs.
    pub platforms: Option<Vec<Platform>>,
}

/// Over what to spread.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PlacementPreference {
    /// A label.
    pub spread: Option<SpreadOver>,
}

/// A label to spread over.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SpreadOver {
    /// `node.labels.NAME` or `engine.labels.NAME`.
    pub spread_descriptor: String,
}

/// How an update or rollback goes. Durations are nanoseconds.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateConfig {
    /// Slots at once; 0: all.
    pub parallelism: u64,
    /// Pause after each slot.
    pub delay: Option<i64>,
    /// What a failure does; `pause` if absent.
    pub failure_action: Option<FailureAction>,
    /// How long a new task is watched; 5 s if absent.
    pub monitor: Option<i64>,
    /// Failures beyond this share count as the update's failure.
    pub max_failure_ratio: Ratio,
    /// Which goes first; `stop-first` if absent.
    pub order: Option<UpdateOrder>,
}

/// What a failure does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FailureAction {
    /// The update stops where it is.
    #[default]
    #[serde(alias = "")]
    Pause,
    /// It goes on.
    Continue,
    /// The service goes back to its previous spec.
    Rollback,
}

/// Which goes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UpdateOrder {
    /// The old task stops before the new one starts.
    #[default]
    #[serde(alias = "")]
    StopFirst,
    /// The new task runs before the old one stops.
    StartFirst,
}

/// How the last update goes or went.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct UpdateStatus {
    /// Where it is.
    pub state: UpdateState,
    /// When it began.
    pub started_at: Option<Timestamp>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// In words.
    pub message: String,
}

/// Where an update is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UpdateState {
    /// Going on.
    #[default]
    Updating,
    /// Stopped by a failure.
    Paused,
    /// Done.
    Completed,
    /// Going back.
    RollbackStarted,
    /// Going back was stopped by a failure.
    RollbackPaused,
    /// Gone back.
    RollbackCompleted,
}

/// How a service is reached.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct EndpointSpec {
    /// By a virtual address or by names.
    pub mode: Option<EndpointMode>,
    /// Ports to publish.
    pub ports: Option<Vec<PortConfig>>,
}

/// By a virtual address or by names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndpointMode {
    /// A virtual address.
    #[default]
    #[serde(alias = "")]
    Vip,
    /// Names that resolve to all tasks.
    Dnsrr,
}

/// A port to publish.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct PortConfig {
    /// A name for it.
    pub name: Option<String>,
    /// TCP if absent.
    pub protocol: Option<PortProtocol>,
    /// In the container.
    pub target_port: u16,
    /// On the boards; 0 or absent: chosen by the allocator.
    pub published_port: Option<u16>,
    /// By the mesh or on the task's board; the mesh if absent.
    pub publish_mode: Option<PublishMode>,
}

impl PortConfig {
    /// True if every board listens at it.
    pub fn is_of_mesh(&self) -> bool {
        self.publish_mode.unwrap_or_default() == PublishMode::Ingress
    }

    /// Its number on the boards, if it has one yet.
    pub fn published(&self) -> Option<u16> {
        self.published_port.filter(|number| *number != 0)
    }
}

/// A port's protocol.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortProtocol {
    /// TCP.
    #[default]
    #[serde(alias = "")]
    Tcp,
    /// UDP.
    Udp,
    /// SCTP.
    Sctp,
}

impl std::fmt::Display for PortProtocol {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Sctp => "sctp",
        })
    }
}

/// Where a port answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PublishMode {
    /// On every board.
    #[default]
    #[serde(alias = "")]
    Ingress,
    /// On the task's own board.
    Host,
}

/// Addresses and ports that a service really has.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Endpoint {
    /// What was asked for.
    pub spec: EndpointSpec,
    /// What was given.
    pub ports: Option<Vec<PortConfig>>,
    /// Virtual addresses.
    #[serde(rename = "VirtualIPs")]
    pub virtual_ips: Option<Vec<VirtualIp>>,
}

/// A virtual address.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VirtualIp {
    /// The network.
    #[serde(rename = "NetworkID")]
    pub network_id: Option<crate::NetworkId>,
    /// The address, with prefix length.
    pub addr: Option<String>,
}

/// Counts that `docker service ls` shows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ServiceStatus {
    /// Tasks that run.
    pub running_tasks: u64,
    /// Tasks that should.
    pub desired_tasks: u64,
    /// Runs of a job that are done.
    pub completed_tasks: u64,
}

/// Of a job.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct JobStatus {
    /// Counted up by each update; a job's tasks carry the one they belong to.
    pub job_iteration: Version,
    /// When it was last started; absent while a job with a schedule waits for its first time.
    pub last_execution: Option<Timestamp>,
    /// Of a job with a schedule (`bramble.schedule`).
    #[serde(rename = "BrambleSchedule")]
    pub schedule: Option<ScheduleStatus>,
}

/// Where a job with a schedule stands; kept by the plan.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ScheduleStatus {
    /// The schedule that `due` was worked out from.
    pub schedule: String,
    /// When it is started next; never, if absent.
    pub due: Option<Timestamp>,
    /// Runs that were left out or missed, in words.
    pub message: Option<String>,
}
