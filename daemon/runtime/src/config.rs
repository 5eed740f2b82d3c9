//! What the runtime is told.

use std::collections::BTreeMap;
use std::path::PathBuf;

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
}
