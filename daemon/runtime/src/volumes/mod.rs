//! Volumes of this board: Docker's local driver.
//!
//! ```text
//!  STATE/volumes/NAME/_data          the files
//!                     volume.json    when it was made, labels, options, whether it was filled
//!  STATE/containers/ID/volumes.json  which volumes a container uses
//! ```
//! A volume is made in a folder of another name and then renamed, and renamed before it is removed: a power cut leaves a
//! whole volume or one of which the rest is swept away at the next start. Who uses what is read from the containers'
//! folders, so there is nothing that could disagree with them.

mod device;
mod fill;

use crate::container::id_of_anonymous;
use exec::Error;
use model::{ANONYMOUS, Labels, Timestamp, Volume, VolumeUsage};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

pub(crate) use fill::Image;

/// Most names that a board tells managers.
const MOST_NAMES: usize = 256;
/// What is being made or removed: no volume's name begins so.
const HALF: &str = ".half-";
const NOTE: &str = "volume.json";
const USES: &str = "volumes.json";

/// Why a volume can't be had, made or removed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum VolumeError {
    /// The request can't be right.
    #[error("{0}")]
    Invalid(String),
    /// There is none.
    #[error("get {0}: no such volume")]
    NotFound(String),
    /// Containers use it.
    #[error("remove {name}: volume is in use - [{}]", users.join(", "))]
    InUse {
        /// The volume.
        name: String,
        /// Their ids.
        users: Vec<String>,
    },
    /// The disk, or a mount.
    #[error("{0}")]
    Failed(String),
}

impl From<VolumeError> for Error {
    fn from(error: VolumeError) -> Self {
        match error {
            VolumeError::Failed(text) => Self::Temporary(text),
            other => Self::Fatal(other.to_string()),
        }
    }
}

/// What is to be made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewVolume {
    /// Its name; made up if empty.
    pub name: String,
    /// What the user wrote beside it.
    pub labels: Option<Labels>,
    /// Options of the driver.
    pub options: Option<Labels>,
}

/// A container's use of a volume.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Use {
    /// The volume.
    pub name: String,
    /// Where it is in the container.
    pub target: String,
    /// True if it goes with the container.
    pub anonymous: bool,
    /// Whether the image's files are not copied in.
    pub no_copy: bool,
    /// For a volume that is made by this use.
    pub labels: Option<Labels>,
    pub options: Option<Labels>,
}

/// What lasts of a volume beside its files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
struct Note {
    created_at: Timestamp,
    labels: Option<Labels>,
    options: Option<Labels>,
    /// True while the image's files are being copied in: a power cut in the middle is noticed, and it is done again.
    filling: bool,
}

/// All volumes of this board. Cheap to clone; what it does takes as long as the disk.
#[derive(Clone)]
pub struct Volumes {
    shared: Arc<Shared>,
}

struct Shared {
    root: PathBuf,
    containers: PathBuf,
    /// Held while it changes who uses what, or what there is.
    turn: Mutex<()>,
    /// Held while a volume is mounted or filled, by name.
    turns: Mutex<BTreeMap<String, Arc<Mutex<()>>>>,
}

