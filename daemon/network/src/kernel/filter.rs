//! The packet filter, spoken to through `nft`: one process and one transaction a change.

use std::{process::Stdio, time::Duration};

use tokio::{io::AsyncWriteExt, process::Command, time::timeout};

use crate::Error;

/// Far longer than the slowest board needs; a stuck `nft` must not hold up the board's network for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// Applies `text` wholly or not at all.
///
/// # Errors
/// [`Error::Rules`] with nft's words.
pub async fn apply(text: &str) -> Result<(), Error> {
    timeout(PATIENCE, run(text))
        .await
        .unwrap_or_else(|_| Err(Error::Rules("no answer in time".to_owned())))
}

async fn run(text: &str) -> Result<(), Error> {
    let rules = |error: std::io::Error| Error::Rules(error.to_string());
    let mut nft = Command::new("nft")
        .args(["-f", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(rules)?;
    // nft reads all before it says anything, so writing first cannot block both. If it ended early, its words matter
    // more than the broken pipe.
    let written = match nft.stdin.take() {
        Some(mut input) => input.write_all(text.as_bytes()).await,
        None => Ok(()),
    };
    let output = nft.wait_with_output().await.map_err(rules)?;
    if !output.status.success() {
        return Err(Error::Rules(
            String::from_utf8_lossy(&output.stderr).trim().to_owned(),
        ));
    }
    written.map_err(rules)
}
