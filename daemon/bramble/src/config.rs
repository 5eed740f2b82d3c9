//! The daemon's settings: one or more TOML files, the later ones over the earlier. Unknown keys are refused, so that a
//! mistyped one is not silently without effect.

use anyhow::{Context as _, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

/// Where settings are looked for if no `--config` is given: the card's boot partition, then the system's folder.
pub const PLACES: [&str; 2] = ["/boot/firmware/bramble.toml", "/etc/bramble/bramble.toml"];

/// The daemon's settings, complete.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The cluster to be in; with none, the board waits for `docker swarm init` or `join`.
    pub cluster: Option<String>,
    /// What boards prove themselves with; needed with `cluster`.
    pub join_key: Option<String>,
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

/// One file: everything may be absent.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
struct File {
    cluster: Option<String>,
    join_key: Option<String>,
    boards: Option<usize>,
    hostname: Option<String>,
    state_dir: Option<PathBuf>,
    run_dir: Option<PathBuf>,
    api: Option<PathBuf>,
    api_tls: Option<String>,
    listen: Option<SocketAddr>,
    advertise: Option<String>,
    containerd: Option<PathBuf>,
    registry_mirror: Option<String>,
    insecure_registries: Option<Vec<String>>,
    log: Option<String>,
    generic_resources: Option<Vec<String>>,
    labels: Option<BTreeMap<String, String>>,
    board_root: Option<PathBuf>,
    led: Option<bool>,
    watchdog: Option<bool>,
}

impl Config {
    /// Reads the files given, or those of [`PLACES`] that exist.
    ///
    /// # Errors
    /// Which file can't be read, or what in it is wrong.
    pub fn read(files: &[PathBuf]) -> anyhow::Result<Self> {
        let texts: Vec<(PathBuf, String)> = if files.is_empty() {
            let read = |place: &&str| Some((PathBuf::from(place), std::fs::read_to_string(place).ok()?));
            PLACES.iter().filter_map(read).collect()
        } else {
            let read = |path: &PathBuf| {
                let text =
                    std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
                Ok((path.clone(), text))
            };
            files.iter().map(read).collect::<anyhow::Result<_>>()?
        };
        Self::parse(
            texts.iter().map(|(path, text)| (path.as_path(), text.as_str())),
            &kernel_hostname(),
        )
    }

    fn parse<'a>(texts: impl Iterator<Item = (&'a Path, &'a str)>, hostname: &str) -> anyhow::Result<Self> {
        let mut all = File::default();
        for (path, text) in texts {
            let file: File = toml::from_str(text).with_context(|| format!("in {}", path.display()))?;
            all = all.overlaid(file);
        }
        let config = all.filled_in(hostname)?;
        if let (Some(_), None) = (&config.cluster, &config.join_key) {
            bail!("a cluster needs a join-key beside its name: without one, any board could come in");
        }
        if let Some(cluster) = &config.cluster {
            // It goes into mDNS texts and certificates' neighbourhood: keep it plain.
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            if cluster.is_empty() || cluster.len() > 63 || !cluster.chars().all(plain) {
                bail!("cluster = \"{cluster}\": a name has 1 to 63 letters, digits, '-', '_' and '.'");
            }
        }
        if config.boards == Some(0) {
            bail!("boards = 0: a cluster has at least one board");
        }
        if config.join_key.as_ref().is_some_and(|key| key.len() < 8) {
            bail!("join-key: at least 8 characters, better 20 (boards prove themselves with it)");
        }
        Ok(config)
    }
}

impl File {
    fn overlaid(self, over: Self) -> Self {
        let mut labels = self.labels.unwrap_or_default();
        labels.extend(over.labels.unwrap_or_default());
        Self {
            cluster: over.cluster.or(self.cluster),
            join_key: over.join_key.or(self.join_key),
            boards: over.boards.or(self.boards),
            hostname: over.hostname.or(self.hostname),
            state_dir: over.state_dir.or(self.state_dir),
            run_dir: over.run_dir.or(self.run_dir),
            api: over.api.or(self.api),
            api_tls: over.api_tls.or(self.api_tls),
            listen: over.listen.or(self.listen),
            advertise: over.advertise.or(self.advertise),
            containerd: over.containerd.or(self.containerd),
            registry_mirror: over.registry_mirror.or(self.registry_mirror),
            insecure_registries: over.insecure_registries.or(self.insecure_registries),
            log: over.log.or(self.log),
            generic_resources: over.generic_resources.or(self.generic_resources),
            labels: Some(labels),
            board_root: over.board_root.or(self.board_root),
            led: over.led.or(self.led),
            watchdog: over.watchdog.or(self.watchdog),
        }
    }

