//! Volumes: what outlives the containers of one board. They belong to boards; no manager knows more of them than their names.

use crate::{Labels, Timestamp};
use serde::{Deserialize, Serialize};

/// Docker's mark of a volume that nobody gave a name.
pub const ANONYMOUS: &str = "com.docker.volume.anonymous";

/// A volume, as the API shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Volume {
    /// When it was made.
    pub created_at: Timestamp,
    /// Always `local`.
    pub driver: String,
    /// What the user wrote beside it.
    pub labels: Option<Labels>,
    /// Where its files are on the board.
    pub mountpoint: String,
    /// Its name, unique on its board.
    pub name: String,
    /// Options of the driver: `type`, `o` and `device`.
    pub options: Option<Labels>,
    /// Always `local`.
    pub scope: String,
    /// Only in `docker system df`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usage_data: Option<VolumeUsage>,
}

impl Volume {
    /// True of one that nobody gave a name.
    pub fn is_anonymous(&self) -> bool {
        let labels = self.labels.as_ref();
        labels.is_some_and(|labels| labels.contains_key(ANONYMOUS))
    }
}

/// What a volume takes and who has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct VolumeUsage {
    /// Its files, in bytes.
    pub size: i64,
    /// Containers that use it.
    pub ref_count: i64,
}

/// Whether this can be a volume's name (Docker's rule).
///
/// # Errors
/// Docker's words.
pub fn check_volume_name(name: &str) -> Result<(), String> {
    if name.len() < 2 {
        return Err(
            "volume name is too short, names should be at least two alphanumeric characters".to_owned(),
        );
    }
    let inner = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(inner) || name.len() > 255
    {
        return Err(format!(
            "{name:?} includes invalid characters for a local volume name, only \"[a-zA-Z0-9][a-zA-Z0-9_.-]\" are allowed. \
             If you intended to pass a host directory, use absolute path"
        ));
    }
    Ok(())
}

/// Whether the local driver can do with these options (Docker's rules).
///
/// # Errors
/// Docker's words.
pub fn check_volume_options(options: &Labels) -> Result<(), String> {
    const KNOWN: [&str; 4] = ["type", "o", "device", "size"];
    if let Some(other) = options.keys().find(|name| !KNOWN.contains(&name.as_str())) {
        return Err(format!("invalid option: {other:?}"));
    }
    if options.contains_key("size") {
        return Err("quota size requested but no quota support".to_owned());
    }
    for (option, needs) in [
        ("device", "type"),
        ("type", "device"),
        ("o", "device"),
        ("o", "type"),
    ] {
        if options.contains_key(option) && !options.contains_key(needs) {
            return Err(format!("missing required option: {needs:?}"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_as_dockers() {
        for good in ["ab", "a.b-c_d", "0x"] {
            assert_eq!(check_volume_name(good), Ok(()));
        }
        for bad in ["", "a", "_ab", ".ab", "a/b", "../x", "a b", "aé"] {
            assert!(check_volume_name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn options_come_together() {
        let check = |options: &[(&str, &str)]| {
            let owned = options
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
            check_volume_options(&owned.collect())
        };
        assert_eq!(check(&[]), Ok(()));
        assert_eq!(
            check(&[("type", "tmpfs"), ("device", "tmpfs"), ("o", "size=1m")]),
            Ok(())
        );
        assert_eq!(
            check(&[("type", "tmpfs")]).unwrap_err(),
            "missing required option: \"device\""
        );
        assert_eq!(check(&[("typ", "tmpfs")]).unwrap_err(), "invalid option: \"typ\"");
        assert!(check(&[("size", "1g")]).is_err());
    }
}
