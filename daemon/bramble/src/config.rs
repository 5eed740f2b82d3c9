//! The daemon's settings: the card's file, then the system's, or those that a command line names; later ones over earlier.
//!
//! A file that someone names with `--config` is read strictly: whoever types it sees the mistake and mends it. The card's and
//! the system's are read leniently, as nobody stands before the board: what is right counts, mistakes become
//! [`Config::problems`].

use crate::card_file;
use crate::deposit::Deposit;
use crate::serial;
use anyhow::{Context as _, bail};
use card::{Card, Reading};
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// The card's file on the boot partition.
pub const CARD: &str = "/boot/firmware/bramble.toml";
/// What `bramble setup` keeps of the last card that was one.
pub const KEPT_CARD: &str = "/data/setup/bramble.toml";
/// The system's own file.
const SYSTEM: &str = "/etc/bramble/bramble.toml";

/// Where settings come from.
#[derive(Clone, Debug, Default)]
pub struct Sources {
    /// The card's file, if it is not where it usually is.
    pub card: Option<PathBuf>,
    /// Files that are read strictly. With these alone, neither the usual card nor the system's file counts.
    pub files: Vec<PathBuf>,
}

/// The daemon's settings, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The cluster to be in; with none, the board waits for `docker swarm init` or `join`.
    pub cluster: Option<String>,
    /// What boards prove themselves with: from the card, or what was kept of it.
    pub join_key: Option<card::Secret>,
    /// How many boards are meant to be there when the cluster is founded.
    pub boards: Option<usize>,
    /// Host name shown in `docker node ls`; the kernel's if absent.
    pub hostname: String,
    /// What must last: on the card.
    pub state_dir: PathBuf,
    /// What goes with a reboot: in memory.
    pub run_dir: PathBuf,
    /// The Engine API's socket.
    pub api: PathBuf,
    /// The Engine API over TCP.
    pub api_tls: Tls,
    /// Where other boards reach this one.
    pub listen: SocketAddr,
    /// The interface or address to be found by; every interface's if absent.
    pub advertise: Option<Advertise>,
    /// A containerd that may be running already.
    pub containerd: PathBuf,
    /// Asked first for images with plain names.
    pub registry_mirror: Option<String>,
    /// Registries that may be spoken to in plain HTTP, `host[:port]` or a network; loopback always may.
    pub insecure_registries: Vec<String>,
    /// Filter of the log, such as `info` or `debug,bramble_store=trace`.
    pub log: String,
    /// Things that services can reserve, as `kind=name` or `kind=number`.
    pub generic_resources: Vec<model::GenericResource>,
    /// `engine.labels.*` of this board, beside those that it finds itself.
    pub labels: BTreeMap<String, String>,
    /// Where the kernel's files about the board are: `/`, but in tests and on odd hardware.
    pub board_root: PathBuf,
    /// Whether the board's LED shows where it stands.
    pub led: bool,
    /// Whether the daemon feeds the hardware watchdog.
    pub watchdog: bool,
    /// The card's file, whose join key is taken off once the board is in.
    pub card: Option<PathBuf>,
    /// Mistakes on the card, and what of it could not be carried out.
    pub problems: Vec<String>,
}

/// Whether and where the Engine API is served over TCP, to holders of client certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Off,
    /// At the usual port, if it is free.
    Usual,
    /// There.
    At(SocketAddr),
}

/// By what to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Advertise {
    /// All addresses of an interface.
    Interface(String),
    /// One address.
    Address(IpAddr),
}

impl Config {
    /// Reads the settings.
    ///
    /// # Errors
    /// Which file can't be read, or what in a file that was named for a strict reading is wrong.
    pub fn read(sources: &Sources) -> anyhow::Result<Self> {
        let usual = sources.card.is_none() && sources.files.is_empty();
        let card = sources
            .card
            .clone()
            .or_else(|| usual.then(|| PathBuf::from(CARD)));
        let mut all = Lenient::default();
        if let Some(path) = &card {
            all.take(path, usual.then_some(Path::new(KEPT_CARD)));
        }
        if usual {
            all.take(Path::new(SYSTEM), None);
        }
        let mut said = all.card;
        for path in &sources.files {
            said = said.overlaid(strictly(path)?);
        }
        let mut config = filled_in(said, &kernel_hostname(), &serial::short(Path::new("/")))?;
        config.problems = all.problems;
        config.recall()?;
        for told in setups_problems(&config.run_dir) {
            if !config.problems.contains(&told) {
                config.problems.push(told);
            }
        }
        config.card = card;
        Ok(config)
    }

