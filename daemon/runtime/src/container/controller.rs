//! The steps of a task, as [`exec::Controller`] has them.

use super::{Container, kept};
use crate::client::{SNAPSHOTTER, or_gone, refusal};
use crate::ended::Ended;
use crate::logs::fifo;
use crate::refuse;
use async_trait::async_trait;
use containerd_client::services::v1::snapshots::RemoveSnapshotRequest;
use containerd_client::services::v1::{CreateTaskRequest, DeleteContainerRequest, StartRequest};
use containerd_client::types::v1::Status as State;
use exec::{Controller, Error, HostPort, Observation, Source};
use model::{ContainerStatus, PortConfig, PortStatus, PublishMode, Task};
use std::time::Duration;
use tonic::Code;

/// For a killed process to be gone.
const DEATH: Duration = Duration::from_secs(10);

#[async_trait]
impl Controller for Container {
    async fn update(&self, _: &Task) -> Result<(), Error> {
        // Only the wanted state of a task changes here, which is the agent's business.
        Ok(())
    }

    async fn prepare(&self) -> Result<(), Error> {
        refuse::check(&self.task)?;
        // Boxed: the largest future of this room, held by every task.
        Box::pin(self.make()).await
    }

    fn progress(&self) -> Option<String> {
        let container = self.task.spec.container_spec.as_ref()?;
        self.shared.puller.progress(container.image.as_deref()?)
    }

    async fn start(&self) -> Result<(), Error> {
        match self.process().await? {
            Some((State::Running, _)) => {
                self.shared
                    .logs
                    .attach(&self.id, &self.run_folder(), &self.folder(), self.room()?)?;
                return self.become_well().await;
            }
            // A start that a crash cut off: what it left is in the way.
            Some(_) => self.clear().await?,
            None => {}
        }
        if let Some(ended) = Ended::load(&self.folder()) {
            return result(&ended);
        }
        self.attach().await?;
        self.shared
            .logs
            .attach(&self.id, &self.run_folder(), &self.folder(), self.room()?)?;
        let pipe = |source| fifo(&self.run_folder(), source).display().to_string();
        let terminal = self
            .task
            .spec
            .container_spec
            .as_ref()
            .and_then(|spec| spec.tty)
            .unwrap_or(false);
        let request = CreateTaskRequest {
            container_id: self.id.clone(),
            rootfs: self.rootfs().await?,
            stdin: self.stdin()?,
            stdout: pipe(Source::Stdout),
            stderr: if terminal {
                String::new()
            } else {
                pipe(Source::Stderr)
            },
            terminal,
            ..CreateTaskRequest::default()
        };
        let started = async {
            self.shared.client.tasks().create(request).await?;
            let request = StartRequest {
                container_id: self.id.clone(),
                exec_id: String::new(),
            };
            self.shared.client.tasks().start(request).await.map(|_| ())
        }
        .await;
        if let Err(status) = started {
            if let Err(error) = self.finish().await {
                tracing::debug!(%error, "after a start that failed");
            }
            return Err(match status.code() {
                Code::Unavailable => refusal("starting container failed")(status),
                _ => Error::Fatal(format!("starting container failed: {}", short(status.message()))),
            });
        }
        kept::start(&self.run_folder());
        self.tell("start", &[]);
        self.become_well().await
    }

    async fn wait(&self) -> Result<(), Error> {
        if Ended::load(&self.folder()).is_none() && self.process().await?.is_some() {
            self.shared
                .logs
                .attach(&self.id, &self.run_folder(), &self.folder(), self.room()?)?;
        }
        let ended = tokio::select! {
            ended = self.end() => ended,
            unhealthy = self.check(true) => return self.put_down(unhealthy).await,
        };
        match ended {
            Ok(ended) => result(&ended),
            Err(Error::NotFound(_)) => {
                // Whatever is left of its network is freed all the same.
                self.finish().await?;
                Err(Error::Fatal(
                    "the container is gone: it was ended from outside, or the board lost power".to_owned(),
                ))
            }
            Err(error) => Err(error),
        }
    }

