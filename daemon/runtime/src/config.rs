//! What the runtime is told.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

/// What the runtime is told.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// The socket of a containerd that may be running already.
    pub containerd: PathBuf,
    /// Where our own containerd lives while it runs, if there is none.
    pub own: PathBuf,
    /// What must last.
    pub state_dir: PathBuf,
    /// What goes with a reboot.
    pub run_dir: PathBuf,
    /// The board's host name.
    pub hostname: String,
    /// A registry that is asked first for images with plain names, as a URL.
    pub registry_mirror: Option<String>,
    /// Registries that may be spoken to in plain HTTP: `host[:port]`, an address, or a network. Loopback always may.
    pub insecure_registries: Vec<String>,
    /// Named or counted things of this board that services can reserve.
    pub generic_resources: Vec<model::GenericResource>,
    /// Labels of this board's engine.
    pub labels: BTreeMap<String, String>,
    /// Labels that may change while the daemon runs.
    pub changing_labels: ChangingLabels,
}

/// Labels of the engine that may change while the daemon runs: asked for each time that the board describes itself.
#[derive(Clone, Default)]
pub struct ChangingLabels(pub Option<Arc<dyn Fn() -> BTreeMap<String, String> + Send + Sync>>);

impl std::fmt::Debug for ChangingLabels {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("ChangingLabels").field(&self.0.is_some()).finish()
    }
}

impl Config {
    /// The engine's labels now.
    pub(crate) fn labels(&self) -> BTreeMap<String, String> {
        let mut all = self.labels.clone();
        all.extend(self.changing_labels.0.iter().flat_map(|labels| labels()));
        all
    }
}
