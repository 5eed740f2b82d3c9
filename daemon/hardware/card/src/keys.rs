//! The keys of a card: one row each, with what is allowed in words and in code.

use crate::kinds::{Card, Network, Secret, Wifi};
use crate::values::{
    is_cluster, is_country, is_hostname, is_interface, is_join_key, is_passphrase, is_resource, is_ssh_key,
    is_timezone, is_tls,
};
use std::path::PathBuf;

/// A key, and what becomes of its value.
pub(crate) struct Key {
    /// The table it is in; empty for none.
    pub table: &'static str,
    /// Its name there.
    pub name: &'static str,
    /// What is allowed, as the end of a sentence.
    pub allowed: &'static str,
    /// Puts a value in its place; false if it is not allowed.
    pub take: Take,
    /// Never to be shown.
    pub secret: bool,
}

/// What kind of value a key has.
pub(crate) enum Take {
    /// A text.
    Text(fn(&mut Card, &str) -> bool),
    /// A list of texts; each counts by itself.
    Texts(fn(&mut Card, &str) -> bool),
    /// A whole number.
    Number(fn(&mut Card, i64) -> bool),
    /// Yes or no.
    Flag(fn(&mut Card, bool)),
}

/// The tables, and one that takes any key.
pub(crate) const TABLES: [&str; 3] = ["wifi", "network", LABELS];
/// Its keys are the user's own.
pub(crate) const LABELS: &str = "labels";
/// What a label must be.
pub(crate) const LABEL: &str = "a text in quotes, such as ssd = \"true\"";

