//! What values are allowed.

use crate::name::SERIAL;
use base64::prelude::{BASE64_STANDARD, Engine as _};
use std::net::SocketAddr;

/// The kinds of keys that OpenSSH takes.
const SSH_KINDS: [&str; 7] = [
    "ssh-ed25519",
    "ssh-rsa",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
];

/// It goes into mDNS texts and certificates' neighbourhood: keep it plain.
pub(crate) fn is_cluster(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (1..=63).contains(&text.len()) && text.chars().all(plain)
}

pub(crate) fn is_join_key(text: &str) -> bool {
    (8..=256).contains(&text.chars().count()) && !text.contains(char::is_control)
}

/// A DNS label, once the serial number is in it.
pub(crate) fn is_hostname(text: &str) -> bool {
    let name = text.replace(SERIAL, "000000");
    (1..=63).contains(&name.len())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
        && !name.starts_with('-')
        && !name.ends_with('-')
}

/// `KIND BASE64 [comment]`: options before it are not taken, and the kind must be the one that the key itself names.
pub(crate) fn is_ssh_key(text: &str) -> bool {
    let mut words = text.split_whitespace();
    let (Some(kind), Some(body)) = (words.next(), words.next()) else {
        return false;
    };
    let Ok(bytes) = BASE64_STANDARD.decode(body) else {
        return false;
    };
    // The key begins with its kind, after the length of that.
    let inside = bytes.get(4..4 + kind.len());
    let length = u32::try_from(kind.len()).unwrap_or_default().to_be_bytes();
    SSH_KINDS.contains(&kind)
        && text.len() <= 8192
        && !text.contains(char::is_control)
        && bytes.starts_with(&length)
        && inside == Some(kind.as_bytes())
        && bytes.len() > 4 + kind.len()
}

/// It becomes a path below the zones' folder.
pub(crate) fn is_timezone(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty()
            && part
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "_+-".contains(c))
    };
    text.len() <= 64 && text.split('/').all(part)
}

pub(crate) fn is_tls(text: &str) -> bool {
    text == "off" || text.parse::<SocketAddr>().is_ok()
}

/// As the kernel takes them, and harmless in a file of settings.
pub(crate) fn is_interface(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:@".contains(c);
    (1..=15).contains(&text.len()) && text.chars().all(plain) && !text.starts_with('.')
}

pub(crate) fn is_resource(text: &str) -> bool {
    matches!(text.split_once('='), Some((kind, value)) if !kind.is_empty() && !value.is_empty())
}

/// WPA takes 8 to 63 printable ASCII characters, or the key itself in hex. Nothing: an open network.
pub(crate) fn is_passphrase(text: &str) -> bool {
    let printable = text.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    let fits =
        (8..=63).contains(&text.len()) || text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit());
    text.is_empty() || (printable && fits)
}

pub(crate) fn is_country(text: &str) -> bool {
    text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ssh_keys_are_whole_and_of_their_kind() {
        let key = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIO2mK9vqUcqwS4p4g3sP0m0Zk2pLJ0yq0yAk1m0f1nQz me@home";
        assert!(is_ssh_key(key));
        assert!(!is_ssh_key(&key.replace("ssh-ed25519 ", "ssh-rsa ")));
        assert!(!is_ssh_key(&key.replace("AAAAC3", "AAAAC")));
        assert!(!is_ssh_key("command=\"rm\" ssh-ed25519 AAAA"));
        assert!(!is_ssh_key(&key.replace(" me", "\nssh-rsa")));
        assert!(!is_ssh_key("ssh-ed25519"));
    }

    #[test]
    fn names_that_become_paths_or_settings_stay_harmless() {
        assert!(is_timezone("Europe/Berlin") && is_timezone("Etc/GMT+1"));
        assert!(!is_timezone("../../etc/shadow") && !is_timezone("/etc") && !is_timezone(""));
        assert!(is_interface("eth0") && is_interface("enx001122334455"));
        assert!(!is_interface("eth0\nDHCP=no") && !is_interface("a*"));
        assert!(
            is_hostname("kitchen-{serial}")
                && !is_hostname("-a")
                && !is_hostname("a{mac}")
                && !is_hostname("a.b")
        );
    }

    #[test]
    fn a_passphrase_is_what_wpa_takes() {
        assert!(is_passphrase("") && is_passphrase("12345678") && is_passphrase(&"a".repeat(64)));
        assert!(!is_passphrase("1234567") && !is_passphrase(&"g".repeat(64)) && !is_passphrase("pässword1"));
    }
}
