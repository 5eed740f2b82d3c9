//! Secrets and configs: held in memory as managers gave them, laid out for each task on a tmpfs of its own.

use bytes::Bytes;
use exec::{Error, File};
use model::template::{self, TemplateBoard};
use model::{ContainerSpec, FileKey, FileTarget, Task};
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use std::collections::{BTreeMap, BTreeSet};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio::sync::watch;

/// Room on a task's tmpfs beyond what its files take.
const SPARE: usize = 64 << 10;

/// What managers gave this board.
#[derive(Default)]
pub(crate) struct Shelf {
    held: watch::Sender<BTreeMap<FileKey, Option<File>>>,
}

impl Shelf {
    pub fn give(&self, key: FileKey, file: Option<File>) {
        self.held.send_modify(|held| drop(held.insert(key, file)));
    }

    pub fn keep(&self, keys: &BTreeSet<FileKey>) {
        self.held
            .send_modify(|held| held.retain(|key, _| keys.contains(key)));
    }

    /// A file; waits for it: after a power cut a board has its tasks, but what they read comes with a manager.
    ///
    /// # Errors
    /// [`Error::Fatal`] if managers say that there is none.
    pub async fn get(&self, key: &FileKey, name: &str) -> Result<File, Error> {
        let mut held = self.held.subscribe();
        let held = held
            .wait_for(|held| held.contains_key(key))
            .await
            .map_err(|_| Error::Cancelled)?;
        held.get(key)
            .cloned()
            .flatten()
            .ok_or_else(|| Error::Fatal(format!("{} {name} was removed from the cluster", kind(key))))
    }
}

fn kind(key: &FileKey) -> &'static str {
    match key {
        FileKey::Secret(_) => "secret",
        FileKey::Config(_) => "config",
        FileKey::RegistryAuth(_) => "registry credentials of service",
    }
}

/// A file as a container is to see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shown {
    /// Where it is on the board.
    pub source: PathBuf,
    /// Where it is in the container.
    pub target: String,
}

/// One reference of a container's, of either kind.
struct Wanted<'a> {
    key: FileKey,
    name: &'a str,
    target: &'a FileTarget,
    place: String,
}

fn wanted(container: &ContainerSpec) -> Vec<Wanted<'_>> {
    let below = |root: &str, name: &str| match name.starts_with('/') {
        true => name.to_owned(),
        false => format!("{root}/{name}"),
    };
    let secrets = container.secrets.iter().flatten().filter_map(|used| {
        let target = used.file.as_ref()?;
        Some(Wanted {
            key: FileKey::Secret(used.secret_id.clone()),
            name: &used.secret_name,
            target,
            place: below("/run/secrets", &target.name),
        })
    });
    let configs = container.configs.iter().flatten().filter_map(|used| {
        let target = used.file.as_ref()?;
        Some(Wanted {
            key: FileKey::Config(used.config_id.clone()),
            name: &used.config_name,
            target,
            place: below("", &target.name),
        })
    });
    secrets.chain(configs).collect()
}

/// Where a container's files are mounted, without laying them out.
pub(crate) fn shown(dir: &Path, container: &ContainerSpec) -> Vec<Shown> {
    let places = wanted(container).into_iter().enumerate();
    places
        .map(|(number, wanted)| Shown {
            source: dir.join(number.to_string()),
            target: wanted.place,
        })
        .collect()
}

/// Lays a task's files out on a tmpfs at `dir`. Told again, it makes them anew.
///
/// # Errors
/// [`Error::Fatal`] for what can't be, [`Error::Temporary`] if the tmpfs can't be made.
pub(crate) async fn lay_out(
    shelf: &Shelf,
    dir: &Path,
    task: &Task,
    board: &TemplateBoard,
) -> Result<(), Error> {
    let default = ContainerSpec::default();
    let container = task.spec.container_spec.as_ref().unwrap_or(&default);
    let mut files = Vec::new();
    for wanted in wanted(container) {
        let file = shelf.get(&wanted.key, wanted.name).await?;
        let data = match file.template {
            true => {
                let text = std::str::from_utf8(file.data.reveal())
                    .map_err(|_| Error::Fatal(format!("{} is a template, but no text", wanted.name)))?;
                let filled = fill_template(shelf, text, task, board)
                    .await
                    .map_err(|error| match error {
                        Error::Fatal(text) => {
                            Error::Fatal(format!("{} {}: {text}", kind(&wanted.key), wanted.name))
                        }
                        other => other,
                    })?;
                Bytes::from(filled)
            }
            false => file.data.reveal().clone(),
        };
        files.push((data, wanted.target.clone()));
    }
    if files.is_empty() {
        return Ok(());
    }
    let dir = dir.to_owned();
    let written = tokio::task::spawn_blocking(move || write(&dir, &files)).await;
    written
        .map_err(|error| Error::Temporary(error.to_string()))?
        .map_err(|error| Error::Temporary(format!("laying out secrets and configs: {error}")))
}

