//! Is it well? Health checks of a container that runs.

use super::Container;
use super::controller::result;
use crate::ended::Ended;
use crate::health::{Check, Health};
use crate::probe;
use containerd_client::types::v1::Status as State;
use exec::{Controller as _, Error};
use model::Timestamp;

impl Container {
    /// Checks the container's health over and over: until it is well, or for ever if it `was_well`. An error is its end.
    pub(super) async fn check(&self, was_well: bool) -> Error {
        let Some(check) = Check::load(&self.folder()) else {
            return std::future::pending().await;
        };
        let begun = tokio::time::Instant::now();
        let mut health = if was_well {
            Health::well()
        } else {
            Health::default()
        };
        self.shared.scene.watch_health(&self.id, was_well);
        loop {
            tokio::time::sleep(health.pause(&check, begun.elapsed())).await;
            if matches!(self.process().await, Ok(Some((State::Paused, _)))) {
                continue;
            }
            let start = Timestamp::now();
            let (client, folder) = (&self.shared.client, self.run_folder());
            let asked = probe::run(client, &self.id, &folder, &check.command, check.timeout).await;
            let answer = match asked {
                Ok(answer) => answer,
                // The container has ended, or containerd is away: whoever waits for its end will know.
                Err(Error::NotFound(_) | Error::Temporary(_) | Error::Cancelled) => continue,
                Err(error) => probe::Answer {
                    code: Some(126),
                    output: error.to_string(),
                },
            };
            let verdict = health.take(&check, &answer, begun.elapsed());
            let scene = &self.shared.scene;
            let status = scene.note_check(&self.id, &check, &answer, start, &health, verdict.is_err());
            if let Some(status) = status {
                self.tell(&format!("health_status: {status}"), &[]);
            }
            if let Err(reason) = verdict {
                return Error::Fatal(reason);
            }
            if health.well && !was_well {
                return Error::Cancelled;
            }
        }
    }

    /// Waits until a container that has just started is well; one without a check is so at once.
    pub(super) async fn become_well(&self) -> Result<(), Error> {
        if Check::load(&self.folder()).is_none() {
            return Ok(());
        }
        tokio::select! {
            ended = self.end() => result(&ended?).and(Err(Error::Fatal(
                "the container ended before it was healthy".to_owned(),
            ))),
            outcome = self.check(false) => match outcome {
                Error::Cancelled => Ok(()),
                unhealthy => self.put_down(unhealthy).await,
            },
        }
    }

    /// An unhealthy container is stopped, as politely as ever; the reason stays the reason.
    pub(super) async fn put_down(&self, unhealthy: Error) -> Result<(), Error> {
        self.shutdown().await?;
        Err(Error::Exit {
            code: Ended::load(&self.folder()).map_or(137, |ended| ended.exit_code),
            reason: Some(unhealthy.to_string()),
        })
    }
}
