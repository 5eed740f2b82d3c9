//! Looks at the board itself, over and over: what it is becomes labels, how it is decides whether it gets new tasks.
//!
//! Numbers that change stay here and in metrics; only a changed label, or a board that falls ill or is well again, goes out.

use board::{Condition, Facts, Files, Readings, Space, judge};
use model::{Labels, Unfit};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two looks at what changes.
const LOOK: Duration = Duration::from_secs(10);
/// Looks until what stays is looked at again: a cable may have been plugged in. A change counts if it is seen twice.
const FACTS_EVERY: u32 = 3;

/// The board itself, and how it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hardware {
    /// What stays.
    pub facts: Facts,
    /// What changes.
    pub readings: Readings,
    /// What that means.
    pub condition: Condition,
}

/// Looks at the board.
pub struct Sensors {
    files: Files,
    data: PathBuf,
    /// Labels of the settings, which count for more than what is found.
    given: Labels,
    began: Instant,
    hardware: watch::Sender<Arc<Hardware>>,
    labels: watch::Sender<Labels>,
    unfit: watch::Sender<Option<Unfit>>,
}

impl Sensors {
    /// Takes the first look, so that nobody hears of a board that does not know itself.
    /// `data`: where the board keeps its data; `given`: labels of its settings.
    pub async fn open(files: Files, data: PathBuf, given: Labels) -> Self {
        let sensors = Self {
            files,
            data,
            given,
            began: Instant::now(),
            hardware: watch::Sender::default(),
            labels: watch::Sender::default(),
            unfit: watch::Sender::default(),
        };
        sensors.recognise(sensors.facts().await);
        sensors.look().await;
        sensors
    }

    /// The board, as it was seen last.
    pub fn hardware(&self) -> watch::Receiver<Arc<Hardware>> {
        self.hardware.subscribe()
    }

    /// Its labels.
    pub fn labels(&self) -> watch::Receiver<Labels> {
        self.labels.subscribe()
    }

    /// Why it is to get no new tasks.
    pub fn unfit(&self) -> watch::Receiver<Option<Unfit>> {
        self.unfit.subscribe()
    }

    /// Looks until shutdown.
    pub async fn follow(self, shutdown: CancellationToken) {
        let mut looks = tokio::time::interval_at(Instant::now() + LOOK, LOOK);
        looks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut seen = self.hardware.borrow().facts.clone();
        let mut count = 0;
        loop {
            tokio::select! {
                () = shutdown.cancelled() => return,
                _ = looks.tick() => {}
            }
            self.look().await;
            count += 1;
            if count % FACTS_EVERY == 0 {
                let facts = self.facts().await;
                if facts == seen {
                    self.recognise(facts);
                } else {
                    seen = facts;
                }
            }
        }
    }

    async fn facts(&self) -> Facts {
        let (files, data) = (self.files.clone(), self.data.clone());
        let read = tokio::task::spawn_blocking(move || Facts::read(&files, &data));
        read.await.unwrap_or_default()
    }

    fn recognise(&self, facts: Facts) {
        let mut labels = facts.labels();
        labels.extend(self.given.clone());
        self.labels.send_if_modified(|known| {
            let news = *known != labels;
            *known = labels;
            news
        });
        self.hardware.send_if_modified(|hardware| {
            let news = hardware.facts != facts;
            if news {
                Arc::make_mut(hardware).facts = facts;
            }
            news
        });
    }

    async fn look(&self) {
        let (files, data) = (self.files.clone(), self.data.clone());
        let read = tokio::task::spawn_blocking(move || Readings::read(&files, &data, Space::of(&data)));
        let Ok(readings) = read.await else { return };
        let before = self.hardware.borrow().clone();
        let condition = judge(&readings, self.began.elapsed(), &before.condition);
        let refusal = condition.refusal();
        match (before.condition.refusal(), &refusal) {
            (None, Some((_, why))) => tracing::warn!(%why, "this board is not well"),
            (Some(_), None) => tracing::info!("this board is well again"),
            _ => {}
        }
        self.hardware.send_replace(Arc::new(Hardware {
            facts: before.facts.clone(),
            readings,
            condition,
        }));
        let unfit = refusal.map(|(ailment, text)| Unfit {
            ailment: ailment.as_str().into(),
            text,
        });
        self.unfit.send_if_modified(|known| {
            let news = *known != unfit;
            *known = unfit;
            news
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &std::path::Path, path: &str, text: &str) {
        let path = root.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    async fn sensors(root: &std::path::Path) -> Sensors {
        let given = [("bramble.model".to_owned(), "mine".to_owned())];
        Sensors::open(Files::below(root), root.to_owned(), given.into()).await
    }

    #[tokio::test(start_paused = true)]
    async fn a_board_falls_ill_and_is_well_again() {
        let root = tempfile::tempdir().unwrap();
        write(
            root.path(),
            "proc/device-tree/model",
            "Raspberry Pi 5 Model B Rev 1.0\0",
        );
        write(
            root.path(),
            "sys/class/thermal/thermal_zone0/type",
            "cpu-thermal\n",
        );
        let temperature = "sys/class/thermal/thermal_zone0/temp";
        write(root.path(), temperature, "82000\n");
        let sensors = sensors(root.path()).await;
        let (mut unfit, stop) = (sensors.unfit(), CancellationToken::new());
        let text = |unfit: &Option<Unfit>| unfit.as_ref().map(|unfit| unfit.text.clone());
        assert_eq!(text(&unfit.borrow()).as_deref(), Some("hot: 82 °C; no new tasks"));
        let following = tokio::spawn(sensors.follow(stop.clone()));
        write(root.path(), temperature, "74000\n");
        assert_eq!(*unfit.wait_for(Option::is_none).await.unwrap(), None);
        stop.cancel();
        following.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_cable_that_is_plugged_in_becomes_a_label_once() {
        let root = tempfile::tempdir().unwrap();
        write(root.path(), "sys/class/net/eth0/type", "1\n");
        write(root.path(), "sys/class/net/eth0/device/id", "");
        let sensors = sensors(root.path()).await;
        let (mut labels, stop) = (sensors.labels(), CancellationToken::new());
        assert_eq!(labels.borrow()["bramble.wired"], "false");
        // What a person says counts for more than what is found.
        assert_eq!(labels.borrow()["bramble.model"], "mine");
        let following = tokio::spawn(sensors.follow(stop.clone()));
        write(root.path(), "sys/class/net/eth0/carrier", "1\n");
        labels
            .wait_for(|labels| labels["bramble.wired"] == "true")
            .await
            .unwrap();
        stop.cancel();
        following.await.unwrap();
    }
}
