//! `bramble update`: installs an image on all boards of the cluster, one after the other. What comes next is decided by [`step`];
//! this carries it out, by the front door.

mod manifest;
mod show;
mod step;
mod world;

use crate::door::{Door, Refused};
use crate::host::Host;
use anyhow::{Context as _, bail};
use clap::Args;
use http::Method;
use manifest::Manifest;
use serde_json::Value;
use show::Show;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use step::{Cluster, Progress, Step, next_step, objections};
use tokio::time::Instant;

/// Between two looks at the cluster.
const PAUSE: Duration = Duration::from_secs(1);

pub(crate) const EXAMPLES: &str = "\
Examples:
  bramble update --bundle bramble.raucb                              updates the cluster of this board
  bramble update --bundle bramble.raucb --context home.dockercontext the same from one's own computer
  bramble update --bundle bramble.raucb --dry-run                    only says what it would do

Boards are updated one after the other: workers, managers, the leader last. Each is drained, gets the bundle, installs it
beside the system that runs, restarts into it, and is used again once it is back in the cluster and healthy; a board that is
not goes back to its old system by itself. The first failure ends the update; the rest stays as it is. A run that was cut off
is finished by another one: what is done stays done. A board that was drained before stays drained.";

/// `bramble update`
#[derive(Args)]
pub struct Update {
    /// The bundle to install.
    #[arg(long, value_name = "FILE")]
    bundle: PathBuf,
    /// A file of bramble context create, role admin: where the cluster is, and what to show there.
    #[arg(long, value_name = "FILE")]
    context: Option<PathBuf>,
    /// A manager's Engine API, unix://… or tcp://HOST:PORT; without it that in DOCKER_HOST, or /run/docker.sock.
    #[arg(long, value_name = "HOST")]
    host: Option<String>,
    /// How long one step of one board may take, in minutes: to be drained, to take the bundle, to come back.
    #[arg(long, value_name = "MINUTES", default_value_t = 30)]
    timeout: u64,
    /// Only say what would be done.
    #[arg(long)]
    dry_run: bool,
}

/// Does it.
///
/// # Errors
/// Which board could not be updated, and why.
pub(crate) async fn run(arguments: &Update) -> anyhow::Result<()> {
    let door = Door::at(Host::find(
        arguments.context.as_deref(),
        arguments.host.as_deref(),
    )?);
    let manifest = manifest::read(&arguments.bundle)?;
    let before: BTreeSet<String> = world::lacking(&door)
        .await?
        .into_iter()
        .map(|(id, _)| id)
        .collect();
    let cluster = world::look(&door, &before).await?;
    let objections = objections(&cluster, &manifest.version);
    if !objections.is_empty() {
        bail!("nothing was begun:\n  {}", objections.join("\n  "));
    }
    println!(
        "{}: version {} for {}, {} MB",
        arguments.bundle.display(),
        manifest.version,
        manifest.compatible,
        manifest.size.div_ceil(1_000_000)
    );
    warn(&door, &cluster).await?;
    if arguments.dry_run {
        for (number, board) in cluster
            .in_turn()
            .into_iter()
            .filter(|board| !board.is_at(&manifest.version))
            .enumerate()
        {
            let version = board.version.as_deref().unwrap_or("-");
            println!("{}. {} from {version}", number + 1, board.name);
        }
        return Ok(());
    }
    Run {
        door: &door,
        arguments,
        manifest,
        before,
        progress: Progress::default(),
        show: Show::new(),
        waiting: None,
    }
    .finish()
    .await
}

/// What a person should know before it begins.
async fn warn(door: &Door, cluster: &Cluster) -> anyhow::Result<()> {
    let swarm: Value = door.json(Method::GET, "/swarm", None).await?;
    if swarm["Spec"]["EncryptionConfig"]["AutoLockManagers"].as_bool() == Some(true) {
        println!(
            "The managers are locked: unlock each after its restart (docker swarm unlock), or it goes back to its old system."
        );
    }
    if cluster.boards.iter().filter(|board| board.manager).count() == 1 {
        println!("There is one manager: while it restarts, nobody answers. What runs goes on.");
    }
    Ok(())
}

struct Run<'a> {
    door: &'a Door,
    arguments: &'a Update,
    manifest: Manifest,
    before: BTreeSet<String>,
    progress: Progress,
    show: Show,
    /// What is waited for, and since when.
    waiting: Option<(Step, Instant)>,
}