    /// Whether this board is to form or join a cluster by itself.
    pub fn forms(&self) -> bool {
        self.cluster.is_some() && self.join_key.is_some()
    }

    /// The join key that was taken off the card, if the card has no other.
    fn recall(&mut self) -> anyhow::Result<()> {
        if self.join_key.is_none()
            && let Some(cluster) = &self.cluster
        {
            self.join_key = Deposit::load(&self.state_dir)?.and_then(|deposit| deposit.key_of(cluster));
        }
        Ok(())
    }
}

/// Reads files as far as they are right.
#[derive(Default)]
struct Lenient {
    card: Card,
    problems: Vec<String>,
}

impl Lenient {
    /// Takes a file; one that is no card at all is replaced by what was kept of the last that was.
    fn take(&mut self, path: &Path, kept: Option<&Path>) {
        let reading = match card_file::read(path) {
            Ok(None) => return,
            Ok(Some(bytes)) => card::read_bytes(&bytes),
            Err(error) => {
                self.problems.push(format!("reading {}: {error}", path.display()));
                Reading::default()
            }
        };
        self.problems.extend(named(path, &reading));
        let card = match kept.filter(|_| !reading.whole) {
            Some(kept) => std::fs::read(kept)
                .map(|bytes| card::read_bytes(&bytes).card)
                .unwrap_or_default(),
            None => reading.card,
        };
        self.card = std::mem::take(&mut self.card).overlaid(card);
    }
}

/// Mistakes, each with the name of its file.
pub fn named(path: &Path, reading: &Reading) -> Vec<String> {
    let file = path
        .file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned();
    reading
        .problems
        .iter()
        .map(|problem| format!("{file}, {problem}"))
        .collect()
}

fn strictly(path: &Path) -> anyhow::Result<Card> {
    let bytes = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let reading = card::read_bytes(&bytes);
    let problems: Vec<String> = reading.problems.iter().map(ToString::to_string).collect();
    if !problems.is_empty() {
        bail!("in {}: {}", path.display(), problems.join("; "));
    }
    if let (Some(_), None) = (&reading.card.cluster, &reading.card.join_key) {
        bail!(
            "in {}: a cluster needs a join-key beside its name: without one, any board could come in",
            path.display()
        );
    }
    Ok(reading.card)
}

/// What `bramble setup` could not do, a line each; nothing where there is no such thing.
fn setups_problems(run_dir: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(run_dir.join("problems")).unwrap_or_default();
    text.lines().take(64).map(str::to_owned).collect()
}

fn filled_in(said: Card, kernels: &str, serial: &str) -> anyhow::Result<Config> {
    let path = |given: Option<PathBuf>, default: &str| given.unwrap_or_else(|| default.into());
    let listen = match said.listen {
        Some(listen) => listen,
        None => "0.0.0.0:2377".parse()?,
    };
    Ok(Config {
        cluster: said.cluster,
        join_key: said.join_key,
        boards: said.boards,
        hostname: match said.hostname {
            Some(pattern) => card::host_name(Some(&pattern), serial),
            None => kernels.to_owned(),
        },
        state_dir: path(said.state_dir, "/var/lib/bramble"),
        run_dir: path(said.run_dir, "/run/bramble"),
        api: path(said.api, "/run/docker.sock"),
        api_tls: match said.api_tls.as_deref() {
            None => Tls::Usual,
            Some("off") => Tls::Off,
            Some(text) => Tls::At(text.parse().with_context(|| format!("api-tls = \"{text}\""))?),
        },
        listen,
        advertise: said.advertise.map(|text| match text.parse() {
            Ok(address) => Advertise::Address(address),
            Err(_) => Advertise::Interface(text),
        }),
        containerd: path(said.containerd, "/run/containerd/containerd.sock"),
        registry_mirror: said.registry_mirror,
        insecure_registries: said.insecure_registries.unwrap_or_default(),
        log: said.log.unwrap_or_else(|| "info".to_owned()),
        generic_resources: resources(&said.generic_resources.unwrap_or_default()),
        labels: said.labels.unwrap_or_default(),
        board_root: path(said.board_root, "/"),
        led: said.led.unwrap_or(true),
        watchdog: said.watchdog.unwrap_or(false),
        card: None,
        problems: Vec::new(),
    })
}