    async fn shutdown(&self) -> Result<(), Error> {
        match self.process().await? {
            None => return self.finish().await,
            Some((State::Running | State::Paused | State::Created, _)) => {
                self.kill(self.signal(), false).await?;
                if tokio::time::timeout(self.grace(), self.end()).await.is_err() {
                    return self.terminate().await;
                }
            }
            Some(_) => {}
        }
        self.end().await.map(|_| ())?;
        self.finish().await
    }

    async fn terminate(&self) -> Result<(), Error> {
        self.kill(9, true).await?;
        match tokio::time::timeout(DEATH, self.end()).await {
            Ok(Ok(_) | Err(Error::NotFound(_))) => self.finish().await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(Error::Temporary(
                "a killed process does not go away: waiting for the kernel".to_owned(),
            )),
        }
    }

    async fn remove(&self) -> Result<(), Error> {
        let mut errors = Vec::new();
        let mut note = |outcome: Result<(), Error>| match outcome {
            Ok(()) | Err(Error::NotFound(_)) => {}
            Err(error) => errors.push(error.to_string()),
        };
        if self.process().await?.is_some() {
            note(self.terminate().await);
        }
        note(self.finish().await);
        let request = DeleteContainerRequest { id: self.id.clone() };
        let deleted = or_gone(self.shared.client.containers().delete(request).await);
        if matches!(deleted, Ok(Some(_))) {
            self.tell("destroy", &[]);
        }
        note(deleted.map(|_| ()).map_err(refusal("removing")));
        self.shared.scene.forget(&self.id);
        self.shared.execs.forget(&self.id);
        let request = RemoveSnapshotRequest {
            snapshotter: SNAPSHOTTER.to_owned(),
            key: self.id.clone(),
        };
        let removed = or_gone(self.shared.client.snapshots().remove(request).await);
        note(removed.map(|_| ()).map_err(refusal("removing")));
        let (volumes, id) = (self.shared.volumes.clone(), self.id.clone());
        let released = tokio::task::spawn_blocking(move || volumes.release(&id)).await;
        note(match released {
            Ok(released) => released.map_err(Error::from),
            Err(error) => Err(Error::Temporary(error.to_string())),
        });
        for folder in [self.run_folder(), self.folder()] {
            match std::fs::remove_dir_all(&folder) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => errors.push(error.to_string()),
                _ => {}
            }
        }
        if errors.is_empty() {
            Ok(())
        } else {
            Err(Error::Temporary(errors.join("; ")))
        }
    }

    async fn observe(&self) -> Result<Observation, Error> {
        let ended = Ended::load(&self.folder());
        let process = self.process().await?;
        let ports = self.host_ports();
        let shown = |port: HostPort| PortConfig {
            protocol: Some(port.protocol),
            target_port: port.target,
            published_port: Some(port.published),
            publish_mode: Some(PublishMode::Host),
            name: None,
        };
        let running = matches!(process, Some((State::Running | State::Paused, _)));
        Ok(Observation {
            container: Some(ContainerStatus {
                container_id: Some(self.id.clone()),
                pid: process.map_or(0, |(_, pid)| pid.into()),
                exit_code: ended.as_ref().map_or(0, |ended| ended.exit_code),
            }),
            running,
            started: running || ended.is_some(),
            ports: Some(PortStatus {
                ports: Some(ports.into_iter().map(shown).collect()),
            })
            .filter(|_| running),
        })
    }
}

/// What an end means for the task.
pub(super) fn result(ended: &Ended) -> Result<(), Error> {
    match ended.exit_code {
        0 => Ok(()),
        code => Err(Error::Exit {
            code,
            reason: ended.out_of_memory.then(|| "out of memory".to_owned()),
        }),
    }
}

/// The part of runc's message that tells what is wrong.
fn short(message: &str) -> String {
    let at = message
        .find("exec: ")
        .or_else(|| message.rfind("runc create failed: "))
        .unwrap_or(0);
    message[at..].trim_end_matches(": unknown").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runcs_message_is_made_short() {
        let long = "failed to create shim task: OCI runtime create failed: runc create failed: unable to start container \
                    process: exec: \"nosuch\": executable file not found in $PATH: unknown";
        assert_eq!(
            short(long),
            "exec: \"nosuch\": executable file not found in $PATH"
        );
        assert_eq!(short("something else"), "something else");
    }
}
