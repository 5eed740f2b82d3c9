//! One command in a container: its process, and the pipes between it and whoever asked for it.

use super::execs::Exec;
use super::refused::not_running;
use super::{Local, Refused};
use crate::client::{Client, or_gone, refusal};
use crate::users;
use bytes::Bytes;
use containerd_client::services::v1::snapshots::MountsRequest;
use containerd_client::services::v1::{
    CloseIoRequest, DeleteProcessRequest, ExecProcessRequest, GetContainerRequest, StartRequest, WaitRequest,
};
use exec::Source;
use nix::sys::stat::Mode;
use prost_types::Any;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio::net::unix::pipe::{OpenOptions, Receiver, Sender};
use tokio::sync::{mpsc, watch};

/// Pieces that may wait for a reader: a slow one slows the command down.
const QUEUE: usize = 16;
const PIECE: usize = 32 << 10;

/// What goes to a running command and what comes from it.
pub struct Session {
    /// Takes what it reads; dropping it is the end of that. None if nobody writes to it.
    pub input: Option<mpsc::Sender<Bytes>>,
    /// What it writes; ends with it.
    pub output: mpsc::Receiver<(Source, Bytes)>,
}

/// Removes the pipes' files.
struct Pipes(PathBuf);

impl Drop for Pipes {
    fn drop(&mut self) {
        // Gone with the container, perhaps.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

impl Pipes {
    fn make(folder: PathBuf, names: &[&str]) -> std::io::Result<Self> {
        std::fs::create_dir(&folder)?;
        let pipes = Self(folder);
        for name in names {
            nix::unistd::mkfifo(&pipes.0.join(name), Mode::from_bits_truncate(0o600))?;
        }
        Ok(pipes)
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    // Both ends: else reading ends, and opening waits, whenever nobody is at the other end.
    fn reader(&self, name: &str) -> std::io::Result<Receiver> {
        OpenOptions::new()
            .read_write(true)
            .open_receiver(self.0.join(name))
    }

    fn writer(&self, name: &str) -> std::io::Result<Sender> {
        OpenOptions::new().read_write(true).open_sender(self.0.join(name))
    }
}

/// Starts a command.
///
/// # Errors
/// [`Refused::Invalid`] if there is no such program or user, [`Refused::Conflict`] if the container does not run.
pub(super) async fn start(local: &Local, exec: Arc<Exec>) -> Result<Session, Refused> {
    let (id, container, wanted) = (&exec.id, &exec.container.id, &exec.wanted);
    let client = &local.shared.client;
    let spec = process(local, &exec).await?;
    let folder = local.shared.run_folder(container).join(format!("exec-{id}"));
    let pipes = Pipes::make(folder, &["stdin", "stdout", "stderr"])?;
    let (stdout, stderr) = (pipes.reader("stdout")?, pipes.reader("stderr")?);
    let stdin = if wanted.stdin {
        Some(pipes.writer("stdin")?)
    } else {
        None
    };
    let request = ExecProcessRequest {
        container_id: container.clone(),
        exec_id: id.clone(),
        stdin: stdin.as_ref().map(|_| pipes.path("stdin")).unwrap_or_default(),
        stdout: pipes.path("stdout"),
        stderr: if wanted.tty {
            String::new()
        } else {
            pipes.path("stderr")
        },
        terminal: wanted.tty,
        spec: Some(spec),
    };
    client
        .tasks()
        .exec(request)
        .await
        .map_err(not_running(container))?;
    let request = StartRequest {
        container_id: container.clone(),
        exec_id: id.clone(),
    };
    match client.tasks().start(request).await {
        Ok(answer) => exec.started(answer.into_inner().pid),
        Err(status) => {
            delete(client, &exec).await;
            return Err(Refused::Invalid(status.message().to_owned()));
        }
    }
    let (out, output) = mpsc::channel(QUEUE);
    let (done, ended) = watch::channel(false);
    let input = stdin.map(|pipe| {
        let (input, written) = mpsc::channel(QUEUE);
        tokio::spawn(feed(client.clone(), exec.clone(), pipe, written, ended));
        input
    });
    let local = local.clone();
    tokio::spawn(async move {
        let code = listen(&local.shared.client, &exec, [&stdout, &stderr], &out).await;
        exec.ended(code);
        let more = [("execID", exec.id.clone()), ("exitCode", code.to_string())];
        local.tell(&exec.container, "exec_die", &more);
        let _ = done.send(true);
        // Only now: the reader's end of the stream means that the exit code can be asked for.
        drop((out, pipes));
    });
    Ok(Session { input, output })
}

/// Passes on what the command writes until it has ended; its exit code.
async fn listen(
    client: &Client,
    exec: &Exec,
    pipes: [&Receiver; 2],
    out: &mpsc::Sender<(Source, Bytes)>,
) -> i64 {
    let request = WaitRequest {
        container_id: exec.container.id.clone(),
        exec_id: exec.id.clone(),
    };
    let mut tasks = client.tasks();
    let ended = tasks.wait(request);
    tokio::pin!(ended);
    let answer = loop {
        tokio::select! {
            answer = &mut ended => break answer,
            ready = pipes[0].readable() => if ready.is_err() { break ended.await },
            ready = pipes[1].readable() => if ready.is_err() { break ended.await },
        }
        for (pipe, source) in pipes.into_iter().zip([Source::Stdout, Source::Stderr]) {
            let mut piece = vec![0; PIECE];
            if let Ok(count @ 1..) = pipe.try_read(&mut piece) {
                piece.truncate(count);
                // Nobody listens any more: the command goes on all the same.
                let _ = out.send((source, piece.into())).await;
            }
        }
    };
    // Waits until the shim has copied its last words.
    delete(client, exec).await;
    for (pipe, source) in pipes.into_iter().zip([Source::Stdout, Source::Stderr]) {
        loop {
            let mut piece = vec![0; PIECE];
            // Asked of the kernel itself: the runtime's knowledge of what is ready may lag behind.
            match nix::unistd::read(pipe, &mut piece) {
                Ok(count @ 1..) => {
                    piece.truncate(count);
                    let _ = out.send((source, piece.into())).await;
                }
                _ => break,
            }
        }
    }
    match answer {
        Ok(answer) => answer.into_inner().exit_status.into(),
        // The container ended and took it along.
        Err(_) => 137,
    }
}

/// Passes on what is written to the command, then tells it that no more comes.
async fn feed(
    client: Client,
    exec: Arc<Exec>,
    mut pipe: Sender,
    mut written: mpsc::Receiver<Bytes>,
    mut ended: watch::Receiver<bool>,
) {
    let write = async {
        while let Some(piece) = written.recv().await {
            if pipe.write_all(&piece).await.is_err() {
                return;
            }
        }
        drop(pipe);
        // A terminal has no end of input of its own: who leaves it leaves it running (Docker's way).
        if !exec.wanted.tty {
            let request = CloseIoRequest {
                container_id: exec.container.id.clone(),
                exec_id: exec.id.clone(),
                stdin: true,
            };
            if let Err(status) = or_gone(client.tasks().close_io(request).await) {
                tracing::debug!(error = status.message(), "a command's input is not closed");
            }
        }
    };
    tokio::select! {
        () = write => {}
        _ = ended.wait_for(|ended| *ended) => {}
    }
}

async fn delete(client: &Client, exec: &Exec) {
    let request = DeleteProcessRequest {
        container_id: exec.container.id.clone(),
        exec_id: exec.id.clone(),
    };
    if let Err(status) = or_gone(client.tasks().delete_process(request).await) {
        tracing::debug!(
            error = status.message(),
            "a command's process is left to containerd"
        );
    }
}

/// The container's own process, with what the command has differently.
async fn process(local: &Local, exec: &Exec) -> Result<Any, Refused> {
    let client = &local.shared.client;
    let request = GetContainerRequest {
        id: exec.container.id.clone(),
    };
    let record = client
        .containers()
        .get(request)
        .await
        .map_err(refusal("container"))?;
    let record = record.into_inner().container.unwrap_or_default();
    let spec: Value = serde_json::from_slice(&record.spec.unwrap_or_default().value)
        .map_err(|error| Refused::Failed(format!("a container's spec can't be read: {error}")))?;
    let mut process = spec["process"].clone();
    let wanted = &exec.wanted;
    let mut env = exec.container.env.clone();
    if !wanted.user.is_empty() {
        let request = MountsRequest {
            snapshotter: record.snapshotter,
            key: record.snapshot_key,
        };
        let mounts = client
            .snapshots()
            .mounts(request)
            .await
            .map_err(refusal("root file system"))?;
        let user = users::resolve(&wanted.user, &[], &mounts.into_inner().mounts)
            .map_err(|error| Refused::Invalid(error.to_string()))?;
        process["user"] =
            serde_json::json!({ "uid": user.uid, "gid": user.gid, "additionalGids": user.groups });
        set(&mut env, &format!("HOME={}", user.home.as_deref().unwrap_or("/")));
    }
    if wanted.tty && !env.iter().any(|line| line.starts_with("TERM=")) {
        env.push("TERM=xterm".to_owned());
    }
    wanted.env.iter().for_each(|line| set(&mut env, line));
    process["args"] = wanted.args.clone().into();
    process["env"] = env.into();
    process["terminal"] = wanted.tty.into();
    if !wanted.dir.is_empty() {
        if !Path::new(&wanted.dir).is_absolute() {
            return Err(Refused::Invalid(format!(
                "the working directory '{}' is invalid, it needs to be an absolute path",
                wanted.dir
            )));
        }
        process["cwd"] = wanted.dir.as_str().into();
    }
    if wanted.privileged {
        let all = crate::spec::every_capability(local.shared.clamp);
        for set in ["bounding", "effective", "permitted"] {
            process["capabilities"][set] = all.clone().into();
        }
        process["noNewPrivileges"] = false.into();
    }
    Ok(Any {
        type_url: "types.containerd.io/opencontainers/runtime-spec/1/Process".to_owned(),
        value: process.to_string().into_bytes(),
    })
}

/// Puts `NAME=value` in, or takes `NAME` out.
fn set(env: &mut Vec<String>, line: &str) {
    let name = line.split('=').next().unwrap_or_default();
    env.retain(|known| known.split('=').next() != Some(name));
    if line.contains('=') {
        env.push(line.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_environment_is_changed_line_by_line() {
        let mut env = vec!["A=1".to_owned(), "AB=2".to_owned(), "C=3".to_owned()];
        for line in ["A=x=y", "C", "D=4", "AB="] {
            set(&mut env, line);
        }
        assert_eq!(env, ["A=x=y", "D=4", "AB="]);
    }
}