impl Volumes {
    /// Those below a state folder. What a power cut left half made or half removed goes.
    pub(crate) fn open(state: &Path) -> Self {
        let root = state.join("volumes");
        for entry in std::fs::read_dir(&root).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(HALF)
                && let Err(error) = discard(&entry.path())
            {
                tracing::warn!(%error, "a half removed volume stays");
            }
        }
        Self {
            shared: Arc::new(Shared {
                root,
                containers: state.join("containers"),
                turn: Mutex::default(),
                turns: Mutex::default(),
            }),
        }
    }

    fn turn(&self) -> MutexGuard<'_, ()> {
        self.shared.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn folder(&self, name: &str) -> PathBuf {
        self.shared.root.join(name)
    }

    /// Where a volume's files are.
    pub(crate) fn data(&self, name: &str) -> PathBuf {
        self.folder(name).join("_data")
    }

    /// All of them, by name.
    pub fn list(&self) -> Vec<Volume> {
        let entries = std::fs::read_dir(&self.shared.root)
            .into_iter()
            .flatten()
            .flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        let mut all: Vec<Volume> = names.filter_map(|name| self.find(&name)).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Names of those that have one of their own: what managers are told.
    pub(crate) fn names(&self) -> Vec<String> {
        let named = self.list().into_iter().filter(|volume| !volume.is_anonymous());
        named.map(|volume| volume.name).take(MOST_NAMES).collect()
    }

    /// One of them.
    ///
    /// # Errors
    /// [`VolumeError::NotFound`]
    pub fn get(&self, name: &str) -> Result<Volume, VolumeError> {
        self.find(name)
            .ok_or_else(|| VolumeError::NotFound(name.to_owned()))
    }

    fn find(&self, name: &str) -> Option<Volume> {
        // Also keeps strangers' names from meaning other folders.
        model::check_volume_name(name).ok()?;
        let data = self.data(name);
        let facts = std::fs::symlink_metadata(self.folder(name)).ok()?;
        if !facts.is_dir() {
            return None;
        }
        let note = self.note(name);
        Some(Volume {
            created_at: note.created_at,
            driver: "local".to_owned(),
            labels: note.labels,
            mountpoint: data.display().to_string(),
            name: name.to_owned(),
            options: note.options,
            scope: "local".to_owned(),
            usage_data: None,
        })
    }

    fn note(&self, name: &str) -> Note {
        let folder = self.folder(name);
        let read = std::fs::read(folder.join(NOTE)).ok();
        read.and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .unwrap_or_else(|| Note {
                // Made by an older Bramble, or by hand.
                created_at: std::fs::metadata(&folder)
                    .and_then(|facts| facts.modified())
                    .ok()
                    .and_then(|at| Timestamp::try_from(at).ok())
                    .unwrap_or_default(),
                ..Note::default()
            })
    }

    /// Makes one; one of that name that is there already is as good.
    ///
    /// # Errors
    /// [`VolumeError::Invalid`] in Docker's words, or [`VolumeError::Failed`].
    pub fn create(&self, new: NewVolume) -> Result<Volume, VolumeError> {
        let _turn = self.turn();
        self.made(new)
    }

    fn made(&self, mut new: NewVolume) -> Result<Volume, VolumeError> {
        if new.name.is_empty() {
            new.name = id_of_anonymous(&format!("{:?}", std::time::SystemTime::now()), "");
            let labels = new.labels.get_or_insert_default();
            labels.insert(ANONYMOUS.to_owned(), String::new());
        }
        let name = new.name;
        let create = |text: String| VolumeError::Invalid(format!("create {name}: {text}"));
        model::check_volume_name(&name).map_err(create)?;
        if let Some(options) = &new.options {
            model::check_volume_options(options).map_err(create)?;
            device::read(options).map_err(create)?;
        }
        if let Some(there) = self.find(&name) {
            return Ok(there);
        }
        let note = Note {
            created_at: now(),
            labels: new.labels.filter(|labels| !labels.is_empty()),
            options: new.options.filter(|options| !options.is_empty()),
            filling: false,
        };
        let half = self.folder(&format!("{HALF}{name}"));
        let made = || -> std::io::Result<()> {
            discard(&half)?;
            std::fs::create_dir_all(half.join("_data"))?;
            keep(&half.join(NOTE), &note)?;
            std::fs::rename(&half, self.folder(&name))?;
            std::fs::File::open(&self.shared.root)?.sync_all()
        };
        made().map_err(|error| VolumeError::Failed(format!("create {name}: {error}")))?;
        tracing::info!(volume = %name, "volume made");
        self.get(&name)
    }

    /// Removes one that nobody uses; `force`: one that is not there is gone already.
    ///
    /// # Errors
    /// [`VolumeError`]
    pub fn remove(&self, name: &str, force: bool) -> Result<(), VolumeError> {
        let _turn = self.turn();
        match self.find(name) {
            None if force => return Ok(()),
            None => return Err(VolumeError::NotFound(name.to_owned())),
            Some(_) => {}
        }
        let users = self.users(name);
        if !users.is_empty() {
            return Err(VolumeError::InUse {
                name: name.to_owned(),
                users,
            });
        }
        self.discarded(name)
    }

    fn discarded(&self, name: &str) -> Result<(), VolumeError> {
        let failed = |error: std::io::Error| VolumeError::Failed(format!("remove {name}: {error}"));
        device::unmount(&self.data(name)).map_err(failed)?;
        let half = self.folder(&format!("{HALF}{name}"));
        discard(&half).map_err(failed)?;
        match std::fs::rename(self.folder(name), &half) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            renamed => renamed.map_err(failed)?,
        }
        tracing::info!(volume = name, "volume removed");
        discard(&half).map_err(failed)
    }

    /// Removes those that nobody uses and that `wanted` is true of; their names and what they took, in bytes.
    ///
    /// # Errors
    /// [`VolumeError::Failed`]
    pub fn prune(&self, wanted: impl Fn(&Volume) -> bool) -> Result<(Vec<String>, i64), VolumeError> {
        let _turn = self.turn();
        let (mut names, mut bytes) = (Vec::new(), 0);
        for volume in self.list() {
            if wanted(&volume) && self.users(&volume.name).is_empty() {
                bytes += self.size(&volume);
                self.discarded(&volume.name)?;
                names.push(volume.name);
            }
        }
        Ok((names, bytes))
    }

    /// All of them with what they take and how many containers use them: takes as long as there are files.
    pub fn usage(&self) -> Vec<Volume> {
        let mut all = self.list();
        for volume in &mut all {
            volume.usage_data = Some(VolumeUsage {
                size: self.size(volume),
                ref_count: i64::try_from(self.users(&volume.name).len()).unwrap_or(i64::MAX),
            });
        }
        all
    }

    /// Of what is elsewhere the size is not known: 0.
    fn size(&self, volume: &Volume) -> i64 {
        match volume.options {
            None => i64::try_from(fill::size(&self.data(&volume.name))).unwrap_or(i64::MAX),
            Some(_) => 0,
        }
    }

    /// Ids of containers that use a volume.
    pub fn users(&self, name: &str) -> Vec<String> {
        let entries = std::fs::read_dir(&self.shared.containers)
            .into_iter()
            .flatten()
            .flatten();
        let uses = |entry: &std::fs::DirEntry| uses(&entry.path()).iter().any(|used| used.name == name);
        let ids = entries
            .filter(uses)
            .filter_map(|entry| entry.file_name().into_string().ok());
        let mut ids: Vec<String> = ids.collect();
        ids.sort();
        ids
    }

    /// Names of those that containers use.
    pub fn used(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(&self.shared.containers)
            .into_iter()
            .flatten()
            .flatten();
        entries
            .flat_map(|entry| uses(&entry.path()))
            .map(|used| used.name)
            .collect()
    }

    /// Makes ready what a container uses, and writes down that it does. New volumes are filled from its image.
    ///
    /// # Errors
    /// [`Error::Fatal`] for what can't be, [`Error::Temporary`] for a disk or a server that may be back.
    pub(crate) async fn take(&self, container: &str, wanted: Vec<Use>, image: Image) -> Result<(), Error> {
        let this = self.clone();
        let (folder, kept) = (self.shared.containers.join(container), wanted.clone());
        let made = blocking(move || {
            let _turn = this.turn();
            let failed = |error: std::io::Error| VolumeError::Failed(format!("volumes: {error}"));
            std::fs::create_dir_all(&folder).map_err(failed)?;
            keep(&folder.join(USES), &kept).map_err(failed)?;
            let made = kept.iter().map(|used| this.made(used.new_volume()));
            made.collect::<Result<Vec<Volume>, VolumeError>>()
        });
        let mut devices = Vec::new();
        for volume in made.await?? {
            let device = volume.options.as_ref().map(device::read).transpose();
            devices.push(match device.map_err(Error::Fatal)? {
                Some(device) => Some(device.located().await?),
                None => None,
            });
        }
        let this = self.clone();
        let ready = blocking(move || {
            let mut view = None;
            for (used, device) in wanted.iter().zip(devices) {
                let mine = this.turn_of(&used.name);
                let _mine = mine.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(device) = device {
                    device.mount(&this.data(&used.name)).map_err(Error::Fatal)?;
                }
                let failed = |error: std::io::Error| Error::Temporary(format!("filling a volume: {error}"));
                this.fill(used, &image, &mut view).map_err(failed)?;
            }
            Ok(())
        });
        ready.await?
    }

    /// One at a time mounts or fills a volume; a server that does not answer holds up nobody else.
    fn turn_of(&self, name: &str) -> Arc<Mutex<()>> {
        let mut all = self.shared.turns.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, turn| Arc::strong_count(turn) > 1);
        all.entry(name.to_owned()).or_default().clone()
    }

    fn fill(&self, used: &Use, image: &Image, view: &mut Option<fill::View>) -> std::io::Result<()> {
        let (mut note, data) = (self.note(&used.name), self.data(&used.name));
        if used.no_copy || (!note.filling && !is_empty(&data)) {
            return Ok(());
        }
        let view = match view {
            Some(view) => view,
            None => view.insert(image.open()?),
        };
        let path = self.folder(&used.name).join(NOTE);
        note.filling = true;
        keep(&path, &note)?;
        view.copy(&used.target, &data)?;
        note.filling = false;
        keep(&path, &note)
    }

    /// A container has ended: what was mounted for it is unmounted unless another one that has not ended uses it.
    pub(crate) fn rest(&self, container: &str, has_ended: impl Fn(&Path) -> bool) -> std::io::Result<()> {
        let _turn = self.turn();
        let own = uses(&self.shared.containers.join(container));
        for used in own {
            if self.note(&used.name).options.is_none() {
                continue;
            }
            let others = self
                .users(&used.name)
                .into_iter()
                .any(|other| other != container && !has_ended(&self.shared.containers.join(other)));
            if !others {
                device::unmount(&self.data(&used.name))?;
            }
        }
        Ok(())
    }

    /// A container goes, and what nobody else could name with it.
    pub(crate) fn release(&self, container: &str) -> Result<(), VolumeError> {
        let _turn = self.turn();
        let folder = self.shared.containers.join(container);
        for used in uses(&folder).into_iter().filter(|used| used.anonymous) {
            self.discarded(&used.name)?;
        }
        match std::fs::remove_file(folder.join(USES)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(VolumeError::Failed(error.to_string()))
            }
            _ => Ok(()),
        }
    }
}

