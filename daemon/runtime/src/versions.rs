//! What carries containers here, for `docker version` and `docker info`.

use crate::executor::Runtime;
use std::time::Duration;
use tokio::process::Command;

/// A program that says nothing in this time has no version to show.
const PATIENCE: Duration = Duration::from_secs(2);

/// Versions, empty where they can't be told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions {
    /// containerd's version and commit.
    pub containerd: (String, String),
    /// runc's version.
    pub runc: String,
}

impl Runtime {
    /// Asks containerd and runc who they are.
    pub async fn versions(&self) -> Versions {
        let asked = async {
            let mut client = self.shared.client.version();
            Some(client.version(()).await.ok()?.into_inner())
        };
        let containerd = tokio::time::timeout(PATIENCE, asked)
            .await
            .ok()
            .flatten()
            .unwrap_or_default();
        Versions {
            containerd: (containerd.version, containerd.revision),
            runc: runc().await.unwrap_or_default(),
        }
    }
}

async fn runc() -> Option<String> {
    let said = Command::new("runc").arg("--version").kill_on_drop(true).output();
    let output = tokio::time::timeout(PATIENCE, said).await.ok()?.ok()?;
    first_version(&String::from_utf8_lossy(&output.stdout))
}

/// `runc version 1.1.5+ds1` and more lines.
fn first_version(said: &str) -> Option<String> {
    said.lines()
        .next()?
        .strip_prefix("runc version ")
        .map(|version| version.trim().to_owned())
}

#[cfg(test)]
mod tests {
    #[test]
    fn runcs_first_line_tells() {
        assert_eq!(
            super::first_version("runc version 1.1.5+ds1\nspec: 1.0\n").as_deref(),
            Some("1.1.5+ds1")
        );
        assert_eq!(super::first_version("runc: not found"), None);
    }
}
