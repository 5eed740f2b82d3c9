//! A short command inside a running container, with what it says: health checks.

use crate::client::{Client, or_gone, refusal};
use containerd_client::services::v1::{
    DeleteProcessRequest, ExecProcessRequest, GetContainerRequest, KillRequest, StartRequest, WaitRequest,
};
use exec::Error;
use nix::sys::stat::Mode;
use prost_types::Any;
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::unix::pipe::{OpenOptions, Receiver};

/// As much of what it says as is kept (Docker's).
const MOST: usize = 4096;
/// For a killed process to be gone.
const DEATH: Duration = Duration::from_secs(5);

/// How it ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Answer {
    /// Its exit code; none if it took too long and was killed.
    pub code: Option<u32>,
    /// The beginning of what it said.
    pub output: String,
}

/// Runs a command in a container, as the container's own user and with its environment.
///
/// # Errors
/// If it can't be run at all: the container is gone, or there is no such program.
pub(crate) async fn run(
    client: &Client,
    container: &str,
    folder: &Path,
    args: &[String],
    limit: Duration,
) -> Result<Answer, Error> {
    static NUMBER: AtomicU64 = AtomicU64::new(0);
    // Another one than those of a daemon before this one, which may still be there.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let id = format!("probe-{}-{number}", jiff::Timestamp::now().as_microsecond());
    let fifo = folder.join(&id);
    let failed = |error: std::io::Error| Error::Temporary(format!("health check: {error}"));
    nix::unistd::mkfifo(&fifo, Mode::from_bits_truncate(0o600)).map_err(|error| failed(error.into()))?;
    let receiver = OpenOptions::new().read_write(true).open_receiver(&fifo);
    let outcome = match receiver {
        Ok(receiver) => exec(client, container, &id, &fifo, args, limit, &receiver).await,
        Err(error) => Err(failed(error)),
    };
    // Nobody opens it any more.
    let _ = std::fs::remove_file(&fifo);
    outcome
}

async fn exec(
    client: &Client,
    container: &str,
    id: &str,
    fifo: &Path,
    args: &[String],
    limit: Duration,
    output: &Receiver,
) -> Result<Answer, Error> {
    let request = ExecProcessRequest {
        container_id: container.to_owned(),
        exec_id: id.to_owned(),
        stdout: fifo.display().to_string(),
        stderr: fifo.display().to_string(),
        spec: Some(process(client, container, args).await?),
        ..ExecProcessRequest::default()
    };
    client
        .tasks()
        .exec(request)
        .await
        .map_err(refusal("health check"))?;
    let (container_id, exec_id) = (container.to_owned(), id.to_owned());
    let ended = async {
        let start = StartRequest {
            container_id: container_id.clone(),
            exec_id: exec_id.clone(),
        };
        client.tasks().start(start).await?;
        let wait = WaitRequest {
            container_id: container_id.clone(),
            exec_id: exec_id.clone(),
        };
        client.tasks().wait(wait).await
    };
    let mut said = Vec::new();
    let answer = {
        tokio::pin!(ended);
        let listened = tokio::time::timeout(limit, listen(&mut ended, output, &mut said)).await;
        match listened {
            Ok(Ok(answer)) => Ok(Some(answer.into_inner().exit_status)),
            Ok(Err(status)) => Err(refusal("health check")(status)),
            Err(_) => {
                let kill = KillRequest {
                    container_id: container.to_owned(),
                    exec_id: id.to_owned(),
                    signal: 9,
                    all: false,
                };
                // It may have ended in this moment.
                let _ = client.tasks().kill(kill).await;
                let _ = tokio::time::timeout(DEATH, listen(&mut ended, output, &mut said)).await;
                Ok(None)
            }
        }
    };
    let delete = DeleteProcessRequest {
        container_id: container.to_owned(),
        exec_id: id.to_owned(),
    };
    if let Err(status) = or_gone(client.tasks().delete_process(delete).await) {
        tracing::debug!(
            error = status.message(),
            "a health check's process is left to containerd"
        );
    }
    Ok(Answer {
        code: answer?,
        output: String::from_utf8_lossy(&said).trim().to_owned(),
    })
}

/// Waits for `ended` while taking in what is said, so that nobody waits for a full pipe.
async fn listen<T>(
    ended: &mut (impl Future<Output = T> + Unpin),
    output: &Receiver,
    said: &mut Vec<u8>,
) -> T {
    let mut buffer = [0; 4096];
    loop {
        let answer = tokio::select! {
            answer = &mut *ended => Some(answer),
            ready = output.readable() => match ready {
                Ok(()) => None,
                Err(_) => Some((&mut *ended).await),
            },
        };
        while let Ok(count @ 1..) = output.try_read(&mut buffer) {
            let room = MOST.saturating_sub(said.len());
            said.extend_from_slice(&buffer[..count.min(room)]);
        }
        if let Some(answer) = answer {
            return answer;
        }
    }
}

/// The container's own process with other arguments and without a terminal.
async fn process(client: &Client, container: &str, args: &[String]) -> Result<Any, Error> {
    let request = GetContainerRequest {
        id: container.to_owned(),
    };
    let record = client
        .containers()
        .get(request)
        .await
        .map_err(refusal("container"))?;
    let spec = record.into_inner().container.and_then(|record| record.spec);
    let spec: Value = serde_json::from_slice(&spec.unwrap_or_default().value)
        .map_err(|error| Error::Fatal(format!("a container's spec can't be read: {error}")))?;
    let mut process = spec["process"].clone();
    process["args"] = args.into();
    process["terminal"] = false.into();
    Ok(Any {
        type_url: "types.containerd.io/opencontainers/runtime-spec/1/Process".to_owned(),
        value: process.to_string().into_bytes(),
    })
}