/// Every key but labels.
pub(crate) const KEYS: [Key; 28] = [
    text(
        "",
        "cluster",
        "a name of 1 to 63 letters, digits, '-', '_' and '.'",
        |card, text| put(&mut card.cluster, is_cluster(text), || text.into()),
    ),
    secret(
        "",
        "join-key",
        "8 to 256 characters in quotes, better 20 (boards prove themselves with it)",
        |card, text| put(&mut card.join_key, is_join_key(text), || Secret::new(text)),
    ),
    key(
        "",
        "boards",
        "a whole number from 1 to 1000 (a cluster has at least one board)",
        Take::Number(|card, number| {
            let boards = usize::try_from(number).unwrap_or_default();
            put(&mut card.boards, (1..=1000).contains(&boards), || boards)
        }),
    ),
    text(
        "",
        "hostname",
        "letters, digits and '-', at most 63, with {serial} for a part that each board has its own of",
        |card, text| put(&mut card.hostname, is_hostname(text), || text.into()),
    ),
    key(
        "",
        "ssh-keys",
        "a list of public keys as ssh-keygen makes them, such as [\"ssh-ed25519 AAAA… me\"]",
        Take::Texts(|card, text| add(&mut card.ssh_keys, is_ssh_key(text), || text.trim().into())),
    ),
    text(
        "",
        "timezone",
        "a name such as \"Europe/Berlin\"",
        |card, text| put(&mut card.timezone, is_timezone(text), || text.into()),
    ),
    text("", "api", "a path that begins with '/'", |card, text| {
        path(&mut card.api, text)
    }),
    text(
        "",
        "api-tls",
        "an address with a port such as \"0.0.0.0:2376\", or \"off\"",
        |card, text| put(&mut card.api_tls, is_tls(text), || text.into()),
    ),
    text(
        "",
        "listen",
        "an address with a port, such as \"0.0.0.0:2377\"",
        |card, text| match text.parse() {
            Ok(listen) => put(&mut card.listen, true, || listen),
            Err(_) => false,
        },
    ),
    text(
        "",
        "advertise",
        "an interface such as \"eth0\", or an address",
        |card, text| {
            put(
                &mut card.advertise,
                is_interface(text) || text.parse::<std::net::IpAddr>().is_ok(),
                || text.into(),
            )
        },
    ),
    text("", "state-dir", "a path that begins with '/'", |card, text| {
        path(&mut card.state_dir, text)
    }),
    text("", "run-dir", "a path that begins with '/'", |card, text| {
        path(&mut card.run_dir, text)
    }),
    text("", "containerd", "a path that begins with '/'", |card, text| {
        path(&mut card.containerd, text)
    }),
    text(
        "",
        "registry-mirror",
        "an address such as \"http://10.0.0.2:5000\"",
        |card, text| put(&mut card.registry_mirror, !text.is_empty(), || text.into()),
    ),
    key(
        "",
        "insecure-registries",
        "a list such as [\"10.0.0.0/24\", \"registry.lan:5000\"]",
        Take::Texts(|card, text| add(&mut card.insecure_registries, !text.is_empty(), || text.into())),
    ),
    key(
        "",
        "generic-resources",
        "a list of kind=name or kind=number, such as [\"gpu=UUID1\", \"bandwidth=3\"]",
        Take::Texts(|card, text| add(&mut card.generic_resources, is_resource(text), || text.into())),
    ),
    text(
        "",
        "log",
        "a filter such as \"info\" or \"debug,bramble_store=trace\"",
        |card, text| put(&mut card.log, !text.is_empty(), || text.into()),
    ),
    key(
        "",
        "led",
        "true or false",
        Take::Flag(|card, flag| card.led = Some(flag)),
    ),
    key(
        "",
        "watchdog",
        "true or false",
        Take::Flag(|card, flag| card.watchdog = Some(flag)),
    ),
    text("", "board-root", "a path that begins with '/'", |card, text| {
        path(&mut card.board_root, text)
    }),
    text(
        "wifi",
        "ssid",
        "a network's name of 1 to 32 bytes",
        |card, text| {
            let fits = (1..=32).contains(&text.len());
            if fits {
                wifi(card).ssid = text.into();
            }
            fits
        },
    ),
    secret(
        "wifi",
        "passphrase",
        "8 to 63 printable ASCII characters or 64 hex digits in quotes; \"\" for an open network",
        |card, text| {
            put(&mut wifi(card).passphrase, is_passphrase(text), || {
                Secret::new(text)
            })
        },
    ),
    text(
        "wifi",
        "country",
        "two capital letters, such as \"DE\"",
        |card, text| put(&mut wifi(card).country, is_country(text), || text.into()),
    ),
    key(
        "wifi",
        "hidden",
        "true or false",
        Take::Flag(|card, flag| wifi(card).hidden = Some(flag)),
    ),
    text(
        "network",
        "address",
        "an address with its prefix length, such as \"192.168.1.10/24\"",
        |card, text| match text.parse() {
            Ok(address) => put(&mut network(card).address, true, || address),
            Err(()) => false,
        },
    ),
    text(
        "network",
        "gateway",
        "an address, such as \"192.168.1.1\"",
        |card, text| match text.parse() {
            Ok(gateway) => put(&mut network(card).gateway, true, || gateway),
            Err(_) => false,
        },
    ),
    key(
        "network",
        "dns",
        "a list of addresses, such as [\"192.168.1.1\"]",
        Take::Texts(|card, text| match text.parse() {
            Ok(server) => add(&mut network(card).dns, true, || server),
            Err(_) => false,
        }),
    ),
    text("network", "interface", "a name such as \"eth0\"", |card, text| {
        put(&mut network(card).interface, is_interface(text), || text.into())
    }),
];

const fn key(table: &'static str, name: &'static str, allowed: &'static str, take: Take) -> Key {
    Key {
        table,
        name,
        allowed,
        take,
        secret: false,
    }
}

const fn text(
    table: &'static str,
    name: &'static str,
    allowed: &'static str,
    take: fn(&mut Card, &str) -> bool,
) -> Key {
    key(table, name, allowed, Take::Text(take))
}

const fn secret(
    table: &'static str,
    name: &'static str,
    allowed: &'static str,
    take: fn(&mut Card, &str) -> bool,
) -> Key {
    Key {
        secret: true,
        ..text(table, name, allowed, take)
    }
}

fn put<T>(place: &mut Option<T>, allowed: bool, value: impl FnOnce() -> T) -> bool {
    if allowed {
        *place = Some(value());
    }
    allowed
}

fn add<T>(list: &mut Option<Vec<T>>, allowed: bool, value: impl FnOnce() -> T) -> bool {
    if allowed {
        list.get_or_insert_default().push(value());
    }
    allowed
}

fn path(place: &mut Option<PathBuf>, text: &str) -> bool {
    put(place, text.starts_with('/') && !text.contains('\0'), || {
        text.into()
    })
}

fn wifi(card: &mut Card) -> &mut Wifi {
    card.wifi.get_or_insert_default()
}

fn network(card: &mut Card) -> &mut Network {
    card.network.get_or_insert_default()
}
