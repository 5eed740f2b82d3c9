//! What a card says, and what is said of its mistakes.

use super::*;
use crate::Secret;
use proptest::prelude::*;

fn told(text: &str) -> String {
    let all: Vec<String> = read(text).problems.iter().map(ToString::to_string).collect();
    all.join("\n")
}

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO2mK9vqUcqwS4p4g3sP0m0Zk2pLJ0yq0yAk1m0f1nQz me";

/// Every key, each right.
fn full_card() -> String {
    format!(
        "cluster = \"home\"\njoin-key = \"0123456789\"\nboards = 3\nhostname = \"k-{{serial}}\"\nssh-keys = [\"{KEY}\"]\n\
         timezone = \"Europe/Berlin\"\napi = \"/run/docker.sock\"\napi-tls = \"off\"\nlisten = \"0.0.0.0:2377\"\n\
         advertise = \"eth0\"\nstate-dir = \"/s\"\nrun-dir = \"/r\"\ncontainerd = \"/c\"\nregistry-mirror = \"http://m\"\n\
         insecure-registries = [\"10.0.0.0/8\"]\ngeneric-resources = [\"gpu=a\"]\nlog = \"info\"\nled = true\nwatchdog = false\nboard-root = \"/\"\n\n[labels]\nssd = \"true\"\n\n\
         [wifi]\nssid = \"net\"\npassphrase = \"12345678\"\ncountry = \"DE\"\nhidden = true\n\n[network]\n\
         address = \"192.168.1.10/24\"\ngateway = \"192.168.1.1\"\ndns = [\"192.168.1.1\"]\ninterface = \"eth0\"\n"
    )
}

#[test]
fn a_full_card_is_read_and_written_again() {
    let reading = read(&full_card());
    assert_eq!(reading.problems, []);
    assert!(reading.whole && !reading.wifi_spoiled);
    assert_eq!(reading.card.join_key, Some(Secret::new("0123456789")));
    // Every key of the table is there.
    assert_eq!(reading.card.text(), full_card());
    assert_eq!(full_card().matches(" = ").count(), KEYS.len() + 1);
}

#[test]
fn mistakes_are_named() {
    for (text, says) in [
        (
            "clutser = 'home'",
            "line 1: unknown key clutser (did you mean cluster?)",
        ),
        (
            "\n\nboards = 0",
            "line 3: boards = 0: must be a whole number from 1 to 1000",
        ),
        (
            "boards = 'three'",
            "line 1: boards = 'three': must be a whole number",
        ),
        ("join_key = '12345678'", "did you mean join-key?"),
        (
            "join-key = 'short'",
            "line 1: join-key: must be 8 to 256 characters",
        ),
        ("cluster = 'a b'", "letters"),
        ("listen = 'everywhere'", "listen"),
        ("api-tls = 'on'", "or \"off\""),
        ("ssid = 'home'", "ssid belongs below [wifi]"),
        ("[labels]\nhidden.x = 'a'", "a name with dots needs quotes"),
        (
            "[labels]\nssd = true",
            "line 2: labels.ssd = true: must be a text in quotes",
        ),
        (
            "[wifi]\nssid = 'a'\nboards = 3",
            "boards belongs above all [tables]",
        ),
        ("[wifi]\ncountry = 'DE'", "wifi.ssid is missing"),
        (
            "[wifi]\nssid = 'a'\npassphrase = 'short'",
            "line 3: wifi.passphrase: must be 8 to 63",
        ),
        ("[wlan]\nssid = 'a'", "unknown key wlan"),
        (
            "[network]\naddress = '192.168.1.10'",
            "such as \"192.168.1.10/24\"",
        ),
        (
            "[network]\ngateway = '192.168.1.1'",
            "line 2: network.gateway: only with an address",
        ),
        (
            "[network]\naddress = '10.0.0.2/24'\ngateway = '10.0.1.1'",
            "not in the network of 10.0.0.2/24",
        ),
        ("wifi = 'home'", "its keys stand below [wifi]"),
        ("cluster = \"home", "line 1, column"),
        ("cluster = “home”", "quotes must be straight"),
        ("a\nboards = 3\nboards = 4", "line 3, column 1: duplicate key"),
    ] {
        let told = told(text);
        assert!(told.contains(says), "{text}: {told}");
    }
    assert!(!told("[wifi]\npassphrase = 'hunter2'\njoin-key = 'hunter'").contains("hunter"));
}