impl Run<'_> {
    async fn finish(mut self) -> anyhow::Result<()> {
        let mut silent: Option<Instant> = None;
        loop {
            let cluster = match world::look(self.door, &self.before).await {
                Ok(cluster) => cluster,
                // The manager that is asked may be the very board that restarts.
                Err(error) if silent.get_or_insert_with(Instant::now).elapsed() < self.patience() => {
                    self.show.note(&format!("waiting for an answer: {error:#}"));
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
                Err(error) => {
                    return Err(error.context("no manager answers any more; run this again to go on"));
                }
            };
            silent = None;
            let step = next_step(&cluster, &self.progress, &self.manifest.version);
            match &step {
                Step::Done => {
                    self.show.tell(&cluster, &self.manifest.version, None);
                    println!("all boards run {}", self.manifest.version);
                    return Ok(());
                }
                Step::Stop(why) => {
                    self.show.tell(&cluster, &self.manifest.version, None);
                    bail!("stopped; boards that were not reached are as they were: {why}");
                }
                _ => self.carry_out(&cluster, step).await?,
            }
        }
    }

    fn patience(&self) -> Duration {
        Duration::from_secs(self.arguments.timeout.saturating_mul(60))
    }

    async fn carry_out(&mut self, cluster: &Cluster, step: Step) -> anyhow::Result<()> {
        let name = |id: &str| {
            let board = cluster.boards.iter().find(|board| board.id == id);
            board.map_or_else(|| id.to_owned(), |board| board.name.clone())
        };
        match &step {
            Step::Begin(id) => {
                self.tell(cluster, id, "draining");
                self.try_change(world::begin(self.door, id).await).await
            }
            Step::Restore(id) => {
                self.tell(cluster, id, "taking tasks again");
                self.try_change(world::restore(self.door, id).await).await
            }
            Step::Fail(id, why) => {
                self.progress.failed = Some((id.clone(), format!("{}: {why}", name(id))));
                Ok(())
            }
            Step::Send(id) => self.send(cluster, id).await,
            Step::AwaitEmpty(id) => self.wait(cluster, id, "draining", &step).await,
            Step::AwaitReturn(id) => {
                self.wait(cluster, id, "restarting, and waiting to be confirmed", &step)
                    .await
            }
            Step::AwaitAnswer(id) => self.wait(cluster, id, "waiting for its answer", &step).await,
            Step::AwaitManagers(id) => {
                self.wait(cluster, id, "waiting for the other managers", &step)
                    .await
            }
            Step::AwaitWhole => {
                let lacking = cluster.lacking.join(", ");
                self.show.note(&format!("waiting for services: {lacking}"));
                if self.over_time(&step) {
                    bail!(
                        "stopped: services do not have all their tasks ({lacking}); run this again to go on"
                    );
                }
                tokio::time::sleep(PAUSE).await;
                Ok(())
            }
            Step::Done | Step::Stop(_) => Ok(()),
        }
    }

    fn tell(&mut self, cluster: &Cluster, id: &str, doing: &str) {
        self.show.tell(cluster, &self.manifest.version, Some((id, doing)));
    }

    /// A change that nobody could take is tried again, as long as a look at the cluster is.
    async fn try_change(&mut self, changed: anyhow::Result<()>) -> anyhow::Result<()> {
        match changed {
            Err(error)
                if error
                    .downcast_ref::<Refused>()
                    .is_none_or(|refused| refused.status >= 500) =>
            {
                self.show.note(&format!("waiting for an answer: {error:#}"));
                tokio::time::sleep(PAUSE).await;
                Ok(())
            }
            other => other,
        }
    }

    async fn wait(&mut self, cluster: &Cluster, id: &str, doing: &str, step: &Step) -> anyhow::Result<()> {
        self.tell(cluster, id, doing);
        if self.over_time(step) {
            let board = cluster.boards.iter().find(|board| board.id == id);
            let name = board.map_or(id, |board| &board.name);
            let minutes = self.arguments.timeout;
            let why = format!("{name}: {doing}, for more than {minutes} minutes");
            match step {
                Step::AwaitManagers(_) => bail!("stopped: {why}; run this again to go on"),
                _ => self.progress.failed = Some((id.to_owned(), why)),
            }
        }
        tokio::time::sleep(PAUSE).await;
        Ok(())
    }

    /// Whether this very step has been waited for too long.
    fn over_time(&mut self, step: &Step) -> bool {
        match &self.waiting {
            Some((for_what, since)) if for_what == step => since.elapsed() >= self.patience(),
            _ => {
                self.waiting = Some((step.clone(), Instant::now()));
                false
            }
        }
    }

    async fn send(&mut self, cluster: &Cluster, id: &str) -> anyhow::Result<()> {
        let before = cluster.boards.iter().find(|board| board.id == id);
        let (name, failed_before) = before.map_or((id, None), |board| (&board.name, board.failed.clone()));
        let bundle = &self.arguments.bundle;
        let file = tokio::fs::File::open(bundle).await;
        let file = file.with_context(|| format!("reading {}", bundle.display()))?;
        let (size, sent) = (self.manifest.size, Arc::new(AtomicU64::new(0)));
        let (doing, mut trouble, mut installing) = (std::cell::RefCell::new(String::new()), None, false);
        let hear = |line: &[u8]| {
            let said: Value = serde_json::from_slice(line).unwrap_or_default();
            installing = true;
            trouble = said["error"].as_str().map(str::to_owned).or(trouble.take());
            if let Some(status) = said["status"].as_str() {
                let more = said["progress"].as_str().unwrap_or_default();
                *doing.borrow_mut() = match more {
                    "" => status.to_lowercase(),
                    more => format!("{}: {more}", status.to_lowercase()),
                };
            }
        };
        let (path, count) = (format!("/bramble/nodes/{id}/update"), sent.clone());
        let sending = self.door.send(
            &path,
            file,
            size,
            move |total| count.store(total, Ordering::Relaxed),
            hear,
        );
        let show = &mut self.show;
        let version = &self.manifest.version;
        let telling = async {
            loop {
                let said = doing.borrow().clone();
                let percent = sent.load(Ordering::Relaxed).saturating_mul(100) / size.max(1);
                let said = match said.as_str() {
                    "" => format!("sending: {percent} %"),
                    _ => said,
                };
                show.tell(cluster, version, Some((id, &said)));
                tokio::time::sleep(PAUSE).await;
            }
        };
        let ended = tokio::select! {
            ended = tokio::time::timeout(Duration::from_secs(self.arguments.timeout.saturating_mul(60)), sending) => ended,
            never = telling => match never {},
        };
        self.took(
            id,
            name,
            failed_before,
            Sent {
                ended,
                trouble,
                installing,
            },
        )
        .await
    }

    /// What came of sending.
    async fn took(
        &mut self,
        id: &str,
        name: &str,
        failed_before: Option<String>,
        sent: Sent,
    ) -> anyhow::Result<()> {
        let failed = |why: String| Some((id.to_owned(), format!("{name}: {why}")));
        match (sent.ended, sent.trouble) {
            (_, Some(trouble)) => self.progress.failed = failed(trouble),
            (Err(_), _) => {
                let minutes = self.arguments.timeout;
                self.progress.failed = failed(format!("the bundle was not taken within {minutes} minutes"));
            }
            // The connection ends with the board's restart, well or not.
            (Ok(Ok(())), _) => drop(self.progress.sent.insert(id.to_owned(), failed_before)),
            (Ok(Err(_)), _) if sent.installing => {
                drop(self.progress.sent.insert(id.to_owned(), failed_before))
            }
            (Ok(Err(error)), _) => {
                let refused = error.downcast_ref::<Refused>();
                // Another run's bundle is being installed, or the way to the board is not there now: look again.
                if refused.is_none_or(|refused| matches!(refused.status, 409 | 503))
                    && !self.over_time(&Step::Send(id.to_owned()))
                {
                    self.show
                        .note(&format!("{name} does not take the bundle now: {error:#}"));
                    tokio::time::sleep(PAUSE).await;
                } else {
                    self.progress.failed = failed(format!("{error:#}"));
                }
            }
        }
        Ok(())
    }
}

/// What came of sending a bundle.
struct Sent {
    ended: Result<anyhow::Result<()>, tokio::time::error::Elapsed>,
    /// What the board said.
    trouble: Option<String>,
    /// Whether it took the bundle, and began.
    installing: bool,
}
