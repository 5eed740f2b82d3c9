//! The files that follow from a card: what `bramble setup` makes at each start.
//!
//! | | |
//! |---|---|
//! | `/run/systemd/network/10-bramble.network` | what `[network]` says, for the interface that it is for |
//! | `/run/systemd/network/20-bramble-wired.network`, `30-bramble-wireless.network` | DHCP for all others |
//! | `/data/setup/wifi/wpa_supplicant.conf` (0600) | the wireless network; absent without one, and then no `wpa_supplicant` runs |
//! | `/run/bramble/authorized_keys` | who may log in; absent without a key, and then no `sshd` runs |
//! | `/run/bramble/localtime` | link to the time zone |
//! | `/run/bramble/problems` | mistakes, a line each; absent if there are none |

use crate::kinds::{Card, Network, Wifi};

/// Where networkd looks for what was made at this start.
pub const NETWORKS: &str = "/run/systemd/network";
/// What `wpa_supplicant` is started with.
pub const WIFI: &str = "/data/setup/wifi/wpa_supplicant.conf";
/// What `sshd` lets in.
pub const AUTHORIZED_KEYS: &str = "/run/bramble/authorized_keys";
/// What the image's `/etc/localtime` points to.
pub const LOCALTIME: &str = "/run/bramble/localtime";
/// Where the system has its time zones.
pub const ZONES: &str = "/usr/share/zoneinfo";

/// What a board is, as far as files depend on it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Facts {
    /// Whether it has a wired interface.
    pub wired: bool,
}

/// A file as it is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// With this content.
    File {
        /// Absolute.
        path: String,
        /// Permission bits.
        mode: u32,
        /// All of it.
        content: String,
    },
    /// A symbolic link.
    Link {
        /// Absolute.
        path: String,
        /// Absolute.
        to: String,
    },
    /// Not there.
    Absent(String),
}

/// All files that follow from a card.
pub fn files(card: &Card, facts: &Facts) -> Vec<Wanted> {
    let mut all = networks(card.network.as_ref(), card.wifi.is_some(), facts);
    all.push(match &card.wifi {
        Some(wifi) => file(WIFI, 0o600, supplicant(wifi)),
        None => Wanted::Absent(WIFI.to_owned()),
    });
    all.push(match card.ssh_keys.as_deref() {
        Some(keys) if !keys.is_empty() => file(AUTHORIZED_KEYS, 0o600, keys.join("\n") + "\n"),
        _ => Wanted::Absent(AUTHORIZED_KEYS.to_owned()),
    });
    let zone = card.timezone.as_deref().unwrap_or("Etc/UTC");
    all.push(Wanted::Link {
        path: LOCALTIME.to_owned(),
        to: format!("{ZONES}/{zone}"),
    });
    all
}

fn file(path: impl Into<String>, mode: u32, content: String) -> Wanted {
    Wanted::File {
        path: path.into(),
        mode,
        content,
    }
}

/// A real wired interface: `Kind=!*` leaves out the ends of tasks' cables, bridges and overlays.
const WIRED: &str = "Type=ether\nKind=!*";
const WIRELESS: &str = "Type=wlan";

fn networks(network: Option<&Network>, wifi: bool, facts: &Facts) -> Vec<Wanted> {
    let path = |name: &str| format!("{NETWORKS}/{name}.network");
    let usual = Network::default();
    let own = path("10-bramble");
    let wireless_only = !facts.wired && wifi;
    vec![
        match network {
            Some(network) => {
                let (matched, metric) = match &network.interface {
                    // Wired comes first where nothing is said.
                    Some(name) => (format!("Name={name}"), 100),
                    None if wireless_only => (WIRELESS.to_owned(), 600),
                    None => (WIRED.to_owned(), 100),
                };
                file(own, 0o644, networkd(&matched, network, metric))
            }
            None => Wanted::Absent(own),
        },
        file(path("20-bramble-wired"), 0o644, networkd(WIRED, &usual, 100)),
        file(
            path("30-bramble-wireless"),
            0o644,
            networkd(WIRELESS, &usual, 600),
        ),
    ]
}

