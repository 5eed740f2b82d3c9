//! What the screen shows, gathered.

use crate::door::Door;
use http::Method;
use model::BoardReport;
use nix::ifaddrs::getifaddrs;
use std::path::Path;
use std::time::Duration;

/// Mistakes on the card, as `bramble setup` wrote them down.
const PROBLEMS: &str = "/run/bramble/problems";
/// Who may log in, as `bramble setup` made it.
const KEYS: &str = "/run/bramble/authorized_keys";
/// Problems that are read of the file.
const MOST: usize = 32;

/// What is known of the board now.
#[derive(Clone, Debug, Default)]
pub(crate) struct View {
    /// What the daemon says; none if it does not answer.
    pub report: Option<BoardReport>,
    /// Why it does not.
    pub silence: String,
    /// The kernel's host name.
    pub name: String,
    /// The board's addresses.
    pub addresses: Vec<String>,
    /// Mistakes on the card, if the daemon can't tell them.
    pub problems: Vec<String>,
    /// Whether somebody may log in.
    pub ssh: bool,
}

/// Asks the daemon, and looks for oneself where it does not answer.
pub(crate) async fn look(door: &Door, patience: Duration) -> View {
    let asked = tokio::time::timeout(
        patience,
        door.json::<BoardReport>(Method::GET, "/bramble/board", None),
    );
    let ssh = Path::new(KEYS).exists();
    let silence = match asked.await {
        Ok(Ok(report)) => {
            return View {
                name: report.name.clone(),
                addresses: report.addresses.clone(),
                problems: report.problems.clone(),
                report: Some(report),
                ssh,
                ..View::default()
            };
        }
        Ok(Err(error)) => format!("{error:#}"),
        Err(_) => format!("no answer within {} s", patience.as_secs()),
    };
    let problems = std::fs::read_to_string(PROBLEMS).unwrap_or_default();
    View {
        report: None,
        silence,
        name: nix::unistd::gethostname()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default(),
        addresses: addresses(),
        problems: problems.lines().take(MOST).map(str::to_owned).collect(),
        ssh,
    }
}

/// Of all interfaces but loopback and what the daemon made.
fn addresses() -> Vec<String> {
    let Ok(all) = getifaddrs() else { return Vec::new() };
    let ours = |name: &str| name == "lo" || name.starts_with("bramble") || name.starts_with("veth");
    all.filter(|interface| !ours(&interface.interface_name))
        .filter_map(|interface| Some(interface.address?.as_sockaddr_in()?.ip().to_string()))
        .collect()
}
