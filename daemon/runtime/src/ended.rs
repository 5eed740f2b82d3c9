//! How a container ended, kept beside it: containerd forgets it with the task.

use model::Timestamp;
use serde::{Deserialize, Serialize};
use std::path::Path;

/// How a container ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ended {
    pub exit_code: i64,
    pub out_of_memory: bool,
    #[serde(default)]
    pub started: Option<Timestamp>,
    #[serde(default)]
    pub finished: Option<Timestamp>,
}

const NAME: &str = "ended.json";

impl Ended {
    /// What is kept in a container's folder; none while it has not ended.
    pub fn load(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(NAME)).ok()?).ok()
    }

    /// Keeps it, whole or not at all.
    pub fn save(&self, folder: &Path) -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let new = folder.join("ended.json.new");
        std::fs::write(&new, serde_json::to_vec(self)?)?;
        std::fs::rename(new, folder.join(NAME))
    }
}

/// Whether the kernel killed a process of this container for want of memory.
pub(crate) fn out_of_memory(id: &str) -> bool {
    let places = [
        format!("/sys/fs/cgroup/memory/bramble/{id}/memory.oom_control"),
        format!("/sys/fs/cgroup/bramble/{id}/memory.events"),
    ];
    let killed = |text: String| {
        text.lines().any(|line| {
            line.strip_prefix("oom_kill ")
                .is_some_and(|count| count.trim() != "0")
        })
    };
    places
        .iter()
        .filter_map(|place| std::fs::read_to_string(place).ok())
        .any(killed)
}