#[test]
fn what_is_right_counts() {
    let reading = read(
        "cluster = \"home\"\njoin-key = \"12345678\nboards = 3\n[network\naddress = 'x'\n[labels]\nssd = 'true'",
    );
    assert_eq!(
        (reading.card.cluster.as_deref(), reading.card.boards),
        (Some("home"), Some(3))
    );
    assert_eq!(reading.card.labels.unwrap()["ssd"], "true");
    assert_eq!(reading.problems.len(), 2, "{:?}", reading.problems);
    assert!(reading.whole);
    let reading = read(&format!("ssh-keys = ['rubbish', '{KEY}']"));
    assert_eq!(reading.card.ssh_keys.unwrap(), [KEY]);
    assert_eq!(reading.problems.len(), 1);
    assert_eq!(read("\u{feff}boards = 3\r\nlog = 'info'\r\n").problems, []);
}

#[test]
fn what_is_no_card_does_not_count() {
    let reading = read(&"nothing but words\n".repeat(40));
    assert!(!reading.whole);
    assert_eq!((reading.card, reading.problems.len()), (Card::default(), 2));
    assert!(!read_bytes(&[0; 300]).whole || read_bytes(&[0; 300]).card == Card::default());
    assert!(!read_bytes(&vec![b'#'; LONGEST + 1]).whole);
}

#[test]
fn a_mistake_does_not_open_a_network() {
    for text in [
        "[wifi]\nssid = 'home'\npassphrase = 'short'",
        "[wifi]\nssid = 'home'\npassphrase = \"unclosed",
        "[wifi]\nssid = 'home'\npass = 'longenough'",
        "[wifi\nssid = 'home'\npassphrase = 'longenough'",
        "[wifi]\nssid = home\npassphrase = 'longenough'",
        "[network]\n[wifi]\npassphrase = 'longenough'",
    ] {
        let reading = read(text);
        assert!(
            reading.wifi_spoiled && reading.card.wifi.is_none(),
            "{text}: {reading:?}"
        );
    }
    let open = read("[wifi]\nssid = 'cafe'");
    assert!(!open.wifi_spoiled && open.card.wifi.is_some());
    let junk = read("[wifi]\nssid = 'home'\npassphrase = 'longenough'\nfoo = 1");
    assert!(!junk.wifi_spoiled && junk.card.wifi.is_some());
}

proptest! {
    #[test]
    fn any_text_is_read(text in "\\PC{0,200}|([a-z-]{1,8} ?=? ?[\\[\\]{}'\"a-z0-9.,]{0,12}\n){0,20}") {
        let reading = read(&text);
        for problem in reading.problems {
            prop_assert!(problem.line <= text.lines().count().max(1));
        }
    }

    #[test]
    fn any_bytes_are_read(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        read_bytes(&bytes);
    }

    /// Lines of a full card, with junk between them: what is left of it counts.
    #[test]
    fn junk_does_not_hurt_its_neighbours(
        chosen in proptest::collection::vec(any::<bool>(), 17),
        junk in proptest::collection::vec("[a-z]{3,9}|zz[a-z]{2,5} = [0-9]{1,3}|= 'x'|\\?!|zzz = \"open", 17),
    ) {
        let full = full_card();
        let lines: Vec<&str> = full.lines().take(17).collect();
        let mut kept = String::new();
        let mut mixed = String::new();
        let mut broken = 0;
        for ((line, chosen), junk) in lines.iter().zip(&chosen).zip(&junk) {
            if *chosen {
                kept.push_str(line);
                kept.push('\n');
                mixed.push_str(line);
            } else if broken < 12 {
                broken += 1;
                mixed.push_str(junk);
            }
            mixed.push('\n');
        }
        let (right, reading) = (read(&kept), read(&mixed));
        prop_assert!(reading.whole);
        prop_assert_eq!(reading.card, right.card);
        prop_assert!(reading.problems.len() <= broken);
        prop_assert_eq!(reading.problems.is_empty(), broken == 0);
    }
}
