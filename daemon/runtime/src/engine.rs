//! containerd itself: one that runs already, or our own, supervised.
//!
//! Ours is in a process group of its own, so that it and the containers' shims outlive this daemon; the next daemon finds it by
//! its socket.

use crate::config::Config;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::process::{Child, Command};
use tonic::transport::Channel;

/// For our own to answer after its start.
const START: Duration = Duration::from_secs(20);
/// How often one that another started is looked at.
const LOOK: Duration = Duration::from_secs(3);
/// Between two starts of one that ends at once; grows to the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(10));

/// Gives a connection to a containerd that runs, and keeps our own running if there is no other.
///
/// # Errors
/// Why none can be had.
pub(crate) async fn connect(config: &Config) -> Result<Channel, String> {
    if answers(&config.containerd).await {
        tracing::info!(socket = %config.containerd.display(), "using the containerd that runs");
        return dial(&config.containerd).await;
    }
    let socket = config.own.join("containerd.sock");
    let child = if answers(&socket).await {
        None
    } else {
        Some(start(config, &socket).await?)
    };
    tokio::spawn(supervise(config.clone(), socket.clone(), child));
    dial(&socket).await
}

async fn dial(socket: &Path) -> Result<Channel, String> {
    containerd_client::connect(socket)
        .await
        .map_err(|error| format!("containerd at {}: {error}", socket.display()))
}

async fn answers(socket: &Path) -> bool {
    UnixStream::connect(socket).await.is_ok()
}

async fn start(config: &Config, socket: &Path) -> Result<Child, String> {
    let path = config.own.join("config.toml");
    std::fs::create_dir_all(&config.own).map_err(|error| format!("{}: {error}", config.own.display()))?;
    std::fs::write(&path, settings(config, socket))
        .map_err(|error| format!("{}: {error}", path.display()))?;
    let log = std::fs::File::create(config.own.join("containerd.log")).map_err(|error| error.to_string())?;
    let errors = log.try_clone().map_err(|error| error.to_string())?;
    let mut child = Command::new("containerd")
        .arg("--config")
        .arg(&path)
        .process_group(0)
        .stdin(std::process::Stdio::null())
        .stdout(log)
        .stderr(errors)
        .spawn()
        .map_err(|error| format!("starting containerd: {error} (is it installed?)"))?;
    let ready = async {
        while !answers(socket).await {
            if let Ok(Some(status)) = child.try_wait() {
                return Err(format!(
                    "containerd ended at once ({status}): see {}/containerd.log",
                    config.own.display()
                ));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    tokio::time::timeout(START, ready)
        .await
        .map_err(|_| "containerd does not answer".to_owned())??;
    tracing::info!("containerd started");
    Ok(child)
}

async fn supervise(config: Config, socket: PathBuf, mut child: Option<Child>) {
    let mut pause = PAUSES.0;
    loop {
        match &mut child {
            Some(running) => {
                let ended = running.wait().await;
                tracing::warn!(?ended, "containerd ended");
            }
            None => {
                while answers(&socket).await {
                    tokio::time::sleep(LOOK).await;
                }
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
        child = match start(&config, &socket).await {
            Ok(child) => Some(child),
            Err(error) => {
                tracing::error!(%error, "containerd not started");
                None
            }
        };
    }
}

/// Only what we use: no Kubernetes, no snapshotters but one.
fn settings(config: &Config, socket: &Path) -> String {
    format!(
        r#"# Written by bramble at each start.
version = 2
root = "{root}"
state = "{state}"
disabled_plugins = [
  "io.containerd.grpc.v1.cri", "io.containerd.internal.v1.opt", "io.containerd.internal.v1.tracing",
  "io.containerd.tracing.processor.v1.otlp", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.btrfs",
  "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.native",
  "io.containerd.nri.v1.nri",
]

[grpc]
  address = "{socket}"

[debug]
  level = "warn"
"#,
        root = config.state_dir.join("containerd").display(),
        state = config.own.join("state").display(),
        socket = socket.display(),
    )
}
