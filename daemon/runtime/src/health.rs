//! How to tell that a container is well: Docker's rules, as pure functions.

use crate::probe::Answer;
use model::HealthConfig;
use serde::{Deserialize, Serialize};
use std::path::Path;
use std::time::Duration;

/// Docker's defaults.
const INTERVAL: Duration = Duration::from_secs(30);
const TIMEOUT: Duration = Duration::from_secs(30);
const START_INTERVAL: Duration = Duration::from_secs(5);
const RETRIES: u32 = 3;

/// What is asked of a container, again and again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Check {
    pub command: Vec<String>,
    pub interval: Duration,
    pub timeout: Duration,
    pub start_period: Duration,
    pub start_interval: Duration,
    pub retries: u32,
}

const NAME: &str = "health.json";

impl Check {
    /// The service's check, with what it leaves open taken from the image; none if there is nothing to ask.
    ///
    /// # Errors
    /// What can't be a check.
    pub fn of(
        service: Option<&HealthConfig>,
        image: Option<&HealthConfig>,
        shell: Option<&[String]>,
    ) -> Result<Option<Self>, String> {
        let none = HealthConfig::default();
        let (service, image) = (service.unwrap_or(&none), image.unwrap_or(&none));
        let test = [service, image]
            .into_iter()
            .find_map(|config| config.test.as_deref().filter(|test| !test.is_empty()));
        let command = match test {
            None => return Ok(None),
            Some([kind, ..]) if kind == "NONE" => return Ok(None),
            Some([kind, args @ ..]) if kind == "CMD" && !args.is_empty() => args.to_vec(),
            Some([kind, line]) if kind == "CMD-SHELL" => {
                let default = ["/bin/sh".to_owned(), "-c".to_owned()];
                let mut all = shell
                    .filter(|shell| !shell.is_empty())
                    .unwrap_or(&default)
                    .to_vec();
                all.push(line.clone());
                all
            }
            Some(_) => {
                return Err(
                    "a health check is NONE, CMD with arguments, or CMD-SHELL with one line".to_owned(),
                );
            }
        };
        let time = |of: fn(&HealthConfig) -> Option<i64>, default: Duration| {
            let given = [of(service), of(image)]
                .into_iter()
                .flatten()
                .find(|nanos| *nanos > 0);
            given
                .and_then(|nanos| u64::try_from(nanos).ok())
                .map_or(default, Duration::from_nanos)
        };
        let retries = [service.retries, image.retries]
            .into_iter()
            .flatten()
            .find(|retries| *retries > 0);
        Ok(Some(Self {
            command,
            interval: time(|config| config.interval, INTERVAL),
            timeout: time(|config| config.timeout, TIMEOUT),
            start_period: time(|config| config.start_period, Duration::ZERO),
            start_interval: time(|config| config.start_interval, START_INTERVAL),
            retries: retries
                .and_then(|retries| u32::try_from(retries).ok())
                .unwrap_or(RETRIES),
        }))
    }

    /// What was kept beside a container.
    pub fn load(folder: &Path) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(folder.join(NAME)).ok()?).ok()
    }

    /// Keeps it beside a container.
    pub fn save(check: Option<&Self>, folder: &Path) -> std::io::Result<()> {
        match check {
            Some(check) => std::fs::write(folder.join(NAME), serde_json::to_vec(check)?),
            None => match std::fs::remove_file(folder.join(NAME)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            },
        }
    }
}

/// What is known of a container's health.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Health {
    /// True once a check was good.
    pub well: bool,
    /// Bad checks since the last good one, the start period's left out.
    streak: u32,
}

impl Health {
    /// Of a container that was well when it was last asked.
    pub fn well() -> Self {
        Self {
            well: true,
            streak: 0,
        }
    }

    /// Bad checks since the last good one, the start period's left out.
    pub fn streak(&self) -> u32 {
        self.streak
    }

    /// How long to wait before the next check, `age` after the start.
    pub fn pause(&self, check: &Check, age: Duration) -> Duration {
        if !self.well && age < check.start_period {
            check.start_interval
        } else {
            check.interval
        }
    }

    /// Takes in a check's answer; the reason if the container is unhealthy from now on.
    pub fn take(&mut self, check: &Check, answer: &Answer, age: Duration) -> Result<(), String> {
        if answer.code == Some(0) {
            *self = Self::well();
            return Ok(());
        }
        if !self.well && age < check.start_period {
            return Ok(());
        }
        self.streak += 1;
        if self.streak < check.retries {
            return Ok(());
        }
        Err(match answer.code {
            None => format!(
                "unhealthy container: health check exceeded timeout ({:?})",
                check.timeout
            ),
            Some(_) if answer.output.is_empty() => "unhealthy container".to_owned(),
            Some(_) => format!("unhealthy container: {}", answer.output),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(test: &[&str], retries: i64) -> HealthConfig {
        HealthConfig {
            test: Some(test.iter().map(|word| (*word).to_owned()).collect()),
            retries: Some(retries),
            start_period: Some(10_000_000_000),
            ..HealthConfig::default()
        }
    }

    fn answer(code: u32) -> Answer {
        Answer {
            code: Some(code),
            output: "said".to_owned(),
        }
    }

    #[test]
    fn the_service_goes_before_the_image() {
        let image = config(&["CMD", "true"], 7);
        let check = |service| Check::of(service, Some(&image), None).unwrap();
        assert_eq!(check(None).unwrap().command, ["true"]);
        let own = HealthConfig {
            test: Some(vec!["CMD-SHELL".to_owned(), "a b".to_owned()]),
            ..HealthConfig::default()
        };
        let merged = check(Some(&own)).unwrap();
        assert_eq!(merged.command, ["/bin/sh", "-c", "a b"]);
        assert_eq!((merged.retries, merged.interval), (7, INTERVAL));
        assert_eq!(check(Some(&config(&["NONE"], 0))), None);
        assert_eq!(Check::of(None, None, None), Ok(None));
        assert!(Check::of(Some(&config(&["CMD"], 1)), None, None).is_err());
    }

    #[test]
    fn failures_count_in_a_row_and_not_while_it_starts() {
        let check = Check::of(Some(&config(&["CMD", "x"], 2)), None, None)
            .unwrap()
            .unwrap();
        let (early, late) = (Duration::from_secs(1), Duration::from_secs(11));
        let mut health = Health::default();
        for _ in 0..5 {
            assert_eq!(health.take(&check, &answer(1), early), Ok(()));
        }
        assert_eq!(health.pause(&check, early), START_INTERVAL);
        assert_eq!(health.pause(&check, late), INTERVAL);
        assert_eq!(health.take(&check, &answer(1), late), Ok(()));
        assert_eq!(health.take(&check, &answer(0), late), Ok(()));
        assert!(health.well);
        assert_eq!(health.take(&check, &answer(1), early), Ok(()));
        let reason = health.take(&check, &answer(1), early).unwrap_err();
        assert_eq!(reason, "unhealthy container: said");
    }
}
