//! Configs: files that tasks may read, not secret.

use crate::{ConfigId, Labels, Meta};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// A config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Config {
    /// Its identifier.
    #[serde(rename = "ID")]
    pub id: ConfigId,
    /// Version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// What the user sent.
    pub spec: ConfigSpec,
}

/// What the user sent.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ConfigSpec {
    /// Its name, unique among configs.
    pub name: String,
    /// Labels.
    pub labels: Option<Labels>,
    /// The payload in base 64.
    pub data: Option<String>,
    /// How the payload is filled in.
    pub templating: Option<crate::Driver>,
}