/// Settings of systemd-networkd (systemd.network(5)). A link-local IPv4 address comes when no DHCP server answers, so that
/// boards on a bare switch find each other. The DHCP client names itself by its network card: cards that were copied have
/// one machine id, and would else be given one address.
fn networkd(matched: &str, network: &Network, metric: u32) -> String {
    let mut text = format!("[Match]\n{matched}\n\n[Link]\nRequiredForOnline=no\n\n[Network]\n");
    let mut line = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    match network.address {
        // The other family goes on as usual.
        Some(address) if address.address.is_ipv4() => {
            line(format!("Address={address}\nDHCP=ipv6\nLinkLocalAddressing=ipv6"));
        }
        Some(address) => line(format!("Address={address}\nDHCP=ipv4\nLinkLocalAddressing=yes")),
        None => line("DHCP=yes\nLinkLocalAddressing=yes".to_owned()),
    }
    line("IPv6AcceptRA=yes\nMulticastDNS=no".to_owned());
    if let Some(gateway) = network.gateway {
        line(format!("Gateway={gateway}"));
    }
    for server in network.dns.iter().flatten() {
        line(format!("DNS={server}"));
    }
    line(format!(
        "\n[DHCPv4]\nClientIdentifier=mac\nRouteMetric={metric}\nUseDomains=yes"
    ));
    line(format!(
        "\n[DHCPv6]\nDUIDType=link-layer\n\n[IPv6AcceptRA]\nRouteMetric={metric}"
    ));
    text
}

/// Settings of `wpa_supplicant` for WPA2 and WPA3 personal, or an open network.
fn supplicant(wifi: &Wifi) -> String {
    let mut text = "ctrl_interface=/run/wpa_supplicant\nupdate_config=0\np2p_disabled=1\n".to_owned();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    if let Some(country) = &wifi.country {
        line(&format!("country={country}"));
    }
    line("network={");
    // In hex, as a name may hold anything.
    let ssid: String = wifi.ssid.bytes().map(|byte| format!("{byte:02x}")).collect();
    line(&format!("\tssid={ssid}"));
    if wifi.hidden == Some(true) {
        line("\tscan_ssid=1");
    }
    match wifi.passphrase.as_ref().map(|passphrase| passphrase.reveal()) {
        None | Some("") => line("\tkey_mgmt=NONE"),
        // The key itself: WPA3 needs the passphrase.
        Some(key) if key.len() == 64 => {
            line("\tkey_mgmt=WPA-PSK WPA-PSK-SHA256");
            line(&format!("\tpsk={key}"));
        }
        // It goes up to the last quote of the line: quotes in it need nothing.
        Some(passphrase) => {
            line("\tkey_mgmt=WPA-PSK WPA-PSK-SHA256 SAE");
            line("\tieee80211w=1");
            line(&format!("\tpsk=\"{passphrase}\""));
        }
    }
    line("}");
    text
}

