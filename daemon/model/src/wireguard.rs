//! Boards' keys for encrypted networks.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_with::{DeserializeFromStr, SerializeDisplay};
use std::fmt;
use std::str::FromStr;

/// A board's public key for WireGuard (Curve25519), in base 64 like `wg` shows it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, SerializeDisplay, DeserializeFromStr)]
pub struct WireguardKey(pub [u8; 32]);

/// The text is no key: 32 bytes in base 64.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no WireGuard key: 32 bytes in base 64")]
pub struct NoWireguardKey(pub String);

impl fmt::Display for WireguardKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&BASE64_STANDARD.encode(self.0))
    }
}

impl fmt::Debug for WireguardKey {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl FromStr for WireguardKey {
    type Err = NoWireguardKey;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64_STANDARD.decode(text).ok();
        let key = bytes.and_then(|bytes| bytes.try_into().ok());
        key.map(Self).ok_or_else(|| NoWireguardKey(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_they_are_written_and_nothing_else_is() {
        let key = WireguardKey(std::array::from_fn(|n| n as u8));
        let text = serde_json::to_string(&key).unwrap();
        assert_eq!(text, "\"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\"");
        assert_eq!(serde_json::from_str::<WireguardKey>(&text).unwrap(), key);
        for bad in ["", "AAEC", "no key at all", &text] {
            assert!(bad.parse::<WireguardKey>().is_err(), "{bad}");
        }
    }
}