    fn filled_in(self, hostname: &str) -> anyhow::Result<Config> {
        let path = |given: Option<PathBuf>, default: &str| given.unwrap_or_else(|| default.into());
        let listen = match self.listen {
            Some(listen) => listen,
            None => "0.0.0.0:2377".parse()?,
        };
        Ok(Config {
            cluster: self.cluster,
            join_key: self.join_key,
            boards: self.boards,
            hostname: self.hostname.unwrap_or_else(|| hostname.to_owned()),
            state_dir: path(self.state_dir, "/var/lib/bramble"),
            run_dir: path(self.run_dir, "/run/bramble"),
            api: path(self.api, "/run/docker.sock"),
            api_tls: match self.api_tls.as_deref() {
                None => Tls::Usual,
                Some("off") => Tls::Off,
                Some(text) => {
                    Tls::At(text.parse().with_context(|| {
                        format!("api-tls = \"{text}\": an address with a port, or \"off\"")
                    })?)
                }
            },
            listen,
            advertise: self.advertise.map(|text| match text.parse() {
                Ok(address) => Advertise::Address(address),
                Err(_) => Advertise::Interface(text),
            }),
            containerd: path(self.containerd, "/run/containerd/containerd.sock"),
            registry_mirror: self.registry_mirror,
            insecure_registries: self.insecure_registries.unwrap_or_default(),
            log: self.log.unwrap_or_else(|| "info".to_owned()),
            generic_resources: resources(&self.generic_resources.unwrap_or_default())?,
            labels: self.labels.unwrap_or_default(),
            board_root: path(self.board_root, "/"),
            led: self.led.unwrap_or(true),
            watchdog: self.watchdog.unwrap_or(false),
        })
    }
}

fn kernel_hostname() -> String {
    nix::unistd::gethostname()
        .ok()
        .and_then(|name| name.into_string().ok())
        .unwrap_or_else(|| "board".to_owned())
}

/// `gpu=UUID1` is one of a kind, `bandwidth=3` three of them (as Docker's `node-generic-resources`).
fn resources(texts: &[String]) -> anyhow::Result<Vec<model::GenericResource>> {
    let mut all = Vec::new();
    for text in texts {
        let (kind, value) = match text.split_once('=') {
            Some((kind, value)) if !kind.is_empty() && !value.is_empty() => (kind.to_owned(), value),
            _ => bail!("generic-resources: \"{text}\" is neither kind=name nor kind=number"),
        };
        all.push(match value.parse() {
            Ok(value) => model::GenericResource {
                discrete_resource_spec: Some(model::DiscreteResource { kind, value }),
                ..Default::default()
            },
            Err(_) => model::GenericResource {
                named_resource_spec: Some(model::NamedResource {
                    kind,
                    value: value.to_owned(),
                }),
                ..Default::default()
            },
        });
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(texts: &[&str]) -> anyhow::Result<Config> {
        Config::parse(
            texts.iter().map(|text| (Path::new("bramble.toml"), *text)),
            "kernel-name",
        )
    }

    #[test]
    fn an_empty_file_is_a_board_that_waits() {
        let config = parse(&[""]).unwrap();
        assert_eq!(config.cluster, None);
        assert_eq!(config.hostname, "kernel-name");
        assert_eq!(config.listen.port(), 2377);
        assert_eq!(config.api_tls, Tls::Usual);
        assert_eq!(parse(&["api-tls = 'off'"]).unwrap().api_tls, Tls::Off);
    }

    #[test]
    fn later_files_win_and_labels_are_gathered() {
        let config = parse(&[
            "hostname = 'a'\nlog = 'debug'\n[labels]\nssd = 'true'\nzone = '1'",
            "hostname = 'b'\n[labels]\nzone = '2'",
        ])
        .unwrap();
        assert_eq!((config.hostname.as_str(), config.log.as_str()), ("b", "debug"));
        assert_eq!(config.labels["ssd"], "true");
        assert_eq!(config.labels["zone"], "2");
    }

    #[test]
    fn mistakes_are_named() {
        for (text, says) in [
            ("clutser = 'home'", "clutser"),
            ("cluster = 'home'", "join-key"),
            ("cluster = 'a b'\njoin-key = 'long enough'", "letters"),
            ("join-key = 'short'", "8 characters"),
            ("boards = 0", "at least one"),
            ("listen = 'everywhere'", "listen"),
            ("api-tls = 'on'", "or \"off\""),
        ] {
            let error = format!("{:#}", parse(&[text]).unwrap_err());
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    #[test]
    fn advertise_is_an_address_or_an_interface() {
        assert_eq!(
            parse(&["advertise = '10.0.0.1'"]).unwrap().advertise,
            Some(Advertise::Address([10, 0, 0, 1].into()))
        );
        assert_eq!(
            parse(&["advertise = 'eth0'"]).unwrap().advertise,
            Some(Advertise::Interface("eth0".into()))
        );
    }
}
