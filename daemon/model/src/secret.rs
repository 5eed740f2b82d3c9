//! Secrets: small things that only tasks may read.

use crate::{Hidden, Labels, Meta, SecretId};
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

/// A secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct Secret {
    /// Its identifier.
    #[serde(rename = "ID")]
    pub id: SecretId,
    /// Version and times.
    #[serde(flatten)]
    pub meta: Meta,
    /// What the user sent.
    pub spec: SecretSpec,
}

impl Secret {
    /// The secret as the API shows it: without its data.
    pub fn public(&self) -> Self {
        let mut shown = self.clone();
        shown.spec.data = None;
        shown
    }
}

/// What the user sent.
#[skip_serializing_none]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SecretSpec {
    /// Its name, unique among secrets.
    pub name: String,
    /// Labels.
    pub labels: Option<Labels>,
    /// The payload in base 64.
    pub data: Option<Hidden<String>>,
    /// Where the payload comes from, if not from here.
    pub driver: Option<crate::Driver>,
    /// How the payload is filled in.
    pub templating: Option<crate::Driver>,
}