/// Fills in a template; what it names of other secrets and configs must be among the task's own.
async fn fill_template(
    shelf: &Shelf,
    text: &str,
    task: &Task,
    board: &TemplateBoard,
) -> Result<String, Error> {
    let default = ContainerSpec::default();
    let container = task.spec.container_spec.as_ref().unwrap_or(&default);
    let mut others = BTreeMap::new();
    for wanted in wanted(container) {
        if let FileKey::Secret(_) | FileKey::Config(_) = wanted.key {
            let file = shelf.get(&wanted.key, wanted.name).await?;
            let text = String::from_utf8_lossy(file.data.reveal()).into_owned();
            // By what the container calls it, as swarmkit has it.
            others.insert((kind(&wanted.key), wanted.target.name.as_str()), text);
        }
    }
    let other = |kind: &str, name: &str| others.get(&(kind, name)).cloned();
    template::render_file(text, container, &template::fields(task, board), &other)
        .map_err(|error| Error::Fatal(format!("failed to expand: {error}")))
}

fn write(dir: &Path, files: &[(Bytes, FileTarget)]) -> std::io::Result<()> {
    remove(dir)?;
    std::fs::create_dir_all(dir)?;
    let size = files
        .iter()
        .map(|(data, _)| data.len().next_multiple_of(4096))
        .sum::<usize>()
        + SPARE;
    let flags = MsFlags::MS_NODEV | MsFlags::MS_NOEXEC | MsFlags::MS_NOSUID;
    let options = format!("size={size},mode=0700");
    // Kernels from 6.4 on keep it out of the swap as well.
    let unswapped = format!("{options},noswap");
    let at = |options: &str| mount(Some("tmpfs"), dir, Some("tmpfs"), flags, Some(options));
    at(&unswapped).or_else(|_| at(&options))?;
    for (number, (data, target)) in files.iter().enumerate() {
        let path = dir.join(number.to_string());
        std::fs::write(&path, data)?;
        let number = |text: &str| text.parse::<u32>().unwrap_or(0);
        std::os::unix::fs::chown(&path, Some(number(&target.uid)), Some(number(&target.gid)))?;
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(target.mode & 0o7777))?;
    }
    Ok(())
}

/// Takes a task's tmpfs away; what is not there is gone already.
pub(crate) fn remove(dir: &Path) -> std::io::Result<()> {
    while let Ok(()) = umount2(dir, MntFlags::MNT_DETACH | MntFlags::UMOUNT_NOFOLLOW) {}
    match std::fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use model::{Hidden, SecretReference};

    fn file(text: &str) -> Option<File> {
        Some(File {
            data: Hidden::new(Bytes::copy_from_slice(text.as_bytes())),
            template: false,
        })
    }

    #[tokio::test]
    async fn a_file_is_waited_for_and_told_from_one_that_is_not_there() {
        let shelf = Shelf::default();
        let (key, other) = (FileKey::Secret("a".into()), FileKey::Secret("b".into()));
        let (got, ()) = tokio::join!(shelf.get(&key, "a"), async { shelf.give(key.clone(), file("x")) });
        assert_eq!(Some(got.unwrap()), file("x"));
        shelf.give(other.clone(), None);
        assert!(matches!(shelf.get(&other, "b").await, Err(Error::Fatal(_))));
        shelf.keep(&BTreeSet::from([other]));
        assert!(shelf.held.borrow().get(&key).is_none());
    }

    #[test]
    fn secrets_are_below_their_folder_and_configs_at_the_root() {
        let target = |name: &str| {
            Some(FileTarget {
                name: name.to_owned(),
                ..FileTarget::default()
            })
        };
        let container = ContainerSpec {
            secrets: Some(vec![
                SecretReference {
                    file: target("key"),
                    ..SecretReference::default()
                },
                SecretReference {
                    file: target("/etc/key"),
                    ..SecretReference::default()
                },
            ]),
            configs: Some(vec![model::ConfigReference {
                file: target("conf"),
                ..model::ConfigReference::default()
            }]),
            ..ContainerSpec::default()
        };
        let targets: Vec<_> = shown(Path::new("/x"), &container)
            .into_iter()
            .map(|shown| shown.target)
            .collect();
        assert_eq!(targets, ["/run/secrets/key", "/etc/key", "/conf"]);
    }
}
