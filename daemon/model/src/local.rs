//! What a board itself has: containers and images, as its runtime knows them. Not stored, not sent: the API renders them.

use crate::{Labels, Task, Timestamp};
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// Where a container is in its life.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LocalState {
    /// Made, never started.
    #[default]
    Created,
    /// Its first process lives.
    Running,
    /// All its processes are frozen.
    Paused,
    /// Its first process has ended.
    Exited,
}

impl LocalState {
    /// Docker's word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Exited => "exited",
        }
    }
}

/// A container on this board: always a task's.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalContainer {
    /// 64 hexadecimal digits.
    pub id: String,
    /// Its task, as it was when the container was made.
    pub task: Task,
    /// When it was made.
    pub created: Timestamp,
    /// Digest of its image's config: the image's id.
    pub image_id: String,
    /// Where it is in its life.
    pub state: LocalState,
    /// Process id of its first process; 0 if it does not run.
    pub pid: u32,
    /// The code that it ended with; 128 + signal for one that was killed.
    pub exit_code: i64,
    /// The kernel killed a process of it for want of memory.
    pub oom_killed: bool,
    /// When it was started, if it was.
    pub started: Option<Timestamp>,
    /// When it ended, if it has.
    pub finished: Option<Timestamp>,
    /// What its health check says, if it has one.
    pub health: Option<LocalHealth>,
    /// What runs in it, with all arguments.
    pub args: Vec<String>,
    /// Its environment, `NAME=value`.
    pub env: Vec<String>,
    /// Where its process begins.
    pub dir: String,
    /// The name that it has inside.
    pub hostname: String,
    /// Whether it has a terminal.
    pub terminal: bool,
    /// What is mounted in it, beyond what every container has.
    pub mounts: Vec<LocalMount>,
    /// Ports of the board that lead to it.
    pub ports: Vec<LocalPort>,
    /// Its place on the board's bridge, while it has one.
    pub network: Option<LocalNetwork>,
    /// Folders of the board that hold what it sees as its root.
    pub layers: LocalLayers,
    /// Folders of the board: what lasts of it, and what goes with a reboot.
    pub folders: (PathBuf, PathBuf),
    /// Commands that are run in it now.
    pub execs: Vec<String>,
}

/// What a container's health check says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalHealth {
    /// `starting`, `healthy` or `unhealthy`.
    pub status: &'static str,
    /// Bad checks since the last good one.
    pub failing: u32,
    /// The last checks, oldest first.
    pub log: Vec<LocalProbe>,
}

/// One health check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalProbe {
    /// When it began.
    pub start: Timestamp,
    /// When it ended.
    pub end: Timestamp,
    /// Its exit code; -1 if it took too long.
    pub code: i64,
    /// What it said.
    pub output: String,
}

/// Something mounted in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalMount {
    /// `bind`, `volume` or `tmpfs`.
    pub kind: String,
    /// A volume's name.
    pub name: String,
    /// Where it is on the board.
    pub source: String,
    /// Where it is in the container.
    pub target: String,
    /// Whether it can be written to.
    pub writable: bool,
    /// How mounts below it spread.
    pub propagation: String,
}

/// A port of the board that leads to a container's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalPort {
    /// `tcp`, `udp` or `sctp`.
    pub protocol: &'static str,
    /// In the container.
    pub target: u16,
    /// On the board; none if it is only exposed.
    pub published: Option<u16>,
}

/// A container's place on the board's bridge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalNetwork {
    /// Its network namespace.
    pub namespace: PathBuf,
    /// Its address.
    pub address: Ipv4Addr,
    /// Length of the prefix, in bits.
    pub prefix: u8,
    /// The bridge's address.
    pub gateway: Ipv4Addr,
}

/// Folders that make up a root file system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalLayers {
    /// The image's layers, topmost first.
    pub lower: Vec<String>,
    /// What the container changed.
    pub upper: String,
    /// The kernel's own.
    pub work: String,
}

/// An image on this board.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct LocalImage {
    /// Digest of its config.
    pub id: String,
    /// Names with tags, as people write them.
    pub tags: Vec<String>,
    /// Names with digests, as people write them.
    pub digests: Vec<String>,
    /// When it was made.
    pub created: Option<Timestamp>,
    /// When it last got a tag here.
    pub tagged: Option<Timestamp>,
    /// Its config: JSON, as it was written.
    pub config: Vec<u8>,
    /// Labels.
    pub labels: Labels,
    /// Unpacked layers, lowest first.
    pub layers: Vec<LocalLayer>,
}

