//! What can be on a card.

use serde::Serialize;
use serde_with::skip_serializing_none;
use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;
use std::str::FromStr;

/// A text that is not printed by accident.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct Secret(String);

impl Secret {
    /// Hides `text`.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Shows it.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// All that a card may say; see the crate's documentation. It serializes to a card that says the same.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Card {
    /// The cluster to be in.
    pub cluster: Option<String>,
    /// What boards prove themselves with.
    pub join_key: Option<Secret>,
    /// How many boards found the cluster together.
    pub boards: Option<usize>,
    /// A pattern for the host name: [`crate::host_name`] fills it in.
    pub hostname: Option<String>,
    /// Who may log in, in the form of `authorized_keys`.
    pub ssh_keys: Option<Vec<String>>,
    /// A name of the IANA database.
    pub timezone: Option<String>,
    /// The Engine API's socket.
    pub api: Option<PathBuf>,
    /// An address with a port, or `off`.
    pub api_tls: Option<String>,
    /// Where other boards reach this one.
    pub listen: Option<SocketAddr>,
    /// An interface or an address.
    pub advertise: Option<String>,
    /// What must last.
    pub state_dir: Option<PathBuf>,
    /// What goes with a reboot.
    pub run_dir: Option<PathBuf>,
    /// A containerd that may be running already.
    pub containerd: Option<PathBuf>,
    /// Asked first for images with plain names.
    pub registry_mirror: Option<String>,
    /// Registries that may be spoken to in plain HTTP.
    pub insecure_registries: Option<Vec<String>>,
    /// `kind=name` or `kind=number`.
    pub generic_resources: Option<Vec<String>>,
    /// Filter of the log.
    pub log: Option<String>,
    /// Whether the board's LED shows where it stands.
    pub led: Option<bool>,
    /// Whether the daemon feeds the hardware watchdog.
    pub watchdog: Option<bool>,
    /// Where the kernel's files about the board are.
    pub board_root: Option<PathBuf>,
    /// `engine.labels.*` of this board.
    pub labels: Option<BTreeMap<String, String>>,
    /// The wireless network to be in.
    pub wifi: Option<Wifi>,
    /// How the board is reached, if not as DHCP says.
    pub network: Option<Network>,
}

/// A wireless network.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Wifi {
    /// Its name, 1 to 32 bytes.
    pub ssid: String,
    /// Absent: open, or known from before. Empty: open.
    pub passphrase: Option<Secret>,
    /// ISO 3166.
    pub country: Option<String>,
    /// It does not tell its name.
    pub hidden: Option<bool>,
}

/// A static address, or what DHCP does not tell.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Network {
    /// DHCP if absent.
    pub address: Option<Subnet>,
    /// The way out; inside of the subnet of `address`.
    pub gateway: Option<IpAddr>,
    /// Name servers.
    pub dns: Option<Vec<IpAddr>>,
    /// The interface that this is for.
    pub interface: Option<String>,
}

/// An address with the length of its subnet's prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subnet {
    /// The address.
    pub address: IpAddr,
    /// In bits.
    pub prefix: u8,
}

impl Subnet {
    /// Whether another address is in this subnet.
    pub fn holds(&self, other: IpAddr) -> bool {
        let same = |mine: u128, theirs: u128, bits: u8| {
            let rest = u32::from(bits.saturating_sub(self.prefix));
            mine.checked_shr(rest) == theirs.checked_shr(rest)
        };
        match (self.address, other) {
            (IpAddr::V4(mine), IpAddr::V4(theirs)) => {
                same(mine.to_bits().into(), theirs.to_bits().into(), 32)
            }
            (IpAddr::V6(mine), IpAddr::V6(theirs)) => same(mine.to_bits(), theirs.to_bits(), 128),
            _ => false,
        }
    }
}

impl FromStr for Subnet {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (address, prefix) = text.split_once('/').ok_or(())?;
        let address: IpAddr = address.parse().map_err(|_| ())?;
        let prefix: u8 = prefix.parse().map_err(|_| ())?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let usable = !address.is_unspecified() && !address.is_loopback() && !address.is_multicast();
        if prefix == 0 || prefix > most || !usable {
            return Err(());
        }
        Ok(Self { address, prefix })
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl Serialize for Subnet {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl Card {
    /// This card with all that `over` says instead; labels are gathered, tables replaced.
    #[must_use]
    pub fn overlaid(self, over: Self) -> Self {
        let labels = match (self.labels, over.labels) {
            (Some(mut labels), Some(over)) => {
                labels.extend(over);
                Some(labels)
            }
            (labels, over) => over.or(labels),
        };
        Self {
            cluster: over.cluster.or(self.cluster),
            join_key: over.join_key.or(self.join_key),
            boards: over.boards.or(self.boards),
            hostname: over.hostname.or(self.hostname),
            ssh_keys: over.ssh_keys.or(self.ssh_keys),
            timezone: over.timezone.or(self.timezone),
            api: over.api.or(self.api),
            api_tls: over.api_tls.or(self.api_tls),
            listen: over.listen.or(self.listen),
            advertise: over.advertise.or(self.advertise),
            state_dir: over.state_dir.or(self.state_dir),
            run_dir: over.run_dir.or(self.run_dir),
            containerd: over.containerd.or(self.containerd),
            registry_mirror: over.registry_mirror.or(self.registry_mirror),
            insecure_registries: over.insecure_registries.or(self.insecure_registries),
            generic_resources: over.generic_resources.or(self.generic_resources),
            log: over.log.or(self.log),
            led: over.led.or(self.led),
            watchdog: over.watchdog.or(self.watchdog),
            board_root: over.board_root.or(self.board_root),
            labels,
            wifi: over.wifi.or(self.wifi),
            network: over.network.or(self.network),
        }
    }

    /// As the text of a card that says the same.
    pub fn text(&self) -> String {
        // Texts, numbers and tables of them: nothing here that TOML has no form for.
        toml::to_string(self).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subnet_holds_its_own() {
        let subnet: Subnet = "192.168.1.10/24".parse().unwrap();
        assert!(subnet.holds("192.168.1.1".parse().unwrap()));
        assert!(!subnet.holds("192.168.2.1".parse().unwrap()));
        assert!(!subnet.holds("fe80::1".parse().unwrap()));
        let host: Subnet = "2001:db8::1/128".parse().unwrap();
        assert!(!host.holds("2001:db8::2".parse().unwrap()));
        for wrong in [
            "192.168.1.10",
            "192.168.1.10/33",
            "1.2.3.4/0",
            "0.0.0.0/8",
            "x/24",
            "127.0.0.1/8",
        ] {
            assert!(wrong.parse::<Subnet>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn secrets_do_not_print() {
        let card = Card {
            join_key: Some(Secret::new("hunter22")),
            ..Card::default()
        };
        assert!(!format!("{card:?}").contains("hunter"));
    }
}
