//! One task's container: the effects behind [`exec::Controller`].

mod check;
mod controller;
mod make;
mod ports;
mod process;

use crate::executor::Shared;
use crate::logs::Room;
use crate::{kept, spec};
use exec::Error;
use model::{Task, TaskId};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// The label that says which image a container is of, and makes containerd keep its config.
pub(crate) const IMAGE_LABEL: &str = "containerd.io/gc.ref.content.bramble";
/// The label that says which task a container is for.
pub(crate) const TASK_LABEL: &str = "bramble.task";
/// Between asking and killing, if the service says nothing (Docker's).
const GRACE: Duration = Duration::from_secs(10);
/// Asks a process to end.
const SIGTERM: u32 = 15;

/// One task's container.
pub(crate) struct Container {
    shared: Arc<Shared>,
    task: Task,
    id: String,
}

/// A name for what belongs to one container alone: 64 hexadecimal digits, the same for the same place for ever.
pub(crate) fn id_of_anonymous(container: &str, target: &str) -> String {
    id_of(&format!("{container} {target}").as_str().into())
}

/// A container's id: 64 hexadecimal digits as Docker's, the same for the same task for ever.
pub(crate) fn id_of(task: &TaskId) -> String {
    use std::fmt::Write as _;
    let digest = ring::digest::digest(&ring::digest::SHA256, task.as_str().as_bytes());
    digest.as_ref().iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
impl Container {
    pub fn new(shared: Arc<Shared>, task: Task) -> Self {
        let id = id_of(&task.id);
        Self { shared, task, id }
    }

    /// What lasts of it: log, exit code.
    fn folder(&self) -> PathBuf {
        self.shared.folder(&self.id)
    }

    /// What goes with a reboot: fifos, files for `/etc`.
    fn run_folder(&self) -> PathBuf {
        self.shared.run_folder(&self.id)
    }

    /// Its secrets and configs: a tmpfs.
    fn files_folder(&self) -> PathBuf {
        self.run_folder().join("files")
    }

    /// Tells who listens what happened to this container.
    fn tell(&self, action: &str, more: &[(&str, String)]) {
        self.shared
            .scene
            .tell(kept::event(&self.id, &self.task, action, more));
    }

    /// An input that stays open: a fifo that nobody writes to. Without one it is at its end at once.
    fn stdin(&self) -> Result<String, Error> {
        let container = self.task.spec.container_spec.as_ref();
        if !container
            .and_then(|container| container.open_stdin)
            .unwrap_or(false)
        {
            return Ok(String::new());
        }
        let path = self.run_folder().join("stdin");
        let mode = nix::sys::stat::Mode::from_bits_truncate(0o600);
        match nix::unistd::mkfifo(&path, mode) {
            Ok(()) | Err(nix::errno::Errno::EEXIST) => Ok(path.display().to_string()),
            Err(error) => Err(Error::Temporary(format!("standard input: {error}"))),
        }
    }

    fn room(&self) -> Result<Room, Error> {
        Room::of(self.task.spec.log_driver.as_ref()).map_err(Error::Fatal)
    }

    pub fn signal(&self) -> u32 {
        let container = self.task.spec.container_spec.as_ref();
        let named = container
            .and_then(|container| container.stop_signal.clone())
            .filter(|name| !name.is_empty());
        let images = || std::fs::read_to_string(self.folder().join("stop-signal")).ok();
        let name = named.or_else(images).unwrap_or_default();
        model::signal(&name).unwrap_or(SIGTERM)
    }

    pub fn grace(&self) -> Duration {
        let container = self.task.spec.container_spec.as_ref();
        let nanos = container
            .and_then(|container| container.stop_grace_period)
            .and_then(|nanos| u64::try_from(nanos).ok());
        nanos.map_or(GRACE, Duration::from_nanos)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_64_hexadecimal_digits() {
        let id = id_of(&"t".into());
        assert_eq!(id.len(), 64);
        assert_eq!(id, id_of(&"t".into()));
    }
}