impl Use {
    fn new_volume(&self) -> NewVolume {
        let mut labels = self.labels.clone();
        if self.anonymous {
            labels
                .get_or_insert_default()
                .insert(ANONYMOUS.to_owned(), String::new());
        }
        NewVolume {
            name: self.name.clone(),
            labels,
            options: self.options.clone(),
        }
    }
}

fn uses(folder: &Path) -> Vec<Use> {
    let read = std::fs::read(folder.join(USES)).ok();
    read.and_then(|bytes| serde_json::from_slice(&bytes).ok())
        .unwrap_or_default()
}

fn is_empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_none())
}

/// Writes a note, whole or not at all.
fn keep(path: &Path, note: &impl Serialize) -> std::io::Result<()> {
    let new = path.with_extension("new");
    let mut file = std::fs::File::create(&new)?;
    file.write_all(&serde_json::to_vec(note)?)?;
    file.sync_all()?;
    std::fs::rename(new, path)
}

/// Whole seconds, as Docker has it.
fn now() -> Timestamp {
    let now = Timestamp::now();
    Timestamp::from_second(now.as_second()).unwrap_or(now)
}

/// Removes a folder with all in it, never what is mounted in it.
fn discard(folder: &Path) -> std::io::Result<()> {
    device::unmount(&folder.join("_data"))?;
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Error> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::Temporary(error.to_string()))
}

#[cfg(test)]
mod tests;