fn kernel_hostname() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "board".to_owned())
}

/// `gpu=UUID1` is one of a kind, `bandwidth=3` three of them (as Docker's `node-generic-resources`).
fn resources(texts: &[String]) -> Vec<model::GenericResource> {
    let resource = |(kind, value): (&str, &str)| match value.parse() {
        Ok(value) => model::GenericResource {
            discrete_resource_spec: Some(model::DiscreteResource {
                kind: kind.to_owned(),
                value,
            }),
            ..Default::default()
        },
        Err(_) => model::GenericResource {
            named_resource_spec: Some(model::NamedResource {
                kind: kind.to_owned(),
                value: value.to_owned(),
            }),
            ..Default::default()
        },
    };
    texts
        .iter()
        .filter_map(|text| text.split_once('='))
        .map(resource)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> Config {
        filled_in(card::read(text).card, "kernel-name", "1d1c36").unwrap()
    }

    fn with_files(card: Option<&str>, files: &[&str]) -> anyhow::Result<Config> {
        let dir = tempfile::tempdir()?;
        let write = |name: String, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).map(|()| path)
        };
        let state = format!("state-dir = '{0}'\nrun-dir = '{0}'\n", dir.path().display());
        let files = files.iter().enumerate();
        Config::read(&Sources {
            card: card
                .map(|text| write("bramble.toml".into(), &format!("{state}{text}")))
                .transpose()?,
            files: files
                .map(|(number, text)| write(format!("{number}.toml"), text))
                .collect::<Result<_, _>>()?,
        })
    }

    #[test]
    fn an_empty_file_is_a_board_that_waits() {
        let config = filled("");
        assert_eq!(config.cluster, None);
        assert!(!config.forms());
        assert_eq!(config.hostname, "kernel-name");
        assert_eq!(config.listen.port(), 2377);
        assert_eq!(config.api_tls, Tls::Usual);
        assert_eq!(filled("api-tls = 'off'").api_tls, Tls::Off);
        assert_eq!(filled("hostname = 'shop-{serial}'").hostname, "shop-1d1c36");
    }

    #[test]
    fn later_files_win_and_labels_are_gathered() {
        let config = with_files(
            None,
            &[
                "hostname = 'a'\nlog = 'debug'\n[labels]\nssd = 'true'\nzone = '1'",
                "hostname = 'b'\n[labels]\nzone = '2'",
            ],
        )
        .unwrap();
        assert_eq!((config.hostname.as_str(), config.log.as_str()), ("b", "debug"));
        assert_eq!(config.labels["ssd"], "true");
        assert_eq!(config.labels["zone"], "2");
    }

    #[test]
    fn a_file_that_was_named_is_read_strictly() {
        for (text, says) in [
            ("clutser = 'home'", "did you mean cluster"),
            ("cluster = 'home'", "join-key"),
        ] {
            let error = format!("{:#}", with_files(None, &[text]).unwrap_err());
            assert!(error.contains(says), "{text}: {error}");
        }
        assert!(with_files(Some("boards = 3"), &["nonsense"]).is_err());
    }

    #[test]
    fn a_card_is_read_as_far_as_it_is_right() {
        let config = with_files(Some("boards = 'x'\nhostname = 'a'\ncluster = 'home'"), &[]).unwrap();
        assert_eq!((config.hostname.as_str(), config.boards), ("a", None));
        assert!(
            config.problems[0].starts_with("bramble.toml, line 3: boards = 'x'"),
            "{:?}",
            config.problems
        );
        assert!(!config.forms());
        assert_eq!(config.card.unwrap().file_name().unwrap(), "bramble.toml");
    }

    #[test]
    fn advertise_is_an_address_or_an_interface() {
        let advertise = |text| filled(text).advertise;
        assert_eq!(
            advertise("advertise = '10.0.0.1'"),
            Some(Advertise::Address([10, 0, 0, 1].into()))
        );
        assert_eq!(
            advertise("advertise = 'eth0'"),
            Some(Advertise::Interface("eth0".into()))
        );
    }
}