impl LocalImage {
    /// Size of all layers, in bytes.
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }
}

/// An unpacked layer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalLayer {
    /// Names it and all below it.
    pub chain: String,
    /// Digest of its archive, unpacked.
    pub diff: String,
    /// In bytes.
    pub size: u64,
}

/// Something that happened on this board.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalEvent {
    /// `container` or `image`.
    pub kind: &'static str,
    /// What happened: `start`, `die`, `exec_create: sh`.
    pub action: String,
    /// To what.
    pub id: String,
    /// Labels, name, image and what belongs to the action.
    pub attributes: Labels,
    /// When.
    pub at: Timestamp,
}

/// The labels of a task's container: Swarm's, and those that the service gives it.
pub fn container_labels(task: &Task) -> Labels {
    let spec = task.spec.container_spec.as_ref();
    let mut labels = spec.and_then(|spec| spec.labels.clone()).unwrap_or_default();
    let node = task.node_id.as_ref().map(ToString::to_string).unwrap_or_default();
    for (name, value) in [
        ("node.id", node),
        ("service.id", task.service_id.to_string()),
        ("service.name", task.origin.service_name.clone()),
        ("task", String::new()),
        ("task.id", task.id.to_string()),
        ("task.name", task.name()),
    ] {
        labels.insert(format!("com.docker.swarm.{name}"), value);
    }
    labels
}

/// What a container used up to a moment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalSample {
    /// The moment.
    pub at: Timestamp,
    /// Processor time in nanoseconds: all, in the kernel, in programs.
    pub cpu: (u64, u64, u64),
    /// Processor time on each processor, where the kernel tells it.
    pub per_cpu: Vec<u64>,
    /// Periods, periods held back, nanoseconds held back.
    pub throttled: (u64, u64, u64),
    /// Processor time of the whole board, idle time included, in nanoseconds.
    pub board_cpu: u64,
    /// Processors of the board.
    pub processors: u64,
    /// Memory in bytes: in use, the most so far where the kernel tells it, the limit.
    pub memory: (u64, Option<u64>, u64),
    /// What the kernel says of its memory.
    pub memory_stats: std::collections::BTreeMap<String, u64>,
    /// Processes and threads, and the most that there may be.
    pub pids: (u64, Option<u64>),
    /// Its interfaces: name, and bytes, packets, errors and drops received and sent.
    pub networks: Vec<(String, [u64; 8])>,
    /// Bytes moved: major and minor number of the device, `read` or `write`, how many.
    pub blocks: Vec<(u64, u64, String, u64)>,
}

/// What runs in a container, as `ps` tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalProcesses {
    /// Names of columns.
    pub titles: Vec<String>,
    /// A line a process.
    pub rows: Vec<Vec<String>>,
}

/// A command to be run in a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalExec {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// `user[:group]`; the container's own if empty.
    pub user: String,
    /// Where it begins; as the container if empty.
    pub dir: String,
    /// Beyond the container's environment, `NAME=value`.
    pub env: Vec<String>,
    /// Whether it has a terminal.
    pub tty: bool,
    /// Whether someone writes to it.
    pub stdin: bool,
    /// Whether its output is asked for.
    pub stdout: bool,
    /// Whether its standard error is asked for.
    pub stderr: bool,
    /// All capabilities.
    pub privileged: bool,
    /// Keys that leave it running; the docker command's business.
    pub detach_keys: String,
}

/// A command in a container, and how far it came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalExecState {
    /// Its id.
    pub id: String,
    /// Its container's.
    pub container: String,
    /// What it is.
    pub exec: LocalExec,
    /// True while it runs.
    pub running: bool,
    /// How it ended.
    pub exit_code: Option<i64>,
    /// Its process id; 0 before it runs.
    pub pid: u32,
}

/// What is at a path of a container.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalPath {
    /// Its name.
    pub name: String,
    /// In bytes.
    pub size: u64,
    /// As Go's `os.FileMode` writes it.
    pub mode: u32,
    /// When it was last changed.
    pub modified: Timestamp,
    /// Where it leads, if it is a link.
    pub link: String,
}

/// Something that a container changed of its root.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LocalChange {
    /// Its path.
    pub path: String,
    /// 0: changed, 1: added, 2: removed.
    pub kind: u8,
}
