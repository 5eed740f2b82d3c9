//! Who may ask the Engine API what, from another machine: Bramble's own, Docker has no such thing.

use crate::{Hidden, Timestamp};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What the holder of a client certificate may do. Each may do all that the one before it may.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AccessRole {
    /// Look at everything but secrets, tokens and keys.
    #[default]
    View,
    /// Make, change and remove services and what stacks are made of.
    Deploy,
    /// Everything.
    Admin,
}

impl AccessRole {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::View, Self::Deploy, Self::Admin];

    /// As users write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::View => "view",
            Self::Deploy => "deploy",
            Self::Admin => "admin",
        }
    }

    /// The role that users write so.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text)
    }
}

impl std::fmt::Display for AccessRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A client certificate that was given out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Grant {
    /// Names the certificate: part of its serial number.
    #[serde(rename = "ID")]
    pub id: String,
    /// Whom it is for.
    pub name: String,
    /// What its holder may do.
    pub role: AccessRole,
    /// When it was given out.
    pub created_at: Timestamp,
    /// When it lapses.
    pub expires_at: Timestamp,
    /// Taken back before its time.
    #[serde(default)]
    pub revoked: bool,
}

/// What the cluster keeps for this: an authority of its own, so that no node's certificate opens the Engine API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct AccessKeys {
    /// The root certificate, PEM.
    pub certificate: String,
    /// Its key, PEM.
    pub key: Hidden<String>,
    /// Certificates given out that have not lapsed, by id.
    pub grants: BTreeMap<String, Grant>,
}
