//! Ending, freezing and waiting for containers. Whatever ends here, the managers' policy decides what comes after it.

use super::refused::not_running;
use super::{Local, Refused};
use crate::container::Container;
use crate::ended::Ended;
use crate::kept;
use containerd_client::services::v1::{
    KillRequest, PauseTaskRequest, ResizePtyRequest, ResumeTaskRequest, WaitRequest,
};
use model::{LocalContainer, LocalState};
use std::time::Duration;
use tokio::sync::broadcast::error::RecvError;

/// For a killed process to be gone.
const DEATH: Duration = Duration::from_secs(10);
const SIGKILL: u32 = 9;

/// Until when someone waits for a container.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Until {
    /// It does not run (any more).
    NotRunning,
    /// It ends the next time.
    NextExit,
    /// It is removed.
    Removed,
}

impl Local {
    /// Sends a signal: a name or a number.
    ///
    /// # Errors
    /// [`Refused::Invalid`] for no signal, [`Refused::Conflict`] if it does not run.
    pub async fn kill(&self, container: &LocalContainer, signal: &str) -> Result<(), Refused> {
        let number = if signal.is_empty() {
            Some(SIGKILL)
        } else {
            model::signal(signal)
        };
        let number = number.filter(|number| (1..=64).contains(number));
        let number = number.ok_or_else(|| Refused::Invalid(format!("invalid signal: {signal}")))?;
        self.tell(container, "kill", &[("signal", number.to_string())]);
        self.send(container, number).await
    }

    async fn send(&self, container: &LocalContainer, signal: u32) -> Result<(), Refused> {
        let request = KillRequest {
            container_id: container.id.clone(),
            exec_id: String::new(),
            signal,
            all: false,
        };
        let sent = self.shared.client.tasks().kill(request).await;
        sent.map(|_| ()).map_err(not_running(&container.id))
    }

    /// Asks it to end and kills it after a while: the service's grace period unless `grace` says another one.
    ///
    /// # Errors
    /// If it can't be ended.
    pub async fn stop(
        &self,
        container: &LocalContainer,
        signal: &str,
        grace: Option<Duration>,
    ) -> Result<(), Refused> {
        let own = Container::new(self.shared.clone(), container.task.clone());
        let signal = match signal {
            "" => own.signal(),
            name => model::signal(name).ok_or_else(|| Refused::Invalid(format!("invalid signal: {name}")))?,
        };
        let ended = self.ended(container, Until::NotRunning);
        tokio::pin!(ended);
        self.tell(container, "kill", &[("signal", signal.to_string())]);
        match self.send(container, signal).await {
            Err(Refused::Conflict(_)) => return Ok(()),
            sent => sent?,
        }
        let grace = grace.unwrap_or_else(|| own.grace());
        if tokio::time::timeout(grace, &mut ended).await.is_err() {
            match self.send(container, SIGKILL).await {
                Ok(()) | Err(Refused::Conflict(_)) => {}
                Err(error) => return Err(error),
            }
            let dead = tokio::time::timeout(DEATH, &mut ended).await;
            dead.map_err(|_| Refused::Failed(format!("container {} does not end", container.id)))??;
        }
        self.tell(container, "stop", &[]);
        Ok(())
    }

    /// Freezes all its processes, or lets them go on.
    ///
    /// # Errors
    /// [`Refused::Conflict`] if it does not run, or is so already.
    pub async fn pause(&self, container: &LocalContainer, frozen: bool) -> Result<(), Refused> {
        let id = &container.id;
        match (container.state, frozen) {
            (LocalState::Running, true) => {
                let request = PauseTaskRequest {
                    container_id: id.clone(),
                };
                self.shared
                    .client
                    .tasks()
                    .pause(request)
                    .await
                    .map_err(not_running(id))?;
                self.tell(container, "pause", &[]);
            }
            (LocalState::Paused, false) => {
                let request = ResumeTaskRequest {
                    container_id: id.clone(),
                };
                self.shared
                    .client
                    .tasks()
                    .resume(request)
                    .await
                    .map_err(not_running(id))?;
                self.tell(container, "unpause", &[]);
            }
            (LocalState::Paused, true) => {
                return Err(Refused::Conflict(format!("container {id} is already paused")));
            }
            (LocalState::Running, false) => {
                return Err(Refused::Conflict(format!("container {id} is not paused")));
            }
            _ => return Err(Refused::Conflict(format!("container {id} is not running"))),
        }
        Ok(())
    }

    /// Gives its terminal another size.
    ///
    /// # Errors
    /// [`Refused::Conflict`] if it does not run.
    pub async fn resize(
        &self,
        container: &LocalContainer,
        exec: &str,
        height: u32,
        width: u32,
    ) -> Result<(), Refused> {
        let request = ResizePtyRequest {
            container_id: container.id.clone(),
            exec_id: exec.to_owned(),
            width,
            height,
        };
        let resized = self.shared.client.tasks().resize_pty(request).await;
        resized.map(|_| ()).map_err(not_running(&container.id))
    }

    /// Waits for a container; the code that it ended with.
    ///
    /// # Errors
    /// If containerd can't be asked.
    pub async fn ended(&self, container: &LocalContainer, until: Until) -> Result<i64, Refused> {
        let (_, mut events) = self.shared.scene.listen();
        let code = match (until, container.state) {
            (_, LocalState::Running | LocalState::Paused) => self.exit(container).await?,
            _ => container.exit_code,
        };
        if until != Until::Removed {
            return Ok(code);
        }
        loop {
            let gone = match events.recv().await {
                Ok(event) => event.id == container.id && event.action == "destroy",
                // Some were missed: look whether it is still there.
                Err(RecvError::Lagged(_)) => !self
                    .containers()
                    .await?
                    .iter()
                    .any(|other| other.id == container.id),
                Err(RecvError::Closed) => true,
            };
            if gone {
                return Ok(code);
            }
        }
    }

    async fn exit(&self, container: &LocalContainer) -> Result<i64, Refused> {
        let request = WaitRequest {
            container_id: container.id.clone(),
            exec_id: String::new(),
        };
        match self.shared.client.tasks().wait(request).await {
            Ok(answer) => Ok(answer.into_inner().exit_status.into()),
            Err(status) => match Ended::load(&container.folders.0) {
                Some(ended) => Ok(ended.exit_code),
                None => Err(Refused::Failed(status.message().to_owned())),
            },
        }
    }

    /// Tells who listens what happened to a container.
    pub(crate) fn tell(&self, container: &LocalContainer, action: &str, more: &[(&str, String)]) {
        let event = kept::event(&container.id, &container.task, action, more);
        self.shared.scene.tell(event);
    }
}