/// The card that counts: what the card says, with what was kept of the last good one where the card can't or need not say it.
///
/// - A card that is none at all: what was kept.
/// - A `[wifi]` that a mistake has hit: the network that was kept.
/// - A network without a passphrase whose name is the kept one's: the passphrase was taken off the card, and still counts.
#[must_use]
pub fn effective(reading: crate::Reading, kept: Option<Card>) -> Card {
    let Some(kept) = kept else { return reading.card };
    if !reading.whole {
        return kept;
    }
    let mut card = reading.card;
    if reading.wifi_spoiled {
        card.wifi = kept.wifi;
    } else if let (Some(wifi), Some(kept)) = (&mut card.wifi, kept.wifi)
        && wifi.passphrase.is_none()
        && wifi.ssid == kept.ssid
    {
        wifi.passphrase = kept.passphrase;
    }
    card
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::read;

    fn content<'a>(all: &'a [Wanted], name: &str) -> Option<&'a str> {
        all.iter().find_map(|wanted| match wanted {
            Wanted::File { path, content, .. } if path.ends_with(name) => Some(content.as_str()),
            _ => None,
        })
    }

    fn made(card: &str, wired: bool) -> Vec<Wanted> {
        let reading = read(card);
        assert_eq!(reading.problems, [], "{card}");
        files(&reading.card, &Facts { wired })
    }

    #[test]
    fn a_static_address() {
        let card = "[network]\naddress = '192.168.1.10/24'\ngateway = '192.168.1.1'\ndns = ['9.9.9.9', '2620:fe::fe']";
        let all = made(card, true);
        assert_eq!(
            content(&all, "10-bramble.network").unwrap(),
            "[Match]\nType=ether\nKind=!*\n\n[Link]\nRequiredForOnline=no\n\n[Network]\nAddress=192.168.1.10/24\nDHCP=ipv6\n\
             LinkLocalAddressing=ipv6\nIPv6AcceptRA=yes\nMulticastDNS=no\nGateway=192.168.1.1\nDNS=9.9.9.9\nDNS=2620:fe::fe\n\n\
             [DHCPv4]\nClientIdentifier=mac\nRouteMetric=100\nUseDomains=yes\n\n[DHCPv6]\nDUIDType=link-layer\n\n\
             [IPv6AcceptRA]\nRouteMetric=100\n"
        );
        assert!(
            content(&all, "30-bramble-wireless.network")
                .unwrap()
                .contains("Type=wlan\n")
        );
    }

    #[test]
    fn which_interface_an_address_is_for() {
        let wifi = "[wifi]\nssid = 'a'\n[network]\naddress = '10.0.0.2/8'";
        let head = |card: &str, wired| {
            let all = made(card, wired);
            let text = content(&all, "10-bramble.network").unwrap();
            text.lines().nth(1).unwrap().to_owned()
        };
        assert_eq!(head(wifi, true), "Type=ether");
        assert_eq!(head(wifi, false), "Type=wlan");
        assert_eq!(head("[network]\naddress = '10.0.0.2/8'", false), "Type=ether");
        assert_eq!(
            head("[network]\naddress = '10.0.0.2/8'\ninterface = 'eth1'", false),
            "Name=eth1"
        );
        assert!(made("", true).contains(&Wanted::Absent("/run/systemd/network/10-bramble.network".into())));
    }

    #[test]
    fn wireless_networks() {
        let text = |card: &str| {
            let all = made(card, true);
            content(&all, "wpa_supplicant.conf").unwrap().to_owned()
        };
        assert_eq!(
            text(
                "[wifi]\nssid = 'my \"net'\npassphrase = 'say \"friend\" and enter'\ncountry = 'DE'\nhidden = true"
            ),
            "ctrl_interface=/run/wpa_supplicant\nupdate_config=0\np2p_disabled=1\ncountry=DE\nnetwork={\n\tssid=6d7920226e6574\n\
             \tscan_ssid=1\n\tkey_mgmt=WPA-PSK WPA-PSK-SHA256 SAE\n\tieee80211w=1\n\tpsk=\"say \"friend\" and enter\"\n}\n"
        );
        assert!(text("[wifi]\nssid = 'a'").contains("key_mgmt=NONE"));
        let key = "0f".repeat(32);
        assert!(
            text(&format!("[wifi]\nssid = 'a'\npassphrase = '{key}'")).contains(&format!("\tpsk={key}\n"))
        );
        assert!(made("", true).contains(&Wanted::Absent(WIFI.to_owned())));
        let secret = made("[wifi]\nssid = 'a'\npassphrase = '12345678'", true);
        assert!(
            secret
                .iter()
                .any(|wanted| matches!(wanted, Wanted::File { path, mode: 0o600, .. } if path == WIFI))
        );
    }

    #[test]
    fn nobody_logs_in_unless_the_card_names_them() {
        assert!(made("", true).contains(&Wanted::Absent(AUTHORIZED_KEYS.to_owned())));
        assert!(made("ssh-keys = []", true).contains(&Wanted::Absent(AUTHORIZED_KEYS.to_owned())));
    }

    #[test]
    fn what_was_kept_counts_where_the_card_does_not_say_it() {
        let kept = || Some(read("hostname = 'old'\n[wifi]\nssid = 'home'\npassphrase = 'hunter22'").card);
        let wifi = |card: &str| effective(read(card), kept()).wifi;
        let passphrase = |card: &str| wifi(card)?.passphrase.map(|text| text.reveal().to_owned());
        assert_eq!(passphrase("[wifi]\nssid = 'home'").as_deref(), Some("hunter22"));
        assert_eq!(
            passphrase("[wifi]\nssid = 'home'\npassphrase = 'newer one'").as_deref(),
            Some("newer one")
        );
        assert_eq!(
            passphrase("[wifi]\nssid = 'home'\npassphrase = ''").as_deref(),
            Some("")
        );
        assert_eq!(passphrase("[wifi]\nssid = 'other'"), None);
        assert_eq!(
            passphrase("[wifi]\nssid = 'new'\npassphrase = 'short'").as_deref(),
            Some("hunter22")
        );
        assert_eq!(wifi("boards = 3"), None);
        assert_eq!(
            effective(read(&"x\n".repeat(99)), kept()).hostname.as_deref(),
            Some("old")
        );
        assert_eq!(effective(read("boards = 3"), None).boards, Some(3));
    }
}
