//! What is shown to a registry: the `X-Registry-Auth` of the docker command, JSON in base 64.

use base64::Engine as _;
use base64::alphabet::URL_SAFE;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use serde::Deserialize;

/// Longest header that is read, in bytes.
const LONGEST: usize = 64 << 10;
/// The docker command pads, other clients do not.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// What is shown to a registry. Does not print.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Credentials {
    /// Name and password.
    pub(super) basic: Option<(String, String)>,
    /// Stands for them: given by a registry's token server at login.
    pub(super) identity: Option<String>,
    /// A token for the registry itself.
    pub(super) registry: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str("(hidden)")
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Sent {
    username: String,
    password: String,
    auth: String,
    identitytoken: String,
    registrytoken: String,
}

impl Credentials {
    /// Reads what the docker command sends; none if it says nothing.
    ///
    /// # Errors
    /// In Docker's words, if it can't be read.
    pub fn read(header: &str) -> Result<Option<Self>, String> {
        let invalid = |why: &dyn std::fmt::Display| format!("invalid X-Registry-Auth header: {why}");
        if header.len() > LONGEST {
            return Err(invalid(&"it is too long"));
        }
        if header.trim().is_empty() {
            return Ok(None);
        }
        let bytes = LENIENT
            .decode(header.trim())
            .map_err(|_| invalid(&"it is not base 64"))?;
        let sent: Sent =
            serde_json::from_slice(&bytes).map_err(|_| invalid(&"it is not the JSON that is meant"))?;
        let some = |text: String| Some(text).filter(|text| !text.is_empty());
        let pair = match (sent.username.as_str(), sent.auth.as_str()) {
            ("", "") => None,
            // The two in one, as in the docker command's own file.
            ("", both) => {
                let both = base64::prelude::BASE64_STANDARD.decode(both).unwrap_or_default();
                let both = String::from_utf8(both).unwrap_or_default();
                both.split_once(':')
                    .map(|(name, password)| (name.to_owned(), password.to_owned()))
            }
            (name, _) => Some((name.to_owned(), sent.password)),
        };
        let read = Self {
            basic: pair,
            identity: some(sent.identitytoken),
            registry: some(sent.registrytoken),
        };
        Ok(Some(read).filter(|read| *read != Self::default()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_docker_commands_forms_are_read() {
        let read = |json: &str| Credentials::read(&LENIENT.encode(json)).unwrap();
        let plain = read(r#"{"username":"a","password":"b","serveraddress":"x"}"#).unwrap();
        assert_eq!(plain.basic, Some(("a".to_owned(), "b".to_owned())));
        assert_eq!(read(r#"{"auth":"YTpi"}"#), Some(plain.clone()));
        assert_eq!(
            read(r#"{"identitytoken":"t"}"#).unwrap().identity.as_deref(),
            Some("t")
        );
        assert_eq!(read("{}"), None);
        assert_eq!(Credentials::read(""), Ok(None));
        assert!(Credentials::read("?").is_err());
        assert!(Credentials::read(&LENIENT.encode("[")).is_err());
        assert_eq!(format!("{plain:?}"), "(hidden)");
    }
}
