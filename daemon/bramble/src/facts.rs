//! This board and where it stands, for `docker info`.

use crate::node::Node;
use crate::standing::Standing;
use api::backend::Facts;
use exec::Executor as _;
use model::NodeRole;
use runtime::Runtime;

/// What the operating system says of itself.
pub const OS_RELEASE: &str = "/etc/os-release";

/// Gathers what `docker info` shows.
pub async fn gather(node: &Node, runtime: &Runtime) -> Facts {
    let versions = runtime.versions().await;
    let mut facts = Facts {
        containerd: versions.containerd,
        runc: versions.runc,
        os_version: value(OS_RELEASE, "VERSION_ID").unwrap_or_default(),
        insecure_registries: node.config.insecure_registries.clone(),
        registry_mirror: node.config.registry_mirror.clone(),
        now: node.clock.now(),
        id: node.board.key.clone(),
        description: runtime.describe().await.unwrap_or_default(),
        kernel: kernel(),
        operating_system: value(OS_RELEASE, "PRETTY_NAME").unwrap_or_else(|| "Linux".to_owned()),
        root: node.config.state_dir.display().to_string(),
        cgroup_version: if std::path::Path::new("/sys/fs/cgroup/cgroup.controllers").exists() {
            "2"
        } else {
            "1"
        }
        .to_owned(),
        warnings: warnings(node),
        error: node.trouble.borrow().clone().unwrap_or_default(),
        ..Facts::default()
    };
    facts.state = match *node.standing.borrow() {
        Standing::Out => "inactive",
        Standing::Pending => "pending",
        // A manager that wakes up, or one that waits for a new store, can't do a manager's work yet.
        Standing::In if node.kept.borrow().is_manager() && node.store().is_none() => "pending",
        Standing::In => "active",
        Standing::Locked => "locked",
    }
    .to_owned();
    if *node.standing.borrow() != Standing::In {
        return facts;
    }
    let orders = node.orders.borrow().clone();
    facts.node_id = node.identity.borrow().node_id().to_owned();
    facts.address = node.address().ip().to_string();
    if let Some(trouble) = orders.trouble.filter(|_| !orders.connected) {
        facts.error = trouble;
    }
    facts.managers = orders
        .managers
        .into_iter()
        .map(|manager| (manager.node, manager.address))
        .collect();
    if let Some(store) = node.store() {
        let view = store.view();
        facts.manager = true;
        let managers = view
            .nodes()
            .filter(|node| node.spec.role == NodeRole::Manager)
            .count();
        facts.counts = (view.nodes().count(), managers);
        if facts.managers.is_empty() {
            // Its own session has not told it yet who the managers are.
            facts.managers = vec![(facts.node_id.clone(), node.address().to_string())];
        }
        facts.cluster = view.cluster().map(|cluster| cluster.public());
    }
    facts
}

/// What is wrong with the board; Docker's command shows warnings as they come, so the word is in them.
fn warnings(node: &Node) -> Vec<String> {
    let problems = node.hardware.borrow().condition.problems();
    let warning = |problem: String| format!("WARNING: {problem}");
    problems.into_iter().map(warning).collect()
}

/// The kernel's release.
pub fn kernel() -> String {
    nix::sys::utsname::uname()
        .map(|name| name.release().to_string_lossy().into_owned())
        .unwrap_or_default()
}

/// The architecture, in Go's words.
pub fn architecture() -> String {
    let machine = nix::sys::utsname::uname().map(|name| name.machine().to_string_lossy().into_owned());
    let platform = model::Platform {
        architecture: machine.ok(),
        ..model::Platform::default()
    };
    platform.normal().1
}

/// A value in a file of `KEY=value` lines, such as os-release(5).
pub fn value(file: &str, key: &str) -> Option<String> {
    let text = std::fs::read_to_string(file).ok()?;
    let value = |line: &str| {
        Some(
            line.strip_prefix(key)?
                .strip_prefix('=')?
                .trim_matches('"')
                .to_owned(),
        )
    };
    text.lines().find_map(value)
}
